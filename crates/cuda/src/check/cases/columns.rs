//! `kernels/columns.cu`

use modality_recipe::{Exact, Linalg as _, Step};

use super::{Case, Cost, Sizes};
use crate::{
    Device, Matrix, Result, Scalars,
    check::trial::{Pair, Trial, dense, numbers, on_device, scalars, trial, wide, zeroed},
    columns::{BLOCK, PARTS, grid},
    kernels::launch,
};

/// Cells of a fit and its targets.
const VECTORS: Sizes = [33_000, 70, 0];
const SMALL: &[Sizes] = &[[1, 1, 0], [37, 73, 0], [1025, 17, 0]];

pub(super) const CASES: &[Case] = &[
    Case {
        kernels: "dot_columns, finish_sums",
        allowed: 1e-12,
        small: SMALL,
        large: VECTORS,
        cost: |sizes| Cost::each(sizes, 8, 2),
        trial: dot_columns,
    },
    Case {
        kernels: "finish_sums",
        allowed: 1e-14,
        small: &[[1, 1, 0], [63, 70, 0], [3, 300, 0]],
        large: [PARTS, 70, 0],
        cost: |sizes| Cost::each(sizes, 8, 1),
        trial: finish_sums,
    },
    Case {
        kernels: "combine_columns",
        allowed: 1e-7,
        small: SMALL,
        large: VECTORS,
        cost: |sizes| Cost::each(sizes, 12, 3),
        trial: combine_columns,
    },
    Case {
        kernels: "turn_directions",
        allowed: 1e-7,
        small: SMALL,
        large: VECTORS,
        cost: |sizes| Cost::each(sizes, 12, 2),
        trial: turn_directions,
    },
    Case {
        // The copy stands for the product with the kernel, which the step consumes.
        kernels: "a copy, add_ridge, step_along, finish_sums twice",
        allowed: 1e-6,
        small: SMALL,
        large: VECTORS,
        cost: |sizes| Cost::each(sizes, 8 + 12 + 24, 4 + 6),
        trial: step,
    },
    Case {
        kernels: "select_columns",
        allowed: 0.0,
        small: &[[1, 1, 1], [37, 73, 5], [300, 9, 9]],
        large: [33_000, 70, 35],
        cost: |[rows, _, wanted]| Cost::each([rows, wanted, 0], 8, 0),
        trial: select_columns,
    },
    Case {
        kernels: "put_columns",
        allowed: 0.0,
        small: &[[1, 1, 1], [37, 73, 5], [300, 9, 9]],
        large: [33_000, 70, 35],
        cost: |[rows, _, given]| Cost::each([rows, given, 0], 8, 0),
        trial: put_columns,
    },
];

fn dot_columns(device: &Device, [rows, width, _]: Sizes) -> Result<Box<dyn Trial>> {
    let ((a, on_host_a), (b, on_host_b)) =
        (on_device(device, rows, width, 1)?, on_device(device, rows, width, 2)?);
    trial(
        None::<Scalars>,
        move |device, dots| {
            *dots = Some(device.column_dots(&a, &b)?);
            Ok(())
        },
        move |device, dots| {
            let Ok(wanted) = Exact.column_dots(&wide(&on_host_a), &wide(&on_host_b));
            Ok(vec![of_scalars(device, dots.as_ref(), wanted)?])
        },
    )
}

/// Scalars that there are after a launch, and what they should be.
fn of_scalars(device: &Device, found: Option<&Scalars>, wanted: Vec<f64>) -> Result<Pair> {
    match found {
        Some(found) => Pair::numbers(device, &found.values, wanted),
        None => Ok(Pair::of([], wanted)),
    }
}

/// Sums of so many parts, each of so many columns.
fn finish_sums(device: &Device, [count, width, _]: Sizes) -> Result<Box<dyn Trial>> {
    let values = numbers(count * width, -1.0, 1);
    let parts = device.send(&values)?;
    let (many, wide) = (count as u32, width as u32);
    trial(
        zeroed(device, width)?,
        move |device, sums| {
            launch!(
                device,
                finish_sums,
                (width.div_ceil(32), 1),
                BLOCK,
                (&parts, &many, &wide, sums)
            );
            Ok(())
        },
        move |device, sums| {
            let sum = |column| values.iter().skip(column).step_by(width).sum();
            Ok(vec![Pair::numbers(device, sums, (0..width).map(sum))?])
        },
    )
}

fn combine_columns(device: &Device, [rows, width, _]: Sizes) -> Result<Box<dyn Trial>> {
    let ((y, before), (x, other)) =
        (on_device(device, rows, width, 1)?, on_device(device, rows, width, 2)?);
    let ((keep, kept), (take, taken)) =
        (scalars(device, width, -1.0, 3)?, scalars(device, width, -1.0, 4)?);
    trial(
        y,
        move |device, y| device.combine_columns((y, &keep), (&x, &take)),
        move |device, y| {
            let mut wanted = wide(&before);
            let Ok(()) = Exact.combine_columns((&mut wanted, &kept), (&wide(&other), &taken));
            Ok(vec![Pair::matrix(device, y, &wanted)?])
        },
    )
}

