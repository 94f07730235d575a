//! The recipe's suite on a device, part by part.

use modality_methods::KernelEntries;
use modality_recipe::conformance;

use super::{Checked, PartLine};
use crate::{CudaStages, Device, Result};

/// For float32 arithmetic.
const TOLERANCE: f64 = 1e-4;

/// Hands a line for each part to `found`, with kernel entries kept and formed.
pub(super) fn each(checked: &mut Checked<'_>, device: u16, mut found: impl FnMut(PartLine)) {
    for (name, entries) in [("kept", KernelEntries::Kept), ("formed", KernelEntries::Formed)] {
        with(checked, device, (name, entries), &mut found);
    }
}

fn with(
    checked: &mut Checked<'_>,
    device: u16,
    (entries_name, entries): (&str, KernelEntries),
    found: &mut impl FnMut(PartLine),
) {
    let mut stages = None;
    for (name, part) in conformance::parts::<CudaStages>() {
        let failure = checked.attempt(name, |_| {
            let ready = match stages.take() {
                Some(ready) => ready,
                None => open(device, entries)?,
            };
            // After a panic, the next part has stages of its own.
            part(stages.insert(ready), TOLERANCE);
            Ok(())
        });
        let failure = failure.err();
        if failure.is_some() {
            stages = None;
        }
        found(PartLine { entries: entries_name.to_owned(), name: name.to_owned(), failure });
    }
}

fn open(device: u16, entries: KernelEntries) -> Result<CudaStages> {
    let device = Device::open(device)?;
    let room = device.free_memory()?;
    Ok(CudaStages::new(device, room, entries))
}
