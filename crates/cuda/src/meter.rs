//! What NVIDIA's management library tells of a device: memory of this process, and energy.

use nvml_wrapper::{Nvml, enums::device::UsedGpuMemory};

use crate::pool::Pool;

/// The device as the management library sees it, where there is that library.
pub(crate) struct Meter {
    nvml: Option<(Nvml, String)>,
    pool: Pool,
}

impl Meter {
    /// Of the device with this bus address (domain:bus:device.0), as indices may differ from the driver's.
    pub(crate) fn new(bus: &str, pool: Pool) -> Self {
        let nvml = Nvml::init().ok();
        Self { nvml: nvml.map(|nvml| (nvml, bus.to_owned())), pool }
    }

    /// The most bytes of the pool that were in use. What it holds in reserve does not count: that is what was foretold.
    pub(crate) fn peak_of_pool(&self) -> Option<u64> {
        self.pool.peak()
    }

    /// Bytes that this process has of the device beside the pool: the context's and the libraries'.
    pub(crate) fn outside_of_pool(&self) -> Option<u64> {
        Some(self.memory()?.saturating_sub(self.pool.reserved()))
    }

    /// Bytes that this process has of the device.
    fn memory(&self) -> Option<u64> {
        let (nvml, bus) = self.nvml.as_ref()?;
        let processes =
            nvml.device_by_pci_bus_id(bus.as_str()).ok()?.running_compute_processes().ok()?;
        let own = processes.iter().find(|process| process.pid == std::process::id())?;
        match own.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        }
    }

    /// Joules that the device has taken since its driver was loaded.
    pub(crate) fn energy(&self) -> Option<f64> {
        let (nvml, bus) = self.nvml.as_ref()?;
        let millijoules =
            nvml.device_by_pci_bus_id(bus.as_str()).ok()?.total_energy_consumption().ok()?;
        Some(millijoules as f64 / 1000.0)
    }
}
