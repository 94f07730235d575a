//! The same seven cells in every layout.

use std::path::Path;

use modality_data::{CiteLayout, Column, Dataset, FeatureKind, Pair, Stored, Table};
use modality_protocol::Modality;
use ndarray::{Array2, array, s};

use crate::writer::{Codec, Form, Parts, Writer};

use crate::{
    CELLS, COUNTS, GENES, PROTEINS, as_stored, fixture, read_cite_file, read_four_files, read_pair,
    read_place, read_table,
};

const ANNDATA: [&str; 7] = [
    "csr_gzip.h5ad",
    "csc_lzf.h5ad",
    "csc_i64.h5ad",
    "dense.h5ad",
    "dense_gzip.h5ad",
    "legacy_csc_gzip.h5ad",
    "legacy_h5sparse_lzf.h5ad",
];
const TENX: [&str; 3] = ["filtered_feature_bc_matrix.h5", "mtx_gzip", "mtx_plain"];

fn counts() -> Array2<f32> {
    Array2::from_shape_fn((7, 7), |(cell, feature)| COUNTS[cell][feature])
}

fn text(table: &Table, column: &str) -> Vec<Option<String>> {
    table.obs[column].values().unwrap()
}

fn some(values: [&str; 7]) -> Vec<Option<String>> {
    values.map(|value| Some(value.to_owned())).to_vec()
}

#[test]
fn every_layout_gives_the_same_matrix() {
    for name in ANNDATA.into_iter().chain(TENX) {
        let table = read_table(&fixture(name)).unwrap();
        assert_eq!(table.values.to_dense(), counts(), "{name}");
        assert_eq!(table.cells, CELLS, "{name}");
        let names: Vec<&str> = table.features.iter().map(|feature| feature.name.as_str()).collect();
        assert_eq!(names, [&GENES[..], &PROTEINS[..]].concat(), "{name}");
        assert!(
            table.features[..4]
                .iter()
                .all(|feature| feature.kind == FeatureKind::Of(Modality::Gex)),
            "{name}"
        );
        assert!(
            table.features[4..]
                .iter()
                .all(|feature| feature.kind == FeatureKind::Of(Modality::Adt)),
            "{name}"
        );
        assert_eq!(table.values.nnz(), 28, "{name}");
    }
}

#[test]
fn layers_are_read_by_name() {
    let table = read_place(&fixture("csr_gzip.h5ad"), "layers/double").unwrap();
    assert_eq!(table.values.to_dense(), counts() * 2.0);
}

#[test]
fn batches_are_read_in_both_layouts_of_categories() {
    for name in ANNDATA {
        let table = read_table(&fixture(name)).unwrap();
        assert_eq!(
            text(&table, "batch"),
            some(["s1d1", "s1d1", "s1d2", "s1d2", "s2d1", "s2d1", "s2d1"]),
            "{name}"
        );
    }
}

#[test]
fn columns_of_every_kind_are_read() {
    for name in ["dense.h5ad", "csc_i64.h5ad"] {
        let table = read_table(&fixture(name)).unwrap();
        let mut person = some(["ann", "ann", "bob", "bob", "cat", "", "cat"]);
        person[5] = None;
        assert_eq!(text(&table, "person"), person);
        assert_eq!(text(&table, "depth"), some(["0", "100", "200", "300", "400", "500", "600"]));
        let mut score = some(["0.5", "", "1.5", "2", "2.5", "3", "3.5"]);
        score[1] = None;
        assert_eq!(text(&table, "score"), score);
        let mut half = some(["1", "1", "1", "1", "2", "2", ""]);
        half[6] = None;
        assert_eq!(text(&table, "half"), half);
        let mut doublet = some(["0", "1", "0", "0", "", "0", "0"]);
        doublet[4] = None;
        assert_eq!(text(&table, "doublet"), doublet);
        assert_eq!(text(&table, "sure"), some(["1", "0", "1", "1", "1", "1", "1"]));
    }
    let table = read_table(&fixture("csr_gzip.h5ad")).unwrap();
    assert_eq!(text(&table, "person")[5], None, "a nullable string");
    assert!(matches!(&table.obs["batch"], Column::Text { names, .. } if names.len() == 4));
}

