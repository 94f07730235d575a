//! Files of both modalities become a [`Pair`]: what each holds, and what is predicted from what.

use std::path::{Path, PathBuf};

use modality_protocol::{Modality, Task};
use serde::{Deserialize, Serialize};

use super::feature::{Feature, FeatureKind};
use super::layout::CiteLayout;
use super::pair::Pair;
use super::place::{Matrix, Place};
use super::table::Table;
use super::words::counted;
use super::{read_modalities, read_table};
use crate::Result;

/// The key of `obsm` in which scvi-tools looks for proteins.
const PROTEINS_IN_OBSM: &str = "protein_expression";

/// Where both modalities are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One file or folder of both.
    One(PathBuf),
    /// A file of the task's input and one of its target; it may be the same, with a place each.
    Two([PathBuf; 2]),
}

/// What is to be predicted from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// This and no other.
    Exactly(Task),
    /// This, where the files can serve it or do not say what they hold; else what they can serve.
    Rather(Task),
}

/// What was read.
pub(super) struct Reading {
    pub(super) pair: Pair,
    pub(super) task: Task,
    /// Where the values stood, and what was taken for what.
    pub(super) remarks: Vec<String>,
}

impl Source {
    /// The files and folders, each once.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::One(path) => vec![path],
            Self::Two([one, other]) if one == other => vec![one],
            Self::Two([one, other]) => vec![one, other],
        }
    }

    pub(super) fn read(&self, layout: &CiteLayout, wanted: Wanted) -> Result<Reading> {
        match self {
            Self::One(path) if layout.places.is_empty() => one(path, layout, wanted),
            Self::One(path) => two([path, path], layout, wanted),
            Self::Two([input, target]) => two([input, target], layout, wanted),
        }
    }
}

impl Wanted {
    fn task(self) -> Task {
        match self {
            Self::Exactly(task) | Self::Rather(task) => task,
        }
    }

    /// The task, where files hold what `holds` says.
    fn among(self, holds: impl Fn(Modality) -> bool) -> Task {
        let can = |task: &Task| holds(task.input) && holds(task.target);
        match self {
            Self::Rather(task) if !can(&task) => Task::ALL.into_iter().find(can).unwrap_or(task),
            Self::Exactly(task) | Self::Rather(task) => task,
        }
    }
}

/// Reads a file of both modalities.
fn one(path: &Path, layout: &CiteLayout, wanted: Wanted) -> Result<Reading> {
    let common = layout.common_place();
    if common.modality.is_none() {
        let names = read_modalities(path)?;
        if !names.is_empty() {
            return mudata(path, &names, &common, wanted);
        }
    }
    let table = read_table(path, &common)?;
    let has =
        |modality| table.features.iter().any(|feature| feature.kind == FeatureKind::Of(modality));
    let task = wanted.among(has);
    let wants_proteins = [task.input, task.target].contains(&Modality::Adt);
    if wants_proteins && !has(Modality::Adt) {
        // The proteins may stand beside the genes.
        let beside = Place::from(Matrix::Obsm(PROTEINS_IN_OBSM.to_owned()));
        if let Ok(proteins) = read_table(path, &beside) {
            let tables = match task.input {
                Modality::Adt => [proteins, table],
                Modality::Gex | Modality::Atac => [table, proteins],
            };
            return join(tables, task);
        }
    }
    let mut modalities = [task.input, task.target];
    modalities.sort_unstable();
    let mut remarks = vec![match &table.place {
        Some(place) => format!("both modalities: `{place}` of the file"),
        None => "both modalities stand in one matrix".to_owned(),
    }];
    let other = table.features.iter().filter(|feature| {
        !modalities.iter().any(|modality| feature.kind == FeatureKind::Of(*modality))
    });
    remarks.extend(left_out(other.count(), modalities));
    remarks.extend(table.notes.iter().cloned());
    Ok(Reading { pair: Pair::from_table(table, modalities)?, task, remarks })
}

/// Reads the two modalities of a MuData file whose names say what they are.
fn mudata(path: &Path, names: &[String], common: &Place, wanted: Wanted) -> Result<Reading> {
    let place =
        |name: &String| Place { modality: Some(name.clone()), matrix: common.matrix.clone() };
    let mut tables =
        names.iter().map(|name| read_table(path, &place(name))).collect::<Result<Vec<_>>>()?;
    let has = |modality| tables.iter().any(|table| table.modality() == Some(modality));
    let task = wanted.among(has);
    let mut take = |modality: Modality| {
        let found = tables.iter().position(|table| table.modality() == Some(modality));
        found.map(|index| tables.swap_remove(index)).ok_or_else(|| {
            super::bad(path, format!(
                "none of its modalities {names:?} says that it is {}; name places, `mod/NAME`, with `--input-at` and \
                 `--target-at` (`places`)",
                modality.words()
            ))
        })
    };
    let tables = [take(task.input)?, take(task.target)?];
    join(tables, task)
}

