//! Input that cannot be used: each answer is a sentence that names the file and what is wrong.

use std::path::{Path, PathBuf};

use modality_data::{CellRule, CiteLayout, Sizes, Stored};
use ndarray::{Array2, array};
use tempfile::TempDir;

use crate::writer::{Codec, Form, Parts, Writer};
use crate::{
    as_stored, fixture, read_cite_file, read_four_files, read_pair, read_place, read_table,
};

const CELLS: [&str; 3] = ["c0", "c1", "c2"];
const FEATURES: [(&str, &str); 3] = [("CD4", "GEX"), ("CD8A", "GEX"), ("CD4", "ADT")];

fn matrix() -> Array2<f32> {
    array![[1.0, 0.0, 2.0], [0.0, 3.0, 0.0], [4.0, 5.0, 6.0]]
}

fn parts() -> Parts {
    Parts::of(&matrix(), Form::Csr)
}

fn h5ad(folder: &TempDir, name: &str, parts: &Parts) -> PathBuf {
    let path = folder.path().join(name);
    Writer::new(Codec::None).annotations(&CELLS, &FEATURES).sparse(parts).write(&path);
    path
}

/// The error of reading `path` must name the file and contain each of `words`.
#[track_caller]
pub(crate) fn assert_refused<T>(result: modality_data::Result<T>, path: &Path, words: &[&str]) {
    let error = result.err().expect("the input must be refused").to_string();
    let name = path.file_name().unwrap().to_str().unwrap();
    for word in [name].iter().chain(words) {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[track_caller]
fn assert_parts_refused(change: impl Fn(&mut Parts), words: &[&str]) {
    let folder = TempDir::new().unwrap();
    let mut parts = parts();
    change(&mut parts);
    let path = h5ad(&folder, "wrong.h5ad", &parts);
    assert_refused(read_table(&path), &path, words);
}

#[test]
fn missing_files() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("absent.h5ad");
    assert_refused(read_table(&path), &path, &["No such file"]);
    assert_refused(read_four_files(folder.path(), "x"), folder.path(), &["train_mod1"]);
}

#[test]
fn missing_parts() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("parts.h5ad");
    Writer::new(Codec::None).annotations(&CELLS, &FEATURES).write(&path);
    assert_refused(read_table(&path), &path, &["`X` is missing"]);
    assert_refused(read_place(&path, "layers/counts"), &path, &["`layers/counts` is missing"]);
    Writer::new(Codec::None).sparse(&parts()).write(&path);
    assert_refused(read_table(&path), &path, &["`obs` is missing"]);
    let layered = fixture("csr_gzip.h5ad");
    assert_refused(
        read_place(&layered, "layers/counts"),
        &layered,
        &["`layers/counts` is missing", "double"],
    );
}

#[test]
fn matrices_that_contradict_themselves() {
    assert_parts_refused(|parts| parts.shape = vec![4, 3], &["`X`", "[4, 3]", "3 cells"]);
    assert_parts_refused(|parts| parts.shape = vec![i64::MAX, 3], &["`X`", "3 cells"]);
    assert_parts_refused(
        |parts| parts.encoding = "coo_matrix".into(),
        &["coo_matrix", "csr_matrix"],
    );
    assert_parts_refused(
        |parts| parts.indices[0] = 3,
        &["X/indices", "holds 3", "between 0 and 2"],
    );
    assert_parts_refused(|parts| parts.indices[0] = -1, &["X/indices", "holds -1"]);
    assert_parts_refused(|parts| parts.indices[0] = 1 << 32, &["X/indices", "holds 4294967296"]);
    assert_parts_refused(|parts| parts.indptr[1] = 5, &["X/indptr", "never fall"]);
    assert_parts_refused(|parts| parts.indptr[3] = 7, &["X/indptr", "stored entries, 6"]);
    assert_parts_refused(|parts| parts.indptr.truncate(3), &["X/indptr", "3 entries where 4"]);
    assert_parts_refused(
        |parts| parts.data.truncate(5),
        &["X/indices", "6 entries and its values 5"],
    );
    assert_parts_refused(|parts| parts.data[2] = f32::NAN, &["cell `c1`", "feature `CD8A`", "NaN"]);
    assert_parts_refused(|parts| parts.data[2] = f32::INFINITY, &["cell `c1`", "finite"]);
    assert_parts_refused(
        |parts| {
            *parts = Parts::of(&matrix(), Form::Csc);
            parts.indices[0] = 3;
        },
        &["X/indices", "holds 3", "between 0 and 2"],
    );
}

#[test]
fn a_dense_matrix_of_another_shape() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("dense.h5ad");
    Writer::new(Codec::None)
        .annotations(&CELLS, &FEATURES)
        .dense(&Array2::ones((2, 3)))
        .write(&path);
    assert_refused(read_table(&path), &path, &["`X` has shape [2, 3]", "(3, 3)"]);
}

