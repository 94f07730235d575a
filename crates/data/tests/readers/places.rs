//! Values that do not stand in `X`, and files that say what they are of.

use std::path::PathBuf;

use modality_data::{CiteLayout, Dataset, Stored, Wanted};
use modality_protocol::{Modality, Task};
use ndarray::{Array2, array, s};
use tempfile::TempDir;

use crate::writer::{Codec, Form, Parts, Writer};
use crate::{as_stored, cells_with, fixture, read_cite_file};

const CELLS: [&str; 4] = ["c0", "c1", "c2", "c3"];
const UNKNOWN: [(&str, &str); 3] = [("A", ""), ("B", ""), ("P", "")];

fn counts() -> Array2<f32> {
    array![[1.0, 3.0, 20.0], [0.0, 2.0, 4.0], [4.0, 0.0, 9.0], [1.0, 5.0, 30.0]]
}

fn parts(matrix: &Array2<f32>) -> Parts {
    Parts::of(matrix, Form::Csr)
}

fn file(folder: &TempDir, name: &str, writer: Writer) -> PathBuf {
    let path = folder.path().join(name);
    writer.write(&path);
    path
}

fn written(features: &[(&str, &str)]) -> Writer {
    Writer::new(Codec::None).annotations(&CELLS, features)
}

/// The second batch of the writer's files tests.
fn second_batch(layer: Option<&str>) -> CiteLayout {
    CiteLayout {
        layer: layer.map(str::to_owned),
        test: Some(cells_with("batch", &["s1d2"])),
        ..CiteLayout::default()
    }
}

#[track_caller]
fn assert_said(dataset: &Dataset, words: &[&str]) {
    let remarks = dataset.provenance.remarks.join("\n");
    for word in words {
        assert!(remarks.contains(word), "`{word}` is not in: {remarks}");
    }
}

#[test]
fn counts_stand_in_a_layer_or_in_raw() {
    let folder = TempDir::new().unwrap();
    let features = [("A", "GEX"), ("B", "GEX"), ("P", "ADT")];
    let (raw, log) = (parts(&counts()), parts(&counts().mapv(f32::ln_1p)));
    let writer = written(&features).sparse(&log).layers(&[("counts", &raw)]);
    let path = file(&folder, "x.h5ad", writer.raw(&raw, &features));
    for (layer, place) in
        [("counts", "layers/counts"), ("layers/counts", "layers/counts"), ("raw/X", "raw/X")]
    {
        let layout = CiteLayout { values: Stored::Counts, ..second_batch(Some(layer)) };
        let dataset = read_cite_file(&path, "x", &layout).unwrap();
        // The median of the totals 4, 2, 4 and 6 is 4.
        assert_eq!(
            dataset.train.input.view().to_dense().row(0).to_vec(),
            [1_f32.ln_1p(), 3_f32.ln_1p()]
        );
        assert_said(&dataset, &[&format!("Both modalities: `{place}` of the file.")]);
    }
    let dataset = read_cite_file(&path, "x", &second_batch(None)).unwrap();
    assert_eq!(dataset.provenance.normalisation, "none: values as stored in the files");
    let message = read_cite_file(&path, "x", &second_batch(Some("count"))).unwrap_err().to_string();
    assert!(
        message.contains("`layers/count` is missing") && message.contains("counts"),
        "{message}"
    );
}

#[test]
fn proteins_stand_in_obsm() {
    let folder = TempDir::new().unwrap();
    let genes = counts().slice(s![.., ..2]).to_owned();
    let proteins = counts().column(2).to_vec();
    let write = |name: &str| {
        let writer = written(&UNKNOWN[..2]).sparse(&parts(&genes));
        file(&folder, "x.h5ad", writer.beside(name, &CELLS, &[("P", &proteins)]))
    };
    // Where scvi-tools looks for them they are found; elsewhere they are named.
    let path = write("protein_expression");
    let found = read_cite_file(&path, "x", &second_batch(None)).unwrap();
    assert_eq!(
        (&found.input.names[..], &found.target.names[..]),
        (&["A", "B"].map(str::to_owned)[..], &["P".to_owned()][..])
    );
    assert_said(
        &found,
        &[
            "Gene expression: `X` of `x.h5ad`; surface proteins: `obsm/protein_expression` of `x.h5ad`.",
        ],
    );
    assert_eq!(found.provenance.files.len(), 1);

    let path = write("prot");
    let message = read_cite_file(&path, "x", &second_batch(None)).unwrap_err().to_string();
    assert!(message.contains("`--target-at`"), "{message}");
    let places = [(Modality::Adt, "obsm/prot".parse().unwrap())].into();
    let named = read_cite_file(&path, "x", &CiteLayout { places, ..second_batch(None) }).unwrap();
    assert_eq!(named.train.target, found.train.target);
    assert_eq!(named.test.input, found.test.input);
}

