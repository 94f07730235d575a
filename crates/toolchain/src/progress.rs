//! How far a download, a build or a run is: bars on a terminal, a line now and then elsewhere, nothing if so wished.

use std::{
    io::{IsTerminal as _, Write},
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The shortest time between two lines about one task.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Where progress is shown; it is made once and handed down.
pub struct Progress(Mode);

enum Mode {
    Bars(MultiProgress),
    Lines(Mutex<Box<dyn Write + Send>>),
    Quiet,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, shown in MB.
    Bytes,
    /// Runs, epochs, files.
    Items,
}

/// Something under way; dropped without [`finish`](Task::finish) it vanishes, and the error speaks.
pub struct Task<'a> {
    progress: &'a Progress,
    label: String,
    unit: Unit,
    started: Instant,
    line: Mutex<Line>,
    bar: Option<ProgressBar>,
    /// Of what the task is a part of.
    above: Option<ProgressBar>,
}

/// What a task last said in a line of text.
struct Line {
    at: Instant,
    stage: String,
    detail: String,
}

impl Progress {
    /// For standard error, as it is: a terminal or not.
    pub fn stderr(quiet: bool) -> Self {
        if quiet {
            Self(Mode::Quiet)
        } else if std::io::stderr().is_terminal() {
            Self(Mode::Bars(MultiProgress::new()))
        } else {
            Self::lines(std::io::stderr())
        }
    }

    /// Lines of text.
    pub fn lines(out: impl Write + Send + 'static) -> Self {
        Self(Mode::Lines(Mutex::new(Box::new(out))))
    }

    /// Whether nothing is shown; programs that are called should be as quiet.
    pub fn is_quiet(&self) -> bool {
        matches!(self.0, Mode::Quiet)
    }

    /// A line that stays, above any bar.
    pub fn say(&self, line: &str) {
        match &self.0 {
            // A message that cannot be shown must not stop what it is about.
            Mode::Bars(bars) => drop(bars.println(line)),
            Mode::Lines(out) => {
                if let Ok(mut out) = out.lock() {
                    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
                }
            }
            Mode::Quiet => {}
        }
    }

    /// Begins a task of yet unknown length.
    pub fn begin(&self, label: impl Into<String>, unit: Unit) -> Task<'_> {
        self.begin_within(None, label.into(), unit)
    }

    /// Begins a part of something larger, and tells how far that is: `7 of 18` for instance.
    pub fn begin_part(&self, whole: &str, label: &str, unit: Unit) -> Task<'_> {
        self.begin_within(Some(whole), label.to_owned(), unit)
    }

    fn begin_within(&self, whole: Option<&str>, label: String, unit: Unit) -> Task<'_> {
        let (mut bar, mut above) = (None, None);
        match (&self.0, whole) {
            (Mode::Bars(bars), whole) => {
                above = whole.map(|whole| spinner(bars, &format!("all: {whole}"), Unit::Items));
                bar = Some(spinner(bars, &label, unit));
            }
            (_, Some(whole)) => self.say(&format!("{whole}: {label} ...")),
            (_, None) => self.say(&format!("{label} ...")),
        }
        let started = Instant::now();
        Task {
            progress: self,
            label,
            unit,
            started,
            line: Mutex::new(Line { at: started, stage: String::new(), detail: String::new() }),
            bar,
            above,
        }
    }
}

