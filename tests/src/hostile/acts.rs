//! What the modes do.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    os::unix::{fs::symlink, net::UnixListener, process::CommandExt as _},
    process::{Child, Command, Stdio, exit},
    thread,
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{Signal, raise},
};

use super::run::{Run, say};

const HELLO: &str = r#"{"event": "hello", "device": "CPU", "versions": {"bad": "1"}}"#;
const BEGIN: &str = r#"{"event": "begin", "stage": "fit"}"#;
const DONE: &str = r#"{"event": "done"}"#;

/// The same words again and again, until nobody listens.
fn flood(words: &str) {
    let many = words.repeat((1 << 16) / words.len() + 1);
    while io::stdout().lock().write_all(many.as_bytes()).is_ok() {}
}

fn end_of_input() {
    drop(io::stdin().lock().read_to_end(&mut Vec::new()));
}

/// Says that it is done, with this stage, and waits to be let go.
fn finish_with(stage: &str) {
    say(BEGIN);
    say(&format!(r#"{{"event": "end", "stage": "fit", {stage}}}"#));
    say(DONE);
    end_of_input();
}

fn finish() {
    finish_with(r#""seconds": 0.001"#);
}

pub(super) fn sleep(_: &mut Run) {
    thread::sleep(Duration::from_secs(3600));
}

pub(super) fn good(run: &mut Run) {
    say(HELLO);
    run.predict(0.0);
    finish();
}

pub(super) fn hang(run: &mut Run) {
    say(HELLO);
    say(BEGIN);
    sleep(run);
}

pub(super) fn hang_after_the_end(run: &mut Run) {
    say(HELLO);
    run.predict(0.0);
    say(DONE);
    sleep(run);
}

pub(super) fn progress_without_end(_: &mut Run) {
    say(HELLO);
    say(BEGIN);
    flood("{\"event\": \"progress\", \"stage\": \"fit\", \"done\": 1, \"total\": 2}\n");
}

pub(super) fn flood_of_a_line(_: &mut Run) {
    flood("x");
}

pub(super) fn flood_of_notes(_: &mut Run) {
    say(HELLO);
    flood(&format!("{{\"event\": \"note\", \"text\": \"{}\"}}\n", "n".repeat(9000)));
}

pub(super) fn flood_of_epochs(_: &mut Run) {
    say(HELLO);
    flood(
        "{\"event\": \"epoch\", \"fold\": \"f\\n<b>,\", \"epoch\": 1, \"loss\": 1, \"validation_rmse\": 1}\n",
    );
}

pub(super) fn many_notes(run: &mut Run) {
    (0..500).for_each(|i| say(&format!(r#"{{"event": "note", "text": "note {i}"}}"#)));
    good(run);
}

pub(super) fn long_log(run: &mut Run) {
    let line = "e".repeat(99_999) + "\n";
    (0..200).for_each(|_| drop(io::stderr().write_all(line.as_bytes())));
    eprintln!("the end of it");
    good(run);
}

pub(super) fn garbage(run: &mut Run) {
    let bytes: Vec<u8> = (0..4096_u32).map(|i| (i * i * 31 % 251) as u8 | 0x80).collect();
    drop(io::stdout().lock().write_all(&bytes));
    say("");
    sleep(run);
}

pub(super) fn print(run: &mut Run) {
    say(HELLO);
    say("Loading data...");
    good(run);
}

pub(super) fn print_escapes(run: &mut Run) {
    say("\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}[31mRED");
    sleep(run);
}

pub(super) fn fail_in_escapes(_: &mut Run) {
    say(r#"{"event": "hello", "device": "\u001b[31m\u202e", "versions": {"\u001b[2J": "\u0007"}}"#);
    say(r#"{"event": "failed", "reason": "\u001b[2J\u001b[31mRED \u202edesrever"}"#);
    exit(1);
}

pub(super) fn fail_at_length(_: &mut Run) {
    say(&format!(r#"{{"event": "failed", "reason": "{}"}}"#, "x".repeat(200_000)));
}

pub(super) fn html(run: &mut Run) {
    say(
        r#"{"event": "hello", "device": "<img src=x onerror=alert(1)>|\n`x`", "versions": {"<b>v</b>": "=1+1", "a,b": "|"}}"#,
    );
    say(r#"{"event": "note", "text": "<script>alert(2)</script> | pipe \n newline"}"#);
    run.predict(0.0);
    finish();
}

pub(super) fn formula(run: &mut Run) {
    say(r#"{"event": "hello", "device": "@SUM(A1)", "versions": {}}"#);
    say(r#"{"event": "note", "text": "=cmd|'/c calc'!A1"}"#);
    run.predict(0.0);
    finish();
}

pub(super) fn unknown_stage(_: &mut Run) {
    say(HELLO);
    say(r#"{"event": "begin", "stage": "train"}"#);
    end_of_input();
}

fn with_stage(run: &Run, stage: &str) {
    say(HELLO);
    run.predict(0.0);
    finish_with(stage);
}

pub(super) fn long_stage(run: &mut Run) {
    with_stage(run, r#""seconds": 3600"#);
}

pub(super) fn negative_stage(run: &mut Run) {
    with_stage(run, r#""seconds": -1"#);
}

pub(super) fn infinite_stage(run: &mut Run) {
    with_stage(run, r#""seconds": 1e999"#);
}

pub(super) fn many_flops(run: &mut Run) {
    with_stage(run, r#""seconds": 0.001, "flops": 1e300"#);
}

pub(super) fn long_product_rate(run: &mut Run) {
    say(r#"{"event": "product-rate", "gflops": 1e9, "seconds": 3600, "cpu_seconds": 0}"#);
    good(run);
}

pub(super) fn failed_after_done(run: &mut Run) {
    good(run);
    exit(1);
}

pub(super) fn nothing(_: &mut Run) {}

pub(super) fn fail_in_the_log(_: &mut Run) {
    eprintln!("out of luck");
    exit(3);
}

pub(super) fn unavailable(_: &mut Run) {
    say(r#"{"event": "unavailable", "reason": "no such device"}"#);
}

pub(super) fn no_file(_: &mut Run) {
    say(HELLO);
    finish();
}

fn predict(run: &Run, value: f32) {
    say(HELLO);
    run.predict(value);
    finish();
}

pub(super) fn nan(run: &mut Run) {
    predict(run, f32::NAN);
}

pub(super) fn infinity(run: &mut Run) {
    predict(run, f32::INFINITY);
}

pub(super) fn huge_numbers(run: &mut Run) {
    predict(run, 3e38);
}

fn leave(run: &Run, descr: &str, shape: (usize, usize), bytes: usize) {
    say(HELLO);
    run.write(descr, shape, &vec![0; bytes]);
    finish();
}

pub(super) fn turned(run: &mut Run) {
    leave(run, "<f4", (run.features, run.cells), 4 * run.features * run.cells);
}

pub(super) fn float64(run: &mut Run) {
    leave(run, "<f8", (run.cells, run.features), 8 * run.features * run.cells);
}

pub(super) fn cut_off(run: &mut Run) {
    leave(run, "<f4", (run.cells, run.features), 40);
}

pub(super) fn huge_shape(run: &mut Run) {
    leave(run, "<f4", (4_000_000_000, 4_000_000_000), 0);
}

pub(super) fn huge_file(run: &mut Run) {
    say(HELLO);
    run.write("<f4", (200_000, 200_000), &[]);
    // It takes no room.
    let file = File::options().append(true).open(run.path());
    drop(file.and_then(|file| file.set_len(160_000_000_128)));
    finish();
}

pub(super) fn deep_header(run: &mut Run) {
    say(HELLO);
    run.write_header(&format!("{{'descr': '<f4', 'shape': {}", "(".repeat(3000)), &[]);
    finish();
}

pub(super) fn text(run: &mut Run) {
    say(HELLO);
    drop(fs::write(run.path(), "RMSE 0.1\n"));
    finish();
}

pub(super) fn link(run: &mut Run) {
    say(HELLO);
    drop(symlink("/dev/zero", run.path()));
    finish();
}

pub(super) fn pipe(run: &mut Run) {
    say(HELLO);
    drop(Command::new("mkfifo").arg(run.path()).status());
    finish();
}

pub(super) fn socket(run: &mut Run) {
    say(HELLO);
    drop(UnixListener::bind(run.path()));
    finish();
}

pub(super) fn folder(run: &mut Run) {
    say(HELLO);
    drop(fs::create_dir(run.path()).and_then(|()| fs::write(run.path().join("x"), "x")));
    finish();
}

/// A child with this process's standard output.
fn child(script: &str) -> io::Result<Child> {
    Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::null()).spawn()
}

/// Works until it has had a fifth of a second of CPU time.
const WORK: &str = "ticks=0; while [ $ticks -lt 20 ]; do \
    read -r _ _ _ _ _ _ _ _ _ _ _ _ _ user system _ </proc/self/stat; ticks=$((user + system)); done";

pub(super) fn child_left(run: &mut Run) {
    drop(child("sleep 3600"));
    good(run);
}

pub(super) fn child_left_by_the_dead(_: &mut Run) {
    say(HELLO);
    drop(child("sleep 3600"));
    exit(3);
}

pub(super) fn stray_left_by_the_dead(_: &mut Run) {
    say(HELLO);
    let mut stray = Command::new("/bin/sh");
    stray.args(["-c", "sleep 3600 & sleep 3600"]).stdin(Stdio::null());
    // SAFETY: between fork and exec it makes one system call, which neither allocates nor locks.
    unsafe { stray.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from)) };
    drop(stray.spawn());
    exit(3);
}

pub(super) fn flood_left_by_the_dead(_: &mut Run) {
    drop(child(r#"while :; do echo '{"event": "note", "text": "still here"}'; done"#));
    exit(3);
}

pub(super) fn child_that_works(run: &mut Run) {
    let mut worker = Command::new("/bin/sh");
    worker.args(["-c", &format!("{WORK}; exec >&-; sleep 3600")]);
    let worker = worker.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let its_work = worker.ok().and_then(|worker| worker.stdout);
    drop(its_work.map(|mut output| output.read_to_end(&mut Vec::new())));
    good(run);
}

pub(super) fn child_that_is_waited_for(run: &mut Run) {
    drop(child(WORK).and_then(|mut child| child.wait()));
    good(run);
}

pub(super) fn crash(_: &mut Run) {
    // The first one takes away what Rust has to say of it.
    let _ = (raise(Signal::SIGSEGV), raise(Signal::SIGSEGV));
}

pub(super) fn killed(_: &mut Run) {
    let _ = raise(Signal::SIGKILL);
}

pub(super) fn memory(_: &mut Run) {
    say(HELLO);
    let _ = setrlimit(Resource::RLIMIT_AS, 1 << 28, 1 << 28);
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 16 << 20]);
    }
}

pub(super) fn brief(run: &mut Run) {
    drop(child("sleep 3600 & sleep 3600"));
    say(HELLO);
    let start = Instant::now();
    thread::sleep(Duration::from_millis(20));
    run.predict(0.0);
    finish_with(&format!(r#""seconds": {}"#, start.elapsed().as_secs_f64()));
}
