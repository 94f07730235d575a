use super::*;
use modality_protocol::{DeviceId, PROTOCOL, Stage};

fn run_script(script: &str) -> (Outcome, Vec<Event>) {
    run_within(None, script)
}

fn run_within(limit: Option<Duration>, script: &str) -> (Outcome, Vec<Event>) {
    let folder = tempfile::tempdir().unwrap();
    let spec = RunSpec {
        task: Default::default(),
        protocol: PROTOCOL,
        method: "mean".to_owned(),
        params: serde_json::Map::new(),
        dataset: folder.path().to_owned(),
        predictions: folder.path().join("p.npy"),
        device: DeviceId::Cpu,
        threads: 1,
        memory: 1 << 30,
        rehearsal: false,
        seed: 0,
        cells: None,
        fits: vec![vec![0, 1]],
        folds: Vec::new(),
    };
    let runner = Runner {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        folder: folder.path().to_owned(),
    };
    let mut events = Vec::new();
    let log = folder.path().join("log");
    let outcome = run(&runner, &spec, &log, limit, |event| events.push(event.clone()));
    (outcome.unwrap(), events)
}

#[test]
fn visits_of_a_stage_add_up_and_memory_is_read_while_it_lives() {
    let (outcome, events) = run_script(
        r#"read spec; case "$spec" in *'"method":"mean"'*) ;; *) exit 3;; esac
        echo '{"event":"hello","device":"abacus","versions":{"beads":"10"}}'
        echo '{"event":"end","stage":"kernel","seconds":0.015,"peak_rss_mb":7,"flops":2e6}'
        echo '{"event":"end","stage":"solve","seconds":0.04}'
        echo '{"event":"end","stage":"kernel","seconds":0.005,"peak_rss_mb":5,"flops":1e6}'
        echo '{"event":"epoch","fold":"s1","epoch":1,"loss":0.5,"validation_rmse":0.7}'
        echo '{"event":"note","text":"slow"}'
        echo '{"event":"product-rate","gflops":9,"seconds":0.001,"cpu_seconds":0.002}'
        echo '{"event":"done"}'; cat"#,
    );
    assert_eq!(outcome.status, Status::Ok, "{}", outcome.note);
    let time =
        |stage, seconds, peak_rss_mb, flops| StageTime { stage, seconds, peak_rss_mb, flops };
    let wanted =
        [time(Stage::Kernel, 0.02, Some(7.0), Some(3e6)), time(Stage::Solve, 0.04, None, None)];
    assert_eq!(outcome.stages, wanted);
    assert_eq!((outcome.device.as_str(), outcome.note.as_str()), ("abacus", "slow"));
    assert_eq!(outcome.versions["beads"], "10");
    assert!(outcome.usage.peak_rss_mb.is_none_or(|mb| mb > 0.1 && mb < 100.0));
    let epoch = Epoch { fold: "s1".to_owned(), epoch: 1, loss: 0.5, validation_rmse: 0.7 };
    assert_eq!(outcome.epochs, [epoch]);
    assert_eq!(outcome.usage.product_gflops, Some(9.0));
    assert_eq!(events.len(), 8);
}

#[test]
fn what_an_accelerator_takes_is_kept() {
    let (outcome, _) = run_script(
        r#"read spec; echo '{"event":"hello","device":"NVIDIA H200","versions":{}}'
        echo '{"event":"expect","peak_rss_mb":300,"peak_gpu_mb":2048.5}'
        echo '{"event":"gpu-energy","joules":40,"seconds":0.25}'
        echo '{"event":"gpu-memory","peak_mb":1500}'
        echo '{"event":"gpu-energy","joules":2.5,"seconds":0.5}'
        echo '{"event":"gpu-memory","peak_mb":1000}'
        echo '{"event":"product-rate","gflops":9,"seconds":0,"cpu_seconds":0,"matrix_unit_gflops":90}'
        echo '{"event":"done"}'; cat"#,
    );
    assert_eq!(outcome.status, Status::Ok, "{}", outcome.note);
    let usage = outcome.usage;
    assert_eq!((usage.expected_rss_mb, usage.expected_gpu_mb), (Some(300.0), Some(2048.5)));
    assert_eq!((usage.gpu_energy_j, usage.gpu_energy_s), (Some(42.5), Some(0.75)));
    assert_eq!(usage.peak_gpu_mb, Some(1500.0));
    assert_eq!((usage.product_gflops, usage.matrix_unit_gflops), (Some(9.0), Some(90.0)));

    let (outcome, _) = run_script(
        r#"read spec; echo '{"event":"expect","peak_rss_mb":300}'; echo '{"event":"done"}'; cat"#,
    );
    let usage = outcome.usage;
    assert_eq!((usage.expected_rss_mb, usage.expected_gpu_mb), (Some(300.0), None));
    assert_eq!((usage.gpu_energy_j, usage.peak_gpu_mb), (None, None));
}

