//! What a check finds, as it is kept.

use modality_harness::environment::Environment;
use serde::{Deserialize, Serialize};

use crate::Facts;

/// Version of the record's layout, in [`Record::format`].
pub const FORMAT: u32 = 1;

/// A device, whether it computes what it should, and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// The device.
    pub device: DeviceFacts,
    /// The machine.
    pub environment: Environment,
    /// What the device reaches at best; absent where nothing was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceilings: Option<Ceilings>,
    /// The conformance suite.
    pub conformance: Vec<PartLine>,
    /// Every kernel.
    pub kernels: Vec<KernelLine>,
    /// What went wrong beside these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// Whether there was more to come when this was written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceFacts {
    /// Counted from zero, as the driver does.
    pub index: u16,
    /// What the driver calls it.
    pub name: String,
    /// As `9.0`.
    pub compute_capability: String,
    /// Number of multiprocessors.
    pub multiprocessors: usize,
    /// CUDA version of the driver, as `13.0`.
    pub driver: String,
    /// MiB of memory in all.
    pub memory_mb: u64,
    /// Where it is on the bus.
    pub bus: String,
}

/// What a device reaches at best, measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// Bytes read and written by a copy within the device's memory, 10^9 a second.
    pub copy_gb_s: f64,
    /// Products of square float32 matrices by cuBLAS, 10^9 operations a second.
    pub float32_gflop_s: f64,
    /// The same of random float16 matrices with sums in float32, on matrix units.
    pub matrix_units_gflop_s: f64,
}

/// A part of the conformance suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartLine {
    /// What becomes of the kernel matrix between products: `kept` or `formed`.
    pub entries: String,
    /// Name of the part.
    pub name: String,
    /// What is wrong, if something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A kernel, or several that are launched together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelLine {
    /// What is launched.
    pub kernels: String,
    /// Held against float64.
    pub checks: Vec<Check>,
    /// At the competition's size; absent where nothing was timed, or the device's memory is too small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// What is wrong, if something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Results beside those of float64 arithmetic on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Sizes, as `61 x 30`.
    pub sizes: String,
    /// Largest difference, as a share of the largest number that was wanted; none if a result is no number.
    pub error: Option<f64>,
    /// What it may be.
    pub allowed: f64,
}

/// What a ceiling of arithmetic is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// [`Ceilings::float32_gflop_s`].
    Float32,
    /// [`Ceilings::matrix_units_gflop_s`].
    MatrixUnits,
}

/// How long something takes, and what it does in that time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Sizes, as `33000 x 70`.
    pub sizes: String,
    /// Median over batches of launches that are queued together, by the device's clock; what launching takes is
    /// in it, which small kernels consist of.
    pub milliseconds: f64,
    /// Number of launches that were timed.
    pub launches: usize,
    /// Bytes that must be read and written once; what is read again from caches is not counted.
    pub bytes: f64,
    /// Floating-point operations.
    pub flops: f64,
    /// What makes the operations.
    pub unit: Unit,
    /// 10^9 bytes a second.
    pub gb_s: f64,
    /// 10^9 operations a second.
    pub gflop_s: f64,
    /// The time that the bytes at the rate of a copy, or the operations at their ceiling, would take, whichever is longer,
    /// as a share of the time taken. More than one is possible where the device's cache holds the data.
    pub share: f64,
}

impl Record {
    /// Whether it is finished and nothing is wrong.
    pub fn passed(&self) -> bool {
        !self.unfinished && self.failed() == 0
    }

    /// How many lines are wrong.
    pub fn failed(&self) -> usize {
        let parts = self.conformance.iter().filter(|part| part.failure.is_some()).count();
        let kernels = self.kernels.iter().filter(|kernel| !kernel.passed()).count();
        parts + kernels + self.failures.len()
    }
}

impl KernelLine {
    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.failure.is_none() && self.checks.iter().all(Check::passed)
    }

    /// The check that comes closest to what is allowed, or exceeds it most.
    pub fn worst(&self) -> Option<&Check> {
        let share = |check: &&Check| check.error.unwrap_or(f64::INFINITY);
        self.checks.iter().max_by(|a, b| share(a).total_cmp(&share(b)))
    }
}

impl Check {
    /// Whether the error is one that is allowed.
    pub fn passed(&self) -> bool {
        self.error.is_some_and(|error| error <= self.allowed)
    }
}

impl Ceilings {
    /// That of `unit`, in 10^9 operations a second.
    pub fn of(&self, unit: Unit) -> f64 {
        match unit {
            Unit::Float32 => self.float32_gflop_s,
            Unit::MatrixUnits => self.matrix_units_gflop_s,
        }
    }
}

impl From<&Facts> for DeviceFacts {
    fn from(facts: &Facts) -> Self {
        let (major, minor) = facts.compute_capability;
        Self {
            index: facts.index,
            name: facts.name.clone(),
            compute_capability: format!("{major}.{minor}"),
            multiprocessors: facts.multiprocessors,
            driver: format!("{}.{}", facts.driver / 1000, facts.driver % 1000 / 10),
            memory_mb: facts.memory >> 20,
            bus: facts.bus.clone(),
        }
    }
}
