//! The steps of `cargo xtask test`: the cheap checks come first.

use crate::cli::UserError;

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

/// Which tests, by the folders of their packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Format,
    /// `cargo xtask kernels`.
    Kernels,
    Lints,
    /// The programs of tests, each run with these options.
    Tests(Part, &'static [&'static str]),
    /// The examples in the documentation.
    Docs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// For `--only`.
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) work: Work,
    pub(super) needs: Needs,
}

const EMULATED: &[&str] = &["emulator", "cuda"];
const END_TO_END: &[&str] = &["tests"];
const LINKS_LIBTORCH: &[&str] = &["torch"];
const ELSEWHERE: &[&str] = &["emulator", "cuda", "torch", "tests"];

/// The end-to-end tests show what they print: how far they were from the reference values.
pub(super) const STEPS: [Step; 8] = [
    step("format", "format", Work::Format, Needs::Tool("fmt")),
    step("kernels", "kernels", Work::Kernels, Needs::Nvcc),
    step("lints", "lints", Work::Lints, Needs::Tool("clippy")),
    step(
        "unit",
        "unit and integration tests",
        Work::Tests(Part::AllBut(ELSEWHERE), &[]),
        Needs::Nothing,
    ),
    step(
        "emulated-gpu",
        "emulated GPU tests",
        Work::Tests(Part::Only(EMULATED), &[]),
        Needs::Compiler,
    ),
    step(
        "libtorch",
        "libtorch tests",
        Work::Tests(Part::Only(LINKS_LIBTORCH), &[]),
        Needs::Libtorch,
    ),
    step("doc", "doc tests", Work::Docs, Needs::Nothing),
    step(
        "end-to-end",
        "end-to-end tests",
        Work::Tests(Part::Only(END_TO_END), &["--show-output"]),
        Needs::All,
    ),
];

const fn step(key: &'static str, name: &'static str, work: Work, needs: Needs) -> Step {
    Step { key, name, work, needs }
}

impl Part {
    /// Whether the package in a folder of this name belongs to it.
    pub(super) fn has(self, folder: &str) -> bool {
        match self {
            Self::Only(folders) => folders.contains(&folder),
            Self::AllBut(folders) => !folders.contains(&folder),
        }
    }
}

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
        matches!(self.work, Work::Tests(..) | Work::Docs)
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
        assert!(wrong.ends_with("doc, end-to-end"), "{wrong}");
    }

    #[test]
    fn every_package_s_tests_are_in_one_step() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let crates = std::fs::read_dir(root.join("crates")).unwrap();
        let folders = crates.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for folder in folders.chain(["tests", "xtask"].map(str::to_owned)) {
            let takes =
                |step: &&Step| matches!(step.work, Work::Tests(part, _) if part.has(&folder));
            assert_eq!(STEPS.iter().filter(takes).count(), 1, "{folder}");
        }
    }
}
