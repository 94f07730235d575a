//! Where libtorch is published, and what of it is kept.

use crate::fetch::pip::Package;

/// What a copy is made from.
pub(super) struct Published {
    /// The wheels that together hold it, in pip's own layout; the libraries find one another by it.
    pub(super) wheels: Vec<Wheel>,
    /// The zip archive for those who have no pip.
    pub(super) archive: String,
    /// Whether these files are for this machine.
    pub(super) is_for_here: bool,
}

/// One wheel.
pub(super) struct Wheel {
    pub(super) package: Package,
    /// Sum of the wheel, lower-case hexadecimal.
    pub(super) sha256: String,
    /// What is taken out: files, and folders, which end in a slash.
    pub(super) keep: &'static [&'static str],
}

const CUDA_RUNTIME: &[&str] =
    &["nvidia/cu13/lib/libcudart.so.13", "nvidia_cuda_runtime-13.0.96.dist-info/licenses/"];
const CUPTI: &[&str] =
    &["nvidia/cu13/lib/libcupti.so.13", "nvidia_cuda_cupti-13.0.85.dist-info/licenses/"];
const TORCH: &[&str] = &[
    "torch/include/",
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "torch-2.11.0.dist-info/licenses/",
];

impl Published {
    /// The published files; the small wheels come first, so that trouble shows early.
    pub(super) fn here() -> Self {
        let runtime = Wheel::new(
            ("nvidia-cuda-runtime", "13.0.96", "manylinux2014_x86_64"),
            2_243_632,
            "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            CUDA_RUNTIME,
        );
        let cupti = Wheel::new(
            ("nvidia-cuda-cupti", "13.0.85", "manylinux_2_25_x86_64"),
            10_715_597,
            "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
            CUPTI,
        );
        let torch = Wheel::new(
            ("torch", super::VERSION, "manylinux_2_28_x86_64"),
            530_712_279,
            "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
            TORCH,
        );
        Self {
            wheels: vec![runtime, cupti, torch],
            archive: "https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-2.11.0%2Bcpu.zip".to_owned(),
            is_for_here: cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")),
        }
    }

    /// Size of all wheels.
    pub(super) fn bytes(&self) -> u64 {
        self.wheels.iter().filter_map(|wheel| wheel.package.bytes).sum()
    }
}

impl Wheel {
    pub(super) fn new(
        (name, version, platform): (&str, &str, &'static str),
        bytes: u64,
        sha256: &str,
        keep: &'static [&'static str],
    ) -> Self {
        let (name, version) = (name.to_owned(), version.to_owned());
        let package = Package { name, version, platform: Some(platform), bytes: Some(bytes) };
        Self { package, sha256: sha256.to_owned(), keep }
    }

    /// Whether this member of the wheel is taken out.
    pub(super) fn keeps(&self, member: &str) -> bool {
        self.keep
            .iter()
            .any(|kept| member == *kept || kept.ends_with('/') && member.starts_with(kept))
    }
}
