//! The driver's pool, out of which all memory of the device is taken.

use std::sync::Arc;

use cudarc::driver::{
    CudaContext, DriverError,
    result::{device, mem_pool},
    sys::CUmemPool_attribute::{self, *},
};

/// The pool of a context's device.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    context: Arc<CudaContext>,
}

impl Pool {
    /// One that keeps what is freed, for the next allocation.
    pub(crate) fn new(context: &Arc<CudaContext>) -> Result<Self, DriverError> {
        let pool = Self { context: context.clone() };
        if context.has_async_alloc() {
            pool.set(CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, u64::MAX)?;
        }
        Ok(pool)
    }

    /// Bytes that it has of the device.
    pub(crate) fn reserved(&self) -> u64 {
        self.get(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT).unwrap_or(0)
    }

    /// Bytes of it that are free.
    pub(crate) fn free(&self) -> u64 {
        self.reserved().saturating_sub(self.get(CU_MEMPOOL_ATTR_USED_MEM_CURRENT).unwrap_or(0))
    }

    /// The most bytes of it that were in use since [`Pool::forget_peak`]; none for a driver that has no pools.
    pub(crate) fn peak(&self) -> Option<u64> {
        self.get(CU_MEMPOOL_ATTR_USED_MEM_HIGH)
    }

    pub(crate) fn forget_peak(&self) -> Result<(), DriverError> {
        match self.peak() {
            Some(_) => self.set(CU_MEMPOOL_ATTR_USED_MEM_HIGH, 0),
            None => Ok(()),
        }
    }

    fn get(&self, what: CUmemPool_attribute) -> Option<u64> {
        let mut number = 0_u64;
        // SAFETY: the device is the context's, and these attributes are 64-bit numbers.
        let result = unsafe {
            let pool = device::get_default_mem_pool(self.context.cu_device()).ok()?;
            mem_pool::get_attribute(pool, what, (&raw mut number).cast())
        };
        result.ok().map(|()| number)
    }

    fn set(&self, what: CUmemPool_attribute, number: u64) -> Result<(), DriverError> {
        // SAFETY: as in `get`; the number is only read.
        unsafe {
            let pool = device::get_default_mem_pool(self.context.cu_device())?;
            mem_pool::set_attribute(pool, what, (&raw const number).cast_mut().cast())
        }
    }
}
