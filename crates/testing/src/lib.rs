//! What the tests of all crates share: how a test says that it cannot check here what it is for, and the seed of what
//! it draws (`cargo xtask test` counts the one and varies the other); programs and a server that do as a test says.

#[cfg(unix)]
mod programs;
mod server;

use std::{
    fmt::Display,
    fs::OpenOptions,
    io::{self, Write as _},
    panic::Location,
    path::{Path, PathBuf},
};

#[cfg(unix)]
pub use programs::{Programs, program, zip};
pub use server::{Reply, Request, Server};

/// The environment variable that names the file to which skipped tests are written.
pub const FILE: &str = "MODALITY_BENCH_SKIPPED";

/// The environment variable with the seed of what tests draw.
pub const SEED: &str = "MODALITY_BENCH_TEST_SEED";

/// A test that could not check what it is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Its path in its program; where it said so in a thread of its own, the place in the source.
    pub test: String,
    /// What is missing, as the test put it.
    pub reason: String,
}

/// Counts the test that calls this as skipped, for want of what `reason` says ("there is no python3"), where `cargo xtask
/// test` runs it; whoever runs it says so on standard error. To be followed by the test's end; what it
/// checked before may still fail it.
///
/// # Panics
/// If the file that `cargo xtask test` named cannot be written: the count would be wrong.
#[track_caller]
pub fn skip(reason: impl Display) {
    let thread = std::thread::current();
    // libtest gives each test a thread with its name.
    let test = match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => Location::caller().to_string(),
    };
    let skipped = Skipped { test, reason: reason.to_string() };
    // Not by `eprintln!`, which libtest keeps from being seen where the test passes.
    let said = writeln!(io::stderr(), "skipped: {}: {}", skipped.test, skipped.reason);
    drop(said);
    if let Some(file) = std::env::var_os(FILE) {
        let written = skipped.append_to(Path::new(&file));
        assert!(written.is_ok(), "{}: {written:?}", file.display());
    }
}

/// The folder of the competition's starter files of gene expression and proteins, which are no part of the checkout but may
/// lie beside it; where they do not, the test that calls this is skipped.
#[track_caller]
pub fn starter() -> Option<PathBuf> {
    beside("../shared/data/bmmc-cite-starter")
}

/// [`starter`], of gene expression and open chromatin.
#[track_caller]
pub fn multiome_starter() -> Option<PathBuf> {
    beside("../shared/data/bmmc-multiome-starter")
}

#[track_caller]
fn beside(place: &str) -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(place);
    if folder.is_dir() {
        return Some(folder);
    }
    skip(format_args!("{place} is not there"));
    None
}

/// The seed of what tests draw where another one should serve as well; 0 where none is given.
///
/// # Panics
/// If the variable [`SEED`] holds no whole number.
pub fn seed() -> u64 {
    let Some(text) = std::env::var_os(SEED) else { return 0 };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("${SEED} is {text:?}; it must be a whole number from 0 on"))
}

impl Skipped {
    /// One line, in one piece: tests run side by side.
    fn append_to(&self, file: &Path) -> io::Result<()> {
        let line = format!("{}\t{}\n", self.test, self.reason.replace('\n', " "));
        OpenOptions::new().append(true).create(true).open(file)?.write_all(line.as_bytes())
    }

    /// Those in the text of such a file.
    pub fn parse(text: &str) -> impl Iterator<Item = Self> {
        text.lines().filter_map(|line| {
            let (test, reason) = line.split_once('\t')?;
            Some(Self { test: test.to_owned(), reason: reason.to_owned() })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_can_be_read_again() {
        let file = std::env::temp_dir().join(format!("modality-testing-{}", std::process::id()));
        let skipped = ["a::b", "c"].map(|test| Skipped {
            test: test.to_owned(),
            reason: "there is\tno python3\nanywhere".to_owned(),
        });
        skipped.iter().for_each(|skipped| skipped.append_to(&file).unwrap());
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let read: Vec<Skipped> = Skipped::parse(&text).collect();
        assert_eq!(read[0].test, "a::b");
        assert_eq!(read[1].reason, "there is\tno python3 anywhere");
        assert_eq!(read.len(), 2);
    }
}
