//! Files other than HDF5, by how they begin.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::{Format, folder, foreign};
use crate::read::bad;
use crate::read::text::{self, Content, Delimiter};
use crate::{Error, Result};

/// How much of a file is looked at, behind its compression.
const HEAD: u64 = 1 << 16;
/// How much of the end of a zip file, where the names of its members stand.
const TAIL: u64 = 1 << 20;
const ZIP: &[u8] = b"PK\x03\x04";
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
const R_OBJECT: Known = (
    "an R object (RDS or RData), as of Seurat or SingleCellExperiment",
    "in R, `zellkonverter::writeH5AD(Seurat::as.SingleCellExperiment(OBJECT, assay = \"RNA\"), \"FILE.h5ad\")` writes an assay as one that is",
);
const DOWNLOAD: Known = (
    "a web page (HTML or XML), as servers send it in place of a file",
    "download the file again and look at what the server says",
);
const FEATHER: Known = (
    "a Feather (Arrow) file",
    "in Python, `pandas.read_feather(FILE).to_csv(\"FILE.csv\", index=False)` writes a table that is, if its first column names the cells",
);

type Known = (&'static str, &'static str);

/// First bytes of files that are no text, what they stand for, and the way out.
const BINARY: [(&[u8], Known); 18] = [
    (HDF5, ("an HDF5 file", "decompress it with `gunzip`")),
    (
        b"BZh",
        (
            "a file compressed with bzip2",
            "decompress it with `bunzip2`, and compress with gzip if at all",
        ),
    ),
    (
        b"\xfd7zXZ\0",
        (
            "a file compressed with xz",
            "decompress it with `unxz`, and compress with gzip if at all",
        ),
    ),
    (
        b"\x28\xb5\x2f\xfd",
        (
            "a file compressed with zstd",
            "decompress it with `unzstd`, and compress with gzip if at all",
        ),
    ),
    (b"7z\xbc\xaf\x27\x1c", ("a 7z archive", "unpack it and name the file or folder inside")),
    (ZIP, ("a zip archive and no zarr store", "unpack it and name the file or folder inside")),
    (b"X\n\0\0\0", R_OBJECT),
    (b"RDX2\n", R_OBJECT),
    (b"RDX3\n", R_OBJECT),
    (
        b"PAR1",
        (
            "a Parquet file",
            "in Python, `pandas.read_parquet(FILE).to_csv(\"FILE.csv\")` writes a table that is",
        ),
    ),
    (b"ARROW1", FEATHER),
    (b"FEA1", FEATHER),
    (
        b"\x93NUMPY",
        (
            "a NumPy array, without names",
            "in Python, `anndata.AnnData(ARRAY, obs, var).write_h5ad(\"FILE.h5ad\")` writes it with names",
        ),
    ),
    (b"\x80\x04\x95", ("a Python pickle", "write its content as `.h5ad` or `.csv`")),
    (b"\x80\x05\x95", ("a Python pickle", "write its content as `.h5ad` or `.csv`")),
    (
        b"\0\x05\x16\x07",
        ("what macOS keeps beside a file of the same name without `._`", "name that file"),
    ),
    (b"\xff\xfe", ("UTF-16 text", "save it as UTF-8")),
    (b"\xfe\xff", ("UTF-16 text", "save it as UTF-8")),
];

/// The same of text, in lower case.
const TEXT: [(&str, Known); 8] = [
    ("a\n2\n", R_OBJECT),
    ("a\n3\n", R_OBJECT),
    ("rda2\n", R_OBJECT),
    ("rda3\n", R_OBJECT),
    ("<!doctype", DOWNLOAD),
    ("<html", DOWNLOAD),
    ("<?xml", DOWNLOAD),
    (
        "version https://git-lfs.github.com/spec/",
        ("a Git LFS pointer in place of a file", "`git lfs pull` gets the file"),
    ),
];

