//! The emulated device, as cudarc's.

// Each file of tests uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod matrix;

use std::process::Command;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaStream, LaunchConfig};
use cudarc::nvrtc::Ptx;
use modality_emulator::Emulator;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub struct Gpu {
    pub emulator: Emulator,
    pub stream: Arc<CudaStream>,
    module: Arc<CudaModule>,
}

impl Gpu {
    pub fn new() -> Gpu {
        Gpu::with(None)
    }

    pub fn with(variant: Option<&str>) -> Gpu {
        let emulator = Emulator::start(variant).unwrap();
        let context = CudaContext::new(0).unwrap();
        let module = context.load_module(Ptx::from_src("any image")).unwrap();
        Gpu { emulator, stream: context.default_stream(), module }
    }

    pub fn kernel(&self, name: &str) -> CudaFunction {
        self.module.load_function(name).unwrap()
    }
}

pub fn config(blocks: u32, threads: u32, shared_bytes: u32) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (blocks, 1, 1),
        block_dim: (threads, 1, 1),
        shared_mem_bytes: shared_bytes,
    }
}

/// Numbers between -1 and 1.
pub fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.gen_range(-1.0..1.0)).collect()
}

const CHILD: &str = "MODALITY_EMULATOR_CHILD";

/// How a process of its own ended, and what it said.
pub struct Ended {
    pub code: Option<i32>,
    pub said: String,
}

/// In the process that a user starts: runs `test` once more, in a process of its own, and returns how that ended. In
/// that process: calls `work`, and ends with 0.
pub fn apart(test: &str, work: impl FnOnce()) -> Ended {
    if std::env::var(CHILD).is_ok_and(|child| child == test) {
        work();
        std::process::exit(0);
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .output()
        .unwrap();
    Ended { code: output.status.code(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
}
