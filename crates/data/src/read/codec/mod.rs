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

/// Blocks of LZ4 as HDF5's filter 32004 writes them: the length of all and of one, then each block behind its encoded length,
/// every number with its highest byte first. A block that LZ4 cannot make shorter stands as it is.
pub(super) fn blocks_of_lz4(bytes: &[u8], limit: usize) -> Decoded {
    let cut_off = "the blocks of LZ4 are cut off";
    let (length, rest) = bytes.split_first_chunk().ok_or(cut_off)?;
    let (most, mut rest) = rest.split_first_chunk().ok_or(cut_off)?;
    let length = within(usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX), limit)?;
    let most = u32::from_be_bytes(*most) as usize;
    let mut decoded = Vec::new();
    while decoded.len() < length {
        let (size, behind) = rest.split_first_chunk().ok_or(cut_off)?;
        let size = u32::from_be_bytes(*size) as usize;
        let (block, behind) = behind.split_at_checked(size).ok_or(cut_off)?;
        let expected = most.min(length - decoded.len());
        if expected == 0 {
            return Err("the blocks of LZ4 hold nothing".to_owned());
        }
        decoded.extend(if size == expected { block.to_vec() } else { lz4(block, expected)? });
        rest = behind;
    }
    Ok(decoded)
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