#[test]
fn modalities_are_split_by_column_where_names_occur_in_both() {
    for name in ANNDATA.into_iter().chain(TENX) {
        let pair =
            Pair::from_table(read_table(&fixture(name)).unwrap(), [Modality::Gex, Modality::Adt])
                .unwrap();
        assert_eq!(
            (&pair.blocks[0].features.names[..], &pair.blocks[1].features.names[..]),
            (&GENES.map(str::to_owned)[..], &PROTEINS.map(str::to_owned)[..])
        );
        assert_eq!(pair.blocks[0].values.view().to_dense(), counts().slice(s![.., ..4]), "{name}");
        assert_eq!(pair.blocks[1].values.view().to_dense(), counts().slice(s![.., 4..]), "{name}");
    }
}

fn check_halves(dataset: &Dataset, training_cells: usize) {
    let (train, test) = (&dataset.train, &dataset.test);
    assert_eq!(train.cells.names, CELLS[..training_cells]);
    assert_eq!(test.cells.names, CELLS[training_cells..]);
    assert_eq!(train.input.view().to_dense(), counts().slice(s![..training_cells, ..4]));
    assert_eq!(test.input.view().to_dense(), counts().slice(s![training_cells.., ..4]));
    assert_eq!(train.target.view().to_dense(), counts().slice(s![..training_cells, 4..]));
    assert_eq!(test.target.view().to_dense(), counts().slice(s![training_cells.., 4..]));
    dataset.validate().unwrap();
}

#[test]
fn a_rule_cuts_the_cells_into_halves() {
    let dataset =
        read_cite_file(&fixture("csr_gzip.h5ad"), "small", &as_stored("batch", &["s1d1", "s1d2"]))
            .unwrap();
    check_halves(&dataset, 4);
    assert_eq!(dataset.train.cells.batch.names, ["s1d1", "s1d2"]);
    assert_eq!(dataset.train.cells.donor, dataset.train.cells.batch);
    assert_eq!(
        (&dataset.train.cells.site.names[..], &dataset.train.cells.site.codes[..]),
        (&["s1".to_owned()][..], &[0; 4][..])
    );
    assert_eq!(dataset.test.cells.site.names, ["s2"]);
    assert_eq!(dataset.provenance.files.len(), 1);
    assert!(!dataset.provenance.synthetic);
}

#[test]
fn counts_are_normalised_and_isotypes_left_out_first() {
    let layout = CiteLayout {
        values: Stored::Counts,
        drop_proteins_containing: vec!["iso".into()],
        ..as_stored("batch", &["s1d1"])
    };
    let dataset = read_cite_file(&fixture("dense.h5ad"), "small", &layout).unwrap();
    assert_eq!(dataset.target.names, ["CD4", "CD19"]);
    // Totals of the seven cells are 4, 2, 5, 5, 8, 1, 7; their median is 5.
    let expected = array![[1.25_f32, 0.0, 3.75, 0.0], [0.0, 5.0, 0.0, 0.0]].mapv(f32::ln_1p);
    assert_eq!(dataset.train.input.view().to_dense(), expected);
    // The first cell has 10 and 0 of the two proteins: g = exp((ln 11 + 0) / 2) = sqrt(11).
    assert!(
        (dataset.train.target.view().to_dense()[(0, 0)] - (10.0 / 11_f32.sqrt()).ln_1p()).abs()
            < 1e-6
    );
}

#[test]
fn four_files_are_put_into_one_order() {
    let dataset = read_four_files(&fixture("four"), "small").unwrap();
    check_halves(&dataset, 4);
    assert_eq!(dataset.input.names, GENES);
    assert_eq!(dataset.target.names, PROTEINS);
    assert_eq!(dataset.test.cells.batch.names, ["s2d1"]);
    let names: Vec<&str> = dataset.provenance.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "small.train_mod1.h5ad",
            "small.train_mod2.h5ad",
            "small.test_mod1.h5ad",
            "small.test_mod2.h5ad"
        ]
    );
}

