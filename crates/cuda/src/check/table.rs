//! A record as text, in lines that can be told one by one.

use std::fmt;

use super::{Ceilings, DeviceFacts, KernelLine, PartLine, Record, Unit};

pub(super) const CONFORMANCE: &str = "\nConformance, by what becomes of the kernel's entries";
pub(super) const KERNELS: &str = "\nKernels, beside float64 arithmetic\n   error  allowed";
const TIMINGS: &str = "\nKernels, beside the device's best (more than 100 % where its cache holds the data)\n       \
                       ms     GB/s  Gflop/s   share";

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", device(&self.device))?;
        if !self.kernels.is_empty() {
            writeln!(f, "{KERNELS}")?;
        }
        for line in &self.kernels {
            writeln!(f, "{}", kernel(line))?;
        }
        if !self.conformance.is_empty() {
            writeln!(f, "{CONFORMANCE}")?;
        }
        for line in &self.conformance {
            writeln!(f, "{}", part(line))?;
        }
        if let Some(ceilings) = &self.ceilings {
            writeln!(f, "{}", best(ceilings))?;
            for line in &self.kernels {
                writeln!(f, "{}", timing(line))?;
            }
        }
        write!(f, "{}", end(self))
    }
}

impl fmt::Display for DeviceFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cuda:{}: {}, compute capability {}, {} multiprocessors, {:.1} GiB, driver for CUDA {}",
            self.index,
            self.name,
            self.compute_capability,
            self.multiprocessors,
            self.memory_mb as f64 / 1024.0,
            self.driver
        )
    }
}

pub(super) fn device(facts: &DeviceFacts) -> String {
    facts.to_string()
}

pub(super) fn part(PartLine { entries, name, failure }: &PartLine) -> String {
    format!("{:<7} {entries:<6}  {name}{}", verdict(failure.is_none()), why(failure.as_ref()))
}

pub(super) fn kernel(line: &KernelLine) -> String {
    let worst = line.worst();
    let error = worst.and_then(|check| check.error).map(|error| format!("{error:.1e}"));
    let allowed = worst.map(|check| format!("{:.1e}", check.allowed));
    format!(
        "{:>8} {:>8}  {:<6}  {}{}",
        error.unwrap_or_default(),
        allowed.unwrap_or_default(),
        verdict(line.passed()),
        line.kernels,
        why(line.failure.as_ref())
    )
}

pub(super) fn best(best: &Ceilings) -> String {
    format!(
        "\nAt best: copies {:.0} GB/s, float32 products {:.0} Gflop/s, float16 on matrix units {:.0} Gflop/s\n{TIMINGS}",
        best.copy_gb_s, best.float32_gflop_s, best.matrix_units_gflop_s
    )
}

pub(super) fn timing(line: &KernelLine) -> String {
    let Some(timing) = &line.timing else {
        return format!("{:>36}  {}{}", "not timed", line.kernels, why(line.failure.as_ref()));
    };
    let unit = match timing.unit {
        Unit::Float32 => "",
        Unit::MatrixUnits => ", on matrix units",
    };
    format!(
        "{:>9.4} {:>8.0} {:>8.0} {:>5.0} %  {} ({}{unit})",
        timing.milliseconds,
        timing.gb_s,
        timing.gflop_s,
        100.0 * timing.share,
        line.kernels,
        timing.sizes
    )
}

/// What there is to say after all lines.
pub(super) fn end(record: &Record) -> String {
    let mut text: String = record.failures.iter().map(|why| format!("\n{why}")).collect();
    text += &match (record.unfinished, record.failed()) {
        (true, _) => "\nUnfinished: there was more to come when this was written.".to_owned(),
        (false, 0) => "\nAll is as it should be.".to_owned(),
        (false, count) => {
            let lines = record.conformance.len() + record.kernels.len();
            format!("\n{count} of {lines} lines are wrong.")
        }
    };
    text
}

fn verdict(is_good: bool) -> &'static str {
    if is_good { "passed" } else { "WRONG" }
}

fn why(failure: Option<&String>) -> String {
    failure.map_or(String::new(), |why| format!(": {why}"))
}
