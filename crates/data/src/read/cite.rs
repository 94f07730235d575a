//! A data set from a file that holds both modalities, or from a file for each.

use std::path::Path;

use modality_protocol::{Modality, Task};
use ndarray::Axis;

use super::delimited::read_cells;
use super::files_of;
use super::labels::{LabelColumns, doubtful_names};
use super::layout::{CiteLayout, Stored};
use super::looks;
use super::pair::{Pair, normalise_together};
use super::rows::partition_rows;
use super::sources::{Reading, Source, Wanted};
use super::split::Halves;
use super::words::{counted, sentence};
use crate::sums::file_sum;
use crate::{Dataset, FileSum, Provenance, Result, Split, Values};

const AS_STORED: &str = "none: values as stored in the files";

/// Reads a file with both modalities: AnnData, MuData or 10x HDF5, or a 10x folder of matrix, features and barcodes.
///
/// # Errors
/// As [`read_source`].
pub fn read_cite_file(path: &Path, name: &str, layout: &CiteLayout, task: Task) -> Result<Dataset> {
    read_source(&Source::One(path.to_owned()), name, layout, Wanted::Exactly(task))
}

/// Reads a file for each modality, of any kind that [`read_table`](super::read_table) knows, joined by the names of the
/// cells; that of the task's input comes first.
///
/// # Errors
/// As [`read_source`]; also where the two files are of different cells.
pub fn read_pair(
    files: [&Path; 2],
    name: &str,
    layout: &CiteLayout,
    task: Task,
) -> Result<Dataset> {
    read_source(&Source::Two(files.map(Path::to_owned)), name, layout, Wanted::Exactly(task))
}

/// Reads a data set from one file or two.
///
/// The steps: read, split by modality (by column, so a name may stand in both), leave out proteins, see what the numbers
/// are, normalise counts over all cells of the file, cut into halves, check. What was found and chosen on the way is in
/// [`Provenance::remarks`].
///
/// # Errors
/// [`Error`](crate::Error) as a sentence that names the file and what would be right.
pub fn read_source(
    source: &Source,
    name: &str,
    layout: &CiteLayout,
    wanted: Wanted,
) -> Result<Dataset> {
    let Reading { mut pair, task, mut remarks } = source.read(layout, wanted)?;
    let paths = source.paths();
    let mut files =
        paths.iter().map(|path| source_sums(path)).collect::<Result<Vec<_>>>()?.concat();
    if let Some(table) = &layout.cells {
        let table = pair.path.parent().unwrap_or(Path::new("")).join(table);
        let (cells, columns) = read_cells(&table)?;
        pair.add_columns(&table, &cells, &columns)?;
        files.push(file_sum(&table)?);
    }
    let normalisation = make_values(&mut [&mut pair], layout, &mut remarks)?;
    let columns = LabelColumns::of(layout, &pair);
    let halves = Halves::of(layout, &pair, &columns)?;
    remarks.extend(halves.remarks.iter().cloned());
    remarks.extend(columns.remarks(&pair)?);
    let remarks = remarks.iter().map(|clause| sentence(clause)).collect();
    let source = told(&paths);
    let provenance = Provenance { source, files, synthetic: false, normalisation, remarks };
    let path = pair.path.clone();
    let dataset = cut(pair, name, &halves, &columns, task, provenance)?;
    check_sizes(&path, &dataset, layout)?;
    dataset.validate()?;
    Ok(dataset)
}

