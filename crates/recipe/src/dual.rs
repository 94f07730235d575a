//! The dual coefficients of an ensemble.

use modality_methods::{Solver, TsvdKrrParams};
use modality_protocol::{Stage, StageClock};

use crate::{
    Groups, Nystrom, Rbf,
    pcg::{self, System},
    problem::{Outcome, Problem, timed, timed_during},
};

/// How many times more landmarks fits get that do not converge.
pub const MORE_LANDMARKS: usize = 2;
/// Of the way to the solution.
const PERCENT: f64 = 100.0;

/// Kernel ridge regressions of `targets` on `train`, one for each fit of the problem.
pub(crate) struct Ensemble<'a, 'p, M> {
    pub(crate) problem: &'a Problem<'p>,
    pub(crate) params: &'a TsvdKrrParams,
    /// Training cells x components, standardised.
    pub(crate) train: &'a M,
    /// Training cells x targets.
    pub(crate) targets: &'a M,
    /// The fits that [differ](distinct).
    pub(crate) fits: &'a [Vec<u32>],
}

/// The fits that differ: with one batch, all ten are of the same cells, and one solution serves them all.
///
/// ```
/// let fits = [vec![0, 2], vec![1], vec![0, 2]];
/// assert_eq!(modality_recipe::distinct(&fits), [vec![0, 2], vec![1]]);
/// ```
pub fn distinct(fits: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let is_first = |(i, fit): &(usize, &Vec<u32>)| !fits[..*i].contains(fit);
    fits.iter().enumerate().filter(is_first).map(|(_, fit)| fit.clone()).collect()
}

/// What conjugate gradients need, made once for all fits.
struct Shared<S: Rbf> {
    groups: Groups,
    /// Training cells of each fit, in the order of its parts.
    cells: Vec<Vec<u32>>,
    /// Scores in the order of the groups.
    x: S::Matrix,
    kernel: S::Shared,
}

impl<M> Ensemble<'_, '_, M> {
    /// The dual coefficients of all fits added up: training cells x targets.
    ///
    /// # Errors
    /// [`Error::Stage`](crate::Error::Stage) with the backend's reason.
    pub(crate) fn coefficients<S: Rbf<Matrix = M>>(
        &self,
        stages: &mut S,
        clock: &mut StageClock<'_>,
    ) -> Outcome<S, M> {
        let columns = self.problem.train_target.columns().min(self.params.target_components);
        let mut sum = timed(stages, clock, Stage::Solve, |stages| {
            stages.zeros(self.problem.train_input.rows(), columns)
        })?;
        match self.params.solver {
            Solver::Cholesky => {
                let fits: Vec<usize> = (0..self.fits.len()).collect();
                self.add_by_cholesky(stages, clock, self.fits, &fits, &mut sum)?;
            }
            Solver::Pcg => self.add_by_pcg(stages, clock, &mut sum)?,
        }
        Ok(sum)
    }

    /// By Cholesky factorisation, one fit after the other.
    fn add_by_cholesky<S: Rbf<Matrix = M>>(
        &self,
        stages: &mut S,
        clock: &mut StageClock<'_>,
        cells: &[Vec<u32>],
        fits: &[usize],
        sum: &mut M,
    ) -> Outcome<S, ()> {
        for (done, (rows, &fit)) in (1..).zip(cells.iter().zip(fits)) {
            let kernel = timed(stages, clock, Stage::Kernel, |stages| {
                let x = stages.gather_rows(self.train, rows)?;
                stages.kernel(&x, self.params.gamma)
            })?;
            timed(stages, clock, Stage::Solve, |stages| {
                let targets = stages.gather_rows(self.targets, rows)?;
                let coefficients = stages.solve(kernel, self.params.alpha, &targets)?;
                self.add(stages, sum, fit, rows, &coefficients)
            })?;
            clock.progress(Stage::Solve, done, fits.len() as u64);
        }
        Ok(())
    }

