//! A tar archive in one Zstandard frame: files that resemble one another take little room side by side.

use std::io::Read;
use std::path::Path;

const BLOCK: usize = 512;

/// Writes those files of the archive into a folder whose name `wanted` takes.
pub(crate) fn unpack(folder: &Path, wanted: impl Fn(&str) -> bool) {
    let packed = &include_bytes!("files.tar.zst")[..];
    let mut archive = Vec::new();
    ruzstd::decoding::StreamingDecoder::new(packed).unwrap().read_to_end(&mut archive).unwrap();
    let mut rest = &archive[..];
    // A block of zeros is the end.
    while let Some((header, behind)) =
        rest.split_at_checked(BLOCK).filter(|(header, _)| header[0] != 0)
    {
        let size = usize::from_str_radix(text(&header[124..135]), 8).unwrap();
        let (prefix, name) = (text(&header[345..500]), text(&header[..100]));
        let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if wanted(&name) {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &behind[..size]).unwrap();
        }
        rest = &behind[size.next_multiple_of(BLOCK)..];
    }
}

fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).unwrap()
}
