//! Files of a user's own: which cells test, what the numbers are, and what is said of it.

use std::fmt::Write as _;
use std::path::PathBuf;

use modality_data::{CiteLayout, Dataset, Result, Source, Stored, Wanted, read_source};
use modality_protocol::Task;
use tempfile::TempDir;

use crate::cells_with;

/// Twelve cells of six donors, two each: counts of genes and proteins, and a table of cells.
struct Own {
    folder: TempDir,
    genes: Vec<[f32; 3]>,
    proteins: Vec<[f32; 2]>,
    columns: Vec<(&'static str, Vec<String>)>,
    order: Vec<usize>,
}

impl Own {
    fn new() -> Self {
        let donors = (0..12).map(|cell| format!("d{}", cell / 2)).collect();
        Self {
            folder: TempDir::new().unwrap(),
            genes: (0..12).map(|cell| [cell as f32 + 1.0, 2.0, (cell % 3) as f32]).collect(),
            proteins: (0..12).map(|cell| [30.0 - cell as f32, cell as f32]).collect(),
            columns: vec![("donor", donors)],
            order: (0..12).collect(),
        }
    }

    fn table<T: ToString>(&self, name: &str, head: &[&str], rows: &[Vec<T>]) -> PathBuf {
        let mut text = format!("cell,{}\n", head.join(","));
        for &cell in &self.order {
            let values: Vec<String> = rows[cell].iter().map(T::to_string).collect();
            writeln!(text, "c{cell:02},{}", values.join(",")).unwrap();
        }
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, layout: &CiteLayout) -> Result<Dataset> {
        let genes: Vec<Vec<f32>> = self.genes.iter().map(|row| row.to_vec()).collect();
        let proteins: Vec<Vec<f32>> = self.proteins.iter().map(|row| row.to_vec()).collect();
        let files = [
            self.table("rna.csv", &["g0", "g1", "g2"], &genes),
            self.table("adt.csv", &["p0", "p1"], &proteins),
        ];
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let rows: Vec<Vec<String>> = (0..12)
            .map(|cell| self.columns.iter().map(|(_, values)| values[cell].clone()).collect())
            .collect();
        self.table("cells.csv", &names, &rows);
        let cells = (!names.is_empty()).then(|| PathBuf::from("cells.csv"));
        let layout = CiteLayout { cells, ..layout.clone() };
        read_source(&Source::Two(files), "own", &layout, Wanted::Rather(Task::default()))
    }

