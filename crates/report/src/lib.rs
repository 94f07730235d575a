//! Records in, everything that a reader sees out: a table for the terminal, CSV files, one figure, a Markdown
//! page and one self-contained HTML page. Nothing is measured here and no number comes from anywhere else.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use modality_harness::record::RunRecord;
//! use modality_report::{Heading, Report};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let records = RunRecord::load_all(Path::new("results/liu"))?;
//! let heading = Heading {
//!     title: "TSVD + KRR on Liu et al.",
//!     description: "Surface proteins from gene expression.",
//!     command: "cargo xtask reproduce",
//! };
//! let report = Report::new(&heading, &records)?;
//! println!("{}", report.table());
//! report.write(Path::new("results/liu/report"))?;
//! # Ok(())
//! # }
//! ```

mod delimited;
mod error;
mod figure;
mod format;
mod grid;
mod page;
mod summary;
mod table;
mod template;

use std::path::Path;

use modality_harness::{files, record::RunRecord};

pub use error::{Error, Result};
pub use summary::{Machine, Missing, Row, Scores, Spread, Summary};

/// What stands over a report and under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heading<'a> {
    /// The heading.
    pub title: &'a str,
    /// A sentence or two under it; may be empty.
    pub description: &'a str,
    /// What to type to have the study run again.
    pub command: &'a str,
}

/// What the records of one study on one data set say, ready to be shown.
#[derive(Debug, Clone)]
pub struct Report {
    title: String,
    description: String,
    command: String,
    records: Vec<RunRecord>,
    summary: Summary,
}

impl Report {
    /// Summarises `records` in order of method, backend and repeat, whatever order they come in.
    ///
    /// # Errors
    /// [`Error::NoRecords`]; [`Error::Mixed`] if they are of more than one study or data set, whose errors cannot
    /// be compared; [`Error::Twice`] if two are of the same run.
    pub fn new(heading: &Heading<'_>, records: &[RunRecord]) -> Result<Self> {
        let mut records = records.to_vec();
        records.sort_by(|a, b| a.run.cmp(&b.run));
        let summary = Summary::new(&records)?;
        let Heading { title, description, command } = *heading;
        let [title, description, command] = [title, description, command].map(str::to_owned);
        Ok(Self { title, description, command, records, summary })
    }

    fn heading(&self) -> Heading<'_> {
        Heading { title: &self.title, description: &self.description, command: &self.command }
    }

    /// One row a method and backend.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The table for a terminal, at most 100 columns wide, with what is missing under it.
    pub fn table(&self) -> String {
        table::render(&self.title, &self.summary)
    }

    /// One line a record.
    ///
    /// # Errors
    /// [`Error::Csv`].
    pub fn results_csv(&self) -> Result<Vec<u8>> {
        delimited::results(&self.records)
    }

    /// One line a record and stage, of the records with predictions.
    ///
    /// # Errors
    /// [`Error::Csv`].
    pub fn stages_csv(&self) -> Result<Vec<u8>> {
        delimited::stages(&self.records)
    }

    /// RMSE against training time. Equal records give equal bytes.
    ///
    /// # Errors
    /// [`Error::Figure`] or [`Error::Template`].
    pub fn figure_svg(&self) -> Result<String> {
        figure::svg(&self.summary)
    }

    /// [`Report::figure_svg`], rasterised at two pixels a unit.
    ///
    /// # Errors
    /// As [`Report::figure_svg`].
    pub fn figure_png(&self) -> Result<Vec<u8>> {
        figure::png(&self.figure_svg()?)
    }

    /// The Markdown page; it shows `figure.png` and links `figure.svg` and the CSV files beside it.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub fn markdown(&self) -> Result<String> {
        page::markdown(&self.heading(), &self.summary)
    }

    /// The HTML page, with its style and figure inside.
    ///
    /// # Errors
    /// As [`Report::figure_svg`].
    pub fn html(&self) -> Result<String> {
        page::html(&self.heading(), &self.summary, &self.figure_svg()?)
    }

    /// Writes `results.csv`, `stages.csv`, `figure.svg`, `figure.png`, `report.md` and `report.html` into `folder`,
    /// which is made if it is not there. Everything is rendered before the first file is touched, and each file is
    /// written whole or not at all.
    ///
    /// # Errors
    /// [`Error::Folder`] or [`Error::Write`], naming the file; otherwise as the single parts.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let svg = self.figure_svg()?;
        let outputs = [
            ("results.csv", self.results_csv()?),
            ("stages.csv", self.stages_csv()?),
            ("figure.png", figure::png(&svg)?),
            ("report.md", self.markdown()?.into_bytes()),
            ("report.html", page::html(&self.heading(), &self.summary, &svg)?.into_bytes()),
            ("figure.svg", svg.into_bytes()),
        ];
        std::fs::create_dir_all(folder)
            .map_err(|source| Error::Folder { path: folder.to_owned(), source })?;
        for (name, bytes) in outputs {
            files::write(&folder.join(name), &bytes)?;
        }
        Ok(())
    }
}
