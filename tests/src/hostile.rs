//! A backend with bad manners: what it can do, and what must come of it. `hostile-backend MODE` is the program.

mod acts;
mod run;

use modality_harness::record::{RunRecord, Status};

use self::run::Run;

/// One way to behave.
pub struct Mode {
    /// What the program is called with.
    pub name: &'static str,
    /// How a row of it must end.
    pub status: Status,
    /// What the note of its record must hold.
    pub note: &'static str,
    act: fn(&mut Run),
}

/// What a mode does before it is asked to end.
const fn ok(name: &'static str, act: fn(&mut Run), note: &'static str) -> Mode {
    Mode { name, status: Status::Ok, note, act }
}

const fn fails(name: &'static str, act: fn(&mut Run), note: &'static str) -> Mode {
    Mode { name, status: Status::Failed, note, act }
}

/// Those that would go on for ever, and are stopped after [`LITTLE`] seconds.
pub const ENDLESS: [Mode; 4] = [
    fails("hang", acts::hang, STOPPED),
    fails("hang-without-a-word", acts::sleep, STOPPED),
    fails("hang-after-the-end", acts::hang_after_the_end, "it did not end within 1 s of its last"),
    fails("progress-without-end", acts::progress_without_end, ""),
];

/// What [`ENDLESS`] modes are given, in seconds.
pub const LITTLE: u32 = 1;
const STOPPED: &str = "it was stopped after 1.0 s, which is all it was given";

/// Those that say what they should not.
pub const TALKING: [Mode; 23] = [
    ok("good", acts::good, ""),
    fails(
        "a-line-without-end",
        acts::flood_of_a_line,
        "it wrote a line longer than 1 MiB to standard",
    ),
    fails(
        "notes-without-end",
        acts::flood_of_notes,
        "it wrote more than 64 MiB to standard output",
    ),
    fails("epochs-without-end", acts::flood_of_epochs, "it told of more than 50000 epochs"),
    ok("many-notes", acts::many_notes, "and 480 notes more"),
    ok("a-long-log", acts::long_log, ""),
    fails("garbage", acts::garbage, "to standard output, which is no event: expected value"),
    fails("print", acts::print, "it wrote `Loading data...` to standard output, which is no event"),
    fails(
        "print-escapes",
        acts::print_escapes,
        r"it wrote `\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}[31mRED` to",
    ),
    fails("fail-in-escapes", acts::fail_in_escapes, r"\u{1b}[2J\u{1b}[31mRED \u{202e}desrever"),
    fails("fail-at-length", acts::fail_at_length, "xxxxxxxx\u{2026}"),
    ok("html", acts::html, r#"<script>alert(2)</script> | pipe newline"#),
    ok("formula", acts::formula, "=cmd|'/c calc'!A1"),
    fails("a-stage-of-another-name", acts::unknown_stage, "unknown variant `train`"),
    fails(
        "stages-of-an-hour",
        acts::long_stage,
        "its stages add up to 3600.000 s; the process lived",
    ),
    fails(
        "stages-before-their-begin",
        acts::negative_stage,
        "the seconds of stage `fit` cannot be -1",
    ),
    fails("more-than-a-number", acts::infinite_stage, "which is no event: number out of range"),
    fails(
        "more-work-than-there-is",
        acts::many_flops,
        "the operations of stage `fit` cannot be 1e300",
    ),
    fails(
        "a-long-product-rate",
        acts::long_product_rate,
        "its product rate took 3600.000 s; the process",
    ),
    fails("fail-after-done", acts::failed_after_done, "the runner ended with exit code 1"),
    fails("nothing", acts::nothing, "the runner ended without saying that it was done"),
    fails(
        "fail-in-the-log",
        acts::fail_in_the_log,
        "ended with exit code 3; its last words were `out of luck`",
    ),
    Mode {
        name: "unavailable",
        status: Status::Unavailable,
        note: "no such device",
        act: acts::unavailable,
    },
];

/// Those that leave what they should not in place of predictions.
pub const LEAVING: [Mode; 16] = [
    ok("zeros", acts::good, ""),
    fails("no-file", acts::no_file, "the runner says that it is done and left no predictions"),
    fails("nan", acts::nan, "the prediction of cell 0, feature 0 is NaN"),
    fails("infinity", acts::infinity, "the prediction of cell 0, feature 0 is inf"),
    ok("huge-numbers", acts::huge_numbers, ""),
    fails("turned", acts::turned, " where "),
    fails(
        "float64",
        acts::float64,
        "predictions are of type `<f8` where `<f4` (float32) is expected",
    ),
    fails("cut-off", acts::cut_off, "it has 168 bytes where "),
    fails("a-huge-shape", acts::huge_shape, "predictions are 4000000000 x 4000000000 where "),
    fails("a-huge-file", acts::huge_file, "predictions are 200000 x 200000 where "),
    fails(
        "a-deep-header",
        acts::deep_header,
        "its npy header is `{'descr': '<f4', 'shape': (((((((",
    ),
    fails("text", acts::text, "not in npy format"),
    fails("a-link", acts::link, "predictions must be a file, not a symbolic link"),
    fails("a-pipe", acts::pipe, "predictions must be a file, not a pipe"),
    fails("a-socket", acts::socket, "predictions must be a file, not a socket"),
    fails("a-folder", acts::folder, "predictions must be a file, not a folder"),
];

/// Those that die, or leave others behind.
pub const LIVING_ON: [Mode; 9] = [
    ok("child-left", acts::child_left, ""),
    fails("child-left-by-the-dead", acts::child_left_by_the_dead, "ended with exit code 3"),
    fails("stray-left-by-the-dead", acts::stray_left_by_the_dead, "ended with exit code 3"),
    fails("flood-left-by-the-dead", acts::flood_left_by_the_dead, ""),
    ok("child-that-works", acts::child_that_works, ""),
    ok("child-that-is-waited-for", acts::child_that_is_waited_for, ""),
    fails("crash", acts::crash, "crashed with signal 11"),
    fails("killed", acts::killed, "was killed, as the system does when memory runs out"),
    fails("memory", acts::memory, "crashed with signal 6"),
];

/// What fault campaigns run: short, with a child that is still there when it ends.
pub const BRIEF: [Mode; 1] = [ok("brief", acts::brief, "")];

impl Mode {
    /// Holds a record of it against what it must come to.
    ///
    /// # Errors
    /// What it came to instead.
    pub fn judge(&self, record: &RunRecord) -> Result<(), String> {
        let Self { name, status, note, .. } = self;
        let is_scored = record.metrics.is_some() == (*status == Status::Ok);
        if record.status == *status && record.note.contains(note) && is_scored {
            return Ok(());
        }
        let found = record.status.name();
        Err(format!("{name}: {found}: {}; {} with `{note}` is right", record.note, status.name()))
    }
}

/// Every mode.
pub fn all() -> impl Iterator<Item = &'static Mode> {
    [&ENDLESS[..], &TALKING, &LEAVING, &LIVING_ON, &BRIEF].into_iter().flatten()
}

/// Behaves as the mode does.
///
/// # Errors
/// If there is no such mode, or no run specification.
pub fn act(name: &str) -> Result<(), String> {
    let mode = all().find(|mode| mode.name == name).ok_or_else(|| format!("no mode `{name}`"))?;
    (mode.act)(&mut Run::of_standard_input()?);
    Ok(())
}
