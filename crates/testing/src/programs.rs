//! Programs for tests, a pip among them that brings files of this machine.

#![expect(clippy::unwrap_used, reason = "tests may unwrap")]

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use zip::{ZipWriter, write::SimpleFileOptions};

/// A folder of programs.
pub struct Programs(tempfile::TempDir);

/// Writes a program of this path that does what the script says. By a child: a file that this process holds open for
/// writing cannot be run by another thread.
pub fn program(path: &Path, script: &str) {
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && /bin/chmod 755 "$2""#;
    let status =
        Command::new("/bin/sh").args(["-c", write, "sh", script]).arg(path).status().unwrap();
    assert!(status.success());
}

impl Programs {
    /// An empty folder.
    pub fn none() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// To be put in place of a `PATH`.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// One more, of this name, that does what the script of a shell says.
    pub fn with(self, name: &str, script: &str) -> Self {
        program(&self.path().join(name), script);
        self
    }

    /// A `python3` whose pip brings the wheel of each of these packages.
    pub fn bringing(self, wheels: &[(&str, PathBuf)]) -> Self {
        let mut script = "for last; do :; done\ncase \"$*\" in\n".to_owned();
        for (package, wheel) in wheels {
            script += &format!("*' {package}==='*) /bin/cp '{}' \"$last\";;\n", wheel.display());
        }
        self.with("python3", &(script + "*) echo \"ERROR: no match for $*\"; exit 1;;\nesac"))
    }
}

/// Writes a zip archive; members in a folder `bin` are programs.
pub fn zip(path: &Path, members: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, content) in members {
        let mode = if name.contains("/bin/") { 0o744 } else { 0o644 };
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap();
}
