//! Readers on damaged input: seeded changes to small files that each format's own library wrote.
//!
//! Whatever the bytes, a reader answers with a matrix or an error: without a panic, and in no more memory than 64 MiB and
//! twenty times the input. The long run (`--ignored`, see CONTRIBUTING.md) also holds it to ten seconds an input.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails is a failed test")]

#[path = "formats/archive.rs"]
mod archive;
mod counting;

use std::fs;
use std::io::{Read as _, Write as _};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use modality_data::{Pair, Place, read_modalities, read_table};
use modality_protocol::Modality;
use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::counting::peak_of;

/// How many inputs of each format, or `A..B`: those of these numbers.
const INPUTS: &str = "MODALITY_BENCH_FUZZ";
const FEW: u64 = 60;
const LIMIT: Duration = Duration::from_secs(10);
const MIB: usize = 1 << 20;

/// A folder of inputs to take in place of the fixtures: a folder for each format, with valid files and folders.
const OWN: &str = "MODALITY_BENCH_FUZZ_INPUTS";

/// Formats, and the valid inputs of each: files and folders in `tests/fixtures`.
const FIXTURES: [(&str, &[&str]); 4] = [
    (
        "h5ad",
        &[
            "csr_gzip.h5ad",
            "csc_lzf.h5ad",
            "csc_i64.h5ad",
            "dense.h5ad",
            "dense_gzip.h5ad",
            "legacy_csc_gzip.h5ad",
            "legacy_h5sparse_lzf.h5ad",
        ],
    ),
    ("10x-h5", &["filtered_feature_bc_matrix.h5", "raw_gene_bc_matrices.h5"]),
    ("10x-mtx", &["mtx_plain", "mtx_gzip"]),
    ("csv", &["csv/gex.csv", "csv/adt.tsv.gz"]),
];

/// The same of what is in the archive of `tests/formats`: one of each way in which something is stored.
const ARCHIVED: [(&str, &[&str]); 4] = [
    (
        "hdf5",
        &[
            "h5ad/records.h5ad",
            "h5ad/names-nullable.h5ad",
            "hdf5/latest-fixed-gzip.h5ad",
            "hdf5/latest-extensible.h5ad",
            "hdf5/latest-tree-gzip.h5ad",
            "hdf5/v110-one-gzip.h5ad",
            "hdf5/soft-link-latest.h5ad",
            "hdf5/user-block.h5ad",
        ],
    ),
    (
        "codecs",
        &[
            "codec/zstd-csr.h5ad",
            "codec/blosc-blosclz-2-csr.h5ad",
            "codec/blosc-lz4-1-dense.h5ad",
            "codec/lz4-blocks-csr.h5ad",
            "codec/lzf-shuffle-csr.h5ad",
        ],
    ),
    ("h5mu", &["h5mu/pair.h5mu"]),
    (
        "zarr",
        &[
            "zarr2/csr-f4.zarr",
            "zarr2/names-category.zarr",
            "zarr3/csr-f4.zarr",
            "zarr3/names-nullable.zarr",
            "codec/zarr2/blosc-zstd-1.zarr",
            "codec/zarr3/shards-zstd.zarr",
        ],
    ),
];

/// Memory is counted for the whole process, so only one test may read at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_few_damaged_inputs_are_answered() {
    let archive = tempfile::tempdir().unwrap();
    let formats = formats(archive.path());
    for path in formats.iter().flat_map(|(_, paths)| paths) {
        assert!(read(path), "{} is no valid input", path.display());
    }
    fuzz(&formats, 0..FEW, None);
}

#[test]
#[ignore = "takes minutes; MODALITY_BENCH_FUZZ says how many inputs"]
fn many_damaged_inputs_are_answered() {
    let wanted = std::env::var(INPUTS).unwrap_or_else(|_| "100000".to_owned());
    let (first, end) = wanted.split_once("..").unwrap_or(("0", &wanted));
    let numbers = first.parse().ok().zip(end.parse().ok()).map(|(first, end)| first..end);
    let archive = tempfile::tempdir().unwrap();
    let mut formats = formats(archive.path());
    if let Some(own) = std::env::var_os(OWN) {
        let name = |folder: &PathBuf| folder.file_name().unwrap().display().to_string();
        let folders = inside(Path::new(&own)).into_iter();
        formats = folders.map(|folder| (name(&folder), inside(&folder))).collect();
    }
    let numbers = numbers.expect("MODALITY_BENCH_FUZZ is a number, or A..B");
    fuzz(&formats, numbers, Some(LIMIT));
}

