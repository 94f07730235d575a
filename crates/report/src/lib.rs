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

mod comparison;
mod curves;
mod delimited;
mod efficiency;
mod error;
mod figure;
mod format;
mod grid;
mod missing;
mod order;
mod page;
mod rank;
mod records;
pub mod regression;
mod row;
mod scaling;
mod spread;
mod summary;
mod table;
mod template;
mod words;

use std::{io::ErrorKind, path::Path};

use modality_harness::record::RunRecord;
use modality_protocol::files;

pub use comparison::SideBySide;
pub use curves::Curve;
pub use efficiency::{ProductRate, Work};
pub use error::{Error, Result};
pub use format::decimals;
pub use missing::Missing;
use page::Figures;
pub use row::{Row, Scores};
pub use scaling::{Line, Point, Power, Quantity, Series};
pub use spread::Spread;
pub use summary::{Machine, Summary};

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

    /// The records of each row with its name, in order of method, variant and backend.
    pub fn by_row(&self) -> impl Iterator<Item = (String, &[RunRecord])> {
        summary::groups(&self.records)
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

    /// Time and memory against the number of training cells; none without a method on a backend at three or more.
    ///
    /// # Errors
    /// As [`Report::figure_svg`].
    pub fn scaling_svg(&self) -> Result<Option<String>> {
        figure::scaling_svg(&self.summary)
    }

    /// [`Report::scaling_svg`], rasterised at two pixels a unit.
    ///
    /// # Errors
    /// As [`Report::figure_svg`].
    pub fn scaling_png(&self) -> Result<Option<Vec<u8>>> {
        self.scaling_svg()?.map(|svg| figure::png(&svg)).transpose()
    }

    /// One line a point of [`Report::scaling_svg`] and of the lines that it leaves out, beside the power of the number
    /// of training cells that was fitted.
    ///
    /// # Errors
    /// [`Error::Csv`].
    pub fn scaling_csv(&self) -> Result<Option<Vec<u8>>> {
        (!self.summary.series.is_empty()).then(|| delimited::scaling(&self.summary)).transpose()
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
        let figures = [Some(self.figure_svg()?), self.curves_svg()?, self.scaling_svg()?];
        let [figure, curves, scaling] = figures.each_ref().map(Option::as_deref);
        page::html(&self.heading(), &self.summary, Figures { figure, curves, scaling })
    }

    /// Writes `results.csv`, `stages.csv`, `figure.svg`, `figure.png`, `report.md` and `report.html` into `folder`,
    /// which is made if it is not there; where there are epochs, `epochs.csv`, `curves.svg` and `curves.png` too, and
    /// where there are several numbers of training cells, `scaling.csv`, `scaling.svg` and `scaling.png`; where there
    /// are none, removes those of an earlier report. Everything is rendered before the first file is touched, and each
    /// file is written whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Write`], naming the file; otherwise as the single parts.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let drawn = [
            ("figure", Some(self.figure_svg()?)),
            ("curves", self.curves_svg()?),
            ("scaling", self.scaling_svg()?),
        ];
        let [figure, curves, scaling] = drawn.each_ref().map(|(_, svg)| svg.as_deref());
        let figures = Figures { figure, curves, scaling };
        let html = page::html(&self.heading(), &self.summary, figures)?;
        let mut outputs = vec![
            ("results.csv".to_owned(), Some(self.results_csv()?)),
            ("stages.csv".to_owned(), Some(self.stages_csv()?)),
            ("epochs.csv".to_owned(), self.epochs_csv()?),
            ("scaling.csv".to_owned(), self.scaling_csv()?),
            ("report.md".to_owned(), Some(self.markdown()?.into_bytes())),
            ("report.html".to_owned(), Some(html.into_bytes())),
        ];
        for (name, svg) in drawn {
            outputs.push((format!("{name}.png"), svg.as_deref().map(figure::png).transpose()?));
            outputs.push((format!("{name}.svg"), svg.map(String::into_bytes)));
        }
        std::fs::create_dir_all(folder)
            .map_err(|cause| Error::Io { path: folder.to_owned(), cause })?;
        for (name, bytes) in outputs {
            let path = folder.join(&name);
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
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Error::Io { path: path.to_owned(), cause })
        }
        _ => Ok(()),
    }
}
