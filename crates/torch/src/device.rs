//! Where to compute, and whether that is there.
//!
//! The linker drops libtorch's CUDA half from a binary that calls nothing in it by name, so it is loaded here, if it
//! is wanted. The same binary thus runs on the CPU and on CUDA devices.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use modality_protocol::DeviceId;

use crate::{Error, Result};

/// A device that can be computed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compute {
    pub(crate) device: tch::Device,
    /// `CPU`, or what the CUDA driver calls it.
    pub name: String,
}

/// Waits until all work on `device` is done.
pub(crate) fn synchronize(device: tch::Device) {
    if let tch::Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}

/// A device, ready.
///
/// libtorch looks for CUDA once a process. A program that wants a CUDA device must choose it before it does anything
/// else with libtorch.
///
/// # Errors
/// [`Error::Unavailable`] with what is missing on this machine.
pub fn choose(device: DeviceId) -> Result<Compute> {
    let DeviceId::Cuda(index) = device else {
        return Ok(Compute { device: tch::Device::Cpu, name: "CPU".to_owned() });
    };
    let index = usize::from(index);
    let name = Driver::load()?.device_name(index)?;
    load("libtorch_cuda.so").map_err(|why| {
        Error::Unavailable(format!(
            "this libtorch cannot use CUDA ({why}); set $LIBTORCH to one that can, or have Python's torch 2.11 with CUDA"
        ))
    })?;
    if !tch::Cuda::is_available() {
        let what =
            "libtorch finds no CUDA device that it can use, or was used before it was told to";
        return Err(Error::Unavailable(what.to_owned()));
    }
    Ok(Compute { device: tch::Device::Cuda(index), name })
}

/// The part of the CUDA driver that names devices.
struct Driver {
    init: unsafe extern "C" fn(c_uint) -> c_int,
    count: unsafe extern "C" fn(*mut c_int) -> c_int,
    get: unsafe extern "C" fn(*mut c_int, c_int) -> c_int,
    name: unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int,
}

impl Driver {
    fn load() -> Result<Self> {
        let absent =
            |why: String| Error::Unavailable(format!("there is no NVIDIA driver here: {why}"));
        let library = load("libcuda.so.1").map_err(absent)?;
        let find = |name: &CStr| {
            // SAFETY: the library is open and never closed, and the name ends with zero.
            let symbol = unsafe { libc::dlsym(library, name.as_ptr()) };
            (!symbol.is_null())
                .then_some(symbol)
                .ok_or_else(|| absent(format!("no {name:?} in it")))
        };
        // SAFETY: these are the driver interface's published signatures.
        unsafe {
            Ok(Self {
                init: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_uint) -> c_int>(
                    find(c"cuInit")?,
                ),
                count: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_int) -> c_int>(
                    find(c"cuDeviceGetCount")?,
                ),
                get: std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_int, c_int) -> c_int,
                >(find(c"cuDeviceGet")?),
                name: std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int,
                >(find(c"cuDeviceGetName")?),
            })
        }
    }

    fn device_name(&self, index: usize) -> Result<String> {
        let check = |code: c_int| match code {
            0 => Ok(()),
            code => {
                Err(Error::Unavailable(format!("the CUDA driver finds no device (error {code})")))
            }
        };
        let (mut count, mut device) = (0, 0);
        let mut name: [c_char; 256] = [0; 256];
        // SAFETY: the pointers are to live variables, and the name's length is the buffer's.
        unsafe {
            check((self.init)(0))?;
            check((self.count)(&mut count))?;
            if index >= usize::try_from(count).unwrap_or(0) {
                return Err(Error::Unavailable(format!(
                    "cuda:{index} is not there; CUDA devices here: {count}, counted from 0"
                )));
            }
            check((self.get)(&mut device, index as c_int))?;
            check((self.name)(name.as_mut_ptr(), name.len() as c_int, device))?;
            Ok(CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned())
        }
    }
}

/// Opens a library for good, its symbols visible to all that are loaded later.
fn load(name: &str) -> std::result::Result<*mut c_void, String> {
    let name = std::ffi::CString::new(name).map_err(|error| error.to_string())?;
    // SAFETY: the libraries that are opened here run nothing but their own initialisation.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if !handle.is_null() {
        return Ok(handle);
    }
    // SAFETY: after a failed dlopen, dlerror is a text that lives until the next call.
    let why = unsafe {
        let text = libc::dlerror();
        if text.is_null() { "no reason".into() } else { CStr::from_ptr(text).to_string_lossy() }
    };
    Err(why.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_a_sentence() {
        match choose(DeviceId::Cuda(99)) {
            Err(Error::Unavailable(what)) => assert!(what.len() > 20, "{what}"),
            other => panic!("{other:?}"),
        }
    }
}
