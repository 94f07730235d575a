//! Generated cells in the shape of the competition's, for where its data cannot be had.
//!
//! Cells of 45 types lie in a latent space, spread about their type and along the way from the type before.
//! Sites and donors shift latents, sequencing depth, genes and proteins. Genes are negative-binomial counts
//! whose log-means are linear in the latents; proteins are switched on and off across the space, over a
//! background; peaks are seen with log-odds that are linear in the latents. The counts are then normalised cell by cell. [`Size::Paper`] is calibrated: density, scale of the
//! proteins, and the errors of simple and good methods are close to those published for real data. That they
//! are is by construction, and no evidence for any method.
//!
//! One seed gives one data set, bit by bit, for any number of threads and on any machine: each cell has a
//! random stream of its own, and no platform function is called. The tissue is always the same; the seed
//! draws the cells.

mod cell;
mod draws;
mod model;
mod peaks;
#[cfg(test)]
mod tests;
mod tissue;

use std::fmt;
use std::str::FromStr;

use modality_protocol::{Modality, Task, did_you_mean};
use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Cells, Csr, Dataset, Error, Features, Labels, Provenance, Result, Split, Values};
use cell::{Cell, CellSource, Other};
use draws::Draws;
use model::{Batch, MODEL, Model, TEST_BATCHES, TRAIN_BATCHES};
use peaks::Peaks;
use tissue::{BatchEffect, Tissue};

/// Raised whenever the same seed would give other bytes.
pub const VERSION: u32 = 1;

/// How much to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// 600 training and 200 test cells, 400 genes, 40 proteins or 300 peaks: every method ends within about a second.
    Tiny,
    /// 3,000 training and 600 test cells, 2,000 genes, 134 proteins or 5,000 peaks: well under a minute.
    Small,
    /// As in the competition: 66,175 training and 1,000 test cells, 13,953 genes, 134 proteins; with peaks 42,492 and 1,000
    /// cells, 13,431 genes, 10,000 peaks to predict or 116,490 to predict from.
    Paper,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Paper => "paper",
        })
    }
}

impl FromStr for Size {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|size| size.to_string() == name);
        found.ok_or_else(|| {
            let sizes = Self::ALL.map(|size| size.to_string());
            let near = did_you_mean(name, &sizes);
            Error::Invalid(format!(
                "`{name}` is not a size of generated data; the sizes are {}{near}",
                sizes.join(", ")
            ))
        })
    }
}

/// Numbers of cells and features, and how deeply genes are sequenced.
struct Shape {
    train_cells: usize,
    test_cells: usize,
    genes: usize,
    /// Of surface proteins, none where there are peaks.
    proteins: usize,
    /// Of open chromatin, none where there are proteins.
    peaks: usize,
    /// Mean of the logarithm of genes' mean counts; small data sets keep the genes that are seen most.
    gene_log_mean: f32,
}

impl Size {
    /// Every size, smallest first.
    pub const ALL: [Self; 3] = [Self::Tiny, Self::Small, Self::Paper];

    fn shape(self, task: Task) -> Shape {
        let [of_few, of_some, of_all] = [-1.0, -2.0, -3.45];
        let of = |train_cells, test_cells, genes, other, gene_log_mean| {
            let is_chromatin = [task.input, task.target].contains(&Modality::Atac);
            let (proteins, peaks) = if is_chromatin { (0, other) } else { (other, 0) };
            Shape { train_cells, test_cells, genes, proteins, peaks, gene_log_mean }
        };
        match (self, task) {
            (Self::Tiny, Task::GEX_TO_ADT | Task::ADT_TO_GEX) => of(600, 200, 400, 40, of_few),
            (Self::Small, Task::GEX_TO_ADT | Task::ADT_TO_GEX) => {
                of(3_000, 600, 2_000, 134, of_some)
            }
            (Self::Paper, Task::GEX_TO_ADT | Task::ADT_TO_GEX) => {
                of(66_175, 1_000, 13_953, 134, of_all)
            }
            (Self::Tiny, _) => of(600, 200, 400, 300, of_few),
            (Self::Small, _) => of(3_000, 600, 2_000, 5_000, of_some),
            // Of all peaks, those that are to be predicted are a choice.
            (Self::Paper, Task::GEX_TO_ATAC) => of(42_492, 1_000, 13_431, 10_000, of_all),
            (Self::Paper, _) => of(42_492, 1_000, 13_431, 116_490, of_all),
        }
    }
}

