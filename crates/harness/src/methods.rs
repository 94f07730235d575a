//! Hyperparameters by method, with the values of the published systems as defaults.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Error, Result};

/// Ridge regression on TSVD scores of gene expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearParams {
    /// TSVD components of gene expression.
    pub gex_components: usize,
    /// Ridge penalty.
    pub alpha: f64,
}

/// Mean of the nearest training cells in standardised TSVD scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnnParams {
    /// TSVD components of gene expression.
    pub gex_components: usize,
    /// Number of neighbours.
    pub neighbours: usize,
}

/// TSVD + kernel ridge regression, an ensemble over halves of the batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TsvdKrrParams {
    /// TSVD components of gene expression.
    pub gex_components: usize,
    /// TSVD components of the proteins.
    pub adt_components: usize,
    /// Of the kernel exp(-gamma ||x - x'||^2).
    pub gamma: f64,
    /// Added to the kernel's diagonal.
    pub alpha: f64,
    /// How (K + alpha I) C = T is solved.
    pub solver: Solver,
    /// Cells whose kernel columns make the preconditioner of [`Solver::Pcg`]; if left out,
    /// [`TsvdKrrParams::LANDMARKS`] times the root of the number of training cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<usize>,
    /// [`Solver::Pcg`] is done when the residual's norm is this share of the targets' norm (Frobenius), no column's more
    /// than its part.
    pub tolerance: f64,
    /// What [`Solver::Pcg`] does with the entries of the kernel.
    pub kernel: KernelEntries,
}

/// A multi-layer perceptron on the genes themselves, one model a fold, averaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpParams {
    /// Widths of the two hidden layers; the output layer sees both.
    pub hidden: [usize; 2],
    /// Passes over the training cells of a fold; also the half period of the cosine schedule.
    pub epochs: usize,
    /// Cells of a step; the last incomplete batch of an epoch is left out.
    pub batch_size: usize,
    /// Of the first epoch.
    pub learning_rate: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// A protein whose training mean is lower is predicted by that mean.
    pub min_protein_mean: f64,
}

/// How the dual coefficients are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// Exact: n^3 / 3 operations a fit.
    Cholesky,
    /// Preconditioned conjugate gradients: a few products with the kernel.
    Pcg,
}

/// What becomes of a kernel matrix between two products with it. Results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelEntries {
    /// It is kept as far as memory allows.
    Kept,
    /// It is formed anew, block by block, for each product.
    Formed,
}

impl Default for LinearParams {
    fn default() -> Self {
        Self { gex_components: 50, alpha: 1.0 }
    }
}

impl Default for KnnParams {
    fn default() -> Self {
        Self { gex_components: 50, neighbours: 50 }
    }
}

impl Default for TsvdKrrParams {
    fn default() -> Self {
        Self {
            gex_components: 300,
            adt_components: 70,
            gamma: 0.005,
            alpha: 0.2,
            solver: Solver::Pcg,
            landmarks: None,
            tolerance: 1e-3,
            kernel: KernelEntries::Kept,
        }
    }
}

impl TsvdKrrParams {
    /// The best measured of 500 to 2,000 landmarks on 17,952 cells, and of 1,000 to 3,000 on 66,175, is near this.
    pub const LANDMARKS: f64 = 8.0;

    /// Cells that make the preconditioner, of so many training cells.
    pub fn landmarks(&self, cells: usize) -> usize {
        let usual = (Self::LANDMARKS * (cells as f64).sqrt()).round() as usize;
        self.landmarks.unwrap_or(usual).min(cells)
    }
}

impl Default for MlpParams {
    fn default() -> Self {
        Self {
            hidden: [1024, 512],
            epochs: 10,
            batch_size: 512,
            learning_rate: 1e-3,
            weight_decay: 1e-5,
            min_protein_mean: 0.05,
        }
    }
}

/// Names of the methods whose hyperparameters are known here; a backend of one's own may bring others.
pub const KNOWN: [&str; 6] = ["zeros", "mean", "linear", "knn", "tsvd-krr", "mlp"];

/// Completes a study's table for `method` with defaults and checks every value. The table of a method that
/// is not [`KNOWN`] is passed on as it is.
///
/// # Errors
/// [`Error::Invalid`] naming the method, the key and what would be right.
pub fn complete(method: &str, table: Map<String, Value>) -> Result<Map<String, Value>> {
    match method {
        "zeros" | "mean" => checked::<NoParams>(method, table),
        "linear" => checked::<LinearParams>(method, table),
        "knn" => checked::<KnnParams>(method, table),
        "tsvd-krr" => checked::<TsvdKrrParams>(method, table),
        "mlp" => checked::<MlpParams>(method, table),
        _ => Ok(table),
    }
}

