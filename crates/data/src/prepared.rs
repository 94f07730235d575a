//! A data set made ready, as a folder of plain files: what runners read, in any language.
//!
//! | file | holds |
//! |---|---|
//! | `inputs/dataset.json` | [`Manifest`]: names, shapes, provenance, sums |
//! | `inputs/{train,test}_cells.json` | [`Cells`](crate::Cells): barcodes, batch, donor, site |
//! | `inputs/{train,test}_input` | cells x features of the input |
//! | `inputs/train_target` | cells x features of the target |
//! | `answers/test_target` | the same of the test cells |
//!
//! A matrix is dense, in `NAME.npy` (float32, C order), or sparse, in `NAME.{indptr,indices,data}.npy` (CSR: uint64, uint32,
//! float32); the manifest says which.
//!
//! Runners are handed `inputs`; the harness alone reads `answers`.
//!
//! A folder is written beside its place and renamed, so a half-written one never counts.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use modality_protocol::Task;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use ndarray_npy::{ReadNpyExt, ReadableElement, WritableElement, WriteNpyExt};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{Csr, Dataset, Error, Features, FileSum, Provenance, Result, Values, hex};

mod annotations;
mod shape;
mod subset;

pub use annotations::{read_batches, read_train_cells};
pub use shape::{Extent, Shape};

/// Version of the folder's layout, in [`Manifest::format`].
pub const FORMAT: u32 = 3;

const MANIFEST: &str = "dataset.json";
const INPUTS: &str = "inputs";
const ANSWERS: &str = "answers";
/// How the names of files begin that hold answers.
const TEST_TARGET: &str = "test_target.";

/// What a prepared folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the data set.
    pub name: String,
    /// Where the numbers come from.
    pub provenance: Provenance,
    /// Rows of the training matrices.
    pub train_cells: usize,
    /// Rows of the test matrices.
    pub test_cells: usize,
    /// What is predicted from.
    pub input: Columns,
    /// What is predicted.
    pub target: Columns,
    /// SHA-256 over the sums of the arrays below: one short name for the data.
    pub sha256: String,
    /// The other files, with their sums; those of the answers are in a folder of their own.
    pub files: Vec<FileSum>,
}

/// The features of a modality, and in what form their values are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Names, one a column.
    #[serde(flatten)]
    pub features: Features,
    /// Of every matrix of this modality.
    pub values: Form,
}

/// How a matrix is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Rows of nonzeros, in three files.
    Sparse,
    /// Every number, in one file.
    Dense,
}

/// What a backend may see.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Names, shapes, provenance.
    pub manifest: Manifest,
    /// Training cells x features of the input.
    pub train_input: Values,
    /// Training cells x features of the target.
    pub train_target: Values,
    /// Test cells x features of the input.
    pub test_input: Values,
}

impl Manifest {
    /// What is predicted from what.
    pub fn task(&self) -> Task {
        Task { input: self.input.features.modality, target: self.target.features.modality }
    }
}

impl Columns {
    fn of(features: &Features, values: &Values) -> Self {
        let form = match values {
            Values::Sparse(_) => Form::Sparse,
            Values::Dense(_) => Form::Dense,
        };
        Self { features: features.clone(), values: form }
    }

    fn len(&self) -> usize {
        self.features.names.len()
    }
}

/// Writes `dataset` into `folder`, which must not exist yet; whole or not at all.
///
/// # Errors
/// [`Error::Invalid`] if the data set is not [valid](Dataset::validate), [`Error::Io`] if the system refuses.
pub fn write(dataset: &Dataset, folder: &Path) -> Result<Manifest> {
    dataset.validate()?;
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io(parent))?;
    let staging =
        tempfile::Builder::new().prefix(".preparing-").tempdir_in(parent).map_err(io(parent))?;
    for part in [INPUTS, ANSWERS] {
        let part = staging.path().join(part);
        fs::create_dir(&part).map_err(io(&part))?;
    }
    let mut writer = Writer { folder: staging.path().to_owned(), files: Vec::new() };
    for (half, split) in [("train", &dataset.train), ("test", &dataset.test)] {
        writer.values(&format!("{half}_input"), &split.input)?;
        writer.values(&format!("{half}_target"), &split.target)?;
        writer.json(&format!("{half}_cells.json"), &split.cells)?;
    }
    let manifest = Manifest {
        format: FORMAT,
        name: dataset.name.clone(),
        provenance: dataset.provenance.clone(),
        train_cells: dataset.train.input.rows(),
        test_cells: dataset.test.input.rows(),
        input: Columns::of(&dataset.input, &dataset.train.input),
        target: Columns::of(&dataset.target, &dataset.train.target),
        sha256: digest(&writer.files),
        files: std::mem::take(&mut writer.files),
    };
    writer.json(MANIFEST, &manifest)?;
    fs::rename(staging.path(), folder).map_err(io(folder))?;
    Ok(manifest)
}

