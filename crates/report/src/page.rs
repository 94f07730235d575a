//! What the Markdown and the HTML page say.

use modality_protocol::{Phase, Stage};
use serde::Serialize;

use crate::{
    Heading, ProductRate, Result, Row, SideBySide, Summary, format,
    grid::{self, Grid},
    template,
    words::{self, Missing, repeats},
};

/// The figures of a page that holds them itself.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures<'a> {
    pub(crate) figure: Option<&'a str>,
    pub(crate) curves: Option<&'a str>,
    pub(crate) scaling: Option<&'a str>,
}

/// What the validation error is, and is not.
const VALIDATION_NOTE: &str = "Validation is the RMSE of the epochs that were kept on the training cells that each model was validated on and not \
     trained on, mean over a run's models; it differs from the test RMSE, as test cells may come from another batch, are \
     predicted by the mean of the models, and did not choose the epochs.";

const FOLDS_NOTE: &str = "The validation RMSE is of training cells that the model was not trained on (another site or other donors, or cells \
     drawn at random), not of the test cells; as it chose the epoch, it is a little too low. The kept epoch is the first with the lowest \
     validation RMSE, from epoch min_epoch on where a method has that hyperparameter.";

const SETUP_NOTE: &str = "On an accelerator, setup is what comes before any computing: the device's context, loading kernels, and copying \
     the data there. Training time leaves it out; the total holds it.";

const ENERGY_NOTE: &str = "GPU J is the energy that the whole accelerator took while it trained and predicted, by its own counter; what the \
     rest of the machine took is not known.";

#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    description: &'a str,
    answer: String,
    repeats: String,
    results: Grid,
    validation_note: Option<&'static str>,
    side_by_side: Vec<Comparison>,
    side_by_side_note: Option<String>,
    stages: Grid,
    metrics: Grid,
    software: Grid,
    figure: Option<&'a str>,
    figure_says: String,
    curves: Option<&'a str>,
    curves_says: String,
    folds: Grid,
    folds_note: &'static str,
    scaling: Option<&'a str>,
    scaling_says: String,
    exponents: Grid,
    learning: Grid,
    efficiency: Grid,
    efficiency_note: String,
    memory: Grid,
    gpu_memory: Grid,
    captured: Grid,
    reading: Vec<String>,
    dataset: Dataset<'a>,
    machines: Vec<Machine>,
    params: &'a [(String, String)],
    missing: Vec<Missing<'a>>,
    command: &'a str,
}

/// Two backends of a method.
#[derive(Serialize)]
struct Comparison {
    title: String,
    sentence: String,
    costs: Grid,
    left_out: Option<String>,
    errors: Grid,
    errors_say: Option<String>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Dataset<'a> {
    name: &'a str,
    synthetic: bool,
    sha256: &'a str,
    train_cells: String,
    test_cells: String,
    task: String,
    input: &'static str,
    /// What there is of input and target, and how many.
    features: [(String, String); 2],
    remarks: &'a [String],
}

#[derive(Serialize)]
struct Machine {
    facts: Vec<(&'static str, String)>,
    rows: Option<String>,
}

pub(crate) fn markdown(heading: &Heading<'_>, summary: &Summary) -> Result<String> {
    template::render("report.md", page(heading, summary, Figures::default()))
}

pub(crate) fn html(
    heading: &Heading<'_>,
    summary: &Summary,
    figures: Figures<'_>,
) -> Result<String> {
    template::render("report.html", page(heading, summary, figures))
}

fn page<'a>(heading: &Heading<'a>, summary: &'a Summary, figures: Figures<'a>) -> Page<'a> {
    let Heading { title, description, command } = *heading;
    let id = &summary.dataset;
    Page {
        title,
        description,
        answer: words::answer(summary),
        repeats: repeats(summary),
        results: grid::full_results(summary),
        validation_note: summary.is_validated().then_some(VALIDATION_NOTE),
        side_by_side: summary.side_by_side.iter().map(comparison).collect(),
        side_by_side_note: summary.side_by_side.first().map(SideBySide::how),
        stages: grid::stages(summary),
        metrics: grid::metrics(summary),
        software: grid::software(summary),
        figure: figures.figure,
        figure_says: words::figure_says(summary),
        curves: figures.curves,
        curves_says: words::curves_say(summary),
        folds: grid::folds(summary),
        folds_note: FOLDS_NOTE,
        scaling: figures.scaling,
        scaling_says: words::scaling_says(summary),
        exponents: grid::exponents(summary),
        learning: grid::learning(summary),
        efficiency: grid::efficiency(summary),
        efficiency_note: efficiency_note(summary),
        memory: grid::memory(summary),
        gpu_memory: grid::gpu_memory(summary),
        captured: grid::captured(summary),
        reading: reading(summary),
        dataset: Dataset {
            name: &id.name,
            synthetic: id.synthetic,
            sha256: &id.sha256,
            train_cells: format::count(id.train_cells),
            test_cells: format::count(id.test_cells),
            task: id.task.to_string(),
            input: id.task.input.words(),
            features: [(id.task.input, id.inputs), (id.task.target, id.targets)]
                .map(|(of, number)| (format::capitalised(of.features()), format::count(number))),
            remarks: &id.remarks,
        },
        machines: machines(summary),
        params: &summary.params,
        missing: words::missing(summary),
        command,
    }
}

