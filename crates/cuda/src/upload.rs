//! Cells on their way to the device, through memory that the device reads by itself.

use cudarc::driver::{
    CudaEvent, CudaSlice, CudaStream, DeviceRepr, HostSlice, PinnedHostSlice, SyncOnDrop,
    ValidAsZeroBits,
};
use modality_data::{Csr, ValuesView};
use ndarray::{CowArray, Ix2};

use crate::{
    device::Device,
    error::{Error, Result},
    matrix::Matrix,
    svd::{Form, Rows, Sparse},
};

/// Numbers of four bytes in each of two buffers: one is filled while the device reads the other.
const LENGTH: usize = 4 << 20;

/// The rows of all blocks.
pub(crate) fn rows(device: &Device, blocks: &[ValuesView<'_>]) -> Result<Rows> {
    if !blocks.iter().all(|block| block.is_finite()) {
        return Err(Error::NotFinite("the values of a data set"));
    }
    let sparse: Option<Vec<&Csr>> = blocks
        .iter()
        .map(|block| match block {
            ValuesView::Sparse(csr) => Some(*csr),
            ValuesView::Dense(_) => None,
        })
        .collect();
    let values = match sparse {
        Some(blocks) => Form::Sparse(sparse_rows(device, &blocks)?),
        None => Form::Dense(dense_rows(device, blocks)?),
    };
    Ok(Rows { blocks: blocks.iter().map(|block| block.rows()).collect(), values })
}

fn sparse_rows(device: &Device, blocks: &[&Csr]) -> Result<Sparse> {
    let mut starts = vec![0_u64];
    for block in blocks {
        let before = *starts.last().expect("it begins with one");
        let ends = block.indptr();
        starts.extend(ends.raw_storage().iter().skip(1).map(|&end| before + end as u64));
    }
    let indices: Vec<&[u32]> = blocks.iter().map(|block| block.indices()).collect();
    let values: Vec<&[f32]> = blocks.iter().map(|block| block.data()).collect();
    Ok(Sparse {
        starts: device.send(&starts)?,
        indices: joined(device, &indices, LENGTH)?,
        values: joined(device, &values, LENGTH)?,
        rows: blocks.iter().map(|block| block.rows()).sum(),
        features: blocks[0].cols(),
        nonzeros: blocks.iter().map(|block| block.nnz()).sum(),
    })
}

fn dense_rows(device: &Device, blocks: &[ValuesView<'_>]) -> Result<Matrix> {
    let standard: Vec<CowArray<'_, f32, Ix2>> = blocks
        .iter()
        .map(|block| match block {
            ValuesView::Dense(dense) => dense.as_standard_layout(),
            ValuesView::Sparse(_) => panic!("blocks are all sparse or all dense"),
        })
        .collect();
    let parts: Vec<&[f32]> = standard
        .iter()
        .map(|block| block.as_slice().expect("it was given standard layout"))
        .collect();
    let rows = standard.iter().map(|block| block.nrows()).sum();
    Ok(Matrix { values: joined(device, &parts, LENGTH)?, rows, columns: blocks[0].columns() })
}

/// The parts, one behind the other, by two buffers of `size` numbers.
fn joined<T: DeviceRepr + ValidAsZeroBits + Copy>(
    device: &Device,
    parts: &[&[T]],
    size: usize,
) -> Result<CudaSlice<T>> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut whole = device.allocate(length)?;
    if length <= size {
        let mut start = 0;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            device.stream.memcpy_htod(*part, &mut whole.slice_mut(start..start + part.len()))?;
            start += part.len();
        }
        return Ok(whole);
    }
    // SAFETY: each buffer is written before the device reads it.
    let buffer = || unsafe { device.stream.context().alloc_pinned::<T>(size) };
    let mut buffers: [PinnedHostSlice<T>; 2] = [buffer()?, buffer()?];
    // When the device has read what is in a buffer; cudarc's own note of that is off with the tracking of events.
    let mut has_read: [Option<CudaEvent>; 2] = [None, None];
    let (mut start, mut turn) = (0, 0);
    for part in parts {
        for piece in part.chunks(size) {
            let buffer = &mut buffers[turn];
            if let Some(event) = has_read[turn].take() {
                event.synchronize()?;
            }
            buffer.as_mut_slice()?[..piece.len()].copy_from_slice(piece);
            let filled = Filled { buffer, length: piece.len() };
            device.stream.memcpy_htod(&filled, &mut whole.slice_mut(start..start + piece.len()))?;
            has_read[turn] = Some(device.stream.record_event(None)?);
            start += piece.len();
            turn = 1 - turn;
        }
    }
    device.synchronize()?;
    Ok(whole)
}

/// The first numbers of a buffer.
struct Filled<'b, T> {
    buffer: &'b mut PinnedHostSlice<T>,
    length: usize,
}

impl<T> HostSlice<T> for Filled<'_, T> {
    fn len(&self) -> usize {
        self.length
    }

    unsafe fn stream_synced_slice<'a>(
        &'a self,
        stream: &'a CudaStream,
    ) -> (&'a [T], SyncOnDrop<'a>) {
        // SAFETY: the caller's, as it stands.
        let (all, record) = unsafe { self.buffer.stream_synced_slice(stream) };
        (&all[..self.length], record)
    }

    unsafe fn stream_synced_mut_slice<'a>(
        &'a mut self,
        stream: &'a CudaStream,
    ) -> (&'a mut [T], SyncOnDrop<'a>) {
        // SAFETY: the caller's, as it stands.
        let (all, record) = unsafe { self.buffer.stream_synced_mut_slice(stream) };
        (&mut all[..self.length], record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_any_length_arrive_whole() {
        modality_emulator::Emulator::start(None).unwrap();
        let device = Device::open(0).unwrap();
        let numbers: Vec<u32> = (0..1000).collect();
        for (split, size) in
            [(0, 64), (1, 64), (500, 64), (640, 64), (1000, 64), (300, 1000), (999, 999)]
        {
            let (first, second) = numbers.split_at(split);
            let joined = joined(&device, &[first, second], size).unwrap();
            assert_eq!(device.fetch(&joined).unwrap(), numbers, "{split}, {size}");
        }
    }
}
