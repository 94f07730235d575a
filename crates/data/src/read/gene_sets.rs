//! Sets of genes, from GMT files: a set a line, of a name, a description and genes, with tabs between.

use std::collections::HashMap;
use std::path::Path;

use super::bad;
use super::text::{Delimiter, Quotes, delimited};
use super::words::counted;
use crate::Result;

/// Fields of a line before its genes.
const BEFORE: usize = 2;

/// Genes that belong together, a pathway for instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneSet {
    /// What it is called.
    pub name: String,
    /// Names of its genes, as the file has them.
    pub genes: Vec<String>,
}

/// Reads a GMT file, plain or gzip. Blank lines and empty genes are passed over.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) where the operating system refuses, [`Error::File`](crate::Error::File) for a file that
/// holds anything else, or no gene.
pub fn read(path: &Path) -> Result<Vec<GeneSet>> {
    let mut sets = Vec::new();
    for record in delimited(path, Delimiter::Tab, Quotes::Plain)? {
        let record = record?;
        if record.fields().all(|field| field.trim().is_empty()) {
            continue;
        }
        if record.len() <= BEFORE {
            let fields = counted(record.len(), "field", "fields");
            return Err(record.error(format!(
                "has {fields}; in a GMT file it has a name, a description and genes, with tabs between"
            )));
        }
        let genes = record.fields().skip(BEFORE).map(str::trim).filter(|gene| !gene.is_empty());
        let genes = genes.map(str::to_owned).collect();
        sets.push(GeneSet { name: record.first(0)?.trim().to_owned(), genes });
    }
    if sets.iter().all(|set| set.genes.is_empty()) {
        let what = "holds no set of genes; a GMT file has a set a line: a name, a description and genes, with tabs between";
        return Err(bad(path, what));
    }
    Ok(sets)
}

/// Of each set the genes that are among `names`, as ascending indices, each once. `path` is where the sets were read.
///
/// # Errors
/// [`Error::File`](crate::Error::File) if no set has two of them.
pub fn members(sets: &[GeneSet], path: &Path, names: &[String]) -> Result<Vec<Vec<u32>>> {
    let mut index = HashMap::new();
    for (gene, name) in (0..).zip(names) {
        index.entry(name.as_str()).or_insert(gene);
    }
    let of = |set: &GeneSet| {
        let mut genes: Vec<u32> =
            set.genes.iter().filter_map(|gene| index.get(gene.as_str()).copied()).collect();
        genes.sort_unstable();
        genes.dedup();
        genes
    };
    let members: Vec<Vec<u32>> = sets.iter().map(of).collect();
    if members.iter().any(|genes| genes.len() > 1) {
        return Ok(members);
    }
    let shown = |name: Option<&String>| name.map_or("none".to_owned(), |name| format!("`{name}`"));
    let (theirs, ours) = (sets.iter().find_map(|set| set.genes.first()), names.first());
    Err(bad(
        path,
        format!(
            "no set has two genes of the data: the file has {}, the data {}; the names must be of one kind",
            shown(theirs),
            shown(ours)
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _, path::PathBuf};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const TWO: &str =
        "APOPTOSIS\thttp://a\tTP53\tCASP3\t\tTP53\r\n\n\t\t\nHYPOXIA\t\tVEGFA\tTP53\n";

    fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sets.gmt");
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn refused(bytes: &[u8]) -> String {
        let (_folder, path) = file(bytes);
        read(&path).unwrap_err().to_string()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn sets_are_read_plain_and_compressed() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(TWO.as_bytes()).unwrap();
        for bytes in [TWO.as_bytes().to_vec(), gzip.finish().unwrap()] {
            let (_folder, path) = file(&bytes);
            let sets = read(&path).unwrap();
            assert_eq!(sets.len(), 2);
            assert_eq!((sets[0].name.as_str(), sets[1].name.as_str()), ("APOPTOSIS", "HYPOXIA"));
            assert_eq!(sets[0].genes, ["TP53", "CASP3", "TP53"]);
            assert_eq!(sets[1].genes, ["VEGFA", "TP53"]);
        }
    }

    #[test]
    fn what_is_no_gmt_file_is_named() {
        let none = tempfile::tempdir().unwrap().path().join("none.gmt");
        assert!(read(&none).unwrap_err().to_string().contains("none.gmt: "));
        for (bytes, wanted) in [
            (&b""[..], "sets.gmt: holds no set of genes; a GMT file has"),
            (b"\n\nEMPTY\tno gene\t\t\n", "holds no set of genes"),
            (b"A\tb\tTP53\nB\tTP53\n", "line 2 has 2 fields; in a GMT file it has a name"),
            (b"A,b,TP53\n", "line 1 has 1 field;"),
            (b"A\tb\tTP53\t\xff\n", "field 4 of line 1 is not UTF-8"),
            (b"\x1f\x8b\x08\x00", "the gzip file is truncated or damaged"),
        ] {
            let message = refused(bytes);
            assert!(message.contains(wanted) && message.contains("sets.gmt"), "{message}");
        }
    }

    #[test]
    fn genes_are_found_by_name_each_once() {
        let (_folder, path) = file(TWO.as_bytes());
        let sets = read(&path).unwrap();
        let ours = names(&["CASP3", "GAPDH", "TP53", "CASP3"]);
        assert_eq!(members(&sets, &path, &ours).unwrap(), [vec![0, 2], vec![2]]);
        for (names, shown) in
            [(names(&["ENSG00000141510"]), "`ENSG00000141510`"), (names(&["TP53"]), "`TP53`")]
        {
            let message = members(&sets, &path, &names).unwrap_err().to_string();
            let wanted = format!(
                "no set has two genes of the data: the file has `TP53`, the data {shown}; "
            );
            assert!(message.contains(&wanted) && message.contains("sets.gmt"), "{message}");
        }
    }
}
