//! What the documents point at is there.

use std::{fs, path::Path};

use end_to_end::root;

/// Targets of `[text](target)` that are files of the checkout.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).filter_map(|target| target.split('#').next())
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "PROTOCOL.md",
        "FORMAT.md",
        "results/README.md",
        "results/default/report.md",
        "results/scikit-learn/report.md",
    ] {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap();
        let folder = path.parent().unwrap_or(Path::new("."));
        for target in links(&text) {
            assert!(folder.join(target).exists(), "{document}: {target} is not there");
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} links found");
}