#[test]
fn sizes_that_the_file_cannot_hold() {
    let path = fixture("huge.h5ad");
    assert_refused(
        read_table(&path),
        &path,
        &["`X/indices` claims 4398046511104 bytes", "where the file has 21736"],
    );
    let path = fixture("chunk_past_end.h5ad");
    assert_refused(
        read_table(&path),
        &path,
        &["`X/indices`", "4294967280 bytes", "truncated or damaged"],
    );
}

#[test]
fn columns_that_cannot_be_read_are_told_to_who_asks() {
    let folder = TempDir::new().unwrap();
    let path = h5ad(&folder, "column.h5ad", &parts());
    read_table(&path).unwrap();
    let refused = read_cite_file(&path, "x", &as_stored("broken", &["a"]));
    assert_refused(
        refused,
        &path,
        &["column `broken`", "`obs/broken/codes`", "code 9", "1 categories"],
    );
}

#[test]
fn empty_files() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("empty.h5ad");
    let none = Parts::of(&Array2::zeros((0, 3)), Form::Csr);
    Writer::new(Codec::None).annotations(&[], &FEATURES).sparse(&none).write(&path);
    assert_refused(read_table(&path), &path, &["no cells"]);
}

#[test]
fn counts_below_zero() {
    let folder = TempDir::new().unwrap();
    let layout = CiteLayout { values: Stored::Counts, ..as_stored("batch", &["s1d1"]) };
    for (position, words) in [(0, ["gene `CD4`", "cell `c0`"]), (1, ["protein `CD4`", "cell `c0`"])]
    {
        let mut parts = parts();
        parts.data[position] = -1.0;
        let path = h5ad(&folder, "negative.h5ad", &parts);
        assert_refused(read_cite_file(&path, "x", &layout), &path, &words);
    }
}

#[test]
fn features_that_cannot_be_told_apart() {
    let folder = TempDir::new().unwrap();
    let layout = as_stored("batch", &["s1d1"]);
    let refused = |features: &[(&str, &str)], words: &[&str]| {
        let path = folder.path().join("features.h5ad");
        Writer::new(Codec::None).annotations(&CELLS, features).sparse(&parts()).write(&path);
        assert_refused(read_cite_file(&path, "x", &layout), &path, words);
    };
    refused(
        &[("A", "GEX"), ("A", "GEX"), ("B", "ADT")],
        &["two features", "gene", "`A`", "gene_ids"],
    );
    let labels = [("A", "GEX"), ("B", "GEX"), ("C", "epitope")];
    refused(
        &labels,
        &[
            "no feature is a protein",
            "`antibody capture`",
            "1 feature is",
            "`epitope`",
            "Antibody Capture",
        ],
    );
    refused(&[("A", "GEX"), ("B", "GEX"), ("C", "GEX")], &["no feature is a protein"]);
    refused(&[("A", "Peaks"), ("B", "Peaks"), ("C", "ADT")], &["no feature is a gene"]);
}

#[test]
fn layouts_that_do_not_fit_the_file() {
    let path = fixture("dense.h5ad");
    let refused = |layout: CiteLayout, words: &[&str]| {
        assert_refused(read_cite_file(&path, "x", &layout), &path, words)
    };
    refused(as_stored("Batch", &["B1"]), &["no column `Batch`", "batch"]);
    refused(as_stored("batch", &["B1"]), &["no cell has `B1`", "s1d1"]);
    let base = as_stored("batch", &["s1d1"]);
    refused(
        CiteLayout { batch_column: Some("person".into()), ..base.clone() },
        &["cell `AAACF-2`", "column `person`"],
    );
    refused(
        CiteLayout {
            drop_proteins_containing: vec!["c".into(), "D".into(), "I".into()],
            ..base.clone()
        },
        &["none remains"],
    );
    let both = CellRule { column: "person".into(), values: vec!["ann".into()] };
    refused(CiteLayout { test: Some(both), ..base.clone() }, &["training and to the test half"]);
    let sizes =
        Sizes { train_cells: 2, test_cells: 5, genes: Some(4), proteins: Some(2), peaks: None };
    refused(CiteLayout { sizes: Some(sizes), ..base }, &["3 proteins", "expects 2"]);
}

#[test]
fn halves_and_modalities_of_different_cells_or_genes() {
    let folder = TempDir::new().unwrap();
    let copy = |source: &str, target: &str| {
        std::fs::copy(
            fixture("four").join(format!("small.{source}.h5ad")),
            folder.path().join(format!("a.{target}.h5ad")),
        )
        .unwrap();
    };
    for part in ["train_mod1", "train_mod2", "test_mod1", "test_mod2"] {
        copy(part, part);
    }
    read_four_files(folder.path(), "x").unwrap();
    copy("test_mod2", "train_mod2");
    let wrong = folder.path().join("a.train_mod2.h5ad");
    assert_refused(
        read_four_files(folder.path(), "x"),
        &wrong,
        &["cell `AAACA-1`", "train_mod1", "not in this file"],
    );
    copy("train_mod1", "train_mod2");
    let words = ["holds GEX beside GEX", "no task connects"];
    assert_refused(read_four_files(folder.path(), "x"), &wrong, &words);
    // Genes, and something that does not say what it is: proteins or peaks.
    let first = folder.path().join("a.train_mod1.h5ad");
    let cells = ["AAACA-1", "AAACB-1", "AAACC-1"];
    let features = [("one", "other"), ("two", "other"), ("three", "other")];
    Writer::new(Codec::None).annotations(&cells, &features).sparse(&parts()).write(&wrong);
    let words = ["does not say", "name the task with `--task`"];
    assert_refused(read_four_files(folder.path(), "x"), &first, &words);
    copy("train_mod2", "train_mod2");
    let test = folder.path().join("a.test_mod1.h5ad");
    let genes = [("CD3D", "GEX"), ("CD19", "GEX"), ("other", "GEX")];
    let cells = ["AAACE-2", "AAACF-2", "AAACG-2"];
    Writer::new(Codec::None).annotations(&cells, &genes).sparse(&parts()).write(&test);
    assert_refused(read_four_files(folder.path(), "x"), &test, &["gene", "`CD4`", "train_mod1"]);
    copy("test_mod1", "second_test_mod1");
    assert_refused(
        read_four_files(folder.path(), "x"),
        folder.path(),
        &["both named like", "test_mod1"],
    );
}