/// Formats by name, and the inputs of each.
type Formats = Vec<(String, Vec<PathBuf>)>;

/// Unpacks into `archive` what it takes from there.
fn formats(archive: &Path) -> Formats {
    let is_wanted = |name: &str| {
        ARCHIVED.iter().any(|(_, inputs)| inputs.iter().any(|input| name.starts_with(input)))
    };
    archive::unpack(archive, is_wanted);
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"));
    let format = |folder: &Path, (name, inputs): (&str, &[&str])| {
        (name.to_owned(), inputs.iter().map(|input| folder.join(input)).collect())
    };
    let fixtures = FIXTURES.into_iter().map(|known| format(fixtures, known));
    fixtures.chain(ARCHIVED.into_iter().map(|known| format(archive, known))).collect()
}

/// What stands in a folder; its own order is the file system's.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn fuzz(formats: &Formats, numbers: Range<u64>, limit: Option<Duration>) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = modality_testing::seed();
    let mut reader = Reader::start(limit);
    let mut wrong = Vec::new();
    for (format, paths) in formats {
        let folder = tempfile::tempdir().unwrap();
        let place = |input: usize| folder.path().join(input.to_string());
        let inputs: Vec<Input> =
            paths.iter().zip(0..).map(|(path, input)| Input::copy(path, &place(input))).collect();
        let (mut read, mut peak) = (0_u64, 0);
        for number in numbers.clone() {
            let draw = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ draw);
            let input = inputs.choose(&mut rng).unwrap();
            let damaged = input.damage(&mut rng);
            match reader.read(&input.path) {
                Ok(done) => {
                    read += u64::from(done.is_matrix);
                    peak = peak.max(done.peak);
                    let most = 64 * MIB + 20 * input.bytes();
                    if done.peak > most {
                        let took = done.peak;
                        wrong.push(format!("{format} {number}: took {took} bytes of {most}"));
                    }
                }
                Err(what) => {
                    wrong.push(format!("{format} {number}: {what}"));
                    reader = Reader::start(limit);
                }
            }
            damaged.mend();
        }
        let count = numbers.end - numbers.start;
        eprintln!("{format}: {count} inputs, {read} of them read, {} KiB at most", peak >> 10);
    }
    assert!(wrong.is_empty(), "with seed {seed}:\n{}", wrong.join("\n"));
}

/// A valid input in a folder of its own, whose files are damaged one or two at a time.
struct Input {
    path: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// Writes the files of an input back as they were.
struct Damaged<'a>(Vec<&'a (PathBuf, Vec<u8>)>);

impl Input {
    fn copy(source: &Path, folder: &Path) -> Self {
        fs::create_dir(folder).unwrap();
        let path = folder.join(source.file_name().unwrap());
        let mut files = Vec::new();
        copy(source, &path, &mut files);
        Self { path, files }
    }

    fn bytes(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    fn damage(&self, rng: &mut ChaCha8Rng) -> Damaged<'_> {
        let count = if rng.gen_bool(0.1) { 2 } else { 1 };
        let chosen: Vec<_> = self.files.choose_multiple(rng, count).collect();
        for (path, bytes) in &chosen {
            // What is compressed is damaged before compression as often as after.
            let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
            let damaged = if is_gzip && rng.gen_bool(0.5) {
                gzip(&change(rng, gunzip(bytes)))
            } else {
                change(rng, bytes.clone())
            };
            fs::write(path, damaged).unwrap();
        }
        Damaged(chosen)
    }
}

impl Damaged<'_> {
    fn mend(self) {
        self.0.into_iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    }
}

