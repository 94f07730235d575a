//! What was measured another time, in place of a commit that is measured along.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Result;
use modality_compare::{Kind, Measured, Quantity, Regression, RowPairs, median};
use modality_harness::{
    conditions::Conditions,
    environment::Environment,
    plan::Plan,
    record::{RunRecord, Status},
};
use modality_toolchain::UserError;

/// How much slower the machine is now than it was then, at products of matrices, which every run measures on its device.
pub(super) struct Factors {
    /// Of rows that are not among the others, as they measure none.
    usual: f64,
    by_row: BTreeMap<String, f64>,
}

/// The side that was compared then.
pub(super) struct Stored {
    /// Its file.
    pub(super) shown: String,
    then: Box<Regression>,
}

impl Stored {
    /// Reads it.
    ///
    /// # Errors
    /// [`modality_compare::Error`] naming the file.
    pub(super) fn load(path: &Path) -> Result<Self> {
        Ok(Self { shown: path.display().to_string(), then: Box::new(Regression::load(path)?) })
    }

    /// What the side was built from.
    pub(super) fn commit(&self) -> &String {
        &self.then.head.commit
    }

    /// Pairs that there can be of each row.
    pub(super) fn pairs(&self) -> usize {
        self.then.samples.iter().map(|row| row.pairs.len()).min().unwrap_or(0)
    }

    /// Whether a row was measured.
    pub(super) fn has(&self, row: &str) -> bool {
        self.then.samples.iter().any(|known| known.row == row)
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
        if let Some(planted) = &then.planted {
            let what = format!("--baseline {}: {planted} was planted in it", self.shown);
            return Err(UserError(what));
        }
        same("the study", &then.study, &plan.study)?;
        same("the data's SHA-256", &then.dataset.sha256, &plan.dataset.sha256)?;
        same("the processor", &then.environment.cpu, &environment.cpu)?;
        same("the compiler", &then.environment.rustc, &environment.rustc)?;
        let count = |number: usize| number.to_string();
        same("the number of cores", &count(then.environment.cores), &count(environment.cores))?;
        same("the number of threads", &count(then.threads), &count(plan.threads))?;
        for record in records.iter().filter(|record| record.status == Status::Ok) {
            if let Some(device) = then.devices.get(&record.run.row()) {
                same(&format!("the device of {}", record.run.row()), device, &record.device)?;
            }
        }
        Ok(())
    }

    /// Rows of the records that were measured then too.
    ///
    /// # Errors
    /// [`UserError`] for one that can no longer be run.
    pub(super) fn rows(
        &self,
        records: &[RunRecord],
        remarks: &mut Vec<String>,
    ) -> Result<Vec<String>, UserError> {
        let mut rows = BTreeSet::new();
        for record in records {
            let row = record.run.row();
            match (self.has(&row), record.status) {
                (true, Status::Ok) => drop(rows.insert(row)),
                (true, status) => {
                    let status = status.name();
                    return Err(UserError(format!(
                        "{row}: {status} in the working tree: {}",
                        record.note
                    )));
                }
                (false, _) if rows.insert(row.clone()) => {
                    rows.remove(&row);
                    remarks.push(format!("not compared: {row}: not there in the baseline"));
                }
                (false, _) => {}
            }
        }
        remarks.dedup();
        Ok(rows.into_iter().collect())
    }

    /// By what times of then are multiplied.
    pub(super) fn factors(&self, records: &[RunRecord]) -> Factors {
        let then = |row: &RowPairs| {
            median(
                row.pairs.iter().filter_map(|pair| pair.head.get(&Quantity::ProductRate).copied()),
            )
        };
        let now = |row: &RowPairs| {
            let of_row = records.iter().filter(|record| record.run.row() == row.row);
            median(of_row.filter_map(|record| record.usage.product_gflops))
        };
        let factor = |row: &RowPairs| Some((row.row.clone(), then(row)? / now(row)?));
        let by_row: BTreeMap<String, f64> = self.then.samples.iter().filter_map(factor).collect();
        let is_cpu =
            |row: &&String| self.then.devices.get(*row).is_some_and(|device| device == "CPU");
        let of_cpu = by_row.iter().filter(|(row, _)| is_cpu(row)).map(|(_, factor)| *factor);
        Factors { usual: median(of_cpu).unwrap_or(1.0), by_row }
    }

    pub(super) fn remark(&self, factors: &Factors) -> String {
        let scaled: Vec<String> =
            factors.by_row.iter().map(|(row, factor)| format!("{row}'s by {factor:.3}")).collect();
        let scaled = match scaled.as_slice() {
            [] => "as they are, as no run tells how fast the machine is".to_owned(),
            scaled => format!(
                "multiplied by how much longer a matrix product takes now ({})",
                scaled.join(", ")
            ),
        };
        format!(
            "compared with a run that was made another time, whose times are {scaled}: weaker than two builds that are measured side \
             by side"
        )
    }

    /// A run of then, with times as they would be now.
    pub(super) fn measured(&self, row: &str, pair: usize, factors: &Factors) -> Option<Measured> {
        let factor = factors.by_row.get(row).copied().unwrap_or(factors.usual);
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
