//! Damaged files give an error or a matrix, never a panic.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::{as_stored, fixture, read_pair, read_table};

const FILES: [&str; 12] = [
    "csr_gzip.h5ad",
    "csc_lzf.h5ad",
    "csc_i64.h5ad",
    "dense.h5ad",
    "dense_gzip.h5ad",
    "legacy_csc_gzip.h5ad",
    "legacy_h5sparse_lzf.h5ad",
    "filtered_feature_bc_matrix.h5",
    "mtx_gzip/matrix.mtx.gz",
    "mtx_plain/matrix.mtx",
    "mtx_plain/features.tsv",
    "csv/gex.csv",
];

fn read_damaged(name: &str, bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let place = |part: &str| folder.path().join(Path::new(part).file_name().unwrap());
    let path = place(name);
    match name.split_once('/') {
        Some(("csv", _)) => {
            std::fs::write(&path, bytes).unwrap();
            let _ = read_pair(
                &path,
                &fixture("csv/adt.tsv.gz"),
                "damaged",
                &as_stored("batch", &["s1d1"]),
            );
        }
        Some((whole, _)) => {
            for part in std::fs::read_dir(fixture(whole)).unwrap() {
                let part = part.unwrap().path();
                std::fs::copy(&part, place(part.to_str().unwrap())).unwrap();
            }
            std::fs::write(&path, bytes).unwrap();
            let _ = read_table(folder.path());
        }
        None => {
            std::fs::write(&path, bytes).unwrap();
            let _ = read_table(&path);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn changed_bytes_never_panic(
        file in 0..FILES.len(),
        changes in proptest::collection::vec((any::<Index>(), prop_oneof![Just(0_u8), Just(0xff), any::<u8>()]), 1..12),
    ) {
        let mut bytes = std::fs::read(fixture(FILES[file])).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        read_damaged(FILES[file], &bytes);
    }

    #[test]
    fn truncated_files_never_panic(file in 0..FILES.len(), end in any::<Index>()) {
        let bytes = std::fs::read(fixture(FILES[file])).unwrap();
        read_damaged(FILES[file], &bytes[..end.index(bytes.len())]);
    }
}

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
