//! NVIDIA's CUDA compiler: where it is, and how the kernels are compiled by it.
//!
//! The build script of `backend-cuda` and `cargo xtask kernels` both stand on this, so that what is checked is what
//! is built.

mod usage;

use std::{
    env::consts::EXE_SUFFIX,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use thiserror::Error;

pub use usage::Usage;

/// The variable that names the nvcc of a build.
pub const VARIABLE: &str = "MODALITY_NVCC";

/// The release that kernels are compiled by.
pub const MAJOR: u32 = 13;

/// Compute capabilities, times ten, that there is machine code for. Code for 8.0 serves all of 8.x and code for 10.0
/// all of 10.x.
pub const ARCHITECTURES: [u32; 4] = [75, 80, 90, 100];

/// Compute capabilities, times ten, that there is PTX for, which a driver translates: that of 10.0 serves 11.0, 12.x and
/// whatever comes, that of 7.5 whatever lies between and runs no desktop's code (8.7 of Jetson Orin).
const PTX: [u32; 2] = [75, 100];

/// How kernels are compiled, wherever that is done.
const OPTIONS: [&str; 2] = ["-O3", "--std=c++17"];
const WARNINGS_ARE_ERRORS: [&str; 2] = ["-Werror", "all-warnings"];

const USUAL_FOLDER: &str = "/usr/local/cuda";
const TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// Why there is no nvcc, or no code.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no such program, or it may not be run.
    #[error("{} cannot be run: {cause}", program.display())]
    Start {
        /// What was to be run.
        program: PathBuf,
        /// Why it was not.
        cause: io::Error,
    },
    /// It is something else, or another release.
    #[error("{} is not nvcc {MAJOR}: `--version` says {said}", program.display())]
    NotThis {
        /// What was run.
        program: PathBuf,
        /// The last line of what it said.
        said: String,
    },
    /// Not even an empty file can be compiled.
    #[error("{} cannot compile an empty file: {said}", program.display())]
    Unusable {
        /// What was run.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// A file is not right.
    #[error("{} does not compile: {said}", file.display())]
    Compile {
        /// The file.
        file: PathBuf,
        /// What nvcc said.
        said: String,
    },
    /// A file or folder cannot be used.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        cause: io::Error,
    },
}

/// What this library's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// An nvcc of the right release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvcc {
    program: PathBuf,
    version: String,
}

impl Nvcc {
    /// The program of this path, or of this name on the `PATH`.
    ///
    /// # Errors
    /// [`Error::Start`] and [`Error::NotThis`].
    pub fn at(program: impl Into<PathBuf>) -> Result<Self> {
        let program = resolved(program.into(), std::env::var_os("PATH").as_deref());
        let output = output(Command::new(&program).arg("--version"))
            .map_err(|cause| Error::Start { program: program.clone(), cause })?;
        let said = said(&output);
        match version(&said) {
            Some(version) => Ok(Self { version: version.to_owned(), program }),
            None => {
                let said = said.lines().next_back().unwrap_or("nothing").to_owned();
                Err(Error::NotThis { program, said })
            }
        }
    }

    /// The first of `candidates` that is an nvcc of the right release.
    pub fn first(candidates: impl IntoIterator<Item = PathBuf>) -> Option<Self> {
        candidates.into_iter().filter(|path| path.is_file()).find_map(|path| Self::at(path).ok())
    }

    /// The program, by its full path.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The toolkit that it is part of: the folder above the program's.
    #[must_use]
    pub fn toolkit(&self) -> &Path {
        let folder = self.program.parent();
        folder.and_then(Path::parent).unwrap_or(&self.program)
    }

    /// `13.0.88`
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Compiles an empty file in the folder `scratch`, which tells a host compiler that is missing or too new from a mistake in a
    /// kernel.
    ///
    /// # Errors
    /// [`Error::Unusable`] with what nvcc said.
    pub fn check(&self, scratch: &Path) -> Result<()> {
        let file = scratch.join("empty.cu");
        std::fs::write(&file, "").map_err(|cause| Error::Io { path: file.clone(), cause })?;
        self.compile(&file, &file.with_extension("fatbin"), &["-fatbin"]).map(drop).map_err(
            |error| match error {
                Error::Compile { said, .. } => {
                    Error::Unusable { program: self.program.clone(), said }
                }
                other => other,
            },
        )
    }

