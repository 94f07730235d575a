//! Where the studies are.

use std::path::{Path, PathBuf};

/// The folder of studies, data sets and backends.
pub(crate) const CONFIGS: &str = "bench-configs";

/// The folder of this program, where it was put beside the studies; else the checkout that it was built in.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    let checkout = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let program = std::env::current_exe().and_then(|program| program.canonicalize());
    let beside = program.ok().and_then(|program| Some(program.parent()?.to_owned()));
    let known = beside.into_iter().chain(checkout.canonicalize().ok());
    known.into_iter().find(|root| root.join(CONFIGS).is_dir()).ok_or_else(|| {
        anyhow::anyhow!("{} is no longer a checkout of modality-bench", checkout.display())
    })
}
