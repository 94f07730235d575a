//! Preconditioned conjugate gradients for all fits at once.
//!
//! Block PCG after Hestenes and Stiefel 1952, one recurrence a column; the preconditioner is that of Nystrom
//! (Williams and Seeger 2001) with landmarks that all fits share.

use crate::{Groups, Stages};

/// Products with the kernel before a fit is given up.
const MAX_ITERATIONS: usize = 100;
/// Iterations in which the worst residual must have fallen.
const PATIENCE: usize = 10;
/// How far the true residual may be above the one that the recurrence carries along.
const DRIFT: f64 = 10.0;

/// What comes of a fit.
pub(crate) struct Solved<M> {
    /// Dual coefficients, cells x targets, in the order of [`Groups::cells_of`].
    pub(crate) coefficients: M,
    /// Whether every column's true residual is as small as was asked for.
    pub(crate) converged: bool,
}

/// A fit under way.
struct Fit<M> {
    coefficients: M,
    residual: M,
    direction: M,
    /// Residual times preconditioned residual, by column.
    product: Vec<f64>,
    /// Norms of the targets, by column.
    scale: Vec<f64>,
    /// The worst relative residual after each iteration.
    history: Vec<f64>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Done,
    /// Broken down or standing still.
    GivenUp,
}

/// Solves (K_f + `alpha` I) C_f = T_f for every fit f, until each column's residual is at most `tolerance` times the
/// norm of its target.
pub(crate) fn solve<S: Stages>(
    stages: &mut S,
    kernel: &S::Shared,
    preconditioner: &S::Preconditioner,
    groups: &Groups,
    (alpha, tolerance): (f64, f64),
    targets: &[S::Matrix],
) -> Result<Vec<Solved<S::Matrix>>, S::Error> {
    let mut fits = Vec::with_capacity(targets.len());
    for (fit, targets) in targets.iter().enumerate() {
        fits.push(Fit::begin(stages, preconditioner, groups, fit, targets)?);
    }
    for _ in 0..MAX_ITERATIONS {
        let running: Vec<usize> =
            (0..fits.len()).filter(|&fit| fits[fit].state == State::Running).collect();
        if running.is_empty() {
            break;
        }
        let directions: Vec<(usize, &S::Matrix)> =
            running.iter().map(|&fit| (fit, &fits[fit].direction)).collect();
        let products = stages.shared_products(kernel, groups, &directions)?;
        for (&fit, product) in running.iter().zip(products) {
            fits[fit].step(stages, preconditioner, groups, (fit, product), (alpha, tolerance))?;
        }
    }
    check(stages, kernel, groups, (alpha, tolerance), targets, fits)
}

impl<M> Fit<M> {
    fn begin<S: Stages<Matrix = M>>(
        stages: &mut S,
        preconditioner: &S::Preconditioner,
        groups: &Groups,
        fit: usize,
        targets: &M,
    ) -> Result<Self, S::Error> {
        let residual = stages.copy(targets)?;
        let direction = stages.precondition(preconditioner, groups, fit, &residual)?;
        let product = stages.column_dots(&residual, &direction)?;
        let norms = stages.column_dots(targets, targets)?;
        Ok(Self {
            coefficients: stages.zeros(groups.len_of(fit), norms.len())?,
            residual,
            direction,
            product,
            scale: norms.into_iter().map(f64::sqrt).collect(),
            history: Vec::new(),
            state: State::Running,
        })
    }

    /// One step along the direction, whose product with the fit's kernel is given.
    fn step<S: Stages<Matrix = M>>(
        &mut self,
        stages: &mut S,
        preconditioner: &S::Preconditioner,
        groups: &Groups,
        (fit, mut product): (usize, M),
        (alpha, tolerance): (f64, f64),
    ) -> Result<(), S::Error> {
        let columns = self.scale.len();
        let one = vec![1.0; columns];
        stages.combine_columns((&mut product, &one), (&self.direction, &vec![alpha; columns]))?;
        let curvature = stages.column_dots(&self.direction, &product)?;
        let lengths: Vec<f64> =
            self.product.iter().zip(&curvature).map(|(&p, &c)| ratio(p, c)).collect();
        let back: Vec<f64> = lengths.iter().map(|length| -length).collect();
        stages.combine_columns((&mut self.coefficients, &one), (&self.direction, &lengths))?;
        stages.combine_columns((&mut self.residual, &one), (&product, &back))?;

        let norms = stages.column_dots(&self.residual, &self.residual)?;
        let relative: Vec<f64> =
            norms.iter().zip(&self.scale).map(|(norm, scale)| ratio(norm.sqrt(), *scale)).collect();
        self.history.push(relative.iter().copied().fold(0.0, larger));
        self.state = self.judge(tolerance, &curvature);
        if self.state != State::Running {
            return Ok(());
        }

        let next = stages.precondition(preconditioner, groups, fit, &self.residual)?;
        let product = stages.column_dots(&self.residual, &next)?;
        // A column that is done goes no further: its direction is zero from here on.
        let running = |column: usize| relative[column] > tolerance;
        let keep: Vec<f64> =
            (0..columns)
                .map(|column| {
                    if running(column) { ratio(product[column], self.product[column]) } else { 0.0 }
                })
                .collect();
        let take: Vec<f64> =
            (0..columns).map(|column| f64::from(u8::from(running(column)))).collect();
        stages.combine_columns((&mut self.direction, &keep), (&next, &take))?;
        self.product = (0..columns).map(|column| take[column] * product[column]).collect();
        Ok(())
    }