impl Task<'_> {
    /// `done` of `total`, where the total is known.
    pub fn set(&self, done: u64, total: Option<u64>) {
        match &self.bar {
            Some(bar) => self.set_bar(bar, done, total),
            None => self.set_line(done, total, Instant::now()),
        }
    }

    /// The next stage begins, again of unknown length; nothing changes if it is the one under way.
    pub fn stage(&self, name: &str) {
        if let Ok(mut line) = self.line.lock() {
            let stage = format!(", {name}");
            if line.stage == stage {
                return;
            }
            (line.stage, line.detail) = (stage, String::new());
        }
        if let Some(bar) = &self.bar {
            bar.unset_length();
            bar.set_style(style(spinner_template(self.unit)));
            bar.set_message(format!("{}, {name}", self.label));
            bar.set_prefix("");
        }
    }

    /// What is to be told of the stage beside how far it is.
    pub fn detail(&self, text: &str) {
        let detail = format!("; {text}");
        if let Some(bar) = &self.bar {
            bar.set_prefix(detail);
        } else if let Ok(mut line) = self.line.lock() {
            line.detail = detail;
        }
    }

    /// Ends the task with a line that says how long it took.
    pub fn finish(self) {
        self.clear();
        self.progress.say(&format!("{}: {}", self.label, seconds(self.started.elapsed())));
    }

    fn clear(&self) {
        for bar in self.bar.iter().chain(&self.above) {
            bar.finish_and_clear();
        }
    }

    fn set_bar(&self, bar: &ProgressBar, done: u64, total: Option<u64>) {
        if let Some(total) = total
            && bar.length() != Some(total)
        {
            bar.set_length(total);
            bar.set_style(style(bar_template(self.unit)));
        }
        bar.set_position(done);
    }

    fn set_line(&self, done: u64, total: Option<u64>, now: Instant) {
        let Ok(mut line) = self.line.lock() else { return };
        if now.duration_since(line.at) < BETWEEN_LINES {
            return;
        }
        line.at = now;
        let total = total.map(|total| format!(" of {}", self.unit.show(total))).unwrap_or_default();
        self.progress.say(&format!(
            "{}{}: {}{total}{}",
            self.label,
            line.stage,
            self.unit.show(done),
            line.detail
        ));
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Unit {
    fn show(self, amount: u64) -> String {
        match self {
            Self::Bytes => megabytes(amount),
            Self::Items => amount.to_string(),
        }
    }
}

/// `30.9 MB`
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn spinner(bars: &MultiProgress, label: &str, unit: Unit) -> ProgressBar {
    let bar = bars.add(
        ProgressBar::no_length()
            .with_style(style(spinner_template(unit)))
            .with_message(label.to_owned()),
    );
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn spinner_template(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "{spinner} {msg} {decimal_bytes} {elapsed}",
        Unit::Items => "{spinner} {msg} {elapsed}",
    }
}

fn bar_template(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => {
            "{msg} {wide_bar} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left"
        }
        Unit::Items => "{msg} {wide_bar} {pos} of {len}, {eta} left{prefix}",
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn lines_come_at_the_start_at_the_end_and_seldom_between() {
        let out = Shared::default();
        let progress = Progress::lines(out.clone());
        let task = progress.begin("downloading x", Unit::Bytes);
        for second in 0..25 {
            task.set_line(
                second * 1_000_000,
                Some(25_000_000),
                task.started + Duration::from_secs(second),
            );
        }
        task.finish();
        let text = out.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "downloading x ...",
                "downloading x: 10.0 MB of 25.0 MB",
                "downloading x: 20.0 MB of 25.0 MB"
            ]
        );
        assert!(lines.len() == 4 && lines[3].ends_with(" s"), "{text}");
    }

    #[test]
    fn a_task_that_fails_leaves_the_last_word_to_the_error() {
        let out = Shared::default();
        let progress = Progress::lines(out.clone());
        drop(progress.begin("training", Unit::Items));
        drop(progress.begin_part("2 of 3", "mean/linfa", Unit::Items));
        assert_eq!(out.text(), "training ...\n2 of 3: mean/linfa ...\n");
    }

    #[test]
    fn lines_name_the_stage_and_its_detail() {
        let out = Shared::default();
        let progress = Progress::lines(out.clone());
        let task = progress.begin("mlp/torch", Unit::Items);
        task.stage("train");
        task.set_line(3, Some(10), task.started + BETWEEN_LINES);
        task.detail("loss 0.5");
        task.stage("train");
        task.set_line(4, Some(10), task.started + 2 * BETWEEN_LINES);
        task.stage("predict");
        task.set_line(1, None, task.started + 3 * BETWEEN_LINES);
        let lines = [" ...", ", train: 3 of 10", ", train: 4 of 10; loss 0.5", ", predict: 1"];
        assert_eq!(out.text(), lines.map(|line| format!("mlp/torch{line}\n")).concat());
    }

    #[test]
    fn bars_can_be_driven_with_and_without_a_total() {
        let progress = Progress(Mode::Bars(MultiProgress::with_draw_target(
            indicatif::ProgressDrawTarget::hidden(),
        )));
        for unit in [Unit::Bytes, Unit::Items] {
            for template in [spinner_template(unit), bar_template(unit)] {
                assert!(ProgressStyle::with_template(template).is_ok());
            }
            let task = progress.begin("x", unit);
            task.set(1, None);
            task.set(2, Some(3));
            assert_eq!(task.bar.as_ref().and_then(ProgressBar::length), Some(3));
            task.stage("next");
            assert_eq!(task.bar.as_ref().and_then(ProgressBar::length), None);
            task.finish();
        }
    }
}