#[test]
fn text_that_is_no_matrix() {
    let folder = TempDir::new().unwrap();
    let refused = |content: &str, words: &[&str]| {
        let path = folder.path().join("gex.csv");
        std::fs::write(&path, content).unwrap();
        assert_refused(
            read_pair(&path, &fixture("csv/adt.tsv.gz"), "x", &as_stored("b", &["s"])),
            &path,
            words,
        );
    };
    refused("", &["empty"]);
    refused("cell,A,B\n", &["no cells"]);
    refused("cell,A,A\nc0,1,2\n", &["column `A` stands twice"]);
    refused("cell,A,B\nc0,1\n", &["line 2", "2 fields where the first line has 3"]);
    refused("A,B\nc0,1,2\n", &["line 2", "3 fields", "col.names = NA"]);
    refused("cell,A,B\nc0,1,much\n", &["line 2", "\"much\"", "number"]);
    refused("cell,A,B\nid,ENSG1,ENSG2\n", &["line 2", "\"ENSG1\"", "first line"]);
    for missing in ["NaN", "NA", "", " ", "null"] {
        let content = format!("cell,A,B\r\nc0,1,2\r\nc1,1,{missing}\r\n");
        refused(&content, &["line 3", "cell `c1`", "feature `B`", "no missing values"]);
    }
    refused("cell,A,B\nc0,1,-inf\n", &["line 2", "-inf", "finite"]);
    refused("cell\tA\tB\nc0\t1\t2,5\n", &["line 2", "\"2,5\"", "point"]);
    refused("cell,A,B\nc0,1,2\nc0,3,4\n", &["cell"]);
}

#[test]
fn names_that_are_not_utf_8() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("latin.csv");
    std::fs::write(&path, b"cell,A,B\nc0,1,2\nc\xfc,3,4\n").unwrap();
    assert_refused(read_table(&path), &path, &["field 1 of line 3", "UTF-8"]);
}

#[test]
fn matrix_market_of_cells_by_features() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("barcodes.tsv"), "c0\n").unwrap();
    std::fs::write(folder.path().join("features.tsv"), "i0\tA\ni1\tB\n").unwrap();
    let path = folder.path().join("matrix.mtx");
    let content = "%%MatrixMarket matrix coordinate integer general\n1 2 1\n1 1 1\n";
    std::fs::write(&path, content).unwrap();
    assert_refused(read_table(folder.path()), &path, &["line 2", "cells x features", "transpose"]);
}

#[test]
fn matrix_market_that_does_not_fit_its_names() {
    let refused = |content: &str, words: &[&str]| {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("barcodes.tsv"), "c0\nc1\n").unwrap();
        std::fs::write(
            folder.path().join("features.tsv"),
            "i0\tA\tGene Expression\ni1\tA\tGene Expression\n",
        )
        .unwrap();
        let path = folder.path().join("matrix.mtx");
        std::fs::write(&path, content).unwrap();
        assert_refused(read_table(folder.path()), &path, words);
    };
    const HEAD: &str = "%%MatrixMarket matrix coordinate integer general\n";
    refused("", &["%%MatrixMarket"]);
    refused(&format!("{HEAD}2 3 1\n1 1 1\n"), &["line 2", "2 features, 2 cells"]);
    refused("%%MatrixMarket matrix array real general\n2 2\n", &["coordinate"]);
    refused(HEAD, &["ends before its sizes"]);
    refused(&format!("{HEAD}3 2 1\n1 1 1\n"), &["line 2", "2 features, 2 cells"]);
    refused(
        &format!("{HEAD}2 2 9000000000000000000\n1 1 1\n"),
        &["1 entries", "9000000000000000000"],
    );
    refused(&format!("{HEAD}2 2 1\n3 1 1\n"), &["line 3", "feature 3 of 2"]);
    refused(&format!("{HEAD}2 2 1\n0 1 1\n"), &["line 3", "feature 0 of 2"]);
    refused(&format!("{HEAD}2 2 1\n1 one 1\n"), &["line 3", "a row, a column and a number"]);
}