    fn judge(&self, tolerance: f64, curvature: &[f64]) -> State {
        let worst = self.history.last().copied().unwrap_or(f64::INFINITY);
        let before = self.history.len().checked_sub(PATIENCE + 1).map(|i| self.history[i]);
        if worst <= tolerance {
            State::Done
        } else if !worst.is_finite()
            || curvature.iter().any(|&curvature| curvature < 0.0)
            || before.is_some_and(|before| worst >= before)
        {
            State::GivenUp
        } else {
            State::Running
        }
    }
}

/// Holds the true residuals, T_f - (K_f + alpha I) C_f, against the tolerance.
fn check<S: Stages>(
    stages: &mut S,
    kernel: &S::Shared,
    groups: &Groups,
    (alpha, tolerance): (f64, f64),
    targets: &[S::Matrix],
    fits: Vec<Fit<S::Matrix>>,
) -> Result<Vec<Solved<S::Matrix>>, S::Error> {
    let coefficients: Vec<(usize, &S::Matrix)> =
        fits.iter().enumerate().map(|(fit, state)| (fit, &state.coefficients)).collect();
    let products = stages.shared_products(kernel, groups, &coefficients)?;
    let mut solved = Vec::with_capacity(fits.len());
    for ((fit, mut product), targets) in fits.into_iter().zip(products).zip(targets) {
        let columns = fit.scale.len();
        let one = vec![1.0; columns];
        stages.combine_columns((&mut product, &one), (&fit.coefficients, &vec![alpha; columns]))?;
        stages.combine_columns((&mut product, &one), (targets, &vec![-1.0; columns]))?;
        let norms = stages.column_dots(&product, &product)?;
        let good = |(norm, scale): (&f64, &f64)| ratio(norm.sqrt(), *scale) <= DRIFT * tolerance;
        let converged = fit.state == State::Done && norms.iter().zip(&fit.scale).all(good);
        solved.push(Solved { coefficients: fit.coefficients, converged });
    }
    Ok(solved)
}

/// Nothing of nothing is nothing.
fn ratio(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / b }
}

fn larger(a: f64, b: f64) -> f64 {
    if b.is_nan() { f64::INFINITY } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use modality_harness::{
        clock::StageClock,
        methods::{Solver, TsvdKrrParams},
        protocol::Event,
    };
    use ndarray::Array2;

    use crate::{Exact, Problem, tsvd_krr};

    /// Predictions, and what was noted.
    fn predict(params: &TsvdKrrParams) -> (Array2<f32>, Vec<String>) {
        // Every cell is there twice, so that the kernel has no inverse without alpha.
        let gex = |cells: usize, step: usize| {
            let value = |(i, j): (usize, usize)| ((i / 2 * step + j * 29) % 83) as f32 / 83.0;
            sprs::CsMatI::csr_from_dense(Array2::from_shape_fn((cells, 12), value).view(), 0.0)
        };
        let adt = Array2::from_shape_fn((120, 5), |(i, j)| ((i * 7 + j * 3) % 31) as f32 / 31.0);
        let fits = vec![(0..80).collect(), (40..120).collect()];
        let (train_gex, test_gex) = (gex(120, 17), gex(30, 19));
        let problem = Problem {
            train_gex: &train_gex,
            train_adt: adt.view(),
            test_gex: &test_gex,
            fits: &fits,
            seed: 1,
        };
        let mut notes = Vec::new();
        let mut clock = StageClock::new(|event| {
            if let Event::Note { text } = event {
                notes.push(text);
            }
        });
        let predicted = tsvd_krr(&mut Exact, &problem, params, &mut clock).unwrap();
        drop(clock);
        (predicted, notes)
    }

    #[test]
    fn an_ill_conditioned_kernel_is_never_solved_wrongly_in_silence() {
        let few = TsvdKrrParams { landmarks: 3, tolerance: 1e-7, ..TsvdKrrParams::default() };
        let mut fell_back = 0;
        for alpha in [1e-6, 1e-2, 0.2] {
            let of = |solver| predict(&TsvdKrrParams { alpha, solver, ..few.clone() });
            let ((wanted, _), (found, notes)) = (of(Solver::Cholesky), of(Solver::Pcg));
            let worst = (&found - &wanted).iter().fold(0.0_f32, |worst, d| worst.max(d.abs()));
            assert!(worst < 1e-3, "alpha {alpha}: off by {worst}, {notes:?}");
            assert!(notes.iter().all(|note| note.contains("by Cholesky factorisation")));
            fell_back += usize::from(!notes.is_empty());
        }
        // A tolerance that cannot be met is met by nobody.
        let (_, notes) =
            predict(&TsvdKrrParams { solver: Solver::Pcg, tolerance: 1e-300, ..few.clone() });
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(fell_back < 3, "conjugate gradients never converge");
    }
}