/// Generates a data set for `task`.
#[must_use]
pub fn generate(size: Size, seed: u64, task: Task) -> Dataset {
    let mut dataset = generate_with(&MODEL, &size.shape(task), seed);
    if dataset.task() != task {
        dataset = dataset.reversed();
    }
    assert_eq!(dataset.task(), task, "gene expression is one of the two");
    dataset.name = format!("bmmc-synthetic-{size}");
    dataset.provenance.source = format!(
        "Generated by modality-data's generator, version {VERSION}, size {size}, seed {seed}."
    );
    dataset
}

/// From gene expression to what else is measured.
fn generate_with(model: &Model, shape: &Shape, seed: u64) -> Dataset {
    let tissue = Tissue::draw(model, shape);
    let peaks = (shape.peaks > 0).then(|| Peaks::draw(model, shape.peaks));
    let generator = Generator { model, tissue: &tissue, peaks: peaks.as_ref(), shape, seed };
    let names = |what: &str, width: usize, count: usize| -> Vec<String> {
        (1..=count).map(|number| format!("{what}-{number:0width$}")).collect()
    };
    let (other, normalisation) = match shape.peaks {
        0 => {
            let names = names("protein", 3, shape.proteins);
            (Features { modality: Modality::Adt, names }, OF_PROTEINS)
        }
        peaks => {
            let names = names("peak", 6, peaks);
            (Features { modality: Modality::Atac, names }, OF_PEAKS)
        }
    };
    Dataset {
        name: String::new(),
        input: Features { modality: Modality::Gex, names: names("gene", 5, shape.genes) },
        target: other,
        train: generator.split(&TRAIN_BATCHES, 0, shape.train_cells),
        test: generator.split(&TEST_BATCHES, shape.train_cells, shape.test_cells),
        provenance: Provenance {
            source: String::new(),
            files: Vec::new(),
            synthetic: true,
            normalisation: format!("{OF_GENES}; {normalisation}"),
            remarks: Vec::new(),
        },
    }
}

const OF_GENES: &str =
    "GEX: log1p(count / s), s = the cell's total over the tissue's expected total";
const OF_PROTEINS: &str =
    "ADT: log1p(count / g), g = exp(mean over proteins of log1p(count)) of the cell";
const OF_PEAKS: &str = "ATAC: 1 where a peak is seen";

/// Cells that are drawn in parallel before they are appended.
const CHUNK: usize = 512;

struct Generator<'a> {
    model: &'a Model,
    tissue: &'a Tissue,
    peaks: Option<&'a Peaks>,
    shape: &'a Shape,
    seed: u64,
}

