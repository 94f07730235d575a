//! Selecting rows and columns of sparse rows, in place where the matrix is large.

use ndarray::Array2;

use crate::Csr;

/// Puts each row's entries in order of their column, and adds up those of one column in the order they stood in.
pub(super) fn tidy_rows(indptr: &mut [usize], indices: &mut Vec<u32>, data: &mut Vec<f32>) {
    let mut scratch: Vec<(u32, f32)> = Vec::new();
    // Where the row begins that is looked at, and how many entries the rows before it have kept.
    let (mut begin, mut end) = (0, 0);
    for bound in indptr.iter_mut().skip(1) {
        let row = begin..*bound;
        if indices[row.clone()].is_sorted_by(|left, right| left < right) {
            if end < row.start {
                indices.copy_within(row.clone(), end);
                data.copy_within(row.clone(), end);
            }
            end += row.len();
        } else {
            scratch.clear();
            scratch.extend(row.clone().map(|entry| (indices[entry], data[entry])));
            scratch.sort_by_key(|&(column, _)| column);
            for same in scratch.chunk_by(|left, right| left.0 == right.0) {
                (indices[end], data[end]) = (same[0].0, same.iter().map(|entry| entry.1).sum());
                end += 1;
            }
        }
        begin = *bound;
        *bound = end;
    }
    indices.truncate(end);
    data.truncate(end);
}

/// A copy of the given rows, in the given order.
pub(crate) fn take_rows(matrix: &Csr, rows: &[usize]) -> Csr {
    let bounds = matrix.indptr().raw_storage().to_vec();
    let stored = rows.iter().map(|&row| bounds[row + 1] - bounds[row]).sum();
    let (mut indptr, mut indices, mut data) =
        (vec![0], Vec::with_capacity(stored), Vec::with_capacity(stored));
    for &row in rows {
        let entries = bounds[row]..bounds[row + 1];
        indices.extend_from_slice(&matrix.indices()[entries.clone()]);
        data.extend_from_slice(&matrix.data()[entries]);
        indptr.push(data.len());
    }
    Csr::new((rows.len(), matrix.cols()), indptr, indices, data)
}

/// The given rows, which must ascend, moved together inside the matrix's own memory.
fn keep_rows(matrix: Csr, rows: &[usize]) -> Csr {
    let columns = matrix.cols();
    let (bounds, mut indices, mut data) = matrix.into_raw_storage();
    let (mut indptr, mut end) = (vec![0], 0);
    for &row in rows {
        let entries = bounds[row]..bounds[row + 1];
        indices.copy_within(entries.clone(), end);
        data.copy_within(entries.clone(), end);
        end += entries.len();
        indptr.push(end);
    }
    indices.truncate(end);
    data.truncate(end);
    indices.shrink_to_fit();
    data.shrink_to_fit();
    Csr::new((rows.len(), columns), indptr, indices, data)
}

/// Two disjoint, ascending selections of rows; only the smaller one is copied.
pub(super) fn partition_rows(matrix: Csr, first: &[usize], second: &[usize]) -> (Csr, Csr) {
    if first.len() >= second.len() {
        let copied = take_rows(&matrix, second);
        (keep_rows(matrix, first), copied)
    } else {
        let copied = take_rows(&matrix, first);
        (copied, keep_rows(matrix, second))
    }
}

/// Column `columns[k]` becomes column `k`, inside the matrix's own memory; columns not named are dropped.
pub(super) fn keep_columns(matrix: Csr, columns: &[usize]) -> Csr {
    let place = places(columns, matrix.cols());
    let rows = matrix.rows();
    let (mut indptr, mut indices, mut data) = matrix.into_raw_storage();
    let (mut begin, mut end) = (0, 0);
    for bound in indptr.iter_mut().skip(1) {
        for entry in begin..*bound {
            if let Some(column) = place[indices[entry] as usize] {
                (indices[end], data[end]) = (column, data[entry]);
                end += 1;
            }
        }
        begin = *bound;
        *bound = end;
    }
    indices.truncate(end);
    data.truncate(end);
    indices.shrink_to_fit();
    data.shrink_to_fit();
    tidy_rows(&mut indptr, &mut indices, &mut data);
    Csr::new((rows, columns.len()), indptr, indices, data)
}

