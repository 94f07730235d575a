//! The runner of the CUDA backend; `cargo xtask reproduce` starts it.

use std::process::ExitCode;

use modality_protocol::runner;

fn main() -> ExitCode {
    runner::serve_on_accelerator(backend_cuda::hello, backend_cuda::expect, backend_cuda::run)
}
