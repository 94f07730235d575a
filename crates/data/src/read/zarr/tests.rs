//! Stores that no library writes. What these write is read in `tests/formats`.

use serde_json::json;

use super::*;
use crate::read::store::Kind;

/// The metadata of an array of version 3, of five entries of two bytes in chunks of two, with these changes.
fn metadata(changes: &[(&str, Value)]) -> Value {
    let mut metadata = json!({
        "zarr_format": 3, "node_type": "array", "shape": [5], "data_type": "int16", "fill_value": 7,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
        "chunk_key_encoding": {"name": "default"},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]
    });
    for (key, value) in changes {
        metadata[*key] = value.clone();
    }
    metadata
}

struct Store {
    folder: tempfile::TempDir,
}

impl Store {
    fn new(changes: &[(&str, Value)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: Value| {
            std::fs::create_dir_all(folder.path().join(name).join("c")).unwrap();
            std::fs::write(folder.path().join(name).join("zarr.json"), value.to_string()).unwrap();
        };
        write(
            "",
            json!({"zarr_format": 3, "node_type": "group", "attributes": {"n": 5, "word": "a"}}),
        );
        write("x", metadata(changes));
        Self { folder }
    }

    fn chunk(self, index: usize, bytes: &[u8]) -> Self {
        std::fs::write(self.folder.path().join(format!("x/c/{index}")), bytes).unwrap();
        self
    }

    fn array(&self) -> Result<Box<ZarrArray>, Problem> {
        match ZarrFolder::open(self.folder.path())?.node("x")? {
            Some(Found::Array(array)) => Ok(array),
            _ => panic!("`x` is an array"),
        }
    }

    fn refusal(&self) -> String {
        let read = self.array().and_then(|array| match array.kind() {
            Kind::Text => array.text().map(drop),
            _ => array.numbers::<f32>(0..array.shape()[0]).map(drop),
        });
        match read.expect_err("the array must be refused") {
            Problem::Here(what) | Problem::Damaged(what) | Problem::Wrong(what) => what,
            Problem::Io(error) => error.to_string(),
        }
    }
}

#[test]
fn what_is_not_stored_has_the_fill_value() {
    let store = Store::new(&[]).chunk(1, &[1, 0, 2, 0]);
    let array = store.array().unwrap();
    assert_eq!(array.numbers::<i64>(0..5).unwrap(), [7, 7, 1, 2, 7]);
    assert_eq!(array.numbers::<i64>(3..4).unwrap(), [2]);
    let missing = Store::new(&[("data_type", json!("float32")), ("fill_value", json!("NaN"))]);
    assert!(missing.array().unwrap().numbers::<f32>(0..1).unwrap()[0].is_nan());
}

#[test]
fn nothing_outside_the_store_is_looked_at() {
    let store = Store::new(&[]);
    let root = ZarrFolder::open(&store.folder.path().join("x")).unwrap();
    assert!(root.node("../x").unwrap().is_none());
    assert!(root.node("..").unwrap().is_none());
    assert!(root.children("..").unwrap().is_empty() && root.attributes("..").unwrap().is_empty());
}

#[test]
fn metadata_that_claims_too_much_or_makes_no_sense() {
    let refused = |changes: &[(&str, Value)], word: &str| {
        let text = Store::new(changes).refusal();
        assert!(text.contains(word), "`{word}` is not in: {text}");
    };
    let grid = |shape: Value| json!({"name": "regular", "configuration": {"chunk_shape": shape}});
    let codecs = |more: Value| json!([{"name": "bytes"}, more]);
    let shards = |inner: Value, codecs: Value| {
        let configuration =
            json!({"chunk_shape": inner, "codecs": codecs, "index_codecs": [{"name": "bytes"}]});
        json!([{"name": "sharding_indexed", "configuration": configuration}])
    };
    refused(
        &[("shape", json!([1_u64 << 40])), ("chunk_grid", grid(json!([1_u64 << 40])))],
        "claims",
    );
    refused(&[("chunk_grid", grid(json!([1_u64 << 40])))], "claims");
    refused(&[("shape", json!([u64::MAX])), ("chunk_grid", grid(json!([u64::MAX])))], "memory");
    refused(&[("shape", json!([1 << 24]))], "too many files");
    refused(&[("chunk_grid", grid(json!([0])))], "do not divide");
    refused(&[("chunk_grid", grid(json!([2, 2])))], "do not divide");
    refused(&[("chunk_grid", json!({"name": "rectilinear"}))], "rectilinear");
    refused(&[("shape", json!("five"))], "make no sense");
    refused(&[("data_type", json!("complex64"))], "no numbers");
    refused(&[("codecs", codecs(json!({"name": "pcodec"})))], "pcodec");
    refused(
        &[("codecs", json!([{"name": "transpose", "configuration": {"order": [1]}}]))],
        "do not divide",
    );
    refused(&[("codecs", shards(json!([0]), json!([])))], "do not divide");
    refused(
        &[(
            "codecs",
            shards(json!([2]), json!([{"name": "transpose", "configuration": {"order": [9]}}])),
        )],
        "do not divide",
    );
}

#[test]
fn chunks_that_are_cut_off_or_changed() {
    let refused = |store: Store, word: &str| {
        let text = store.refusal();
        assert!(text.contains(word), "`{word}` is not in: {text}");
    };
    refused(Store::new(&[]).chunk(0, &[1, 0, 2]), "3 bytes where 4");
    let sum = json!([{"name": "bytes"}, {"name": "crc32c"}]);
    let mut stored = vec![1, 0, 2, 0];
    stored.extend(steps::crc32c(&stored).to_le_bytes());
    let store = Store::new(&[("codecs", sum.clone())]).chunk(0, &stored);
    assert_eq!(store.array().unwrap().numbers::<i64>(0..2).unwrap(), [1, 2]);
    stored[0] = 9;
    refused(Store::new(&[("codecs", sum)]).chunk(0, &stored), "CRC-32C");
    let text = [("data_type", json!("string")), ("codecs", json!([{"name": "vlen-utf8"}]))];
    refused(Store::new(&text).chunk(0, &[2, 0, 0, 0, 9, 0, 0, 0, b'a']), "cut off");
    refused(Store::new(&text).chunk(0, &[3, 0, 0, 0]), "3 texts where 2");
    let index = json!({"chunk_shape": [1], "codecs": [{"name": "bytes"}], "index_codecs": [{"name": "bytes"}]});
    let shards = [("codecs", json!([{"name": "sharding_indexed", "configuration": index}]))];
    refused(Store::new(&shards).chunk(0, &[0; 31]), "cut off");
    refused(Store::new(&shards).chunk(0, &[3; 40]), "past its end");
}
