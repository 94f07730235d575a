use std::convert::Infallible;

use modality_data::ValuesView;
use modality_methods::{Solver, TsvdKrrParams};
use modality_protocol::StageClock;
use ndarray::{Array2, ArrayView2};

use crate::{
    Exact, Group, Groups, Linalg, LowRank, Problem, Rbf, Rows, Stages, Step, Stepped, Tsvd, Wide,
    tsvd_krr,
};

type Matrix = Array2<f64>;
type Scalars = Vec<f64>;
type Blocks<'a> = Vec<ValuesView<'a>>;

/// [`Exact`], counting.
#[derive(Debug, Default)]
struct Counting {
    /// Preconditioners made: times that fits are tried.
    attempts: usize,
    /// Products with the shared kernel: iterations.
    iterations: usize,
    reads: usize,
}

/// Predictions, and what was noted.
fn predict(params: &TsvdKrrParams) -> (Array2<f32>, Vec<String>) {
    predict_on(&mut Exact, params)
}

fn predict_on<S: Stages>(stages: &mut S, params: &TsvdKrrParams) -> (Array2<f32>, Vec<String>) {
    predict_by(stages, params, &[(0..80).collect(), (40..120).collect()])
}

fn predict_by<S: Stages>(
    stages: &mut S,
    params: &TsvdKrrParams,
    fits: &[Vec<u32>],
) -> (Array2<f32>, Vec<String>) {
    // Every cell is there twice, so that the kernel has no inverse without alpha.
    let input = |cells: usize, step: usize| {
        let value = |(i, j): (usize, usize)| ((i / 2 * step + j * 29) % 83) as f32 / 83.0;
        Array2::from_shape_fn((cells, 12), value)
    };
    let target = Array2::from_shape_fn((120, 5), |(i, j)| ((i * 7 + j * 3) % 31) as f32 / 31.0);
    let (train, test) = (input(120, 17), input(30, 19));
    let problem = Problem {
        train_input: train.view().into(),
        train_target: target.view().into(),
        test_input: test.view().into(),
        most: None,
        fits,
        seed: 1,
    };
    let mut notes = Vec::new();
    let predicted =
        tsvd_krr(stages, &problem, params, &mut StageClock::noting(&mut notes)).unwrap();
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

#[test]
fn an_iteration_waits_once_for_the_backend() {
    let few = TsvdKrrParams { landmarks: Some(3), tolerance: 1e-7, ..<_>::default() };
    // One attempt that converges, and two of which none does.
    for (tolerance, attempts) in [(1e-7, 1), (1e-300, 2)] {
        let (mut stages, params) =
            (Counting::default(), TsvdKrrParams { tolerance, ..few.clone() });
        let predicted = predict_on(&mut stages, &params);
        assert_eq!(predicted, predict(&params));
        assert_eq!(stages.attempts, attempts);
        assert!(stages.iterations > 5 * attempts, "{stages:?}");
        // The targets' norms before the iterations of an attempt, and the true residuals behind them.
        assert_eq!(stages.reads, stages.iterations + 2 * attempts, "{stages:?}");
    }
}

#[test]
fn fits_of_the_same_cells_are_solved_once() {
    let [one, other]: [Vec<u32>; 2] = [(0..80).collect(), (40..120).collect()];
    let params = TsvdKrrParams { landmarks: Some(3), tolerance: 1e-7, ..<_>::default() };
    let alone = [one.clone(), other.clone()];
    let often = [one.clone(), other.clone(), one.clone(), other, one];
    let (mut few, mut many) = (Counting::default(), Counting::default());
    predict_by(&mut few, &params, &alone);
    predict_by(&mut many, &params, &often);
    assert_eq!((few.attempts, few.iterations), (many.attempts, many.iterations));
    // Three of five predictions are of one, two of the other.
    let of = |fits: &[Vec<u32>]| {
        let params = TsvdKrrParams { solver: Solver::Cholesky, ..params.clone() };
        let (predicted, notes) = predict_by(&mut Exact, &params, fits);
        assert!(notes.is_empty(), "{notes:?}");
        predicted.mapv(f64::from)
    };
    let wanted = (of(&alone[..1]) * 3.0 + of(&alone[1..]) * 2.0) / 5.0;
    assert!(wanted.iter().all(|&value| value > 0.0), "clipping would come between");
    let worst = (of(&often) - wanted).iter().fold(0.0_f64, |worst, d| worst.max(d.abs()));
    assert!(worst < 1e-6, "off by {worst}");
    let unmet = TsvdKrrParams { tolerance: 1e-300, ..params };
    let (_, notes) = predict_by(&mut Exact, &unmet, &often);
    assert!(notes[0].starts_with("fits 1, 2, 3, 4, 5: conjugate gradients"), "{notes:?}");
}

macro_rules! as_exact {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        $(fn $name(&mut self, $($argument: $kind),*) -> Result<$result, Infallible> {
            Exact.$name($($argument),*)
        })*
    };
}

