//! The plan of a study: everything random, fixed before the first run and the same for every backend.

use std::{collections::BTreeMap, path::Path};

use modality_data::{Labels, prepared};
use modality_methods as methods;
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Error, Result, fold_choice, folds, format,
    record::DatasetId,
    study::{Row, Study, Variant},
};
use modality_protocol::{DeviceId, Fold, files};

/// Version of the plan's layout, in [`Plan::format`].
pub const FORMAT: u32 = 4;

/// The oldest layout that can still be read.
const OLDEST: u32 = 3;

/// Shuffles of the batch list; each gives two fits.
const SHUFFLES: usize = 5;

/// What will be run, on what, with which random choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the study.
    pub study: String,
    /// Heading of the report.
    pub title: String,
    /// Sentences under it.
    pub description: String,
    /// What to type to have it run again.
    #[serde(default)]
    pub command: String,
    /// The data set that every run sees.
    pub dataset: DatasetId,
    /// Where the data comes from.
    pub source: String,
    /// CPU threads of every run.
    pub threads: usize,
    /// Peak resident memory that a run may come to, bytes.
    pub memory: u64,
    /// What is run, in this order.
    pub rows: Vec<PlannedRow>,
    /// What the models of a cross-validated ensemble are validated on, the same in every repeat.
    pub folds: Vec<Fold>,
    /// What takes their place for a method of which the study says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub folds_by_method: BTreeMap<String, Vec<Fold>>,
    /// Random choices by repeat.
    pub repeats: Vec<Repeat>,
}

/// A row with its hyperparameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRow {
    /// Name of the method.
    pub method: String,
    /// What a sweep changes, `epochs=3` for instance; empty outside a sweep.
    pub variant: String,
    /// Name of the backend.
    pub backend: String,
    /// Where the backend computes: `cpu`, `cuda` or `cuda:N`.
    pub device: DeviceId,
    /// Hyperparameters, complete.
    pub params: Map<String, Value>,
    /// What of them is not as published because there are few training cells, as a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Training cells that it is given, drawn by [`Repeat::cells`]; all that there are if absent.
    pub cells: Option<usize>,
}

/// What is random in one repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// Seed of everything random outside the lists.
    pub seed: u64,
    /// All training cells in random order; a row that is given n of them gets the first n. Empty where every row gets
    /// them all.
    pub order: Vec<u32>,
    /// The ten fits of an ensemble.
    pub fits: Vec<Fit>,
}

/// The training cells of one fit of an ensemble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    /// The batches of this half.
    pub batches: Vec<String>,
    /// Rows of the training matrices, ascending.
    pub cells: Vec<u32>,
}

impl Plan {
    /// Plans `rows` of `study` on the prepared data set in `folder`.
    ///
    /// # Errors
    /// [`Error::Data`] if the prepared data set cannot be read.
    /// [`Error::Invalid`] if the study asks for more training cells than there are, or for folds of a batch that is not there.
    pub fn draw(study: &Study, rows: &[Row], folder: &Path, limits: Limits) -> Result<Self> {
        let manifest = prepared::read_manifest(folder)?;
        if manifest.task() != study.task {
            return Err(Error::Invalid(format!(
                "study `{}` is of task {}; the data set {} is of {}",
                study.name,
                study.task,
                manifest.name,
                manifest.task()
            )));
        }
        let cells = prepared::read_train_cells(folder)?;
        let most = manifest.train_cells;
        if let Some(number) = study.cells.iter().find(|&&number| number > most) {
            return Err(Error::Invalid(format!(
                "study `{}`: `cells` names {number} training cells; the data set has {most}",
                study.name
            )));
        }
        let folds_by_method = chosen_folds(study, rows, &cells.batch)?;
        let sizes: Vec<Option<usize>> = match study.cells.as_slice() {
            [] => vec![None],
            sizes => sizes.iter().copied().map(Some).collect(),
        };
        let planned = |row: &Row, variant: &Variant, cells: Option<usize>| PlannedRow {
            method: row.method.clone(),
            variant: scaled(cells, &variant.label),
            backend: row.backend.clone(),
            device: study.device(&row.backend),
            params: variant.params.clone(),
            note: String::new(),
            cells,
        };
        let all_rows = sizes.iter().flat_map(|&cells| {
            let variants = |row: &Row| study.variants(&row.method).iter();
            rows.iter()
                .flat_map(move |r| variants(r).map(move |variant| planned(r, variant, cells)))
        });
        let seeds = (0..study.repeats as u64).map(|repeat| study.seed.wrapping_add(repeat));
        let mut plan = Self {
            format: FORMAT,
            study: study.name.clone(),
            title: study.title.clone(),
            description: study.description.clone(),
            command: format!("cargo xtask reproduce --study {}", study.name),
            dataset: DatasetId {
                task: manifest.task(),
                name: manifest.name,
                synthetic: manifest.provenance.synthetic,
                sha256: manifest.sha256,
                train_cells: manifest.train_cells,
                test_cells: manifest.test_cells,
                inputs: manifest.input.features.names.len(),
                targets: manifest.target.features.names.len(),
                remarks: manifest.provenance.remarks,
            },
            source: manifest.provenance.source,
            threads: limits.threads,
            memory: limits.memory,
            rows: all_rows.collect(),
            folds: folds::draw(&cells, study.seed),
            folds_by_method,
            repeats: seeds
                .map(|seed| Repeat {
                    seed,
                    order: if study.cells.is_empty() { Vec::new() } else { order(most, seed) },
                    fits: draw_fits(&cells.batch, seed),
                })
                .collect(),
        };
        plan.check_cells()?;
        plan.suit(study);
        Ok(plan)
    }