    fn refused(&self, layout: &CiteLayout) -> String {
        self.read(layout).unwrap_err().to_string()
    }
}

/// The last two donors test.
fn last_donors() -> CiteLayout {
    CiteLayout { test: Some(cells_with("donor", &["d4", "d5"])), ..CiteLayout::default() }
}

#[track_caller]
fn assert_said(dataset: &Dataset, words: &[&str]) {
    let remarks = dataset.provenance.remarks.join("\n");
    for word in words {
        assert!(remarks.contains(word), "`{word}` is not in: {remarks}");
    }
}

fn test_cells(dataset: &Dataset) -> Vec<&str> {
    dataset.test.cells.names.iter().map(String::as_str).collect()
}

#[test]
fn two_files_need_nothing_but_the_test_cells() {
    let dataset = Own::new().read(&last_donors()).unwrap();
    assert_eq!(test_cells(&dataset), ["c08", "c09", "c10", "c11"]);
    assert_eq!(dataset.task(), Task::default());
    assert_eq!(dataset.train.cells.batch.names, ["d0", "d1", "d2", "d3"]);
    assert_eq!(dataset.provenance.source, "the files `rna.csv` and `adt.csv`");
    assert!(dataset.provenance.normalisation.contains("GEX log1p"), "{:?}", dataset.provenance);
    assert_said(
        &dataset,
        &[
            "Gene expression: `rna.csv`; surface proteins: `adt.csv`.",
            "`adt.csv` does not say what it holds: taken for surface proteins, as task gex-to-adt has it.",
            "Gene expression: taken for counts, as all are whole numbers.",
            "Test cells are those with `d4`, `d5` in column `donor`, training cells those with another value.",
            "Batches are column `donor` (found by name), donors are column `donor` (found by name).",
        ],
    );
}

#[test]
fn logarithms_are_not_counts_and_counts_are_not_normalised() {
    let mut own = Own::new();
    let said = |values| CiteLayout { values, ..last_donors() };
    let message = own.refused(&said(Stored::Normalised));
    assert!(message.contains("surface proteins are whole numbers up to 30"), "{message}");
    assert!(
        message.contains("`--counts`") && message.contains("`values = \"counts\"`"),
        "{message}"
    );

    own.genes.iter_mut().flatten().for_each(|value| *value = value.ln_1p());
    let message = own.refused(&said(Stored::Counts));
    assert!(
        message.contains("rna.csv: these are not counts: cell `c00`, gene `g0` is 0.6931"),
        "{message}"
    );
    assert!(message.contains("`--normalised`"), "{message}");

    // Nobody says: each is what it looks like.
    let genes = own.genes[0];
    let dataset = own.read(&last_donors()).unwrap();
    assert_eq!(dataset.train.input.view().to_dense().row(0).to_vec(), genes);
    assert!(dataset.provenance.normalisation.starts_with("GEX as stored; ADT log1p"));
    assert_said(
        &dataset,
        &[
            "Gene expression: taken for normalised already, as not all are whole numbers (cell `c00`",
        ],
    );

    // Centred proteins have values below zero.
    own.proteins.iter_mut().flatten().for_each(|value| *value = (*value - 15.0) / 4.0);
    assert_eq!(
        own.read(&last_donors()).unwrap().provenance.normalisation,
        "none: values as stored in the files"
    );
    assert_said(
        &own.read(&said(Stored::Normalised)).unwrap(),
        &["Surface proteins: normalised already."],
    );
}

#[test]
fn numbers_that_are_neither_need_a_word() {
    let mut own = Own::new();
    own.proteins[3][1] = 2.5;
    let message = own.refused(&last_donors());
    assert!(message.contains("protein `p1` is 2.5"), "{message}");
    assert!(message.contains("neither counts nor logarithms"), "{message}");
    // Estimated counts are taken at the user's word, which is passed on.
    let dataset = own.read(&CiteLayout { values: Stored::Counts, ..last_donors() }).unwrap();
    assert_said(
        &dataset,
        &["Surface proteins: taken for counts as was said, though not all are whole"],
    );
}

#[test]
fn cells_without_a_value_are_in_no_half() {
    let mut own = Own::new();
    own.columns[0].1[3] = String::new();
    own.columns[0].1[6] = "NA".to_owned();
    own.columns.push(("batch", (0..12).map(|cell| format!("b{}", cell % 2)).collect()));
    let dataset =
        own.read(&CiteLayout { batch_column: Some("batch".into()), ..last_donors() }).unwrap();
    assert_eq!(test_cells(&dataset), ["c08", "c09", "c10", "c11"]);
    assert_eq!(dataset.train.cells.names.len(), 6);
    assert_said(
        &dataset,
        &["2 cells are left out, without a value in column `donor`: `c03`, `c06`."],
    );

    let both = CiteLayout {
        train: Some(cells_with("donor", &["d0"])),
        batch_column: Some("batch".into()),
        ..last_donors()
    };
    let dataset = own.read(&both).unwrap();
    assert_eq!(dataset.train.cells.names, ["c00", "c01"]);
    assert_said(
        &dataset,
        &["6 cells are left out, which neither rule names: `c02`, `c03`, `c04` and 3 more."],
    );
}

#[test]
fn a_rule_that_leaves_nothing_to_train_on() {
    let all = CiteLayout {
        test: Some(cells_with("donor", &["d0", "d1", "d2", "d3", "d4", "d5"])),
        ..CiteLayout::default()
    };
    let message = Own::new().refused(&all);
    assert!(message.contains("no cell is left to train on"), "{message}");
}

#[test]
fn whole_donors_are_drawn_where_nobody_names_the_test_cells() {
    let mut own = Own::new();
    let dataset = own.read(&CiteLayout::default()).unwrap();
    let [train, test] = [&dataset.train, &dataset.test].map(|half| &half.cells.donor.names);
    assert_eq!((train.len(), test.len(), test_cells(&dataset).len()), (5, 1, 2));
    assert!(!train.contains(&test[0]));
    assert_said(&dataset, &["2 of 12 were drawn with seed 1, 1 of 6 donors (column `donor`:"]);
    let before: Vec<String> = dataset.test.cells.names.clone();
    own.order.reverse();
    let mut again = own.read(&CiteLayout::default()).unwrap().test.cells.names;
    again.reverse();
    assert_eq!(again, before, "the order of the file decides");

    // Donors are held out whole, whatever the batches.
    own.columns.push(("lane", (0..12).map(|cell| format!("l{}", cell % 2)).collect()));
    let lanes = CiteLayout { batch_column: Some("lane".into()), ..CiteLayout::default() };
    assert_said(&own.read(&lanes).unwrap(), &["1 of 6 donors (column `donor`:"]);

    // Without donors whole batches; without either single cells, which is said.
    own.columns = vec![("Batch", (0..12).map(|cell| format!("b{}", cell % 4)).collect())];
    let dataset = own.read(&CiteLayout::default()).unwrap();
    assert_eq!(dataset.test.cells.batch.names.len(), 1);
    assert_said(&dataset, &["1 of 4 batches (column `Batch`:"]);
    own.columns.clear();
    let dataset = own.read(&CiteLayout::default()).unwrap();
    assert_eq!(dataset.test.cells.names.len(), 2);
    assert_said(&dataset, &["donors stand in both halves", "all cells count as one batch"]);
    own.order.reverse();
    let mut again = own.read(&CiteLayout::default()).unwrap().test.cells.names;
    again.reverse();
    assert_eq!(again, dataset.test.cells.names);
}

#[test]
fn names_that_are_nearly_the_same_stay_apart() {
    let mut own = Own::new();
    let names = ["1", "1.0", "A", "a", "a ", "NA"];
    own.columns = vec![("batch", (0..12).map(|cell| names[cell % 6].to_owned()).collect())];
    own.columns.push(("half", (0..12).map(|cell| (cell / 6).to_string()).collect()));
    let layout = CiteLayout { test: Some(cells_with("half", &["1"])), ..CiteLayout::default() };
    let dataset = own.read(&layout).unwrap();
    assert_eq!(dataset.train.cells.batch.names, names.map(str::to_owned));
    assert_said(
        &dataset,
        &["Column `batch` holds `A` and `a`, which are two.", "`NA` or the like"],
    );
}

#[test]
fn what_is_empty_is_told() {
    let mut own = Own::new();
    own.genes[5] = [0.0; 3];
    own.genes.iter_mut().for_each(|row| row[2] = 0.0);
    own.proteins.iter_mut().for_each(|row| row[0] = 7.0);
    let dataset = own.read(&last_donors()).unwrap();
    assert_said(
        &dataset,
        &[
            "1 cell has nothing but zeros in gene expression (`c05`).",
            "1 gene is zero in every cell (`g2`).",
            "1 protein has one value in every cell (`p0`).",
        ],
    );
}
