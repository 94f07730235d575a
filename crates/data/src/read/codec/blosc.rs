//! Blosc 1 containers, as zarr 2 and HDF5's filter 32001 hold them: a header, and blocks that are shuffled and compressed
//! each by itself (the format is described in c-blosc's README_CHUNK_FORMAT).

use super::blosclz::blosclz;
use super::{Decoded, NOT_READ, exactly, lz4, within, zlib, zstd};

const HEADER: usize = 16;
/// A block is compressed in one stream a byte of its entries where these allow it.
const MOST_STREAMS: usize = 16;
const LEAST_ENTRIES: usize = 128;

/// The header of a container.
struct Header {
    shuffle: Shuffle,
    is_stored: bool,
    may_split: bool,
    compressor: u8,
    entry: usize,
    length: usize,
    block: usize,
}

#[derive(Clone, Copy)]
enum Shuffle {
    None,
    Bytes,
    Bits,
}

/// Decodes a container.
pub(crate) fn blosc(bytes: &[u8], limit: usize) -> Decoded {
    let header = Header::read(bytes)?;
    within(header.length, limit)?;
    if header.length == 0 {
        return Ok(Vec::new());
    }
    if header.is_stored {
        return bytes
            .get(HEADER..HEADER + header.length)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| CUT_OFF.to_owned());
    }
    let blocks = header.length.div_ceil(header.block);
    let mut decoded = Vec::with_capacity(header.length.min(bytes.len().saturating_mul(256)));
    for block in 0..blocks {
        let start = word(bytes, HEADER.saturating_add(4 * block))?;
        let length = header.block.min(header.length - decoded.len());
        let source = bytes.get(start..).ok_or(CUT_OFF)?;
        let streams = header.block(source, length)?;
        decoded.extend(unshuffle_block(header.shuffle, streams, header.entry));
    }
    Ok(decoded)
}

const CUT_OFF: &str = "the Blosc container is cut off";

/// Four bytes, the lowest first.
fn word(bytes: &[u8], at: usize) -> Result<usize, String> {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(CUT_OFF)?;
    Ok(u32::from_le_bytes(*word) as usize)
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let &[version, _, flags, entry] = bytes.first_chunk().ok_or_else(|| CUT_OFF.to_owned())?;
        if version != 2 {
            return Err(format!("Blosc of version {version}, {NOT_READ}"));
        }
        let shuffle = match (flags & 0b1 != 0, flags & 0b100 != 0) {
            (true, _) => Shuffle::Bytes,
            (false, true) => Shuffle::Bits,
            (false, false) => Shuffle::None,
        };
        let block = word(bytes, 8)?;
        let header = Self {
            shuffle,
            is_stored: flags & 0b10 != 0,
            may_split: flags & 0b1_0000 == 0,
            compressor: flags >> 5,
            entry: usize::from(entry).max(1),
            length: word(bytes, 4)?,
            block,
        };
        if header.block == 0 && header.length > 0 && !header.is_stored {
            return Err("a Blosc container has blocks of no bytes".to_owned());
        }
        Ok(header)
    }

    /// The `length` bytes of a block, still shuffled.
    fn block(&self, source: &[u8], length: usize) -> Decoded {
        let is_whole = length == self.block;
        let is_split = self.may_split
            && is_whole
            && self.entry <= MOST_STREAMS
            && self.block / self.entry >= LEAST_ENTRIES;
        let streams = if is_split { self.entry } else { 1 };
        let mut decoded = Vec::new();
        let mut at = 0;
        for _ in 0..streams {
            let size = word(source, at)?;
            let stream = source.get(at + 4..).and_then(|rest| rest.get(..size)).ok_or(CUT_OFF)?;
            decoded.extend(self.stream(stream, length / streams)?);
            at += 4 + size;
        }
        exactly(decoded, length)
    }

    fn stream(&self, stream: &[u8], length: usize) -> Decoded {
        if stream.len() == length {
            return Ok(stream.to_vec());
        }
        let decoded = match self.compressor {
            0 => blosclz(stream, length),
            1 => lz4(stream, length),
            3 => zlib(stream, length),
            4 => zstd(stream, length),
            2 => Err(format!("Blosc with Snappy inside, {NOT_READ}")),
            other => Err(format!("Blosc with the compressor {other} inside, {NOT_READ}")),
        };
        exactly(decoded?, length)
    }
}

fn unshuffle_block(shuffle: Shuffle, bytes: Vec<u8>, entry: usize) -> Vec<u8> {
    match shuffle {
        Shuffle::Bytes => unshuffle(&bytes, entry),
        Shuffle::Bits => unshuffle_bits(bytes, entry),
        Shuffle::None => bytes,
    }
}

/// Puts the bytes of each entry together again that stood by their place in the entry; what is behind the last entry stays.
pub(crate) fn unshuffle(bytes: &[u8], entry: usize) -> Vec<u8> {
    let entries = bytes.len() / entry.max(1);
    let mut plain = bytes.to_vec();
    for (place, bytes_of) in plain.chunks_exact_mut(entry.max(1)).enumerate() {
        for (part, byte) in bytes_of.iter_mut().enumerate() {
            *byte = bytes[part * entries + place];
        }
    }
    plain
}

/// The same of bits. Blosc leaves a block alone whose entries do not come in eights.
fn unshuffle_bits(bytes: Vec<u8>, entry: usize) -> Vec<u8> {
    let entries = bytes.len() / entry;
    if !entries.is_multiple_of(8) {
        return bytes;
    }
    let row = entries / 8;
    let mut plain = bytes.clone();
    for (at, byte) in plain[..entries * entry].iter_mut().enumerate() {
        let (place, part) = (at / entry, at % entry);
        let bit = |bit: usize| bytes[(8 * part + bit) * row + place / 8] >> (place % 8) & 1;
        *byte = (0..8).fold(0, |sum, number| sum | bit(number) << number);
    }
    plain
}
