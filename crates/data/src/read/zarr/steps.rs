//! From a chunk's file back to its entries, one codec after another.

use super::block::{Block, copy, for_each_index, transposed};
use crate::read::codec;

/// What a compressor adds around bytes that it cannot make shorter.
const SLACK: usize = 1 << 12;

/// A codec to be undone.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Gzip,
    Zlib,
    Zstd,
    Blosc,
    Lz4,
    Crc32c,
    /// Bytes of entries of this size were put together by their place in the entry.
    Shuffle(usize),
    /// The axes were put into this order.
    Transpose(Vec<usize>),
    Shards(Box<Shards>),
}

/// Chunks inside a chunk's file, each compressed by itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shards {
    pub(super) chunk: Vec<usize>,
    pub(super) steps: Vec<Step>,
    pub(super) index_steps: Vec<Step>,
    pub(super) index_at_end: bool,
}

/// The steps of an array whose entries have one size, and its fill value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed<'a> {
    pub(super) steps: &'a [Step],
    pub(super) fill: &'a [u8],
}

impl Fixed<'_> {
    /// The entries of a chunk of `shape`.
    pub(super) fn decode(self, bytes: Vec<u8>, shape: &[usize]) -> codec::Decoded {
        let size = self.fill.len();
        let length = entries(shape)?.checked_mul(size).ok_or("a chunk is larger than memory")?;
        let mut bytes = bytes;
        for step in self.steps {
            bytes = match step {
                Step::Transpose(order) if bytes.len() == length => {
                    transposed(&bytes, shape, order, size)
                }
                Step::Transpose(_) => return Err(wrong_length(bytes.len(), length)),
                Step::Shards(shards) => self.unshard(shards, &bytes, shape)?,
                step => step.undo(bytes, length.saturating_add(SLACK))?,
            };
        }
        if bytes.len() == length { Ok(bytes) } else { Err(wrong_length(bytes.len(), length)) }
    }

    fn unshard(self, shards: &Shards, bytes: &[u8], shape: &[usize]) -> codec::Decoded {
        let whole = Block { origin: vec![0; shape.len()], shape: shape.to_vec() };
        let mut plain = self.fill.repeat(whole.entries());
        let mut result = Ok(());
        let mut chunks = shards.chunks(bytes, &whole)?.into_iter();
        for_each_index(&whole.touched(&shards.chunk), |place| {
            if let (Ok(()), Some(Some(chunk))) = (&result, chunks.next()) {
                let block = Block::of_grid(place, &shards.chunk);
                result = Fixed { steps: &shards.steps, fill: self.fill }
                    .decode(chunk.to_vec(), &shards.chunk)
                    .map(|chunk| copy((&block, &chunk), (&whole, &mut plain), self.fill.len()));
            }
        });
        result.map(|()| plain)
    }
}

/// Whether each axis stands once in `order`.
pub(super) fn is_order(order: &[usize], axes: usize) -> bool {
    order.len() == axes && (0..axes).all(|axis| order.contains(&axis))
}

fn wrong_length(found: usize, expected: usize) -> String {
    format!("a chunk holds {found} bytes where {expected} belong")
}

/// The number of entries of a chunk.
pub(super) fn entries(shape: &[usize]) -> Result<usize, String> {
    let product = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    product.ok_or_else(|| "a chunk is larger than memory".to_owned())
}

fn piece(bytes: &[u8], (offset, length): (u64, u64)) -> Result<&[u8], String> {
    let start = usize::try_from(offset).ok();
    let end = offset.checked_add(length).and_then(|end| usize::try_from(end).ok());
    start
        .zip(end)
        .and_then(|(start, end)| bytes.get(start..end))
        .ok_or_else(|| "a shard's index points past its end".to_owned())
}

impl Shards {
    /// Whether the inner chunks, and those inside them, divide a chunk without rest.
    pub(super) fn divide(&self, chunk: &[usize]) -> bool {
        let axes = chunk.iter().zip(&self.chunk);
        let inner = self.steps.iter().all(|step| match step {
            Step::Shards(shards) => shards.divide(&self.chunk),
            Step::Transpose(order) => is_order(order, chunk.len()),
            _ => true,
        });
        chunk.len() == self.chunk.len()
            && axes.into_iter().all(|(&outer, &inner)| inner > 0 && outer % inner == 0)
            && inner
    }

    /// The stored bytes of each chunk of a shard, in the order of the grid; none of one that is not stored.
    pub(super) fn chunks<'a>(
        &self,
        bytes: &'a [u8],
        whole: &Block,
    ) -> Result<Vec<Option<&'a [u8]>>, String> {
        let grid = whole.touched(&self.chunk);
        let index = self.index(bytes, grid.iter().map(ExactSizeIterator::len).product())?;
        let chunk = |range| match range {
            (u64::MAX, u64::MAX) => Ok(None),
            range => piece(bytes, range).map(Some),
        };
        index.into_iter().map(chunk).collect()
    }

    /// Offset and length of each chunk.
    fn index(&self, bytes: &[u8], chunks: usize) -> Result<Vec<(u64, u64)>, String> {
        let plain = chunks.checked_mul(16).ok_or("a shard has more chunks than memory can hold")?;
        let check = if self.index_steps.contains(&Step::Crc32c) { 4 } else { 0 };
        let start = bytes.len().checked_sub(plain + check).ok_or("a shard is cut off")?;
        let stored = if self.index_at_end { &bytes[start..] } else { &bytes[..plain + check] };
        let index = self
            .index_steps
            .iter()
            .try_fold(stored.to_vec(), |bytes, step| step.undo(bytes, plain + check))?;
        let word = |at: usize| {
            let word = index.get(at..).and_then(<[u8]>::first_chunk);
            word.map(|word| u64::from_le_bytes(*word)).ok_or("a shard's index is cut off")
        };
        (0..chunks).map(|chunk| Ok((word(16 * chunk)?, word(16 * chunk + 8)?))).collect()
    }
}

impl Step {
    /// Undoes a step that knows nothing of entries.
    pub(super) fn undo(&self, bytes: Vec<u8>, limit: usize) -> codec::Decoded {
        match self {
            Self::Gzip => codec::gzip(&bytes, limit),
            Self::Zlib => codec::zlib(&bytes, limit),
            Self::Zstd => codec::zstd(&bytes, limit),
            Self::Blosc => codec::blosc(&bytes, limit),
            Self::Lz4 => codec::sized_lz4(&bytes, limit),
            Self::Crc32c => checked(bytes),
            Self::Shuffle(size) => Ok(codec::unshuffle(&bytes, *size)),
            Self::Transpose(_) | Self::Shards(_) => {
                Err("the axes of text cannot be put into another order".to_owned())
            }
        }
    }
}

/// Bytes without the sum behind them, which must be theirs.
fn checked(mut bytes: Vec<u8>) -> codec::Decoded {
    let (plain, sum) = bytes.split_last_chunk().ok_or("a chunk is cut off before its sum")?;
    if crc32c(plain) != u32::from_le_bytes(*sum) {
        return Err("a chunk's sum (CRC-32C) is not that of its bytes".to_owned());
    }
    bytes.truncate(bytes.len() - 4);
    Ok(bytes)
}

/// CRC-32C, bit by bit: it guards the short indexes of shards.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg())
        })
    })
}