impl Generator<'_> {
    /// `first` is the number of the half's first cell, and of its stream.
    fn split(&self, batches: &[Batch], first: usize, cells: usize) -> Split {
        let batch_of = assign(batches, cells);
        let effects: Vec<BatchEffect> =
            batches.iter().map(|batch| self.tissue.batch_effect(batch)).collect();
        let in_batch = |batch: &Batch| {
            self.peaks.map(|peaks| peaks.in_batch(self.model, batch.site, batch.donor))
        };
        let log_odds: Vec<Option<Vec<f32>>> = batches.iter().map(in_batch).collect();
        let mut rows = Rows::new(cells, self.shape);
        for start in (0..cells).step_by(CHUNK) {
            let chunk: Vec<Cell> = (start..cells.min(start + CHUNK))
                .into_par_iter()
                .map_init(
                    || (vec![0.0; self.shape.genes], vec![0.0; self.shape.peaks]),
                    |room, cell| {
                        let batch = batch_of[cell];
                        let log_odds = log_odds[batch].as_deref();
                        self.cell((&effects[batch], log_odds), first + cell, room)
                    },
                )
                .collect();
            chunk.into_iter().for_each(|cell| rows.push(&cell));
        }
        rows.into_split(self.shape, annotate(batches, &batch_of))
    }

    fn cell(
        &self,
        (effect, log_odds): (&BatchEffect, Option<&[f32]>),
        number: usize,
        (rates, odds): &mut (Vec<f32>, Vec<f32>),
    ) -> Cell {
        let peaks = self.peaks.zip(log_odds);
        let source = CellSource { model: self.model, tissue: self.tissue, effect, peaks };
        source.draw(Draws::new(self.seed, number as u64), rates, odds)
    }
}

/// The batch of each cell, in runs whose lengths follow the batches' parts.
fn assign(batches: &[Batch], cells: usize) -> Vec<usize> {
    let total: usize = batches.iter().map(|batch| batch.parts).sum();
    let mut assigned = Vec::with_capacity(cells);
    let mut parts = 0;
    for (index, batch) in batches.iter().enumerate() {
        parts += batch.parts;
        assigned.resize(cells * parts / total, index);
    }
    assigned
}

fn annotate(batches: &[Batch], batch_of: &[usize]) -> Cells {
    let labels = |name: &dyn Fn(&Batch) -> String| {
        Labels::from_names(batch_of.iter().map(|&index| name(&batches[index])))
    };
    let batch = labels(&|batch| format!("s{}d{}", batch.site, batch.donor));
    let name =
        |(cell, &code): (usize, &u32)| format!("{}-{:05}", batch.names[code as usize], cell + 1);
    Cells {
        names: batch.codes.iter().enumerate().map(name).collect(),
        donor: labels(&|batch| format!("donor{}", batch.donor)),
        site: labels(&|batch| format!("site{}", batch.site)),
        batch,
    }
}

/// Rows of both matrices, appended cell by cell.
struct Rows {
    gex: SparseRows,
    /// Proteins, one cell after the other.
    adt: Vec<f32>,
    peaks: SparseRows,
}

/// Rows of nonzeros.
struct SparseRows {
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    fn new() -> Self {
        Self { starts: vec![0], columns: Vec::new(), values: Vec::new() }
    }

    fn push(&mut self, columns: &[u32], values: impl IntoIterator<Item = f32>) {
        self.columns.extend_from_slice(columns);
        self.values.extend(values);
        self.starts.push(self.columns.len());
    }

    fn into_csr(self, columns: usize) -> Csr {
        Csr::new((self.starts.len() - 1, columns), self.starts, self.columns, self.values)
    }
}

impl Rows {
    fn new(cells: usize, shape: &Shape) -> Self {
        let adt = Vec::with_capacity(cells * shape.proteins);
        Self { gex: SparseRows::new(), adt, peaks: SparseRows::new() }
    }

    fn push(&mut self, cell: &Cell) {
        self.gex.push(&cell.genes, cell.gex.iter().copied());
        match &cell.other {
            Other::Adt(adt) => self.adt.extend_from_slice(adt),
            Other::Atac(peaks) => self.peaks.push(peaks, peaks.iter().map(|_| 1.0)),
        }
    }

    fn into_split(self, shape: &Shape, cells: Cells) -> Split {
        let rows = cells.names.len();
        let target = match shape.peaks {
            0 => {
                let adt = Array2::from_shape_vec((rows, shape.proteins), self.adt);
                Values::Dense(adt.expect("each cell has all proteins"))
            }
            peaks => Values::Sparse(self.peaks.into_csr(peaks)),
        };
        Split { input: Values::Sparse(self.gex.into_csr(shape.genes)), target, cells }
    }
}
