//! AnnData `.h5ad`: `X` or a layer, sparse or dense, with `obs` and `var`.

use modality_protocol::Modality;

use super::entries::{Compressed, Dense, Major, to_csr};
use super::feature::{Described, FeatureKind, Named};
use super::frame::{Frame, read_frame};
use super::h5::{H5File, Node};
use super::place::{Matrix, Place};
use super::table::{Column, Table};
use crate::{Csr, Result};

/// Reads the matrix at `place` of an open AnnData file.
pub(super) fn read_anndata(file: &H5File, place: &Place) -> Result<Table> {
    let matrix = match &place.matrix {
        Some(matrix) => matrix.clone(),
        None => main_matrix(file)?,
    };
    let obs = read_frame(file, "obs")?;
    let var = read_frame(file, "var")?;
    let shape = (obs.index.len(), var.index.len());
    let values = read_matrix(file, &matrix.to_string(), shape)?;
    let Named { features, notes } = features(file, var)?;
    let modality = modality(file)?;
    let (path, cells) = (file.path().to_owned(), obs.index);
    let place = Some(Place { modality: place.modality.clone(), matrix: Some(matrix) });
    Ok(Table { path, cells, features, values, obs: obs.columns, modality, place, notes })
}

/// `X`, or where there is none the layer that Open Problems keeps normalised values in.
fn main_matrix(file: &H5File) -> Result<Matrix> {
    if file.node("X")?.is_none() && file.node("layers/normalized")?.is_some() {
        return Ok(Matrix::Layer("normalized".to_owned()));
    }
    Ok(Matrix::X)
}

/// Names of the modalities of a MuData file.
pub(super) fn modalities(file: &H5File) -> Result<Vec<String>> {
    if file.has_group("mod")? { file.children("mod") } else { Ok(Vec::new()) }
}

/// What the whole file is of, as files of Open Problems say in `uns/modality`.
fn modality(file: &H5File) -> Result<Option<Modality>> {
    let Some(Node::Array(array)) = file.node("uns/modality")? else { return Ok(None) };
    Ok(match array.word().and_then(|word| FeatureKind::from_label(&word)) {
        Some(FeatureKind::Of(modality)) => Some(modality),
        _ => None,
    })
}

/// Columns of `var` with identifiers of features, as scanpy, Open Problems and others name them.
const IDS: [&str; 4] = ["gene_ids", "gene_id", "feature_id", "ensembl_id"];

fn features(file: &H5File, var: Frame) -> Result<Named> {
    let column = |names: &[&str]| names.iter().find_map(|name| var.columns.get(*name));
    let values = |column: &Column| column.values().map_err(|why| file.error(why));
    let labels = match column(&["feature_types", "feature_type"]) {
        Some(column) => values(column)?,
        None => vec![None; var.index.len()],
    };
    // Unlike types, identifiers may be missing or unreadable: they serve where names do not.
    let ids = column(&IDS).and_then(|column| column.values().ok()).unwrap_or_default();
    let described = Described { names: var.index, ids, labels };
    described.named().map_err(|what| file.error(format!("`var`: {what}")))
}

fn read_matrix(file: &H5File, name: &str, shape: (usize, usize)) -> Result<Csr> {
    match file.node(name)? {
        None => Err(file.error(format!("`{name}` is missing; {}", known_matrices(file)))),
        Some(Node::Array(array)) => to_csr(file.path(), &Dense::new(array, shape)?),
        Some(Node::Group) => {
            let major = sparse_format(file, name, shape)?;
            to_csr(file.path(), &Compressed::open(file, name, major, shape)?)
        }
    }
}

fn known_matrices(file: &H5File) -> String {
    let layers = file.children("layers").unwrap_or_default();
    if layers.is_empty() {
        "the file has no layers".to_owned()
    } else {
        format!("its layers are {layers:?}")
    }
}

/// The orientation that the group's attributes name, once its shape is found to fit `obs` and `var`.
fn sparse_format(file: &H5File, name: &str, shape: (usize, usize)) -> Result<Major> {
    let attributes = file.group_attributes(name)?;
    let either =
        |current: &str, legacy: &str| attributes.get(current).or_else(|| attributes.get(legacy));
    let claimed =
        either("shape", "h5sparse_shape").and_then(|value| value.to_i64s()).unwrap_or_default();
    if claimed != [shape.0 as i64, shape.1 as i64] {
        return Err(file.error(format!(
            "`{name}` has shape {claimed:?} where obs and var have {} cells and {} features",
            shape.0, shape.1
        )));
    }
    match either("encoding-type", "h5sparse_format").and_then(|value| value.as_str()) {
        Some("csr_matrix" | "csr") => Ok(Major::Cells),
        Some("csc_matrix" | "csc") => Ok(Major::Features),
        other => Err(file.error(format!(
            "`{name}` is stored as {other:?}; csr_matrix, csc_matrix and dense arrays can be read"
        ))),
    }
}