#[test]
fn every_bad_end_is_a_sentence() {
    for (script, status, wanted) in [
        (
            "echo oh no >&2; exit 7",
            Status::Failed,
            "ended with exit code 7; its last words were `oh no`",
        ),
        ("kill -SEGV $$", Status::Failed, "crashed with signal 11"),
        ("kill -KILL $$", Status::Failed, "was killed, as the system does when memory runs out"),
        (
            r#"echo '{"event":"end","stage":"fit","seconds":900}'; echo '{"event":"done"}'; cat"#,
            Status::Failed,
            "its stages add up to 900.000 s; the process lived",
        ),
        (
            r#"echo '{"event":"product-rate","gflops":1,"seconds":900,"cpu_seconds":0}'; echo '{"event":"done"}'; cat"#,
            Status::Failed,
            "its product rate took 900.000 s; the process lived",
        ),
        ("true", Status::Failed, "ended without saying that it was done"),
        ("echo hi; cat", Status::Failed, "it wrote `hi` to standard output"),
        (r#"echo '{"event":"unavailable","reason":"no GPU"}'"#, Status::Unavailable, "no GPU"),
        (r#"echo '{"event":"failed","reason":"NaN"}'; exit 1"#, Status::Failed, "NaN"),
    ] {
        let (outcome, _) = run_script(script);
        assert_eq!(outcome.status, status, "{script}: {}", outcome.note);
        assert!(outcome.note.contains(wanted), "{}", outcome.note);
    }
}

/// Far more than any of it takes, and far less than a test may hang.
const LONG: Duration = Duration::from_secs(120);

#[test]
fn a_run_that_takes_too_long_is_stopped_with_all_that_it_started() {
    let soon = Some(Duration::from_millis(300));
    for script in
        ["sleep 600 & sleep 600", "while :; do echo '{\"event\":\"note\",\"text\":\"\"}'; done"]
    {
        let start = Instant::now();
        let (outcome, _) = run_within(soon, script);
        assert_eq!(outcome.status, Status::Failed);
        assert!(
            outcome.note.ends_with("it was stopped after 0.3 s, which is all it was given"),
            "{}",
            outcome.note
        );
        assert!(start.elapsed() < LONG);
    }
    assert_eq!(run_within(Some(LONG), r#"echo '{"event":"done"}'; cat"#).0.status, Status::Ok);
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_runner_leaves_behind_is_ended_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("id");
    let start = Instant::now();
    let script = format!("sleep 600 & echo $! >{}; kill -KILL $$", path.display());
    let (outcome, _) = run_script(&script);
    assert!(outcome.note.contains("was killed"), "{}", outcome.note);
    assert!(start.elapsed() < LONG);
    let id = std::fs::read_to_string(path).unwrap();
    while lives(&id) {
        assert!(start.elapsed() < LONG, "it lives on");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there, and not merely waiting to be waited for.
#[cfg(target_os = "linux")]
fn lives(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    !(status.is_empty() || status.contains(") Z "))
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_in_a_session_of_its_own_is_ended_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("id");
    let stray = format!("echo $$ >{}; exec sleep 600", path.display());
    let is_there = std::process::Command::new("setsid").arg("true").status();
    if !is_there.is_ok_and(|status| status.success()) {
        return modality_testing::skip("there is no setsid");
    }
    let wait = format!("while [ ! -s {} ]; do sleep 0.01; done", path.display());
    let (outcome, _) = run_script(&format!("setsid sh -c '{stray}' & {wait}; exit 3"));
    assert!(outcome.note.starts_with("the runner ended with exit code 3"), "{}", outcome.note);
    let id = std::fs::read_to_string(path).unwrap();
    let start = Instant::now();
    while lives(&id) {
        assert!(start.elapsed() < LONG, "it lives on");
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_children_take_counts_also_where_nobody_waits_for_them() {
    // It has had so many hundredths of a second, and 40 MB in a variable.
    const WORK: &str = r#"x=$(head -c 40000000 /dev/zero | tr '\0' x); ticks=0
        while [ $ticks -lt 40 ]; do
            read -r _ _ _ _ _ _ _ _ _ _ _ _ _ user system _ </proc/self/stat; ticks=$((user + system))
        done
        sleep 0.3; : >done"#;
    const UNTIL_DONE: &str = "while [ ! -e done ]; do sleep 0.02; done";
    let run = |script: &str| {
        let script = format!(r#"read spec; {script}; echo '{{"event":"done"}}'; cat"#);
        let (outcome, _) = run_script(&script);
        assert_eq!(outcome.status, Status::Ok, "{}", outcome.note);
        outcome.usage
    };
    let own = run("true").peak_rss_mb.unwrap();
    for script in [
        format!("({WORK}) & wait"),
        format!("({WORK}; sleep 600) & {UNTIL_DONE}"),
        format!("( ({WORK}) & ); {UNTIL_DONE}"),
    ] {
        let usage = run(&script);
        assert!(usage.cpu_s > 0.35, "{script}: {} s of CPU time", usage.cpu_s);
        let peak = usage.peak_rss_mb.unwrap();
        assert!(peak > own + 35.0, "{script}: {peak} MiB where the runner alone takes {own}");
    }
}

#[test]
fn a_flood_is_no_event() {
    let (outcome, _) = run_script("head -c 300000000 /dev/zero; cat");
    assert_eq!(outcome.note, "it wrote a line longer than 1 MiB to standard output");
}

#[test]
fn a_missing_program_is_a_row_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let runner =
        Runner { command: vec!["/no/such/runner".to_owned()], folder: folder.path().to_owned() };
    let spec = RunSpec {
        task: Default::default(),
        protocol: PROTOCOL,
        method: String::new(),
        params: serde_json::Map::new(),
        dataset: PathBuf::new(),
        predictions: PathBuf::new(),
        device: DeviceId::Cpu,
        threads: 1,
        memory: 1 << 30,
        rehearsal: false,
        seed: 0,
        cells: None,
        fits: Vec::new(),
        folds: Vec::new(),
    };
    let outcome = run(&runner, &spec, &folder.path().join("log"), None, |_| ()).unwrap();
    assert_eq!(outcome.status, Status::Unavailable);
    assert!(outcome.note.starts_with("`/no/such/runner` cannot be started"), "{}", outcome.note);
}
