//! Matrices of float32 numbers, or of sums of two float16 numbers: what products on matrix units take, with 22 bits.

use cudarc::driver::{CudaSlice, DevicePtr as _, DevicePtrMut as _, DeviceRepr};

use crate::{
    algebra::Factor,
    device::Device,
    error::Result,
    kernels::launch,
    matrix::Matrix,
    parts::{BLOCK, Corner, Move, grid, grid_of},
};

/// Rows of these matrices have a multiple of so many numbers, as matrix units and wide loads want it.
pub(crate) const ALIGNMENT: usize = 8;
/// What a largest magnitude of one is multiplied by, as `scale_of` in `kernels/fragments.cuh` has it.
const ONE: f32 = 128.0;
/// Cells whose products a matrix unit adds up before they are added to others in float32: it cuts off what its own sums cannot hold.
const LONGEST_SUM: usize = 4096;

/// A matrix, rows x columns, as one of two kinds; its columns are a multiple of [`ALIGNMENT`].
pub(crate) enum Numbers {
    Single(Matrix),
    Halves(Halves),
}

/// The sum of two matrices of float16 numbers.
pub(crate) struct Halves {
    hi: CudaSlice<u16>,
    lo: CudaSlice<u16>,
    rows: usize,
    columns: usize,
}

/// What columns were multiplied by before they became float16 numbers, as their largest magnitudes; of several matrices, one behind
/// the other. Nothing for float32 numbers.
pub(crate) struct Scales(Option<Maxima>);

struct Maxima {
    values: CudaSlice<u32>,
    /// Where each matrix's begin.
    firsts: Vec<usize>,
}

/// See `kernels/parts.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Split {
    from: u64,
    hi: u64,
    lo: u64,
    rows: u32,
    columns: u32,
    from_width: u32,
    to_width: u32,
    first: u32,
    unused: u32,
}

/// See `kernels/parts.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Unscaled {
    from: u64,
    base: u64,
    to: u64,
    rows: u32,
    columns: u32,
    from_width: u32,
    to_width: u32,
    first: u32,
    unused: u32,
}

// SAFETY: plain numbers, laid out as the kernels' structs are.
unsafe impl DeviceRepr for Split {}
// SAFETY: as above.
unsafe impl DeviceRepr for Unscaled {}

impl Numbers {
    pub(crate) fn shape(&self) -> (usize, usize) {
        match self {
            Self::Single(matrix) => (matrix.rows, matrix.columns),
            Self::Halves(Halves { rows, columns, .. }) => (*rows, *columns),
        }
    }

    /// As float64 numbers.
    pub(crate) fn on_host(&self, device: &Device) -> Result<ndarray::Array2<f64>> {
        let values = match self {
            Self::Single(matrix) => {
                let values = device.fetch(&matrix.values.slice(..matrix.len()))?;
                values.into_iter().map(f64::from).collect()
            }
            Self::Halves(halves) => {
                let [hi, lo] = halves.rows(0..halves.rows);
                let (hi, lo) = (device.fetch(&hi)?, device.fetch(&lo)?);
                let number = |bits: u16| half::f16::from_bits(bits).to_f64();
                hi.into_iter().zip(lo).map(|(hi, lo)| number(hi) + number(lo)).collect()
            }
        };
        let matrix = ndarray::Array2::from_shape_vec(self.shape(), values);
        Ok(matrix.expect("as many values as the matrix has"))
    }

    /// What the numbers of [`Device::halved`] are multiplied by.
    pub(crate) fn unit(&self) -> f32 {
        match self {
            Self::Single(_) => 1.0,
            Self::Halves(_) => ONE,
        }
    }

    /// The product with `side`, or that of the transpose.
    pub(crate) fn times(&self, device: &Device, transposed: bool, side: &Self) -> Result<Matrix> {
        let ((rows, columns), (_, width)) = (self.shape(), side.shape());
        let mut out = device.matrix(if transposed { columns } else { rows }, width)?;
        match (self, side) {
            (Self::Single(own), Self::Single(side)) => {
                let (own, side) = (own.rows(0..rows), side.rows(0..side.rows));
                let own = Factor::new(&own, rows, columns);
                let side = Factor::new(&side, if transposed { rows } else { columns }, width);
                let own = if transposed { own.t() } else { own };
                let end = out.rows;
                device.multiply(1.0, (own, side), 0.0, &mut out.rows_mut(0..end))?;
            }
            (Self::Halves(own), Self::Halves(side)) => {
                own.times(device, transposed, side, &mut out)?
            }
            _ => unreachable!("matrices of two kinds"),
        }
        Ok(out)
    }
}

