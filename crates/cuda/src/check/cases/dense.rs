//! `kernels/dense.cu`

use cudarc::driver::CudaSlice;
use ndarray::Array2;

use super::{Case, Cost, Sizes};
use crate::{
    Device, Matrix, Result,
    check::trial::{Pair, Trial, dense, mixed, numbers, on_device, trial, wide, zeroed},
    kernels::{THREADS, blocks, launch},
};

const BLOCK: (u32, u32) = (THREADS as u32, 1);
/// Of a preconditioner, landmarks x landmarks.
const SQUARE: Sizes = [2058, 2058, 0];
const SMALL: &[Sizes] = &[[1, 1, 0], [37, 19, 0], [41, 305, 0]];
const SMALL_SQUARES: &[Sizes] = &[[1, 1, 0], [37, 37, 0], [130, 130, 0]];

pub(super) const CASES: &[Case] = &[
    Case {
        kernels: "widen",
        allowed: 0.0,
        small: SMALL,
        large: [65_536, 70, 0],
        cost: |sizes| Cost::each(sizes, 12, 0),
        trial: widen,
    },
    Case {
        kernels: "narrow",
        allowed: 1e-7,
        small: SMALL,
        large: [65_536, 70, 0],
        cost: |sizes| Cost::each(sizes, 12, 0),
        trial: narrow,
    },
    Case {
        kernels: "add",
        allowed: 1e-7,
        small: SMALL,
        large: SQUARE,
        cost: |sizes| Cost::each(sizes, 12, 1),
        trial: add,
    },
    Case {
        kernels: "add_to_diagonal",
        allowed: 1e-7,
        small: SMALL_SQUARES,
        large: [33_000, 33_000, 0],
        cost: |[rows, ..]| Cost::each([rows, 1, 0], 8, 1),
        trial: add_to_diagonal,
    },
    Case {
        kernels: "widen_symmetric",
        allowed: 1e-15,
        small: SMALL_SQUARES,
        large: SQUARE,
        // Half of what is there is read, and all is written.
        cost: |sizes| Cost::each(sizes, 2 + 8, 0),
        trial: widen_symmetric,
    },
    Case {
        kernels: "identity",
        allowed: 0.0,
        small: SMALL_SQUARES,
        large: SQUARE,
        cost: |sizes| Cost::each(sizes, 8, 0),
        trial: identity,
    },
    Case {
        kernels: "normal",
        allowed: 1e-6,
        small: SMALL,
        large: [13_953, 64, 0],
        cost: |sizes| Cost::each(sizes, 4, 0),
        trial: normal,
    },
    Case {
        kernels: "leading_signs",
        allowed: 0.0,
        small: SMALL,
        large: [13_953, 300, 0],
        cost: |sizes| Cost::each(sizes, 4, 0),
        trial: leading_signs,
    },
    Case {
        kernels: "transpose",
        allowed: 0.0,
        small: SMALL,
        large: [13_953, 300, 0],
        cost: |sizes| Cost::each(sizes, 8, 0),
        trial: transpose,
    },
];

fn widen(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let (x, values) = on_device(device, rows, columns, 1)?;
    trial(
        None::<CudaSlice<f64>>,
        move |device, out| {
            *out = Some(device.widen(&x.rows(0..rows))?);
            Ok(())
        },
        move |device, out| {
            let wanted = || values.iter().map(|&value| f64::from(value));
            out.iter().map(|out| Pair::numbers(device, out, wanted())).collect()
        },
    )
}

fn narrow(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let values = numbers(rows * columns, -1.0, 1);
    let x = device.send(&values)?;
    trial(
        None::<Matrix>,
        move |device, out| {
            *out = Some(device.narrow(&x, rows, columns)?);
            Ok(())
        },
        move |device, out| {
            let wanted =
                Array2::from_shape_vec((rows, columns), values).expect("rows x columns numbers");
            out.iter().map(|out| Pair::matrix(device, out, &wanted)).collect()
        },
    )
}

fn add(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let ((sum, before), (x, values)) =
        (on_device(device, rows, columns, 1)?, on_device(device, rows, columns, 2)?);
    trial(
        sum,
        move |device, sum| device.add(sum, &x),
        move |device, sum| Ok(vec![Pair::matrix(device, sum, &(wide(&before) + wide(&values)))?]),
    )
}

