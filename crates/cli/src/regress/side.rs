//! One of the two sides: its programs, built and put into a folder of their own, its data and its plan.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow, bail};
use modality_compare::{Measured, Quantity};
use modality_harness::{
    bench::{Bench, Output, Patience},
    environment::Environment,
    host::Runner,
    plan::{Plan, PlannedRow, Repeat},
    record::{RunRecord, Status},
    study::{self, Backends, Row, STUDIES, Study},
};
use modality_protocol::{clock::cpu_seconds, group};
use modality_toolchain::{UserError, World, cache::Cache, libtorch};
use nix::sys::resource::UsageWho;

use super::Settings;
use crate::{
    datasets::{self, Catalogue, Request},
    portable::{self, PROGRAM},
    root::CONFIGS,
    runners,
};

/// What a data set is kept in by each program of this project.
const CACHE: &str = "MODALITY_BENCH_CACHE";

/// A folder that stands in for the checkout that its programs were built from.
pub(super) struct Side {
    /// `base` or `head`.
    pub(super) name: &'static str,
    /// What it was built from.
    pub(super) commit: String,
    folder: PathBuf,
    world: World,
}

/// Where the source of a side lies, and the program if it is built already.
pub(super) struct Source<'a> {
    pub(super) name: &'static str,
    pub(super) root: &'a Path,
    pub(super) commit: String,
    pub(super) program: Option<PathBuf>,
    /// Where cargo leaves what it builds, if not where it would.
    pub(super) target: Option<PathBuf>,
}

impl Source<'_> {
    /// Builds what the rows need, and gathers it in `folder` with all that it reads. Rows whose backends the source does not have
    /// are left out. Says whether all others could be had.
    pub(super) fn build(
        &self,
        world: &World,
        settings: &Settings<'_>,
        folder: &Path,
    ) -> Result<bool> {
        let Self { name, root, commit, program, target } = self;
        let mut at_source =
            World::new(root.to_path_buf(), world.progress.is_quiet(), world.network.is_offline());
        at_source.target = target.clone();
        let built = |error: anyhow::Error| error.context(format!("{name}, {commit:.12}"));
        let program = match program {
            Some(program) => program.clone(),
            None => runners::program(&at_source, PROGRAM).map_err(built)?,
        };
        let backends = study::load_backends(&root.join(CONFIGS)).map_err(|e| built(e.into()))?;
        let mut taken = vec![(program, PathBuf::from(PROGRAM))];
        let wanted = settings.rows.iter().filter(|row| has(&backends, row));
        let wanted = wanted.map(|row| row.backend.as_str());
        let features = settings.features_of(name);
        let mut is_whole = true;
        for (backend, ready) in runners::ready_with(&at_source, &backends, wanted, features)? {
            match ready {
                Ok(runner) if backends[&backend].package.is_some() => {
                    taken.extend(portable::runner(&runner));
                }
                Ok(_) => {}
                Err(missing) if missing.status == Status::Unavailable => {
                    is_whole = false;
                    world.progress.say(&format!("{name}: backend `{backend}`: {}", missing.reason));
                }
                Err(missing) => {
                    let reason = missing.reason;
                    let what = format!("{name}, {commit:.12}: backend `{backend}`: {reason}");
                    return Err(UserError(what).into());
                }
            }
        }
        for (from, to) in taken.iter().chain(&portable::files(root)?) {
            portable::copy(from, &folder.join(to))?;
        }
        Ok(is_whole)
    }
}

impl Side {
    /// Of what was built into `folder`, which is asked the same as the other side.
    pub(super) fn new(
        world: &World,
        name: &'static str,
        commit: String,
        study: &Study,
        settings: &Settings<'_>,
        folder: PathBuf,
    ) -> Result<Self> {
        let configs = folder.join(CONFIGS);
        let backends = study::load_backends(&configs)?;
        let rows: Vec<&Row> = settings.rows.iter().filter(|row| has(&backends, row)).collect();
        if rows.is_empty() {
            let what =
                format!("{name}, {commit:.12}, has none of the rows that are to be compared");
            return Err(UserError(what).into());
        }
        write_study(&world.root.join(CONFIGS), &configs, &study.name, &rows)?;
        let world = World::new(folder.clone(), true, world.network.is_offline());
        Ok(Self { name, commit, folder, world })
    }

