//! Text, in entries of one size or behind its length.

use super::block::{Block, for_each_index};
use super::steps::{Shards, Step, entries};
use crate::read::store::Problem;

/// What the text of a chunk may come to.
const MOST: usize = 1 << 32;

/// The texts of a chunk of `shape`, of which not all need be stored.
pub(super) fn decode(
    steps: &[Step],
    stored: Vec<u8>,
    shape: &[usize],
) -> Result<Vec<String>, String> {
    let mut bytes = stored;
    for step in steps {
        bytes = match step {
            Step::Shards(shards) => return unshard(shards, &bytes, shape),
            step => step.undo(bytes, MOST)?,
        };
    }
    counted(&bytes, entries(shape)?)
}

fn unshard(shards: &Shards, bytes: &[u8], shape: &[usize]) -> Result<Vec<String>, String> {
    let whole = Block { origin: vec![0; shape.len()], shape: shape.to_vec() };
    let mut texts = vec![String::new(); whole.entries()];
    let mut result = Ok(());
    let mut chunks = shards.chunks(bytes, &whole)?.into_iter();
    for_each_index(&whole.touched(&shards.chunk), |place| {
        if let (Ok(()), Some(Some(chunk))) = (&result, chunks.next()) {
            let start = Block::of_grid(place, &shards.chunk).origin.first().copied().unwrap_or(0);
            let slots = texts.iter_mut().skip(start);
            result = decode(&shards.steps, chunk.to_vec(), &shards.chunk)
                .map(|found| slots.zip(found).for_each(|(slot, text)| *slot = text));
        }
    });
    result.map(|()| texts)
}

/// Text of so many bytes, padded with zeros.
pub(super) fn bytes(bytes: &[u8]) -> Result<String, Problem> {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    String::from_utf8(bytes[..end].to_vec())
        .map_err(|error| Problem::Here(format!("holds text that is no UTF-8: {error}")))
}

/// Text of so many characters of four bytes, padded with zeros.
pub(super) fn characters(bytes: &[u8], big_endian: bool) -> Result<String, Problem> {
    let (words, _) = bytes.as_chunks::<4>();
    let word = |&word| if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
    let end = words.iter().rposition(|&word| word != [0; 4]).map_or(0, |last| last + 1);
    let text = words[..end].iter().map(|bytes| char::from_u32(word(bytes))).collect::<Option<_>>();
    text.ok_or_else(|| Problem::Here("holds text that is no Unicode".to_owned()))
}

/// The texts of a chunk without compression: their count in four bytes with the lowest first, then each behind its length.
fn counted(bytes: &[u8], most: usize) -> Result<Vec<String>, String> {
    let cut_off = || "the texts are cut off".to_owned();
    let word = |bytes: &mut &[u8]| {
        let (word, rest) = bytes.split_first_chunk().ok_or_else(cut_off)?;
        *bytes = rest;
        Ok::<_, String>(u32::from_le_bytes(*word) as usize)
    };
    let mut rest = bytes;
    let count = word(&mut rest)?;
    if count > most {
        return Err(format!("a chunk has {count} texts where {most} belong"));
    }
    let text = |_| {
        let length = word(&mut rest)?;
        let (text, after) = rest.split_at_checked(length).ok_or_else(cut_off)?;
        rest = after;
        String::from_utf8(text.to_vec()).map_err(|error| format!("a text is no UTF-8: {error}"))
    };
    (0..count).map(text).collect()
}