fn add_to_diagonal(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    const VALUE: f32 = 0.2;
    let mut wanted = Array2::zeros((0, 0));
    let matrix = match rows * columns {
        // Too large to be made here, and all entries but those of the diagonal stay as they are.
        1_000_000.. => device.zeros(rows, columns)?,
        _ => {
            let (matrix, values) = on_device(device, rows, columns, 1)?;
            wanted = wide(&values) + Array2::<f64>::eye(rows) * f64::from(VALUE);
            matrix
        }
    };
    trial(
        matrix,
        move |device, a| {
            launch!(device, add_to_diagonal, blocks(rows), BLOCK, (&mut a.values, &rows, &VALUE));
            Ok(())
        },
        move |device, a| Ok(vec![Pair::matrix(device, a, &wanted)?]),
    )
}

/// Its lower triangle, mirrored.
fn lower(values: &Array2<f64>) -> Array2<f64> {
    Array2::from_shape_fn(values.dim(), |(i, j)| values[[i.max(j), i.min(j)]])
}

fn widen_symmetric(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    const VALUE: f64 = 0.25;
    let (x, values) = on_device(device, rows, columns, 1)?;
    trial(
        device.allocate::<f64>(rows * columns)?,
        move |device, out| device.widen_symmetric(&x, VALUE, out),
        move |device, out| {
            let wanted = lower(&wide(&values)) + Array2::<f64>::eye(rows) * VALUE;
            Ok(vec![Pair::numbers(device, out, wanted.iter().copied())?])
        },
    )
}

fn identity(device: &Device, [rows, _, _]: Sizes) -> Result<Box<dyn Trial>> {
    trial(
        device.allocate::<f64>(rows * rows)?,
        move |device, x| {
            launch!(device, identity, blocks(rows * rows), BLOCK, (x, &rows));
            Ok(())
        },
        move |device, x| Ok(vec![Pair::numbers(device, x, Array2::<f64>::eye(rows))?]),
    )
}

fn normal(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    const SEED: u64 = 7;
    const SCALE: f32 = 0.5;
    let length = rows * columns;
    let wanted = |i| {
        let bits = mixed(SEED, i);
        let radius = (((bits >> 40) + 1) as f64 * 2_f64.powi(-24)).ln() * -2.0;
        let turn = (bits & 0xff_ffff) as f64 * 2_f64.powi(-24);
        f64::from(SCALE) * radius.sqrt() * (std::f64::consts::TAU * turn).cos()
    };
    trial(
        device.matrix(rows, columns)?,
        move |device, out| {
            launch!(
                device,
                normal,
                blocks(length),
                BLOCK,
                (&SEED, &length, &SCALE, &mut out.values)
            );
            Ok(())
        },
        move |device, out| {
            let wanted = (0..length as u64).map(wanted).collect();
            let wanted =
                Array2::from_shape_vec((rows, columns), wanted).expect("rows x columns numbers");
            Ok(vec![Pair::matrix(device, out, &wanted)?])
        },
    )
}

fn leading_signs(device: &Device, [rows, width, _]: Sizes) -> Result<Box<dyn Trial>> {
    let mut values = dense(rows, width, 1);
    // The same magnitude twice: the first decides.
    values.row_mut(0).fill(-1.5);
    values.row_mut(rows - 1).fill(if rows > 1 { 1.5 } else { -1.5 });
    let (v, height, across) = (device.upload(values.view())?, rows as u32, width as u32);
    trial(
        zeroed(device, width)?,
        move |device, signs| {
            launch!(device, leading_signs, (width, 1), BLOCK, (&v.values, &height, &across, signs));
            Ok(())
        },
        move |device, signs| Ok(vec![Pair::numbers(device, signs, vec![-1.0; width])?]),
    )
}

fn transpose(device: &Device, [rows, columns, _]: Sizes) -> Result<Box<dyn Trial>> {
    let (v, values) = on_device(device, rows, columns, 1)?;
    trial(
        None::<Matrix>,
        move |device, out| {
            *out = Some(device.transpose(&v)?);
            Ok(())
        },
        move |device, out| {
            let wanted = wide(&values).t().as_standard_layout().into_owned();
            out.iter().map(|out| Pair::matrix(device, out, &wanted)).collect()
        },
    )
}
