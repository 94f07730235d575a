//! BloscLZ, one of the compressors inside Blosc.

use super::{Decoded, repeat, within};

/// Distances up to here are written in 13 bits, longer ones in 16 more.
const NEAR: usize = 8191;

/// As [LZF](super::lzf), with lengths that run on for as long as their bytes are 255, and with far distances.
pub(super) fn blosclz(bytes: &[u8], limit: usize) -> Decoded {
    let mut source = bytes.iter().copied();
    let mut decoded = Vec::new();
    // The stream begins with bytes as they are, whatever the upper bits say.
    let mut control = source.next().map(|first| usize::from(first & 31));
    while let Some(code) = control {
        let mut next = || source.next().map(usize::from).ok_or("the BloscLZ stream is cut off");
        if code < 32 {
            within(decoded.len() + code + 1, limit)?;
            for _ in 0..=code {
                decoded.push(next()? as u8);
            }
        } else {
            let mut length = (code >> 5) + 2;
            if code >> 5 == 7 {
                loop {
                    let more = next()?;
                    length += more;
                    if more < 255 {
                        break;
                    }
                }
            }
            let mut distance = ((code & 31) << 8) + next()?;
            if distance == NEAR {
                distance += (next()? << 8) + next()?;
            }
            within(decoded.len() + length, limit)?;
            repeat(&mut decoded, distance + 1, length)?;
        }
        control = source.next().map(usize::from);
    }
    Ok(decoded)
}
