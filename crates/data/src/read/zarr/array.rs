//! The entries of an array, out of the chunks that are stored of it.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::block::{Block, copy, for_each_index};
use super::metadata::{Entry, Layout};
use super::steps::Fixed;
use super::text;
use crate::read::element::Target;
use crate::read::store::{Kind, Problem};

/// An array that claims more than this must have some of it stored, as chunks of nothing but the fill value need not be.
const MOST_UNSTORED: u64 = 1 << 30;
/// Nothing shrinks further than this: Zstandard and Blosc make long runs very short.
const MOST_GROWTH: u64 = 1 << 17;
/// A file a chunk: no store has more of one array.
const MOST_CHUNKS: u64 = 1 << 20;

/// An array whose claimed size its folder can hold.
#[derive(Debug)]
pub(in crate::read) struct ZarrArray {
    folder: PathBuf,
    layout: Layout,
    kind: Kind,
}

impl ZarrArray {
    pub(super) fn new(folder: PathBuf, layout: Layout) -> Result<Self, Problem> {
        let Layout { shape, chunk, entry, fill, .. } = &layout;
        // A text takes so much before it has a letter.
        let size = if *entry == Entry::Text { size_of::<String>() } else { fill.len().max(1) };
        let grid = shape.iter().zip(chunk).map(|(extent, chunk)| extent.div_ceil(*chunk));
        let chunks = product(1, grid).unwrap_or(u64::MAX);
        if chunks > MOST_CHUNKS {
            return Err(Problem::Here(format!(
                "is cut into {chunks} chunks of {chunk:?}, which are too many files; write it in larger chunks"
            )));
        }
        let whole = product(size, shape.iter().copied());
        let Some((whole, chunk)) = whole.zip(product(size, chunk.iter().copied())) else {
            return Err(Problem::Here(format!(
                "claims a shape of {shape:?} in chunks of {chunk:?}, more than memory can address"
            )));
        };
        check_stored(&folder, whole.max(chunk))?;
        let kind = match entry {
            Entry::Number(element) => Kind::Number(*element),
            Entry::Bytes(_) | Entry::Characters { .. } | Entry::Text => Kind::Text,
            Entry::Other(what) => Kind::Other(what.clone()),
        };
        Ok(Self { folder, layout, kind })
    }

    pub(in crate::read) fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    pub(in crate::read) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Rows that are stored together.
    pub(in crate::read) fn band(&self) -> usize {
        self.layout.chunk.first().copied().unwrap_or(1)
    }

    /// Numbers of some rows, flattened row by row.
    pub(in crate::read) fn numbers<T: Target>(
        &self,
        rows: Range<usize>,
    ) -> Result<Vec<T>, Problem> {
        let Kind::Number(element) = self.kind else {
            return Err(Problem::Here("holds no numbers".to_owned()));
        };
        Ok(element.decode(&self.bytes(&self.block(rows))?))
    }

    /// Every entry of an array of text of at most one dimension.
    pub(in crate::read) fn text(&self) -> Result<Vec<String>, Problem> {
        let all = self.block(0..self.layout.shape.first().copied().unwrap_or(1));
        match &self.layout.entry {
            Entry::Text => self.texts(&all),
            Entry::Bytes(size) => {
                let bytes = self.bytes(&all)?;
                bytes.chunks_exact((*size).max(1)).map(text::bytes).collect()
            }
            Entry::Characters { count, big_endian } => {
                let bytes = self.bytes(&all)?;
                let texts = bytes.chunks_exact((4 * count).max(1));
                texts.map(|entry| text::characters(entry, *big_endian)).collect()
            }
            _ => Err(Problem::Here("holds no text".to_owned())),
        }
    }

    fn block(&self, rows: Range<usize>) -> Block {
        let mut block =
            Block { origin: vec![0; self.layout.shape.len()], shape: self.layout.shape.clone() };
        if let (Some(start), Some(extent)) = (block.origin.first_mut(), block.shape.first_mut()) {
            (*start, *extent) = (rows.start, rows.len());
        }
        block
    }

    /// The entries of a box, each of one size; where nothing is stored the fill value.
    fn bytes(&self, wanted: &Block) -> Result<Vec<u8>, Problem> {
        let fill = &self.layout.fill;
        let mut bytes = fill.repeat(wanted.entries());
        let fixed = Fixed { steps: &self.layout.steps, fill };
        self.for_each_chunk(wanted, |chunk, stored| {
            let decoded = fixed.decode(stored, &chunk.shape)?;
            copy((chunk, &decoded), (wanted, &mut bytes), fill.len());
            Ok(())
        })?;
        Ok(bytes)
    }

    fn texts(&self, wanted: &Block) -> Result<Vec<String>, Problem> {
        let mut texts = vec![String::new(); wanted.entries()];
        self.for_each_chunk(wanted, |chunk, stored| {
            let start = chunk.origin.first().copied().unwrap_or(0);
            let slots = texts.iter_mut().skip(start);
            let found = text::decode(&self.layout.steps, stored, &chunk.shape)?;
            slots.zip(found).for_each(|(slot, text)| *slot = text);
            Ok(())
        })?;
        Ok(texts)
    }

    /// Hands every stored chunk that a box touches, and the content of its file, to `visit`.
    fn for_each_chunk(
        &self,
        wanted: &Block,
        mut visit: impl FnMut(&Block, Vec<u8>) -> Result<(), String>,
    ) -> Result<(), Problem> {
        let mut result = Ok(());
        for_each_index(&wanted.touched(&self.layout.chunk), |index| {
            if result.is_ok() {
                result = self.stored(index).and_then(|stored| {
                    let Some(stored) = stored else { return Ok(()) };
                    let chunk = Block::of_grid(index, &self.layout.chunk);
                    visit(&chunk, stored)
                        .map_err(|why| Problem::Damaged(self.chunk_error(index, &why)))
                });
            }
        });
        result
    }

    fn chunk_error(&self, index: &[usize], why: &str) -> String {
        format!("chunk {index:?}: {why}")
    }

    /// The content of a chunk's file, or nothing where there is none.
    fn stored(&self, index: &[usize]) -> Result<Option<Vec<u8>>, Problem> {
        match std::fs::read(self.folder.join(self.key(index))) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Problem::Here(format!("cannot be read: chunk {index:?}: {error}"))),
        }
    }

    fn key(&self, index: &[usize]) -> String {
        let (prefix, separator) = self.layout.key;
        let mut key = prefix.to_owned();
        for number in index {
            if !key.is_empty() {
                key.push(separator);
            }
            key += &number.to_string();
        }
        if key.is_empty() { "0".to_owned() } else { key }
    }
}

fn product(start: usize, mut extents: impl Iterator<Item = usize>) -> Option<u64> {
    extents.try_fold(start as u64, |product, extent| product.checked_mul(extent as u64))
}

/// Refuses an array that claims far more bytes than its folder holds.
fn check_stored(folder: &Path, claimed: u64) -> Result<(), Problem> {
    if claimed <= MOST_UNSTORED {
        return Ok(());
    }
    let stored = folder_bytes(folder).map_err(Problem::Io)?;
    if claimed / MOST_GROWTH > stored {
        return Err(Problem::Here(format!(
            "claims {claimed} bytes where its folder holds {stored}; the store is incomplete or damaged"
        )));
    }
    Ok(())
}

fn folder_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { folder_bytes(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}
