//! The steps of `cargo xtask test`: the cheap checks come first.

use crate::error::UserError;

/// Something that a step stands on and a machine may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    Nothing,
    /// This command of cargo's.
    Tool(&'static str),
    Libtorch,
    Nvcc,
    /// A C++ compiler, for the emulated GPU.
    Compiler,
    /// None, but what can be had is used, and what is missing is told by the tests.
    All,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Cargo with these arguments, once.
    Check(&'static str),
    /// `cargo xtask kernels`, once.
    Kernels,
    /// Unit, integration and doc tests of the packages that `cargo test` takes by these arguments; each program of
    /// tests is run with the second ones.
    Tests(&'static str, &'static [&'static str]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// For `--only`.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) work: Work,
    pub(super) needs: Needs,
}

/// What links libtorch is checked as it is run, so that the bindings are compiled once. The end-to-end tests show what
/// they print: how far they were from the reference values.
pub(super) const STEPS: [Step; 9] = [
    Step {
        key: "format",
        name: "format",
        work: Work::Check("fmt --all --check"),
        needs: Needs::Tool("fmt"),
    },
    Step { key: "kernels", name: "kernels", work: Work::Kernels, needs: Needs::Nvcc },
    Step {
        key: "lints",
        name: "lints",
        work: Work::Check(
            "clippy --workspace --exclude backend-torch --exclude backend-cuda --exclude modality-emulator \
             --all-targets --quiet -- --deny warnings",
        ),
        needs: Needs::Tool("clippy"),
    },
    Step {
        key: "unit",
        name: "unit, integration and doc tests",
        work: Work::Tests(
            "--workspace --exclude backend-torch --exclude backend-cuda --exclude modality-emulator \
             --exclude end-to-end",
            &[],
        ),
        needs: Needs::Nothing,
    },
    Step {
        key: "emulated-gpu-lints",
        name: "emulated GPU lints",
        work: Work::Check(
            "clippy --package backend-cuda --package modality-emulator --all-targets --quiet -- --deny warnings",
        ),
        needs: Needs::Compiler,
    },
    Step {
        key: "emulated-gpu",
        name: "emulated GPU tests",
        work: Work::Tests("--package modality-emulator --package backend-cuda", &[]),
        needs: Needs::Compiler,
    },
    Step {
        key: "libtorch-lints",
        name: "libtorch lints",
        work: Work::Check(
            "clippy --release --package backend-torch --all-targets --quiet -- --deny warnings",
        ),
        needs: Needs::Libtorch,
    },
    Step {
        key: "libtorch",
        name: "libtorch tests",
        work: Work::Tests("--release --package backend-torch", &[]),
        needs: Needs::Libtorch,
    },
    Step {
        key: "end-to-end",
        name: "end-to-end tests",
        work: Work::Tests("--package end-to-end", &["--show-output"]),
        needs: Needs::All,
    },
];

/// The steps that are named by key or name, in their own order; all where none is named.
///
/// # Errors
/// [`UserError`] for what names no step.
pub(super) fn chosen(only: &[String]) -> Result<Vec<Step>, UserError> {
    let is_named = |step: &Step, text: &str| {
        [step.key, step.name].iter().any(|name| name.eq_ignore_ascii_case(text.trim()))
    };
    if let Some(wrong) = only.iter().find(|text| !STEPS.iter().any(|step| is_named(step, text))) {
        let known = STEPS.map(|step| step.key).join(", ");
        return Err(UserError(format!(
            "--only {wrong}: there is no such step; there are: {known}"
        )));
    }
    let is_chosen = |step: &Step| only.is_empty() || only.iter().any(|text| is_named(step, text));
    Ok(STEPS.into_iter().filter(is_chosen).collect())
}

impl Step {
    /// Whether another order or seed could make a difference.
    pub(super) fn is_repeated(&self) -> bool {
        matches!(self.work, Work::Tests(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(only: &[&str]) -> Vec<&'static str> {
        let only: Vec<String> = only.iter().map(|&text| text.to_owned()).collect();
        chosen(&only).unwrap().into_iter().map(|step| step.key).collect()
    }

    #[test]
    fn steps_are_chosen_by_key_or_name_and_keep_their_order() {
        assert_eq!(keys(&[]), STEPS.map(|step| step.key));
        assert_eq!(keys(&["end-to-end", "unit", "unit"]), ["unit", "end-to-end"]);
        assert_eq!(keys(&["Emulated GPU tests"]), ["emulated-gpu"]);
        let wrong = chosen(&["unit".to_owned(), "units".to_owned()]).unwrap_err().to_string();
        assert!(wrong.starts_with("--only units: there is no such step; there are: format, kern"));
        assert!(wrong.ends_with("libtorch, end-to-end"), "{wrong}");
    }

    #[test]
    fn only_the_steps_that_need_something_build_what_stands_on_it() {
        for Step { name, work, needs, .. } in STEPS {
            let (Work::Check(arguments) | Work::Tests(arguments, _)) = work else { continue };
            let whole = arguments.contains("--workspace");
            for (package, needed) in [
                ("backend-torch", Needs::Libtorch),
                ("backend-cuda", Needs::Compiler),
                ("modality-emulator", Needs::Compiler),
            ] {
                assert!(!whole || arguments.contains(&format!("--exclude {package}")), "{name}");
                let with = arguments.contains(&format!("--package {package}"));
                assert_eq!(with, needs == needed, "{name}");
            }
            let is_release = arguments.contains("--release");
            assert!(needs != Needs::Libtorch || is_release, "{name}: compiled twice");
        }
    }
}
