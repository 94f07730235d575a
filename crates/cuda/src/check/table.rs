//! A record as text.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};

use super::{DeviceFacts, KernelLine, PartLine, Record, Timing, Unit};

const WRONG: &str = "WRONG";

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.device)?;
        if let Some(best) = &self.ceilings {
            writeln!(
                f,
                "At best: copies {:.0} GB/s, float32 products {:.0} Gflop/s, float16 on matrix units {:.0} Gflop/s",
                best.copy_gb_s, best.float32_gflop_s, best.matrix_units_gflop_s
            )?;
        }
        writeln!(f, "\nConformance\n{}", parts(&self.conformance))?;
        writeln!(f, "\nKernels, beside float64 arithmetic\n{}", kernels(&self.kernels))?;
        if self.ceilings.is_some() {
            writeln!(f, "Shares of more than 100 % are of data that the device's cache holds.")?;
        }
        for failure in self.told() {
            writeln!(f, "{failure}")?;
        }
        match self.failed() {
            0 => write!(f, "\nAll is as it should be."),
            count => write!(
                f,
                "\n{count} of {} lines are wrong.",
                self.conformance.len() + self.kernels.len()
            ),
        }
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

impl Record {
    /// A sentence for whatever is wrong.
    fn told(&self) -> impl Iterator<Item = String> {
        let parts = self.conformance.iter().filter_map(|part| {
            Some(format!("{} ({}): {}", part.name, part.entries, part.failure.as_ref()?))
        });
        let kernels = self
            .kernels
            .iter()
            .filter_map(|line| Some(format!("{}: {}", line.kernels, line.failure.as_ref()?)));
        parts.chain(kernels).chain(self.failures.iter().cloned())
    }
}

fn parts(lines: &[PartLine]) -> Table {
    let mut table = table(&["part", "kernel entries", ""]);
    for PartLine { entries, name, failure } in lines {
        let verdict = if failure.is_none() { "passed" } else { WRONG };
        table.add_row([name, entries.as_str(), verdict]);
    }
    table
}

fn kernels(lines: &[KernelLine]) -> Table {
    let timed = lines.iter().any(|line| line.timing.is_some());
    let mut heads = vec!["kernels", "error", "allowed", ""];
    if timed {
        heads.extend(["timed at", "ms", "GB/s", "Gflop/s", "share of the best"]);
    }
    let mut table = table(&heads);
    for line in lines {
        let mut cells = checked(line).to_vec();
        if timed {
            cells.extend(line.timing.as_ref().map(taken).unwrap_or_default());
        }
        table.add_row(cells);
    }
    let numbers = [1, 2, 5, 6, 7, 8].into_iter();
    for column in numbers.filter_map(|index| Some(index).filter(|_| index < heads.len())) {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn checked(line: &KernelLine) -> [String; 4] {
    let worst = line.worst();
    let error = worst.and_then(|check| check.error).map(|error| format!("{error:.1e}"));
    let allowed = worst.map(|check| format!("{:.1e}", check.allowed));
    let verdict = if line.passed() { "passed" } else { WRONG };
    [
        line.kernels.clone(),
        error.unwrap_or_default(),
        allowed.unwrap_or_default(),
        verdict.to_owned(),
    ]
}

fn taken(timing: &Timing) -> [String; 5] {
    let unit = match timing.unit {
        Unit::Float32 => "",
        Unit::MatrixUnits => " on matrix units",
    };
    [
        timing.sizes.clone(),
        format!("{:.4}", timing.milliseconds),
        format!("{:.0}", timing.gb_s),
        format!("{:.0}{unit}", timing.gflop_s),
        format!("{:.0} %", 100.0 * timing.share),
    ]
}

fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(heads);
    table
}
