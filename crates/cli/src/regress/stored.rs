//! What was measured another time, in place of a commit that is measured along.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use modality_compare::{Kind, Measured, Quantity, Regression};
use modality_harness::{
    conditions::Conditions,
    environment::Environment,
    plan::Plan,
    record::{RunRecord, Status},
};
use modality_toolchain::UserError;

use super::measure::name;

/// The side that was compared then.
pub(super) struct Stored {
    shown: String,
    then: Regression,
}

impl Stored {
    /// Reads it.
    ///
    /// # Errors
    /// [`modality_compare::Error`] naming the file.
    pub(super) fn load(path: &Path) -> Result<Self> {
        Ok(Self { shown: path.display().to_string(), then: Regression::load(path)? })
    }

    /// What the side was built from.
    pub(super) fn commit(&self) -> &str {
        &self.then.head.commit
    }

    /// Pairs that there can be.
    pub(super) fn pairs(&self) -> usize {
        self.then.samples.iter().map(|row| row.pairs.len()).max().unwrap_or(0)
    }

    /// Refuses to compare what cannot be: other data, another kind of device, another number of threads.
    ///
    /// # Errors
    /// [`UserError`] that names what is other.
    pub(super) fn check(
        &self,
        plan: &Plan,
        records: &[RunRecord],
        environment: &Environment,
    ) -> Result<(), UserError> {
        let then = &self.then;
        let same = |what: &str, then: &str, now: &str| match then == now {
            true => Ok(()),
            false => Err(UserError(format!(
                "--baseline {}: {what} was {then} then and is {now} now; compare with a commit by --against, or with a baseline \
                 of this kind of device",
                self.shown
            ))),
        };
        same("the study", &then.study, &plan.study)?;
        same("the data's SHA-256", &then.dataset.sha256, &plan.dataset.sha256)?;
        same("the processor", &then.environment.cpu, &environment.cpu)?;
        let threads = |number: usize| number.to_string();
        same("the number of threads", &threads(then.threads), &threads(plan.threads))?;
        for record in records.iter().filter(|record| record.status == Status::Ok) {
            if let Some(device) = then.devices.get(&name(record)) {
                same(&format!("the device of {}", name(record)), device, &record.device)?;
            }
        }
        Ok(())
    }

    /// Rows of the records that were measured then too.
    pub(super) fn rows(&self, records: &[RunRecord], remarks: &mut Vec<String>) -> Vec<String> {
        let scored = records.iter().filter(|record| record.status == Status::Ok);
        // There are several of a row.
        let names: BTreeMap<String, ()> = scored.map(|record| (name(record), ())).collect();
        let (known, new): (Vec<String>, Vec<String>) =
            names.into_keys().partition(|row| self.measured(row, 0, 1.0).is_some());
        remarks.extend(new.iter().map(|row| format!("{row} is not there in the baseline")));
        known
    }

    /// By what times of then are multiplied: how much slower the machine is now at products of matrices, which every run
    /// measures. Where nothing is known of that, by one.
    pub(super) fn factor(&self, records: &[RunRecord]) -> f64 {
        let pairs = self.then.samples.iter().flat_map(|row| &row.pairs);
        let then = pairs.filter_map(|pair| pair.head.get(&Quantity::ProductRate).copied());
        let now = records.iter().filter_map(|record| record.usage.product_gflops);
        let ratio = middle(then.collect()).zip(middle(now.collect()));
        ratio.map_or(1.0, |(then, now)| then / now)
    }

    pub(super) fn remark(&self, factor: f64) -> String {
        format!(
            "compared with a run that was made another time, whose times are multiplied by {factor:.3}, as this machine's matrix \
             products take so many times as long now: weaker than two builds that are measured side by side"
        )
    }

    /// A run of then, with times as they would be now.
    pub(super) fn measured(&self, row: &str, pair: usize, factor: f64) -> Option<Measured> {
        let row = self.then.samples.iter().find(|known| known.row == row)?;
        let scaled = |(quantity, value): (&Quantity, &f64)| match quantity {
            Quantity::ProductRate => (*quantity, *value),
            _ if quantity.kind() == Kind::Time => (*quantity, value * factor),
            _ => (*quantity, *value),
        };
        Some(row.pairs.get(pair)?.head.iter().map(scaled).collect())
    }

    pub(super) fn conditions(&self) -> Conditions {
        self.then.head.conditions.clone()
    }
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
