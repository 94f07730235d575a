//! `kernels/rbf.cu`: the kernel matrix and its products.

use modality_recipe::{Exact, Rbf as _};
use ndarray::Array2;

use super::{Case, Cost, Sizes, Unit};
use crate::{
    Device, Matrix, Result,
    check::trial::{Pair, Trial, dense, trial, wide},
    rbf::{Entries, Packed, TILE, Tiles, tiles_of},
};

/// Components of the input.
const COMPONENTS: usize = 300;
/// Targets.
const WIDTH: usize = 70;
const LANES: usize = 32;
/// Entries in the hands of a lane.
const EACH: usize = 8;

pub(super) const CASES: &[Case] = &[
    Case {
        kernels: "keep_tiles",
        // A 16-bit number is off by 7.6e-6.
        allowed: 2e-5,
        // Cells, components, and rows of tiles that are not kept; the last of more tiles than a square has.
        small: &[[1, 1, 0], [45, 17, 1], [150, 305, 0], [1050, 5, 0], [1050, 5, 23]],
        large: [33_000, COMPONENTS, 0],
        // One triangle is formed.
        cost: |[cells, components, _]| square(cells, 2.0, forming(components) / 2.0),
        trial: keep_tiles,
    },
    Case {
        kernels: "pack_rows twice, dense_kernel",
        allowed: 1e-5,
        small: &[[1, 1, 1], [45, 130, 17], [150, 33, 305]],
        // All cells and the landmarks of the preconditioner.
        large: [66_175, 2058, COMPONENTS],
        cost: |[rows, columns, components]| {
            let packed = 8.0 * ((rows + columns) * components) as f64;
            between(rows, columns, 4.0, forming(components)).and_bytes(packed)
        },
        trial: dense_kernel,
    },
    Case {
        kernels: "column_maxima, pack_columns, multiply_kept",
        allowed: 2e-5,
        small: &[[1, 1, 1], [45, 17, 73], [305, 33, 7]],
        large: [33_000, COMPONENTS, WIDTH],
        cost: |[cells, _, width]| {
            square(cells, 2.0, multiplying(width)).and_bytes(vectors(cells, width))
        },
        trial: |device, sizes| multiply(device, sizes, true),
    },
    Case {
        kernels: "column_maxima, pack_columns, multiply_formed",
        allowed: 2e-5,
        small: &[[1, 1, 1], [45, 17, 73], [305, 33, 7]],
        large: [33_000, COMPONENTS, WIDTH],
        cost: |[cells, components, width]| {
            let packed = 4.0 * (cells * components) as f64;
            square(cells, 0.0, forming(components) + multiplying(width))
                .and_bytes(packed + vectors(cells, width))
        },
        trial: |device, sizes| multiply(device, sizes, false),
    },
    Case {
        // Test cells, training cells and targets, of COMPONENTS components.
        kernels: "pack_rows twice, column_maxima, pack_columns, multiply_fine, sum_parts",
        allowed: 1e-5,
        small: &[[1, 1, 1], [45, 130, 73], [33, 700, 7]],
        large: [1000, 66_175, WIDTH],
        cost: |[rows, columns, width]| {
            let packed = 8.0 * ((rows + columns) * COMPONENTS) as f64;
            between(rows, columns, 0.0, forming(COMPONENTS) + multiplying(width))
                .and_bytes(packed + vectors(columns, width))
        },
        trial: kernel_product,
    },
];

/// Operations that form an entry: three products of halves, of whole steps.
fn forming(components: usize) -> f64 {
    6.0 * components.next_multiple_of(TILE) as f64
}

/// Operations that multiply an entry with vectors, likewise.
fn multiplying(width: usize) -> f64 {
    6.0 * width.next_multiple_of(8) as f64
}

/// Bytes of vectors: read twice, written as fragments, which are read; and the result.
fn vectors(rows: usize, width: usize) -> f64 {
    20.0 * (rows * width) as f64
}

fn square(cells: usize, bytes: f64, flops: f64) -> Cost {
    between(cells, cells, bytes, flops)
}

/// For each entry of a kernel.
fn between(rows: usize, columns: usize, bytes: f64, flops: f64) -> Cost {
    let entries = (rows * columns) as f64;
    Cost { bytes: entries * bytes, flops: entries * flops, unit: Unit::MatrixUnits }
}

impl Cost {
    fn and_bytes(self, more: f64) -> Self {
        Self { bytes: self.bytes + more, ..self }
    }
}

/// So that entries are about exp(-3) far from the diagonal.
fn gamma(components: usize) -> f64 {
    1.5 / components as f64
}

/// Rows as the scores are: of variance one.
fn scores(rows: usize, components: usize, seed: u64) -> Array2<f32> {
    dense(rows, components, seed) * 3_f32.sqrt()
}

/// Rows of which some are near those of `x`, so that there are entries near one.
fn neighbours(x: &Array2<f32>, rows: usize) -> Array2<f32> {
    let mut y = scores(rows, x.ncols(), 2);
    for (i, mut row) in y.rows_mut().into_iter().enumerate().step_by(3) {
        row *= 0.03;
        row += &x.row(i % x.nrows());
    }
    y
}

