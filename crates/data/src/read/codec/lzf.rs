//! LZF, h5py's own filter.

use super::{Decoded, repeat, within};

/// A byte below 32 announces that many bytes and one more as they are; any other one a repetition: three bits of length and
/// the upper five of the distance.
pub(crate) fn lzf(bytes: &[u8], limit: usize) -> Decoded {
    let mut source = bytes.iter().copied();
    let mut decoded = Vec::new();
    while let Some(control) = source.next() {
        let mut next = || source.next().map(usize::from).ok_or("the LZF stream is cut off");
        let control = usize::from(control);
        if control < 32 {
            within(decoded.len() + control + 1, limit)?;
            for _ in 0..=control {
                decoded.push(next()? as u8);
            }
        } else {
            let length = if control >> 5 == 7 { 7 + next()? } else { control >> 5 };
            let distance = ((control & 31) << 8) + next()? + 1;
            within(decoded.len() + length + 2, limit)?;
            repeat(&mut decoded, distance, length + 2)?;
        }
    }
    Ok(decoded)
}
