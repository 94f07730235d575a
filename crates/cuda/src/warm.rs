//! What a process does for the first time, done before anything is timed.
//!
//! The libraries load their kernels when they are first called, and the driver maps memory when it is first asked for. So a
//! small problem with the widths and landmarks of the one to come is solved, and as much memory taken once as the run will
//! take.

use modality_data::{Csr, prepared::Shape};
use modality_harness::{clock::StageClock, methods::TsvdKrrParams};
use modality_recipe::{Error as RecipeError, Problem, Stages as _, tsvd_krr};
use ndarray::Array2;

use crate::{CudaStages, error::Result};

/// Cells of the small problem at least, and genes that each expresses.
const LEAST_CELLS: usize = 1024;
const EXPRESSED: usize = 64;

/// Solves a small problem, and takes `bytes` of memory, if they are there.
pub(crate) fn warm_up(
    stages: &mut CudaStages,
    shape: &Shape,
    params: &TsvdKrrParams,
    bytes: u64,
) -> Result<()> {
    let landmarks = params.landmarks(shape.train_cells);
    let cells = landmarks.max(LEAST_CELLS);
    let gex = gex(cells, shape.genes);
    let adt =
        Array2::from_shape_fn((cells, shape.proteins), |(i, j)| noise(i * shape.proteins + j));
    let fits: Vec<Vec<u32>> =
        [0, 1].map(|half| (0..cells as u32).filter(|cell| cell % 2 == half).collect()).to_vec();
    let problem =
        Problem { train_gex: &gex, train_adt: adt.view(), test_gex: &gex, fits: &fits, seed: 0 };
    let small = TsvdKrrParams { landmarks: Some(landmarks), ..params.clone() };
    match tsvd_krr(stages, &problem, &small, &mut StageClock::silent()) {
        Err(RecipeError::Stage(_, error)) => return Err(error),
        // More components than such a problem has.
        Ok(_) | Err(RecipeError::Invalid(_)) => {}
    }
    drop(stages.device().allocate::<u8>(bytes as usize));
    stages.synchronize()?;
    stages.forget();
    Ok(())
}

fn gex(cells: usize, genes: usize) -> Csr {
    let expressed = EXPRESSED.min(genes);
    let step = genes / expressed.max(1);
    let starts = (0..=cells).map(|cell| cell * expressed).collect();
    let genes_of =
        |cell: usize| (0..expressed).map(move |i| (i * step + cell % step.max(1)) as u32);
    let indices = (0..cells).flat_map(genes_of).collect();
    let values = (0..cells * expressed).map(|i| 0.5 + noise(i)).collect();
    Csr::new((cells, genes), starts, indices, values)
}

/// Between 0 and 1, and without pattern.
fn noise(i: usize) -> f32 {
    let bits = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((bits ^ bits >> 29) >> 40) as f32 / (1 << 24) as f32
}