/// The named columns as a dense matrix.
pub(super) fn dense_columns(matrix: &Csr, columns: &[usize]) -> Array2<f32> {
    let place = places(columns, matrix.cols());
    let mut dense = Array2::zeros((matrix.rows(), columns.len()));
    for (row, entries) in matrix.outer_iterator().enumerate() {
        for (column, &value) in entries.iter() {
            if let Some(place) = place[column] {
                dense[(row, place as usize)] = value;
            }
        }
    }
    dense
}

fn places(columns: &[usize], total: usize) -> Vec<Option<u32>> {
    let mut place = vec![None; total];
    for (new, &old) in columns.iter().enumerate() {
        place[old] = Some(new as u32);
    }
    place
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix() -> impl Strategy<Value = Array2<f32>> {
        (1..8_usize, 1..8_usize).prop_flat_map(|(rows, columns)| {
            proptest::collection::vec(prop_oneof![Just(0.0_f32), 0.5..9.0_f32], rows * columns)
                .prop_map(move |values| Array2::from_shape_vec((rows, columns), values).unwrap())
        })
    }

    fn sparse(dense: &Array2<f32>) -> Csr {
        let mut triplets = sprs::TriMatI::<f32, u32>::new(dense.dim());
        for ((row, column), &value) in dense.indexed_iter().filter(|&(_, &value)| value != 0.0) {
            triplets.add_triplet(row, column, value);
        }
        let csr: sprs::CsMatI<f32, u32, u32> = triplets.to_csr();
        let (rows, columns) = dense.dim();
        let (indptr, indices, data) = csr.into_raw_storage();
        Csr::new(
            (rows, columns),
            indptr.into_iter().map(|pointer| pointer as usize).collect(),
            indices,
            data,
        )
    }

    #[test]
    fn entries_of_one_place_are_added_up() {
        let mut indptr = vec![0, 3, 3, 5, 9];
        let mut indices = vec![2, 0, 2, 0, 1, 1, 1, 1, 0];
        let mut data = vec![1.0, 2.0, 4.0, 5.0, 6.0, 1.0, 1.0, 1.0, 9.0];
        tidy_rows(&mut indptr, &mut indices, &mut data);
        assert_eq!(indptr, [0, 2, 2, 4, 6]);
        assert_eq!(indices, [0, 2, 0, 1, 0, 1]);
        assert_eq!(data, [2.0, 5.0, 5.0, 6.0, 9.0, 3.0]);
    }

    proptest! {
        #[test]
        fn selections_equal_the_dense_ones(dense in matrix(), seed in any::<u64>()) {
            let (rows, columns) = dense.dim();
            let kept: Vec<usize> = (0..columns).rev().filter(|column| seed >> column & 1 == 1).collect();
            let wanted = dense.select(ndarray::Axis(1), &kept);
            prop_assert_eq!(keep_columns(sparse(&dense), &kept), sparse(&wanted));
            prop_assert_eq!(dense_columns(&sparse(&dense), &kept), wanted);

            let (first, rest): (Vec<usize>, Vec<usize>) = (0..rows).partition(|row| seed >> (row + 8) & 1 == 1);
            let second: Vec<usize> = rest.into_iter().filter(|row| seed >> (row + 16) & 1 == 1).collect();
            let (left, right) = partition_rows(sparse(&dense), &first, &second);
            prop_assert_eq!(left, sparse(&dense.select(ndarray::Axis(0), &first)));
            prop_assert_eq!(right, sparse(&dense.select(ndarray::Axis(0), &second)));
        }
    }
}
