//! Data of the user's own, on the command line.

use std::path::PathBuf;

use clap::Args;
use modality_data::{CellRule, CiteLayout, Place, Stored};
use modality_protocol::Task;

/// Files of the user's own, and what to read from them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Data of your own")]
#[group(skip)]
pub(crate) struct OwnData {
    /// In place of the study's data set: a file of both modalities (.h5ad, .h5mu, 10x .h5), a 10x folder, or a folder with
    /// the competition's four files (*train_mod1*.h5ad, ...)
    #[arg(long, value_name = "PATH", group = "files")]
    pub(crate) data: Option<PathBuf>,
    /// The same as two files of the same cells: what is predicted from (.h5ad, 10x, .csv, .tsv) ...
    #[arg(long, value_name = "FILE", group = "files", requires = "target")]
    pub(crate) input: Option<PathBuf>,
    /// ... and what is predicted
    #[arg(long, value_name = "FILE", requires = "input")]
    pub(crate) target: Option<PathBuf>,
    /// Layer with the values [default: X]
    #[arg(long, value_name = "NAME", requires = "files")]
    pub(crate) layer: Option<String>,
    /// Where the input stands in its file: X, raw/X, layers/NAME or obsm/NAME; in MuData mod/NAME, or mod/NAME/ and one of these
    #[arg(long, value_name = "PLACE", requires = "files")]
    pub(crate) input_at: Option<Place>,
    /// Where the target stands in its file
    #[arg(long, value_name = "PLACE", requires = "files")]
    pub(crate) target_at: Option<Place>,
    /// The test cells, by values of a column [default: a fifth, drawn; whole donors or batches where there are some]
    #[arg(long, value_name = "COLUMN=VALUE,...", requires = "files")]
    pub(crate) split_by: Option<CellRule>,
    /// Column with the batch, the unit of an ensemble's halves [default: one named batch, sample, donor or the like]
    #[arg(long, value_name = "COLUMN", requires = "files")]
    pub(crate) batch: Option<String>,
    /// Table of cells (.csv, .tsv) with further columns, where the files have none
    #[arg(long, value_name = "FILE", requires = "files")]
    pub(crate) cell_table: Option<PathBuf>,
    /// The values are counts, to be normalised [default: found by looking at them]
    #[arg(long, requires = "files", conflicts_with = "normalised")]
    pub(crate) counts: bool,
    /// The values are normalised already
    #[arg(long, requires = "files")]
    pub(crate) normalised: bool,
}

impl OwnData {
    /// This, if it names files.
    pub(crate) fn given(&self) -> Option<&Self> {
        (self.data.is_some() || self.input.is_some()).then_some(self)
    }

    /// What to read from the files, where they serve this task. A path of cells is as it was typed.
    pub(crate) fn layout(&self, task: Task) -> CiteLayout {
        let places = [(task.input, &self.input_at), (task.target, &self.target_at)];
        let places = places.into_iter().filter_map(|(of, place)| Some((of, place.clone()?)));
        CiteLayout {
            layer: self.layer.clone(),
            places: places.collect(),
            cells: self.cell_table.clone(),
            values: match (self.counts, self.normalised) {
                (true, _) => Stored::Counts,
                (_, true) => Stored::Normalised,
                (false, false) => Stored::Unsaid,
            },
            test: self.split_by.clone(),
            batch_column: self.batch.clone(),
            ..CiteLayout::default()
        }
    }

    /// The options as they were typed, with their values.
    pub(crate) fn typed(&self) -> Vec<(&'static str, Option<String>)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let flag = |is_given: bool| is_given.then(String::new);
        vec![
            ("data", path(&self.data)),
            ("input", path(&self.input)),
            ("target", path(&self.target)),
            ("layer", self.layer.clone()),
            ("input-at", self.input_at.as_ref().map(Place::to_string)),
            ("target-at", self.target_at.as_ref().map(Place::to_string)),
            ("split-by", self.split_by.as_ref().map(CellRule::to_string)),
            ("batch", self.batch.clone()),
            ("cell-table", path(&self.cell_table)),
            ("counts", flag(self.counts)),
            ("normalised", flag(self.normalised)),
        ]
    }
}