/// The part of a prepared `folder` that a backend may see: the folder that runners are handed.
pub fn inputs(folder: &Path) -> PathBuf {
    folder.join(INPUTS)
}

/// Reads names, shapes and provenance, and checks that every file has the sum it was written with.
///
/// # Errors
/// As [`read_manifest`]; [`Error::File`] for a file that has changed.
pub fn verify(folder: &Path) -> Result<Manifest> {
    let manifest = read_manifest(folder)?;
    for file in &manifest.files {
        let path = place(folder, &file.name);
        if crate::sha256_file(&path)? != file.sha256 {
            let what = "changed since it was written; delete its folder to make it anew".to_owned();
            return Err(Error::File { path, what });
        }
    }
    Ok(manifest)
}

/// Reads names, shapes and provenance.
///
/// # Errors
/// [`Error::Io`] if there is no prepared data set in `folder`, [`Error::File`] if it has another format.
pub fn read_manifest(folder: &Path) -> Result<Manifest> {
    manifest_in(&inputs(folder))
}

/// The manifest in the folder that runners are handed.
///
/// # Errors
/// As [`read_manifest`].
pub fn manifest_in(inputs: &Path) -> Result<Manifest> {
    let path = inputs.join(MANIFEST);
    let manifest: Manifest = read_json(&path)?;
    if manifest.format != FORMAT {
        return Err(Error::File {
            path,
            what: format!(
                "format {} where this program reads {FORMAT}; delete the folder",
                manifest.format
            ),
        });
    }
    Ok(manifest)
}

/// Reads what a backend may see, from the folder that it is handed; of the training cells only `cells`, ascending rows,
/// where they are given.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`], naming the file; [`Error::Invalid`] for a cell that is not there.
pub fn read_inputs(inputs: &Path, cells: Option<&[u32]>) -> Result<Inputs> {
    let manifest = manifest_in(inputs)?;
    let rows = cells.map(|cells| subset::rows(cells, manifest.train_cells)).transpose()?;
    let train = |stem, columns| {
        let of = (manifest.train_cells, columns);
        read_values(inputs, stem, of, rows.as_deref())
    };
    let (train_input, train_target) =
        (train("train_input", &manifest.input)?, train("train_target", &manifest.target)?);
    let test_input =
        read_values(inputs, "test_input", (manifest.test_cells, &manifest.input), None)?;
    Ok(Inputs { manifest, train_input, train_target, test_input })
}

/// Reads what was measured of the test cells, test cells x features of the target.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`], naming the file.
pub fn read_answers(folder: &Path) -> Result<Values> {
    let manifest = read_manifest(folder)?;
    let of = (manifest.test_cells, &manifest.target);
    read_values(&folder.join(ANSWERS), "test_target", of, None)
}

struct Writer {
    folder: PathBuf,
    files: Vec<FileSum>,
}

impl Writer {
    fn values(&mut self, stem: &str, values: &Values) -> Result<()> {
        match values {
            Values::Sparse(csr) => self.csr(stem, csr),
            Values::Dense(dense) => {
                self.file(&format!("{stem}.npy"), |out| dense.write_npy(out).map_err(npy))
            }
        }
    }

    fn csr(&mut self, stem: &str, matrix: &Csr) -> Result<()> {
        let indptr: Array1<u64> =
            matrix.indptr().into_raw_storage().iter().map(|&offset| offset as u64).collect();
        self.array(&format!("{stem}.indptr.npy"), indptr.view())?;
        self.array(&format!("{stem}.indices.npy"), ArrayView1::from(matrix.indices()))?;
        self.array(&format!("{stem}.data.npy"), ArrayView1::from(matrix.data()))
    }

