//! What the metadata of an array, of either version, says about its chunks.

use serde::Deserialize;
use serde_json::Value;

use super::steps::{Shards, Step, is_order};
use crate::read::element::Element;
use crate::read::store::Problem;

/// An array as its metadata describes it.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) shape: Vec<usize>,
    pub(super) chunk: Vec<usize>,
    pub(super) entry: Entry,
    /// The bytes of an entry that is not stored.
    pub(super) fill: Vec<u8>,
    /// From a chunk's file to its entries.
    pub(super) steps: Vec<Step>,
    /// What stands before a chunk's index in the name of its file, and between its numbers.
    pub(super) key: (&'static str, char),
}

/// How an entry is stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    Number(Element),
    /// So many bytes of text, padded with zeros.
    Bytes(usize),
    /// So many characters of four bytes, padded with zeros.
    Characters {
        count: usize,
        big_endian: bool,
    },
    /// A chunk is a count, and then each text behind its length.
    Text,
    /// A type by its own word.
    Other(String),
}

impl Entry {
    /// Bytes of an entry, where all have the same.
    fn size(&self) -> usize {
        match self {
            Self::Number(element) => element.size(),
            Self::Bytes(size) => *size,
            Self::Characters { count, .. } => 4 * count,
            Self::Text | Self::Other(_) => 0,
        }
    }
}

#[derive(Deserialize)]
struct Version2 {
    shape: Vec<usize>,
    chunks: Vec<usize>,
    dtype: Value,
    #[serde(default)]
    fill_value: Value,
    compressor: Option<Value>,
    filters: Option<Vec<Value>>,
    #[serde(default)]
    order: Order,
    #[serde(default = "dot")]
    dimension_separator: char,
}

fn dot() -> char {
    '.'
}

#[derive(Deserialize, Default, PartialEq)]
enum Order {
    #[default]
    C,
    F,
}

#[derive(Deserialize)]
struct Version3 {
    shape: Vec<usize>,
    data_type: Value,
    chunk_grid: Named,
    chunk_key_encoding: Named,
    #[serde(default)]
    fill_value: Value,
    codecs: Vec<Named>,
}

/// Something by name, with what its name leaves open.
#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    configuration: Value,
}

impl Named {
    fn numbers(&self, key: &str) -> Option<Vec<usize>> {
        serde_json::from_value(self.configuration.get(key)?.clone()).ok()
    }

    fn word(&self, key: &str) -> Option<&str> {
        self.configuration.get(key)?.as_str()
    }

    fn codecs(&self, key: &str) -> Result<Vec<Self>, Problem> {
        serde_json::from_value(self.configuration.get(key).cloned().unwrap_or_default())
            .map_err(wrong)
    }
}

fn wrong(error: impl std::fmt::Display) -> Problem {
    Problem::Damaged(format!("its metadata make no sense: {error}"))
}

pub(super) fn not_read(codec: &str) -> Problem {
    Problem::Here(format!(
        "is compressed in a way that is not read ({codec}); write the store again with `adata.write_zarr(PATH)`"
    ))
}

/// The content of `.zarray`.
pub(super) fn version_2(metadata: Value) -> Result<Layout, Problem> {
    let metadata: Version2 = serde_json::from_value(metadata).map_err(wrong)?;
    let mut entry = dtype(&metadata.dtype);
    let mut steps = Vec::new();
    if let Some(compressor) = &metadata.compressor {
        steps.extend(filter(compressor, &mut entry)?);
    }
    for applied in metadata.filters.iter().flatten().rev() {
        steps.extend(filter(applied, &mut entry)?);
    }
    if metadata.order == Order::F && metadata.shape.len() > 1 {
        steps.push(Step::Transpose((0..metadata.shape.len()).rev().collect()));
    }
    let fill = fill(&entry, &metadata.fill_value);
    let key = ("", metadata.dimension_separator);
    Layout { shape: metadata.shape, chunk: metadata.chunks, entry, fill, steps, key }.checked()
}

/// A codec of version 2; one that makes text of the entries changes `entry`.
fn filter(codec: &Value, entry: &mut Entry) -> Result<Option<Step>, Problem> {
    let id = codec.get("id").and_then(Value::as_str).unwrap_or_default();
    match id {
        "vlen-utf8" => *entry = Entry::Text,
        "shuffle" => {
            let size = codec.get("elementsize").and_then(Value::as_u64).unwrap_or(4);
            return Ok(Some(Step::Shuffle(size as usize)));
        }
        _ => return compressor(id).map(Some).ok_or_else(|| not_read(id)),
    }
    Ok(None)
}

fn compressor(name: &str) -> Option<Step> {
    Some(match name {
        "gzip" => Step::Gzip,
        "zlib" => Step::Zlib,
        "zstd" => Step::Zstd,
        "blosc" => Step::Blosc,
        "lz4" => Step::Lz4,
        "crc32c" => Step::Crc32c,
        _ => return None,
    })
}

/// A type in NumPy's notation: byte order, sort, size.
fn dtype(dtype: &Value) -> Entry {
    let word = dtype.as_str().unwrap_or_default();
    let other = || Entry::Other(dtype.as_str().map_or_else(|| dtype.to_string(), str::to_owned));
    let (Some(order), Some(sort)) = (word.get(..1), word.get(1..2)) else { return other() };
    let big_endian = order == ">";
    let size: Option<usize> = word.get(2..).and_then(|size| size.parse().ok());
    let element = |element: Option<Element>| element.map_or_else(other, Entry::Number);
    match (sort, size) {
        ("i", Some(size)) => element(Element::signed(size, big_endian)),
        ("u" | "b", Some(size)) => element(Element::unsigned(size, big_endian)),
        ("f", Some(size)) => element(Element::float(size, big_endian)),
        ("S", Some(size)) => Entry::Bytes(size),
        ("U", Some(count)) => Entry::Characters { count, big_endian },
        _ => other(),
    }
}

