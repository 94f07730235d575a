//! Matrix Market text, beside the names of seven features and seven cells.

#![no_main]

use std::fs::write;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let names = |suffix: &str| (0..7).map(|name| format!("n{name}{suffix}\n")).collect::<String>();
    write(folder.path().join("barcodes.tsv"), names("-1")).expect("room for a temporary file");
    write(folder.path().join("features.tsv"), names("\tname\tGene Expression")).expect("room for a temporary file");
    write(folder.path().join("matrix.mtx"), bytes).expect("room for a temporary file");
    if let Ok(table) = modality_data::read_table(folder.path(), &modality_data::Place::default()) {
        assert_eq!(table.values.shape(), (7, 7));
    }
});
