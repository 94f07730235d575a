//! What the models of a cross-validated ensemble are validated on, where a study says so of a method.

use modality_data::Labels;
use modality_protocol::{Fold, did_you_mean};
use rand::{SeedableRng as _, seq::index};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

/// One of a study's `[[folds.METHOD]]`: whole batches, or a share of the cells.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoldChoice {
    /// In records and figures.
    name: String,
    /// Batches whose cells a model is validated on.
    #[serde(default)]
    batches: Vec<String>,
    /// In place of batches, the share of the cells that is drawn for it.
    share: Option<f64>,
    /// Batches that a model does not see at all.
    #[serde(default)]
    leave_out: Vec<String>,
    /// Models that are validated on these cells, each from another seed.
    #[serde(default = "one")]
    models: usize,
}

/// An ensemble of more is taken for a mistake.
const MOST_MODELS: usize = 100;

fn one() -> usize {
    1
}

/// What is wrong with the folds of a method before any data is known.
pub(crate) fn wrong(choices: &[FoldChoice]) -> Option<String> {
    if choices.is_empty() {
        return Some("names no fold".to_owned());
    }
    let repeated = |i: usize| choices[..i].iter().any(|other| other.name == choices[i].name);
    (0..choices.len()).find_map(|i| {
        let choice = &choices[i];
        let what = if repeated(i) { Some("is there twice".to_owned()) } else { choice.wrong() };
        Some(format!("fold `{}` {}", choice.name, what?))
    })
}

/// The folds, a model each, of cells with these batches; what is random is drawn with `seed`.
pub(crate) fn draw(choices: &[FoldChoice], batch: &Labels, seed: u64) -> Result<Vec<Fold>, String> {
    let mut folds = Vec::new();
    for choice in choices {
        let fold =
            choice.draw(batch, seed).map_err(|what| format!("fold `{}`: {what}", choice.name))?;
        let name = |model| match choice.models {
            1 => choice.name.clone(),
            models => format!("{}, model {model}/{models}", choice.name),
        };
        folds.extend((1..=choice.models).map(|model| Fold { name: name(model), ..fold.clone() }));
    }
    Ok(folds)
}

impl FoldChoice {
    fn wrong(&self) -> Option<String> {
        let both = self.batches.iter().find(|batch| self.leave_out.contains(batch));
        match (self.batches.is_empty(), self.share) {
            _ if self.name.trim().is_empty() => {
                Some("has no name; say what its cells are".to_owned())
            }
            (true, None) => Some("has neither `batches` nor `share`; it is one of them".to_owned()),
            (false, Some(_)) => {
                Some("has both `batches` and `share`; it is one of them".to_owned())
            }
            (true, Some(share)) if !(share > 0.0 && share < 1.0) => {
                Some(format!("has a `share` of {share}; it must be between 0 and 1"))
            }
            _ if !(1..=MOST_MODELS).contains(&self.models) => {
                Some(format!("has {} `models`; they must be 1 to {MOST_MODELS}", self.models))
            }
            _ => both.map(|batch| format!("has `{batch}` in both `batches` and `leave_out`")),
        }
    }

    /// The fold of one model, which has some cells and leaves some to train on.
    fn draw(&self, batch: &Labels, seed: u64) -> Result<Fold, String> {
        let left_out = cells_of(&self.leave_out, batch)?;
        let cells = match self.share {
            None => cells_of(&self.batches, batch)?,
            Some(share) => {
                let seen: Vec<u32> = (0..batch.len() as u32)
                    .filter(|cell| left_out.binary_search(cell).is_err())
                    .collect();
                let number = ((seen.len() as f64 * share).round() as usize).max(1).min(seen.len());
                let drawn = index::sample(&mut ChaCha8Rng::seed_from_u64(seed), seen.len(), number);
                let mut cells: Vec<u32> = drawn.into_iter().map(|place| seen[place]).collect();
                cells.sort_unstable();
                cells
            }
        };
        if cells.is_empty() || cells.len() + left_out.len() >= batch.len() {
            return Err(format!(
                "of {} training cells {} are in it and {} left out; some must be left to train on",
                batch.len(),
                cells.len(),
                left_out.len()
            ));
        }
        Ok(Fold { name: self.name.clone(), cells, left_out })
    }
}