/// The content of an array's `zarr.json`.
pub(super) fn version_3(metadata: Value) -> Result<Layout, Problem> {
    let metadata: Version3 = serde_json::from_value(metadata).map_err(wrong)?;
    let chunk = metadata.chunk_grid.numbers("chunk_shape").ok_or_else(|| {
        let grid = &metadata.chunk_grid.name;
        Problem::Here(format!("is cut into chunks in a way that is not read ({grid})"))
    })?;
    let mut entry = data_type(&metadata.data_type);
    let steps = steps(&metadata.codecs, &mut entry)?;
    let fill = fill(&entry, &metadata.fill_value);
    let key = match (&metadata.chunk_key_encoding, metadata.chunk_key_encoding.word("separator")) {
        (Named { name, .. }, separator) if name == "v2" => ("", separator.unwrap_or(".")),
        (_, separator) => ("c", separator.unwrap_or("/")),
    };
    let key = (key.0, key.1.chars().next().unwrap_or('/'));
    Layout { shape: metadata.shape, chunk, entry, fill, steps, key }.checked()
}

/// The steps back through `codecs`. Their byte order, or that they make text, changes `entry`.
fn steps(codecs: &[Named], entry: &mut Entry) -> Result<Vec<Step>, Problem> {
    let mut steps = Vec::new();
    for codec in codecs.iter().rev() {
        let name = codec.name.strip_prefix("numcodecs.").unwrap_or(&codec.name);
        match name {
            "vlen-utf8" => *entry = Entry::Text,
            "bytes" => {
                let big = codec.word("endian") == Some("big");
                match entry {
                    Entry::Number(element) => element.big_endian = big,
                    Entry::Characters { big_endian, .. } => *big_endian = big,
                    _ => {}
                }
            }
            "transpose" => {
                let order = codec.numbers("order").ok_or_else(|| not_read(name))?;
                steps.push(Step::Transpose(order));
            }
            "sharding_indexed" => steps.push(Step::Shards(Box::new(shards(codec, entry)?))),
            _ => steps.push(compressor(name).ok_or_else(|| not_read(name))?),
        }
    }
    Ok(steps)
}

fn shards(codec: &Named, entry: &mut Entry) -> Result<Shards, Problem> {
    let mut index_entry = Entry::Other(String::new());
    Ok(Shards {
        chunk: codec.numbers("chunk_shape").ok_or_else(|| wrong("a shard has no chunks"))?,
        steps: steps(&codec.codecs("codecs")?, entry)?,
        index_steps: steps(&codec.codecs("index_codecs")?, &mut index_entry)?,
        index_at_end: codec.word("index_location") != Some("start"),
    })
}

fn data_type(data_type: &Value) -> Entry {
    let name = data_type.as_str().or_else(|| data_type.get("name")?.as_str()).unwrap_or_default();
    let length = || {
        let configuration = data_type.get("configuration")?;
        configuration.get("length_bytes")?.as_u64().map(|length| length as usize)
    };
    let other =
        || Entry::Other(data_type.as_str().map_or_else(|| data_type.to_string(), str::to_owned));
    let number = |sort: &str, bits: &str| {
        let size = bits.parse::<usize>().ok()? / 8;
        match sort {
            "int" => Element::signed(size, false),
            "uint" => Element::unsigned(size, false),
            _ => Element::float(size, false),
        }
    };
    match name {
        "bool" => Element::unsigned(1, false).map_or_else(other, Entry::Number),
        "string" => Entry::Text,
        "null_terminated_bytes" => length().map_or_else(other, Entry::Bytes),
        "fixed_length_utf32" => length().map_or_else(other, |length| Entry::Characters {
            count: length / 4,
            big_endian: false,
        }),
        _ => ["uint", "int", "float"]
            .iter()
            .find_map(|sort| number(sort, name.strip_prefix(sort)?))
            .map_or_else(other, Entry::Number),
    }
}

/// The bytes of the value that stands for what is not stored; of text none, which is empty text.
fn fill(entry: &Entry, value: &Value) -> Vec<u8> {
    match entry {
        Entry::Number(element) if element.is_float() => element.encode_float(float(value)),
        Entry::Number(element) => {
            let integer = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
            element.encode_integer(integer.unwrap_or(i128::from(value.as_bool() == Some(true))))
        }
        _ => vec![0; entry.size()],
    }
}

/// Numbers that JSON does not have are written as words.
fn float(value: &Value) -> f64 {
    match value.as_str() {
        Some(word) => word.parse().unwrap_or(f64::NAN),
        None => value.as_f64().unwrap_or(0.0),
    }
}

impl Layout {
    fn checked(self) -> Result<Self, Problem> {
        let axes = self.shape.len();
        let fits = |step: &Step| match step {
            Step::Transpose(order) => is_order(order, axes),
            Step::Shards(shards) => shards.divide(&self.chunk),
            _ => true,
        };
        if self.chunk.len() != axes || self.chunk.contains(&0) || !self.steps.iter().all(fits) {
            return Err(wrong(format!(
                "chunks of {:?} do not divide a shape of {:?}",
                self.chunk, self.shape
            )));
        }
        Ok(self)
    }
}
