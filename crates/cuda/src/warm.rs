//! What a process does for the first time, done before anything is timed.
//!
//! The libraries load their kernels when they are first called, other ones for other sizes, and the driver maps memory when it is first
//! asked for. So every kind of call that the run will make is made once, with matrices of the run's own sizes, and as much memory
//! taken once as the run will take.

use modality_data::{
    Csr, Values,
    prepared::{Extent, Shape},
};
use modality_methods::{Solver, TsvdKrrParams};
use modality_protocol::StageClock;
use modality_recipe::{
    Error as RecipeError, Groups, Linalg as _, Nystrom, Rbf as _, Rows as _, Step, input_scores,
};
use ndarray::Array2;

use crate::{
    CudaStages, Matrix,
    error::{Error, Result},
};

/// Features that are seen in a cell.
const SEEN: usize = 16;

/// Makes every kind of call that TSVD + KRR with these `fits` makes, and takes `bytes` of memory, if they are there.
pub(crate) fn warm_up(
    stages: &mut CudaStages,
    shape: &Shape,
    params: &TsvdKrrParams,
    fits: &[Vec<u32>],
    bytes: u64,
) -> Result<()> {
    // What makes no sense is refused where it is run.
    let has_cells = shape.cells() >= params.input_components.or_all(0)
        && shape.train_cells >= params.target_components;
    if has_cells && shape.test_cells > 0 && !fits.iter().any(Vec::is_empty) {
        match call_all(stages, shape, params, fits) {
            // Of numbers that are not the run's.
            Ok(())
            | Err(Error::Preconditioner | Error::NotPositiveDefinite { .. } | Error::Eigen(_)) => {}
            Err(error) => return Err(error),
        }
    }
    drop(stages.device().allocate::<u8>(bytes as usize));
    stages.synchronize()?;
    stages.forget();
    Ok(())
}

fn call_all(
    stages: &mut CudaStages,
    shape: &Shape,
    params: &TsvdKrrParams,
    fits: &[Vec<u32>],
) -> Result<()> {
    let [train, test] =
        [shape.train_cells, shape.test_cells].map(|cells| alike(cells, shape.input));
    let original = [train.view(), test.view()];
    let input = stages.upload_rows(&original)?;
    let [mut scores, mut test_scores] = input_scores(
        stages,
        &input,
        original,
        params.input_components.or_all(shape.input.features),
        0,
        &mut StageClock::silent(),
    )
    .map_err(|error| match error {
        RecipeError::Stage(_, error) => error,
        RecipeError::Invalid(reason) => unreachable!("{reason}"),
    })?;
    drop(input);
    stages.standardize_rows(&mut scores)?;
    stages.standardize_rows(&mut test_scores)?;
    let (targets, components) = targets(stages, shape, params)?;
    let coefficients = match params.solver {
        Solver::Pcg => pcg(stages, (&scores, &targets), params, fits)?,
        Solver::Cholesky => cholesky(stages, (&scores, &targets), params, fits)?,
    };
    let mut sum = stages.kernel_product(&test_scores, &scores, params.gamma, &coefficients)?;
    if let Some(components) = &components {
        sum = stages.matmul(&sum, components)?;
    }
    stages.download(&sum).map(drop)
}

/// Targets, and what maps them to the target's features, if something does.
fn targets(
    stages: &mut CudaStages,
    shape: &Shape,
    params: &TsvdKrrParams,
) -> Result<(Matrix, Option<Matrix>)> {
    let target = alike(shape.train_cells, shape.target);
    let rows = stages.upload_rows(&[target.view()])?;
    if shape.target.features <= params.target_components {
        return Ok((stages.densify(&rows)?.swap_remove(0), None));
    }
    let mut tsvd = stages.tsvd(&rows, params.target_components, 0)?;
    Ok((tsvd.scores.swap_remove(0), Some(tsvd.components)))
}

