//! Preconditioned conjugate gradients for all fits at once.
//!
//! The recurrence of Hestenes and Stiefel 1952 for each column of each fit, all columns multiplied together; the
//! preconditioner is Nystrom's (Williams and Seeger 2001) with landmarks that all fits share. A column is left out as
//! soon as it is done, so that later products are with fewer columns.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::{Groups, Stages};

/// Products with the kernel before a fit is given up.
const MAX_ITERATIONS: usize = 100;
/// Iterations in which the worst residual must have fallen.
const PATIENCE: usize = 10;
/// How far the true residual may be above the one that the recurrence carries along.
const DRIFT: f64 = 4.0;
/// Rows of a fit in which the true residual is looked at.
const PROBES: usize = 256;

/// (K_f + `alpha` I) C_f = T_f for every fit f, and how accurately it is to be solved.
pub(crate) struct System<'a, S: Stages> {
    pub(crate) kernel: &'a S::Shared,
    pub(crate) preconditioner: &'a S::Preconditioner,
    pub(crate) groups: &'a Groups,
    /// Scores in the order of the groups.
    pub(crate) x: &'a S::Matrix,
    pub(crate) gamma: f64,
    pub(crate) alpha: f64,
    /// Norm of the residual over that of the targets.
    pub(crate) tolerance: f64,
}

/// What comes of a fit.
pub(crate) struct Solved<M> {
    /// Dual coefficients, cells x targets, in the order of [`Groups::cells_of`].
    pub(crate) coefficients: M,
    /// Whether the true residual is near enough to what was asked for.
    pub(crate) converged: bool,
}

/// A fit under way. The matrices beside `coefficients` have the columns that are not done.
struct Fit<M> {
    /// Index in [`Groups::fits`].
    index: usize,
    /// Cells x targets; a column is put here when it is done.
    coefficients: M,
    /// Number of columns.
    targets: usize,
    /// The columns that are not done.
    columns: Vec<u32>,
    solution: M,
    residual: M,
    direction: M,
    /// Residual times preconditioned residual, by column.
    product: Vec<f64>,
    /// At which norm of its residual a column is done.
    limit: f64,
    /// The worst residual over the limit: at the start and after each iteration.
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

/// Solves the fits named in `targets` until no column's residual is longer than its part of the tolerance: the norm of
/// T_f (Frobenius) over the root of its number of columns, times the tolerance. `watch` is told the share of the way.
pub(crate) fn solve<S: Stages>(
    stages: &mut S,
    system: &System<'_, S>,
    targets: &[(usize, S::Matrix)],
    watch: &mut dyn FnMut(f64),
) -> Result<Vec<Solved<S::Matrix>>, S::Error> {
    let mut fits = Vec::with_capacity(targets.len());
    for (index, targets) in targets {
        fits.push(Fit::begin(stages, system, *index, targets)?);
    }
    for _ in 0..MAX_ITERATIONS {
        let residuals = running(&fits, |fit| &fit.residual);
        if residuals.is_empty() {
            break;
        }
        let next = stages.precondition(system.preconditioner, system.groups, &residuals)?;
        for (fit, next) in fits.iter_mut().filter(|fit| fit.is_running()).zip(next) {
            fit.turn(stages, next)?;
        }
        let directions = running(&fits, |fit| &fit.direction);
        let products = stages.shared_products(system.kernel, system.groups, &directions)?;
        for (fit, product) in fits.iter_mut().filter(|fit| fit.is_running()).zip(products) {
            fit.step(stages, system, product)?;
        }
        watch(fits.iter().map(Fit::share).sum::<f64>() / fits.len() as f64);
    }
    check(stages, system, targets, fits)
}

/// A matrix of each fit that is not done.
fn running<M>(fits: &[Fit<M>], matrix: impl Fn(&Fit<M>) -> &M) -> Vec<(usize, &M)> {
    fits.iter().filter(|fit| fit.is_running()).map(|fit| (fit.index, matrix(fit))).collect()
}

impl<M> Fit<M> {
    fn begin<S: Stages<Matrix = M>>(
        stages: &mut S,
        system: &System<'_, S>,
        index: usize,
        targets: &M,
    ) -> Result<Self, S::Error> {
        let squares = stages.column_dots(targets, targets)?;
        let mut fit = Self {
            index,
            coefficients: stages.zeros(system.groups.len_of(index), squares.len())?,
            targets: squares.len(),
            columns: (0..squares.len() as u32).collect(),
            solution: stages.zeros(system.groups.len_of(index), squares.len())?,
            residual: stages.copy(targets)?,
            direction: stages.zeros(system.groups.len_of(index), squares.len())?,
            product: vec![0.0; squares.len()],
            limit: system.limit(&squares),
            history: Vec::new(),
            state: State::Running,
        };
        fit.look(stages, &squares)?;
        Ok(fit)
    }

    fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Turns the direction towards the preconditioned residual `next`.
    fn turn<S: Stages<Matrix = M>>(&mut self, stages: &mut S, next: M) -> Result<(), S::Error> {
        let product = stages.column_dots(&self.residual, &next)?;
        let is_first = self.history.len() == 1;
        let keep = |(&new, &old): (&f64, &f64)| if is_first { 0.0 } else { ratio(new, old) };
        let keep: Vec<f64> = product.iter().zip(&self.product).map(keep).collect();
        let take = vec![1.0; keep.len()];
        stages.combine_columns((&mut self.direction, &keep), (&next, &take))?;
        self.product = product;
        Ok(())
    }

    /// One step along the direction, whose product with the fit's kernel is given.
    fn step<S: Stages<Matrix = M>>(
        &mut self,
        stages: &mut S,
        system: &System<'_, S>,
        mut product: M,
    ) -> Result<(), S::Error> {
        let one = vec![1.0; self.columns.len()];
        let alpha = vec![system.alpha; self.columns.len()];
        stages.combine_columns((&mut product, &one), (&self.direction, &alpha))?;
        let curvature = stages.column_dots(&self.direction, &product)?;
        let lengths: Vec<f64> =
            self.product.iter().zip(&curvature).map(|(&p, &c)| ratio(p, c)).collect();
        let back: Vec<f64> = lengths.iter().map(|length| -length).collect();
        stages.combine_columns((&mut self.solution, &one), (&self.direction, &lengths))?;
        stages.combine_columns((&mut self.residual, &one), (&product, &back))?;
        let squares = stages.column_dots(&self.residual, &self.residual)?;
        self.look(stages, &squares)?;
        if curvature.iter().any(|&curvature| curvature < 0.0) {
            self.state = State::GivenUp;
        }
        Ok(())
    }

    /// Puts away the columns that are done, and judges the rest by the squared norms of their residuals.
    fn look<S: Stages<Matrix = M>>(
        &mut self,
        stages: &mut S,
        squares: &[f64],
    ) -> Result<(), S::Error> {
        let over: Vec<f64> =
            squares.iter().map(|square| ratio(square.sqrt(), self.limit)).collect();
        let worst = over.iter().copied().fold(0.0, larger);
        let before = self.history.len().checked_sub(PATIENCE).map(|i| self.history[i]);
        self.history.push(worst);
        if worst <= 1.0 {
            self.state = State::Done;
        } else if !worst.is_finite() || before.is_some_and(|before| worst >= before) {
            self.state = State::GivenUp;
        }
        if self.state != State::Running {
            return stages.put_columns(&mut self.coefficients, &self.columns, &self.solution);
        }
        let left: Vec<u32> =
            (0..).zip(&over).filter(|(_, over)| **over > 1.0).map(|(column, _)| column).collect();
        if left.len() < self.columns.len() {
            stages.put_columns(&mut self.coefficients, &self.columns, &self.solution)?;
            for matrix in [&mut self.solution, &mut self.residual, &mut self.direction] {
                *matrix = stages.select_columns(matrix, &left)?;
            }
            self.product = left.iter().map(|&column| self.product[column as usize]).collect();
            self.columns = left.iter().map(|&column| self.columns[column as usize]).collect();
        }
        Ok(())
    }

