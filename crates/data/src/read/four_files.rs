//! The competition's four files: each half and each modality in its own AnnData file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use modality_protocol::{Modality, Task};

use super::cite::{make_values, told};
use super::labels::LabelColumns;
use super::layout::{CiteLayout, Stored};
use super::pair::Pair;
use super::recognise::visible;
use super::table::Table;
use super::words::sentence;
use super::{bad, read_table};
use crate::sums::file_sum;
use crate::{Dataset, Provenance, Result, Split};

/// Reads a folder with one file each of `*train_mod1*.h5ad`, `*train_mod2*.h5ad`, `*test_mod1*.h5ad` and
/// `*test_mod2*.h5ad`. What they are of they say themselves, feature by feature or in `uns/modality`; where they do not,
/// they are the task's input and target. Without a task the second modality is predicted from the first.
///
/// The files are the halves. Unless the layout says otherwise, values are taken as stored, the batch is `obs/batch`, and
/// site and donor come from batches like `s1d2`. Cells and features in another order are put right by their names.
///
/// # Errors
/// [`Error`] as a sentence that names the file and what would be right.
pub fn read_four_files(
    dir: &Path,
    name: &str,
    layout: &CiteLayout,
    task: Option<Task>,
) -> Result<Dataset> {
    if let Some(what) = beside_the_point(layout) {
        return Err(bad(
            dir,
            format!("four files are the two halves themselves; leave out {what}"),
        ));
    }
    let [train_mod1, train_mod2, test_mod1, test_mod2] =
        ["train_mod1", "train_mod2", "test_mod1", "test_mod2"].map(|part| find(dir, part));
    let files = [train_mod1?, train_mod2?, test_mod1?, test_mod2?];
    let read = |i: usize| read_table(&files[i], &layout.common_place());
    let train = [read(0)?, read(1)?];
    let (modalities, task) = decide(&train, task)?;
    let test = [read(2)?, read(3)?];
    let mut remarks = said_and_read(train.iter().chain(&test), modalities);
    let mut train = Pair::from_tables(train, modalities)?;
    for (table, modality) in test.iter().zip(modalities) {
        if let Some(found) = table.modality().filter(|found| *found != modality) {
            return Err(table.error(format!(
                "holds {found} where its training file holds {modality}; the two halves must be of the same modalities"
            )));
        }
    }
    let mut test = Pair::from_tables(test, modalities)?;
    test.align_features(&train)?;
    let values = match layout.values {
        Stored::Unsaid => Stored::Normalised,
        said => said,
    };
    let own_batch = || train.obs.contains_key("batch").then(|| "batch".to_owned());
    let batch_column = layout.batch_column.clone().or_else(own_batch);
    let layout = CiteLayout { values, batch_column, ..layout.clone() };
    let normalisation = make_values(&mut [&mut train, &mut test], &layout, &mut remarks)?;
    let columns = match layout.batch_column {
        Some(_) => LabelColumns::named(&layout),
        None => LabelColumns::of(&layout, &train),
    };
    let annotated =
        |pair: &Pair| columns.annotate(pair, &(0..pair.cells.len()).collect::<Vec<_>>());
    let (train_cells, test_cells) = (annotated(&train)?, annotated(&test)?);
    remarks.extend(columns.remarks(&train)?);
    let remarks = remarks.iter().map(|clause| sentence(clause)).collect();
    let ((input, target), (test_input, test_target)) =
        (train.split_for(task)?, test.split_for(task)?);
    let files = files.iter().map(|path| file_sum(path)).collect::<Result<_>>()?;
    let source = told(&[dir]);
    let dataset = Dataset {
        name: name.to_owned(),
        input: input.features,
        target: target.features,
        train: Split { input: input.values, target: target.values, cells: train_cells },
        test: Split { input: test_input.values, target: test_target.values, cells: test_cells },
        provenance: Provenance { source, files, synthetic: false, normalisation, remarks },
    };
    dataset.validate()?;
    Ok(dataset)
}

