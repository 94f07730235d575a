//! The files of gene sets that rows of a study read: looked at before anything is measured.

use std::path::Path;

use anyhow::Result;
use modality_data::{gene_sets, sha256_file};
use modality_harness::{
    plan::PlannedRow,
    study::{Row, Study},
};
use modality_methods as methods;
use modality_toolchain::UserError;

/// `--gmt` as a hyperparameter: from the checkout on where it is in it, so that plans do not tell where that is.
pub(crate) fn place(path: &Path, root: &Path) -> Result<String, UserError> {
    let wrong = |what: String| UserError(format!("--gmt {}: {what}", path.display()));
    let full = path.canonicalize().map_err(|error| wrong(error.to_string()))?;
    let short = full.strip_prefix(root).unwrap_or(&full);
    let text = short.to_str().ok_or_else(|| wrong("the name of its place is not UTF-8".to_owned()));
    text.map(str::to_owned)
}

/// Gives the file to every method of the study that can use one, in place of the study's own.
pub(crate) fn give(study: &mut Study, place: &str) -> Result<()> {
    let readers: Vec<_> = study.rows.iter().filter_map(key).collect();
    for (method, key) in readers {
        study.set(method, key, place.into())?;
    }
    Ok(())
}

/// Whether the files that these rows read hold gene sets, as far as can be known before the data is there.
pub(crate) fn check(study: &Study, rows: &[Row], root: &Path, is_given: bool) -> Result<()> {
    if is_given && !rows.iter().any(|row| key(row).is_some()) {
        let all = methods::ALL.iter().filter(|method| method.gene_sets.is_some());
        let all = all.map(|method| method.name).collect::<Vec<_>>().join(", ");
        let what = format!(
            "--gmt: no row that is to be run of study `{}` reads gene sets; those of {all} do",
            study.name
        );
        return Err(UserError(what).into());
    }
    for row in rows {
        for variant in study.variants(&row.method) {
            if let Some(path) = methods::gene_sets(&row.method, &variant.params) {
                gene_sets::read(&root.join(path))?;
            }
        }
    }
    Ok(())
}

/// The row, whose note says which sets it reads, if it does, and how many of the genes, `names`, are in them.
pub(crate) fn noted(row: PlannedRow, root: &Path, names: &[String]) -> Result<PlannedRow> {
    let Some(path) = methods::gene_sets(&row.method, &row.params) else { return Ok(row) };
    let path = root.join(path);
    let sets = gene_sets::read(&path)?;
    let mut genes = gene_sets::members(&sets, &path, names)?.concat();
    genes.sort_unstable();
    genes.dedup();
    let said = format!(
        "{} gene sets of `{}` (SHA-256 {}), with {} of the {} genes",
        sets.len(),
        path.file_name().unwrap_or_default().display(),
        sha256_file(&path)?,
        genes.len(),
        names.len()
    );
    let before = if row.note.is_empty() { String::new() } else { format!("{}; ", row.note) };
    Ok(PlannedRow { note: before + &said, ..row })
}

/// The method, if it is one that can use gene sets, and the hyperparameter that names their file.
fn key(row: &Row) -> Option<(&'static str, &'static str)> {
    let method = methods::find(&row.method)?;
    Some((method.name, method.gene_sets?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use modality_harness::study;

    use super::*;
    use crate::root::{self, CONFIGS};

    #[test]
    fn a_file_is_named_from_the_checkout_on_and_else_by_its_whole_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let path = root.join("sets.gmt");
        fs::write(&path, "").unwrap();
        assert_eq!(place(&path, &root).unwrap(), "sets.gmt");
        assert_eq!(place(&path, &root.join("below")).unwrap(), path.to_str().unwrap());
        let error = place(&root.join("none"), &root).unwrap_err().to_string();
        assert!(error.starts_with("--gmt ") && error.contains("none: "), "{error}");
    }

    #[test]
    fn rows_say_which_sets_they_read_and_files_without_any_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sets.gmt");
        let configs = root::find().unwrap().join(CONFIGS);
        let backends = study::load_backends(&configs).unwrap();
        let mut study = Study::load(&configs, "smoke", None, &backends).unwrap();
        give(&mut study, path.to_str().unwrap()).unwrap();
        let checked = |rows: &[Row]| check(&study, rows, folder.path(), true);
        let refused = |rows: &[Row]| checked(rows).unwrap_err().to_string();
        assert!(refused(&study.rows).contains("sets.gmt: "), "there is no such file");
        fs::write(&path, "\n").unwrap();
        assert!(refused(&study.rows).contains("sets.gmt: holds no set of genes"));
        fs::write(&path, "P\tp\tA\tB\tC\nQ\tq\tB\n").unwrap();
        checked(&study.rows).unwrap();
        let others: Vec<Row> = study.rows.iter().filter(|r| r.method != "gnn").cloned().collect();
        assert!(refused(&others).contains("--gmt: no row that is to be run of study `smoke`"));

        let row = PlannedRow {
            method: "gnn".to_owned(),
            variant: String::new(),
            backend: "torch".to_owned(),
            device: Default::default(),
            params: study.variants("gnn")[0].params.clone(),
            note: "few cells".to_owned(),
            cells: None,
        };
        let noted = |names: [&str; 3]| noted(row.clone(), folder.path(), &names.map(str::to_owned));
        let note = noted(["B", "X", "A"]).unwrap().note;
        assert!(note.starts_with("few cells; 2 gene sets of `sets.gmt` (SHA-256 "), "{note}");
        assert!(note.ends_with("), with 2 of the 3 genes"), "{note}");
        let message = noted(["a", "x", "b"]).unwrap_err().to_string();
        assert!(message.contains("the file has `A`, the data `a`"), "{message}");
    }
}
