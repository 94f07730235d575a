//! The method.

use modality_data::Csr;
use modality_harness::{
    clock::StageClock,
    methods::{Solver, TsvdKrrParams},
    protocol::Stage,
};
use ndarray::{Array2, ArrayView2};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::{Groups, Stages, Tsvd, pcg};

/// What is to be predicted from what.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Training cells x genes.
    pub train_gex: &'a Csr,
    /// Training cells x proteins.
    pub train_adt: ArrayView2<'a, f32>,
    /// Test cells x genes.
    pub test_gex: &'a Csr,
    /// Training cells of each fit of the ensemble.
    pub fits: &'a [Vec<u32>],
    /// Seed of the sketches.
    pub seed: u64,
}

/// Why there are no predictions.
#[derive(Debug, thiserror::Error)]
pub enum Error<E: std::error::Error> {
    /// The problem or the hyperparameters make no sense together.
    #[error("{0}")]
    Invalid(String),
    /// A stage failed.
    #[error("stage {name}: {1}", name = .0.name())]
    Stage(Stage, E),
}

/// What a step of the recipe gives on the backend `S`.
pub type Outcome<S, R> = Result<R, Error<<S as Stages>::Error>>;

/// Predicts the proteins of the test cells: test cells x proteins.
///
/// TSVD of gene expression over training and test cells, TSVD of the training proteins, row-wise
/// standardisation of the gene expression scores, one kernel ridge regression for each list of cells in
/// [`Problem::fits`], and the mean of their predictions, clipped below at zero. A modality with no more
/// columns than components are asked for is used as it is.
///
/// Predictions are linear in the dual coefficients, so the coefficients of all fits are added up cell by
/// cell and the kernel between test and training cells is needed once, not once a fit.
///
/// # Errors
/// [`Error::Invalid`] for empty or out-of-range lists of cells or more components than cells,
/// [`Error::Stage`] with the backend's reason otherwise.
pub fn tsvd_krr<S: Stages>(
    stages: &mut S,
    problem: &Problem<'_>,
    params: &TsvdKrrParams,
    clock: &mut StageClock<'_>,
) -> Result<Array2<f32>, Error<S::Error>> {
    problem.check(params).map_err(Error::Invalid)?;
    let gex = (problem.train_gex, problem.test_gex);
    let (mut train, mut test) =
        gex_scores(stages, gex, params.gex_components, problem.seed, clock)?;
    timed(stages, clock, Stage::Standardize, |stages| {
        stages.standardize_rows(&mut train)?;
        stages.standardize_rows(&mut test)
    })?;
    let (targets, components) = adt_scores(stages, problem, params, clock)?;
    let coefficients = match params.solver {
        Solver::Cholesky => by_cholesky(stages, problem, params, clock, &train, &targets)?,
        Solver::Pcg => by_pcg(stages, problem, params, clock, &train, &targets)?,
    };
    timed(stages, clock, Stage::Predict, |stages| {
        let mut sum = stages.kernel_product(&test, &train, params.gamma, &coefficients)?;
        if let Some(components) = &components {
            sum = stages.matmul(&sum, components)?;
        }
        let fits = problem.fits.len() as f32;
        Ok(stages.download(&sum)?.mapv_into(|value| value.max(0.0) / fits))
    })
}

/// Scores of training and test cells, cells x `n_components`, as stage [`Stage::TsvdGex`]; the genes as they
/// are where there are no more of them than components.
///
/// # Errors
/// [`Error::Stage`] with the backend's reason.
pub fn gex_scores<S: Stages>(
    stages: &mut S,
    (train, test): (&Csr, &Csr),
    n_components: usize,
    seed: u64,
    clock: &mut StageClock<'_>,
) -> Outcome<S, (S::Matrix, S::Matrix)> {
    timed(stages, clock, Stage::TsvdGex, |stages| {
        if train.cols() <= n_components {
            return Ok((stages.densify(train)?, stages.densify(test)?));
        }
        stages.tsvd_gex(train, test, n_components, seed)
    })
}

/// The targets of the fits and, unless the proteins are used as they are, V^T to map back.
fn adt_scores<S: Stages>(
    stages: &mut S,
    problem: &Problem<'_>,
    params: &TsvdKrrParams,
    clock: &mut StageClock<'_>,
) -> Outcome<S, (S::Matrix, Option<S::Matrix>)> {
    timed(stages, clock, Stage::TsvdAdt, |stages| {
        let adt = stages.upload(problem.train_adt)?;
        if problem.train_adt.ncols() <= params.adt_components {
            return Ok((adt, None));
        }
        let Tsvd { scores, components } =
            stages.tsvd_adt(&adt, params.adt_components, problem.seed)?;
        Ok((scores, Some(components)))
    })
}

/// Dual coefficients of all fits, added up by training cell.
fn by_cholesky<S: Stages>(
    stages: &mut S,
    problem: &Problem<'_>,
    params: &TsvdKrrParams,
    clock: &mut StageClock<'_>,
    train: &S::Matrix,
    targets: &S::Matrix,
) -> Outcome<S, S::Matrix> {
    let mut sum = no_coefficients(stages, problem, params)?;
    let fits = problem.fits.len() as u64;
    for (done, rows) in (1..).zip(problem.fits) {
        add_by_cholesky(stages, params, clock, (train, targets), rows, &mut sum)?;
        clock.progress(Stage::Solve, done, fits);
    }
    Ok(sum)
}