fn copy(source: &Path, target: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    if source.is_dir() {
        fs::create_dir(target).unwrap();
        for entry in inside(source) {
            copy(&entry, &target.join(entry.file_name().unwrap()), files);
        }
    } else {
        let bytes = fs::read(source).unwrap();
        fs::write(target, &bytes).unwrap();
        files.push((target.to_owned(), bytes));
    }
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One to four changes.
fn change(rng: &mut ChaCha8Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    for _ in 0..rng.gen_range(1..=4) {
        if bytes.is_empty() {
            break;
        }
        let place = rng.gen_range(0..bytes.len());
        match rng.gen_range(0..9) {
            0 => bytes[place] ^= 1 << rng.gen_range(0..8),
            1 => bytes[place] = *[0, 1, 0x7f, 0x80, 0xff].choose(rng).unwrap(),
            2 => bytes[place] = rng.r#gen(),
            3 => bytes.truncate(place),
            4 => {
                let block = block(rng, &bytes);
                let end = bytes.len().min(place + block.len());
                bytes[place..end].copy_from_slice(&block[..end - place]);
            }
            5 => {
                let block = block(rng, &bytes);
                bytes.splice(place..place, block);
            }
            6 => {
                let end = bytes.len().min(place + rng.gen_range(1..=64));
                bytes.drain(place..end);
            }
            7 => huge_integer(rng, &mut bytes, place),
            _ => huge_number(rng, &mut bytes, place),
        }
    }
    bytes
}

/// A copy of up to 256 bytes.
fn block(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Vec<u8> {
    let start = rng.gen_range(0..bytes.len());
    let end = bytes.len().min(start + rng.gen_range(1..=256));
    bytes[start..end].to_vec()
}

/// Overwrites an aligned binary integer.
fn huge_integer(rng: &mut ChaCha8Rng, bytes: &mut [u8], place: usize) {
    let width = *[1, 2, 4, 8].choose(rng).unwrap();
    let powers = [7, 8, 15, 16, 24, 31, 32, 40, 48, 62, 63];
    let near = (1_u64 << *powers.choose(rng).unwrap()).wrapping_sub(rng.gen_range(0..2));
    let value = if rng.gen_bool(0.2) { u64::MAX } else { near };
    let start = place / width * width;
    let end = bytes.len().min(start + width);
    bytes[start..end].copy_from_slice(&value.to_le_bytes()[..end - start]);
}

/// Replaces the next number that is written in digits.
fn huge_number(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, place: usize) {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = bytes[place..].iter().position(is_digit).map(|start| place + start) else {
        return;
    };
    let length = bytes[start..].iter().take_while(|&byte| is_digit(byte)).count();
    let numbers = [
        "",
        "0",
        "-1",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "99999999999999999999",
        "1e39",
        "NaN",
        "inf",
    ];
    bytes.splice(start..start + length, numbers.choose(rng).unwrap().bytes());
}

/// What became of an input.
struct Done {
    is_matrix: bool,
    peak: usize,
}

/// A thread that reads, so that one who waits can stop waiting.
struct Reader {
    paths: Sender<PathBuf>,
    answers: Receiver<Result<Done, String>>,
    limit: Option<Duration>,
}

impl Reader {
    fn start(limit: Option<Duration>) -> Self {
        let (paths, inbox) = channel::<PathBuf>();
        let (outbox, answers) = channel();
        std::thread::spawn(move || {
            for path in inbox {
                let (done, peak) = peak_of(|| catch_unwind(AssertUnwindSafe(|| read(&path))));
                let done = done.map(|is_matrix| Done { is_matrix, peak });
                if outbox.send(done.map_err(|_| "panicked".to_owned())).is_err() {
                    break;
                }
            }
        });
        Self { paths, answers, limit }
    }

    /// # Errors
    /// Why the next path needs another reader.
    fn read(&self, path: &Path) -> Result<Done, String> {
        self.paths.send(path.to_owned()).unwrap();
        match self.limit {
            None => self.answers.recv().unwrap(),
            Some(limit) => self
                .answers
                .recv_timeout(limit)
                .unwrap_or_else(|_| Err(format!("is not read in {limit:?}"))),
        }
    }
}

/// Reads as a user would, of MuData every modality; whether there was a matrix.
fn read(path: &Path) -> bool {
    let modalities = read_modalities(path).unwrap_or_default();
    let mut places: Vec<Place> = modalities
        .into_iter()
        .map(|modality| Place { modality: Some(modality), matrix: None })
        .collect();
    if places.is_empty() {
        places.push(Place::default());
    }
    let tables = places.iter().filter_map(|place| read_table(path, place).ok());
    let mut count = 0;
    for table in tables {
        count += 1;
        assert_eq!(table.values.shape(), (table.cells.len(), table.features.len()));
        let modalities = [Modality::Gex, Modality::Adt];
        drop(Pair::from_table(table, modalities).and_then(|mut pair| pair.normalise()));
    }
    count > 0
}
