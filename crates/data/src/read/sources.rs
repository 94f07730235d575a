//! Files of both modalities become a [`Pair`]: what each holds, and what is predicted from what.

use std::path::{Path, PathBuf};

use modality_protocol::{Modality, Task};
use serde::{Deserialize, Serialize};

use super::layout::CiteLayout;
use super::pair::Pair;
use super::place::{Matrix, Place};
use super::table::{FeatureKind, Table};
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
    let tables =
        [read_table(files[0], &layout.place(input))?, read_table(files[1], &layout.place(target))?];
    let task = match (wanted, [0, 1].map(|i| tables[i].modality())) {
        (Wanted::Exactly(task), said) => {
            if said == [Some(task.target), Some(task.input)] {
                return Err(tables[0].error(format!(
                    "holds {} and {} {}, the other way round than task {task}: exchange the two files, or say `--task {}`",
                    target.words(), tables[1].path.display(), input.words(),
                    Task { input: target, target: input }
                )));
            }
            task
        }
        (Wanted::Rather(task), said) => {
            let fits = |task: &Task| {
                let of = [task.input, task.target];
                said.iter().zip(of).all(|(said, of)| said.is_none_or(|said| said == of))
            };
            if fits(&task) { task } else { Task::ALL.into_iter().find(fits).unwrap_or(task) }
        }
    };
    join(tables, task)
}

fn join(tables: [Table; 2], task: Task) -> Result<Reading> {
    let modalities = [task.input, task.target];
    let mut remarks = Vec::new();
    let stands: Vec<String> = tables
        .iter()
        .zip(modalities)
        .map(|(table, modality)| where_it_stands(table, modality))
        .collect();
    remarks.push(stands.join("; "));
    for (table, modality) in tables.iter().zip(modalities) {
        let says = |feature: &super::table::Feature| feature.kind != FeatureKind::Unknown;
        if table.modality().is_none() && !table.features.iter().any(says) {
            let (words, name) = (modality.words(), file_name(&table.path));
            remarks.push(format!(
                "`{name}` does not say what it holds: taken for {words}, as task {task} has it"
            ));
        }
        let other = table
            .features
            .iter()
            .filter(|feature| says(feature) && feature.kind != FeatureKind::Of(modality));
        remarks.extend(left_out(other.count(), [modality; 2]));
    }
    Ok(Reading { pair: Pair::from_tables(tables, modalities)?, task, remarks })
}

fn where_it_stands(table: &Table, modality: Modality) -> String {
    let (words, name) = (modality.words(), file_name(&table.path));
    match &table.place {
        Some(place) => format!("{words}: `{place}` of `{name}`"),
        None => format!("{words}: `{name}`"),
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

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).display().to_string()
}
