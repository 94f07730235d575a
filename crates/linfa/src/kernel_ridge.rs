//! Kernel ridge regression.

use linfa::{
    DatasetBase, ParamGuard,
    dataset::AsTargets,
    traits::{Fit, PredictInplace},
};
use modality_dense as dense;
use ndarray::{Array2, ArrayBase, ArrayView2, Axis, Data, Ix2, ShapeBuilder as _};

use crate::{Kernel, Real};

type Result<T, E = KernelRidgeError> = std::result::Result<T, E>;

/// A setting or data set that has no such regression.
#[derive(Debug, thiserror::Error)]
pub enum KernelRidgeError {
    /// A setting out of its range.
    #[error("{name} is {value}; it must be {wanted}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// As given.
        value: f64,
        /// What would be right.
        wanted: &'static str,
    },
    /// Records and targets do not belong together.
    #[error(
        "{records} records and {targets} rows of targets; there must be as many, and at least one"
    )]
    Samples {
        /// Rows of the records.
        records: usize,
        /// Rows of the targets.
        targets: usize,
    },
    /// NaN or infinity.
    #[error("the {0} hold NaN or infinite values")]
    NotFinite(&'static str),
    /// The Cholesky factorisation met a pivot that is not positive.
    #[error(
        "K + alpha I is not positive definite at row {row}: alpha {alpha:e} is too small for this kernel and precision"
    )]
    NotPositiveDefinite {
        /// Row of the pivot.
        row: usize,
        /// As given.
        alpha: f64,
    },
    /// From linfa.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}

/// Kernel ridge regression: predictions K(x, X) C with (K + alpha I) C = T, where X are the training rows and T
/// their targets, rows x targets, all targets at once. A vector of targets counts as one column, and is predicted as
/// one.
///
/// As scikit-learn's `KernelRidge`, there is no intercept. Solved exactly by Cholesky factorisation of the
/// n x n kernel matrix: n^3 / 3 operations and one matrix of memory.
///
/// ```
/// use backend_linfa::{Kernel, KernelRidge};
/// use linfa::{Dataset, traits::{Fit, Predict}};
/// use ndarray::array;
///
/// let x = array![[0.0], [1.0], [2.0], [3.0]];
/// let y = array![[0.0, 1.0], [1.0, 0.0], [4.0, 1.0], [9.0, 0.0]];
/// let model = KernelRidge::params(Kernel::Rbf { gamma: 0.5 }).alpha(1e-6).fit(&Dataset::new(x.clone(), y))?;
/// let predicted = model.predict(&x);
/// assert!((predicted[[2, 0]] - 4.0_f64).abs() < 1e-3);
/// # Ok::<(), backend_linfa::KernelRidgeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KernelRidge<F> {
    kernel: Kernel<F>,
    records: Array2<F>,
    coefficients: Array2<F>,
}

/// Settings of [`KernelRidge`], not checked yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelRidgeParams<F>(KernelRidgeValidParams<F>);

/// Settings of [`KernelRidge`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KernelRidgeValidParams<F> {
    kernel: Kernel<F>,
    alpha: F,
}

impl<F: Real> KernelRidge<F> {
    /// Settings for `kernel`: alpha 1.
    pub fn params(kernel: Kernel<F>) -> KernelRidgeParams<F> {
        KernelRidgeParams(KernelRidgeValidParams { kernel, alpha: F::one() })
    }

    /// C, the dual coefficients: training rows x targets.
    pub fn coefficients(&self) -> &Array2<F> {
        &self.coefficients
    }
}

impl<F> KernelRidgeParams<F> {
    /// Added to the diagonal of the kernel matrix; above 0.
    pub fn alpha(mut self, alpha: F) -> Self {
        self.0.alpha = alpha;
        self
    }
}

impl<F: Real> ParamGuard for KernelRidgeParams<F> {
    type Checked = KernelRidgeValidParams<F>;
    type Error = KernelRidgeError;

