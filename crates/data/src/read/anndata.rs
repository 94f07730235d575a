//! AnnData and MuData: a matrix of the file, sparse or dense, with the annotations of its cells and features.

use modality_protocol::Modality;

use super::entries::{Compressed, Dense, Major, to_csr};
use super::frame::{Frame, column_order, read_frame};
use super::place::{Matrix, Place};
use super::store::{Array, Node, Store};
use super::table::{Column, Columns, Feature, FeatureKind, Table, positions, take_cells};
use crate::{Csr, Result};

/// Reads the matrix at `place` of an open file.
pub(super) fn read_anndata(store: &Store, place: &Place) -> Result<Table> {
    let Some(name) = &place.modality else {
        let modalities = modalities(store)?;
        if let Some(first) = modalities.first() {
            return Err(store.error(format!(
                "is a MuData file of the modalities {modalities:?}; name one of them, as in `mod/{first}/X`"
            )));
        }
        return read_matrix_at(store, place);
    };
    if !store.has_group(&format!("mod/{name}"))? {
        return Err(store.error(match &modalities(store)?[..] {
            [] => format!("is no MuData file, so `{place}` is not in it"),
            known => format!("has no modality `{name}`; its modalities are {known:?}"),
        }));
    }
    let mut table = read_matrix_at(&store.inside(&format!("mod/{name}")), place)?;
    if !matches!(place.matrix, Some(Matrix::Obsm(_))) {
        table.modality = table.modality.or_else(|| named_modality(name));
    }
    for (name, column) in shared_columns(store, &table.cells)? {
        table.obs.entry(name).or_insert(column);
    }
    Ok(table)
}

/// Names of the modalities of a MuData file, in its order.
pub(super) fn modalities(store: &Store) -> Result<Vec<String>> {
    if !store.has_group("mod")? {
        return Ok(Vec::new());
    }
    let mut names = store.children("mod")?;
    let attributes = store.attributes("mod")?;
    if let Some(order) = attributes.texts("mod-order") {
        names.sort_by_key(|name| order.iter().position(|other| other == name));
    }
    Ok(names)
}

/// What MuData's usual names of modalities mean.
fn named_modality(name: &str) -> Option<Modality> {
    match name.to_ascii_lowercase().as_str() {
        "rna" | "gex" | "gene" => Some(Modality::Gex),
        "prot" | "protein" | "proteins" | "adt" | "cite" => Some(Modality::Adt),
        "atac" | "peaks" => Some(Modality::Atac),
        _ => None,
    }
}

/// The columns of the whole file's `obs`, for the cells of one modality. They are left aside where these are not all in it.
fn shared_columns(store: &Store, cells: &[String]) -> Result<Columns> {
    if store.node("obs")?.is_none() {
        return Ok(Columns::new());
    }
    let Frame { index, columns } = read_frame(store, "obs")?;
    let rows = positions(&index).ok().and_then(|rows| {
        cells.iter().map(|cell| rows.get(cell.as_str()).copied()).collect::<Option<Vec<_>>>()
    });
    Ok(rows.map(|rows| take_cells(&columns, &rows)).unwrap_or_default())
}

fn read_matrix_at(store: &Store, place: &Place) -> Result<Table> {
    let matrix = match &place.matrix {
        Some(matrix) => matrix.clone(),
        None => main_matrix(store)?,
    };
    let obs = read_frame(store, "obs")?;
    let (features, values) = match &matrix {
        Matrix::Obsm(name) => read_obsm(store, name, &obs.index)?,
        Matrix::Raw => {
            // Before anndata 0.7 the names were `raw.X` and `raw.var`.
            let [x, var] = if store.node("raw.X")?.is_some() {
                ["raw.X", "raw.var"]
            } else {
                ["raw/X", "raw/var"]
            };
            read_described(store, x, var, obs.index.len())?
        }
        matrix => read_described(store, &matrix.to_string(), "var", obs.index.len())?,
    };
    Ok(Table {
        path: store.path().to_owned(),
        cells: obs.index,
        features,
        values,
        obs: obs.columns,
        modality: if matches!(matrix, Matrix::Obsm(_)) { None } else { modality(store)? },
        place: Some(Place { modality: place.modality.clone(), matrix: Some(matrix) }),
    })
}

