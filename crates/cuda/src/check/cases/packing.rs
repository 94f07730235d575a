//! `kernels/pack.cu`, and sums of `kernels/rbf.cu`.

use cudarc::driver::CudaSlice;
use half::f16;
use ndarray::Array2;

use super::{Case, Cost, Sizes};
use crate::{
    Device, Result,
    check::trial::{Pair, Trial, numbers, on_device, trial, wide},
    kernels::{THREADS, blocks, launch},
    rbf::{SLAB_COLUMNS, TILE, Tile, searchers, tiles_of},
};

const BLOCK: (u32, u32) = (THREADS as u32, 1);
const LANES: usize = 32;
/// Numbers of 32 bits that a lane has in a fragment.
const WORDS: usize = 4;

pub(super) const CASES: &[Case] = &[
    Case {
        kernels: "pack_rows",
        allowed: 1e-6,
        small: &[[1, 1, 0], [45, 17, 0], [33, 305, 0]],
        large: [66_175, 300, 0],
        cost: |sizes| Cost::each(sizes, 8, 2),
        trial: pack_rows,
    },
    Case {
        kernels: "column_maxima",
        allowed: 0.0,
        small: &[[1, 1, 0], [37, 73, 0], [1025, 17, 0]],
        large: [33_000, 70, 0],
        cost: |sizes| Cost::each(sizes, 4, 0),
        trial: column_maxima,
    },
    Case {
        kernels: "pack_columns",
        allowed: 1e-6,
        small: &[[1, 1, 0], [37, 73, 0], [305, 17, 0]],
        large: [33_000, 70, 0],
        cost: |sizes| Cost::each(sizes, 8, 0),
        trial: pack_columns,
    },
    Case {
        kernels: "sum_parts",
        allowed: 1e-6,
        small: &[[1, 1, 1], [37, 7, 5], [129, 73, 3]],
        large: [1000, 70, 66],
        cost: |[rows, columns, parts]| Cost::each([rows, columns, 0], 4 * parts + 4, parts),
        trial: sum_parts,
    },
];

/// Rows of a tile that the four words of a lane hold (A of the matrix instruction), and their components: two neighbours
/// each.
fn places(lane: usize) -> [(usize, usize); WORDS] {
    let (g, t) = (lane / 4, lane % 4);
    [(g, 2 * t), (g + 8, 2 * t), (g, 2 * t + 8), (g + 8, 2 * t + 8)]
}

/// The two numbers in a word.
fn halves(word: u32) -> [f64; 2] {
    [word as u16, (word >> 16) as u16].map(|bits| f16::from_bits(bits).to_f64())
}

/// Fragments of packed rows, high and low parts, and norms.
struct Packed {
    parts: [CudaSlice<u32>; 2],
    norms: CudaSlice<f32>,
    not_finite: CudaSlice<u32>,
}

fn pack_rows(device: &Device, [rows, components, _]: Sizes) -> Result<Box<dyn Trial>> {
    let (x, values) = on_device(device, rows, components, 1)?;
    let tiles: Vec<Tile> = tiles_of(0..rows, 0).collect();
    let (count, steps) = (tiles.len(), components.div_ceil(TILE));
    let (tiles, width, along) = (device.send(&tiles)?, components as u32, steps as u32);
    let length = count * steps * LANES * WORDS;
    let packed = Packed {
        parts: [device.allocate(length)?, device.allocate(length)?],
        norms: device.allocate(count * TILE)?,
        not_finite: device.stream.alloc_zeros(1)?,
    };
    trial(
        packed,
        move |device, Packed { parts: [hi, lo], norms, not_finite }| {
            launch!(
                device,
                pack_rows,
                (count, 1),
                BLOCK,
                (&x.values, &width, &tiles, &along, hi, lo, norms, not_finite)
            );
            Ok(())
        },
        move |device, Packed { parts: [hi, lo], norms, .. }| {
            let mut wanted = Array2::zeros((count * TILE, steps * TILE));
            wanted.slice_mut(ndarray::s![..rows, ..components]).assign(&wide(&values));
            let squares: Vec<f64> =
                wanted.rows().into_iter().map(|row| row.iter().map(|x| x * x).sum()).collect();
            let (hi, lo) = (device.fetch(hi)?, device.fetch(lo)?);
            let found = unpacked_rows(&hi, &lo, (count, steps));
            Ok(vec![
                Pair::of(found, wanted),
                Pair::of(device.fetch(norms)?.into_iter().map(f64::from), squares),
            ])
        },
    )
}

fn unpacked_rows(hi: &[u32], lo: &[u32], (tiles, steps): (usize, usize)) -> Array2<f64> {
    let mut rows = Array2::zeros((tiles * TILE, steps * TILE));
    for (i, (&hi, &lo)) in hi.iter().zip(lo).enumerate() {
        let (at, lane) = (i / (LANES * WORDS), i / WORDS % LANES);
        let (row, component) = places(lane)[i % WORDS];
        for (second, (hi, lo)) in halves(hi).into_iter().zip(halves(lo)).enumerate() {
            rows[[at / steps * TILE + row, at % steps * TILE + component + second]] = hi + lo;
        }
    }
    rows
}

