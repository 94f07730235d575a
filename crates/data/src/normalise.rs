//! From counts to the values that models are fitted on.

use ndarray::Array2;
use ndarray::parallel::prelude::*;

use crate::Csr;

/// Replaces each count of cells x genes by `log1p(count / s)`, `s` the cell's total over the median total.
///
/// The sums and the logarithm are computed in float64. A cell without counts stays as it is.
///
/// # Errors
/// A sentence, where the median total is zero, as of half of the cells or more being empty.
pub fn normalise_gex(gex: &mut Csr) -> Result<(), String> {
    normalise_gex_together(&mut [gex])
}

/// The same of cells that stand in several matrices: the median is that of all of them.
pub(crate) fn normalise_gex_together(parts: &mut [&mut Csr]) -> Result<(), String> {
    let all: Vec<Vec<f64>> = parts.iter().map(|gex| totals(gex)).collect();
    let median = median(all.concat());
    if median <= 0.0 {
        return Err(
            "half of the cells or more have no gene counts, so that the median total is zero"
                .to_owned(),
        );
    }
    parts.iter_mut().zip(all).for_each(|(gex, totals)| scale(gex, totals, median));
    Ok(())
}

/// The sum of each cell.
fn totals(gex: &Csr) -> Vec<f64> {
    let sum =
        |row: &[usize]| gex.data()[row[0]..row[1]].iter().map(|&count| f64::from(count)).sum();
    gex.indptr().raw_storage().windows(2).map(sum).collect()
}

fn scale(gex: &mut Csr, totals: Vec<f64>, median: f64) {
    let bounds = gex.indptr().raw_storage().to_vec();
    let mut rest = gex.data_mut();
    let mut rows = Vec::with_capacity(totals.len());
    for (row, total) in bounds.windows(2).zip(totals) {
        let (counts, behind) = rest.split_at_mut(row[1] - row[0]);
        rows.push((counts, total / median));
        rest = behind;
    }
    rows.into_par_iter().filter(|(_, size)| *size > 0.0).for_each(|(counts, size)| {
        counts.iter_mut().for_each(|count| *count = libm::log1p(f64::from(*count) / size) as f32);
    });
}

/// Replaces each count of cells x peaks by 1: a peak is seen or not. Zeros that are stored are left out of no row.
pub fn binarise(peaks: &mut Csr) {
    peaks.data_mut().iter_mut().filter(|count| **count != 0.0).for_each(|count| *count = 1.0);
}

/// Replaces each count of cells x proteins by `log1p(count / g)`, `g = exp(mean over proteins of log1p(count))`.
///
/// The mean and the logarithm are computed in float64.
pub fn normalise_adt(adt: &mut Array2<f32>) {
    let proteins = adt.ncols() as f64;
    adt.outer_iter_mut().into_par_iter().for_each(|mut counts| {
        let mean =
            counts.iter().map(|&count| libm::log1p(f64::from(count))).sum::<f64>() / proteins;
        let centre = libm::exp(mean);
        counts.mapv_inplace(|count| libm::log1p(f64::from(count) / centre) as f32);
    });
}

/// The middle value, or the mean of the two middle values; zero of none.
fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn gene_counts_are_scaled_to_the_median_total() {
        // Totals 4, 2, 0, 6: the median is 3.
        let mut gex =
            Csr::new((4, 2), vec![0, 2, 3, 3, 4], vec![0, 1, 0, 1], vec![1.0, 3.0, 2.0, 6.0]);
        normalise_gex(&mut gex).unwrap();
        let expected =
            [1.0 * 3.0 / 4.0, 3.0 * 3.0 / 4.0, 3.0, 3.0].map(|ratio: f64| ratio.ln_1p() as f32);
        assert_eq!(gex.data(), expected);
    }

    #[test]
    fn parts_are_scaled_as_the_whole() {
        let whole = Csr::new((3, 2), vec![0, 2, 3, 4], vec![0, 1, 0, 1], vec![1.0, 3.0, 2.0, 6.0]);
        let rows = |rows: &[usize]| crate::read::take_rows(&whole, rows);
        let (mut first, mut second, mut whole) = (rows(&[0, 1]), rows(&[2]), whole.clone());
        normalise_gex_together(&mut [&mut first, &mut second]).unwrap();
        normalise_gex(&mut whole).unwrap();
        assert_eq!([first.data(), second.data()].concat(), whole.data());
    }

    #[test]
    fn mostly_empty_cells_are_refused() {
        let mut gex = Csr::new((3, 1), vec![0, 1, 1, 1], vec![0], vec![5.0]);
        assert!(normalise_gex(&mut gex).unwrap_err().contains("median"));
    }

    #[test]
    fn protein_counts_are_centred_on_the_cells_geometric_mean() {
        let mut adt = array![[0.0_f32, 3.0], [0.0, 0.0]];
        normalise_adt(&mut adt);
        // log1p(0) = 0 and log1p(3) = 2 ln 2, so g = exp(ln 2) = 2.
        assert!((adt[(0, 1)] - 2.5_f32.ln()).abs() < 1e-6);
        assert_eq!((adt[(0, 0)], adt[(1, 0)], adt[(1, 1)]), (0.0, 0.0, 0.0));
    }
}
