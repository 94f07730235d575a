//! A GPU that can be computed on.

use std::{mem::ManuallyDrop, sync::Arc};

use cudarc::{
    cublas::CudaBlas,
    cusolver::DnHandle,
    driver::{
        CudaContext, CudaSlice, CudaStream, DevicePtr, DeviceRepr, DriverError, LaunchConfig,
        result::device,
        sys::{CUdevice_attribute, CUresult},
    },
};

use modality_protocol::{DeviceId, DeviceKind};

use crate::{
    error::{Error, Result, describe},
    kernels::Kernels,
    libraries,
    pool::Pool,
    ways::Ways,
};

/// Streams beside the one that all else goes to.
pub(crate) const LANES: usize = 4;

/// A context with a stream, the libraries' handles for it, and the kernels.
pub struct Device {
    pub(crate) stream: Arc<CudaStream>,
    pub(crate) pool: Pool,
    /// Never destroyed, as that cannot fail quietly after a kernel has; like `solver`.
    pub(crate) blas: ManuallyDrop<CudaBlas>,
    pub(crate) solver: ManuallyDrop<DnHandle>,
    pub(crate) kernels: Arc<Kernels>,
    /// Not zero once a kernel met NaN or infinity where there must be none.
    pub(crate) not_finite: Arc<CudaSlice<u32>>,
    pub(crate) ways: Ways,
    /// The same device with streams of their own, and no lanes.
    lanes: Vec<Device>,
    facts: Facts,
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Counted from zero, as the driver does.
    pub index: u16,
    /// What the driver calls it.
    pub name: String,
    /// Major and minor.
    pub compute_capability: (i32, i32),
    /// Number of multiprocessors.
    pub multiprocessors: usize,
    /// Version of the CUDA driver interface, 13000 for 13.0.
    pub driver: i32,
    /// Bytes of memory in all.
    pub memory: u64,
    /// Where it is on the bus, as `0000:65:00.0`.
    pub bus: String,
}

impl Device {
    /// The device with this index, counted from 0 as the driver does.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what is missing on this machine.
    pub fn open(index: u16) -> Result<Self> {
        Self::open_with(index, Ways::from_env()?)
    }

    /// The same, computing in these ways.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn open_with(index: u16, ways: Ways) -> Result<Self> {
        let facts = Facts::of(index)?;
        libraries::mathematics()?;
        let context = CudaContext::new(index.into()).map_err(|error| facts.unusable(error))?;
        // SAFETY: work goes to one stream, which keeps it in order, or to others that wait for it and that it waits for
        // (`side_by_side`).
        unsafe { context.disable_event_tracking() };
        let pool = Pool::new(&context).map_err(|error| facts.unusable(error))?;
        let stream = context.new_stream().map_err(|error| facts.unusable(error))?;
        let kernels = Arc::new(Kernels::load(&context, facts.compute_capability)?);
        let blas = ManuallyDrop::new(CudaBlas::new(stream.clone())?);
        let solver = ManuallyDrop::new(DnHandle::new(stream.clone())?);
        let not_finite = Arc::new(stream.alloc_zeros(1)?);
        let lanes = Vec::new();
        let mut device =
            Self { stream, pool, blas, solver, kernels, not_finite, ways, lanes, facts };
        if ways.streams {
            device.lanes = (0..LANES).map(|_| device.lane()).collect::<Result<_>>()?;
        }
        Ok(device)
    }

    /// The same device with a stream of its own.
    fn lane(&self) -> Result<Self> {
        let stream = self.stream.context().new_stream()?;
        Ok(Self {
            blas: ManuallyDrop::new(CudaBlas::new(stream.clone())?),
            solver: ManuallyDrop::new(DnHandle::new(stream.clone())?),
            stream,
            pool: self.pool.clone(),
            kernels: self.kernels.clone(),
            not_finite: self.not_finite.clone(),
            ways: self.ways,
            lanes: Vec::new(),
            facts: self.facts.clone(),
        })
    }

    /// Does `work` for each of `items`, side by side where there are streams for that: after all that is queued before, and before all that
    /// is queued after. What `work` allocates belongs to its stream: if it is given back, the host must wait for this device before it is dropped.
    pub(crate) fn side_by_side<T, R>(
        &self,
        items: impl Iterator<Item = T>,
        mut work: impl FnMut(&Self, T) -> Result<R>,
    ) -> Result<Vec<R>> {
        if self.lanes.is_empty() {
            return items.map(|item| work(self, item)).collect();
        }
        for lane in &self.lanes {
            lane.stream.join(&self.stream)?;
        }
        let lanes = self.lanes.iter().cycle();
        let results: Vec<Result<R>> =
            items.zip(lanes).map(|(item, lane)| work(lane, item)).collect();
        for lane in &self.lanes {
            self.stream.join(&lane.stream)?;
        }
        results.into_iter().collect()
    }

    /// What this device is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Bytes that are free now, what the driver's pool holds for this program among them.
    ///
    /// # Errors
    /// [`Error::Driver`].
    pub fn free_memory(&self) -> Result<u64> {
        let free = self.stream.context().mem_get_info()?.0 as u64;
        Ok(free + self.pool.free())
    }

    /// Waits until all work is done.
    ///
    /// # Errors
    /// [`Error::Driver`] for what went wrong meanwhile.
    pub fn synchronize(&self) -> Result<()> {
        self.stream.synchronize()?;
        self.stream.context().check_err()?;
        Ok(())
    }

    /// Memory for so many numbers; what is in it means nothing.
    pub(crate) fn allocate<T: DeviceRepr>(&self, length: usize) -> Result<CudaSlice<T>> {
        // SAFETY: T is plain data, and whoever allocates writes before anything reads.
        unsafe { self.stream.alloc(length.max(1)) }
            .map_err(|error| self.full(error, length * size_of::<T>()))
    }

    /// A copy of `values` on the device.
    pub(crate) fn send<T: DeviceRepr>(&self, values: &[T]) -> Result<CudaSlice<T>> {
        let mut copy = self.allocate(values.len())?;
        if !values.is_empty() {
            self.stream.memcpy_htod(values, &mut copy)?;
        }
        Ok(copy)
    }

    /// A copy of `values` on the host, once all work before is done.
    pub(crate) fn fetch<T: DeviceRepr + Clone + Default>(
        &self,
        values: &impl DevicePtr<T>,
    ) -> Result<Vec<T>> {
        let mut copy = vec![T::default(); values.len()];
        if !copy.is_empty() {
            self.stream.memcpy_dtoh(values, &mut copy)?;
        }
        self.synchronize()?;
        Ok(copy)
    }

    /// Whether a kernel met NaN or infinity where there must be none.
    pub(crate) fn check_finite(&self) -> Result<()> {
        let flag = self.fetch(&*self.not_finite)?;
        match flag.first().expect("it is one number") {
            0 => Ok(()),
            _ => Err(Error::NotFinite("the scores of the input")),
        }
    }

    fn full(&self, error: DriverError, needed: usize) -> Error {
        match (error.0, self.free_memory()) {
            (CUresult::CUDA_ERROR_OUT_OF_MEMORY, Ok(free)) => {
                Error::Memory { needed: needed as u64, free }
            }
            _ => error.into(),
        }
    }
}

