//! What is written is read back, in every form and codec.

use ndarray::Array2;
use proptest::prelude::*;

use crate::read_table;
use crate::writer::{Codec, Form, Parts, Writer};

fn matrices() -> impl Strategy<Value = Array2<f32>> {
    (1..30_usize, 1..20_usize).prop_flat_map(|(rows, columns)| {
        let value = prop_oneof![3 => Just(0.0_f32), 1 => -100.0..100.0_f32, 1 => (1..50_u8).prop_map(f32::from)];
        proptest::collection::vec(value, rows * columns)
            .prop_map(move |values| Array2::from_shape_vec((rows, columns), values).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_matrix_is_read_back_as_written(
        matrix in matrices(),
        form in prop_oneof![Just(Form::Csr), Just(Form::Csc), Just(Form::Dense)],
        codec in prop_oneof![Just(Codec::None), Just(Codec::Deflate), Just(Codec::Lzf)],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("matrix.h5ad");
        let cells: Vec<String> = (0..matrix.nrows()).map(|cell| format!("c{cell}")).collect();
        let genes: Vec<String> = (0..matrix.ncols()).map(|gene| format!("g{gene}")).collect();
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let features: Vec<(&str, &str)> = genes.iter().map(|gene| (gene.as_str(), "GEX")).collect();
        let writer = Writer::new(codec).annotations(&cells, &features);
        match form {
            Form::Dense => writer.dense(&matrix),
            _ => writer.sparse(&Parts::of(&matrix, form)),
        }
        .write(&path);
        let table = read_table(&path).unwrap();
        prop_assert_eq!(table.values.to_dense(), matrix);
        prop_assert_eq!(table.cells, cells);
    }
}
