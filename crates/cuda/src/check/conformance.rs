//! The recipe's suite on a device, part by part.

use modality_harness::methods::KernelEntries;
use modality_recipe::conformance;

use super::{Checked, PartLine};
use crate::{CudaStages, Device, Result};

/// For float32 arithmetic.
const TOLERANCE: f64 = 1e-4;

/// A line for each part, with kernel entries kept and formed.
pub(super) fn lines(checked: &mut Checked<'_>, device: &str) -> Vec<PartLine> {
    [("kept", KernelEntries::Kept), ("formed", KernelEntries::Formed)]
        .into_iter()
        .flat_map(|(name, entries)| with(checked, device, (name, entries)))
        .collect()
}

fn with(
    checked: &mut Checked<'_>,
    device: &str,
    (entries_name, entries): (&str, KernelEntries),
) -> Vec<PartLine> {
    let mut stages = None;
    let mut line = |(name, part): conformance::Part<CudaStages>| {
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
        PartLine { entries: entries_name.to_owned(), name: name.to_owned(), failure }
    };
    conformance::parts().into_iter().map(&mut line).collect()
}

fn open(device: &str, entries: KernelEntries) -> Result<CudaStages> {
    let device = Device::open(device)?;
    let room = device.free_memory()?;
    Ok(CudaStages::new(device, room, entries))
}