    /// By preconditioned conjugate gradients, from one kernel that all fits share. A fit that does not converge is tried
    /// again with more landmarks, and then solved by Cholesky factorisation.
    fn add_by_pcg<S: Rbf<Matrix = M>>(
        &self,
        stages: &mut S,
        clock: &mut StageClock<'_>,
        sum: &mut M,
    ) -> Outcome<S, ()> {
        let shared = self.share(stages, clock)?;
        let all = shared.groups.cells().len();
        let landmarks = self.params.landmarks(all);
        let fits: Vec<usize> = (0..shared.cells.len()).collect();
        let mut left = self.attempt(stages, clock, &shared, (landmarks, &fits), sum)?;
        if !left.is_empty() && landmarks < all {
            let more = all.min(MORE_LANDMARKS * landmarks);
            clock.note(format!("{}; tried with {more} landmarks", self.failure(&left)));
            left = self.attempt(stages, clock, &shared, (more, &left), sum)?;
        }
        if left.is_empty() {
            return Ok(());
        }
        clock.note(format!("{}; solved by Cholesky factorisation", self.failure(&left)));
        let cells: Vec<Vec<u32>> = left.iter().map(|&fit| shared.cells[fit].clone()).collect();
        drop(shared);
        self.add_by_cholesky(stages, clock, &cells, &left, sum)
    }

    fn share<S: Rbf<Matrix = M>>(
        &self,
        stages: &mut S,
        clock: &mut StageClock<'_>,
    ) -> Outcome<S, Shared<S>> {
        timed(stages, clock, Stage::Kernel, |stages| {
            let groups = Groups::new(self.fits);
            let cells = (0..self.fits.len()).map(|fit| groups.cells_of(fit)).collect();
            let x = stages.gather_rows(self.train, groups.cells())?;
            let kernel = stages.shared_kernel(&x, self.params.gamma, &groups)?;
            Ok(Shared { groups, cells, x, kernel })
        })
    }

    /// Solves `fits` with so many landmarks and adds those that converge; gives those that do not.
    fn attempt<S: Rbf<Matrix = M>>(
        &self,
        stages: &mut S,
        clock: &mut StageClock<'_>,
        shared: &Shared<S>,
        (landmarks, fits): (usize, &[usize]),
        sum: &mut M,
    ) -> Outcome<S, Vec<usize>> {
        let Shared { groups, cells, x, kernel } = shared;
        let TsvdKrrParams { gamma, alpha, tolerance, .. } = *self.params;
        timed_during(stages, clock, Stage::Solve, |stages, clock| {
            let landmarks = pcg::sample(groups.cells().len(), landmarks, self.problem.seed);
            let preconditioner = &Nystrom::new(stages, x, (gamma, alpha), &landmarks, groups)?;
            let system = System { kernel, preconditioner, groups, x, gamma, alpha, tolerance };
            let gather = |&fit: &usize| Ok((fit, stages.gather_rows(self.targets, &cells[fit])?));
            let targets = fits.iter().map(gather).collect::<Result<Vec<_>, _>>()?;
            let mut watch = |share: f64| {
                clock.progress(Stage::Solve, (share * PERCENT).round() as u64, PERCENT as u64);
            };
            let solved = pcg::solve(stages, &system, &targets, &mut watch)?;
            let mut left = Vec::new();
            for (solved, &fit) in solved.into_iter().zip(fits) {
                if solved.converged {
                    self.add(stages, sum, fit, &cells[fit], &solved.coefficients)?;
                } else {
                    left.push(fit);
                }
            }
            Ok(left)
        })
    }

    /// Adds the coefficients of a fit to the rows of its cells, as often as there are fits that equal it.
    fn add<S: Rbf<Matrix = M>>(
        &self,
        stages: &mut S,
        sum: &mut M,
        fit: usize,
        rows: &[u32],
        coefficients: &M,
    ) -> Result<(), S::Error> {
        self.equals(fit).try_for_each(|_| stages.scatter_add_rows(sum, rows, coefficients))
    }

    /// Numbers, in the plan, of the fits that equal this one.
    fn equals(&self, fit: usize) -> impl Iterator<Item = usize> {
        let all = self.problem.fits.iter().enumerate();
        all.filter(move |(_, other)| **other == self.fits[fit]).map(|(number, _)| number)
    }

    fn failure(&self, fits: &[usize]) -> String {
        let mut fits: Vec<usize> = fits.iter().flat_map(|&fit| self.equals(fit)).collect();
        fits.sort_unstable();
        let fits: Vec<String> = fits.iter().map(|fit| (fit + 1).to_string()).collect();
        let noun = if fits.len() == 1 { "fit" } else { "fits" };
        let (fits, tolerance) = (fits.join(", "), self.params.tolerance);
        format!("{noun} {fits}: conjugate gradients did not reach a residual of {tolerance:e}")
    }
}
