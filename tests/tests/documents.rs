//! What the documents point at is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use end_to_end::root;
use modality_harness::record::RunRecord;
use modality_report::{Heading, Report};

/// Targets of `[text](target)` that are files of the checkout.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).filter_map(|target| target.split('#').next())
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "PROTOCOL.md",
        "FORMAT.md",
        "results/README.md",
    ];
    let documents = documents.map(|document| root().join(document)).into_iter();
    for path in documents.chain(kept().map(|folder| folder.join("report.md"))) {
        let text = fs::read_to_string(&path).unwrap();
        let folder = path.parent().unwrap_or(Path::new("."));
        for target in links(&text) {
            assert!(folder.join(target).exists(), "{}: {target} is not there", path.display());
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} links found");
}

/// Folders of results that are kept, whatever version their records are of.
fn kept() -> impl Iterator<Item = PathBuf> {
    let folders = fs::read_dir(root().join("results")).unwrap();
    folders.map(|entry| entry.unwrap().path()).filter(|path| path.join("records").is_dir())
}

#[test]
fn results_that_are_kept_can_be_read_and_shown() {
    let heading = Heading { title: "t", description: "", command: "c" };
    let (mut studies, mut tasks) = (0, std::collections::BTreeSet::new());
    for folder in kept() {
        let records = RunRecord::load_all(&folder.join("records"))
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let report = Report::new(&heading, &records).unwrap();
        let dataset = &report.summary().dataset;
        assert!(dataset.inputs > 0 && dataset.targets > 0, "{}", folder.display());
        assert!(report.markdown().unwrap().contains("## Results"), "{}", folder.display());
        (studies, _) = (studies + 1, tasks.insert(dataset.task.to_string()));
    }
    assert!(studies > 8 && tasks.len() == 4, "{studies} studies, {tasks:?}");
}
