//! What is kept of a comparison of two states of the source.

use std::{collections::BTreeMap, path::Path};

use modality_harness::{
    conditions::{Conditions, GpuConditions},
    environment::Environment,
    record::DatasetId,
};
use modality_protocol::files;
use serde::{Deserialize, Serialize};

use crate::{Finding, Outcome, RowPairs, Rules, quantity::median, samples};

/// Version of the layout, in [`Regression::format`].
pub const FORMAT: u32 = 1;

/// Two states of the source, measured in pairs, and what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the study whose rows were run.
    pub study: String,
    /// The data set, as the side that is compared prepares it.
    pub dataset: DatasetId,
    /// What is compared with.
    pub base: SideFacts,
    /// What is compared.
    pub head: SideFacts,
    /// The machine and the tools.
    pub environment: Environment,
    /// CPU threads of every run.
    pub threads: usize,
    /// How it was decided.
    pub rules: Rules,
    /// What came of it.
    pub outcome: Outcome,
    /// By row and quantity.
    pub findings: Vec<Finding>,
    /// What a reader should know, a sentence each.
    pub remarks: Vec<String>,
    /// A slowdown that was planted in what is compared, as `solve:0.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<String>,
    /// From the start of the command to the verdict, seconds.
    pub seconds: f64,
    /// Of that, the runs.
    pub measured_s: f64,
    /// What computed, by row.
    pub devices: BTreeMap<String, String>,
    /// All that was measured; in a file of its own.
    #[serde(skip)]
    pub samples: Vec<RowPairs>,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SideFacts {
    /// What it was asked for by: a branch, a tag, a file; or `working tree`.
    pub name: String,
    /// What it was built from, with `-dirty` where that is in no commit.
    pub commit: String,
    /// The machine while its runs ran.
    pub conditions: Conditions,
}

impl Regression {
    /// Its file, in the folder of results.
    pub const FILE: &str = "regress.json";

    /// What was measured, beside it.
    const SAMPLES: &str = "samples.csv";

    /// Writes it and what was measured into `folder`, each whole or not at all.
    ///
    /// # Errors
    /// [`samples::Error`] naming the file.
    pub fn save(&self, folder: &Path) -> Result<(), samples::Error> {
        samples::write(&folder.join(Self::SAMPLES), &self.samples)?;
        Ok(files::write_json(&folder.join(Self::FILE), self)?)
    }

    /// Reads what [`Regression::save`] wrote; `path` is that of the first of the two files.
    ///
    /// # Errors
    /// [`samples::Error`] naming the file.
    pub fn load(path: &Path) -> Result<Self, samples::Error> {
        let invalid = |what| samples::Error::Invalid { path: path.to_owned(), what };
        let text = std::fs::read(path)
            .map_err(|cause| files::Error::Io { path: path.to_owned(), cause })?;
        let other = |error: serde_json::Error| {
            invalid(format!("it is no record of a comparison of two states of the source: {error}"))
        };
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(other)?;
        match value["format"].as_u64() {
            Some(format) if format != u64::from(FORMAT) => {
                let what = format!("its format is {format}; this program reads {FORMAT}");
                return Err(invalid(what));
            }
            _ => {}
        }
        let read: Self = serde_json::from_value(value).map_err(other)?;
        Ok(Self { samples: samples::read(&path.with_file_name(Self::SAMPLES))?, ..read })
    }
}

impl SideFacts {
    /// What several runs saw of the machine: medians, the most of temperatures and power, every reason for slower clocks.
    pub fn seen(all: &[Conditions]) -> Conditions {
        let middle = |of: fn(&Conditions) -> Option<f64>| median(all.iter().filter_map(of));
        let most =
            |of: fn(&Conditions) -> Option<f64>| all.iter().filter_map(of).max_by(f64::total_cmp);
        let gpus: Vec<&GpuConditions> = all.iter().filter_map(|seen| seen.gpu.as_ref()).collect();
        let gpu = (!gpus.is_empty()).then(|| GpuConditions {
            sm_mhz: median(gpus.iter().filter_map(|gpu| gpu.sm_mhz)),
            watts: gpus.iter().filter_map(|gpu| gpu.watts).max_by(f64::total_cmp),
            celsius: gpus.iter().filter_map(|gpu| gpu.celsius).max_by(f64::total_cmp),
            throttled: gpus.iter().flat_map(|gpu| gpu.throttled.iter().cloned()).collect(),
        });
        Conditions {
            cpu_mhz: middle(|seen| seen.cpu_mhz),
            celsius: most(|seen| seen.celsius),
            load: middle(|seen| seen.load),
            stolen: middle(|seen| seen.stolen),
            gpu,
        }
    }
}
