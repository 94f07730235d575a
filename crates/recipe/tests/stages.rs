//! Whatever the recipe does lies in a stage: the sum of the stages is the time that it takes.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{cell::Cell, convert::Infallible};

use modality_data::{Csr, ValuesView};
use modality_methods::TsvdKrrParams;
use modality_protocol::{Event, StageClock};
use modality_recipe::{
    Group, Groups, Linalg, LowRank, Problem, Rbf, Rows, Step, Stepped, Tsvd, Wide, tsvd_krr,
};
use ndarray::{Array2, ArrayView2};
use nix::{
    sys::time::TimeValLike as _,
    time::{ClockId, clock_gettime},
};

/// Computes nothing, so that what is left is the recipe's own work. A matrix is its shape.
struct Idle;

type Shape = (usize, usize);
type Idled<T> = Result<T, Infallible>;

impl Linalg for Idle {
    type Matrix = Shape;
    type Scalars = usize;
    type Error = Infallible;

    fn upload(&mut self, matrix: ArrayView2<'_, f32>) -> Idled<Shape> {
        Ok(matrix.dim())
    }

    fn download(&mut self, shape: &Shape) -> Idled<Array2<f32>> {
        Ok(Array2::zeros(*shape))
    }

    fn shape(&self, matrix: &Shape) -> Shape {
        *matrix
    }

    fn zeros(&mut self, rows: usize, columns: usize) -> Idled<Shape> {
        Ok((rows, columns))
    }

    fn copy(&mut self, matrix: &Shape) -> Idled<Shape> {
        Ok(*matrix)
    }

    fn matmul(&mut self, a: &Shape, b: &Shape) -> Idled<Shape> {
        Ok((a.0, b.1))
    }

    fn standardize_rows(&mut self, _: &mut Shape) -> Idled<()> {
        Ok(())
    }

    fn gather_rows(&mut self, matrix: &Shape, rows: &[u32]) -> Idled<Shape> {
        Ok((rows.len(), matrix.1))
    }

    fn scatter_add_rows(&mut self, _: &mut Shape, _: &[u32], _: &Shape) -> Idled<()> {
        Ok(())
    }

    fn select_columns(&mut self, matrix: &Shape, columns: &[u32]) -> Idled<Shape> {
        Ok((matrix.0, columns.len()))
    }

    fn put_columns(&mut self, _: &mut Shape, _: &[u32], _: &Shape) -> Idled<()> {
        Ok(())
    }

    fn column_dots(&mut self, a: &Shape, _: &Shape) -> Idled<usize> {
        Ok(a.1)
    }

    fn scalars(&mut self, values: &[f64]) -> Idled<usize> {
        Ok(values.len())
    }

    /// Zeros: with nothing to be explained, conjugate gradients are done before they begin.
    fn read(&mut self, scalars: &[&usize]) -> Idled<Vec<Vec<f64>>> {
        Ok(scalars.iter().map(|columns| vec![0.0; **columns]).collect())
    }

    fn combine_columns(&mut self, _: (&mut Shape, &usize), _: (&Shape, &usize)) -> Idled<()> {
        Ok(())
    }

    fn turn(&mut self, _: &mut Shape, _: &Shape, _: &usize, _: Option<&usize>) -> Idled<()> {
        Ok(())
    }

    fn step(&mut self, step: Step<'_, Shape, usize>) -> Idled<Stepped<usize>> {
        Ok(Stepped { curvature: step.direction.1, squares: step.direction.1 })
    }
}

impl Rows for Idle {
    type Rows<'a> = Vec<Shape>;

    fn upload_rows<'a>(&mut self, blocks: &[ValuesView<'a>]) -> Idled<Vec<Shape>> {
        Ok(blocks.iter().map(|block| (block.rows(), block.columns())).collect())
    }

    fn densify(&mut self, rows: &Vec<Shape>) -> Idled<Vec<Shape>> {
        Ok(rows.clone())
    }

    fn tsvd(&mut self, rows: &Vec<Shape>, n: usize, _: u64) -> Idled<Tsvd<Shape>> {
        let scores = rows.iter().map(|block| (block.0, n)).collect();
        Ok(Tsvd { scores, components: (n, rows[0].1) })
    }
}