    fn array<T: WritableElement>(&mut self, name: &str, array: ArrayView1<'_, T>) -> Result<()> {
        self.file(name, |out| array.write_npy(out).map_err(npy))
    }

    fn json<T: Serialize>(&mut self, name: &str, value: &T) -> Result<()> {
        self.file(name, |out| serde_json::to_writer(out, value).map_err(std::io::Error::from))
    }

    fn file(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<()> {
        let path = place(&self.folder, name);
        let file = File::create(&path).map_err(io(&path))?;
        let mut out = Hashing { inner: BufWriter::new(file), hash: Sha256::new() };
        fill(&mut out).map_err(io(&path))?;
        let file = out.inner.into_inner().map_err(|error| io(&path)(error.into_error()))?;
        file.sync_all().map_err(io(&path))?;
        self.files.push(FileSum { name: name.to_owned(), sha256: hex(&out.hash.finalize()) });
        Ok(())
    }
}

/// Where a file of the prepared `folder` lies.
fn place(folder: &Path, name: &str) -> PathBuf {
    folder.join(if name.starts_with(TEST_TARGET) { ANSWERS } else { INPUTS }).join(name)
}

/// Bytes of all files of a prepared `folder`.
///
/// # Errors
/// [`Error::Io`] naming the file.
pub fn size(folder: &Path, manifest: &Manifest) -> Result<u64> {
    let bytes = |file: &FileSum| {
        let path = place(folder, &file.name);
        fs::metadata(&path).map(|meta| meta.len()).map_err(io(&path))
    };
    manifest.files.iter().map(bytes).sum()
}

struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

fn digest(files: &[FileSum]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        hash.update(format!("{} {}\n", file.sha256, file.name));
    }
    hex(&hash.finalize())
}

/// A file of the CSR matrix `stem`: `indptr`, `indices` or `data`.
fn part(folder: &Path, stem: &str, part: &str) -> PathBuf {
    folder.join(format!("{stem}.{part}.npy"))
}

/// The matrix `stem` of so many cells, or the given rows of it.
fn read_values(
    folder: &Path,
    stem: &str,
    (cells, columns): (usize, &Columns),
    rows: Option<&[usize]>,
) -> Result<Values> {
    let shape = (cells, columns.len());
    Ok(match (columns.values, rows) {
        (Form::Sparse, None) => Values::Sparse(read_csr(folder, stem, shape)?),
        (Form::Sparse, Some(rows)) => Values::Sparse(subset::read_csr(folder, stem, shape, rows)?),
        (Form::Dense, rows) => {
            let path = folder.join(format!("{stem}.npy"));
            let all: Array2<f32> = read_npy(&path)?;
            if all.dim() != shape {
                let what = format!("its shape is {:?} where {shape:?} is expected", all.dim());
                return Err(Error::File { path, what });
            }
            Values::Dense(match rows {
                None => all,
                Some(rows) => all.select(Axis(0), rows),
            })
        }
    })
}

fn read_csr(folder: &Path, stem: &str, shape: (usize, usize)) -> Result<Csr> {
    let indptr: Array1<u64> = read_npy(&part(folder, stem, "indptr"))?;
    let indices: Array1<u32> = read_npy(&part(folder, stem, "indices"))?;
    let data: Array1<f32> = read_npy(&part(folder, stem, "data"))?;
    let indptr = indptr.into_iter().map(|offset| offset as usize).collect();
    Csr::try_new(
        shape,
        indptr,
        indices.into_raw_vec_and_offset().0,
        data.into_raw_vec_and_offset().0,
    )
    .map_err(|(_, _, _, error)| Error::File {
        path: part(folder, stem, "indptr"),
        what: error.to_string(),
    })
}

fn read_npy<T: ReadableElement, D: ndarray::Dimension>(
    path: &Path,
) -> Result<ndarray::Array<T, D>> {
    let file = File::open(path).map_err(io(path))?;
    ndarray::Array::read_npy(BufReader::new(file))
        .map_err(|error| Error::File { path: path.to_owned(), what: error.to_string() })
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let file = File::open(path).map_err(io(path))?;
    serde_json::from_reader(BufReader::new(file))
        .map_err(|error| Error::File { path: path.to_owned(), what: error.to_string() })
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |cause| Error::Io { path: path.clone(), cause }
}

fn npy(error: ndarray_npy::WriteNpyError) -> std::io::Error {
    std::io::Error::other(error)
}
