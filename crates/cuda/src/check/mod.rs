//! A device held against what it should compute, and timed: what `gpu-check` runs.
//!
//! Every kernel of `kernels/*.cu` by itself against plain float64 arithmetic on the host; the recipe's conformance suite, part by
//! part; and, unless the device is emulated, how fast each kernel is beside what the device reaches at best. Times come last,
//! as they mean nothing where results are wrong. What a kernel does that the driver cannot mend fails all that follows in the
//! process, so the suite can be run in one of its own ([`Options::only`]).

mod cases;
mod ceilings;
mod conformance;
mod record;
mod table;
mod trial;

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use modality_harness::environment::Environment;

pub(crate) use ceilings::matrix_unit_rate;
pub use record::{
    Ceilings, Check, DeviceFacts, FORMAT, KernelLine, PartLine, Record, Timing, Unit,
};

use crate::{Device, Result};

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// Counted from 0, as the driver does.
    pub device: u16,
    /// Whether to leave out all that is timed.
    pub quick: bool,
    /// What alone is wanted.
    pub only: Option<Part>,
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The recipe's conformance suite.
    Conformance,
    /// Each kernel by itself, and its times.
    Kernels,
}

/// What is told on the way.
#[derive(Debug)]
pub enum Said<'a> {
    /// What begins.
    Begins(&'a str),
    /// A line of the record's text, and all that is known with it.
    Found(&'a str, &'a Record),
}

/// What a device is, once it is ready to be computed on.
///
/// # Errors
/// As [`run`], and whatever goes wrong until it is ready.
pub fn facts(device: u16) -> Result<DeviceFacts> {
    Ok(DeviceFacts::from(Device::open(device)?.facts()))
}

/// Names of the kernels.
#[must_use]
pub fn kernels() -> &'static [&'static str] {
    crate::kernels::NAMES
}

/// Checks a device; `watch` is told of whatever begins and whatever is found, when it is found.
///
/// # Errors
/// [`Error::Unavailable`](crate::Error::Unavailable) where there is no such device. What goes wrong on it is
/// in the record.
pub fn run(options: &Options, watch: &mut dyn FnMut(Said<'_>)) -> Result<Record> {
    let device = Device::open(options.device)?;
    let timed = !options.quick && !device.facts().is_emulated();
    let wants = |part| options.only.is_none_or(|only| only == part);
    let _quiet = QuietPanics::new();
    let record = Record {
        format: FORMAT,
        device: DeviceFacts::from(device.facts()),
        environment: Environment::observe(Path::new(".")),
        ceilings: None,
        conformance: Vec::new(),
        kernels: Vec::new(),
        failures: Vec::new(),
        unfinished: true,
    };
    let mut checkup =
        Checkup { checked: Checked { device: &device, lost_by: None }, record, watch };
    checkup.found(&table::device(&checkup.record.device));
    if wants(Part::Kernels) {
        checkup.kernels();
    }
    if wants(Part::Conformance) {
        checkup.conformance(options.device);
    }
    if wants(Part::Kernels) && timed {
        checkup.timings();
    }
    checkup.record.unfinished = false;
    checkup.found(&table::end(&checkup.record));
    Ok(checkup.record)
}

/// A check under way.
struct Checkup<'a> {
    checked: Checked<'a>,
    record: Record,
    watch: &'a mut dyn FnMut(Said<'_>),
}

impl Checkup<'_> {
    fn begins(&mut self, what: &str) {
        (self.watch)(Said::Begins(what));
    }

    fn found(&mut self, line: &str) {
        (self.watch)(Said::Found(line, &self.record));
    }

    fn kernels(&mut self) {
        self.found(table::KERNELS);
        for case in cases::all() {
            self.begins(case.kernels);
            let line = cases::check(case, &mut self.checked);
            let text = table::kernel(&line);
            self.record.kernels.push(line);
            self.found(&text);
        }
    }

    fn conformance(&mut self, device: u16) {
        self.begins("conformance");
        self.found(table::CONFORMANCE);
        let Self { checked, record, watch } = self;
        conformance::each(checked, device, |line| {
            let text = table::part(&line);
            record.conformance.push(line);
            watch(Said::Found(&text, record));
        });
    }

    fn timings(&mut self) {
        let what = "what the device reaches at best";
        self.begins(what);
        let ceilings = match self.checked.attempt(what, ceilings::measure) {
            Ok(ceilings) => ceilings,
            Err(why) => return self.record.failures.push(why),
        };
        self.record.ceilings = Some(ceilings);
        self.found(&table::best(&ceilings));
        for (index, case) in cases::all().enumerate() {
            self.begins(case.kernels);
            let timing = cases::time(case, &mut self.checked, &ceilings);
            let line = &mut self.record.kernels[index];
            match timing {
                Ok(timing) => line.timing = timing,
                Err(why) => line.failure = line.failure.take().or(Some(why)),
            }
            let text = table::timing(line);
            self.found(&text);
        }
    }
}

/// A device, and whether it can still be used. What a kernel did that a driver cannot mend, such as an access out of bounds,
/// makes all later work of the process fail too, and is not to be blamed on that.
struct Checked<'a> {
    device: &'a Device,
    lost_by: Option<String>,
}

impl Checked<'_> {
    /// What `work` gives; a sentence for its error or panic, or for the device that was lost before.
    fn attempt<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&Device) -> Result<T>,
    ) -> std::result::Result<T, String> {
        if let Some(by) = &self.lost_by {
            return Err(format!("not checked, as the device can do nothing more after: {by}"));
        }
        let result = attempt(|| work(self.device));
        if result.is_err() && self.device.stream.synchronize().is_err() {
            self.lost_by = Some(name.to_owned());
        }
        result
    }
}

/// What `work` gives; the sentence of its error, or of its panic.
fn attempt<T, E: ToString>(
    work: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, String> {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => Err(sentence(panic.as_ref())),
    }
}

fn sentence(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

type Hook = Box<dyn Fn(&panic::PanicHookInfo<'_>) + Sync + Send>;

/// Keeps panics off standard error, as they are in the record.
struct QuietPanics {
    before: Option<Hook>,
}

impl QuietPanics {
    fn new() -> Self {
        let before = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        Self { before: Some(before) }
    }
}

impl Drop for QuietPanics {
    fn drop(&mut self) {
        // A hook cannot be set by a thread that panics.
        if let Some(before) = self.before.take().filter(|_| !std::thread::panicking()) {
            panic::set_hook(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_sentence() {
        let _quiet = QuietPanics::new();
        let fails = |what: u8| {
            attempt(move || match what {
                0 => Ok(5),
                1 => Err("an error"),
                2 => panic!("off by {what}"),
                _ => panic!("a plain one"),
            })
        };
        let found = [0, 1, 2, 3].map(fails);
        let [Ok(5), Err(error), Err(panic), Err(plain)] = &found else { panic!("{found:?}") };
        assert_eq!([error, panic, plain], ["an error", "off by 2", "a plain one"]);
    }
}
