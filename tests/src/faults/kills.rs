//! The program or a runner killed at some moment of a study.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{Child, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use modality_harness::record::Status;
use rand::Rng;

use super::{Group, RUNS, STUDY, Trial, go_on, scored};
use crate::arena::{Arena, kill, whole_records};

/// Kills as many processes as are wanted, the program and runners in turn, at moments of a study that takes `whole`.
pub(super) fn run(
    arena: &Arena,
    kills: u32,
    whole: Duration,
    rng: &mut impl Rng,
    watch: &mut impl FnMut(&str),
) -> io::Result<[Group; 2]> {
    let mut of_program = Group { what: "program killed", trials: Vec::new() };
    let mut of_runner = Group { what: "runner killed", trials: Vec::new() };
    for number in 0..kills {
        let at = whole.mul_f64(rng.gen_range(0.0..1.0));
        let out = arena.folder().join(format!("killed-{number}"));
        let said = arena.folder().join(format!("killed-{number}.log"));
        let mut program = arena.reproduce(STUDY, &out);
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
        let program = program.spawn()?;
        thread::sleep(at);
        let (group, came) = match number % 2 {
            0 => (&mut of_program, program_killed(arena, program, &out, &said)),
            _ => (&mut of_runner, runner_killed(arena, program, &out)),
        };
        let what = format!("after {:.3} s", at.as_secs_f64());
        let fault = came.and_then(|()| go_on(arena, &out)).err();
        watch(&format!("{}, {what}: {}", group.what, fault.as_deref().unwrap_or("good")));
        group.trials.push(Trial { what, fault });
        fs::remove_dir_all(&out)?;
    }
    Ok([of_program, of_runner])
}

fn program_killed(
    arena: &Arena,
    mut program: Child,
    out: &Path,
    said: &Path,
) -> Result<(), String> {
    kill(program.id());
    program.wait().map_err(|error| error.to_string())?;
    arena.is_left()?;
    let said = fs::read_to_string(said).map_err(|error| error.to_string())?;
    let told = said.lines().filter(|line| line.contains(": RMSE ")).count();
    let kept = scored(out)?.len();
    if kept < told { Err(format!("{told} runs were told of, {kept} were kept")) } else { Ok(()) }
}

/// The first runner that there is from now on; none where the study has come to its end.
fn runner_killed(arena: &Arena, mut program: Child, out: &Path) -> Result<(), String> {
    let mut ended = || program.try_wait().map_err(|error| error.to_string());
    loop {
        if let Some(runner) = arena.backends().first() {
            kill(*runner);
            break;
        }
        if ended()?.is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let status = program.wait().map_err(|error| error.to_string())?;
    arena.is_left()?;
    judge(status, out)
}

/// One run at most has failed, and says why; the program says so too.
fn judge(status: ExitStatus, out: &Path) -> Result<(), String> {
    let records = whole_records(out)?;
    let failed: Vec<&str> = records
        .iter()
        .filter(|record| record.status != Status::Ok)
        .map(|record| record.note.as_str())
        .collect();
    let is_true = |note: &&str| note.contains("was killed");
    match (status.code(), failed.as_slice()) {
        _ if records.len() != RUNS => Err(format!("{} of {RUNS} records", records.len())),
        // It was done before it was killed.
        (Some(0), []) => Ok(()),
        (Some(1), [note]) if is_true(note) => Ok(()),
        (_, notes) => Err(format!("{status}; failed: {}", notes.join(", "))),
    }
}
