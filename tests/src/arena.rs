//! A place where the program meets backends of a test's own: it takes its studies from the folder that it lies in.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use modality_harness::record::RunRecord;

use crate::{hostile::Mode, root};

/// What every process that is started here finds in its environment.
const MARK: &str = "MODALITY_BENCH_ARENA";
/// How long processes that were killed may take to go.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with the program, studies, and a cache.
pub struct Arena {
    folder: tempfile::TempDir,
    backend: PathBuf,
    mark: String,
}

/// A row of a mode: the program does what the method's name says only as far as the mode does.
pub fn row(mode: &Mode) -> String {
    format!("zeros/{}", mode.name)
}

impl Arena {
    /// With a copy of `program`, and `backend` under the name of each of its modes.
    ///
    /// # Errors
    /// Those of making files.
    pub fn new(program: &Path, backend: &Path, modes: &[&Mode]) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir()?;
        let backend = backend.canonicalize()?;
        let configs = folder.path().join("bench-configs");
        fs::create_dir_all(configs.join("studies"))?;
        let entry = |mode: &&Mode| {
            let (name, backend) = (mode.name, backend.display());
            format!("[{name}]\nmethods = [\"zeros\"]\ncommand = ['{backend}', '{name}']\n")
        };
        fs::write(configs.join("backends.toml"), modes.iter().map(entry).collect::<String>())?;
        fs::copy(root().join("bench-configs/datasets.toml"), configs.join("datasets.toml"))?;
        let own = folder.path().join("modality-bench");
        // By a child: a file that this process holds open for writing cannot be run by another thread.
        let copied = Command::new("cp").arg(program).arg(&own).status()?;
        if !copied.success() {
            return Err(io::Error::other(format!("{} cannot be copied", program.display())));
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{number}-{}", std::process::id(), folder.path().display());
        Ok(Self { folder, backend, mark })
    }

    /// Adds a study of a few generated cells.
    ///
    /// # Errors
    /// Those of writing its file.
    pub fn study(
        &self,
        name: &str,
        modes: &[&Mode],
        repeats: usize,
        timeout: u32,
    ) -> io::Result<()> {
        let rows: Vec<String> = modes.iter().map(|mode| format!("\"{}\"", row(mode))).collect();
        let text = format!(
            "title = 'Bad manners'\nrepeats = {repeats}\nseed = 0\ntimeout = {timeout}\nrows = [{}]\n\
             dataset = {{ name = 'bmmc-synthetic', size = 'tiny' }}\n",
            rows.join(", ")
        );
        fs::write(self.folder.path().join(format!("bench-configs/studies/{name}.toml")), text)
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `modality-bench reproduce` of a study into a folder.
    pub fn reproduce(&self, study: &str, out: &Path) -> Command {
        let mut command = Command::new(self.folder.path().join("modality-bench"));
        command.env("MODALITY_BENCH_CACHE", self.folder.path().join("cache"));
        command.env_remove("MODALITY_BENCH_DATA").env(MARK, &self.mark);
        command.args(["reproduce", "--threads", "1", "--study", study, "--out"]).arg(out);
        command
    }

    /// Processes of this arena that are there now.
    pub fn processes(&self) -> Vec<u32> {
        let wanted = format!("{MARK}={}", self.mark);
        let bears = |id: &u32| {
            let variables = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            variables.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(bears).collect()
    }

    /// Those of them that are backends.
    pub fn backends(&self) -> Vec<u32> {
        let command = |id: &u32| fs::read_link(format!("/proc/{id}/exe")).ok();
        let mut ids = self.processes();
        ids.retain(|id| command(id).is_some_and(|path| path == self.backend));
        ids
    }

    /// Waits until no process of this arena is left.
    ///
    /// # Errors
    /// The command lines of those that stay, which are ended.
    pub fn is_left(&self) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                let line = |id: &u32| fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                let lines =
                    left.iter().map(|id| String::from_utf8_lossy(&line(id)).replace('\0', " "));
                let lines: Vec<String> = lines.collect();
                left.iter().for_each(|id| kill(*id));
                return Err(format!("left behind: {}", lines.join(", ")));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Kills a process, if it is still there.
pub fn kill(id: u32) {
    let id = nix::unistd::Pid::from_raw(id as i32);
    let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL);
}

/// Every record of an output folder, which must all be whole; none where there is no such folder.
///
/// # Errors
/// In a sentence.
pub fn whole_records(out: &Path) -> Result<Vec<RunRecord>, String> {
    let folder = out.join("records");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    RunRecord::load_all(&folder).map_err(|error| error.to_string())
}
