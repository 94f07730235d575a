//! `kernels/rows.cu`

use modality_recipe::{Exact, Linalg as _};
use ndarray::Array2;

use super::{Case, Cost, Sizes};
use crate::{
    Device, Result,
    check::trial::{Pair, Trial, dense, mixed, numbers, on_device, trial, wide},
    kernels::{THREADS, launch},
};

const SCORES: Sizes = [66_175, 300, 0];

pub(super) const CASES: &[Case] = &[
    Case {
        kernels: "standardize_rows",
        allowed: 1e-6,
        small: &[[1, 1, 0], [37, 19, 0], [9, 305, 0]],
        large: SCORES,
        cost: |sizes| Cost::each(sizes, 8, 5),
        trial: standardize_rows,
    },
    Case {
        kernels: "gather_rows",
        allowed: 0.0,
        small: &[[1, 1, 0], [37, 300, 0], [65, 17, 0]],
        large: SCORES,
        cost: |sizes| Cost::each(sizes, 8, 0),
        trial: gather_rows,
    },
    Case {
        kernels: "scatter_add_rows",
        allowed: 1e-7,
        small: &[[1, 1, 0], [37, 300, 0], [65, 17, 0]],
        large: [66_175, 70, 0],
        cost: |sizes| Cost::each(sizes, 12, 1),
        trial: scatter_add_rows,
    },
    Case {
        kernels: "densify_rows",
        allowed: 0.0,
        small: &[[1, 1, 0], [37, 300, 0], [5, 1300, 0]],
        large: [4096, 13_953, 0],
        // At the density of the competition's data: 8 bytes a nonzero are read and 4 written.
        cost: |[rows, columns, _]| {
            let entries = (rows * columns) as f64;
            Cost { bytes: entries * (4.0 + 12.0 * DENSITY), ..Cost::each([0; 3], 0, 0) }
        },
        trial: densify_rows,
    },
];

const DENSITY: f64 = 0.11;

fn standardize_rows(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let mut values = dense(rows, columns, 1);
    values.row_mut(rows / 2).fill(2.5);
    trial(
        device.upload(values.view())?,
        |device, matrix| device.standardize_rows(matrix),
        move |device, matrix| {
            let mut wanted = wide(&values);
            let Ok(()) = Exact.standardize_rows(&mut wanted);
            Ok(vec![Pair::matrix(device, matrix, &wanted)?])
        },
    )
}

/// Each row once, in another order.
fn order(rows: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    order.sort_by_key(|&row| mixed(9, u64::from(row)));
    order
}

fn gather_rows(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let ((x, values), order) = (on_device(device, rows, columns, 1)?, order(rows));
    let places = device.send(&order)?;
    let width = columns as u32;
    trial(
        device.matrix(rows, columns)?,
        move |device, out| {
            launch!(
                device,
                gather_rows,
                (rows, 1),
                (128, 1),
                (&x.values, &places, &width, &mut out.values)
            );
            Ok(())
        },
        move |device, out| {
            let wanted = Array2::from_shape_fn((rows, columns), |(i, j)| {
                f64::from(values[[order[i] as usize, j]])
            });
            Ok(vec![Pair::matrix(device, out, &wanted)?])
        },
    )
}

fn scatter_add_rows(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let ((x, values), order) = (on_device(device, rows, columns, 1)?, order(rows));
    let (out, before) = on_device(device, rows, columns, 2)?;
    let places = device.send(&order)?;
    let width = columns as u32;
    trial(
        out,
        move |device, out| {
            launch!(
                device,
                scatter_add_rows,
                (rows, 1),
                (128, 1),
                (&x.values, &places, &width, &mut out.values)
            );
            Ok(())
        },
        move |device, out| {
            let mut wanted = wide(&before);
            for (i, &row) in order.iter().enumerate() {
                let mut target = wanted.row_mut(row as usize);
                target += &values.row(i).mapv(f64::from);
            }
            Ok(vec![Pair::matrix(device, out, &wanted)?])
        },
    )
}

/// The last `rows` rows of a matrix that has one more.
fn densify_rows(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let is_there = |row: usize, column: usize| {
        (mixed(3, (row * columns + column) as u64) >> 40) < ((1 << 24) as f64 * DENSITY) as u64
    };
    let (mut starts, mut indices) = (vec![0_u64], Vec::new());
    for row in 0..=rows {
        indices.extend(
            (0..columns).filter(|&column| is_there(row, column)).map(|column| column as u32),
        );
        starts.push(indices.len() as u64);
    }
    let values: Vec<f32> =
        numbers(indices.len(), 0.1, 4).into_iter().map(|value| value as f32).collect();
    let on_device = (device.send(&starts)?, device.send(&indices)?, device.send(&values)?);
    let (first, width) = (1_u32, columns as u32);
    trial(
        device.matrix(rows, columns)?,
        move |device, out| {
            let (starts, indices, values) = &on_device;
            let block = (THREADS as u32, 1);
            launch!(
                device,
                densify_rows,
                (rows, 1),
                block,
                (starts, indices, values, &first, &width, &mut out.values)
            );
            Ok(())
        },
        move |device, out| {
            let mut wanted = Array2::zeros((rows, columns));
            for row in 0..rows {
                for i in starts[row + 1] as usize..starts[row + 2] as usize {
                    wanted[[row, indices[i] as usize]] = f64::from(values[i]);
                }
            }
            Ok(vec![Pair::matrix(device, out, &wanted)?])
        },
    )
}
