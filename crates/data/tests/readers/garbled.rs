//! An AnnData file that ends early; `tests/fuzz.rs` has damage of other kinds.

use crate::{fixture, read_table};

#[test]
fn a_truncated_h5ad_is_an_error_wherever_it_ends() {
    let bytes = std::fs::read(fixture("csr_gzip.h5ad")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short.h5ad");
    for end in (0..bytes.len()).step_by(499) {
        std::fs::write(&path, &bytes[..end]).unwrap();
        let error = read_table(&path).unwrap_err().to_string();
        assert!(error.contains("short.h5ad"), "{error}");
    }
}