#[test]
fn a_file_that_says_what_it_is_of_is_not_taken_for_another() {
    let folder = TempDir::new().unwrap();
    let genes =
        written(&UNKNOWN[..2]).of("GEX").sparse(&parts(&counts().slice(s![.., ..2]).to_owned()));
    let proteins =
        written(&UNKNOWN[2..]).of("ADT").sparse(&parts(&counts().slice(s![.., 2..]).to_owned()));
    let genes = file(&folder, "rna.h5ad", genes);
    let proteins = file(&folder, "adt.h5ad", proteins);
    let read = |files: [&PathBuf; 2], wanted| {
        let source = modality_data::Source::Two(files.map(PathBuf::clone));
        modality_data::read_source(&source, "x", &second_batch(None), wanted)
    };
    let exactly = Wanted::Exactly(Task::GEX_TO_ADT);
    assert_eq!(read([&genes, &proteins], exactly).unwrap().input.names, ["A", "B"]);
    let message = read([&proteins, &genes], exactly).unwrap_err().to_string();
    assert!(message.contains("adt.h5ad: holds surface proteins"), "{message}");
    assert!(message.contains("exchange the two files, or say `--task adt-to-gex`"), "{message}");
    // Where nobody names the task, the files do.
    let turned = read([&proteins, &genes], Wanted::Rather(Task::GEX_TO_ADT)).unwrap();
    assert_eq!(turned.task(), Task::ADT_TO_GEX);
    let message = read([&genes, &genes], exactly).unwrap_err().to_string();
    assert!(message.contains("it holds gene expression where surface proteins"), "{message}");
}

#[test]
fn a_layer_of_all_files_is_one_of_those_that_have_layers() {
    let folder = TempDir::new().unwrap();
    let genes = counts().slice(s![.., ..2]).to_owned();
    let log = parts(&genes.mapv(f32::ln_1p));
    let writer = written(&UNKNOWN[..2]).sparse(&log).layers(&[("counts", &parts(&genes))]);
    let genes = file(&folder, "rna.h5ad", writer);
    let proteins = folder.path().join("adt.csv");
    std::fs::write(&proteins, "cell,P\nc0,20\nc1,4\nc2,9\nc3,30\n").unwrap();
    let read = |layer, files: [&PathBuf; 2]| {
        crate::read_pair(files[0], files[1], "x", &second_batch(Some(layer)))
    };
    let dataset = read("counts", [&genes, &proteins]).unwrap();
    assert_said(
        &dataset,
        &["Gene expression: `layers/counts` of `rna.h5ad`; surface proteins: `adt.csv`."],
    );
    let message = read("count", [&genes, &proteins]).unwrap_err().to_string();
    assert!(message.contains("`layers/count` is missing"), "{message}");
    let message = read("counts", [&proteins, &proteins]).unwrap_err().to_string();
    assert!(message.contains("holds one matrix"), "{message}");
}

#[test]
fn a_column_that_two_sources_fill_differently_cannot_be_used() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.h5ad");
    std::fs::copy(fixture("csr_gzip.h5ad"), &path).unwrap();
    let cells = crate::CELLS.map(|cell| format!("{cell},other,{cell}\n")).concat();
    std::fs::write(folder.path().join("cells.csv"), format!("cell,person,id\n{cells}")).unwrap();
    let layout = CiteLayout { cells: Some("cells.csv".into()), ..as_stored("batch", &["s1d1"]) };
    read_cite_file(&path, "x", &layout).unwrap();
    let layout = CiteLayout { donor_column: Some("person".into()), ..layout };
    let message = read_cite_file(&path, "x", &layout).unwrap_err().to_string();
    assert!(
        message.contains("column `person` cannot be used: of cell `AAACA-1` it holds `ann`"),
        "{message}"
    );
}

/// Four files without `X` and feature types, as Open Problems publishes them now.
fn open_problems(folder: &TempDir) {
    for (half, rows) in [("train", 0..2), ("test", 2..4)] {
        for (name, modality, columns) in [("mod1", "GEX", 0..2), ("mod2", "ADT", 2..3)] {
            let raw = counts().slice(s![rows.clone(), columns.clone()]).to_owned();
            let log = raw.mapv(f32::ln_1p);
            let writer = Writer::new(Codec::None)
                .annotations(&CELLS[rows.clone()], &UNKNOWN[columns])
                .of(modality)
                .layers(&[("counts", &parts(&raw)), ("normalized", &parts(&log))]);
            writer.write(&folder.path().join(format!("{half}_{name}.h5ad")));
        }
    }
}

#[test]
fn open_problems_files_have_layers_in_place_of_x() {
    let folder = TempDir::new().unwrap();
    open_problems(&folder);
    let read =
        |layout: &CiteLayout| modality_data::read_four_files(folder.path(), "x", layout, None);
    let dataset = read(&CiteLayout::default()).unwrap();
    assert_eq!((dataset.input.modality, dataset.target.modality), (Modality::Gex, Modality::Adt));
    let log = counts().mapv(f32::ln_1p);
    assert_eq!(dataset.train.input.view().to_dense(), log.slice(s![..2, ..2]));
    assert_eq!(dataset.test.target.view().to_dense(), log.slice(s![2.., 2..]));
    assert_said(
        &dataset,
        &["The values are `layers/normalized` of each file.", "Batches are column `batch`"],
    );

    // Counts are normalised over the cells of both halves: the median of 4, 2, 4 and 6 is 4.
    let layout = CiteLayout {
        layer: Some("counts".into()),
        values: Stored::Counts,
        ..CiteLayout::default()
    };
    let dataset = read(&layout).unwrap();
    assert_eq!(dataset.train.input.view().to_dense()[(1, 1)], 4_f32.ln_1p());
    let unsaid = CiteLayout { values: Stored::Unsaid, ..layout };
    let message = read(&unsaid).unwrap_err().to_string();
    assert!(message.contains("these are counts") && message.contains("`--counts`"), "{message}");
    let split = CiteLayout { test: Some(cells_with("batch", &["s1d1"])), ..CiteLayout::default() };
    let message = read(&split).unwrap_err().to_string();
    assert!(message.contains("leave out `--split-by`"), "{message}");
}