    /// Has rows do with few training cells, as far as the study leaves them the choice.
    fn suit(&mut self, study: &Study) {
        let fewest = |row: &PlannedRow| {
            let outside = |fold: &Fold| self.outside(row.cells, fold);
            self.folds_of(&row.method).iter().map(outside).min()
        };
        let fewest: Vec<Option<usize>> = self.rows.iter().map(fewest).collect();
        for (row, cells) in self.rows.iter_mut().zip(fewest) {
            let chosen = |key: &str| study.chooses(&row.method, key);
            let said =
                cells.and_then(|cells| methods::suit(&row.method, &mut row.params, &chosen, cells));
            row.note = said.unwrap_or_default();
        }
    }

    /// What the models of `method` are validated on, if they are.
    pub fn folds_of(&self, method: &str) -> &[Fold] {
        self.folds_by_method.get(method).unwrap_or(&self.folds)
    }

    /// Cells that the model of a fold is trained on at least, in a row that is given so many.
    fn outside(&self, given: Option<usize>, fold: &Fold) -> usize {
        let Fold { cells, left_out, .. } = fold;
        let Some(number) = given else {
            return self.dataset.train_cells - cells.len() - left_out.len();
        };
        let outside = |repeat: &Repeat| {
            let given = repeat.cells(number);
            let is_given = |cell: &&u32| given.binary_search(cell).is_ok();
            given.len() - cells.iter().chain(left_out).filter(is_given).count()
        };
        self.repeats.iter().map(outside).min().unwrap_or(0)
    }

    /// Whether each fit and fold keeps some of its cells when a row is given few.
    fn check_cells(&self) -> Result<()> {
        for row in &self.rows {
            let Some(number) = row.cells else { continue };
            let folds = self.folds_of(&row.method);
            let trained = folds.iter().all(|fold| self.outside(Some(number), fold) > 0);
            for repeat in &self.repeats {
                let given = repeat.cells(number);
                let has =
                    |cells: &[u32]| cells.iter().any(|cell| given.binary_search(cell).is_ok());
                let fits = repeat.fits.iter().all(|fit| has(&fit.cells));
                if !(trained && fits && folds.iter().all(|fold| has(&fold.cells))) {
                    return Err(Error::Invalid(format!(
                        "study `{}`: with {number} training cells (`cells`), drawn with seed {}, a fit or fold has \
                         none of its own; ask for more",
                        self.study, repeat.seed
                    )));
                }
            }
        }
        Ok(())
    }

