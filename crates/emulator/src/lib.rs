//! A stand-in for an NVIDIA GPU, for tests.
//!
//! The kernels in `kernels/*.cu` are compiled as host C++, and a driver, cuBLAS, cuSOLVER and NVRTC that compute on the
//! host let unchanged host code run them. What is wrong about kernels, or about how they are called, shows:
//!
//! - Blocks run in an order drawn from a [seed](Emulator::seed); within a block, so do warps and the lanes of each, and
//!   the order is drawn anew at every barrier, shuffle, vote and matrix instruction. The results of a kernel
//!   that lacks a barrier hang on the seed, or are always wrong.
//! - Every allocation lies between two guards of its own, as wide as itself but of 4 MiB at least and 64 GiB at most, and ends
//!   less than 16 bytes before the upper one. An access to a guard, or to what was freed, ends the process with [`EXIT_CODE`]
//!   and a sentence: which kernel, block and thread, and how far from which allocation. Addresses are never used again,
//!   so that does not hang on what lies nearby. The few bytes between an allocation and its guards are looked at after each
//!   launch. So it is with dynamic shared memory, and with the stacks of threads.
//! - Device memory, pinned host memory and shared memory hold NaN until they are written.
//! - Copies out of pinned memory are made as late as can be: memory that is filled anew too early is copied as it is then.
//! - A missing wait between streams: calls on different streams that use one allocation, at least one of them to change or free
//!   it, must be ordered by events, by waits of the host, or by the legacy default stream and streams that block with it. If
//!   they are not, the process ends, with both calls, both streams, and the allocation in a sentence. What a kernel does by
//!   a parameter is taken from its type: `const T *`, and all that a structure points to, is read, `T *` is written. Allocations
//!   are looked at as a whole.
//! - Threads that wait for what cannot come fail the launch, with a [sentence](Emulator::report) that says how many wait where.
//! - Launches are refused as by a real driver: blocks too large or larger than `__launch_bounds__`, too much dynamic shared
//!   memory, unknown kernels. So are copies that leave an allocation, handles that were destroyed, and leading dimensions
//!   that are too small.
//! - An index that overflows at a size that no host can compute: [`Emulator::sample`] runs some blocks of each launch.
//! - [`Emulator::fail`] makes the device fail, [`Emulator::memory_limit`] makes it small.
//!
//! What does not show:
//!
//! - Time: nothing here says how fast a kernel is on a device.
//! - Inline PTX: what kernels need of it is in `device.cuh`, of which there is one file for the device and one for the host.
//! - A missing wait before pinned memory that the device writes is read: all but copies out of pinned memory has been done when
//!   its call returns. A missing wait between streams for what kernels reach by pointers that are in device memory, or write
//!   by pointers in structures. Threads of the host are taken for one, which knows what any of them has waited for.
//! - Effects of weakly ordered memory: a thread runs alone until it waits, and sees what was written before it.
//! - Accesses within an allocation but beyond the part that was meant, overruns from one static `__shared__` array into
//!   another, and reads (not writes) of the fewer than 16 bytes behind an allocation, or of the part of a page before it.
//! - Host code that reads device memory by its address, and kernels that read the host's.
//! - Loops without end in a kernel.
//! - What a compiler for the device decides: registers, static shared memory, and the occupancy that follows from them. Here
//!   it follows from threads and dynamic shared memory alone.
//!
//! `build/mutants.rs` lists kernels with one mistake each; every entry is built as a [variant](Emulator::variants). Kernels are
//! found by themselves: every `extern "C" __global__` function of every file in `kernels`.
//!
//! Results do not hang on the number of cores, nor on what instructions the processor has, as long as a kernel fixes the order of
//! its additions and the C library's functions (`exp`, `log`) have the same bits.
//!
//! On a machine that is not x86-64, switching threads is slower, and reports do not tell reads from writes.

mod control;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use control::Libraries;

/// The exit code of a process whose kernels touched memory that was not theirs, or whose streams did not wait for each other.
pub const EXIT_CODE: i32 = 86;

const FOLDER: &str = env!("EMULATOR_LIBRARIES");

static LIBRARIES: OnceLock<Result<(Option<String>, Libraries), Error>> = OnceLock::new();

/// Why there is no emulated device.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A library that was built with this crate does not load.
    #[error("{path}: {reason}")]
    Library {
        /// The library.
        path: String,
        /// The loader's words.
        reason: String,
    },
    /// The libraries of a process cannot be exchanged.
    #[error("this process has the {loaded} kernels; {asked} needs a process of its own")]
    OtherVariant {
        /// The variant that was asked for.
        asked: String,
        /// The variant that is there.
        loaded: String,
    },
    /// No mutant has this name.
    #[error("there is no variant {0}; there are {all}", all = Emulator::variants().join(", "))]
    NoVariant(String),
}

/// How the device fails, until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Failure {
    /// It does not; also takes back an earlier failure, a deadlock among them.
    None,
    /// The driver finds no device.
    NoDevice,
    /// The driver is of CUDA 12.4, and refuses images made for 13.
    OldDriver,
    /// No allocation succeeds.
    OutOfMemory,
    /// No image has code for the device.
    ModuleLoad,
    /// Launches fail.
    Launch,
    /// NVRTC does not compile.
    Nvrtc,
}

