//! HDF5 files, AnnData and 10x. Start from `tests/fixtures/*.h5ad` and `tests/fixtures/*.h5`.

#![no_main]

use std::io::Write;

use modality_protocol::Modality;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::Builder::new().suffix(".h5ad").tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room for a temporary file");
    let modalities = [Modality::Gex, Modality::Adt];
    if let Ok(table) = modality_data::read_table(file.path(), &modality_data::Place::default()) {
        assert_eq!(table.values.shape(), (table.cells.len(), table.features.len()));
        let _ = modality_data::Pair::from_table(table, modalities).and_then(|mut pair| pair.normalise());
    }
});
