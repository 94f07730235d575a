//! From a backend's name to the command line of its runner, building it if need be.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::Context as _;
use modality_harness::{
    host::Runner,
    record::Status,
    study::{Backend, Backends},
};
use modality_nvcc::Nvcc;
use serde::Deserialize;

use modality_toolchain::{UserError, World, libtorch, nvcc};

/// What a backend may say that it needs: libtorch, without which it is not built; nvcc, which compiles its kernels if
/// it is here, as otherwise they are compiled when they are run.
const LIBTORCH: &str = "libtorch";
const NVCC: &str = "nvcc";

/// What links libtorch, and is selected only where there is one.
const LINKS_LIBTORCH: &str = "backend-torch";

/// All packages, which share what they are made of: cargo compiles it with the features that all packages of a selection
/// ask for, so a smaller selection would compile much of it once more. But for the package that links libtorch, which asks
/// for no other features of what is shared, the default members of the workspace, of which `cargo xtask` is built, are
/// the same.
const ALL: &str = "--workspace";
const WITHOUT_LIBTORCH: [&str; 2] = ["--exclude", LINKS_LIBTORCH];

/// Programs that are wanted beside a runner.
pub(crate) const BESIDE: [(&str, &str); 1] = [("backend-cuda", "gpu-check")];

/// How runners are built: as this program is, so that what checks itself as it goes does so throughout. Beside tests, with
/// the features that tests (and examples) ask for: then both share what is built.
const HOW: &[&str] = if cfg!(debug_assertions) { &["--examples"] } else { &["--release"] };

/// Runners that are there already, in the root of a folder without sources.
pub(crate) const PREBUILT: &str = "runners";

/// A runner, or why there is none.
pub(crate) type Ready = Result<Runner, Missing>;

/// Why a backend cannot run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// `Unavailable` where the machine lacks something, `Failed` where something broke.
    pub(crate) status: Status,
    /// One sentence.
    pub(crate) reason: String,
}

/// Makes runners; what several of them need is made ready once.
struct Workbench<'a> {
    world: &'a World,
    /// With which runners are built beside the usual ones.
    feature: Option<&'static str>,
    libtorch: OnceCell<Result<libtorch::Kit, Missing>>,
    /// How runners that are there already load libtorch.
    loaded: OnceCell<Result<(&'static str, OsString), String>>,
    nvcc: OnceCell<Option<Nvcc>>,
}

/// Makes the runners of `names` ready; those that have to be built, by one call of cargo.
///
/// # Errors
/// [`UserError`] for a backend that needs what is not known here.
pub(crate) fn ready<'a>(
    world: &World,
    backends: &Backends,
    names: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<BTreeMap<String, Ready>> {
    ready_with(world, backends, names, None)
}

/// [`ready`], built with this feature of the workspace's more.
///
/// # Errors
/// As [`ready`].
pub(crate) fn ready_with<'a>(
    world: &World,
    backends: &Backends,
    names: impl IntoIterator<Item = &'a str>,
    feature: Option<&'static str>,
) -> anyhow::Result<BTreeMap<String, Ready>> {
    let (libtorch, loaded, nvcc) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
    let workbench = Workbench { world, feature, libtorch, loaded, nvcc };
    let mut wanted = BTreeMap::new();
    for name in names {
        let backend =
            backends.get(name).with_context(|| format!("there is no backend `{name}`"))?;
        wanted.insert(name, backend);
    }
    workbench.runners(&wanted)
}

/// Builds a program of this workspace that links no libtorch.
///
/// # Errors
/// [`UserError`] if it does not build; cargo says why.
pub(crate) fn program(world: &World, name: &'static str) -> anyhow::Result<PathBuf> {
    let names = BTreeSet::from([name]);
    let arguments = arguments(&names, None);
    let mut built = build(world.cargo(), world.progress.is_quiet(), &arguments, &names)?;
    let program = built.remove(name).expect("it was asked for");
    program.map_err(|missing| UserError(missing.reason).into())
}

impl Missing {
    fn unavailable(reason: impl Into<String>) -> Self {
        Self { status: Status::Unavailable, reason: reason.into() }
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self { status: Status::Failed, reason: reason.into() }
    }
}

