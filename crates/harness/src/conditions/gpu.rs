//! What NVIDIA's management library tells of an accelerator while a run is on it.

use std::collections::BTreeSet;

use modality_protocol::DeviceId;
use nvml_wrapper::{
    Nvml,
    bitmasks::device::ThrottleReasons,
    enum_wrappers::device::{Clock, TemperatureSensor},
};
use serde::{Deserialize, Serialize};

/// The accelerator during a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuConditions {
    /// Clock of the multiprocessors, median over time, MHz.
    pub sm_mhz: Option<f64>,
    /// Most power that it took, W.
    pub watts: Option<f64>,
    /// Highest temperature, degrees Celsius.
    pub celsius: Option<f64>,
    /// Why its clocks were held down, in NVIDIA's words; that it was idle is no reason.
    pub throttled: BTreeSet<String>,
}

pub(super) struct Gpu {
    nvml: Nvml,
    index: u32,
    mhz: Vec<f64>,
    seen: GpuConditions,
}

impl Gpu {
    /// Nothing where it is no accelerator, the library is not there, or there are several devices: CUDA counts them in another order.
    pub(super) fn of(device: DeviceId) -> Option<Self> {
        let DeviceId::Cuda(index) = device else { return None };
        let nvml =
            Nvml::init().ok().filter(|nvml| nvml.device_count().is_ok_and(|count| count == 1))?;
        Some(Self { nvml, index: index.into(), mhz: Vec::new(), seen: GpuConditions::default() })
    }

    pub(super) fn look(&mut self) {
        let Ok(device) = self.nvml.device_by_index(self.index) else { return };
        self.mhz.extend(device.clock_info(Clock::SM).ok().map(f64::from));
        let milliwatts = device.power_usage().ok().map(f64::from);
        self.seen.watts = larger(self.seen.watts, milliwatts.map(|milliwatts| milliwatts / 1000.0));
        let celsius = device.temperature(TemperatureSensor::Gpu).ok().map(f64::from);
        self.seen.celsius = larger(self.seen.celsius, celsius);
        let reasons = device.current_throttle_reasons().unwrap_or(ThrottleReasons::NONE);
        let told = (reasons - ThrottleReasons::GPU_IDLE).iter_names();
        self.seen.throttled.extend(told.map(|(name, _)| name.to_lowercase().replace('_', " ")));
    }

    pub(super) fn conditions(self) -> GpuConditions {
        GpuConditions { sm_mhz: super::median(self.mhz), ..self.seen }
    }
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).max_by(f64::total_cmp)
}
