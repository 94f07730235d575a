//! AnnData files as the tests need them, wrong ones included.

use std::path::Path;

use hdf5_pure::{AttrValue, DatasetBuilder, FileBuilder, GroupBuilder};
use ndarray::Array2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Csr,
    Csc,
    Dense,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Deflate,
    Lzf,
}

/// A compressed sparse matrix before it is written.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) shape: Vec<i64>,
    pub(crate) encoding: String,
    pub(crate) data: Vec<f32>,
    pub(crate) indices: Vec<i64>,
    pub(crate) indptr: Vec<i64>,
}

impl Parts {
    pub(crate) fn of(dense: &Array2<f32>, form: Form) -> Self {
        let (mut data, mut indices, mut indptr) = (Vec::new(), Vec::new(), vec![0]);
        let axis = if form == Form::Csc { 1 } else { 0 };
        for lane in dense.axis_iter(ndarray::Axis(axis)) {
            for (minor, &value) in lane.iter().enumerate().filter(|&(_, &value)| value != 0.0) {
                indices.push(minor as i64);
                data.push(value);
            }
            indptr.push(data.len() as i64);
        }
        let encoding = if form == Form::Csc { "csc_matrix" } else { "csr_matrix" };
        let shape = vec![dense.nrows() as i64, dense.ncols() as i64];
        Self { shape, encoding: encoding.to_owned(), data, indices, indptr }
    }
}

/// An AnnData file under construction: cells `c0`, `c1`, ..., and as many features of each kind as asked for; of empty
/// kinds it does not speak.
pub(crate) struct Writer {
    file: FileBuilder,
    codec: Codec,
}

impl Writer {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { file: FileBuilder::new(), codec }
    }

    pub(crate) fn annotations(self, cells: &[&str], features: &[(&str, &str)]) -> Self {
        self.annotations_with_ids(cells, features, &[])
    }

    /// Features have `gene_ids`, where some are given.
    pub(crate) fn annotations_with_ids(
        mut self,
        cells: &[&str],
        features: &[(&str, &str)],
        ids: &[String],
    ) -> Self {
        let names: Vec<&str> = features.iter().map(|&(name, _)| name).collect();
        let kinds: Vec<&str> = features.iter().map(|&(_, kind)| kind).collect();
        let batches: Vec<&str> =
            (0..cells.len()).map(|cell| if cell % 2 == 0 { "s1d1" } else { "s1d2" }).collect();
        for (frame, index, column, values) in
            [("obs", cells, "batch", &batches), ("var", &names, "feature_types", &kinds)]
        {
            let mut group = self.file.create_group(frame);
            fill_frame(&mut group, index, (column, values));
            if frame == "var" && !ids.is_empty() {
                strings(
                    &mut group,
                    "gene_ids",
                    &ids.iter().map(String::as_str).collect::<Vec<_>>(),
                );
            }
            self.file.add_group(group.finish());
        }
        self
    }

    pub(crate) fn sparse(mut self, parts: &Parts) -> Self {
        let mut group = self.file.create_group("X");
        fill(&mut group, parts, self.codec);
        self.file.add_group(group.finish());
        self
    }

    pub(crate) fn layers(mut self, layers: &[(&str, &Parts)]) -> Self {
        let mut group = self.file.create_group("layers");
        for (name, parts) in layers {
            let mut layer = group.create_group(name);
            fill(&mut layer, parts, self.codec);
            group.add_group(layer.finish());
        }
        self.file.add_group(group.finish());
        self
    }

    pub(crate) fn raw(mut self, parts: &Parts, features: &[(&str, &str)]) -> Self {
        let names: Vec<&str> = features.iter().map(|&(name, _)| name).collect();
        let kinds: Vec<&str> = features.iter().map(|&(_, kind)| kind).collect();
        let mut group = self.file.create_group("raw");
        let mut x = group.create_group("X");
        fill(&mut x, parts, self.codec);
        group.add_group(x.finish());
        let mut var = group.create_group("var");
        fill_frame(&mut var, &names, ("feature_types", &kinds));
        group.add_group(var.finish());
        self.file.add_group(group.finish());
        self
    }

    /// A table of cells in `obsm`, whose columns are features.
    pub(crate) fn beside(mut self, name: &str, cells: &[&str], columns: &[(&str, &[f32])]) -> Self {
        let mut obsm = self.file.create_group("obsm");
        let mut table = obsm.create_group(name);
        table.set_attr("encoding-type", AttrValue::String("dataframe".into()));
        table.set_attr("_index", AttrValue::String("_index".into()));
        strings(&mut table, "_index", cells);
        for (column, values) in columns {
            table.create_dataset(column).with_f32_data(values).with_shape(&[values.len() as u64]);
        }
        obsm.add_group(table.finish());
        self.file.add_group(obsm.finish());
        self
    }

    /// What the whole file is of, in `uns/modality`.
    pub(crate) fn of(mut self, modality: &str) -> Self {
        let mut group = self.file.create_group("uns");
        strings(&mut group, "modality", &[modality]);
        self.file.add_group(group.finish());
        self
    }

    pub(crate) fn dense(mut self, matrix: &Array2<f32>) -> Self {
        let values: Vec<f32> = matrix.iter().copied().collect();
        let (rows, columns) = matrix.dim();
        let array = self
            .file
            .create_dataset("X")
            .with_f32_data(&values)
            .with_shape(&[rows as u64, columns as u64]);
        match self.codec {
            Codec::None => array,
            Codec::Deflate => array.with_chunks(&[2, 2]).with_shuffle().with_deflate(4),
            Codec::Lzf => array.with_chunks(&[3, 2]).with_lzf(),
        };
        self
    }

    pub(crate) fn write(self, path: &Path) {
        self.file.write(path).unwrap();
    }
}

