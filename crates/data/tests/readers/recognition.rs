//! What is not read is named as what it is, and says how it becomes what is.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use hdf5_pure::FileBuilder;
use tempfile::TempDir;

use crate::refusals::assert_refused;
use crate::{CELLS, COUNTS, fixture, read_four_files, read_table};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same content is named, whatever its name, plain and inside gzip.
#[track_caller]
fn assert_named(content: &[u8], words: &[&str]) {
    let folder = TempDir::new().unwrap();
    for name in ["a.h5ad", "a.csv", "a"] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        assert_refused(read_table(&path), &path, words);
        fs::write(&path, gzip(content)).unwrap();
        assert_refused(read_table(&path), &path, words);
    }
}

#[test]
fn other_kinds_of_files() {
    assert_named(b"", &["empty"]);
    assert_named(b" \n\n", &["nothing but blanks"]);
    assert_named(b"X\n\0\0\0\x03\0\x04\x03\x02", &["R object", "zellkonverter"]);
    assert_named(b"RDX3\nX\n\0\0", &["R object"]);
    assert_named(b"A\n3\n262402\n", &["R object"]);
    assert_named(b"BZh91AY&SY\0\0", &["bzip2", "bunzip2"]);
    assert_named(b"\xfd7zXZ\0\0\x04", &["xz"]);
    assert_named(b"\x28\xb5\x2f\xfd\0\0", &["zstd"]);
    assert_named(b"PK\x03\x04\x14\0\0\0 xl/workbook.xml", &["zip archive"]);
    assert_named(b"PAR1\x15\0\x15\x10", &["Parquet", "to_csv"]);
    assert_named(b"ARROW1\0\0", &["Feather", "to_csv"]);
    assert_named(b"\x93NUMPY\x01\0", &["NumPy"]);
    assert_named(b"\0\x05\x16\x07\0\x02\0\0", &["macOS"]);
    assert_named(b"\xff\xfec\0e\0l\0l\0", &["UTF-16"]);
    assert_named(b"<!DOCTYPE html><html>", &["web page", "again"]);
    assert_named(b"\n<?xml version=\"1.0\"?><Error>", &["web page"]);
    assert_named(b"version https://git-lfs.github.com/spec/v1\noid", &["Git LFS", "git lfs pull"]);
    assert_named(b"{\"cells\": [\"a\"]}", &["JSON"]);
    assert_named(b"cell A B\nc0 1 2\n", &["separated by blanks"]);
    assert_named(b"cell;A;B\nc0;1,5;2\n", &["semicolons", "commas or tabs"]);
    assert_named(b"c0\nc1\n", &["one field a line"]);
    assert_named(b"\x01\x02\x03\x04", &["no known kind", "AnnData"]);
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    assert_named(&tar, &["tar archive", "tar -xf"]);
}

#[test]
fn hdf5_inside_gzip_zarr_inside_zip_and_gzip_cut_off() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.h5ad.gz");
    fs::write(&path, gzip(&fs::read(fixture("dense.h5ad")).unwrap())).unwrap();
    assert_refused(read_table(&path), &path, &["HDF5 file", "inside gzip", "gunzip"]);
    let zip = b"PK\x03\x04\x14\0\0\0 obs/.zgroup PK\x01\x02 obs/.zgroup";
    fs::write(&path, zip).unwrap();
    assert_refused(read_table(&path), &path, &["zarr store inside a zip", "unpack"]);
    let text = fs::read(fixture("csv/adt.tsv.gz")).unwrap();
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    assert_refused(read_table(&path), &path, &["truncated"]);
}

/// An HDF5 file with these groups (with an ending slash) and arrays.
fn hdf5(path: &Path, names: &[&str]) {
    let mut file = FileBuilder::new();
    for name in names {
        match name.strip_suffix('/') {
            Some(group) => {
                let mut group = file.create_group(group);
                group.create_dataset("some").with_i64_data(&[1]).with_shape(&[1]);
                file.add_group(group.finish());
            }
            None => {
                file.create_dataset(name).with_i64_data(&[1]).with_shape(&[1]);
            }
        }
    }
    file.write(path).unwrap();
}