impl Halves {
    fn new(device: &Device, rows: usize, columns: usize) -> Result<Self> {
        let length = rows * columns;
        Ok(Self { hi: device.allocate(length)?, lo: device.allocate(length)?, rows, columns })
    }

    fn times(
        &self,
        device: &Device,
        transposed: bool,
        side: &Self,
        out: &mut Matrix,
    ) -> Result<()> {
        let end = out.rows;
        let mut out = out.rows_mut(0..end);
        if !transposed {
            assert_eq!(self.columns, side.rows);
            let (own, side) = (self.rows(0..self.rows), side.rows(0..side.rows));
            let own = own.each_ref().map(|part| Factor::new(part, self.rows, self.columns));
            let width = side[0].len() / self.columns.max(1);
            let side = side.each_ref().map(|part| Factor::new(part, self.columns, width));
            return device.multiply_halves(own, side, 0.0, &mut out);
        }
        assert_eq!(self.rows, side.rows);
        for start in (0..self.rows).step_by(LONGEST_SUM) {
            let range = start..self.rows.min(start + LONGEST_SUM);
            let (own, those) = (self.rows(range.clone()), side.rows(range.clone()));
            let own = own.each_ref().map(|part| Factor::new(part, range.len(), self.columns).t());
            let those = those.each_ref().map(|part| Factor::new(part, range.len(), side.columns));
            let keep = if start == 0 { 0.0 } else { 1.0 };
            device.multiply_halves(own, those, keep, &mut out)?;
        }
        Ok(())
    }

    /// Both parts of some rows.
    fn rows(&self, range: std::ops::Range<usize>) -> [cudarc::driver::CudaView<'_, u16>; 2] {
        let range = range.start * self.columns..range.end * self.columns;
        [&self.hi, &self.lo].map(|part| part.slice(range.clone()))
    }
}

impl Scales {
    /// That of the column that a part begins with, of a matrix as those that were looked at.
    fn first(&self, Corner { matrix, column, .. }: Corner) -> u32 {
        self.0.as_ref().map_or(0, |maxima| (maxima.firsts[matrix] + column) as u32)
    }

    /// Where they lie on the device; nowhere if there are none.
    fn address(&self, device: &Device) -> u64 {
        self.0.as_ref().map_or(0, |maxima| maxima.values.device_ptr(&device.stream).0)
    }
}

impl Device {
    /// Parts of the matrices `from` beside one another in matrices of these shapes, float16 numbers if `halves`; what is in none of
    /// the parts means nothing.
    pub(crate) fn beside(
        &self,
        from: &[&Matrix],
        shapes: &[(usize, usize)],
        moves: &[Move],
        halves: bool,
    ) -> Result<(Vec<Numbers>, Scales)> {
        assert!(shapes.iter().all(|(_, columns)| columns % ALIGNMENT == 0), "{shapes:?}");
        if !halves {
            let matrices = shapes.iter().map(|&(rows, columns)| self.matrix(rows, columns));
            let mut matrices = matrices.collect::<Result<Vec<Matrix>>>()?;
            self.copy_parts(from, &mut matrices, moves)?;
            return Ok((matrices.into_iter().map(Numbers::Single).collect(), Scales(None)));
        }
        let maxima = self.maxima(from)?;
        let matrices = self.split(from, shapes, moves, &maxima)?;
        Ok((matrices.into_iter().map(Numbers::Halves).collect(), Scales(Some(maxima))))
    }

    /// `matrix`, whose magnitudes are about one or less, as float16 numbers that are [`Numbers::unit`] times as large.
    pub(crate) fn halved(&self, matrix: &Matrix) -> Result<Numbers> {
        let (rows, columns) = (matrix.rows, matrix.columns);
        let corner = Corner { matrix: 0, row: 0, column: 0 };
        let whole = Move { from: corner, to: corner, rows, columns };
        let ones = vec![1_f32.to_bits(); columns];
        let maxima = Maxima { values: self.send(&ones)?, firsts: vec![0] };
        let mut halves = self.split(&[matrix], &[(rows, columns)], &[whole], &maxima)?;
        Ok(Numbers::Halves(halves.swap_remove(0)))
    }