/// The hyperparameters of a run as a typed value.
///
/// # Errors
/// [`Error::Invalid`] naming the method and the key.
pub fn parse<T: DeserializeOwned>(method: &str, params: &Map<String, Value>) -> Result<T> {
    serde_json::from_value(Value::Object(params.clone()))
        .map_err(|error| Error::Invalid(format!("hyperparameters of {method}: {error}")))
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParams {}

trait Check: Serialize + DeserializeOwned {
    /// The first value out of range: its key, and what is needed.
    fn wrong(&self) -> Option<(&'static str, String)>;
}

fn checked<T: Check>(method: &str, table: Map<String, Value>) -> Result<Map<String, Value>> {
    let params: T = parse(method, &table)?;
    if let Some((key, what)) = params.wrong() {
        return Err(Error::Invalid(format!("hyperparameters of {method}: `{key}` {what}")));
    }
    match serde_json::to_value(params) {
        Ok(Value::Object(complete)) => Ok(complete),
        _ => Err(Error::Invalid(format!("hyperparameters of {method} must be a table"))),
    }
}

impl Check for NoParams {
    fn wrong(&self) -> Option<(&'static str, String)> {
        None
    }
}

impl Check for LinearParams {
    fn wrong(&self) -> Option<(&'static str, String)> {
        at_least_one("gex_components", self.gex_components)
            .or_else(|| positive("alpha", self.alpha))
    }
}

impl Check for KnnParams {
    fn wrong(&self) -> Option<(&'static str, String)> {
        at_least_one("gex_components", self.gex_components)
            .or_else(|| at_least_one("neighbours", self.neighbours))
    }
}

impl Check for TsvdKrrParams {
    fn wrong(&self) -> Option<(&'static str, String)> {
        at_least_one("gex_components", self.gex_components)
            .or_else(|| at_least_one("adt_components", self.adt_components))
            .or_else(|| positive("gamma", self.gamma))
            .or_else(|| positive("alpha", self.alpha))
            .or_else(|| at_least_one("landmarks", self.landmarks.unwrap_or(1)))
            .or_else(|| positive("tolerance", self.tolerance))
            .or_else(|| below_one("tolerance", self.tolerance))
    }
}

impl Check for MlpParams {
    fn wrong(&self) -> Option<(&'static str, String)> {
        let narrowest = self.hidden[0].min(self.hidden[1]);
        at_least_one("hidden", narrowest)
            .or_else(|| at_least_one("epochs", self.epochs))
            .or_else(|| at_most("epochs", self.epochs, 10_000))
            .or_else(|| at_least_one("batch_size", self.batch_size))
            .or_else(|| positive("learning_rate", self.learning_rate))
            .or_else(|| not_negative("weight_decay", self.weight_decay))
            .or_else(|| not_negative("min_protein_mean", self.min_protein_mean))
    }
}

fn at_least_one(key: &'static str, value: usize) -> Option<(&'static str, String)> {
    (value == 0).then(|| (key, "is 0; it must be at least 1".to_owned()))
}

fn at_most(key: &'static str, value: usize, most: usize) -> Option<(&'static str, String)> {
    (value > most).then(|| (key, format!("is {value}; it must be at most {most}")))
}

fn positive(key: &'static str, value: f64) -> Option<(&'static str, String)> {
    let good = value.is_finite() && value > 0.0;
    (!good).then(|| (key, format!("is {value}; it must be a finite number above 0")))
}

fn below_one(key: &'static str, value: f64) -> Option<(&'static str, String)> {
    (value >= 1.0).then(|| (key, format!("is {value}; it must be below 1")))
}

fn not_negative(key: &'static str, value: f64) -> Option<(&'static str, String)> {
    let good = value.is_finite() && value >= 0.0;
    (!good).then(|| (key, format!("is {value}; it must be a finite number, 0 or above")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn defaults_are_the_published_values() {
        let params = complete("tsvd-krr", Map::new()).unwrap();
        let wanted = json!({
            "gex_components": 300, "adt_components": 70, "gamma": 0.005, "alpha": 0.2,
            "solver": "pcg", "tolerance": 1e-3, "kernel": "kept",
        });
        assert_eq!(Value::Object(params), wanted);
    }

    #[test]
    fn bad_values_name_their_key() {
        for (method, params, wanted) in [
            ("tsvd-krr", json!({"alpha": 0.0}), "`alpha` is 0; it must be a finite number above 0"),
            (
                "tsvd-krr",
                json!({"gamma": -1.0}),
                "`gamma` is -1; it must be a finite number above 0",
            ),
            (
                "tsvd-krr",
                json!({"gex_components": 0}),
                "`gex_components` is 0; it must be at least 1",
            ),
            ("tsvd-krr", json!({"tolerance": 1.0}), "`tolerance` is 1; it must be below 1"),
            ("mlp", json!({"hidden": [8, 0]}), "`hidden` is 0; it must be at least 1"),
            ("mlp", json!({"hidden": [8]}), "invalid length 1"),
            (
                "mlp",
                json!({"weight_decay": -1}),
                "`weight_decay` is -1; it must be a finite number",
            ),
            ("knn", json!({"neighbors": 3}), "unknown field `neighbors`"),
            ("mean", json!({"alpha": 1}), "unknown field `alpha`"),
        ] {
            let message = complete(method, table(params)).unwrap_err().to_string();
            assert!(message.contains(wanted) && message.contains(method), "{message}");
        }
    }

    #[test]
    fn other_methods_pass() {
        let params = table(json!({"depth": 3}));
        assert_eq!(complete("my-own", params.clone()).unwrap(), params);
    }
}