pub(super) fn recognise(path: &Path) -> Result<Format> {
    let Content { reader, is_gzip } = text::open(path)?;
    let mut head = Vec::new();
    let read = reader.take(HEAD).read_to_end(&mut head);
    match read {
        // What was decompressed before the damage may still say what it is; its reader meets the damage again.
        Err(cause) if head.is_empty() => return Err(text::unreadable(path, is_gzip, &cause)),
        _ if head.is_empty() => return Err(bad(path, "the file is empty")),
        _ => {}
    }
    let refused = |(what, way_out): Known| {
        let inside = if is_gzip { ", inside gzip" } else { "" };
        Err(foreign(path, &format!("{what}{inside}"), way_out))
    };
    match text_of(&head) {
        Some(text) if start(text).starts_with("%%matrixmarket") => {
            folder::beside(path).map(Format::Mtx)
        }
        Some(text) => delimiter(text).map(Format::Delimited).or_else(refused),
        None if head.starts_with(ZIP) && !is_gzip && is_zarr(path)? => {
            refused(("a zarr store inside a zip archive", "unpack it into a folder and name that"))
        }
        None => refused(binary(&head)),
    }
}

fn binary(head: &[u8]) -> Known {
    if head.get(257..262) == Some(b"ustar") {
        return (
            "a tar archive",
            "unpack it with `tar -xf FILE` and name the file or folder inside",
        );
    }
    let known = BINARY.iter().find(|(bytes, _)| head.starts_with(bytes)).map(|&(_, known)| known);
    known.unwrap_or((
        "a file of no known kind",
        "AnnData (.h5ad), MuData (.h5mu), zarr, 10x Genomics (.h5, or the folder with matrix.mtx) and comma- or tab-separated text can be read",
    ))
}

/// The head, if it is text. Letters need not be UTF-8: the reader names the line of those that are not.
fn text_of(head: &[u8]) -> Option<&[u8]> {
    let is_text = |&byte: &u8| byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0c');
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    text.iter().all(is_text).then_some(text)
}

/// How text begins, in lower case.
fn start(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(1024)]).trim_start().to_ascii_lowercase()
}

/// What stands between the fields of text, by its first line.
///
/// # Errors
/// What the text is if it is no table, or one of another kind.
fn delimiter(text: &[u8]) -> Result<Delimiter, Known> {
    let start = start(text);
    if let Some(&(_, known)) = TEXT.iter().find(|(first, _)| start.starts_with(first)) {
        return Err(known);
    }
    if start.is_empty() {
        return Err(("text of nothing but blanks", "comma- or tab-separated text can be read"));
    }
    let has = separators(text);
    if has(b'\t') {
        return Ok(Delimiter::Tab);
    }
    if has(b',') {
        return Ok(Delimiter::Comma);
    }
    Err(if start.starts_with(['{', '[']) {
        ("JSON", "comma- or tab-separated text can be read")
    } else if has(b';') {
        (
            "text separated by semicolons, as spreadsheets write it where decimals have a comma",
            "save it with commas or tabs between fields and points in decimals",
        )
    } else if has(b' ') {
        ("text separated by blanks", "save it with commas or tabs between fields")
    } else {
        (
            "text with one field a line",
            "a matrix has a column for each feature, with a comma or a tab between them",
        )
    })
}

/// Whether the first line has this byte outside quotes.
fn separators(text: &[u8]) -> impl Fn(u8) -> bool {
    let mut found = [false; 256];
    let mut quoted = false;
    for &byte in text {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if !quoted => found[usize::from(byte)] = true,
            _ => {}
        }
    }
    move |byte| found[usize::from(byte)]
}

/// Whether the names at the end of a zip file are those of a zarr store.
fn is_zarr(path: &Path) -> Result<bool> {
    let io = |cause| Error::Io { path: path.to_owned(), cause };
    let mut file = std::fs::File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(io)?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).map_err(io)?;
    let names: [&[u8]; 3] = [b"zarr.json", b".zgroup", b".zarray"];
    Ok(names.iter().any(|name| tail.windows(name.len()).any(|part| part == *name)))
}
