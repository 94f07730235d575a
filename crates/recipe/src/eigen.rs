//! What a truncated SVD by the block Krylov method needs on the host, in float64: small symmetric matrices.

pub use modality_dense::NotConverged;
use modality_dense::descending_eigen;
use ndarray::{Array2, Axis, s};

/// Whether columns that were orthonormal before, and have this Gram matrix now, lost so little that rounding errors did
/// not grow.
pub fn near_identity(gram: &Array2<f64>) -> bool {
    const LARGEST: f64 = 0.5;
    let off = (gram - &Array2::<f64>::eye(gram.nrows())).mapv(|entry| entry * entry).sum().sqrt();
    off < LARGEST
}

/// R and r such that the first r columns of X R are an orthonormal basis of the columns of X, from X^T X (A.
/// Stathopoulos and K. Wu, SIAM Journal on Scientific Computing 23, 2002); the others are zero.
///
/// # Errors
/// [`NotConverged`].
pub fn normalising(gram: &Array2<f64>) -> Result<(Array2<f64>, usize), NotConverged> {
    /// Of X^T X with a unit diagonal: eigenvalues below are rounding errors.
    const TOLERANCE: f64 = 1e-14;
    let inverse = |square: f64| if square > 0.0 { square.sqrt().recip() } else { 0.0 };
    let scale = gram.diag().mapv(inverse);
    let rows_scale = scale.view().insert_axis(Axis(1));
    let (values, rotation) = descending_eigen(&(gram * &scale * rows_scale))?;
    let rank = values.iter().take_while(|&&value| value > TOLERANCE).count();
    let mut weights = values.mapv(inverse);
    weights.slice_mut(s![rank..]).fill(0.0);
    Ok((rotation * rows_scale * weights, rank))
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;

    /// X^T X of columns of very different lengths, the fourth the sum of the first two and the last of zeros.
    fn gram() -> Array2<f64> {
        let mut x = Array2::from_shape_fn((9, 5), |(i, j)| ((i * 7 + j * j * 3) % 11) as f64 - 5.0);
        x *= &Array1::from(vec![1.0, 1e-6, 1e5, 0.0, 0.0]);
        let sum = &x.column(0) + &x.column(1);
        x.column_mut(3).assign(&sum);
        x.t().dot(&x)
    }

    fn worst(matrix: &Array2<f64>) -> f64 {
        matrix.iter().fold(0.0, |worst: f64, entry| worst.max(entry.abs()))
    }

    #[test]
    fn eigenvectors_come_in_descending_order() {
        let gram = gram();
        let (values, vectors) = descending_eigen(&gram).unwrap();
        assert!(values.windows(2).into_iter().all(|pair| pair[0] >= pair[1]), "{values}");
        assert!(worst(&(gram.dot(&vectors) - &vectors * &values)) < 1e-12 * values[0]);
        assert!(worst(&(vectors.t().dot(&vectors) - Array2::<f64>::eye(5))) < 1e-12);
        assert_eq!(descending_eigen(&gram.t().to_owned()).unwrap().0, values);
        assert!(
            descending_eigen(&Array2::zeros((0, 0))).is_ok_and(|(values, _)| values.is_empty())
        );
    }

    #[test]
    fn columns_that_are_sums_of_others_have_no_part_in_the_basis() {
        let gram = gram();
        let (rotation, rank) = normalising(&gram).unwrap();
        let after = rotation.t().dot(&gram).dot(&rotation);
        assert_eq!(rank, 3);
        let wanted = Array2::from_diag(&Array1::from(vec![1.0, 1.0, 1.0, 0.0, 0.0]));
        assert!(worst(&(&after - &wanted)) < 1e-3, "{after}");
        assert!(near_identity(&after.slice(s![..rank, ..rank]).to_owned()));
        assert!(!near_identity(&gram) && !near_identity(&(&gram * f64::NAN)));
    }
}
