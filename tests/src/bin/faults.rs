//! `faults PROGRAM BACKEND KILLS SEED OUT`: the fault campaign, as `cargo xtask faults` calls it.

use std::{path::Path, process::ExitCode};

use end_to_end::faults::{self, Campaign, Group};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [program, backend, kills, seed, out] = words.as_slice() else {
        eprintln!("faults PROGRAM BACKEND KILLS SEED OUT; `cargo xtask faults` calls it");
        return ExitCode::from(2);
    };
    let (Ok(kills), Ok(seed)) = (kills.parse(), seed.parse()) else {
        eprintln!("KILLS and SEED are whole numbers");
        return ExitCode::from(2);
    };
    let (program, backend) = (Path::new(program), Path::new(backend));
    // A disk is filled for every fourth kill.
    let campaign = Campaign { program, backend, seed, kills, sizes: kills / 4 };
    match run(&campaign, Path::new(out)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all was as it should be.
fn run(campaign: &Campaign<'_>, out: &Path) -> std::io::Result<bool> {
    let mut groups = faults::run(campaign, |line| eprintln!("{line}"))?;
    groups.push(faults::manners(campaign)?);
    println!("{}", faults::write(out, campaign.seed, &groups)?);
    Ok(groups.iter().flat_map(Group::wrong).next().is_none())
}
