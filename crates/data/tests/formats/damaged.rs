//! Damaged files and stores give an error or a matrix, never a panic.

use std::path::{Path, PathBuf};

use modality_data::{Place, read_table};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::archive;

/// One of each way in which something is stored.
const FILES: [&str; 16] = [
    "h5ad/records.h5ad",
    "h5ad/names-nullable.h5ad",
    "h5mu/pair.h5mu",
    "hdf5/latest-fixed-gzip.h5ad",
    "hdf5/latest-extensible.h5ad",
    "hdf5/latest-tree-gzip.h5ad",
    "hdf5/v110-one-gzip.h5ad",
    "hdf5/soft-link-latest.h5ad",
    "codec/zstd-csr.h5ad",
    "codec/blosc-blosclz-2-csr.h5ad",
    "codec/lz4-blocks-csr.h5ad",
    "codec/lzf-csr.h5ad",
    "zarr2/csr-f4.zarr",
    "zarr2/names-category.zarr",
    "zarr3/names-nullable.zarr",
    "codec/zarr3/shards-zstd.zarr",
];

/// The file itself, or all files of a store.
fn parts(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.iter().flat_map(|entry| parts(entry)).collect()
}

#[test]
fn changed_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    archive::unpack(folder.path(), |name| FILES.iter().any(|file| name.starts_with(file)));
    let change = (any::<Index>(), prop_oneof![Just(0_u8), Just(0xff), any::<u8>()]);
    let changes = proptest::collection::vec(change, 1..8);
    let damage = (0..FILES.len(), any::<Index>(), changes, any::<Option<Index>>());
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&damage, |(file, part, changes, end)| {
            let path = folder.path().join(FILES[file]);
            let parts = parts(&path);
            let part = &parts[part.index(parts.len())];
            let whole = std::fs::read(part).unwrap();
            let mut bytes = whole.clone();
            for (place, byte) in changes.into_iter().filter(|_| !whole.is_empty()) {
                bytes[place.index(whole.len())] = byte;
            }
            if let Some(end) = end.filter(|_| !whole.is_empty()) {
                bytes.truncate(end.index(whole.len()));
            }
            std::fs::write(part, &bytes).unwrap();
            let place = if file == 2 { "mod/rna/X".parse().unwrap() } else { Place::default() };
            let _ = read_table(&path, &place);
            std::fs::write(part, &whole).unwrap();
            Ok(())
        })
        .unwrap();
}
