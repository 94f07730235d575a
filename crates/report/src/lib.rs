//! Records in, everything that a reader sees out: a table for the terminal, CSV files, figures, a Markdown
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

mod curves;
mod delimited;
mod error;
mod figure;
mod format;
mod grid;
mod order;
mod page;
mod summary;
mod table;
mod template;

use std::{io::ErrorKind, path::Path};

use modality_harness::{files, record::RunRecord};

pub use curves::Curve;
pub use error::{Error, Result};
use page::Figures;
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
    /// Summarises `records` in order of method, variant, backend and repeat, whatever order they come in.
    ///
    /// # Errors
    /// [`Error::NoRecords`]; [`Error::Mixed`] if they are of more than one study or data set, whose errors cannot
    /// be compared; [`Error::Twice`] if two are of the same run.
    pub fn new(heading: &Heading<'_>, records: &[RunRecord]) -> Result<Self> {
        let mut records = records.to_vec();
        records.sort_by(|a, b| order::of_runs(&a.run, &b.run));
        let summary = Summary::new(&records)?;
        let Heading { title, description, command } = *heading;
        let [title, description, command] = [title, description, command].map(str::to_owned);
        Ok(Self { title, description, command, records, summary })
    }

    fn heading(&self) -> Heading<'_> {
        Heading { title: &self.title, description: &self.description, command: &self.command }
    }

    /// One row a method, variant and backend.
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

    /// One line an epoch of each fold, of the records with predictions; none if none of them has epochs.
    ///
    /// # Errors
    /// [`Error::Csv`].
    pub fn epochs_csv(&self) -> Result<Option<Vec<u8>>> {
        self.summary.has_curves().then(|| delimited::epochs(&self.records)).transpose()
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

    /// Validation RMSE by epoch; none if no record with predictions has epochs.
    ///
    /// # Errors
    /// As [`Report::figure_svg`].
    pub fn curves_svg(&self) -> Result<Option<String>> {
        figure::curves_svg(&self.summary)
    }

    /// [`Report::curves_svg`], rasterised at two pixels a unit.
    ///
    /// # Errors
    /// As [`Report::figure_svg`].
    pub fn curves_png(&self) -> Result<Option<Vec<u8>>> {
        self.curves_svg()?.map(|svg| figure::png(&svg)).transpose()
    }

    /// The Markdown page; it shows the figures and links the CSV files that are beside it.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub fn markdown(&self) -> Result<String> {
        page::markdown(&self.heading(), &self.summary)
    }

    /// The HTML page, with its style and figures inside.
    ///
    /// # Errors
    /// As [`Report::figure_svg`].
    pub fn html(&self) -> Result<String> {
        let (figure, curves) = (self.figure_svg()?, self.curves_svg()?);
        let figures = Figures { figure: &figure, curves: curves.as_deref() };
        page::html(&self.heading(), &self.summary, figures)
    }

    /// Writes `results.csv`, `stages.csv`, `figure.svg`, `figure.png`, `report.md` and `report.html` into `folder`,
    /// which is made if it is not there; where there are epochs, `epochs.csv`, `curves.svg` and `curves.png` too, and
    /// where there are none, removes those of an earlier report. Everything is rendered before the first file is
    /// touched, and each file is written whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Write`], naming the file; otherwise as the single parts.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let (figure, curves) = (self.figure_svg()?, self.curves_svg()?);
        let figures = Figures { figure: &figure, curves: curves.as_deref() };
        let html = page::html(&self.heading(), &self.summary, figures)?;
        let outputs = [
            ("results.csv", Some(self.results_csv()?)),
            ("stages.csv", Some(self.stages_csv()?)),
            ("epochs.csv", self.epochs_csv()?),
            ("figure.png", Some(figure::png(&figure)?)),
            ("curves.png", curves.as_deref().map(figure::png).transpose()?),
            ("report.md", Some(self.markdown()?.into_bytes())),
            ("report.html", Some(html.into_bytes())),
            ("figure.svg", Some(figure.into_bytes())),
            ("curves.svg", curves.map(String::into_bytes)),
        ];
        std::fs::create_dir_all(folder)
            .map_err(|source| Error::Io { path: folder.to_owned(), source })?;
        for (name, bytes) in outputs {
            let path = folder.join(name);
            match bytes {
                Some(bytes) => files::write(&path, &bytes)?,
                None => remove(&path)?,
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(Error::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