    /// Compiles `file`, which includes headers of its own folder, into the fatbin `into`: machine code for
    /// [`ARCHITECTURES`], and PTX for the devices of other capabilities from 7.5 on.
    ///
    /// # Errors
    /// [`Error::Compile`] with what nvcc said.
    pub fn fatbin(&self, file: &Path, into: &Path) -> Result<()> {
        let mut options = vec!["-fatbin".to_owned(), "--threads=0".to_owned()];
        options.extend(
            ARCHITECTURES.map(|code| format!("-gencode=arch=compute_{code},code=sm_{code}")),
        );
        options.extend(PTX.map(|code| format!("-gencode=arch=compute_{code},code=compute_{code}")));
        self.compile(file, into, &options).map(drop)
    }

    /// What each function of `file` takes on devices of this compute capability times ten. Warnings are errors here;
    /// what is compiled goes into the folder `scratch`.
    ///
    /// # Errors
    /// [`Error::Compile`] with what nvcc said.
    pub fn usage(&self, file: &Path, architecture: u32, scratch: &Path) -> Result<Vec<Usage>> {
        let architecture = format!("-arch=sm_{architecture}");
        let mut options = vec!["-cubin", &architecture, "-Xptxas", "-v"];
        options.extend(WARNINGS_ARE_ERRORS);
        let said = self.compile(file, &scratch.join("out.cubin"), &options)?;
        Ok(usage::parse(&said))
    }

    /// What nvcc said.
    fn compile(&self, file: &Path, into: &Path, options: &[impl AsRef<OsStr>]) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(OPTIONS).args(options).arg("-I").arg(file.parent().unwrap_or(Path::new(".")));
        let output = output(command.arg("-o").arg(into).arg(file))
            .map_err(|cause| Error::Start { program: self.program.clone(), cause })?;
        let said = said(&output);
        if output.status.success() {
            return Ok(said);
        }
        let said = if said.is_empty() { output.status.to_string() } else { said };
        Err(Error::Compile { file: file.to_owned(), said })
    }
}

/// Where an installed nvcc may be, the likeliest place first; `variable` looks up environment variables.
pub fn places(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let toolkits = toolkits(&variable).into_iter();
    let mut folders: Vec<PathBuf> = toolkits.map(|toolkit| toolkit.join("bin")).collect();
    folders.extend(std::env::split_paths(&variable("PATH").unwrap_or_default()));
    folders.into_iter().map(|folder| folder.join(format!("nvcc{EXE_SUFFIX}"))).collect()
}

/// Where an installed CUDA toolkit may be, the likeliest place first; `variable` looks up environment variables.
pub fn toolkits(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let named = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(variable);
    let mut folders: Vec<PathBuf> =
        named.filter(|folder| !folder.is_empty()).map(PathBuf::from).collect();
    folders.push(USUAL_FOLDER.into());
    folders
}

/// The CUDA files of a folder by name; there is one at least.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be read or has none.
pub fn kernels(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |cause| Error::Io { path: folder.to_owned(), cause };
    let entries = std::fs::read_dir(folder).map_err(io)?.collect::<io::Result<Vec<_>>>();
    let paths = entries.map_err(io)?.into_iter().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "cu")).collect();
    files.sort();
    if files.is_empty() {
        return Err(io(io::Error::new(io::ErrorKind::NotFound, "there are no files *.cu in it")));
    }
    Ok(files)
}

/// By its full path, where there is such a program.
fn resolved(program: PathBuf, path: Option<&OsStr>) -> PathBuf {
    if program.components().count() == 1
        && let Some(path) = path
        && let Some(found) = std::env::split_paths(path)
            .map(|folder| folder.join(&program))
            .find(|path| path.is_file())
    {
        return found;
    }
    std::path::absolute(&program).unwrap_or(program)
}

/// Runs the program, a few times if need be: for a moment, a program just written can be open for writing in a child that
/// another thread has started.
fn output(command: &mut Command) -> io::Result<Output> {
    for _ in 0..TRIES {
        match command.output() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(BETWEEN_TRIES);
            }
            ended => return ended,
        }
    }
    command.output()
}

fn said(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    streams.concat().trim().to_owned()
}

/// `Cuda compilation tools, release 13.0, V13.0.88`
fn version(said: &str) -> Option<&str> {
    let line = said.lines().find(|line| line.contains("compilation tools, release "))?;
    let (_, version) = line.split_once(", V")?;
    let major = version.split('.').next()?.parse::<u32>().ok()?;
    (major == MAJOR).then(|| version.trim())
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
