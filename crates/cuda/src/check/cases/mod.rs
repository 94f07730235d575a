//! The kernels of `kernels/*.cu`, each by itself: what it should compute, at which sizes, and what it costs.

mod columns;
mod dense;
mod packing;
mod parts;
mod products;
mod rows;

use super::{
    Ceilings, Check, Checked, KernelLine, Timing, Unit,
    trial::{self, Pair, Trial},
};
use crate::{Device, Error, Result};

/// Rows, columns, and what else there is; unused ones are zero.
type Sizes = [usize; 3];

/// What more an entry of the kernel near one may be off by on matrix units, which cut off what their float32 sums cannot hold
/// where the emulated ones round. Simulated for 305 components, that is 2.6e-5 where they keep no more than float32's own
/// bits, 1.5e-5 with one bit more.
const CUT_OFF: f64 = 3e-5;

/// Kernels that are launched together.
pub(super) struct Case {
    /// Their names.
    pub(super) kernels: &'static str,
    /// Largest error, as a share of the largest number that is wanted; where it is made by matrix units, without what they
    /// cut off.
    allowed: f64,
    /// Sizes that fill no block or tile, to check.
    small: &'static [Sizes],
    /// The competition's size, to time.
    large: Sizes,
    cost: fn(Sizes) -> Cost,
    trial: fn(&Device, Sizes) -> Result<Box<dyn Trial>>,
}

/// What a launch must read and write, and compute.
struct Cost {
    bytes: f64,
    flops: f64,
    unit: Unit,
}

impl Cost {
    /// So many bytes and float32 operations for each of rows x columns.
    const fn each([rows, columns, _]: Sizes, bytes: usize, flops: usize) -> Self {
        let entries = (rows * columns) as f64;
        Self { bytes: entries * bytes as f64, flops: entries * flops as f64, unit: Unit::Float32 }
    }
}

/// All, file by file.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    [rows::CASES, parts::CASES, columns::CASES, dense::CASES, packing::CASES, products::CASES]
        .into_iter()
        .flatten()
}

/// Holds a case against float64 arithmetic.
pub(super) fn check(case: &Case, checked: &mut Checked<'_>) -> KernelLine {
    let mut checks = Vec::new();
    let work = |device: &Device| {
        for &sizes in case.small {
            checks.push(case.check(device, sizes)?);
        }
        Ok(())
    };
    let failure = checked.attempt(case.kernels, work).err();
    KernelLine { kernels: case.kernels.to_owned(), checks, timing: None, failure }
}

/// Times a case; none where the device's memory is too small for it.
pub(super) fn time(
    case: &Case,
    checked: &mut Checked<'_>,
    ceilings: &Ceilings,
) -> std::result::Result<Option<Timing>, String> {
    let work = |device: &Device| match case.time(device, case.large, ceilings) {
        Err(Error::Memory { .. }) => Ok(None),
        timing => timing.map(Some),
    };
    checked.attempt(case.kernels, work)
}

impl Case {
    fn check(&self, device: &Device, sizes: Sizes) -> Result<Check> {
        let mut trial = (self.trial)(device, sizes)?;
        trial.launch(device)?;
        let results = trial.results(device)?;
        let errors: Option<Vec<f64>> = results.iter().map(Pair::error).collect();
        // None at all is no result either.
        let error = errors.and_then(|errors| errors.into_iter().reduce(f64::max));
        let cuts_off =
            (self.cost)(sizes).unit == Unit::MatrixUnits && !device.facts().is_emulated();
        let allowed = self.allowed + if cuts_off { CUT_OFF } else { 0.0 };
        Ok(Check { sizes: shown(sizes), error, allowed })
    }

    fn time(&self, device: &Device, sizes: Sizes, ceilings: &Ceilings) -> Result<Timing> {
        let mut launched = (self.trial)(device, sizes)?;
        let taken = trial::time(device, || launched.launch(device))?;
        let Cost { bytes, flops, unit } = (self.cost)(sizes);
        let seconds = taken.milliseconds / 1e3;
        let (gb_s, gflop_s) = (bytes / seconds / 1e9, flops / seconds / 1e9);
        Ok(Timing {
            sizes: shown(sizes),
            milliseconds: taken.milliseconds,
            launches: taken.launches,
            bytes,
            flops,
            unit,
            gb_s,
            gflop_s,
            share: (gb_s / ceilings.copy_gb_s).max(gflop_s / ceilings.of(unit)),
        })
    }
}

fn shown(sizes: Sizes) -> String {
    let used = sizes.iter().filter(|&&size| size > 0);
    used.map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_a_case() {
        let cases: Vec<&Case> = all().collect();
        let named: Vec<&str> = cases
            .iter()
            .flat_map(|case| case.kernels.split(|c: char| !c.is_alphanumeric() && c != '_'))
            .collect();
        for image in crate::images::IMAGES {
            for (start, _) in image.source.match_indices("extern \"C\" __global__ void") {
                let declared = image.source[start..].split('{').next().unwrap_or_default();
                let known = |name: &&str| declared.contains(&format!(" {name}("));
                assert!(named.iter().any(known), "no case checks {declared}");
            }
        }
    }

    #[test]
    fn what_is_timed_costs_something() {
        for case in all() {
            let cost = (case.cost)(case.large);
            assert!(cost.bytes > 1e4, "{}", case.kernels);
            assert!(case.small.iter().all(|sizes| (case.cost)(*sizes).bytes < cost.bytes));
        }
    }

    /// How long it takes there means nothing; that it can be timed does.
    #[test]
    fn every_case_can_be_launched_many_times() {
        modality_emulator::Emulator::start(None).unwrap();
        let device = Device::open(0).unwrap();
        let ceilings = Ceilings { copy_gb_s: 1.0, float32_gflop_s: 1.0, matrix_units_gflop_s: 1.0 };
        for case in all() {
            let timing = case.time(&device, case.small[0], &ceilings).unwrap();
            assert!(timing.launches > 6 && timing.bytes > 0.0, "{}", case.kernels);
            device.synchronize().unwrap();
        }
    }
}