/// A table with a column, unless that is empty.
fn fill_frame(group: &mut GroupBuilder, index: &[&str], (column, values): (&str, &[&str])) {
    group.set_attr("_index", AttrValue::String("_index".into()));
    strings(group, "_index", index);
    broken_category(group, index.len());
    if values.iter().any(|value| !value.is_empty()) {
        strings(group, column, values);
    }
}

fn fill(group: &mut GroupBuilder, parts: &Parts, codec: Codec) {
    group.set_attr("encoding-type", AttrValue::String(parts.encoding.clone()));
    group.set_attr("shape", AttrValue::I64Array(parts.shape.clone()));
    let length = |values: usize| [values as u64];
    let data = group
        .create_dataset("data")
        .with_f32_data(&parts.data)
        .with_shape(&length(parts.data.len()));
    compress(data, codec, parts.data.len());
    let indices = group
        .create_dataset("indices")
        .with_i64_data(&parts.indices)
        .with_shape(&length(parts.indices.len()));
    compress(indices, codec, parts.indices.len());
    group
        .create_dataset("indptr")
        .with_i64_data(&parts.indptr)
        .with_shape(&length(parts.indptr.len()));
}

fn compress(array: &mut DatasetBuilder, codec: Codec, len: usize) {
    if len == 0 {
        return;
    }
    match codec {
        Codec::None => array,
        Codec::Deflate => array.with_chunks(&[3]).with_shuffle().with_deflate(4),
        Codec::Lzf => array.with_chunks(&[5]).with_lzf(),
    };
}

fn strings(group: &mut GroupBuilder, name: &str, values: &[&str]) {
    group.create_dataset(name).with_vlen_strings(values).with_shape(&[values.len() as u64]);
}

/// A column whose codes name a category that is not there.
fn broken_category(frame: &mut GroupBuilder, rows: usize) {
    let mut group = frame.create_group("broken");
    group.create_dataset("codes").with_i8_data(&vec![9; rows]).with_shape(&[rows as u64]);
    strings(&mut group, "categories", &["a"]);
    frame.add_group(group.finish());
}