/// One iteration with all columns, and the preconditioner with fewer and fewer, as columns are left out when they are done.
fn pcg(
    stages: &mut CudaStages,
    (scores, targets): (&Matrix, &Matrix),
    params: &TsvdKrrParams,
    fits: &[Vec<u32>],
) -> Result<Matrix> {
    let groups = Groups::new(fits);
    let x = stages.gather_rows(scores, groups.cells())?;
    let kernel = stages.shared_kernel(&x, params.gamma, &groups)?;
    let landmarks: Vec<u32> = (0..params.landmarks(groups.cells().len()) as u32).collect();
    let inverse = Nystrom::new(stages, &x, (params.gamma, params.alpha), &landmarks, &groups)?;
    let all: Vec<Vec<u32>> = (0..fits.len()).map(|fit| groups.cells_of(fit)).collect();
    let residuals = all.iter().map(|cells| stages.gather_rows(targets, cells));
    let residuals = residuals.collect::<Result<Vec<Matrix>>>()?;
    for width in widths(targets.columns) {
        let places: Vec<u32> = (0..width as u32).collect();
        let narrow = residuals.iter().map(|residual| stages.select_columns(residual, &places));
        let narrow = narrow.collect::<Result<Vec<Matrix>>>()?;
        inverse.apply(stages, &groups, &narrow.iter().enumerate().collect::<Vec<_>>())?;
    }
    let mut sum = stages.zeros(scores.rows, targets.columns)?;
    // Our own kernels are all loaded by now, and the smallest fit stands for the others.
    let fit = (0..fits.len()).min_by_key(|&fit| fits[fit].len()).expect("a plan has fits");
    let residual = &residuals[fit];
    let one = stages.select_columns(residual, &[0])?;
    let none = stages.zeros(scores.rows, 1)?;
    stages.put_columns(&mut sum, &[0], &none)?;
    let product = stages.shared_products(&kernel, &groups, &[(fit, &one)])?.swap_remove(0);
    let rho = stages.column_dots(&one, &one)?;
    let (mut solution, mut left) = (stages.copy(&one)?, stages.copy(&one)?);
    let mut direction = stages.copy(&one)?;
    stages.turn(&mut direction, &one, &rho, Some(&rho))?;
    let stepped = stages.step(Step {
        solution: &mut solution,
        residual: &mut left,
        direction: &direction,
        product,
        alpha: params.alpha,
        rho: &rho,
    })?;
    stages.read(&[&stepped.curvature, &stepped.squares, &rho])?;
    stages.combine_columns((&mut solution, &rho), (&one, &rho))?;
    stages.scatter_add_rows(&mut sum, &all[fit], residual)?;
    Ok(sum)
}

fn cholesky(
    stages: &mut CudaStages,
    (scores, targets): (&Matrix, &Matrix),
    params: &TsvdKrrParams,
    fits: &[Vec<u32>],
) -> Result<Matrix> {
    let mut sum = stages.zeros(scores.rows, targets.columns)?;
    if let Some(cells) = fits.iter().min_by_key(|cells| cells.len()) {
        let (x, targets) =
            (stages.gather_rows(scores, cells)?, stages.gather_rows(targets, cells)?);
        let kernel = stages.kernel(&x, params.gamma)?;
        let solved = stages.solve(kernel, params.alpha, &targets)?;
        stages.scatter_add_rows(&mut sum, cells, &solved)?;
    }
    Ok(sum)
}

/// All columns, and powers of two below: every class of widths that there may be.
fn widths(columns: usize) -> impl Iterator<Item = usize> {
    let powers = (0..usize::BITS).rev().map(|power| 1 << power);
    std::iter::once(columns).chain(powers.filter(move |&width| width < columns))
}

/// Cells in the form of the run's own.
fn alike(cells: usize, of: Extent) -> Values {
    match of.nonzeros {
        Some(_) => Values::Sparse(sparse(cells, of.features)),
        None => {
            let value = |(i, j): (usize, usize)| noise(i * of.features + j);
            Values::Dense(Array2::from_shape_fn((cells, of.features), value))
        }
    }
}

/// Cells that differ, and of which all features are seen in some.
fn sparse(cells: usize, features: usize) -> Csr {
    let seen = SEEN.min(features);
    let step = features / seen.max(1);
    let starts = (0..=cells).map(|cell| cell * seen).collect();
    let features_of = |cell: usize| (0..seen).map(move |i| (i * step + cell % step.max(1)) as u32);
    let indices = (0..cells).flat_map(features_of).collect();
    let values = (0..cells * seen).map(|i| 0.5 + noise(i)).collect();
    Csr::new((cells, features), starts, indices, values)
}

/// Between 0 and 1, and without pattern.
fn noise(i: usize) -> f32 {
    let bits = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((bits ^ bits >> 29) >> 40) as f32 / (1 << 24) as f32
}
