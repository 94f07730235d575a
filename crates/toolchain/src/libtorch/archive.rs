//! libtorch from its own archive, for those who have no pip.

use std::path::Path;

use anyhow::{Context as _, Result};
use modality_data::sha256_file;

use crate::{
    fetch::{Tools, download, last_part},
    kept::{Manifest, Place, unpack},
    progress::{Progress, Unit},
};

/// Makes the copy in the folder `made`; what came is kept at `place`, to be resumed, until it is complete.
pub(super) fn from_archive(
    url: &str,
    place: &Place,
    tools: &Tools,
    made: &Path,
    progress: &Progress,
) -> Result<Manifest> {
    let part = place.parent()?.join(format!("{}.part", last_part(url)));
    tools.client.get(url, &part, progress)?;
    let manifest = unpack_archive(url, &part, made, progress);
    download::discard(&part);
    manifest
}

fn unpack_archive(url: &str, part: &Path, made: &Path, progress: &Progress) -> Result<Manifest> {
    let sum = sha256_file(part)?;
    let task = progress.begin(format!("unpacking {}", last_part(url)), Unit::Bytes);
    let files = unpack(part, made, place_of_member, &task).with_context(|| url.to_owned())?;
    task.finish();
    Ok(Manifest { source: format!("{url} (sum {sum})"), files })
}

/// The archive's folder `libtorch` becomes `torch`, as in a wheel.
fn place_of_member(member: &str) -> Option<String> {
    let path = member.strip_prefix("libtorch/")?;
    let is_kept =
        path == "build-version" || path.starts_with("include/") || path.starts_with("lib/");
    is_kept.then(|| format!("torch/{path}"))
}
