//! `cargo xtask kernels`: what every CUDA kernel takes on each kind of device; none needs to be here.

use std::{collections::BTreeMap, path::Path, process::ExitCode, thread};

use anyhow::{Context as _, Result, anyhow, bail};
use comfy_table::{Table, presets};
use modality_nvcc::{ARCHITECTURES, Nvcc, Usage};

use crate::{cargo, program::Program, show};

/// What a function takes on devices of one architecture.
struct Taken {
    /// File and function.
    name: String,
    architecture: u32,
    usage: Usage,
}

pub(crate) fn run() -> Result<ExitCode> {
    check(&Nvcc::at(Program::build()?.setup("nvcc")?)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Compiles every kernel for every architecture and prints what they take.
///
/// # Errors
/// Where one does not compile, is warned of, or uses local memory: registers that are spilled, or arrays that are indexed at run time.
pub(crate) fn check(nvcc: &Nvcc) -> Result<()> {
    let taken = measure(&cargo::root().join("kernels"), nvcc)?;
    show(&format!("{}\n", table(&taken)));
    let wrong = wrong(&taken);
    if wrong.is_empty() { Ok(()) } else { bail!("local memory is used by {}", wrong.join(", ")) }
}

/// All functions on all architectures, each of which has a thread.
fn measure(folder: &Path, nvcc: &Nvcc) -> Result<Vec<Taken>> {
    thread::scope(|scope| {
        let measure = |architecture| scope.spawn(move || measure_on(architecture, folder, nvcc));
        let mut taken = Vec::new();
        for thread in ARCHITECTURES.map(measure) {
            taken.extend(thread.join().map_err(|_| anyhow!("a thread that compiles panicked"))??);
        }
        Ok(taken)
    })
}

fn measure_on(architecture: u32, folder: &Path, nvcc: &Nvcc) -> Result<Vec<Taken>> {
    let scratch = tempfile::tempdir().context("cannot make a folder to compile in")?;
    let mut taken = Vec::new();
    for file in modality_nvcc::kernels(folder)? {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        for usage in nvcc.usage(&file, architecture, scratch.path())? {
            let name = format!("{stem}: {}", usage.function);
            taken.push(Taken { name, architecture, usage });
        }
    }
    Ok(taken)
}

/// A line a function, a column an architecture.
fn table(taken: &[Taken]) -> String {
    let mut lines = BTreeMap::<&str, BTreeMap<u32, String>>::new();
    for Taken { name, architecture, usage } in taken {
        lines.entry(name).or_default().insert(*architecture, cell(usage));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let architectures = ARCHITECTURES.map(|architecture| format!("sm_{architecture}"));
    table.set_header([&["kernel".to_owned()], &architectures[..]].concat());
    for (name, cells) in lines {
        let cells = ARCHITECTURES.map(|code| cells.get(&code).cloned().unwrap_or_default());
        table.add_row([&[name.to_owned()], &cells[..]].concat());
    }
    format!(
        "Registers of a thread; static shared memory of a block; local memory, which none should use\n\n{table}"
    )
}

fn cell(usage: &Usage) -> String {
    let registers = usage.registers.map(|count| count.to_string()).unwrap_or_default();
    let shared = if usage.shared == 0 { String::new() } else { format!("; {} B", usage.shared) };
    format!(
        "{registers}{shared}{}",
        local(usage).map(|local| format!("; {local}")).unwrap_or_default()
    )
}

/// What there is in local memory.
fn local(usage: &Usage) -> Option<String> {
    let Usage { stack, spill_stores, spill_loads, .. } = usage;
    (!usage.keeps_off_local_memory())
        .then(|| format!("stack {stack} B, spills {spill_stores} + {spill_loads} B"))
}

fn wrong(taken: &[Taken]) -> Vec<String> {
    let sentence = |Taken { name, architecture, usage }: &Taken| {
        Some(format!("{name} on sm_{architecture} ({})", local(usage)?))
    };
    taken.iter().filter_map(sentence).collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use modality_testing::Programs;

    use super::*;

    /// Of one kernel, which spills on one architecture.
    const SCRIPT: &str = "case \"$*\" in\n\
        *--version*) echo 'Cuda compilation tools, release 13.0, V13.0.88'; exit;;\n\
        *sm_80*) spilled=4;;\n\
        *) spilled=0;;\n\
        esac\n\
        echo \"ptxas info    : Compiling entry function 'scale' for 'sm'\n\
        ptxas info    : Function properties for scale\n\
        $spilled bytes stack frame, $spilled bytes spill stores, 0 bytes spill loads\n\
        ptxas info    : Used 40 registers, used 1 barriers, 1024 bytes smem\"";

    fn measure_with(script: &str, files: &[&str]) -> Result<Vec<Taken>> {
        let programs = Programs::none().with("nvcc", script);
        for file in files {
            std::fs::write(programs.path().join(file), "").unwrap();
        }
        measure(programs.path(), &Nvcc::at(programs.path().join("nvcc"))?)
    }

    #[test]
    fn a_kernel_that_spills_on_one_architecture_is_named_with_it() {
        let taken = measure_with(SCRIPT, &["b.cu", "device.cuh"]).unwrap();
        let local = "stack 4 B, spills 4 + 0 B";
        assert_eq!(wrong(&taken), [format!("b: scale on sm_80 ({local})")]);
        let shown = table(&taken);
        let line = shown.lines().find(|line| line.contains("b: scale")).unwrap();
        assert_eq!(line.matches("40; 1024 B").count(), ARCHITECTURES.len(), "{shown}");
        assert_eq!(line.matches(local).count(), 1, "{shown}");
    }

    #[test]
    fn a_mistake_is_told_in_nvccs_words() {
        let script = format!("{SCRIPT}\necho 'b.cu(1): error: no' >&2\nexit 1");
        let error = measure_with(&script, &["b.cu"]).err().unwrap();
        assert!(error.to_string().contains("b.cu(1): error: no"), "{error}");
    }
}