/// What a layout must not say of four files.
fn beside_the_point(layout: &CiteLayout) -> Option<&'static str> {
    let CiteLayout { places, cells, train, test, sizes, .. } = layout;
    let said = [
        (train.is_some() || test.is_some(), "`--split-by` (`train`, `test`)"),
        (
            !places.is_empty(),
            "`--input-at` and `--target-at` (`places`); `--layer` names a place in all of them",
        ),
        (cells.is_some(), "`--cell-table` (`cells`)"),
        (sizes.is_some(), "`sizes`"),
    ];
    said.into_iter().find(|(is_said, _)| *is_said).map(|(_, what)| what)
}

/// Where the values stood, and which files did not say what they hold.
fn said_and_read<'a>(
    tables: impl Iterator<Item = &'a Table>,
    modalities: [Modality; 2],
) -> Vec<String> {
    let mut places = BTreeSet::new();
    let mut remarks = Vec::new();
    for (table, modality) in tables.zip(modalities.into_iter().cycle()) {
        places.extend(table.place.as_ref().map(|place| format!("`{place}`")));
        let name = table.path.file_name().unwrap_or_default().display();
        remarks.extend(table.notes.iter().map(|note| format!("`{name}`: {note}")));
        if table.modality().is_none() {
            remarks.push(format!(
                "`{name}` does not say what it holds: taken for {}",
                modality.words()
            ));
        }
    }
    let places: Vec<String> = places.into_iter().collect();
    remarks.insert(0, format!("the values are {} of each file", places.join(" or ")));
    remarks
}

/// What the first and second files are of, and the task.
fn decide(train: &[Table; 2], task: Option<Task>) -> Result<([Modality; 2], Task)> {
    use Modality::{Adt, Atac, Gex};
    let modalities = match ([0, 1].map(|i| train[i].modality()), task) {
        ([Some(first), Some(second)], _) => [first, second],
        // What one of them is tells what the other must be.
        ([first, second], Some(Task { input, target })) => {
            let is_reverse = first == Some(target) || second == Some(input);
            if is_reverse { [target, input] } else { [input, target] }
        }
        // Nothing but genes is predicted from these, or predicts them.
        ([Some(first @ (Adt | Atac)), None], None) => [first, Gex],
        ([None, Some(second @ (Adt | Atac))], None) => [Gex, second],
        _ => {
            return Err(train[0].error(format!(
                "does not say, together with {}, what both hold (`var/feature_types` or `uns/modality`); name the task with `--task`",
                train[1].path.display()
            )));
        }
    };
    let found = Task { input: modalities[0], target: modalities[1] };
    let reverse = Task { input: found.target, target: found.input };
    match task {
        None if Task::ALL.contains(&found) => Ok((modalities, found)),
        Some(task) if task == found || task == reverse => Ok((modalities, task)),
        None => Err(train[1].error(format!(
            "holds {} beside {} in {}; no task connects the two",
            found.target,
            found.input,
            train[0].path.display()
        ))),
        Some(task) => Err(train[1].error(format!(
            "holds {} beside {} in {}; task {task} needs others",
            found.target,
            found.input,
            train[0].path.display()
        ))),
    }
}

/// The one file of the folder whose name contains `part` and ends in `.h5ad`.
fn find(dir: &Path, part: &str) -> Result<PathBuf> {
    let fits = |name: &String| name.contains(part) && name.ends_with(".h5ad");
    let mut found: Vec<PathBuf> =
        visible(dir)?.iter().filter(|name| fits(name)).map(|name| dir.join(name)).collect();
    match (found.pop(), found.pop()) {
        (Some(path), None) => Ok(path),
        (None, _) => Err(bad(
            dir,
            format!(
                "the folder holds no file named like `*{part}*.h5ad`; single files are named with `--data FILE`, or `--input` and `--target`"
            ),
        )),
        (Some(last), Some(other)) => Err(bad(
            dir,
            format!(
                "{} and {} are both named like `*{part}*.h5ad`; one is expected",
                other.display(),
                last.display()
            ),
        )),
    }
}