    /// What the rows' own program makes of them, run once: the plan with its data and hyperparameters, and the records, which are
    /// not counted.
    pub(super) fn rehearse(&self, settings: &Settings<'_>) -> Result<(Plan, Vec<RunRecord>)> {
        let output = Output::new(self.folder.join("first"));
        settings.link_published(&self.folder.join("cache"))?;
        let limits = settings.limits;
        let mut command = self.command(&self.folder.join("cache"))?;
        command.args(["reproduce", "--study", &settings.study]);
        command.args(["--repeats", &settings.first.to_string()]);
        command.args(["--threads", &limits.threads.to_string()]);
        command.args(["--memory", &(limits.memory as f64 / (1u64 << 30) as f64).to_string()]);
        command.arg("--out").arg(output.root());
        let ended = command.stdout(Stdio::null()).stderr(Stdio::piped()).output();
        let ended = ended.with_context(|| format!("{} cannot be started", self.name))?;
        let said = || anyhow!("{}: {}", self.name, last_words(&ended.stderr));
        if !output.plan().exists() {
            return Err(said());
        }
        let (plan, records) =
            (Plan::load(&output.plan())?, RunRecord::load_all(&output.records())?);
        // It may have been ended in the middle.
        if records.len() < plan.rows.len() * plan.repeats.len() {
            return Err(said());
        }
        Ok((plan, records))
    }

    /// The random choices of as many repeats as there may be pairs.
    pub(super) fn repeats(&self, plan: &Plan, settings: &Settings<'_>) -> Result<Vec<Repeat>> {
        let configs = self.folder.join(CONFIGS);
        let task = Some(plan.dataset.task);
        let mut study =
            Study::load(&configs, &settings.study, task, &study::load_backends(&configs)?)?;
        study.repeats = settings.rules.looks.last().copied().unwrap_or(1);
        let rows = study.rows.clone();
        Ok(Plan::draw(&study, &rows, &self.data(plan)?, settings.limits)?.repeats)
    }

    /// Where runs of the side are made by this program, as its own plan says, with the random choices of all repeats.
    pub(super) fn bench(
        &self,
        plan: &Plan,
        repeats: &[Repeat],
        environment: &Environment,
        patience: Patience,
    ) -> Result<Bench> {
        let data = self.data(plan)?;
        let output = Output::new(self.folder.join("samples"));
        output.create()?;
        let plan = Plan { repeats: repeats.to_vec(), ..plan.clone() };
        let environment = Environment { git_commit: self.commit.clone(), ..environment.clone() };
        Ok(Bench::open(plan, &data, output, environment)?.with_patience(patience))
    }

    /// How each backend of the plan is run.
    pub(super) fn runners(
        &self,
        plan: &Plan,
        planted: Option<&str>,
    ) -> Result<BTreeMap<String, Runner>> {
        let backends = study::load_backends(&self.folder.join(CONFIGS))?;
        let names = plan.rows.iter().map(|row| row.backend.as_str());
        let ready = runners::ready(&self.world, &backends, names)?;
        let ready = ready.into_iter().filter_map(|(name, ready)| Some((name, ready.ok()?)));
        let with = |mut runner: Runner| {
            if let Some(planted) = planted {
                let setting = format!("MODALITY_BENCH_BURN={planted}");
                runner.command.splice(0..0, ["env".to_owned(), setting]);
            }
            runner
        };
        Ok(ready.map(|(name, runner)| (name, with(runner))).collect())
    }

