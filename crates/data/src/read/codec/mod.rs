//! Compressed pieces of arrays, as HDF5 filters and zarr codecs leave them. Every decoder is told how many bytes may come
//! out, and asks for no more memory than that.

mod blosc;
mod blosclz;
mod lzf;

use std::io::Read;

pub(super) use blosc::{blosc, unshuffle};
pub(super) use lzf::lzf;

/// Decoded bytes, or what is wrong with the encoded ones.
pub(super) type Decoded = Result<Vec<u8>, String>;

/// Zstandard frames.
pub(super) fn zstd(bytes: &[u8], limit: usize) -> Decoded {
    let mut rest = bytes;
    let mut decoded = Vec::new();
    while !rest.is_empty() {
        let frame = ruzstd::decoding::StreamingDecoder::new(&mut rest)
            .map_err(|error| format!("the Zstandard frame cannot be read: {error}"))?;
        read_all(frame, limit, &mut decoded)?;
    }
    Ok(decoded)
}

/// A zlib stream.
pub(super) fn zlib(bytes: &[u8], limit: usize) -> Decoded {
    let mut decoded = Vec::new();
    read_all(flate2::bufread::ZlibDecoder::new(bytes), limit, &mut decoded)?;
    Ok(decoded)
}

/// A gzip file.
pub(super) fn gzip(bytes: &[u8], limit: usize) -> Decoded {
    let mut decoded = Vec::new();
    read_all(flate2::bufread::MultiGzDecoder::new(bytes), limit, &mut decoded)?;
    Ok(decoded)
}

/// An LZ4 block behind its decoded length, four bytes with the lowest first: numcodecs' `lz4`.
pub(super) fn sized_lz4(bytes: &[u8], limit: usize) -> Decoded {
    let (length, block) = bytes.split_first_chunk().ok_or("the LZ4 block is cut off")?;
    let length = u32::from_le_bytes(*length) as usize;
    lz4(block, within(length, limit)?)
}

/// An LZ4 block that holds `length` bytes.
fn lz4(block: &[u8], length: usize) -> Decoded {
    // A byte of LZ4 stands for 255 at most.
    within(length, block.len().saturating_mul(255).saturating_add(64))?;
    let decoded = lz4_flex::block::decompress(block, length)
        .map_err(|error| format!("the LZ4 block cannot be read: {error}"))?;
    exactly(decoded, length)
}

fn read_all(source: impl Read, limit: usize, decoded: &mut Vec<u8>) -> Result<(), String> {
    let room = limit.saturating_sub(decoded.len()) as u64;
    source
        .take(room.saturating_add(1))
        .read_to_end(decoded)
        .map_err(|error| format!("the compressed bytes cannot be read: {error}"))?;
    within(decoded.len(), limit).map(drop)
}

fn within(length: usize, limit: usize) -> Result<usize, String> {
    if length <= limit {
        Ok(length)
    } else {
        Err(format!("a compressed piece holds more than the {limit} bytes that belong there"))
    }
}

fn exactly(decoded: Vec<u8>, length: usize) -> Decoded {
    if decoded.len() == length {
        Ok(decoded)
    } else {
        Err(format!("a compressed piece holds {} bytes where {length} belong", decoded.len()))
    }
}

/// Copies `length` bytes from `distance` before the end to the end; the two may overlap, so that bytes repeat.
fn repeat(decoded: &mut Vec<u8>, distance: usize, length: usize) -> Result<(), String> {
    let start = decoded.len().checked_sub(distance).filter(|_| distance > 0);
    let start = start.ok_or("a compressed piece points before its beginning")?;
    if distance >= length {
        decoded.extend_from_within(start..start + length);
    } else {
        (start..start + length).for_each(|from| decoded.push(decoded[from]));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