    fn split(
        &self,
        from: &[&Matrix],
        shapes: &[(usize, usize)],
        moves: &[Move],
        maxima: &Maxima,
    ) -> Result<Vec<Halves>> {
        let matrices = shapes.iter().map(|&(rows, columns)| Halves::new(self, rows, columns));
        let mut matrices = matrices.collect::<Result<Vec<Halves>>>()?;
        let splits: Vec<Split> = moves
            .iter()
            .map(|part| {
                let (source, target) = (from[part.from.matrix], &mut matrices[part.to.matrix]);
                let at =
                    part.to.within(part, (target.rows, target.columns)) * size_of::<u16>() as u64;
                Split {
                    from: part.address_from(self, source),
                    hi: target.hi.device_ptr_mut(&self.stream).0 + at,
                    lo: target.lo.device_ptr_mut(&self.stream).0 + at,
                    rows: part.rows as u32,
                    columns: part.columns as u32,
                    from_width: source.columns as u32,
                    to_width: target.columns as u32,
                    first: (maxima.firsts[part.from.matrix] + part.from.column) as u32,
                    unused: 0,
                }
            })
            .collect();
        let list = self.send(&splits)?;
        launch!(self, split_parts, grid(moves), BLOCK, (&list, &maxima.values));
        Ok(matrices)
    }

    /// The largest magnitudes in the columns of all `matrices`.
    fn maxima(&self, matrices: &[&Matrix]) -> Result<Maxima> {
        let mut end = 0;
        let firsts: Vec<usize> = matrices
            .iter()
            .map(|matrix| {
                let first = end;
                end += matrix.columns;
                first
            })
            .collect();
        let mut values = self.allocate::<u32>(end)?;
        self.stream.memset_zeros(&mut values)?;
        let whole = |(matrix, &first): (&&Matrix, &usize)| Split {
            from: matrix.values.device_ptr(&self.stream).0,
            hi: 0,
            lo: 0,
            rows: matrix.rows as u32,
            columns: matrix.columns as u32,
            from_width: matrix.columns as u32,
            to_width: 0,
            first: first as u32,
            unused: 0,
        };
        let list: Vec<Split> = matrices.iter().zip(&firsts).map(whole).collect();
        let longest = matrices.iter().map(|matrix| matrix.rows).max().unwrap_or(0);
        let (list, grid) = (self.send(&list)?, grid_of(matrices.len(), longest));
        launch!(self, part_maxima, grid, BLOCK, (&list, &mut values));
        Ok(Maxima { values, firsts })
    }

    /// `to` = `keep` `base` + `take` times parts of `from`, products with what was multiplied by `scales`; no two parts may overlap.
    /// Without a base, `to` is its own.
    pub(crate) fn add_unscaled(
        &self,
        (from, scales): (&[Matrix], &Scales),
        (base, to): (Option<&[&Matrix]>, &mut [Matrix]),
        moves: &[Move],
        (keep, take): (f32, f32),
    ) -> Result<()> {
        let parts: Vec<Unscaled> = moves
            .iter()
            .map(|part| {
                let (source, target) = (&from[part.from.matrix], &mut to[part.to.matrix]);
                let own = part.address_to(self, target);
                let base = base.map_or(own, |base| {
                    let base = base[part.to.matrix];
                    assert_eq!(base.shape(), target.shape());
                    part.to.within(part, (base.rows, base.columns)) * size_of::<f32>() as u64
                        + base.values.device_ptr(&self.stream).0
                });
                Unscaled {
                    from: part.address_from(self, source),
                    base,
                    to: own,
                    rows: part.rows as u32,
                    columns: part.columns as u32,
                    from_width: source.columns as u32,
                    to_width: target.columns as u32,
                    first: scales.first(part.to),
                    unused: 0,
                }
            })
            .collect();
        let (list, maxima) = (self.send(&parts)?, scales.address(self));
        launch!(self, add_unscaled, grid(moves), BLOCK, (&list, &maxima, &keep, &take));
        Ok(())
    }
}