    /// How much of the way from the first residual to the limit is behind, as residuals fall by factors.
    fn share(&self) -> f64 {
        match (self.state, self.history.first(), self.history.last()) {
            (State::Running, Some(first), Some(now)) => {
                (1.0 - now.ln() / first.ln()).clamp(0.0, 1.0)
            }
            _ => 1.0,
        }
    }
}

/// Holds the true residuals, T_f - (K_f + alpha I) C_f, against the tolerance, in some of the rows: by the kernel itself,
/// not by [`Stages::shared_products`], whose entries may be rounded more than a small alpha bears.
fn check<S: Stages>(
    stages: &mut S,
    system: &System<'_, S>,
    targets: &[(usize, S::Matrix)],
    fits: Vec<Fit<S::Matrix>>,
) -> Result<Vec<Solved<S::Matrix>>, S::Error> {
    let mut solved = Vec::with_capacity(fits.len());
    for (fit, (_, targets)) in fits.into_iter().zip(targets) {
        let converged =
            fit.state == State::Done && system.residual(stages, &fit, targets)? <= DRIFT;
        solved.push(Solved { coefficients: fit.coefficients, converged });
    }
    Ok(solved)
}

impl<S: Stages> System<'_, S> {
    /// A column's part of the tolerance, by the squared norms of the targets' columns.
    fn limit(&self, squares: &[f64]) -> f64 {
        self.tolerance * (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt()
    }

    /// The true residual of a fit that is done, over what the tolerance allows, from some of its rows.
    fn residual(
        &self,
        stages: &mut S,
        fit: &Fit<S::Matrix>,
        targets: &S::Matrix,
    ) -> Result<f64, S::Error> {
        let cells: Vec<u32> =
            self.groups.parts_of(fit.index).flatten().map(|position| position as u32).collect();
        let rows = sample(cells.len(), PROBES, fit.index as u64);
        let probed: Vec<u32> = rows.iter().map(|&row| cells[row as usize]).collect();
        let (x, all) = (stages.gather_rows(self.x, &probed)?, stages.gather_rows(self.x, &cells)?);
        let mut residual = stages.kernel_product(&x, &all, self.gamma, &fit.coefficients)?;
        let (own, wanted) =
            (stages.gather_rows(&fit.coefficients, &rows)?, stages.gather_rows(targets, &rows)?);
        let [one, alpha, minus] = [1.0, self.alpha, -1.0].map(|value| vec![value; fit.targets]);
        stages.combine_columns((&mut residual, &one), (&own, &alpha))?;
        stages.combine_columns((&mut residual, &one), (&wanted, &minus))?;
        let found = stages.column_dots(&residual, &residual)?.iter().sum::<f64>();
        let share = rows.len() as f64 / cells.len() as f64;
        Ok(ratio((found / share).sqrt(), fit.limit * (fit.targets as f64).sqrt()))
    }
}

/// So many distinct numbers below `all`, ascending; all of them if there are no more.
pub(crate) fn sample(all: usize, wanted: usize, seed: u64) -> Vec<u32> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut rows: Vec<u32> = rand::seq::index::sample(rng, all, wanted.min(all))
        .into_iter()
        .map(|row| row as u32)
        .collect();
    rows.sort_unstable();
    rows
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
        let few = TsvdKrrParams { landmarks: Some(3), tolerance: 1e-7, ..<_>::default() };
        for alpha in [1e-6, 1e-2, 0.2] {
            let of = |solver| predict(&TsvdKrrParams { alpha, solver, ..few.clone() });
            let ((wanted, _), (found, notes)) = (of(Solver::Cholesky), of(Solver::Pcg));
            let worst = (&found - &wanted).iter().fold(0.0_f32, |worst, d| worst.max(d.abs()));
            assert!(worst < 1e-3, "alpha {alpha}: off by {worst}, {notes:?}");
        }
    }

    #[test]
    fn what_does_not_converge_is_tried_with_more_landmarks_and_then_solved_exactly() {
        let pcg = TsvdKrrParams { landmarks: Some(3), tolerance: 1e-7, ..<_>::default() };
        assert!(predict(&pcg).1.is_empty(), "it converges");
        // A tolerance that cannot be met.
        let (found, notes) = predict(&TsvdKrrParams { tolerance: 1e-300, ..pcg.clone() });
        let why = "fits 1, 2: conjugate gradients did not reach a residual of 1e-300";
        let wanted = ["tried with 6 landmarks", "solved by Cholesky factorisation"];
        assert_eq!(notes, wanted.map(|then| format!("{why}; {then}")));
        let (wanted, _) = predict(&TsvdKrrParams { solver: Solver::Cholesky, ..pcg });
        assert_eq!(found, wanted);
    }
}
