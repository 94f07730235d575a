//! Decompositions against their definitions.

use modality_dense::{
    descending_eigen, inverse_cholesky_factor, near_identity, normalising, right_vectors,
    solve_symmetric,
};
use ndarray::{Array1, Array2, s};

fn worst(matrix: &Array2<f64>) -> f64 {
    matrix.iter().fold(0.0, |worst: f64, entry| worst.max(entry.abs()))
}

/// X^T X of five columns of very different lengths, the fourth the sum of the first two and the last of zeros.
fn gram() -> Array2<f64> {
    let mut x = Array2::from_shape_fn((9, 5), |(i, j)| ((i * 7 + j * j * 3) % 11) as f64 - 5.0);
    x *= &Array1::from(vec![1.0, 1e-6, 1e5, 0.0, 0.0]);
    let sum = &x.column(0) + &x.column(1);
    x.column_mut(3).assign(&sum);
    x.t().dot(&x)
}

#[test]
fn eigenvectors_come_in_descending_order() {
    let gram = gram();
    let (values, vectors) = descending_eigen(&gram).unwrap();
    assert!(values.windows(2).into_iter().all(|pair| pair[0] >= pair[1]), "{values}");
    assert!(worst(&(gram.dot(&vectors) - &vectors * &values)) < 1e-12 * values[0]);
    assert!(worst(&(vectors.t().dot(&vectors) - Array2::<f64>::eye(5))) < 1e-12);
    assert_eq!(descending_eigen(&gram.t().to_owned()).unwrap().0, values);
    assert!(descending_eigen(&Array2::zeros((0, 0))).is_ok_and(|(values, _)| values.is_empty()));
}

#[test]
fn solutions_and_factors_fit_their_matrices() {
    let a = gram() + Array2::<f64>::eye(5);
    let rhs = Array2::from_shape_fn((5, 2), |(i, j)| (i + 3 * j) as f64);
    let x = solve_symmetric(&a, &rhs);
    assert!(worst(&(a.dot(&x) - &rhs)) < 1e-6);
    let inverse = inverse_cholesky_factor(&a).unwrap();
    assert!(worst(&(inverse.dot(&a).dot(&inverse.t()) - Array2::<f64>::eye(5))) < 1e-6);
    assert!(inverse_cholesky_factor(&-a).is_none());
    let v = right_vectors(&gram(), 2).unwrap();
    assert!(worst(&(v.dot(&v.t()) - Array2::<f64>::eye(2))) < 1e-12);
    assert!(right_vectors(&(gram() * f64::NAN), 2).is_none());
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
