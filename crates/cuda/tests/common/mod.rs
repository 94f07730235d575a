//! What the tests on the emulated device share.

#![allow(dead_code, clippy::unwrap_used)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use backend_cuda::{CudaStages, Device};
use modality_emulator::{Emulator, Failure};
use modality_methods::KernelEntries;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The emulated device of this process in its first state, for one test at a time.
pub(crate) fn emulator() -> (Emulator, MutexGuard<'static, ()>) {
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let emulator = Emulator::start(None).unwrap();
    emulator.fail(Failure::None);
    emulator.memory_limit(16 << 30);
    emulator.seed(modality_testing::seed());
    (emulator, guard)
}

/// Stages on the emulated device, with all of its memory.
pub(crate) fn stages(entries: KernelEntries) -> CudaStages {
    let device = Device::open(0).unwrap();
    let room = device.free_memory().unwrap();
    CudaStages::new(device, room, entries)
}

/// Cells x columns, in a few directions whose weights fall, and a little noise.
pub(crate) fn low_rank(rows: usize, columns: usize, seed: u64) -> ndarray::Array2<f32> {
    use ndarray::Array2;
    use rand::{Rng as _, SeedableRng as _};
    const RANK: usize = 8;
    let uniform = |shape, seed| {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        Array2::<f32>::from_shape_simple_fn(shape, || rng.gen_range(-1.0..1.0))
    };
    let directions = uniform((RANK, columns), 77);
    let mut weights = uniform((rows, RANK), seed);
    for (i, mut column) in weights.columns_mut().into_iter().enumerate() {
        column *= 0.6_f32.powi(i as i32);
    }
    weights.dot(&directions) + uniform((rows, columns), seed + 100) * 1e-3
}
