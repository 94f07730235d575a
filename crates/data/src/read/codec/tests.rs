//! What the encoders themselves wrote is among the files of `tests/reference/formats`; here is what they never write.

use proptest::prelude::*;

use super::*;

type Decoder = fn(&[u8], usize) -> Decoded;

const DECODERS: [Decoder; 8] =
    [zstd, zlib, gzip, sized_lz4, blocks_of_lz4, lzf, blosc, blosclz::blosclz];

/// A Blosc container of 1,000 bytes that says of itself what the arguments are.
fn container(flags: u8, entry: u8, block: u32, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 1, flags, entry];
    for word in [1000, block, 16 + rest.len() as u32] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(rest);
    bytes
}

#[test]
fn repetitions_may_overlap_what_they_repeat() {
    // "ab", then five bytes from two before: "ababa".
    assert_eq!(lzf(&[1, b'a', b'b', 3 << 5, 1], 7).unwrap(), b"abababa");
    assert_eq!(blosclz::blosclz(&[1, b'a', b'b', 3 << 5, 1], 7).unwrap(), b"abababa");
}

#[test]
fn more_than_belongs_there_is_refused() {
    assert!(lzf(&[1, b'a', b'b', 3 << 5, 1], 6).unwrap_err().contains("6 bytes"));
    assert!(blosc(&container(0b10, 4, 1000, &[0; 1000]), 999).unwrap_err().contains("999 bytes"));
    let bomb = flate2::read::ZlibEncoder::new(std::io::repeat(0).take(1 << 20), Default::default());
    let bomb = bomb.bytes().collect::<Result<Vec<u8>, _>>().unwrap();
    assert!(zlib(&bomb, 1000).unwrap_err().contains("1000 bytes"));
    let mut huge = u32::MAX.to_le_bytes().to_vec();
    huge.push(0);
    assert!(sized_lz4(&huge, 1000).unwrap_err().contains("1000 bytes"));
}

#[test]
fn containers_that_contradict_themselves() {
    let refused = |bytes: &[u8], word: &str| {
        let error = blosc(bytes, 1000).unwrap_err();
        assert!(error.contains(word), "{error}");
    };
    refused(&container(0b10, 4, 1000, &[0; 999]), "cut off");
    refused(&container(0, 4, 0, &[0; 999]), "blocks of no bytes");
    refused(&container(0b0100_0000, 1, 1000, &[20, 0, 0, 0, 1, 0, 0, 0, 0]), "Snappy");
    refused(&container(0, 1, 1000, &[255; 8]), "cut off");
    refused(&[3, 1, 0, 4], "version 3");
}

proptest! {
    #[test]
    fn nothing_panics_or_gives_more_than_may_come_out(
        decoder in 0..DECODERS.len(),
        bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255), any::<u8>()], 0..64),
        flags in any::<u8>(),
        entry in 0..40_u8,
        block in prop_oneof![Just(1000_u32), 0..4000_u32, any::<u32>()],
    ) {
        if let Ok(decoded) = DECODERS[decoder](&bytes, 1000) {
            prop_assert!(decoded.len() <= 1000);
        }
        if let Ok(decoded) = blosc(&container(flags, entry, block, &bytes), 1000) {
            prop_assert_eq!(decoded.len(), 1000);
        }
    }
}