/// Reads a file of the input and one of the target.
fn two(files: [&Path; 2], layout: &CiteLayout, wanted: Wanted) -> Result<Reading> {
    let Task { input, target } = wanted.task();
    let tables = match [read_place(files[0], layout, input), read_place(files[1], layout, target)] {
        [Ok(input), Ok(target)] => [input, target],
        // A layer of all files is one of those that have layers; of one at least.
        [Ok(input), Err(error)] if input.place.is_some() => {
            [input, read_only_matrix(files[1], layout, target).ok_or(error)?]
        }
        [Err(error), Ok(target)] if target.place.is_some() => {
            [read_only_matrix(files[0], layout, input).ok_or(error)?, target]
        }
        [Err(error), _] | [_, Err(error)] => return Err(error),
    };
    let task = agreed(&tables, wanted)?;
    join(tables, task)
}

fn read_place(path: &Path, layout: &CiteLayout, modality: Modality) -> Result<Table> {
    read_table(path, &layout.place(modality))
}

/// The matrix of a file that has no other, where nothing but a layer of all files is asked for.
fn read_only_matrix(path: &Path, layout: &CiteLayout, modality: Modality) -> Option<Table> {
    if layout.places.contains_key(&modality) {
        return None;
    }
    read_table(path, &Place::default()).ok().filter(|table| table.place.is_none())
}

/// The task that the files of input and target can serve.
fn agreed(tables: &[Table; 2], wanted: Wanted) -> Result<Task> {
    let said = [0, 1].map(|i| tables[i].modality());
    match wanted {
        Wanted::Exactly(Task { input, target }) if said == [Some(target), Some(input)] => {
            let (here, there) = (target.words(), input.words());
            let reverse = Task { input: target, target: input };
            Err(tables[0].error(format!(
                "holds {here}, and {} {there}, the other way round than task {}: exchange the two files, or say \
                 `--task {reverse}`",
                tables[1].path.display(),
                wanted.task()
            )))
        }
        Wanted::Exactly(task) => Ok(task),
        Wanted::Rather(task) => {
            let fits = |task: &Task| {
                let of = [task.input, task.target];
                said.iter().zip(of).all(|(said, of)| said.is_none_or(|said| said == of))
            };
            let known = || Task::ALL.into_iter().find(fits);
            Ok(if fits(&task) { task } else { known().unwrap_or(task) })
        }
    }
}

fn join(tables: [Table; 2], task: Task) -> Result<Reading> {
    let modalities = [task.input, task.target];
    let of = || tables.iter().zip(modalities);
    let stands: Vec<String> = of()
        .map(|(table, modality)| format!("{}: {}", modality.words(), where_it_stands(table)))
        .collect();
    let mut remarks = vec![stands.join("; ")];
    let says = |feature: &Feature| feature.kind != FeatureKind::Unknown;
    for (table, modality) in of() {
        if table.modality().is_none() && !table.features.iter().any(says) {
            remarks.push(format!(
                "{} does not say what it holds: taken for {}, as task {task} has it",
                where_it_stands(table),
                modality.words()
            ));
        }
        let is_other =
            |feature: &&Feature| says(feature) && feature.kind != FeatureKind::Of(modality);
        let other = table.features.iter().filter(is_other);
        remarks.extend(left_out(other.count(), [modality; 2]));
        remarks
            .extend(table.notes.iter().map(|note| format!("{}: {note}", where_it_stands(table))));
    }
    Ok(Reading { pair: Pair::from_tables(tables, modalities)?, task, remarks })
}

fn where_it_stands(table: &Table) -> String {
    let name = table.path.file_name().unwrap_or(table.path.as_os_str()).display();
    match &table.place {
        Some(place) => format!("`{place}` of `{name}`"),
        None => format!("`{name}`"),
    }
}

fn left_out(features: usize, [one, other]: [Modality; 2]) -> Option<String> {
    let what = if one == other {
        one.features().to_owned()
    } else {
        format!("{} or {}", one.features(), other.features())
    };
    (features > 0).then(|| {
        format!("{} left out, not being {what}", counted(features, "feature is", "features are"))
    })
}