/// Mostly above zero, as sums of others would be as small as their errors.
fn coefficients(rows: usize, width: usize) -> Array2<f32> {
    dense(rows, width, 4).mapv(|value| value * 0.6 + 0.4)
}

/// Rows on the device, packed.
struct Rows {
    tiles: Tiles,
    packed: Packed,
}

impl Rows {
    fn new(device: &Device, values: &Array2<f32>) -> Result<Self> {
        let tiles = device.tiles(tiles_of(0..values.nrows(), 0))?;
        let packed = device.pack(&device.upload(values.view())?, &tiles)?;
        Ok(Self { tiles, packed })
    }
}

fn keep_tiles(device: &Device, [cells, components, left_out]: Sizes) -> Result<Box<dyn Trial>> {
    let mut x = scores(cells, components, 1);
    x = neighbours(&x, cells);
    let rows = Rows::new(device, &x)?;
    let across = rows.tiles.count();
    trial(
        None::<Entries>,
        move |device, kept| {
            *kept = None;
            let count = across - left_out;
            *kept = Some(device.keep(&rows.packed, &rows.tiles, gamma(components), count)?);
            Ok(())
        },
        move |device, kept| {
            let Ok(wanted) = Exact.kernel(&wide(&x), gamma(components));
            let of = |kept: &Entries| {
                let found = unpacked(&device.fetch(&kept.words())?, across);
                let part = ndarray::s![..cells.min(found.nrows()), ..cells];
                Ok(Pair::of(found.slice(part).to_owned(), wanted.slice(part).to_owned()))
            };
            kept.iter().map(of).collect()
        },
    )
}

/// Tiles row by row, as one matrix.
fn unpacked(words: &[u16], across: usize) -> Array2<f64> {
    let down = words.len() / (across * LANES * EACH);
    let mut kernel = Array2::zeros((down * TILE, across * TILE));
    for (at, &word) in words.iter().enumerate() {
        let (tile, lane, i) = (at / (LANES * EACH), at / EACH % LANES, at % EACH);
        let (g, t) = (lane / 4, lane % 4);
        // Words of the left half of a tile, then of the right: above, below, two neighbours each.
        let (row, column) = (g + i / 2 % 2 * 8, i / 4 * 8 + 2 * t + i % 2);
        kernel[[tile / across * TILE + row, tile % across * TILE + column]] =
            f64::from(word) / 65535.0;
    }
    kernel
}

fn dense_kernel(device: &Device, [rows, columns, components]: Sizes) -> Result<Box<dyn Trial>> {
    let x = scores(rows, components, 1);
    let y = neighbours(&x, columns);
    let (on_device_x, on_device_y) = (device.upload(x.view())?, device.upload(y.view())?);
    trial(
        None::<Matrix>,
        move |device, out| {
            *out = None;
            *out = Some(device.kernel(&on_device_x, &on_device_y, gamma(components))?);
            Ok(())
        },
        move |device, out| {
            let every = Array2::eye(columns);
            let Ok(wanted) = Exact.kernel_product(&wide(&x), &wide(&y), gamma(components), &every);
            out.iter().map(|out| Pair::matrix(device, out, &wanted)).collect()
        },
    )
}

fn multiply(
    device: &Device,
    [cells, components, width]: Sizes,
    is_kept: bool,
) -> Result<Box<dyn Trial>> {
    let mut x = scores(cells, components, 1);
    x = neighbours(&x, cells);
    let (rows, v) = (Rows::new(device, &x)?, coefficients(cells, width));
    let on_device = device.upload(v.view())?;
    let gamma = gamma(components);
    let kept = if is_kept { rows.tiles.count() } else { 0 };
    let entries = device.keep(&rows.packed, &rows.tiles, gamma, kept)?;
    trial(
        Vec::new(),
        move |device, out| {
            *out =
                device.products((&rows.packed, gamma, &entries), &[(&rows.tiles, &on_device)])?;
            Ok(())
        },
        move |device, out| {
            let x = wide(&x);
            let Ok(wanted) = Exact.kernel_product(&x, &x, gamma, &wide(&v));
            out.iter().map(|out| Pair::matrix(device, out, &wanted)).collect()
        },
    )
}

fn kernel_product(device: &Device, [rows, columns, width]: Sizes) -> Result<Box<dyn Trial>> {
    let x = scores(rows, COMPONENTS, 1);
    let y = neighbours(&x, columns);
    let c = coefficients(columns, width);
    let (on_device_x, on_device_y, on_device_c) =
        (device.upload(x.view())?, device.upload(y.view())?, device.upload(c.view())?);
    trial(
        None::<Matrix>,
        move |device, out| {
            *out = Some(device.kernel_product(
                &on_device_x,
                &on_device_y,
                gamma(COMPONENTS),
                &on_device_c,
            )?);
            Ok(())
        },
        move |device, out| {
            let Ok(wanted) =
                Exact.kernel_product(&wide(&x), &wide(&y), gamma(COMPONENTS), &wide(&c));
            out.iter().map(|out| Pair::matrix(device, out, &wanted)).collect()
        },
    )
}