fn turn_directions(device: &Device, [rows, width, _]: Sizes) -> Result<Box<dyn Trial>> {
    let ((direction, before), (next, on_host)) =
        (on_device(device, rows, width, 1)?, on_device(device, rows, width, 2)?);
    let mut shrinking = numbers(width, 0.0, 3);
    shrinking.iter_mut().step_by(3).for_each(|value| *value = 0.0);
    let (newer, (older, was)) = (device.scalars(&shrinking)?, scalars(device, width, 0.99, 4)?);
    trial(
        direction,
        move |device, direction| device.turn(direction, &next, &newer, &older),
        move |device, direction| {
            let mut wanted = wide(&before);
            let Ok(()) = Exact.turn(&mut wanted, &wide(&on_host), &shrinking, Some(&was));
            Ok(vec![Pair::matrix(device, direction, &wanted)?])
        },
    )
}

const ALPHA: f64 = 0.2;

/// What a step changes and leaves: solution, residual, curvature, squares.
struct Stepping {
    solution: Matrix,
    residual: Matrix,
    left: Option<[Scalars; 2]>,
}

fn step(device: &Device, [rows, width, _]: Sizes) -> Result<Box<dyn Trial>> {
    let random = |seed| on_device(device, rows, width, seed);
    let ((solution, first), (residual, second), (direction, third)) =
        (random(1)?, random(2)?, random(3)?);
    // So near to the direction that the curvature is far from zero.
    let near = &third + &(dense(rows, width, 4) * 0.1);
    let (product, (rho, rhos)) = (device.upload(near.view())?, scalars(device, width, 0.1, 5)?);
    trial(
        Stepping { solution, residual, left: None },
        move |device, state| {
            let stepped = device.step(Step {
                solution: &mut state.solution,
                residual: &mut state.residual,
                direction: &direction,
                product: device.copy(&product)?,
                alpha: ALPHA,
                rho: &rho,
            })?;
            state.left = Some([stepped.curvature, stepped.squares]);
            Ok(())
        },
        move |device, Stepping { solution, residual, left }| {
            let [mut wanted_solution, mut wanted_residual, direction] =
                [first, second, third].map(|m| wide(&m));
            let Ok(wanted) = Exact.step(Step {
                solution: &mut wanted_solution,
                residual: &mut wanted_residual,
                direction: &direction,
                product: wide(&near),
                alpha: ALPHA,
                rho: &rhos,
            });
            let [curvature, squares] = [0, 1].map(|i| left.as_ref().map(|left| &left[i]));
            Ok(vec![
                of_scalars(device, curvature, wanted.curvature)?,
                of_scalars(device, squares, wanted.squares)?,
                Pair::matrix(device, solution, &wanted_solution)?,
                Pair::matrix(device, residual, &wanted_residual)?,
            ])
        },
    )
}

/// Every second column first, then the others.
fn places(width: usize, wanted: usize) -> Vec<u32> {
    let places = (1..width as u32).step_by(2).chain((0..width as u32).step_by(2));
    places.take(wanted).collect()
}

fn select_columns(device: &Device, [rows, width, wanted]: Sizes) -> Result<Box<dyn Trial>> {
    let ((x, values), places) = (on_device(device, rows, width, 1)?, places(width, wanted));
    let on_device = device.send(&places)?;
    let (height, across, count) = (rows as u32, width as u32, wanted as u32);
    trial(
        device.matrix(rows, wanted)?,
        move |device, out| {
            launch!(
                device,
                select_columns,
                grid(rows),
                BLOCK,
                (&x.values, &height, &across, &on_device, &count, &mut out.values)
            );
            Ok(())
        },
        move |device, out| {
            let Ok(wanted) = Exact.select_columns(&wide(&values), &places);
            Ok(vec![Pair::matrix(device, out, &wanted)?])
        },
    )
}

fn put_columns(device: &Device, [rows, width, given]: Sizes) -> Result<Box<dyn Trial>> {
    let ((x, values), places) = (on_device(device, rows, given, 1)?, places(width, given));
    let (out, before) = on_device(device, rows, width, 2)?;
    let on_device = device.send(&places)?;
    let (height, across, count) = (rows as u32, width as u32, given as u32);
    trial(
        out,
        move |device, out| {
            launch!(
                device,
                put_columns,
                grid(rows),
                BLOCK,
                (&mut out.values, &height, &across, &on_device, &count, &x.values)
            );
            Ok(())
        },
        move |device, out| {
            let mut wanted = wide(&before);
            let Ok(()) = Exact.put_columns(&mut wanted, &places, &wide(&values));
            Ok(vec![Pair::matrix(device, out, &wanted)?])
        },
    )
}
