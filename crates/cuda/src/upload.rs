//! Gene expression on its way to the device, through memory that the device reads by itself.

use cudarc::driver::{
    CudaEvent, CudaSlice, CudaStream, DeviceRepr, HostSlice, PinnedHostSlice, SyncOnDrop,
    ValidAsZeroBits,
};
use modality_data::Csr;

use crate::{
    device::Device,
    error::{Error, Result},
    svd::Gex,
};

/// Numbers of four bytes in each of two buffers: one is filled while the device reads the other.
const LENGTH: usize = 4 << 20;

/// Rows of `train`, then of `test`.
pub(crate) fn gex(device: &Device, train: &Csr, test: &Csr) -> Result<Gex> {
    let halves = [train, test];
    if !halves.iter().all(|half| half.data().iter().all(|value| value.is_finite())) {
        return Err(Error::NotFinite("the values of GEX"));
    }
    let mut starts = vec![0_u64];
    for half in halves {
        let before = *starts.last().expect("it begins with one");
        let ends = half.indptr();
        starts.extend(ends.raw_storage().iter().skip(1).map(|&end| before + end as u64));
    }
    let nonzeros = train.nnz() + test.nnz();
    Ok(Gex {
        starts: device.send(&starts)?,
        indices: joined(device, [train.indices(), test.indices()], LENGTH)?,
        values: joined(device, [train.data(), test.data()], LENGTH)?,
        train: train.rows(),
        rows: train.rows() + test.rows(),
        genes: train.cols(),
        nonzeros,
    })
}

/// Both parts, one behind the other, by two buffers of `size` numbers.
fn joined<T: DeviceRepr + ValidAsZeroBits + Copy>(
    device: &Device,
    parts: [&[T]; 2],
    size: usize,
) -> Result<CudaSlice<T>> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut whole = device.allocate(length)?;
    if length <= size {
        let mut start = 0;
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            device.stream.memcpy_htod(part, &mut whole.slice_mut(start..start + part.len()))?;
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
        let device = Device::open("cuda").unwrap();
        let numbers: Vec<u32> = (0..1000).collect();
        for (split, size) in
            [(0, 64), (1, 64), (500, 64), (640, 64), (1000, 64), (300, 1000), (999, 999)]
        {
            let (first, second) = numbers.split_at(split);
            let joined = joined(&device, [first, second], size).unwrap();
            assert_eq!(device.fetch(&joined).unwrap(), numbers, "{split}, {size}");
        }
    }
}