/// `X`, or where there is none the layer that Open Problems keeps normalised values in.
fn main_matrix(store: &Store) -> Result<Matrix> {
    if store.node("X")?.is_none() && store.node("layers/normalized")?.is_some() {
        return Ok(Matrix::Layer("normalized".to_owned()));
    }
    Ok(Matrix::X)
}

/// What the whole file is of, as files of Open Problems say in `uns/modality`.
fn modality(store: &Store) -> Result<Option<Modality>> {
    let Some(Node::Array(array)) = store.node("uns/modality")? else { return Ok(None) };
    Ok(match array.word().map(|word| FeatureKind::from_label(&word)) {
        Some(FeatureKind::Of(modality)) => Some(modality),
        _ => None,
    })
}

/// A matrix whose columns the table at `var` describes.
fn read_described(
    store: &Store,
    name: &str,
    var: &str,
    cells: usize,
) -> Result<(Vec<Feature>, Csr)> {
    if store.node(name)?.is_none() {
        let name = store.full(name);
        return Err(store.error(format!("`{name}` is missing; {}", known_matrices(store))));
    }
    let var = read_frame(store, var)?;
    let values = read_matrix(store, name, (cells, Some(var.index.len())))?;
    Ok((features(store, var)?, values))
}

fn features(store: &Store, var: Frame) -> Result<Vec<Feature>> {
    let kinds = match var.columns.get("feature_types").or_else(|| var.columns.get("feature_type")) {
        Some(column) => column.values().map_err(|why| store.error(why))?,
        None => vec![None; var.index.len()],
    };
    let kind = |label: Option<String>| {
        label.map_or(FeatureKind::Unknown, |label| FeatureKind::from_label(&label))
    };
    let named = var.index.into_iter().zip(kinds);
    Ok(named.map(|(name, label)| Feature { name, kind: kind(label) }).collect())
}

/// A matrix of cells that `var` says nothing of: a table whose columns are features, or an array.
fn read_obsm(store: &Store, name: &str, cells: &[String]) -> Result<(Vec<Feature>, Csr)> {
    let path = format!("obsm/{name}");
    if store.node(&path)?.is_none() {
        let path = store.full(&path);
        return Err(store.error(format!("`{path}` is missing; {}", known_matrices(store))));
    }
    let is_table = store.has_group(&path)?
        && store.attributes(&path)?.text("encoding-type") == Some("dataframe");
    let (names, values) = if is_table {
        read_table_of_features(store, &path, cells)?
    } else {
        let values = read_matrix(store, &path, (cells.len(), None))?;
        (names_of(store, name, values.cols())?, values)
    };
    let feature = |name| Feature { name, kind: FeatureKind::Unknown };
    Ok((names.into_iter().map(feature).collect(), values))
}

fn read_table_of_features(
    store: &Store,
    path: &str,
    cells: &[String],
) -> Result<(Vec<String>, Csr)> {
    let Frame { index, columns } = read_frame(store, path)?;
    if index != cells {
        let path = store.full(path);
        return Err(store.error(format!("`{path}` names other cells than obs")));
    }
    let names = column_order(store, path)?.unwrap_or_else(|| columns.keys().cloned().collect());
    let numbers = names.iter().map(|name| match columns.get(name) {
        Some(Column::Numbers(numbers)) => Ok(numbers),
        Some(Column::Unreadable(why)) => Err(store.error(why.clone())),
        other => {
            let found = if other.is_some() { "holds text" } else { "is missing" };
            let path = store.full(path);
            Err(store.error(format!("`{path}/{name}` {found} where numbers are expected")))
        }
    });
    let numbers = numbers.collect::<Result<Vec<_>>>()?;
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    for row in 0..cells.len() {
        for (column, numbers) in
            numbers.iter().enumerate().filter(|(_, numbers)| numbers[row] != 0.0)
        {
            indices.push(column as u32);
            data.push(numbers[row] as f32);
        }
        indptr.push(data.len());
    }
    Ok((names, Csr::new((cells.len(), numbers.len()), indptr, indices, data)))
}