impl Linalg for Counting {
    type Matrix = Matrix;
    type Scalars = Scalars;
    type Error = Infallible;

    fn shape(&self, matrix: &Matrix) -> (usize, usize) {
        Exact.shape(matrix)
    }

    fn read(&mut self, scalars: &[&Scalars]) -> Result<Vec<Vec<f64>>, Infallible> {
        self.reads += 1;
        Exact.read(scalars)
    }

    as_exact! {
        fn upload(matrix: ArrayView2<'_, f32>) -> Matrix;
        fn download(matrix: &Matrix) -> Array2<f32>;
        fn zeros(rows: usize, columns: usize) -> Matrix;
        fn copy(matrix: &Matrix) -> Matrix;
        fn matmul(a: &Matrix, b: &Matrix) -> Matrix;
        fn standardize_rows(matrix: &mut Matrix) -> ();
        fn gather_rows(matrix: &Matrix, rows: &[u32]) -> Matrix;
        fn scatter_add_rows(target: &mut Matrix, rows: &[u32], source: &Matrix) -> ();
        fn select_columns(matrix: &Matrix, columns: &[u32]) -> Matrix;
        fn put_columns(target: &mut Matrix, columns: &[u32], source: &Matrix) -> ();
        fn column_dots(a: &Matrix, b: &Matrix) -> Scalars;
        fn scalars(values: &[f64]) -> Scalars;
        fn combine_columns(y_keep: (&mut Matrix, &Scalars), x_take: (&Matrix, &Scalars)) -> ();
        fn turn(
            direction: &mut Matrix,
            next: &Matrix,
            new: &Scalars,
            old: Option<&Scalars>
        ) -> ();
        fn step(step: Step<'_, Matrix, Scalars>) -> Stepped<Scalars>;
    }
}

impl Rows for Counting {
    type Rows<'a> = Blocks<'a>;

    fn upload_rows<'a>(&mut self, blocks: &[ValuesView<'a>]) -> Result<Blocks<'a>, Infallible> {
        Exact.upload_rows(blocks)
    }

    as_exact! {
        fn densify(rows: &Blocks<'_>) -> Vec<Matrix>;
        fn tsvd(rows: &Blocks<'_>, n_components: usize, seed: u64) -> Tsvd<Matrix>;
    }
}

impl Rbf for Counting {
    type Kernel = Matrix;
    type Shared = Matrix;

    fn shared_products(
        &mut self,
        kernel: &Matrix,
        groups: &Groups,
        vectors: &[(usize, &Matrix)],
    ) -> Result<Vec<Matrix>, Infallible> {
        self.iterations += 1;
        Exact.shared_products(kernel, groups, vectors)
    }

    as_exact! {
        fn kernel(x: &Matrix, gamma: f64) -> Matrix;
        fn solve(kernel: Matrix, alpha: f64, targets: &Matrix) -> Matrix;
        fn kernel_product(x: &Matrix, y: &Matrix, gamma: f64, coefficients: &Matrix) -> Matrix;
        fn shared_kernel(x: &Matrix, gamma: f64, groups: &Groups) -> Matrix;
    }
}

impl LowRank for Counting {
    type Root = Matrix;
    type Factor = Matrix;
    type Inverse = Matrix;

    fn root(&mut self, z: &Matrix, gamma: f64, shifts: &[f64]) -> Result<Matrix, Infallible> {
        self.attempts += 1;
        Exact.root(z, gamma, shifts)
    }

    as_exact! {
        fn factor(x_z: (&Matrix, &Matrix), gamma: f64, root: &Matrix, groups: &Groups) -> Matrix;
        fn gram(factor: &Matrix, group: &Group<'_>, gram: &mut Matrix) -> ();
        fn add_to(sums: &mut [Matrix], named: &[usize], gram: &Matrix) -> ();
        fn inverses(matrices: Vec<Matrix>, shifts: &[f64]) -> Vec<Matrix>;
        fn project(factor: &Matrix, wide: &[Wide], residuals: &[&Matrix]) -> Vec<Matrix>;
        fn invert(pairs: &[(&Matrix, Matrix)]) -> Vec<Matrix>;
        fn expand(
            factor: &Matrix,
            wide: &[Wide],
            residuals_solved: (&[&Matrix], &[Matrix]),
            alpha: f64
        ) -> Vec<Matrix>;
    }
}