/// Leaves out proteins and normalises counts, of parts of one data set; says in one line what was done to the values.
pub(super) fn make_values(
    pairs: &mut [&mut Pair],
    layout: &CiteLayout,
    remarks: &mut Vec<String>,
) -> Result<String> {
    let mut left_out = 0;
    for pair in pairs.iter_mut() {
        left_out = pair.drop_proteins_containing(&layout.drop_proteins_containing)?;
        remarks.extend(doubtful_names(pair));
    }
    if left_out > 0 {
        let parts = layout.drop_proteins_containing.join("`, `");
        let proteins = counted(left_out, "protein is", "proteins are");
        remarks.push(format!("{proteins} left out, for `{parts}` in the name"));
    }
    let mut done = Vec::new();
    for index in 0..2 {
        let lent: Vec<&Pair> = pairs.iter().map(|pair| &**pair).collect();
        let modality = lent[0].blocks[index].features.modality;
        let stored = looks::decide(&lent, index, layout.values, remarks)?;
        if stored == Stored::Counts {
            normalise_together(pairs, index)?;
        }
        done.push((modality, stored));
    }
    if done.iter().all(|(_, stored)| *stored != Stored::Counts) {
        return Ok(AS_STORED.to_owned());
    }
    let what = |(modality, stored)| match (modality, stored) {
        (Modality::Gex, Stored::Counts) => "GEX log1p(count / s), s = cell total / median total",
        (Modality::Adt, Stored::Counts) => {
            "ADT log1p(count / g), g = exp(mean over proteins of log1p(count))"
        }
        (Modality::Atac, Stored::Counts) => "ATAC 1 where there is a count",
        (Modality::Gex, _) => "GEX as stored",
        (Modality::Adt, _) => "ADT as stored",
        (Modality::Atac, _) => "ATAC as stored",
    };
    Ok(done.into_iter().map(what).collect::<Vec<_>>().join("; "))
}

fn cut(
    pair: Pair,
    name: &str,
    Halves { train, test, .. }: &Halves,
    columns: &LabelColumns,
    task: Task,
    provenance: Provenance,
) -> Result<Dataset> {
    let (train_cells, test_cells) =
        (columns.annotate(&pair, train)?, columns.annotate(&pair, test)?);
    let (input, target) = pair.split_for(task)?;
    let (train_input, test_input) = halves(input.values, train, test);
    let (train_target, test_target) = halves(target.values, train, test);
    Ok(Dataset {
        name: name.to_owned(),
        input: input.features,
        target: target.features,
        train: Split { input: train_input, target: train_target, cells: train_cells },
        test: Split { input: test_input, target: test_target, cells: test_cells },
        provenance,
    })
}

fn halves(values: Values, train: &[usize], test: &[usize]) -> (Values, Values) {
    match values {
        Values::Dense(dense) => {
            let half = |rows| Values::Dense(dense.select(Axis(0), rows));
            (half(train), half(test))
        }
        Values::Sparse(csr) => {
            let (train, test) = partition_rows(csr, train, test);
            (Values::Sparse(train), Values::Sparse(test))
        }
    }
}

fn check_sizes(path: &Path, dataset: &Dataset, layout: &CiteLayout) -> Result<()> {
    let Some(sizes) = layout.sizes else { return Ok(()) };
    let mut found = vec![
        ("training cells", dataset.train.cells.names.len(), sizes.train_cells),
        ("test cells", dataset.test.cells.names.len(), sizes.test_cells),
    ];
    for features in [&dataset.input, &dataset.target] {
        let (here, what) = (features.names.len(), features.modality.features());
        found.extend(sizes.of(features.modality).map(|expected| (what, here, expected)));
    }
    match found.into_iter().find(|(_, found, expected)| found != expected) {
        Some((what, found, expected)) => Err(super::bad(
            path,
            format!("gives {found} {what} where the layout expects {expected}"),
        )),
        None => Ok(()),
    }
}

/// The files that [`read_table`](super::read_table) reads at `path`, with their sums: three of a 10x folder, else one; a
/// zarr folder counts as one.
///
/// # Errors
/// [`Error`](crate::Error) where one is missing or cannot be read.
pub fn source_sums(path: &Path) -> Result<Vec<FileSum>> {
    files_of(path)?.iter().map(|path| file_sum(path)).collect()
}

/// The files or folder that a data set comes from, in words.
pub(super) fn told(paths: &[&Path]) -> String {
    let kind = match paths {
        [path] if path.is_dir() => "folder",
        [_] => "file",
        _ => "files",
    };
    let name =
        |path: &&Path| format!("`{}`", path.file_name().unwrap_or(path.as_os_str()).display());
    format!("the {kind} {}", paths.iter().map(name).collect::<Vec<_>>().join(" and "))
}
