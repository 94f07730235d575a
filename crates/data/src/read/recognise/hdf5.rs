//! HDF5 files, by the names that stand at their top.

use std::path::Path;

use super::{Format, foreign};
use crate::Result;
use crate::read::bad;
use crate::read::store::{Node, Store};

pub(super) fn recognise(path: &Path) -> Result<Format> {
    let file = Store::open(path)?;
    let names = file.children("/")?;
    let has = |name: &str| names.iter().any(|known| known == name);
    if has("mod") && file.has_group("mod")? {
        return Ok(Format::MuData);
    }
    if has("matrix") && file.has_group("matrix")? {
        return Ok(Format::TenX);
    }
    if has("obs") || has("var") || has("X") {
        return Ok(Format::AnnData);
    }
    if let Some((what, way_out)) = relative(&names) {
        return Err(foreign(path, what, way_out));
    }
    let genomes = genomes(&file, names.clone())?;
    match &genomes[..] {
        [] => Err(unknown(path, &names)),
        [genome] => Ok(Format::TenXGenome(genome.clone())),
        several => Err(bad(
            path,
            format!(
                "holds genes of several genomes, {several:?}, which are not read together; write one of them to a file of its own"
            ),
        )),
    }
}

/// Other tools' files that hold cells too.
fn relative(names: &[String]) -> Option<(&'static str, &'static str)> {
    let all = |wanted: &[&str]| wanted.iter().all(|name| names.iter().any(|known| known == name));
    if all(&["matrix", "row_attrs", "col_attrs"]) {
        return Some((
            "a loom file",
            "in Python, `anndata.io.read_loom(FILE).write_h5ad(\"FILE.h5ad\")` writes one that is",
        ));
    }
    if all(&["umi", "barcode_idx", "feature_idx"]) || all(&["umi", "barcode", "gene"]) {
        return Some((
            "Cell Ranger's molecule_info.h5, a list of single molecules",
            "the matrix stands beside it, as `filtered_feature_bc_matrix.h5`",
        ));
    }
    if all(&["assays", "cell.names"]) || all(&["assays", "meta.data"]) {
        return Some((
            "an h5Seurat file",
            "in R, `SeuratDisk::Convert(\"FILE.h5Seurat\", dest = \"h5ad\")` writes an assay as one that is",
        ));
    }
    let is_assay = |name: &String| {
        name.strip_prefix("assay").is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    (!names.is_empty() && names.iter().all(is_assay)).then_some((
        "the numbers of a SummarizedExperiment without its names",
        "in R, `zellkonverter::writeH5AD(HDF5Array::loadHDF5SummarizedExperiment(\"FOLDER\"), \"FILE.h5ad\")` writes both",
    ))
}

/// The groups that are matrices as Cell Ranger 2 wrote them.
fn genomes(file: &Store, names: Vec<String>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in names {
        let is_array = |part: &str| {
            let node = file.node(&format!("{name}/{part}"))?;
            Ok(matches!(node, Some(Node::Array(_))))
        };
        if matches!(file.node(&name)?, Some(Node::Group))
            && is_array("genes")?
            && is_array("indptr")?
        {
            found.push(name);
        }
    }
    Ok(found)
}

fn unknown(path: &Path, names: &[String]) -> crate::Error {
    let shown = &names[..names.len().min(8)];
    bad(
        path,
        format!(
            "this HDF5 file is of no kind that is read; AnnData has `X`, `obs` and `var` at its top, MuData `mod`, 10x Genomics `matrix`, and this file {shown:?}"
        ),
    )
}