    /// The first thing in which runs of `before` would differ from runs of this plan, if any. More or fewer
    /// rows and repeats do not change the runs that both have.
    pub fn contradicts(&self, before: &Self) -> Option<&'static str> {
        let differs = |row: &PlannedRow| {
            before.rows.iter().any(|other| other.name() == row.name() && other != row)
        };
        let is_validated_otherwise = |PlannedRow { method, .. }: &PlannedRow| {
            before.rows.iter().any(|other| other.method == *method)
                && self.folds_of(method) != before.folds_of(method)
        };
        if self.study != before.study {
            Some("study")
        } else if self.dataset != before.dataset {
            Some("data set")
        } else if self.threads != before.threads {
            Some("number of threads")
        } else if self.repeats.iter().zip(&before.repeats).any(|(new, old)| new != old) {
            Some("seed")
        } else if self.folds != before.folds || self.rows.iter().any(is_validated_otherwise) {
            Some("set of folds")
        } else if self.rows.iter().any(differs) {
            Some("device or value of a hyperparameter")
        } else {
            None
        }
    }

    /// Writes the plan whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let json = |cause| Error::Json { path: path.to_owned(), cause };
        Ok(files::write(path, &serde_json::to_vec(self).map_err(json)?)?)
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Json`] naming the file; [`Error::Invalid`] for another format.
    pub fn load(path: &Path) -> Result<Self> {
        format::read(path, "plan", OLDEST..=FORMAT)
    }
}

/// What a run may take of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// CPU threads.
    pub threads: usize,
    /// Peak resident memory, bytes.
    pub memory: u64,
}

impl Repeat {
    /// The training cells of a row that is given so many, ascending.
    pub fn cells(&self, number: usize) -> Vec<u32> {
        let mut cells = self.order[..number.min(self.order.len())].to_vec();
        cells.sort_unstable();
        cells
    }
}

impl PlannedRow {
    /// What tells a row from the others of its plan: `method/backend`, and in a sweep what it changes.
    pub fn name(&self) -> String {
        row_name(&self.method, &self.variant, &self.backend)
    }
}

/// `method/backend`, or `method variant/backend` in a sweep.
pub fn row_name(method: &str, variant: &str, backend: &str) -> String {
    let space = if variant.is_empty() { "" } else { " " };
    format!("{method}{space}{variant}/{backend}")
}

/// What tells the rows of one method from one another where each is given several numbers of training cells.
fn scaled(cells: Option<usize>, label: &str) -> String {
    match (cells, label) {
        (None, label) => label.to_owned(),
        (Some(cells), "") => format!("cells={cells}"),
        (Some(cells), label) => format!("cells={cells} {label}"),
    }
}

/// What the study says of the folds of these rows, drawn.
fn chosen_folds(
    study: &Study,
    rows: &[Row],
    batch: &Labels,
) -> Result<BTreeMap<String, Vec<Fold>>> {
    let is_run = |(method, _): &(&String, _)| rows.iter().any(|row| row.method == **method);
    let drawn = |(method, choices): (&String, &Vec<_>)| {
        let folds = fold_choice::draw(choices, batch, study.seed);
        let wrong =
            |what| Error::Invalid(format!("study `{}`: `folds.{method}`: {what}", study.name));
        folds.map(|folds| (method.clone(), folds)).map_err(wrong)
    };
    study.folds.iter().filter(is_run).map(drawn).collect()
}

fn order(cells: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..cells as u32).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order
}

/// Five times: shuffle the batches, cut the list in two halves (the first is the smaller one), one fit on
/// the cells of each. With one batch both fits use it.
fn draw_fits(batch: &Labels, seed: u64) -> Vec<Fit> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut present: Vec<u32> = batch.codes.clone();
    present.sort_unstable();
    present.dedup();
    let mut fits = Vec::with_capacity(2 * SHUFFLES);
    for _ in 0..SHUFFLES {
        present.shuffle(&mut rng);
        let (first, second) = present.split_at(present.len() / 2);
        let halves = if first.is_empty() { [second, second] } else { [first, second] };
        fits.extend(halves.map(|codes| fit(batch, codes)));
    }
    fits
}

fn fit(batch: &Labels, codes: &[u32]) -> Fit {
    Fit {
        batches: codes.iter().map(|&code| batch.names[code as usize].clone()).collect(),
        cells: batch.cells_of(codes),
    }
}

#[cfg(test)]
mod tests;