    fn check_ref(&self) -> Result<&Self::Checked> {
        positive("alpha", self.0.alpha)?;
        match self.0.kernel {
            Kernel::Rbf { gamma } | Kernel::Laplacian { gamma } => positive("gamma", gamma)?,
            Kernel::Polynomial { gamma, coef0, degree } => {
                positive("gamma", gamma)?;
                let setting =
                    |name, value, wanted| Err(KernelRidgeError::Setting { name, value, wanted });
                if degree == 0 {
                    return setting("degree", 0.0, "at least 1");
                }
                if !num_traits::Float::is_finite(coef0) {
                    return setting("coef0", as_written(coef0), "a finite number");
                }
            }
            Kernel::Linear => {}
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<Self::Checked> {
        self.check_ref()?;
        Ok(self.0)
    }
}

fn positive<F: Real>(name: &'static str, value: F) -> Result<()> {
    if num_traits::Float::is_finite(value) && value > F::zero() {
        return Ok(());
    }
    Err(KernelRidgeError::Setting {
        name,
        value: as_written(value),
        wanted: "a finite number above 0",
    })
}

/// The value with the digits that its own type prints: 0.1 in float32 is 0.1, not 0.10000000149.
fn as_written<F: Real>(value: F) -> f64 {
    value.to_string().parse().expect("a number reads as it was printed")
}

impl<F, D, T> Fit<ArrayBase<D, Ix2>, T, KernelRidgeError> for KernelRidgeValidParams<F>
where
    F: Real,
    D: Data<Elem = F>,
    T: AsTargets<Elem = F>,
{
    type Object = KernelRidge<F>;

    fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<KernelRidge<F>> {
        let (records, targets) = (dataset.records.view(), columns(&dataset.targets)?);
        if records.nrows() != targets.nrows() || records.is_empty() {
            return Err(KernelRidgeError::Samples {
                records: records.nrows(),
                targets: targets.nrows(),
            });
        }
        for (what, values) in [("records", records), ("targets", targets)] {
            if !values.iter().all(|&value| num_traits::Float::is_finite(value)) {
                return Err(KernelRidgeError::NotFinite(what));
            }
        }
        let mut kernel = vec![F::zero(); records.nrows() * records.nrows()];
        self.kernel.lower(records, &mut kernel);
        let coefficients = solve(&mut kernel, self.alpha, targets)?;
        Ok(KernelRidge { kernel: self.kernel, records: records.to_owned(), coefficients })
    }
}

/// Targets as rows x targets; a vector is one target.
fn columns<T: AsTargets>(targets: &T) -> Result<ArrayView2<'_, T::Elem>> {
    let mut targets = targets.as_targets().into_dyn();
    if targets.ndim() == 1 {
        targets = targets.insert_axis(Axis(1));
    }
    Ok(targets.into_dimensionality().map_err(linfa::Error::from)?)
}

/// C with (K + `alpha` I) C = `targets`, by Cholesky; K is the lower triangle in `kernel`, column-major, and
/// is overwritten.
pub(crate) fn solve<F: Real>(
    kernel: &mut [F],
    alpha: F,
    targets: ArrayView2<'_, F>,
) -> Result<Array2<F>> {
    let n = targets.nrows();
    kernel.iter_mut().step_by(n + 1).for_each(|value| *value += alpha);
    // Column-major, so that the triangular solves walk along columns.
    let mut coefficients = Array2::zeros(targets.raw_dim().f());
    coefficients.assign(&targets);
    dense::cholesky_solve(kernel, &mut coefficients)
        .map_err(|row| KernelRidgeError::NotPositiveDefinite { row, alpha: as_written(alpha) })?;
    if !coefficients.iter().all(|&value| num_traits::Float::is_finite(value)) {
        return Err(KernelRidgeError::NotFinite("coefficients"));
    }
    Ok(coefficients.as_standard_layout().into_owned())
}

/// Rows x targets.
///
/// # Panics
/// If the number of columns is not that of the training rows.
impl<F: Real, D: Data<Elem = F>> PredictInplace<ArrayBase<D, Ix2>, Array2<F>> for KernelRidge<F> {
    fn predict_inplace(&self, x: &ArrayBase<D, Ix2>, y: &mut Array2<F>) {
        assert_eq!(
            x.ncols(),
            self.records.ncols(),
            "the rows have another number of columns than was fitted on"
        );
        y.assign(&self.kernel.product(x.view(), self.records.view(), self.coefficients.view()));
    }

    fn default_target(&self, x: &ArrayBase<D, Ix2>) -> Array2<F> {
        Array2::zeros((x.nrows(), self.coefficients.ncols()))
    }
}
