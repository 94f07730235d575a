//! How fast this machine multiplies matrices.

use std::time::{Duration, Instant};

use modality_dense as dense;
use ndarray::Array2;

/// Rows and columns.
const SIZE: usize = 1536;
/// A shared machine is at its best only now and then.
const PATIENCE: Duration = Duration::from_millis(400);

/// 10^9 floating-point operations a second of float32 matrix products in cache-sized pieces on the current rayon pool: the
/// best of as many products of 1,536 x 1,536 matrices as 0.4 s have room for.
pub fn product_rate() -> f64 {
    let a = Array2::from_shape_fn((SIZE, SIZE), |(i, j)| ((i * 31 + j * 17) % 97) as f32 / 97.0);
    let mut product = Array2::zeros((SIZE, SIZE));
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < PATIENCE || best.is_infinite() {
        let begin = Instant::now();
        dense::product_into(a.view(), a.view(), product.view_mut());
        best = best.min(begin.elapsed().as_secs_f64());
    }
    2e-9 * (SIZE as f64).powi(3) / best
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rate_is_one_of_a_machine() {
        let rate = super::product_rate();
        assert!(rate > 0.1 && rate < 1e6, "{rate} Gflop/s");
    }
}
