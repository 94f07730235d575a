//! Programs for tests, a pip among them that brings files of this machine.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::pip::Pip;

/// A folder of programs.
pub(crate) struct Programs(tempfile::TempDir);

/// Writes a program of this path that does what the script says. By a child: a file that this process holds open for
/// writing cannot be run by another thread.
pub(crate) fn program(path: &Path, script: &str) {
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && /bin/chmod 755 "$2""#;
    let status =
        Command::new("/bin/sh").args(["-c", write, "sh", script]).arg(path).status().unwrap();
    assert!(status.success());
}

impl Programs {
    pub(crate) fn none() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn with(self, name: &str, script: &str) -> Self {
        program(&self.path().join(name), script);
        self
    }

    /// A `python3` whose pip brings the wheel of each of these packages.
    pub(crate) fn bringing(self, wheels: &[(&str, PathBuf)]) -> Self {
        let mut script = "for last; do :; done\ncase \"$*\" in\n".to_owned();
        for (package, wheel) in wheels {
            script += &format!("*' {package}==='*) /bin/cp '{}' \"$last\";;\n", wheel.display());
        }
        self.with("python3", &(script + "*) echo \"ERROR: no match for $*\"; exit 1;;\nesac"))
    }

    pub(crate) fn pip(&self) -> Pip {
        self.pip_within(Duration::from_secs(60))
    }

    pub(crate) fn pip_within(&self, patience: Duration) -> Pip {
        Pip::within(self.path(), patience)
    }
}

/// Writes a zip archive; members in a folder `bin` are programs.
pub(crate) fn zip(path: &Path, members: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, content) in members {
        let mode = if name.contains("/bin/") { 0o744 } else { 0o644 };
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
}