/// The cells of the batches with these names, ascending.
fn cells_of(names: &[String], batch: &Labels) -> Result<Vec<u32>, String> {
    let code = |name: &String| {
        let found = batch.names.iter().position(|known| known == name);
        let is_present = |code: &u32| batch.codes.contains(code);
        found.map(|code| code as u32).filter(is_present).ok_or_else(|| {
            let known: Vec<&str> = batch.names.iter().map(String::as_str).collect();
            let near = did_you_mean(name, &known);
            format!(
                "the training cells have no batch `{name}`; there are: {}{near}",
                known.join(", ")
            )
        })
    };
    let codes = names.iter().map(code).collect::<Result<Vec<_>, _>>()?;
    Ok(batch.cells_of(&codes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(text: &str) -> Vec<FoldChoice> {
        #[derive(Deserialize)]
        struct Folds {
            folds: Vec<FoldChoice>,
        }
        toml::from_str::<Folds>(text).unwrap().folds
    }

    fn batch() -> Labels {
        Labels::from_names(["s1d1", "s1d2", "s3d1", "s1d1", "s1d2", "s3d7"].repeat(10))
    }

    #[test]
    fn batches_are_validated_on_or_left_out_by_as_many_models_as_are_asked_for() {
        let text = "[[folds]]\nname = 'two'\nbatches = ['s1d2', 's3d7']\nleave_out = ['s3d1']\nmodels = 3\n\
                    [[folds]]\nname = 'some'\nshare = 0.15\n";
        let choices = choices(text);
        assert_eq!(wrong(&choices), None);
        let folds = draw(&choices, &batch(), 4).unwrap();
        let names: Vec<&str> = folds.iter().map(|fold| fold.name.as_str()).collect();
        assert_eq!(names, ["two, model 1/3", "two, model 2/3", "two, model 3/3", "some"]);
        assert_eq!(folds[0].cells[..4], [1, 4, 5, 7]);
        assert_eq!((folds[0].cells.len(), folds[0].left_out[..2].to_vec()), (30, vec![2, 8]));
        assert_eq!((&folds[0].cells, &folds[0].left_out), (&folds[2].cells, &folds[2].left_out));
        assert_eq!((folds[3].cells.len(), folds[3].left_out.len()), (9, 0));
        assert!(folds[3].cells.windows(2).all(|pair| pair[0] < pair[1]), "not ascending");
        assert_eq!(folds, draw(&choices, &batch(), 4).unwrap());
        assert_ne!(folds[3], draw(&choices, &batch(), 5).unwrap()[3]);
    }

    #[test]
    fn what_is_left_out_is_not_drawn() {
        let text = "[[folds]]\nname = 'some'\nshare = 0.9\nleave_out = ['s1d1', 's1d2']\n";
        let fold = &draw(&choices(text), &batch(), 0).unwrap()[0];
        assert_eq!((fold.cells.len(), fold.left_out.len()), (18, 40));
        assert!(fold.cells.iter().all(|cell| matches!(cell % 6, 2 | 5)), "{:?}", fold.cells);
    }

    #[test]
    fn mistakes_are_named() {
        for (keys, wanted) in [
            ("", "fold `a` has neither `batches` nor `share`"),
            ("batches = ['x']\nshare = 0.1", "has both `batches` and `share`"),
            ("share = 1.0", "has a `share` of 1; it must be between 0 and 1"),
            ("share = 0.1\nmodels = 0", "has 0 `models`; they must be 1 to 100"),
            (
                "batches = ['x', 'y']\nleave_out = ['y']",
                "has `y` in both `batches` and `leave_out`",
            ),
            ("share = 0.1\n[[folds]]\nname = 'a'\nshare = 0.2", "fold `a` is there twice"),
        ] {
            let message = wrong(&choices(&format!("[[folds]]\nname = 'a'\n{keys}\n"))).unwrap();
            assert!(message.contains(wanted), "{message}");
        }
        assert!(wrong(&[]).is_some());
        for (keys, wanted) in [
            (
                "batches = ['s1d3']",
                "fold `a`: the training cells have no batch `s1d3`; there are: s1d1, s1d2, ",
            ),
            ("batches = ['S3D7']", "; did you mean `s3d7`?"),
            (
                "batches = ['s1d1', 's1d2']\nleave_out = ['s3d1', 's3d7']",
                "of 60 training cells 40 are in it and 20 left out",
            ),
        ] {
            let choices = choices(&format!("[[folds]]\nname = 'a'\n{keys}\n"));
            let message = draw(&choices, &batch(), 0).unwrap_err();
            assert!(message.contains(wanted), "{message}");
        }
    }
}
