//! How much memory reading takes, counted by the allocator: alone in its binary, so that nothing else allocates.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper that fails is a failed test")]

mod counting;

use std::path::Path;

use hdf5_pure::{AttrValue, FileBuilder};
use modality_data::{CellRule, CiteLayout, Place, Stored, read_cite_file, read_table};
use modality_protocol::Task;

use crate::counting::peak_of;

const CELLS: usize = 8_000;
const GENES: usize = 9_900;
const PROTEINS: usize = 100;
/// Every gene and protein is found in each tenth cell.
const EVERY: usize = 10;
const MIB: usize = 1 << 20;

/// Writes the features as CSC columns: 8 million entries that would be 320 MB as a dense matrix.
fn write(path: &Path) {
    let features = GENES + PROTEINS;
    let cells_of = |feature: usize| {
        (0..CELLS).skip(feature * 7 % EVERY).step_by(EVERY).map(|cell| cell as i32)
    };
    let indices: Vec<i32> = (0..features).flat_map(cells_of).collect();
    let indptr: Vec<i64> = (0..=features).map(|feature| (feature * CELLS / EVERY) as i64).collect();
    let data: Vec<f32> = (0..indices.len()).map(|entry| (entry % 13 + 1) as f32).collect();
    let mut file = FileBuilder::new();
    let mut matrix = file.create_group("X");
    matrix.set_attr("encoding-type", AttrValue::String("csc_matrix".into()));
    matrix.set_attr("shape", AttrValue::I64Array(vec![CELLS as i64, features as i64]));
    let chunk = [20_000];
    matrix
        .create_dataset("data")
        .with_f32_data(&data)
        .with_shape(&[data.len() as u64])
        .with_chunks(&chunk)
        .with_lzf();
    matrix
        .create_dataset("indices")
        .with_i32_data(&indices)
        .with_shape(&[data.len() as u64])
        .with_chunks(&chunk)
        .with_lzf();
    matrix.create_dataset("indptr").with_i64_data(&indptr).with_shape(&[indptr.len() as u64]);
    file.add_group(matrix.finish());
    let halves = (0..CELLS).map(|cell| if cell % 2 == 0 { "a" } else { "b" }).collect();
    let kinds = (0..features).map(|feature| if feature < GENES { "GEX" } else { "ADT" }).collect();
    frame(&mut file, "obs", CELLS, "half", halves);
    frame(&mut file, "var", features, "feature_types", kinds);
    file.write(path).unwrap();
}

fn frame(file: &mut FileBuilder, name: &str, rows: usize, column: &str, values: Vec<&str>) {
    let index: Vec<String> = (0..rows).map(|row| format!("{name}{row}")).collect();
    let index: Vec<&str> = index.iter().map(String::as_str).collect();
    let mut group = file.create_group(name);
    group.set_attr("_index", AttrValue::String("_index".into()));
    group.create_dataset("_index").with_vlen_strings(&index).with_shape(&[rows as u64]);
    group.create_dataset(column).with_vlen_strings(&values).with_shape(&[rows as u64]);
    file.add_group(group.finish());
}

#[test]
fn reading_takes_little_more_memory_than_the_finished_matrices() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.h5ad");
    write(&path);

    let (table, peak) = peak_of(|| read_table(&path, &Place::default()).unwrap());
    let finished = table.values.nnz() * 8 + (CELLS + 1) * 8;
    assert_eq!(table.values.nnz(), CELLS * (GENES + PROTEINS) / EVERY);
    eprintln!("table: {} MiB finished, {} MiB at the peak", finished / MIB, peak / MIB);
    assert!(peak < finished * 5 / 4 + 32 * MIB, "{peak} bytes at the peak for {finished} finished");
    drop(table);

    let layout = CiteLayout {
        values: Stored::Counts,
        train: Some(CellRule { column: "half".into(), values: vec!["a".into()] }),
        batch_column: Some("half".into()),
        ..CiteLayout::default()
    };
    let (dataset, peak) =
        peak_of(|| read_cite_file(&path, "large", &layout, Task::default()).unwrap());
    let halves = [&dataset.train, &dataset.test];
    let finished: usize = halves
        .iter()
        .map(|half| {
            half.input.stored().len() * 8 + half.target.stored().len() * 4 + half.input.rows() * 8
        })
        .sum();
    eprintln!("data set: {} MiB finished, {} MiB at the peak", finished / MIB, peak / MIB);
    assert!(peak < finished * 3 / 2 + 32 * MIB, "{peak} bytes at the peak for {finished} finished");
}
