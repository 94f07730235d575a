//! What NVIDIA's management library tells of a device: memory of this process, and energy.

use nvml_wrapper::{Nvml, enums::device::UsedGpuMemory};

/// The device as the management library sees it, where there is that library.
pub(crate) struct Meter {
    nvml: Option<(Nvml, String)>,
}

impl Meter {
    /// Of the device with this bus address (domain:bus:device.0), as indices may differ from the driver's.
    pub(crate) fn new(bus: &str) -> Self {
        let nvml = Nvml::init().ok();
        Self { nvml: nvml.map(|nvml| (nvml, bus.to_owned())) }
    }

    /// Bytes that this process has of the device.
    pub(crate) fn memory(&self) -> Option<u64> {
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