impl Workbench<'_> {
    fn runners(
        &self,
        wanted: &BTreeMap<&str, &Backend>,
    ) -> anyhow::Result<BTreeMap<String, Ready>> {
        let mut cargo = self.world.cargo();
        let (mut ready, mut packages) = (BTreeMap::new(), BTreeMap::new());
        for (&name, backend) in wanted {
            let package = backend.package.as_deref();
            let needs = backend.needs.as_deref();
            let runner = match package.and_then(|package| self.prebuilt(package, needs)) {
                Some(prebuilt) => prebuilt,
                None => match (self.equip(&mut cargo, name, needs)?, package) {
                    (Err(missing), _) => Err(missing),
                    (Ok(()), Some(package)) => {
                        packages.insert(name, package);
                        continue;
                    }
                    (Ok(()), None) => self.runner_by(backend.command.clone()),
                },
            };
            ready.insert(name.to_owned(), runner);
        }
        let names: BTreeSet<&str> = packages.values().copied().collect();
        let quiet = self.world.progress.is_quiet();
        let built = build(cargo, quiet, &arguments(&names, self.feature), &names)?;
        for (name, package) in packages {
            let binary = built[package].clone();
            let runner =
                binary.and_then(|binary| self.runner_by(Some(vec![binary.display().to_string()])));
            ready.insert(name.to_owned(), runner);
        }
        Ok(ready)
    }

    fn runner_by(&self, command: Option<Vec<String>>) -> Ready {
        let nothing = || Missing::failed("no runner is named in bench-configs/backends.toml");
        let command = command.ok_or_else(nothing)?;
        Ok(Runner { command, folder: self.world.root.clone() })
    }

    /// The runner of a package where nothing is built, if this is such a place.
    fn prebuilt(&self, package: &str, needs: Option<&str>) -> Option<Ready> {
        let folder = self.world.root.join(PREBUILT);
        let runner = folder.join(package);
        let command = || {
            if !runner.is_file() {
                return Err(Missing::unavailable(format!(
                    "its runner is not among those in {}, and nothing is built there",
                    folder.display()
                )));
            }
            let mut command = Vec::new();
            if needs == Some(LIBTORCH) {
                let found = self.loaded.get_or_init(|| libtorch::at_hand(self.world)?.loaded_by());
                let (variable, path) = found.clone().map_err(Missing::unavailable)?;
                command.extend(["env".to_owned(), format!("{variable}={}", path.display())]);
            }
            command.push(runner.display().to_string());
            Ok(command)
        };
        folder
            .is_dir()
            .then(|| command().map(|command| Runner { command, folder: self.world.root.clone() }))
    }

    /// Has cargo build with what the backend needs, if it needs anything.
    fn equip(
        &self,
        cargo: &mut Command,
        name: &str,
        needs: Option<&str>,
    ) -> anyhow::Result<Result<(), Missing>> {
        match needs {
            None => {}
            Some(LIBTORCH) => {
                let make = || libtorch::kit(self.world).map_err(Missing::unavailable);
                match self.libtorch.get_or_init(make) {
                    Ok(kit) => kit.offer_to(cargo),
                    Err(missing) => return Ok(Err(missing.clone())),
                }
            }
            Some(NVCC) => {
                let nvcc = self.nvcc.get_or_init(|| nvcc::at_hand(self.world));
                nvcc::offer(nvcc.as_ref(), cargo);
            }
            Some(other) => {
                return Err(UserError(format!(
                    "bench-configs/backends.toml: backend `{name}` needs `{other}`, which is not known; `{LIBTORCH}` and \
                     `{NVCC}` are"
                ))
                .into());
            }
        }
        Ok(Ok(()))
    }
}