fn column_maxima(device: &Device, [rows, width, _]: Sizes) -> Result<Box<dyn Trial>> {
    let (v, values) = on_device(device, rows, width, 1)?;
    let (height, across) = (rows as u32, width as u32);
    trial(
        device.send(&vec![0_u32; width])?,
        move |device, maxima| {
            launch!(
                device,
                column_maxima,
                (searchers(rows), 1),
                (32, 8),
                (&v.values, &height, &across, maxima)
            );
            Ok(())
        },
        move |device, maxima| {
            let found = device.fetch(&maxima.slice(..width))?.into_iter();
            let found: Vec<f64> = found.map(|bits| f64::from(f32::from_bits(bits))).collect();
            Ok(vec![Pair::of(found, largest(&values))])
        },
    )
}

/// The largest magnitude in each column.
fn largest(values: &Array2<f32>) -> Vec<f64> {
    let of = |column: ndarray::ArrayView1<'_, f32>| {
        column.iter().fold(0.0_f32, |most, value| most.max(value.abs()))
    };
    values.columns().into_iter().map(|column| f64::from(of(column))).collect()
}

/// Fragments of vectors, and what their columns were multiplied by.
struct Vectors {
    packed: CudaSlice<u32>,
    scales: CudaSlice<f32>,
}

fn pack_columns(device: &Device, [rows, width, _]: Sizes) -> Result<Box<dyn Trial>> {
    let (v, values) = on_device(device, rows, width, 1)?;
    let tiles: Vec<Tile> = tiles_of(0..rows, 0).collect();
    let count = tiles.len();
    let maxima: Vec<u32> =
        largest(&values).into_iter().map(|value| (value as f32).to_bits()).collect();
    let (tiles, maxima) = (device.send(&tiles)?, device.send(&maxima)?);
    let across = width as u32;
    let vectors = Vectors {
        packed: device.allocate(count * width.div_ceil(8) * LANES * WORDS)?,
        scales: device.allocate(width)?,
    };
    let grid = (count, width.div_ceil(SLAB_COLUMNS));
    trial(
        vectors,
        move |device, Vectors { packed, scales }| {
            launch!(
                device,
                pack_columns,
                grid,
                BLOCK,
                (&v.values, &across, &tiles, &maxima, scales, packed)
            );
            Ok(())
        },
        move |device, Vectors { packed, scales }| {
            let scales = device.fetch(&scales.slice(..width))?;
            let found = unpacked_columns(&device.fetch(packed)?, &scales, count);
            let mut wanted = Array2::zeros((count * TILE, width));
            wanted.slice_mut(ndarray::s![..rows, ..]).assign(&wide(&values));
            Ok(vec![Pair::of(found, wanted)])
        },
    )
}

/// Divided by their scales.
fn unpacked_columns(packed: &[u32], scales: &[f32], tiles: usize) -> Array2<f64> {
    let mut rows = Array2::zeros((tiles * TILE, scales.len()));
    let mut rest = packed;
    for (slab, scales) in scales.chunks(SLAB_COLUMNS).enumerate() {
        let groups = scales.len().div_ceil(8);
        let (own, others) = rest.split_at(tiles * groups * LANES * WORDS);
        rest = others;
        for (i, lane_words) in own.chunks(WORDS).enumerate() {
            let (tile, group, lane) = (i / LANES / groups, i / LANES % groups, i % LANES);
            let (g, t) = (lane / 4, lane % 4);
            let Some(&scale) = scales.get(8 * group + g) else { continue };
            for upper in [0, 1] {
                let pairs =
                    halves(lane_words[upper]).into_iter().zip(halves(lane_words[upper + 2]));
                for (second, (hi, lo)) in pairs.enumerate() {
                    let row = tile * TILE + 2 * t + 8 * upper + second;
                    rows[[row, slab * SLAB_COLUMNS + 8 * group + g]] = (hi + lo) / f64::from(scale);
                }
            }
        }
    }
    rows
}

fn sum_parts(device: &Device, [rows, columns, parts]: Sizes) -> Result<Box<dyn Trial>> {
    let length = rows * columns;
    let values: Vec<f32> =
        numbers(length * parts, -1.0, 1).into_iter().map(|value| value as f32).collect();
    let (x, count) = (device.send(&values)?, parts as u32);
    trial(
        device.matrix(rows, columns)?,
        move |device, out| {
            launch!(
                device,
                sum_parts,
                blocks(length),
                BLOCK,
                (&x, &count, &length, &mut out.values)
            );
            Ok(())
        },
        move |device, out| {
            let sum =
                |i| values.iter().skip(i).step_by(length).map(|&value| f64::from(value)).sum();
            let wanted = Array2::from_shape_vec((rows, columns), (0..length).map(sum).collect());
            Ok(vec![Pair::matrix(device, out, &wanted.expect("rows x columns numbers"))?])
        },
    )
}
