//! Edges between nodes: the rows of a sparse matrix are joined to the columns in which they have entries.

use std::ops::Range;

use modality_data::ValuesView;

/// Weighted edges; a row may be joined to a column more than once.
pub(super) struct Edges {
    /// Where each row begins, and where the last ends.
    starts: Vec<usize>,
    columns: Vec<u32>,
    weights: Vec<f32>,
    /// Columns of the matrix.
    width: usize,
}

impl Edges {
    /// Of a matrix without rows and so many columns.
    pub(super) fn none(width: usize) -> Self {
        Self { starts: vec![0], columns: Vec::new(), weights: Vec::new(), width }
    }

    /// Those of these matrices on top of one another.
    pub(super) fn stacked(blocks: &[ValuesView<'_>]) -> Self {
        let mut all = Self::none(blocks[0].columns());
        for block in blocks {
            match block {
                ValuesView::Sparse(csr) => {
                    let rows = csr.outer_iterator();
                    rows.for_each(|row| all.push(row.iter().map(|(i, &value)| (i as u32, value))));
                }
                ValuesView::Dense(dense) => {
                    let rows = dense.rows().into_iter();
                    rows.for_each(|row| all.push((0..).zip(row.iter().copied())));
                }
            }
        }
        all
    }

    /// One more row; a zero is no edge.
    pub(super) fn push(&mut self, row: impl Iterator<Item = (u32, f32)>) {
        self.push_all(row.filter(|&(_, weight)| weight != 0.0));
    }

    /// One more row, whatever its weights.
    pub(super) fn push_all(&mut self, row: impl Iterator<Item = (u32, f32)>) {
        for (column, weight) in row {
            self.columns.push(column);
            self.weights.push(weight);
        }
        self.starts.push(self.columns.len());
    }

    pub(super) fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Columns of the matrix.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// All columns and weights, row by row.
    pub(super) fn entries(&self) -> (&[u32], &[f32]) {
        (&self.columns, &self.weights)
    }

    /// Which of them are the row's.
    pub(super) fn range(&self, row: u32) -> Range<usize> {
        self.starts[row as usize]..self.starts[row as usize + 1]
    }

    pub(super) fn columns(&self, row: u32) -> &[u32] {
        &self.columns[self.range(row)]
    }

    pub(super) fn weights(&self, row: u32) -> &[f32] {
        &self.weights[self.range(row)]
    }
}

#[cfg(test)]
mod tests {
    use modality_data::Csr;

    use super::*;

    #[test]
    fn an_explicit_zero_is_no_edge() {
        let csr = Csr::new((2, 3), vec![0, 2, 3], vec![0, 2, 1], vec![0.0, 2.0, 0.0]);
        let edges = Edges::stacked(&[(&csr).into(), (&csr).into()]);
        assert_eq!((edges.rows(), edges.width()), (4, 3));
        assert_eq!((edges.columns(2), edges.weights(2)), (&[2][..], &[2.0][..]));
        assert!(edges.columns(1).is_empty() && edges.range(3) == (2..2));
    }
}
