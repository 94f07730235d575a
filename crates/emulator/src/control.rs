//! The emulated libraries, and their functions for tests.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

use crate::{Call, Error};

type EachCall = unsafe extern "C" fn(
    context: *mut c_void,
    name: *const c_char,
    options: *const c_char,
    shape: *const c_char,
);
type Each = unsafe extern "C" fn(context: *mut c_void, name: *const c_char, count: u64);

/// What `cpp/runtime/control.cpp` defines.
#[derive(Debug)]
pub(crate) struct Libraries {
    seed: unsafe extern "C" fn(u64),
    memory_limit: unsafe extern "C" fn(u64),
    sample: unsafe extern "C" fn(i64),
    fail: unsafe extern "C" fn(i32),
    synchronizations: unsafe extern "C" fn() -> u64,
    peak_memory: unsafe extern "C" fn() -> u64,
    reset_counts: unsafe extern "C" fn(),
    launches: unsafe extern "C" fn(Each, *mut c_void),
    calls: unsafe extern "C" fn(EachCall, *mut c_void),
    report: unsafe extern "C" fn(*mut c_char, u64) -> u64,
}

impl Libraries {
    /// Loads the driver, then the kernels, then what computes with them; none is ever unloaded.
    pub(crate) fn load(folder: &Path, variant: Option<&str>) -> Result<Libraries, Error> {
        let driver = open(&folder.join("libcuda.so"))?;
        for path in kernels(folder, variant)? {
            open(&path)?;
        }
        for name in ["libcublas.so", "libcusolver.so", "libnvrtc.so"] {
            open(&folder.join(name))?;
        }
        let start: unsafe extern "C" fn() = find(&driver, "emulator_start")?;
        // SAFETY: it takes nothing, and may be called at any time.
        unsafe { start() };
        Ok(Libraries {
            seed: find(&driver, "emulator_seed")?,
            memory_limit: find(&driver, "emulator_memory_limit")?,
            sample: find(&driver, "emulator_sample")?,
            fail: find(&driver, "emulator_fail")?,
            synchronizations: find(&driver, "emulator_synchronizations")?,
            peak_memory: find(&driver, "emulator_peak_memory")?,
            reset_counts: find(&driver, "emulator_reset_counts")?,
            launches: find(&driver, "emulator_launches")?,
            calls: find(&driver, "emulator_calls")?,
            report: find(&driver, "emulator_report")?,
        })
    }

    pub(crate) fn seed(&self, seed: u64) {
        // SAFETY: plain numbers in and out, as in control.cpp; any value is allowed and any thread may call. So in the
        // next six.
        unsafe { (self.seed)(seed) }
    }

    pub(crate) fn memory_limit(&self, bytes: u64) {
        // SAFETY: see `seed`.
        unsafe { (self.memory_limit)(bytes) }
    }

    pub(crate) fn sample(&self, drawn: i64) {
        // SAFETY: see `seed`.
        unsafe { (self.sample)(drawn) }
    }

    pub(crate) fn fail(&self, failure: i32) {
        // SAFETY: see `seed`.
        unsafe { (self.fail)(failure) }
    }

    pub(crate) fn synchronizations(&self) -> u64 {
        // SAFETY: see `seed`.
        unsafe { (self.synchronizations)() }
    }

    pub(crate) fn peak_memory(&self) -> u64 {
        // SAFETY: see `seed`.
        unsafe { (self.peak_memory)() }
    }

    pub(crate) fn reset_counts(&self) {
        // SAFETY: see `seed`.
        unsafe { (self.reset_counts)() }
    }

    pub(crate) fn launches(&self) -> Vec<(String, u64)> {
        let mut list: Vec<(String, u64)> = Vec::new();
        // SAFETY: `push` gets back the address of `list`, which outlives the call and is used by nobody else meanwhile.
        unsafe { (self.launches)(push, (&raw mut list).cast()) };
        list
    }

    pub(crate) fn calls(&self) -> BTreeSet<Call> {
        let mut set: BTreeSet<Call> = BTreeSet::new();
        // SAFETY: `insert` gets back the address of `set`, which outlives the call and is used by nobody else meanwhile.
        unsafe { (self.calls)(insert, (&raw mut set).cast()) };
        set
    }

    pub(crate) fn report(&self) -> String {
        let mut text = vec![0u8; 4096];
        // SAFETY: at most `text.len()` bytes are written.
        unsafe { (self.report)(text.as_mut_ptr().cast(), text.len() as u64) };
        CStr::from_bytes_until_nul(&text)
            .map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

/// # Safety
/// `context` is the address of a list that nobody else uses, `name` that of a string that ends with zero.
unsafe extern "C" fn push(context: *mut c_void, name: *const c_char, count: u64) {
    // SAFETY: as demanded of callers.
    let (list, name) =
        unsafe { (&mut *context.cast::<Vec<(String, u64)>>(), CStr::from_ptr(name)) };
    list.push((name.to_string_lossy().into_owned(), count));
}

/// # Safety
/// `context` is the address of a set that nobody else uses, the others are those of strings that end with zero.
unsafe extern "C" fn insert(
    context: *mut c_void,
    name: *const c_char,
    options: *const c_char,
    shape: *const c_char,
) {
    // SAFETY: as demanded of callers.
    let (set, [name, options, shape]) = unsafe {
        let text = |it| CStr::from_ptr(it).to_string_lossy().into_owned();
        (&mut *context.cast::<BTreeSet<Call>>(), [name, options, shape].map(text))
    };
    set.insert(Call { name, options, shape });
}

/// The libraries of kernels; those of the variant in place of the ones that it alters.
fn kernels(folder: &Path, variant: Option<&str>) -> Result<Vec<PathBuf>, Error> {
    let originals = folder.join("kernels");
    let entries =
        std::fs::read_dir(&originals).map_err(|error| library_error(&originals, &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "so"));
    if let Some(variant) = variant {
        for path in &mut paths {
            let altered = path.file_name().map(|name| folder.join(variant).join(name));
            if let Some(altered) = altered.filter(|altered| altered.exists()) {
                *path = altered;
            }
        }
    }
    Ok(paths)
}

/// Opens a library for good, its symbols for all to see.
fn open(path: &Path) -> Result<Library, Error> {
    // SAFETY: it is one that this crate's build script has made; what it does when loaded is to note its kernels' names.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    let library = library.map_err(|error| library_error(path, &error))?;
    // A second handle that is never closed.
    // SAFETY: as above.
    let kept = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    std::mem::forget(kept);
    Ok(library)
}

/// A function of a library that stays loaded.
fn find<F: Copy>(library: &Library, name: &str) -> Result<F, Error> {
    // SAFETY: control.cpp defines functions of these names with the types of the fields that they are put in.
    let symbol = unsafe { library.get::<F>(name) };
    symbol.map(|symbol| *symbol).map_err(|error| library_error(Path::new(name), &error))
}

/// The loader's words are the cause of the error that says that loading failed.
fn library_error(path: &Path, error: &dyn std::error::Error) -> Error {
    let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Error::Library { path: path.display().to_string(), reason }
}
