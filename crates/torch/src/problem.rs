//! What is to be predicted from what, and by how many models.

use modality_data::ValuesView;
use modality_protocol::Fold;

use crate::{Error, Result, folds::outside};

/// What is to be predicted from what.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Training cells x features of the input.
    pub train_input: ValuesView<'a>,
    /// Training cells x features of the target.
    pub train_target: ValuesView<'a>,
    /// Test cells x features of the input.
    pub test_input: ValuesView<'a>,
    /// What each model is validated on; it is trained on all other training cells but those that the fold leaves out.
    pub folds: &'a [Fold],
    /// Seed of initial parameters, of the order of the cells and of what is left out of steps.
    pub seed: u64,
}

impl Problem<'_> {
    /// Whether the matrices fit together.
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |what: String| Err(Error::Invalid(what));
        let cells = self.train_input.rows();
        let (inputs, targets) = (self.train_input.columns(), self.train_target.columns());
        if inputs == 0 || targets == 0 {
            return invalid("there must be a feature at least of input and target".to_owned());
        }
        if self.train_target.rows() != cells {
            let targets = self.train_target.rows();
            return invalid(format!(
                "the input has {cells} training cells and the target {targets}"
            ));
        }
        if self.test_input.columns() != inputs {
            let test = self.test_input.columns();
            return invalid(format!(
                "the input of training cells has {inputs} features and that of test cells {test}"
            ));
        }
        Ok(())
    }

    /// Whether there are folds, and what would go wrong in the first epoch of each. `batch_size` is `method`'s; none where a
    /// step sees all cells.
    pub(crate) fn check_folds(&self, method: &str, batch_size: Option<usize>) -> Result<()> {
        if self.folds.is_empty() {
            return Err(Error::Invalid("the plan has no fold".to_owned()));
        }
        self.folds.iter().try_for_each(|fold| self.check_fold(fold, method, batch_size))
    }

    fn check_fold(&self, fold: &Fold, method: &str, batch_size: Option<usize>) -> Result<()> {
        let name = &fold.name;
        let cells = self.train_input.rows();
        let mut named = fold.cells.iter().chain(&fold.left_out);
        if let Some(cell) = named.find(|&&cell| cell as usize >= cells) {
            let what = format!("fold {name} names training cell {cell}; there are {cells}");
            return Err(Error::Invalid(what));
        }
        let training = outside(fold, cells as u32).len();
        let what = if fold.cells.is_empty() {
            "there are no validation cells; each fold needs at least one".to_owned()
        } else if training == 0 {
            "there are no training cells outside the fold; a model needs at least one".to_owned()
        } else if let Some(batch_size) = batch_size.filter(|&size| size > training) {
            format!(
                "`batch_size` is {batch_size}, more than the {training} training cells outside the fold; give it fewer under \
                 `[params.{method}]` in the study, or leave it out there"
            )
        } else {
            return Ok(());
        };
        Err(Error::Training { fold: name.clone(), epoch: 1, what })
    }
}