#[test]
fn other_kinds_of_hdf5() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.h5");
    let named = |names: &[&str], words: &[&str]| {
        hdf5(&path, names);
        assert_refused(read_table(&path), &path, words);
    };
    named(&["matrix", "row_attrs/", "col_attrs/", "layers/"], &["loom", "read_loom"]);
    named(
        &["barcode_idx", "barcodes", "count", "feature_idx", "features/", "umi"],
        &["molecule_info", "filtered_feature_bc_matrix.h5"],
    );
    named(&["barcode", "gene", "reads", "umi"], &["molecule_info"]);
    named(&["assays/", "cell.names", "meta.data/"], &["h5Seurat", "SeuratDisk"]);
    named(&["assay001", "assay002"], &["SummarizedExperiment", "zellkonverter"]);
    named(&["weights/", "biases"], &["no kind that is read", "weights", "biases"]);
}

#[test]
fn genomes_of_before_version_3() {
    let table = read_table(&fixture("raw_gene_bc_matrices.h5")).unwrap();
    assert_eq!(table.cells, CELLS);
    let names: Vec<&str> = table.features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(names, ["ID0", "ID1", "ID2", "ID3", "ID4", "ID5", "ID6"]);
    assert!(table.notes[0].contains("4 of 7 genes"), "{:?}", table.notes);
    assert!(table.notes[1].contains("genes only"), "{:?}", table.notes);
    assert_eq!(table.values.to_dense()[(4, 5)], COUNTS[4][5]);

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("two.h5");
    let mut file = FileBuilder::new();
    for genome in ["hg19", "mm10"] {
        let mut group = file.create_group(genome);
        for part in ["genes", "indptr"] {
            group.create_dataset(part).with_i64_data(&[1]).with_shape(&[1]);
        }
        file.add_group(group.finish());
    }
    file.write(&path).unwrap();
    assert_refused(read_table(&path), &path, &["several genomes", "hg19", "mm10"]);
}

/// Copies the files of a fixture into a folder, each name through `rename`.
fn copy(fixture_name: &str, folder: &Path, rename: impl Fn(&str) -> String) {
    for entry in fs::read_dir(fixture(fixture_name)).unwrap() {
        let entry = entry.unwrap();
        let name = rename(entry.file_name().to_str().unwrap());
        fs::copy(entry.path(), folder.join(name)).unwrap();
    }
}

#[test]
fn three_files_with_a_prefix() {
    let folder = TempDir::new().unwrap();
    copy("mtx_gzip", folder.path(), |name| format!("GSM1_S1_{name}"));
    copy("mtx_gzip", folder.path(), |name| format!("._GSM2_{name}"));
    fs::write(folder.path().join(".DS_Store"), "").unwrap();
    fs::write(folder.path().join("readme.txt"), "counts").unwrap();
    let whole = read_table(folder.path()).unwrap();
    assert_eq!(whole.cells, CELLS);

    copy("mtx_plain", folder.path(), |name| format!("GSM2_{}", name.replace("features", "genes")));
    let several = ["several matrices", "GSM1_S1_", "GSM2_"];
    assert_refused(read_table(folder.path()), folder.path(), &several);
    let one = folder.path().join("GSM2_matrix.mtx");
    assert_eq!(read_table(&one).unwrap().values, whole.values);
    let read = modality_data::source_sums(&one).unwrap();
    let names: Vec<&str> = read.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["GSM2_matrix.mtx", "GSM2_genes.tsv", "GSM2_barcodes.tsv"]);
}

#[test]
fn matrices_without_names_and_other_folders() {
    let folder = TempDir::new().unwrap();
    let refused = |words: &[&str]| assert_refused(read_table(folder.path()), folder.path(), words);
    refused(&["this one is empty", "matrix.mtx"]);
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    refused(&["holds `notes.txt`"]);
    let matrix = folder.path().join("matrix.mtx");
    fs::copy(fixture("mtx_plain/matrix.mtx"), &matrix).unwrap();
    refused(&["no `features.tsv` and no `features.tsv.gz`"]);
    assert_refused(read_table(&matrix), folder.path(), &["no `features.tsv`"]);
    let other = folder.path().join("counts.txt");
    fs::rename(&matrix, &other).unwrap();
    assert_refused(read_table(&other), &other, &["matrix without names", "barcodes.tsv"]);
    fs::write(folder.path().join("zarr.json"), "{}").unwrap();
    refused(&["`obs` is missing"]);
}

#[test]
fn what_macos_leaves_beside_four_files() {
    let folder = TempDir::new().unwrap();
    copy("four", folder.path(), str::to_owned);
    copy("four", folder.path(), |name| format!("._{name}"));
    assert_eq!(read_four_files(folder.path(), "x").unwrap().train.cells.names, CELLS[..4]);
}
