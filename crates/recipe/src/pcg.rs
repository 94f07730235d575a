//! Preconditioned conjugate gradients for all fits at once.
//!
//! The recurrence of Hestenes and Stiefel 1952 for each column of each fit, all columns multiplied together; the
//! preconditioner is [`Nystrom`]'s, with landmarks that all fits share. A column is left out as
//! soon as it is done, so that later products are with fewer columns.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::{Groups, Nystrom, Rbf, Step, Stepped, ratio};

/// Products with the kernel before a fit is given up.
const MAX_ITERATIONS: usize = 100;
/// Iterations in which the worst residual must have fallen.
const PATIENCE: usize = 10;
/// How far the true residual may be above the one that the recurrence carries along.
const DRIFT: f64 = 4.0;
/// Rows of a fit in which the true residual is looked at.
const PROBES: usize = 256;

/// (K_f + `alpha` I) C_f = T_f for every fit f, and how accurately it is to be solved.
pub(crate) struct System<'a, S: Rbf> {
    pub(crate) kernel: &'a S::Shared,
    pub(crate) preconditioner: &'a Nystrom<S>,
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
struct Fit<S: Rbf> {
    /// Index in [`Groups::fits`].
    index: usize,
    /// Cells x targets; a column is put here when it is done.
    coefficients: S::Matrix,
    /// Number of columns.
    targets: usize,
    /// The columns that are not done.
    columns: Vec<u32>,
    solution: S::Matrix,
    residual: S::Matrix,
    direction: S::Matrix,
    /// Residual times preconditioned residual, by column; nothing before the first iteration.
    product: Option<S::Scalars>,
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
pub(crate) fn solve<S: Rbf>(
    stages: &mut S,
    system: &System<'_, S>,
    targets: &[(usize, S::Matrix)],
    watch: &mut dyn FnMut(f64),
) -> Result<Vec<Solved<S::Matrix>>, S::Error> {
    let mut fits = begin(stages, system, targets)?;
    for _ in 0..MAX_ITERATIONS {
        if !fits.iter().any(Fit::is_running) {
            break;
        }
        iterate(stages, system, &mut fits)?;
        watch(fits.iter().map(Fit::share).sum::<f64>() / fits.len() as f64);
    }
    check(stages, system, targets, fits)
}

fn begin<S: Rbf>(
    stages: &mut S,
    system: &System<'_, S>,
    targets: &[(usize, S::Matrix)],
) -> Result<Vec<Fit<S>>, S::Error> {
    let squares = targets.iter().map(|(_, targets)| stages.column_dots(targets, targets));
    let squares = squares.collect::<Result<Vec<_>, _>>()?;
    let squares = stages.read(&squares.iter().collect::<Vec<_>>())?;
    let fits = targets.iter().zip(&squares);
    fits.map(|((index, targets), squares)| Fit::begin(stages, system, *index, targets, squares))
        .collect()
}

/// One iteration of all fits that are not done. Nothing waits for the backend but the one reading of all their numbers.
fn iterate<S: Rbf>(
    stages: &mut S,
    system: &System<'_, S>,
    fits: &mut [Fit<S>],
) -> Result<(), S::Error> {
    let residuals = running(fits, |fit| &fit.residual);
    let next = system.preconditioner.apply(stages, system.groups, &residuals)?;
    let mut rhos = Vec::with_capacity(next.len());
    for (fit, next) in running_mut(fits).zip(next) {
        rhos.push(fit.turn(stages, &next)?);
    }
    let directions = running(fits, |fit| &fit.direction);
    let products = stages.shared_products(system.kernel, system.groups, &directions)?;
    let mut steps = Vec::with_capacity(products.len());
    for ((fit, product), rho) in running_mut(fits).zip(products).zip(&rhos) {
        steps.push(fit.step(stages, system.alpha, product, rho)?);
    }
    let numbers = steps.iter().zip(&rhos);
    let numbers: Vec<&S::Scalars> =
        numbers.flat_map(|(step, rho)| [&step.curvature, &step.squares, rho]).collect();
    let numbers = stages.read(&numbers)?;
    for ((fit, rho), numbers) in running_mut(fits).zip(rhos).zip(numbers.as_chunks().0) {
        fit.judge(stages, rho, numbers)?;
    }
    Ok(())
}

/// A matrix of each fit that is not done.
fn running<S: Rbf>(
    fits: &[Fit<S>],
    matrix: impl Fn(&Fit<S>) -> &S::Matrix,
) -> Vec<(usize, &S::Matrix)> {
    fits.iter().filter(|fit| fit.is_running()).map(|fit| (fit.index, matrix(fit))).collect()
}

fn running_mut<S: Rbf>(fits: &mut [Fit<S>]) -> impl Iterator<Item = &mut Fit<S>> {
    fits.iter_mut().filter(|fit| fit.is_running())
}

impl<S: Rbf> Fit<S> {
    /// With the squared norms of the targets' columns.
    fn begin(
        stages: &mut S,
        system: &System<'_, S>,
        index: usize,
        targets: &S::Matrix,
        squares: &[f64],
    ) -> Result<Self, S::Error> {
        let mut fit = Self {
            index,
            coefficients: stages.zeros(system.groups.len_of(index), squares.len())?,
            targets: squares.len(),
            columns: (0..squares.len() as u32).collect(),
            solution: stages.zeros(system.groups.len_of(index), squares.len())?,
            residual: stages.copy(targets)?,
            direction: stages.zeros(system.groups.len_of(index), squares.len())?,
            product: None,
            limit: system.limit(squares),
            history: Vec::new(),
            state: State::Running,
        };
        fit.look(stages, squares)?;
        Ok(fit)
    }

