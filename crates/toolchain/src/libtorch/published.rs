//! Where libtorch is published, and what of it is kept.

use std::path::Path;

use anyhow::Result;

use super::{
    VERSION, archive,
    inspect::{self, Facts},
};
use crate::{
    fetch::Tools,
    kept::{self, Files, Manifest, Place, Product, Wheel},
    progress::Progress,
};

/// Folder of a copy that has `include` and `lib`; others beside it hold what it loads, and licences.
pub(super) const FOLDER: &str = "torch";
/// The wheel's own libtorch.so would pull in CUDA, which is not kept; to a linker this text is a library too.
const LINKER_SCRIPT: &str = "INPUT(-ltorch_cpu)\n";

/// What a copy is made from.
pub(super) struct Published {
    /// The wheels that together hold it, in pip's own layout; the libraries find one another by it.
    pub(super) wheels: Vec<Wheel>,
    /// The zip archive for those who have no pip.
    pub(super) archive: String,
    /// Whether these files are for this machine.
    pub(super) is_for_here: bool,
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
        let runtime = Wheel::cuda_runtime(CUDA_RUNTIME);
        let cupti = Wheel::new(
            ("nvidia-cuda-cupti", "13.0.85", "manylinux_2_25_x86_64"),
            10_715_597,
            "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
            CUPTI,
        );
        let torch = Wheel::new(
            ("torch", VERSION, "manylinux_2_28_x86_64"),
            530_712_279,
            "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
            TORCH,
        );
        Self {
            wheels: vec![runtime, cupti, torch],
            archive: "https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-2.11.0%2Bcpu.zip".to_owned(),
            is_for_here: kept::is_linux_on_x86_64(),
        }
    }
}

impl Product for Published {
    type Facts = Facts;

    const NAME: &'static str = "libtorch";
    const VERSION: &'static str = VERSION;
    const ADVICE: &'static str = "set $LIBTORCH to the folder of one";

    fn wheels(&self) -> &[Wheel] {
        &self.wheels
    }

    fn is_for_here(&self) -> bool {
        self.is_for_here
    }

    fn inspect(&self, folder: &Path) -> Result<Facts, String> {
        inspect::inspect(&folder.join(FOLDER))
    }

    fn complete(&self, made: &Path, files: &mut Files) -> Result<()> {
        kept::add(made, "torch/lib/libtorch.so", LINKER_SCRIPT, files)?;
        kept::add(made, "torch/build-version", VERSION, files)
    }

    fn without_pip(
        &self,
        place: &Place,
        made: &Path,
        tools: &Tools,
        progress: &Progress,
    ) -> Result<Manifest> {
        archive::from_archive(&self.archive, place, tools, made, progress)
    }
}
