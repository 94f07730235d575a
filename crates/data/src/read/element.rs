//! Numbers as files store them, of any width and byte order, and what is made of them.

use half::f16;

/// The type of the entries of an array of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) number: Number,
    pub(super) big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    F32,
    F64,
}

/// What numbers are read as.
pub(super) trait Target: Copy + Default + Send {
    fn of_signed(value: i64) -> Self;
    fn of_unsigned(value: u64) -> Self;
    fn of_float(value: f64) -> Self;
}

impl Target for f32 {
    fn of_signed(value: i64) -> Self {
        value as Self
    }

    fn of_unsigned(value: u64) -> Self {
        value as Self
    }

    fn of_float(value: f64) -> Self {
        value as Self
    }
}

impl Target for f64 {
    fn of_signed(value: i64) -> Self {
        value as Self
    }

    fn of_unsigned(value: u64) -> Self {
        value as Self
    }

    fn of_float(value: f64) -> Self {
        value
    }
}

/// Positions and codes: what does not fit is as far out of every range as can be said. Arrays of floating-point numbers are
/// refused before they get here.
impl Target for i64 {
    fn of_signed(value: i64) -> Self {
        value
    }

    fn of_unsigned(value: u64) -> Self {
        Self::try_from(value).unwrap_or(Self::MAX)
    }

    fn of_float(value: f64) -> Self {
        value as Self
    }
}

impl Element {
    pub(super) fn signed(size: usize, big_endian: bool) -> Option<Self> {
        let number = match size {
            1 => Number::I8,
            2 => Number::I16,
            4 => Number::I32,
            8 => Number::I64,
            _ => return None,
        };
        Some(Self { number, big_endian })
    }

    pub(super) fn unsigned(size: usize, big_endian: bool) -> Option<Self> {
        let number = match size {
            1 => Number::U8,
            2 => Number::U16,
            4 => Number::U32,
            8 => Number::U64,
            _ => return None,
        };
        Some(Self { number, big_endian })
    }

    pub(super) fn float(size: usize, big_endian: bool) -> Option<Self> {
        let number = match size {
            2 => Number::F16,
            4 => Number::F32,
            8 => Number::F64,
            _ => return None,
        };
        Some(Self { number, big_endian })
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self.number, Number::F16 | Number::F32 | Number::F64)
    }

    /// Bytes of an entry.
    pub(super) fn size(self) -> usize {
        match self.number {
            Number::I8 | Number::U8 => 1,
            Number::I16 | Number::U16 | Number::F16 => 2,
            Number::I32 | Number::U32 | Number::F32 => 4,
            Number::I64 | Number::U64 | Number::F64 => 8,
        }
    }

    /// The bytes of an entry of integers.
    pub(super) fn encode_integer(self, value: i128) -> Vec<u8> {
        self.ordered(value.to_le_bytes()[..self.size()].to_vec())
    }

    /// The bytes of an entry of floating-point numbers.
    pub(super) fn encode_float(self, value: f64) -> Vec<u8> {
        self.ordered(match self.number {
            Number::F16 => f16::from_f64(value).to_le_bytes().to_vec(),
            Number::F32 => (value as f32).to_le_bytes().to_vec(),
            _ => value.to_le_bytes().to_vec(),
        })
    }

    fn ordered(self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    /// All whole entries of `bytes`.
    pub(super) fn decode<T: Target>(self, bytes: &[u8]) -> Vec<T> {
        let big = self.big_endian;
        match self.number {
            Number::I8 => each(bytes, big, |b| T::of_signed(i8::from_le_bytes(b).into())),
            Number::I16 => each(bytes, big, |b| T::of_signed(i16::from_le_bytes(b).into())),
            Number::I32 => each(bytes, big, |b| T::of_signed(i32::from_le_bytes(b).into())),
            Number::I64 => each(bytes, big, |b| T::of_signed(i64::from_le_bytes(b))),
            Number::U8 => each(bytes, big, |b| T::of_unsigned(u8::from_le_bytes(b).into())),
            Number::U16 => each(bytes, big, |b| T::of_unsigned(u16::from_le_bytes(b).into())),
            Number::U32 => each(bytes, big, |b| T::of_unsigned(u32::from_le_bytes(b).into())),
            Number::U64 => each(bytes, big, |b| T::of_unsigned(u64::from_le_bytes(b))),
            Number::F16 => each(bytes, big, |b| T::of_float(f16::from_le_bytes(b).into())),
            Number::F32 => each(bytes, big, |b| T::of_float(f32::from_le_bytes(b).into())),
            Number::F64 => each(bytes, big, |b| T::of_float(f64::from_le_bytes(b))),
        }
    }
}

fn each<const SIZE: usize, T>(
    bytes: &[u8],
    big_endian: bool,
    read: impl Fn([u8; SIZE]) -> T,
) -> Vec<T> {
    let (entries, _) = bytes.as_chunks::<SIZE>();
    let swapped = |&(mut entry): &[u8; SIZE]| {
        entry.reverse();
        read(entry)
    };
    if big_endian {
        entries.iter().map(swapped).collect()
    } else {
        entries.iter().map(|&entry| read(entry)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_in_both_byte_orders() {
        let signed = [1, 2, 4, 8].map(|size| Element::signed(size, false).unwrap());
        let unsigned = [1, 2, 4, 8].map(|size| Element::unsigned(size, false).unwrap());
        for element in signed.into_iter().chain(unsigned) {
            let mut bytes = vec![0; 2 * element.size()];
            (bytes[0], bytes[element.size()]) = (7, 100);
            assert_eq!(element.decode::<i64>(&bytes), [7, 100], "{element:?}");
            assert_eq!(element.decode::<f32>(&bytes), [7.0, 100.0], "{element:?}");
            bytes.reverse();
            let swapped = Element { big_endian: true, ..element };
            assert_eq!(swapped.decode::<f64>(&bytes), [100.0, 7.0], "{element:?}");
        }
        let minus = Element::signed(2, true).unwrap();
        assert_eq!(minus.decode::<i64>(&[0xff, 0xfe]), [-2]);
    }

    #[test]
    fn floating_point_of_every_width() {
        let half = Element::float(2, false).unwrap();
        assert_eq!(half.decode::<f32>(&[0x00, 0x3e, 0x00, 0xc0]), [1.5, -2.0]);
        let single = Element::float(4, true).unwrap();
        assert_eq!(single.decode::<f64>(&1.5_f32.to_be_bytes()), [1.5]);
        let double = Element::float(8, false).unwrap();
        assert_eq!(double.decode::<f32>(&0.1_f64.to_le_bytes()), [0.1]);
        assert!(Element::float(16, false).is_none() && Element::signed(3, false).is_none());
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for size in [1, 2, 4, 8] {
            let element = Element::signed(size, true).unwrap();
            assert_eq!(element.decode::<i64>(&element.encode_integer(-5)), [-5]);
        }
        for size in [2, 4, 8] {
            let element = Element::float(size, size == 4).unwrap();
            assert_eq!(element.decode::<f32>(&element.encode_float(1.5)), [1.5]);
        }
    }

    #[test]
    fn an_unsigned_position_past_every_end_stays_past_it() {
        let element = Element::unsigned(8, false).unwrap();
        assert_eq!(element.decode::<i64>(&[0xff; 8]), [i64::MAX]);
    }
}