    fn is_running(&self) -> bool {
        self.state == State::Running
    }

    /// Turns the direction towards the preconditioned residual `next`; gives the product of both residuals.
    fn turn(&mut self, stages: &mut S, next: &S::Matrix) -> Result<S::Scalars, S::Error> {
        let rho = stages.column_dots(&self.residual, next)?;
        stages.turn(&mut self.direction, next, &rho, self.product.as_ref())?;
        Ok(rho)
    }

    /// One step along the direction, whose product with the fit's kernel is given.
    fn step(
        &mut self,
        stages: &mut S,
        alpha: f64,
        product: S::Matrix,
        rho: &S::Scalars,
    ) -> Result<Stepped<S::Scalars>, S::Error> {
        let Self { solution, residual, direction, .. } = self;
        stages.step(Step { solution, residual, direction, product, alpha, rho })
    }

    /// Judges a step by the numbers that it left, `rho` the last of them.
    fn judge(
        &mut self,
        stages: &mut S,
        rho: S::Scalars,
        [curvature, squares, product]: &[Vec<f64>; 3],
    ) -> Result<(), S::Error> {
        let left = self.look(stages, squares)?;
        if curvature.iter().any(|&curvature| curvature < 0.0) {
            self.state = State::GivenUp;
        }
        self.product = Some(if self.is_running() && left.len() < product.len() {
            let of_left: Vec<f64> = left.iter().map(|&column| product[column as usize]).collect();
            stages.scalars(&of_left)?
        } else {
            rho
        });
        Ok(())
    }

    /// Puts away the columns that are done, and judges the rest by the squared norms of their residuals. Gives those that
    /// are left, counted among those there were.
    fn look(&mut self, stages: &mut S, squares: &[f64]) -> Result<Vec<u32>, S::Error> {
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
            stages.put_columns(&mut self.coefficients, &self.columns, &self.solution)?;
            return Ok(Vec::new());
        }
        let left: Vec<u32> =
            (0..).zip(&over).filter(|(_, over)| **over > 1.0).map(|(column, _)| column).collect();
        if left.len() < self.columns.len() {
            stages.put_columns(&mut self.coefficients, &self.columns, &self.solution)?;
            for matrix in [&mut self.solution, &mut self.residual, &mut self.direction] {
                *matrix = stages.select_columns(matrix, &left)?;
            }
            self.columns = left.iter().map(|&column| self.columns[column as usize]).collect();
        }
        Ok(left)
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
/// not by [`Rbf::shared_products`], whose entries may be rounded more than a small alpha bears.
fn check<S: Rbf>(
    stages: &mut S,
    system: &System<'_, S>,
    targets: &[(usize, S::Matrix)],
    fits: Vec<Fit<S>>,
) -> Result<Vec<Solved<S::Matrix>>, S::Error> {
    let mut probes = Vec::with_capacity(fits.len());
    for (fit, (_, targets)) in fits.iter().zip(targets) {
        if fit.state == State::Done {
            probes.push(system.probe(stages, fit, targets)?);
        }
    }
    let probes = stages.read(&probes.iter().collect::<Vec<_>>())?;
    let mut probes = probes.iter();
    let mut is_near = |fit: &Fit<S>| {
        fit.state == State::Done
            && probes.next().is_some_and(|squares| system.over(fit, squares) <= DRIFT)
    };
    let solved = |fit: Fit<S>| Solved { converged: is_near(&fit), coefficients: fit.coefficients };
    Ok(fits.into_iter().map(solved).collect())
}

impl<S: Rbf> System<'_, S> {
    /// A column's part of the tolerance, by the squared norms of the targets' columns.
    fn limit(&self, squares: &[f64]) -> f64 {
        self.tolerance * (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt()
    }

    /// The true residual of a fit in some of its rows: squared norms by column.
    fn probe(
        &self,
        stages: &mut S,
        fit: &Fit<S>,
        targets: &S::Matrix,
    ) -> Result<S::Scalars, S::Error> {
        let cells: Vec<u32> =
            self.groups.parts_of(fit.index).flatten().map(|position| position as u32).collect();
        let rows = sample(cells.len(), PROBES, fit.index as u64);
        let probed: Vec<u32> = rows.iter().map(|&row| cells[row as usize]).collect();
        let (x, all) = (stages.gather_rows(self.x, &probed)?, stages.gather_rows(self.x, &cells)?);
        let mut residual = stages.kernel_product(&x, &all, self.gamma, &fit.coefficients)?;
        let (own, wanted) =
            (stages.gather_rows(&fit.coefficients, &rows)?, stages.gather_rows(targets, &rows)?);
        let mut all = |value: f64| stages.scalars(&vec![value; fit.targets]);
        let (one, alpha, minus) = (all(1.0)?, all(self.alpha)?, all(-1.0)?);
        stages.combine_columns((&mut residual, &one), (&own, &alpha))?;
        stages.combine_columns((&mut residual, &one), (&wanted, &minus))?;
        stages.column_dots(&residual, &residual)
    }

    /// The true residual of a fit over what the tolerance allows, from its squares in the rows that are probed.
    fn over(&self, fit: &Fit<S>, squares: &[f64]) -> f64 {
        let cells = self.groups.len_of(fit.index);
        let share = PROBES.min(cells) as f64 / cells as f64;
        let found = squares.iter().sum::<f64>() / share;
        ratio(found.sqrt(), fit.limit * (fit.targets as f64).sqrt())
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

fn larger(a: f64, b: f64) -> f64 {
    if b.is_nan() { f64::INFINITY } else { a.max(b) }
}

#[cfg(test)]
mod tests;
