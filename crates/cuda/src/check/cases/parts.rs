//! `kernels/parts.cu`

use ndarray::{Array2, s};

use super::{Case, Cost, Sizes};
use crate::{
    Device, Result,
    check::trial::{Pair, Trial, numbers, on_device, trial, wide},
    halves::Numbers,
    parts::{Corner, Move},
};

pub(super) const CASES: &[Case] = &[
    Case {
        kernels: "move_parts",
        allowed: 0.0,
        small: SMALL,
        large: LARGE,
        cost: |sizes| Cost::each(sizes, 12, 0),
        trial: move_parts,
    },
    Case {
        kernels: "part_maxima, split_parts",
        // 22 bits.
        allowed: 3e-7,
        small: SMALL,
        large: LARGE,
        // What is looked at, read again, half of it a third time, and written.
        cost: |sizes| Cost::each(sizes, 16, 0),
        trial: split_parts,
    },
    Case {
        kernels: "add_unscaled",
        allowed: 1e-6,
        small: SMALL,
        large: LARGE,
        cost: |sizes| Cost::each(sizes, 18, 4),
        trial: add_unscaled,
    },
];

const SMALL: &[Sizes] = &[[1, 8, 0], [37, 24, 0], [129, 40, 0]];
const LARGE: Sizes = [33_000, 72, 0];

/// The whole of a matrix to the right half of one that is twice as wide and has a row more, below its first row; and its lower
/// half to the upper left corner.
fn moves(rows: usize, columns: usize) -> [Move; 2] {
    let corner = |row, column| Corner { matrix: 0, row, column };
    let lower = rows / 2;
    [
        Move { from: corner(0, 0), to: corner(1, columns), rows, columns },
        Move { from: corner(lower, 0), to: corner(0, 0), rows: rows - lower, columns },
    ]
}

/// What [`moves`] makes of `before`.
fn moved(before: &Array2<f64>, x: &Array2<f64>, put: impl Fn(f64, f64) -> f64) -> Array2<f64> {
    let ((rows, columns), mut out) = (x.dim(), before.clone());
    let put = |before: &mut f64, &x: &f64| *before = put(*before, x);
    out.slice_mut(s![1.., columns..]).zip_mut_with(x, put);
    let lower = x.slice(s![rows / 2.., ..]);
    out.slice_mut(s![..lower.nrows(), ..columns]).zip_mut_with(&lower, put);
    out
}

fn move_parts(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let (x, values) = on_device(device, rows, columns, 1)?;
    let (out, before) = on_device(device, rows + 1, 2 * columns, 2)?;
    let moves = moves(rows, columns);
    trial(
        vec![out],
        move |device, out| device.copy_parts(&[&x], out, &moves),
        move |device, out| {
            let wanted = moved(&wide(&before), &wide(&values), |_, x| x);
            Ok(vec![Pair::matrix(device, &out[0], &wanted)?])
        },
    )
}

/// Columns of very different sizes, as a column may hold.
fn spread(values: &Array2<f32>) -> Array2<f32> {
    let mut values = values.clone();
    for (j, mut column) in values.columns_mut().into_iter().enumerate() {
        column *= 10_f32.powi(j as i32 % 9 - 4);
    }
    values
}

fn split_parts(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let (_, values) = on_device(device, rows, columns, 1)?;
    let values = spread(&values);
    let x = device.upload(values.view())?;
    let moves = moves(rows, columns);
    let shape = (rows + 1, 2 * columns);
    trial(
        None::<Vec<Numbers>>,
        move |device, out| {
            *out = Some(device.beside(&[&x], &[shape], &moves, true)?.0);
            Ok(())
        },
        move |device, out| {
            // Each column's largest magnitude is in [128, 256).
            let mut scaled = wide(&values);
            for mut column in scaled.columns_mut() {
                let largest = column.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
                column *= 2_f64.powi(7 - largest.log2().floor() as i32);
            }
            let wanted = moved(&Array2::zeros(shape), &scaled, |_, x| x);
            let mut pairs = Vec::new();
            for numbers in out.iter().flatten() {
                let mut found = numbers.on_host(device)?;
                // What is in no part means nothing.
                found.zip_mut_with(&wanted, |found, &wanted| {
                    *found = if wanted == 0.0 { 0.0 } else { *found };
                });
                pairs.push(Pair::of(found, wanted.clone()));
            }
            Ok(pairs)
        },
    )
}

fn add_unscaled(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    const KEEP: f32 = 1.25;
    const TAKE: f32 = -0.5;
    let (x, values) = on_device(device, rows, columns, 1)?;
    let (out, _) = on_device(device, rows + 1, 2 * columns, 2)?;
    let (base, before) = on_device(device, rows + 1, 2 * columns, 3)?;
    // Of a matrix as wide as what the product is put in, whose columns it was made of.
    let largest = numbers(columns, 0.01, 5);
    let row = Array2::from_shape_fn((1, 2 * columns), |(_, j)| largest[j % columns] as f32);
    let scaled = device.upload(row.view())?;
    let shape = (1, 2 * columns);
    let corner = Corner { matrix: 0, row: 0, column: 0 };
    let whole = [Move { from: corner, to: corner, rows: 1, columns: 2 * columns }];
    let (_, scales) = device.beside(&[&scaled], &[shape], &whole, true)?;
    let (x, moves) = ([x], moves(rows, columns));
    trial(
        vec![out],
        move |device, out| {
            let to = (Some(&[&base][..]), out.as_mut_slice());
            device.add_unscaled((&x, &scales), to, &moves, (KEEP, TAKE))
        },
        move |device, out| {
            let mut unscaled = wide(&values);
            for (j, mut column) in unscaled.columns_mut().into_iter().enumerate() {
                column /= 2_f64.powi(7 - largest[j].log2().floor() as i32);
            }
            let add = |base: f64, x: f64| f64::from(KEEP) * base + f64::from(TAKE) * x;
            let found = device.fetch(&out[0].values.slice(..out[0].len()))?;
            let wanted = moved(&wide(&before), &unscaled, add);
            // Parts alone are written.
            let marked =
                moved(&Array2::zeros(wanted.dim()), &Array2::ones(unscaled.dim()), |_, x| x);
            let pairs =
                found.into_iter().zip(&wanted).zip(&marked).filter(|(_, mark)| **mark > 0.0);
            let (found, wanted): (Vec<f64>, Vec<f64>) =
                pairs.map(|((found, wanted), _)| (f64::from(found), *wanted)).unzip();
            Ok(vec![Pair { found, wanted }])
        },
    )
}