fn comparison(side: &SideBySide) -> Comparison {
    let (costs, left_out) = side.costs();
    Comparison {
        title: side.title(),
        sentence: side.sentence(),
        costs,
        left_out,
        errors: side.errors(),
        errors_say: side.errors_say(),
        notes: side.notes.clone(),
    }
}

/// What is counted, and what a share is of.
fn efficiency_note(summary: &Summary) -> String {
    let rates: Vec<String> = summary.product_rates.iter().map(ProductRate::said).collect();
    let counted = "Counted: matrix products, factorisations and sparse products, a multiplication and an addition as two \
         operations. Exponentials and other work on single elements are not counted, but take their part of the seconds.";
    let held = match rates.as_slice() {
        [] => "No run measured how fast its machine multiplies matrices, so no share is known."
            .to_owned(),
        rates => format!(
            "The matrix-product rate is the fastest float32 product that any run of the study measured on the same device \
             (a CPU: with as many threads): {}.",
            rates.join("; ")
        ),
    };
    let units = if summary.product_rates.iter().any(|rate| rate.on_matrix_units) {
        " A row that computes on matrix units is held against theirs, which is of float16 numbers with float32 sums; a product \
         that it makes of several such products counts once."
    } else {
        ""
    };
    format!("{counted} {held}{units}")
}

fn reading(summary: &Summary) -> Vec<String> {
    let of = |phase| {
        Stage::ALL
            .iter()
            .filter(|stage| stage.phase() == phase)
            .map(|stage| stage.name())
            .collect::<Vec<_>>()
    };
    let mut lines = vec![
        format!(
            "RMSE is the root of the mean squared error over all entries, test cells by {}; lower is better. It is \
             computed from the written predictions, never by a backend.",
            summary.dataset.task.target.features()
        ),
        "Column # is the place by RMSE. Rows whose ranges over repeats overlap are not ranked one above the other: they share \
         places, and 2-3 is the second or the third."
            .to_owned(),
        format!("Training time is wall time of the stages {}.", format::list(&of(Phase::Train))),
        format!(
            "Training time leaves out {} and {}. Total is the whole process, from its start to its end; CPU is its \
             user and system time.",
            of(Phase::Overhead).join(", "),
            of(Phase::Predict).join(", "),
        ),
    ];
    if summary.rows.iter().any(Row::is_accelerated) {
        lines.push(SETUP_NOTE.to_owned());
    }
    if summary.rows.iter().any(|row| row.gpu_energy_j.is_some()) {
        lines.push(ENERGY_NOTE.to_owned());
    }
    lines.push(match summary.repeats() {
        (_, max) if max > 1 => format!(
            "Each number is the {}, never the best; a spread is min..max, and none is shown where all repeats agree \
             in the digits shown.",
            repeats(summary)
        ),
        _ => "Each run was made once, so no spread is known.".to_owned(),
    });
    if summary.rows.iter().any(|row| row.fits_nothing) {
        lines.push("Baselines that fit nothing are dashed lines in the figure: their training time means nothing.".to_owned());
    }
    if summary.dataset.synthetic {
        lines.push("The data are synthetic: errors here say nothing about real cells.".to_owned());
    }
    if summary.machines.len() > 1 {
        lines.push(
            "The rows come from more than one machine: compare times only within one.".to_owned(),
        );
    }
    lines
}

fn machines(summary: &Summary) -> Vec<Machine> {
    let several = summary.machines.len() > 1;
    let entries = summary.machines.iter().map(|machine| {
        let e = &machine.environment;
        let date = if e.started_unix == 0 { String::new() } else { format::date(e.started_unix) };
        let cores = if e.cores == 0 { String::new() } else { e.cores.to_string() };
        let memory =
            if e.memory_mb == 0 { String::new() } else { format::memory(e.memory_mb as f64) };
        let variables: Vec<String> =
            e.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let facts = [
            ("Processor", e.cpu.clone()),
            ("Cores", cores),
            ("Memory", memory),
            ("System", e.os.clone()),
            ("Compiler", e.rustc.clone()),
            ("modality-bench", e.version.clone()),
            ("Commit", e.git_commit.clone()),
            ("Environment", variables.join(" ")),
            ("Measured from", date),
        ];
        let facts = facts.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Machine { facts, rows: several.then(|| machine.rows.join(", ")) }
    });
    entries.collect()
}
