//! The C++ compiler, without which there are no bindings to libtorch and no emulated GPU.

use std::{ffi::OsStr, process::Command, time::Duration};

use anyhow::Result as Outcome;
use modality_protocol::words::print;

use crate::{UserError, child};

const PATIENCE: Duration = Duration::from_secs(10);

/// `cargo xtask setup compiler`: prints the command that compiles C++.
///
/// # Errors
/// A sentence, where there is none.
pub fn setup() -> Outcome<()> {
    let variable = std::env::var("CXX").ok();
    let found = find(variable.as_deref(), None).map_err(UserError)?;
    let usual = variable.as_deref().map(str::trim).filter(|value| !value.is_empty());
    Ok(print(found.or(usual).unwrap_or("c++"))?)
}

/// Which compiler the build must be told of: none where it finds one by itself. `variable` is `$CXX`; `path` stands
/// in for the process's own `PATH`.
///
/// # Errors
/// A sentence, where there is no compiler.
pub fn find(variable: Option<&str>, path: Option<&OsStr>) -> Result<Option<&'static str>, String> {
    match variable.map(str::trim).filter(|value| !value.is_empty()) {
        Some(command) if runs(command, path) => Ok(None),
        Some(command) => Err(format!(
            "$CXX is `{command}`, which cannot be run; it must name a C++ compiler, or not be set"
        )),
        None if runs("c++", path) => Ok(None),
        None if runs("g++", path) => Ok(Some("g++")),
        None => {
            Err("there is no C++ compiler (tried `c++`, `g++`); install one, or set $CXX"
                .to_owned())
        }
    }
}

fn runs(command: &str, path: Option<&OsStr>) -> bool {
    let mut words = command.split_whitespace();
    let mut program = Command::new(words.next().unwrap_or_default());
    program.args(words).arg("--version");
    if let Some(path) = path {
        program.env("PATH", path);
    }
    child::run(&mut program, PATIENCE, || 0).is_ok_and(|ended| ended.status.success())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use modality_testing::Programs;

    #[test]
    fn the_variable_goes_before_the_usual_names() {
        let found =
            |programs: &Programs, variable| find(variable, Some(programs.path().as_os_str()));
        let programs = Programs::none();
        let message = found(&programs, None).unwrap_err();
        assert!(message.contains("no C++ compiler") && message.contains("$CXX"), "{message}");
        let programs = programs.with("g++", "exit 0");
        assert_eq!(found(&programs, None), Ok(Some("g++")));
        assert_eq!(found(&programs, Some("g++ -m64")), Ok(None));
        let message = found(&programs, Some("clang++ -m64")).unwrap_err();
        assert!(message.contains("$CXX is `clang++ -m64`"), "{message}");
        let programs = programs.with("c++", "exit 0");
        assert_eq!(found(&programs, Some(" ")), Ok(None));
    }
}