/// Names for the columns of an array: what `uns` lists for it, else the array's own name and a number.
fn names_of(store: &Store, name: &str, columns: usize) -> Result<Vec<String>> {
    let candidates = [format!("uns/{name}_names"), "uns/protein_names".to_owned()];
    let fitting =
        candidates.iter().filter(|place| place.contains(name) || name.contains("protein"));
    for place in fitting {
        if let Some(Node::Array(array)) = store.node(place)?
            && array.shape() == [columns]
        {
            return array.text();
        }
    }
    Ok((0..columns).map(|column| format!("{name}-{column}")).collect())
}

/// Reads the matrix at `name`; how many features it must have may be open.
fn read_matrix(store: &Store, name: &str, shape: (usize, Option<usize>)) -> Result<Csr> {
    if let Some(Node::Array(array)) = store.node(name)? {
        let shape = (shape.0, shape.1.unwrap_or_else(|| columns_of(&array)));
        return to_csr(store.path(), &Dense::new(array, shape)?);
    }
    let (major, shape) = sparse_format(store, name, shape)?;
    to_csr(store.path(), &Compressed::open(store, name, major, shape)?)
}

fn columns_of(array: &Array<'_>) -> usize {
    array.shape().get(1).copied().unwrap_or(1)
}

/// The matrices of a file by their places, as a part of a sentence.
fn known_matrices(store: &Store) -> String {
    let children = |group: &str| store.children(group).unwrap_or_default();
    let x = matches!(store.node("X"), Ok(Some(_))).then(|| "X".to_owned());
    let raw = matches!(store.node("raw/X"), Ok(Some(_))).then(|| "raw/X".to_owned());
    let layers = children("layers").into_iter().map(|name| format!("layers/{name}"));
    let obsm = children("obsm").into_iter().map(|name| format!("obsm/{name}"));
    let known: Vec<String> = x.into_iter().chain(layers).chain(raw).chain(obsm).collect();
    match &known[..] {
        [] => "the file has no matrix".to_owned(),
        [one] => format!("the file has `{one}`"),
        several => format!(
            "the file has {}",
            several.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// The orientation and shape that the group's attributes name, once they are found to fit `shape`.
fn sparse_format(
    store: &Store,
    name: &str,
    (cells, features): (usize, Option<usize>),
) -> Result<(Major, (usize, usize))> {
    let attributes = store.attributes(name)?;
    let name = store.full(name);
    let encoding = attributes.text("encoding-type").or_else(|| attributes.text("h5sparse_format"));
    let major = match encoding {
        Some("csr_matrix" | "csr") => Major::Cells,
        Some("csc_matrix" | "csc") => Major::Features,
        other => {
            return Err(store.error(format!(
                "`{name}` is stored as {other:?}; csr_matrix, csc_matrix and dense arrays can be read"
            )));
        }
    };
    let claimed = attributes.integers("shape").or_else(|| attributes.integers("h5sparse_shape"));
    let claimed = claimed.unwrap_or_default();
    let fits = |&claimed: &i64, wanted: usize| usize::try_from(claimed).ok() == Some(wanted);
    match (claimed, features) {
        ([rows, columns], Some(features)) if fits(rows, cells) && fits(columns, features) => {
            Ok((major, (cells, features)))
        }
        ([rows, columns], None) if fits(rows, cells) && *columns >= 0 => {
            Ok((major, (cells, *columns as usize)))
        }
        _ => {
            let features =
                features.map_or(String::new(), |features| format!(" and {features} features"));
            Err(store.error(format!(
                "`{name}` has shape {claimed:?} where obs and var have {cells} cells{features}"
            )))
        }
    }
}
