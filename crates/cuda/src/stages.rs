//! The recipe's arithmetic on a GPU.

mod linalg;
mod low_rank;
mod rbf;
mod rows;

use modality_methods::KernelEntries;

use crate::device::Device;

/// [`Stages`](modality_recipe::Stages) on a device, in float32; inverses of small matrices and sums down long columns in float64.
///
/// Work is queued on one stream, but for factorisations of several fits, which go side by side. While fits are solved, the host
/// waits where a result comes back ([`Linalg::read`](modality_recipe::Linalg::read), [`Linalg::download`](modality_recipe::Linalg::download)), where a factorisation must be known to have
/// succeeded, and where the driver takes over a list that is long; a truncated SVD also takes its small matrices to the
/// host, and an upload ends with a wait.
#[derive(Debug)]
pub struct CudaStages {
    device: Device,
    entries: KernelEntries,
    /// Bytes of the device that the entries of a shared kernel may take, if so many are free.
    room: u64,
    notes: Vec<String>,
    flops: f64,
}

impl CudaStages {
    /// Stages on `device`, of whose memory a shared kernel may take `room` bytes; its entries are kept if they are to be and
    /// fit.
    pub fn new(device: Device, room: u64, entries: KernelEntries) -> Self {
        Self { device, entries, room, notes: Vec::new(), flops: 0.0 }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What a reader of the report should know, since the last call.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Forgets what was counted and noted so far.
    pub(crate) fn forget(&mut self) {
        (self.flops, self.notes) = (0.0, Vec::new());
    }
}