    /// Runs a row, and returns what it took; what it predicted is not kept.
    pub(super) fn sample(
        &self,
        bench: &Bench,
        row: &PlannedRow,
        repeat: usize,
        runner: &Runner,
    ) -> Result<RunRecord> {
        let record = bench.run(row, repeat, runner, |_| ())?;
        let predictions = Output::new(self.folder.join("samples")).predictions();
        let _ = fs::remove_file(predictions.join(format!("{}.npy", record.run.stem())));
        if record.status != Status::Ok {
            bail!("{}: {}: {}: {}", self.name, row.name(), record.status.name(), record.note);
        }
        Ok(record)
    }

    /// Makes the data set ready from nothing but its published files, and returns what that took.
    pub(super) fn prepare(&self, plan: &Plan, settings: &Settings<'_>) -> Result<Measured> {
        let place = tempfile::Builder::new().prefix("prepared-").tempdir_in(&self.folder);
        let place = place.with_context(|| self.folder.display().to_string())?;
        settings.link_published(place.path())?;
        let mut command = self.command(place.path())?;
        command.args(["fetch", &settings.dataset.name, "--task", &plan.dataset.task.to_string()]);
        command.args(settings.dataset.size.iter().flat_map(|size| ["--size", size]));
        let cpu = || cpu_seconds(UsageWho::RUSAGE_CHILDREN);
        let (start, cpu_before) = (Instant::now(), cpu());
        let ended = command.stdout(Stdio::null()).stderr(Stdio::piped()).output();
        let (seconds, cpu_s) = (start.elapsed().as_secs_f64(), cpu() - cpu_before);
        let ended = ended.with_context(|| format!("{} cannot be started", self.name))?;
        if !ended.status.success() {
            bail!("{}: {}", self.name, last_words(&ended.stderr));
        }
        Ok([(Quantity::Total, seconds), (Quantity::Cpu, cpu_s)].into())
    }

    fn data(&self, plan: &Plan) -> Result<PathBuf> {
        let catalogue = Catalogue::load(&self.folder)?;
        let study = Study::load(
            &self.folder.join(CONFIGS),
            &plan.study,
            None,
            &study::load_backends(&self.folder.join(CONFIGS))?,
        )?;
        let request = Request {
            name: &study.dataset.name,
            size: study.dataset.size.as_deref(),
            own: None,
            task: Some(plan.dataset.task),
            usual: plan.dataset.task,
        };
        let cache = Cache::at(self.folder.join("cache"));
        Ok(datasets::ready(&self.world, &catalogue, &request, &cache)?.folder)
    }

    /// Its own program, which keeps data there.
    fn command(&self, cache: &Path) -> Result<Command> {
        let mut command = Command::new(self.folder.join(PROGRAM));
        if let Ok(libtorch) = libtorch::at_hand(&self.world) {
            libtorch.offer_to(&mut command);
        }
        command.arg("--quiet").args(self.world.network.is_offline().then_some("--offline"));
        command.env(CACHE, cache).stdin(Stdio::null());
        group::lead(&mut command);
        Ok(command)
    }
}

/// Whether the backend and its method are there.
fn has(backends: &Backends, row: &Row) -> bool {
    backends.get(&row.backend).is_some_and(|backend| backend.methods.contains(&row.method))
}

/// The study of the working tree, with those of its rows that the side can run: what is asked is the same of both.
fn write_study(from: &Path, to: &Path, name: &str, rows: &[&Row]) -> Result<()> {
    let file = Path::new(STUDIES).join(format!("{name}.toml"));
    let mut table: toml::Table = study::read_toml(&from.join(&file))?;
    let methods: Vec<&str> = rows.iter().map(|row| &*row.method).collect();
    let names = rows.iter().map(|row| toml::Value::String(row.to_string()));
    table.insert("rows".to_owned(), toml::Value::Array(names.collect()));
    for by_method in ["params", "sweep", "folds"] {
        if let Some(toml::Value::Table(of)) = table.get_mut(by_method) {
            of.retain(|method, _| methods.contains(&method));
        }
    }
    let path = to.join(&file);
    let text = toml::to_string(&table).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    fs::write(&path, text).with_context(|| path.display().to_string())
}

/// What a program of this project said of its end.
fn last_words(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    last.trim().trim_start_matches("error: ").to_owned()
}
