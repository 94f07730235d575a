//! Numbers of cells x features, sparse or dense.

use ndarray::{Array2, ArrayView2, Axis};

use crate::Csr;

/// A matrix of cells x features in the form in which its modality is kept: genes and peaks are mostly zeros, proteins
/// are not.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Rows of nonzeros.
    Sparse(Csr),
    /// Row-major.
    Dense(Array2<f32>),
}

/// A [`Values`] that is lent.
#[derive(Debug, Clone, Copy)]
pub enum ValuesView<'a> {
    /// Rows of nonzeros.
    Sparse(&'a Csr),
    /// Row-major.
    Dense(ArrayView2<'a, f32>),
}

impl Values {
    /// The same, lent.
    pub fn view(&self) -> ValuesView<'_> {
        match self {
            Self::Sparse(csr) => ValuesView::Sparse(csr),
            Self::Dense(dense) => ValuesView::Dense(dense.view()),
        }
    }

    /// Number of cells.
    pub fn rows(&self) -> usize {
        self.view().rows()
    }

    /// Number of features.
    pub fn columns(&self) -> usize {
        self.view().columns()
    }

    /// The numbers that are stored.
    pub fn stored(&self) -> &[f32] {
        match self {
            Self::Sparse(csr) => csr.data(),
            Self::Dense(dense) => dense.as_slice().expect("dense values are row-major"),
        }
    }

    /// The given rows, in the given order.
    #[must_use]
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        match self {
            Self::Sparse(csr) => Self::Sparse(crate::read::take_rows(csr, rows)),
            Self::Dense(dense) => Self::Dense(dense.select(Axis(0), rows)),
        }
    }
}

impl<'a> ValuesView<'a> {
    /// Number of cells.
    pub fn rows(self) -> usize {
        match self {
            Self::Sparse(csr) => csr.rows(),
            Self::Dense(dense) => dense.nrows(),
        }
    }

    /// Number of features.
    pub fn columns(self) -> usize {
        match self {
            Self::Sparse(csr) => csr.cols(),
            Self::Dense(dense) => dense.ncols(),
        }
    }

    /// A dense copy.
    pub fn to_dense(self) -> Array2<f32> {
        match self {
            Self::Sparse(csr) => csr.to_dense(),
            Self::Dense(dense) => dense.as_standard_layout().into_owned(),
        }
    }

    /// A dense copy of some rows that follow one another.
    pub fn dense_rows(self, rows: std::ops::Range<usize>) -> Array2<f32> {
        match self {
            Self::Sparse(csr) => csr.slice_outer(rows).to_dense(),
            Self::Dense(dense) => {
                dense.slice(ndarray::s![rows, ..]).as_standard_layout().into_owned()
            }
        }
    }

    /// Calls `visit` with row, column and value of every number that is not zero, row by row.
    pub fn for_each_nonzero(self, mut visit: impl FnMut(usize, usize, f32)) {
        match self {
            Self::Sparse(csr) => {
                for (row, entries) in csr.outer_iterator().enumerate() {
                    entries.iter().for_each(|(column, &value)| visit(row, column, value));
                }
            }
            Self::Dense(dense) => {
                let nonzero = dense.indexed_iter().filter(|(_, value)| **value != 0.0);
                nonzero.for_each(|((row, column), &value)| visit(row, column, value));
            }
        }
    }

    /// ||A||_F squared, in float64.
    pub fn squares(self) -> f64 {
        let square = |&value: &f32| f64::from(value).powi(2);
        match self {
            Self::Sparse(csr) => csr.data().iter().map(square).sum(),
            Self::Dense(dense) => dense.iter().map(square).sum(),
        }
    }

    /// Whether every number is finite.
    pub fn is_finite(self) -> bool {
        match self {
            Self::Sparse(csr) => csr.data().iter().all(|value| value.is_finite()),
            Self::Dense(dense) => dense.iter().all(|value| value.is_finite()),
        }
    }
}

impl<'a> From<&'a Csr> for ValuesView<'a> {
    fn from(csr: &'a Csr) -> Self {
        Self::Sparse(csr)
    }
}

impl<'a> From<ArrayView2<'a, f32>> for ValuesView<'a> {
    fn from(dense: ArrayView2<'a, f32>) -> Self {
        Self::Dense(dense)
    }
}

impl<'a> From<&'a Values> for ValuesView<'a> {
    fn from(values: &'a Values) -> Self {
        values.view()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn sparse_and_dense_hold_the_same() {
        let dense = array![[0.0_f32, 2.0, 0.0], [1.0, 0.0, 3.0], [0.0, 0.0, 0.0]];
        let sparse = Csr::new((3, 3), vec![0, 1, 3, 3], vec![1, 0, 2], vec![2.0, 1.0, 3.0]);
        for values in [Values::Sparse(sparse), Values::Dense(dense.clone())] {
            let view = values.view();
            assert_eq!((values.rows(), values.columns(), view.squares()), (3, 3, 14.0));
            assert_eq!(view.to_dense(), dense);
            assert_eq!(view.dense_rows(1..3), dense.slice(ndarray::s![1..3, ..]));
            let picked = values.select_rows(&[1, 1, 0]);
            assert_eq!(picked.view().to_dense(), dense.select(Axis(0), &[1, 1, 0]));
            let mut seen = Vec::new();
            view.for_each_nonzero(|row, column, value| seen.push((row, column, value)));
            assert_eq!(seen, [(0, 1, 2.0), (1, 0, 1.0), (1, 2, 3.0)]);
        }
    }
}