/// Builds packages, and finds their binaries; one that does not build keeps none of the others from it. Cargo's own progress
/// goes to standard error.
fn build<'a>(
    mut cargo: Command,
    is_quiet: bool,
    arguments: &[&str],
    packages: &BTreeSet<&'a str>,
) -> anyhow::Result<BTreeMap<&'a str, Result<PathBuf, Missing>>> {
    if packages.is_empty() {
        return Ok(BTreeMap::new());
    }
    let output = cargo
        .args(arguments)
        .args(["--message-format", "json-render-diagnostics"])
        .args(is_quiet.then_some("--quiet"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    let mut binaries: BTreeMap<String, PathBuf> = artifacts
        .filter_map(|artifact| Some((artifact.target?.name, artifact.executable?)))
        .collect();
    let failed = || match output.status.success() {
        true => Missing::failed("cargo named no binary of the package's name"),
        false => Missing::failed(format!("`cargo {}` failed", arguments.join(" "))),
    };
    let binary = |package: &&'a str| (*package, binaries.remove(*package).ok_or_else(failed));
    Ok(packages.iter().map(binary).collect())
}

/// For cargo.
fn arguments<'a>(packages: &BTreeSet<&'a str>, feature: Option<&'a str>) -> Vec<&'a str> {
    let without: &[&str] = if packages.contains(LINKS_LIBTORCH) { &[] } else { &WITHOUT_LIBTORCH };
    let beside = BESIDE.into_iter().filter(|(runner, _)| packages.contains(runner));
    let binaries = packages.iter().copied().chain(beside.map(|(_, program)| program));
    let binaries = binaries.flat_map(|binary| ["--bin", binary]);
    let parts = [&["build", "--keep-going"], HOW, &[ALL], without];
    let feature = feature.into_iter().flat_map(|feature| ["--features", feature]);
    parts.into_iter().flatten().copied().chain(binaries).chain(feature).collect()
}

/// The part of cargo's messages that says where a binary is.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use modality_protocol::DeviceId;

    fn backend(package: Option<&str>, needs: Option<&str>) -> Backend {
        let package = package.map(str::to_owned);
        Backend {
            methods: vec!["m".to_owned()],
            command: package.is_none().then(|| vec!["program".to_owned()]),
            package,
            device: DeviceId::Cpu,
            needs: needs.map(str::to_owned),
        }
    }

    fn with_workbench<T>(act: impl FnOnce(&Workbench<'_>) -> T) -> T {
        in_root(env!("CARGO_MANIFEST_DIR"), act)
    }

    fn in_root<T>(root: impl Into<PathBuf>, act: impl FnOnce(&Workbench<'_>) -> T) -> T {
        let root = root.into();
        let world = World::new(root, true, true);
        let libtorch = OnceCell::from(Err(Missing::unavailable("no libtorch")));
        let loaded = OnceCell::from(Ok(("LOADER", "/torch/lib".into())));
        act(&Workbench {
            world: &world,
            feature: None,
            libtorch,
            loaded,
            nvcc: OnceCell::from(None),
        })
    }

    fn runner(backend: &Backend) -> anyhow::Result<Ready> {
        with_workbench(|workbench| runner_of(workbench, backend))
    }

    fn runner_of(workbench: &Workbench<'_>, backend: &Backend) -> anyhow::Result<Ready> {
        let wanted = BTreeMap::from([("b", backend)]);
        Ok(workbench.runners(&wanted)?.remove("b").unwrap())
    }

    #[test]
    fn what_is_lacking_concerns_only_those_who_need_it() {
        let ready = runner(&backend(None, None)).unwrap().unwrap();
        assert_eq!(ready.command, ["program"]);
        for package in [None, Some("backend-torch")] {
            let missing = runner(&backend(package, Some(LIBTORCH))).unwrap();
            assert_eq!(missing.unwrap_err(), Missing::unavailable("no libtorch"));
        }
    }

    #[test]
    fn a_backend_is_built_without_nvcc_and_then_by_none_that_a_variable_names() {
        assert!(runner(&backend(None, Some(NVCC))).unwrap().is_ok());
        let mut cargo = Command::new("cargo");
        with_workbench(|workbench| workbench.equip(&mut cargo, "b", Some(NVCC))).unwrap().unwrap();
        let told: Vec<_> = cargo.get_envs().collect();
        assert_eq!(told, [("MODALITY_NVCC".as_ref(), None)]);
    }

    #[test]
    fn where_there_are_runners_nothing_is_built() {
        let root = tempfile::tempdir().unwrap();
        let runners = root.path().join(PREBUILT);
        std::fs::create_dir(&runners).unwrap();
        std::fs::write(runners.join("backend-x"), "").unwrap();
        let runner = |package, needs| {
            let backend = backend(package, needs);
            in_root(root.path(), |workbench| runner_of(workbench, &backend)).unwrap()
        };
        let program = runners.join("backend-x").display().to_string();
        let ready = runner(Some("backend-x"), None).unwrap();
        assert_eq!(ready.command, [program.as_str()]);
        let ready = runner(Some("backend-x"), Some(LIBTORCH)).unwrap();
        assert_eq!(ready.command, ["env", "LOADER=/torch/lib", &program]);
        let missing = runner(Some("backend-y"), None).unwrap_err();
        assert_eq!(missing.status, Status::Unavailable);
        assert!(missing.reason.contains("nothing is built there"), "{}", missing.reason);
        assert_eq!(runner(None, None).unwrap().command, ["program"]);
    }

    #[test]
    fn one_call_builds_all_and_leaves_libtorch_out_where_nobody_links_it() {
        let said = |packages: &[&'static str]| {
            let said = arguments(&packages.iter().copied().collect(), None).join(" ");
            said.split_once(ALL).unwrap().1.trim().to_owned()
        };
        assert_eq!(said(&["backend-linfa"]), "--exclude backend-torch --bin backend-linfa");
        assert_eq!(
            said(&["backend-torch", "backend-cuda"]),
            "--bin backend-cuda --bin backend-torch --bin gpu-check"
        );
    }

    #[test]
    fn an_unknown_need_is_a_mistake() {
        let error = runner(&backend(None, Some("libtorhc"))).unwrap_err();
        assert!(error.is::<UserError>() && error.to_string().contains("`libtorhc`"), "{error}");
    }

    #[test]
    fn a_build_that_fails_is_a_failure() {
        let missing = runner(&backend(Some("no-such-package"), None)).unwrap();
        let Missing { status, reason } = missing.unwrap_err();
        assert_eq!(status, Status::Failed);
        assert!(reason.contains("--bin no-such-package` failed"), "{reason}");
    }
}