impl Rbf for Idle {
    type Kernel = Shape;
    type Shared = ();

    fn kernel(&mut self, x: &Shape, _: f64) -> Idled<Shape> {
        Ok((x.0, x.0))
    }

    fn solve(&mut self, _: Shape, _: f64, targets: &Shape) -> Idled<Shape> {
        Ok(*targets)
    }

    fn kernel_product(&mut self, x: &Shape, _: &Shape, _: f64, c: &Shape) -> Idled<Shape> {
        Ok((x.0, c.1))
    }

    fn shared_kernel(&mut self, _: &Shape, _: f64, _: &Groups) -> Idled<()> {
        Ok(())
    }

    fn shared_products(
        &mut self,
        (): &(),
        _: &Groups,
        vectors: &[(usize, &Shape)],
    ) -> Idled<Vec<Shape>> {
        Ok(vectors.iter().map(|(_, vectors)| **vectors).collect())
    }
}

impl LowRank for Idle {
    type Root = ();
    type Factor = usize;
    type Inverse = ();

    fn root(&mut self, _: &Shape, _: f64, _: &[f64]) -> Idled<()> {
        Ok(())
    }

    fn factor(&mut self, (_, z): (&Shape, &Shape), _: f64, (): &(), _: &Groups) -> Idled<usize> {
        Ok(z.0)
    }

    fn gram(&mut self, _: &usize, _: &Group<'_>, _: &mut Shape) -> Idled<()> {
        Ok(())
    }

    fn add_to(&mut self, _: &mut [Shape], _: &[usize], _: &Shape) -> Idled<()> {
        Ok(())
    }

    fn inverses(&mut self, matrices: Vec<Shape>, _: &[f64]) -> Idled<Vec<()>> {
        Ok(vec![(); matrices.len()])
    }

    fn project(&mut self, landmarks: &usize, _: &[Wide], of: &[&Shape]) -> Idled<Vec<Shape>> {
        Ok(of.iter().map(|residual| (*landmarks, residual.1)).collect())
    }

    fn invert(&mut self, pairs: &[(&(), Shape)]) -> Idled<Vec<Shape>> {
        Ok(pairs.iter().map(|(_, matrix)| *matrix).collect())
    }

    fn expand(
        &mut self,
        _: &usize,
        _: &[Wide],
        (residuals, _): (&[&Shape], &[Shape]),
        _: f64,
    ) -> Idled<Vec<Shape>> {
        Ok(residuals.iter().map(|residual| **residual).collect())
    }
}

/// CPU time of this thread, which the load of the machine is no part of, in microseconds.
fn worked() -> i64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().num_microseconds()
}

#[test]
fn the_recipe_does_nothing_outside_its_stages() {
    const CELLS: usize = 60_000;
    let empty = |cells: usize| Csr::zero((cells, 400));
    let (train, test, target) = (empty(CELLS), empty(100), Array2::zeros((CELLS, 90)));
    // Cells of twelve batches, one after the other, in five halves and what these leave.
    let half = |half: u32| {
        let is_in = move |cell: &u32| (cell % 12 * (half / 2 + 1) / 6 + half).is_multiple_of(2);
        (0..CELLS as u32).filter(is_in).collect()
    };
    let fits: Vec<Vec<u32>> = (0..10).map(half).collect();
    let problem = Problem {
        train_input: (&train).into(),
        train_target: target.view().into(),
        test_input: (&test).into(),
        most: None,
        fits: &fits,
        seed: 0,
    };
    let (begun, inside) = (Cell::new(0), Cell::new(0));
    let mut clock = StageClock::new(|event| match event {
        Event::Begin { .. } => begun.set(worked()),
        Event::End { .. } => inside.set(inside.get() + worked() - begun.get()),
        _ => {}
    });
    let start = worked();
    tsvd_krr(&mut Idle, &problem, &TsvdKrrParams::default(), &mut clock).unwrap();
    let all = worked() - start;
    let outside = all - inside.get();
    println!("{outside} of {all} microseconds outside all stages");
    assert!(all > 0 && 5 * outside < all, "{outside} of {all} microseconds outside all stages");
}
