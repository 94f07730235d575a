//! Cells made up here.

use backend_torch::Problem;
use modality_data::Csr;
use modality_protocol::Fold;
use ndarray::{Array2, Axis, s};

pub(crate) const CELLS: usize = 240;
pub(crate) const TEST: usize = 60;
const GENES: usize = 30;
pub(crate) const PROTEINS: usize = 4;

/// Cells whose proteins follow from their genes; the last protein is hardly there.
pub(crate) struct Cells {
    pub(crate) train_gex: Csr,
    pub(crate) train_adt: Array2<f32>,
    pub(crate) test_gex: Csr,
    pub(crate) test_adt: Array2<f32>,
}

impl Cells {
    pub(crate) fn new() -> Self {
        let mut state = 1_u32;
        let mut uniform = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        let gex = Array2::from_shape_simple_fn((CELLS + TEST, GENES), || {
            let value = uniform();
            if uniform() < 0.6 { 0.0 } else { 2.0 * value }
        });
        let weights = Array2::from_shape_simple_fn((GENES, PROTEINS), || uniform() - 0.3);
        let mut adt = gex.dot(&weights).mapv(|value| value.max(0.0));
        adt.index_axis_mut(Axis(1), PROTEINS - 1).fill(0.02);
        let sparse = |rows: std::ops::Range<usize>| {
            let dense = gex.slice(s![rows, ..]).to_owned();
            sprs::CsMatI::<f32, u32, usize>::csr_from_dense(dense.view(), 0.0)
        };
        Self {
            train_gex: sparse(0..CELLS),
            train_adt: adt.slice(s![..CELLS, ..]).to_owned(),
            test_gex: sparse(CELLS..CELLS + TEST),
            test_adt: adt.slice(s![CELLS.., ..]).to_owned(),
        }
    }

    pub(crate) fn problem<'a>(&'a self, folds: &'a [Fold], seed: u64) -> Problem<'a> {
        Problem {
            train_input: (&self.train_gex).into(),
            train_target: self.train_adt.view().into(),
            test_input: (&self.test_gex).into(),
            folds,
            seed,
        }
    }
}

pub(crate) fn folds() -> Vec<Fold> {
    let fold = |index: u32| {
        let cells = (0..CELLS as u32).filter(|cell| cell % 3 == index).collect();
        Fold { name: format!("s{}", index + 1), cells, ..Fold::default() }
    };
    (0..3).map(fold).collect()
}

pub(crate) fn rmse(predicted: &Array2<f32>, measured: &Array2<f32>) -> f64 {
    let squares = (predicted - measured).mapv(|error| f64::from(error).powi(2));
    squares.mean().unwrap().sqrt()
}
