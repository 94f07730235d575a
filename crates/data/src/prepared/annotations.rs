//! What is known of the cells, beside the matrices.

use std::path::Path;

use serde::Deserialize;

use super::{inputs, manifest_in, read_json, subset};
use crate::{Cells, Error, Labels, Result};

/// Reads the annotations of the training cells.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`], naming the file.
pub fn read_train_cells(folder: &Path) -> Result<Cells> {
    read_json(&inputs(folder).join("train_cells.json"))
}

/// Reads the batches of the training and of the test cells, from the folder that runners are handed; of the training cells only
/// `cells`, ascending rows, where they are given. The two number batches each on its own: names tell which are the same.
///
/// # Errors
/// [`Error::Io`] or [`Error::File`], naming the file; [`Error::Invalid`] for a cell that is not there.
pub fn read_batches(inputs: &Path, cells: Option<&[u32]>) -> Result<(Labels, Labels)> {
    let manifest = manifest_in(inputs)?;
    let rows = cells.map(|cells| subset::rows(cells, manifest.train_cells)).transpose()?;
    let mut train = read_batch(inputs, "train_cells.json", manifest.train_cells)?;
    let test = read_batch(inputs, "test_cells.json", manifest.test_cells)?;
    if let Some(rows) = rows {
        train.codes = rows.into_iter().map(|row| train.codes[row]).collect();
    }
    Ok((train, test))
}

/// The part of [`Cells`] that is wanted.
#[derive(Deserialize)]
struct Batch {
    batch: Labels,
}

fn read_batch(inputs: &Path, name: &str, cells: usize) -> Result<Labels> {
    let path = inputs.join(name);
    let Batch { batch } = read_json(&path)?;
    let is_named = |code: &u32| (*code as usize) < batch.names.len();
    if batch.len() == cells && batch.codes.iter().all(is_named) {
        return Ok(batch);
    }
    let what = format!(
        "its `batch` does not name a batch of each of {cells} cells; delete the folder to have it made anew"
    );
    Err(Error::File { path, what })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        prepared,
        synthetic::{self, Size},
    };

    fn names(labels: &Labels) -> Vec<&str> {
        labels.codes.iter().map(|&code| labels.names[code as usize].as_str()).collect()
    }

    #[test]
    fn batches_are_those_of_the_cells_that_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("data");
        let dataset = synthetic::generate(Size::Tiny, 1, Default::default());
        prepared::write(&dataset, &folder).unwrap();
        let inputs = inputs(&folder);
        let (train, test) = read_batches(&inputs, None).unwrap();
        let of = |labels: &Labels| names(labels).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let (all, known) = (of(&dataset.train.cells.batch), of(&dataset.test.cells.batch));
        assert_eq!((of(&train), of(&test)), (all.clone(), known.clone()));
        let some = [0, 7, all.len() as u32 - 1];
        let (train, test) = read_batches(&inputs, Some(&some)).unwrap();
        assert_eq!(of(&train), some.map(|cell| all[cell as usize].clone()));
        assert_eq!(of(&test), known);
        let error = read_batches(&inputs, Some(&[all.len() as u32])).unwrap_err().to_string();
        assert!(error.contains("ascending rows below"), "{error}");

        let path = inputs.join("test_cells.json");
        fs::write(&path, r#"{"batch": {"codes": [1], "names": ["b"]}}"#).unwrap();
        let error = read_batches(&inputs, None).unwrap_err().to_string();
        assert!(error.contains("test_cells.json: its `batch` does not name"), "{error}");
    }
}
