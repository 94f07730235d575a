//! Delimited text as a matrix.

#![no_main]

use std::io::Write;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room for a temporary file");
    if let Ok(table) = modality_data::read_table(file.path(), &modality_data::Place::default()) {
        assert_eq!(table.values.shape(), (table.cells.len(), table.features.len()));
    }
});