/// Adds the dual coefficients of the fit on the cells `rows`.
fn add_by_cholesky<S: Stages>(
    stages: &mut S,
    params: &TsvdKrrParams,
    clock: &mut StageClock<'_>,
    (train, targets): (&S::Matrix, &S::Matrix),
    rows: &[u32],
    sum: &mut S::Matrix,
) -> Outcome<S, ()> {
    let kernel = timed(stages, clock, Stage::Kernel, |stages| {
        let x = stages.gather_rows(train, rows)?;
        stages.kernel(&x, params.gamma)
    })?;
    timed(stages, clock, Stage::Solve, |stages| {
        let targets = stages.gather_rows(targets, rows)?;
        let coefficients = stages.solve(kernel, params.alpha, &targets)?;
        stages.scatter_add_rows(sum, rows, &coefficients)
    })
}

/// The same by preconditioned conjugate gradients, from one kernel that all fits share. A fit that does not converge
/// is solved by Cholesky factorisation.
fn by_pcg<S: Stages>(
    stages: &mut S,
    problem: &Problem<'_>,
    params: &TsvdKrrParams,
    clock: &mut StageClock<'_>,
    train: &S::Matrix,
    targets: &S::Matrix,
) -> Outcome<S, S::Matrix> {
    let groups = Groups::new(problem.fits);
    let cells: Vec<Vec<u32>> = (0..problem.fits.len()).map(|fit| groups.cells_of(fit)).collect();
    let (x, kernel) = timed(stages, clock, Stage::Kernel, |stages| {
        let x = stages.gather_rows(train, groups.cells())?;
        let kernel = stages.shared_kernel(&x, params.gamma, &groups)?;
        Ok((x, kernel))
    })?;
    let landmarks = landmarks(groups.cells().len(), params.landmarks, problem.seed);
    let solved = timed(stages, clock, Stage::Solve, |stages| {
        let kernel_params = (params.gamma, params.alpha);
        let preconditioner = stages.preconditioner(&x, kernel_params, &landmarks, &groups)?;
        let targets = cells
            .iter()
            .map(|cells| stages.gather_rows(targets, cells))
            .collect::<Result<Vec<_>, _>>()?;
        let accuracy = (params.alpha, params.tolerance);
        pcg::solve(stages, &kernel, &preconditioner, &groups, accuracy, &targets)
    })?;
    drop(kernel);
    let mut sum = no_coefficients(stages, problem, params)?;
    for ((fit, solved), cells) in (1..).zip(solved).zip(&cells) {
        if solved.converged {
            timed(stages, clock, Stage::Solve, |stages| {
                stages.scatter_add_rows(&mut sum, cells, &solved.coefficients)
            })?;
        } else {
            clock.note(format!(
                "fit {fit}: conjugate gradients did not reach a residual of {:e}; solved by Cholesky factorisation",
                params.tolerance
            ));
            add_by_cholesky(stages, params, clock, (train, targets), cells, &mut sum)?;
        }
    }
    Ok(sum)
}

/// Distinct positions among `cells`, ascending.
fn landmarks(cells: usize, wanted: usize, seed: u64) -> Vec<u32> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let sample = rand::seq::index::sample(rng, cells, wanted.min(cells));
    let mut landmarks: Vec<u32> = sample.into_iter().map(|cell| cell as u32).collect();
    landmarks.sort_unstable();
    landmarks
}

fn no_coefficients<S: Stages>(
    stages: &mut S,
    problem: &Problem<'_>,
    params: &TsvdKrrParams,
) -> Outcome<S, S::Matrix> {
    let columns = problem.train_adt.ncols().min(params.adt_components);
    let zeros = stages.zeros(problem.train_gex.rows(), columns);
    zeros.map_err(|error| Error::Stage(Stage::Solve, error))
}

fn timed<S: Stages, R>(
    stages: &mut S,
    clock: &mut StageClock<'_>,
    stage: Stage,
    work: impl FnOnce(&mut S) -> Result<R, S::Error>,
) -> Outcome<S, R> {
    clock
        .time(stage, || {
            let result = work(stages)?;
            stages.synchronize()?;
            Ok(result)
        })
        .map_err(|error| Error::Stage(stage, error))
}

impl Problem<'_> {
    fn check(&self, params: &TsvdKrrParams) -> Result<(), String> {
        let (train, test) = (self.train_gex.rows(), self.test_gex.rows());
        if self.train_adt.nrows() != train {
            return Err(format!(
                "{train} training cells in GEX and {} in ADT",
                self.train_adt.nrows()
            ));
        }
        if self.test_gex.cols() != self.train_gex.cols() {
            return Err(format!(
                "{} training genes and {} test genes",
                self.train_gex.cols(),
                self.test_gex.cols()
            ));
        }
        for (what, columns, components, cells) in [
            ("gex_components", self.train_gex.cols(), params.gex_components, train + test),
            ("adt_components", self.train_adt.ncols(), params.adt_components, train),
        ] {
            if columns > components && components > cells {
                return Err(format!(
                    "`{what}` is {components}, more than the {cells} cells there are"
                ));
            }
        }
        if self.fits.is_empty() {
            return Err("the plan has no fit".to_owned());
        }
        for (i, fit) in self.fits.iter().enumerate() {
            match fit.iter().max() {
                None => return Err(format!("fit {i} of the plan has no cell")),
                Some(&cell) if cell as usize >= train => {
                    return Err(format!(
                        "fit {i} of the plan names training cell {cell}; there are {train}"
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