/// A kind of call that the device was asked for. Libraries load a kernel when it is first needed, and which one is needed hangs
/// on all of this; so a program that has made one call of a kind has made the device ready for the next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The kernel's, the library's or, for fills, the driver's function: `pack_rows`, `cublasSgemm_v2`, `cuMemsetD32`.
    pub name: String,
    /// What a library was told to do, in its order: `N T float32 as TF32`, `left lower N non-unit float64`. Empty for others.
    pub options: String,
    /// What a library chooses a kernel by beside the options. Empty for others: a kernel is loaded with its module.
    ///
    /// Sizes (`m`, `n`, `k`) are in one class from above a power of two to the next, as tiles are chosen by how many of them
    /// there are; 0 and 1 are classes of their own, as there are shorter ways for them. Of each matrix follows the alignment
    /// of its columns in bytes, at most 16: a kernel that reads as much at a time needs both the first entry's address and the
    /// leading dimension to be multiples of it. `m 2^7, n 1, k 2^10, A 16, B 4, C 16` is 65 to 128 rows by one column.
    pub shape: String,
}

/// The emulated device of this process.
#[derive(Clone, Copy, Debug)]
pub struct Emulator {
    libraries: &'static Libraries,
}

impl Emulator {
    /// Loads the emulated libraries, with the kernels as they are or, for a `variant`, with one mistake. Must come before
    /// anything else looks for a driver; afterwards whoever looks for `libcuda.so` and the rest finds these.
    ///
    /// # Errors
    /// When there is no such variant, when the process has another one already, or when a library does not load.
    pub fn start(variant: Option<&str>) -> Result<Emulator, Error> {
        let asked = variant.map(str::to_owned);
        if let Some(name) = variant.filter(|name| !Self::variants().contains(name)) {
            return Err(Error::NoVariant(name.to_owned()));
        }
        let first = || {
            let libraries = Libraries::load(Path::new(FOLDER), variant)?;
            Ok((asked.clone(), libraries))
        };
        let (loaded, libraries) = LIBRARIES.get_or_init(first).as_ref().map_err(Clone::clone)?;
        if *loaded != asked {
            let name = |variant: &Option<String>| {
                variant.clone().unwrap_or_else(|| "unaltered".to_owned())
            };
            return Err(Error::OtherVariant { asked: name(&asked), loaded: name(loaded) });
        }
        Ok(Emulator { libraries })
    }

    /// The mutants that were built.
    pub fn variants() -> Vec<&'static str> {
        env!("EMULATOR_MUTANTS").split(',').collect()
    }

    /// Sets what the order of blocks, warps and lanes is drawn from.
    pub fn seed(&self, seed: u64) {
        self.libraries.seed(seed);
    }

    /// Sets the memory of the device; 16 GiB at first.
    pub fn memory_limit(&self, bytes: u64) {
        self.libraries.memory_limit(bytes);
    }

    /// Begins to do a part of the work in place of all of it or, with `None`, ends that: so that indices can be tested at sizes
    /// whose values no host can compute or hold.
    ///
    /// - Allocations are neither filled nor touched, and read as zero; [`Emulator::memory_limit`] may be 64 TiB.
    /// - A launch runs its first block, its last, and `drawn` others, which hang on the [seed](Emulator::seed).
    /// - Fills, and copies on the device, touch the first, the last, and `drawn` other pieces of 4096 bytes, which are the same
    ///   for the same length. Copies to and from the host are made whole.
    /// - cuBLAS and cuSOLVER compute nothing, and `info` is 0.
    ///
    /// What is checked is checked as ever: ranges, guards, the first and last entry of each matrix. An index that overflows as
    /// a signed number leaves its allocation. One that does as an unsigned number need not: read what the last block
    /// should have written.
    pub fn sample(&self, drawn: Option<u32>) {
        self.libraries.sample(drawn.map_or(-1, i64::from));
    }

    /// Makes the device fail from now on.
    pub fn fail(&self, failure: Failure) {
        self.libraries.fail(failure as i32);
    }

    /// How often the host has waited for the device: for a stream, an event or the context, or in a copy to host memory
    /// that is not pinned.
    pub fn synchronizations(&self) -> u64 {
        self.libraries.synchronizations()
    }

    /// Launches by kernel, in the order of their names.
    pub fn launches(&self) -> Vec<(String, u64)> {
        self.libraries.launches()
    }

    /// The kinds of calls that were made: kernels, fills, and functions of cuBLAS and cuSOLVER.
    pub fn calls(&self) -> BTreeSet<Call> {
        self.libraries.calls()
    }

    /// Bytes of device memory that were allocated at one time, at most.
    pub fn peak_memory(&self) -> u64 {
        self.libraries.peak_memory()
    }

    /// Begins to count anew: waits, launches (which the order of threads hangs on as well), calls, peak memory.
    pub fn reset_counts(&self) {
        self.libraries.reset_counts();
    }

    /// What the last launch that failed did wrong, if one did since [`Emulator::fail`] was called last.
    pub fn report(&self) -> Option<String> {
        Some(self.libraries.report()).filter(|report| !report.is_empty())
    }
}
