//! Where nvcc is published, and what of it is kept: what makes device code, and nothing to link with.

use std::path::Path;

use modality_nvcc::Nvcc;

use super::ADVICE;
use crate::kept::{self, Product, Wheel};

const PROGRAM: &str = "nvidia/cu13/bin/nvcc";
const RUNTIME: &[&str] =
    &["nvidia/cu13/include/", "nvidia_cuda_runtime-13.0.96.dist-info/licenses/"];
const HEADERS: &[&str] =
    &["nvidia/cu13/include/crt/", "nvidia_cuda_crt-13.0.88.dist-info/licenses/"];
const NVCC: &[&str] = &[
    PROGRAM,
    "nvidia/cu13/bin/nvcc.profile",
    "nvidia/cu13/bin/ptxas",
    "nvidia/cu13/bin/fatbinary",
    "nvidia_cuda_nvcc-13.0.88.dist-info/licenses/",
];
const NVVM: &[&str] = &[
    "nvidia/cu13/nvvm/bin/cicc",
    "nvidia/cu13/nvvm/libdevice/",
    "nvidia_nvvm-13.0.88.dist-info/licenses/",
];
/// The compiler that programs carry along, so that the tests can see it compile the kernels too.
const NVRTC: &[&str] = &[
    "nvidia/cu13/lib/libnvrtc.so.13",
    "nvidia/cu13/lib/libnvrtc-builtins.so.13.0",
    "nvidia_cuda_nvrtc-13.0.88.dist-info/licenses/",
];

/// What a copy is made from.
pub(super) struct Published {
    pub(super) wheels: Vec<Wheel>,
    pub(super) is_for_here: bool,
}

impl Published {
    /// The published files; the small wheels come first, so that trouble shows early.
    pub(super) fn here() -> Self {
        let headers = Wheel::new(
            ("nvidia-cuda-crt", "13.0.88", "manylinux2014_x86_64"),
            134_086,
            "2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4",
            HEADERS,
        );
        let nvcc = Wheel::new(
            ("nvidia-cuda-nvcc", Self::VERSION, "manylinux2014_x86_64"),
            37_384_532,
            "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03",
            NVCC,
        );
        let nvvm = Wheel::new(
            ("nvidia-nvvm", "13.0.88", "manylinux2010_x86_64"),
            61_601_415,
            "c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0",
            NVVM,
        );
        let nvrtc = Wheel::new(
            ("nvidia-cuda-nvrtc", "13.0.88", "manylinux2010_x86_64"),
            90_215_200,
            "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
            NVRTC,
        );
        Self {
            wheels: vec![headers, Wheel::cuda_runtime(RUNTIME), nvcc, nvvm, nvrtc],
            is_for_here: kept::is_linux_on_x86_64(),
        }
    }
}

impl Product for Published {
    type Facts = Nvcc;

    const NAME: &'static str = "nvcc";
    /// A driver of CUDA 13.0 may refuse the PTX of a newer one.
    const VERSION: &'static str = "13.0.88";
    const ADVICE: &'static str = ADVICE;

    fn wheels(&self) -> &[Wheel] {
        &self.wheels
    }

    fn is_for_here(&self) -> bool {
        self.is_for_here
    }

    fn inspect(&self, folder: &Path) -> Result<Nvcc, String> {
        Nvcc::at(folder.join(PROGRAM)).map_err(|error| format!("does not work: {error}"))
    }
}
