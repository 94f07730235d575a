//! What Gram matrices say of the columns that they are of, in float64.

use ndarray::{Array2, Axis, s};

use crate::{NotConverged, descending_eigen};

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