#[test]
fn genes_whose_symbols_stand_twice_are_named_by_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let ids: Vec<String> = (0..4).map(|gene| format!("ENSG{gene}")).collect();
    let twice = [("CD3D", "rna"), ("CD19", "rna"), ("CD3D", "rna"), ("MS4A1", "rna")];
    let (cells, matrix) = (["c0", "c1"], array![[1.0, 2.0, 3.0, 4.0], [0.0, 5.0, 0.0, 6.0]]);
    Writer::new(Codec::None)
        .annotations_with_ids(&cells, &twice, &ids)
        .sparse(&Parts::of(&matrix, Form::Csr))
        .write(&place("twice.h5ad"));
    let features =
        ids.iter().zip(twice).map(|(id, (name, kind))| format!("{id}\t{name}\t{kind}\n"));
    std::fs::write(place("features.tsv"), features.collect::<String>()).unwrap();
    std::fs::write(place("barcodes.tsv"), "c0\nc1\n").unwrap();
    let entries = "4 2 6\n1 1 1\n2 1 2\n3 1 3\n4 1 4\n2 2 5\n4 2 6\n";
    let head = "%%MatrixMarket matrix coordinate integer general\n";
    std::fs::write(place("matrix.mtx"), format!("{head}{entries}")).unwrap();
    for path in [place("twice.h5ad"), place("matrix.mtx"), folder.path().to_owned()] {
        let table = read_table(&path).unwrap();
        let names: Vec<&String> = table.features.iter().map(|feature| &feature.name).collect();
        assert_eq!(names, ids.iter().collect::<Vec<_>>(), "{}", path.display());
        assert_eq!(table.values.to_dense(), matrix);
        assert!(table.notes[0].contains("2 of 4 genes"), "{:?}", table.notes);
    }
}

#[test]
fn entries_of_one_cell_and_feature_are_added_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twice.h5ad");
    let mut parts = Parts::of(&array![[1.0, 2.0, 3.0], [0.0, 4.0, 0.0]], Form::Csr);
    parts.indices[1] = 0;
    Writer::new(Codec::None)
        .annotations(&["c0", "c1"], &[("A", "GEX"), ("B", "GEX"), ("C", "GEX")])
        .sparse(&parts)
        .write(&path);
    let expected = array![[3.0, 0.0, 3.0], [0.0, 4.0, 0.0]];
    assert_eq!(read_table(&path).unwrap().values.to_dense(), expected);
    write_mtx(folder.path(), "1 1 1\n1 1 2\n3 1 3\n2 2 4\n");
    assert_eq!(read_table(folder.path()).unwrap().values.to_dense(), expected);
}

/// A folder of three features and two cells with these four entries.
fn write_mtx(folder: &Path, entries: &str) {
    let head = "%%MatrixMarket matrix coordinate integer general\n3 2 4\n";
    std::fs::write(folder.join("features.tsv"), "i\tA\nj\tB\nk\tC\n").unwrap();
    std::fs::write(folder.join("barcodes.tsv"), "c0\nc1\n").unwrap();
    std::fs::write(folder.join("matrix.mtx"), format!("{head}{entries}")).unwrap();
}

#[test]
fn text_of_other_systems_is_the_same_text() {
    let folder = tempfile::tempdir().unwrap();
    let expected = read_table(&fixture("csv/gex.csv")).unwrap();
    let text = std::fs::read_to_string(fixture("csv/gex.csv")).unwrap();
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let macintosh = text.replace('\n', "\r");
    let tabs = text.replace(',', "\t");
    let quoted = text.replace("CD19", "\"CD19\"").replace("AAACA-1", "\"AAACA-1\"");
    let contents = [
        ("windows.csv", windows + "\r\n"),
        ("macintosh.csv", macintosh),
        ("tabs.csv", tabs),
        ("quoted.dat", quoted),
    ];
    for (name, content) in contents {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let table = read_table(&path).unwrap();
        assert_eq!(table.values, expected.values, "{name}");
        assert_eq!(
            (table.cells, table.features),
            (expected.cells.clone(), expected.features.clone())
        );
    }
}

#[test]
fn tenx_cells_are_told_apart_by_gem_group() {
    for name in TENX {
        let dataset =
            read_cite_file(&fixture(name), "small", &as_stored("gem_group", &["1"])).unwrap();
        check_halves(&dataset, 4);
        assert_eq!(dataset.provenance.files.len(), if name.starts_with("mtx") { 3 } else { 1 });
    }
}

#[test]
fn delimited_pairs_are_joined_by_cell_and_take_columns_from_a_table() {
    let layout = CiteLayout {
        cells: Some("cells.csv".into()),
        batch_column: Some("batch".into()),
        ..as_stored("half", &["a"])
    };
    let dataset =
        read_pair(&fixture("csv/gex.csv"), &fixture("csv/adt.tsv.gz"), "small", &layout).unwrap();
    check_halves(&dataset, 4);
    assert_eq!(dataset.train.cells.batch.names, ["s1d1", "s1d2"]);
    assert_eq!(dataset.provenance.files.len(), 3);
}

#[test]
fn the_sum_of_a_file_is_its_sha256() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "abc").unwrap();
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(modality_data::sha256_file(file.path()).unwrap(), expected);
}