impl Facts {
    /// Whether it is one of `modality-emulator`'s.
    pub(crate) fn is_emulated(&self) -> bool {
        DeviceKind::named(&self.name) == Some(DeviceKind::Emulated)
    }

    /// Of the device with this index.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what is missing.
    pub(crate) fn of(index: u16) -> Result<Self> {
        libraries::driver()?;
        let unusable =
            |error| Error::Unavailable(format!("cuda:{index} cannot be used: {}", describe(error)));
        let count = CudaContext::device_count().map_err(unusable)?;
        if i32::from(index) >= count {
            return Err(Error::Unavailable(format!(
                "cuda:{index} is not there; CUDA devices here: {count}, counted from 0"
            )));
        }
        let found = device::get(index.into()).map_err(unusable)?;
        // SAFETY: the device is one that the driver has just named.
        let attribute = |what| unsafe { device::get_attribute(found, what) }.map_err(unusable);
        let major = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let name = device::get_name(found).map_err(unusable)?;
        if (major, minor) < (7, 5) {
            return Err(Error::Unavailable(format!(
                "cuda:{index} ({name}) has compute capability {major}.{minor}; 7.5 or newer is needed"
            )));
        }
        let multiprocessors =
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let mut driver = 0;
        // SAFETY: the pointer is to a live variable.
        unsafe { cudarc::driver::sys::cuDriverGetVersion(&mut driver) }
            .result()
            .map_err(unusable)?;
        let multiprocessors = usize::try_from(multiprocessors).unwrap_or(1).max(1);
        // SAFETY: as above.
        let memory = unsafe { device::total_mem(found) }.map_err(unusable)? as u64;
        let bus = format!(
            "{:04x}:{:02x}:{:02x}.0",
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID)?,
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_PCI_BUS_ID)?,
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID)?
        );
        Ok(Self {
            index,
            name,
            compute_capability: (major, minor),
            multiprocessors,
            driver,
            memory,
            bus,
        })
    }

    fn unusable(&self, error: DriverError) -> Error {
        Error::Unavailable(format!(
            "cuda:{} ({}) cannot be used: {}",
            self.index,
            self.name,
            describe(error)
        ))
    }
}

/// Counted from 0, as the driver does.
pub(crate) fn index(device: DeviceId) -> Result<u16> {
    match device {
        DeviceId::Cuda(index) => Ok(index),
        DeviceId::Cpu => Err(Error::NotCuda(device)),
    }
}

/// The configuration of a launch without dynamic shared memory.
pub(crate) fn launch(grid: (usize, usize), block: (u32, u32)) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (grid.0 as u32, grid.1 as u32, 1),
        block_dim: (block.0, block.1, 1),
        shared_mem_bytes: 0,
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.facts.fmt(f)
    }
}
