//! What is compared of a run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use modality_harness::record::{RunRecord, Status};
use modality_protocol::Stage;
use serde::{Deserialize, Serialize};

/// What a run cost, and what came of it. Seconds, MiB, RMSE, shares and counts: all above zero, and compared as ratios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Quantity {
    /// Wall time of a stage.
    Stage(Stage),
    /// Wall time of the training stages.
    Training,
    /// Wall time of the prediction stages.
    Prediction,
    /// Wall time of the process, from its start to its end.
    Total,
    /// CPU time of the process, user and system.
    Cpu,
    /// Peak resident memory.
    Memory,
    /// Peak memory on the accelerator.
    GpuMemory,
    /// Root mean squared error of the predictions.
    Rmse,
    /// ||X V||_F / ||X||_F of the truncated SVD of the input.
    Captured,
    /// Floating-point operations of a stage.
    Operations(Stage),
    /// Float32 matrix products on the device as the run measured them itself, 10^9 operations a second: how fast the machine was.
    ProductRate,
}

/// What is alike in how quantities are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Measured, and never the same twice.
    Time,
    /// Nearly the same each time.
    Memory,
    /// Of one seed nearly the same each time, of another seed another one.
    Error,
    /// The same each time, but for rounding.
    Exact,
}

/// The quantities of one run.
pub type Measured = BTreeMap<Quantity, f64>;

/// Those of two runs that differ in nothing but the side that they are of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Of what is compared with.
    pub base: Measured,
    /// Of what is compared.
    pub head: Measured,
}

impl Pair {
    /// The quantity of both, where both have it.
    pub fn of(&self, quantity: Quantity) -> Option<(f64, f64)> {
        Some((*self.base.get(&quantity)?, *self.head.get(&quantity)?))
    }
}

const OPERATIONS: &str = "operations ";

impl Quantity {
    /// How it is compared.
    pub fn kind(self) -> Kind {
        match self {
            Self::Stage(_)
            | Self::Training
            | Self::Prediction
            | Self::Total
            | Self::Cpu
            | Self::ProductRate => Kind::Time,
            Self::Memory | Self::GpuMemory => Kind::Memory,
            Self::Rmse => Kind::Error,
            Self::Captured | Self::Operations(_) => Kind::Exact,
        }
    }

    /// Whether more of it is worse.
    pub(crate) fn is_cost(self) -> bool {
        !matches!(self, Self::Captured | Self::ProductRate)
    }

    /// All that some pair has, in the order in which a run comes to them.
    pub(crate) fn of_pairs(pairs: &[Pair]) -> BTreeSet<Self> {
        pairs.iter().flat_map(|pair| pair.base.keys().chain(pair.head.keys())).copied().collect()
    }

    /// Of a run whose predictions were scored; nothing of another.
    pub fn of_run(record: &RunRecord) -> Measured {
        let Some(metrics) = record.metrics.filter(|_| record.status == Status::Ok) else {
            return Measured::new();
        };
        let usage = &record.usage;
        let stages = record.stages.iter().flat_map(|time| {
            let flops = time.flops.map(|flops| (Self::Operations(time.stage), flops));
            [(Self::Stage(time.stage), time.seconds)].into_iter().chain(flops)
        });
        let known = [
            (Self::Training, record.train_s()),
            (Self::Prediction, record.predict_s()),
            (Self::Total, usage.total_s),
            (Self::Cpu, usage.cpu_s),
            (Self::Rmse, metrics.rmse),
        ];
        let maybe = [
            (Self::Memory, usage.peak_rss_mb),
            (Self::GpuMemory, usage.peak_gpu_mb),
            (Self::Captured, record.captured),
            (Self::ProductRate, usage.product_gflops),
        ];
        let maybe = maybe.into_iter().filter_map(|(quantity, value)| Some((quantity, value?)));
        stages.chain(known).chain(maybe).filter(|(_, value)| *value > 0.0).collect()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(stage) => f.write_str(stage.name()),
            Self::Training => f.write_str("training"),
            Self::Prediction => f.write_str("prediction"),
            Self::Total => f.write_str("total"),
            Self::Cpu => f.write_str("CPU time"),
            Self::Memory => f.write_str("memory"),
            Self::GpuMemory => f.write_str("GPU memory"),
            Self::Rmse => f.write_str("RMSE"),
            Self::Captured => f.write_str("captured"),
            Self::ProductRate => f.write_str("product rate"),
            Self::Operations(stage) => write!(f, "{OPERATIONS}{}", stage.name()),
        }
    }
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = [
            Self::Training,
            Self::Prediction,
            Self::Total,
            Self::Cpu,
            Self::Memory,
            Self::GpuMemory,
            Self::Rmse,
            Self::Captured,
            Self::ProductRate,
        ];
        let of_stages =
            Stage::ALL.into_iter().flat_map(|stage| [Self::Stage(stage), Self::Operations(stage)]);
        let mut all = plain.into_iter().chain(of_stages);
        let found = all.find(|quantity| quantity.to_string() == text);
        found.ok_or_else(|| format!("`{text}` is no quantity that is compared"))
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.to_string()
    }
}

impl TryFrom<String> for Quantity {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The middle value of what one side measured; nothing of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some(f64::midpoint(sorted[last / 2], sorted[sorted.len() / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quantity_has_a_name_of_its_own_that_is_read_again() {
        let of_stages =
            Stage::ALL.map(|stage| [Quantity::Stage(stage), Quantity::Operations(stage)]);
        for quantity in of_stages.into_iter().flatten().chain([Quantity::Cpu, Quantity::Rmse]) {
            assert_eq!(quantity.to_string().parse(), Ok(quantity));
            let json = serde_json::to_string(&quantity).unwrap();
            assert_eq!(serde_json::from_str::<Quantity>(&json).unwrap(), quantity);
        }
        assert!("sovle".parse::<Quantity>().is_err());
    }

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0]), Some(2.5));
        assert_eq!(median([]), None);
    }
}
