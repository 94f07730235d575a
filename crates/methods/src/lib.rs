//! The methods that are compared, each declared in one file: its name, its hyperparameters with the values of the
//! published system, what of a plan it needs, and its source.
//!
//! A backend of one's own may bring other methods; of them nothing is known here, and nothing is checked.

mod check;
mod constants;
mod gnn;
mod knn;
mod linear;
mod mlp;
mod tsvd_krr;

use modality_protocol::Task;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use check::Wrong;
pub use gnn::{GROUPS, GnnParams, Training};
pub use knn::KnnParams;
pub use linear::LinearParams;
pub use mlp::{MlpParams, Schedule};
pub use tsvd_krr::{Components, KernelEntries, Solver, TsvdKrrParams};

/// A method, as all of the program knows it.
#[derive(Debug)]
pub struct Method {
    /// In studies, records and tables.
    pub name: &'static str,
    /// In a few words.
    pub about: &'static str,
    /// Where it is described, and where the values are from that its hyperparameters have where nothing is said.
    pub source: &'static str,
    /// What it predicts, in words, if it looks at no cell's input: a floor that others are held against.
    pub floor: Option<&'static str>,
    /// What of a plan a run is given.
    pub needs: Needs,
    /// The hyperparameter that names a file of gene sets, if it can use one.
    pub gene_sets: Option<&'static str>,
    /// In figures, as `#rrggbb`; of Okabe and Ito's palette, which stays distinct under the common colour vision deficiencies.
    pub colour: Option<&'static str>,
    typed: Typed,
}

/// What is known of a method by the type of its hyperparameters.
#[derive(Debug)]
struct Typed {
    /// From a table for a task to a complete one, or what is wrong with it.
    complete: fn(Task, Table) -> Result<Table, String>,
    /// [`Hyperparameters::fits_nothing`] of a table.
    fits_nothing: fn(&Table) -> bool,
    /// [`Hyperparameters::suit`] on a complete table.
    suit: fn(&mut Table, Chosen<'_>, usize) -> Option<String>,
}

type Table = Map<String, Value>;

/// Whether a study itself gives this hyperparameter a value.
type Chosen<'a> = &'a dyn Fn(&str) -> bool;

/// Lists of cells that a method is fitted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// All training cells are all it needs.
    Nothing,
    /// The training cells of each fit of an ensemble.
    Fits,
    /// The validation cells of each model of a cross-validated ensemble.
    Folds,
}

/// All of them.
pub const ALL: [&Method; 7] = [
    &constants::ZEROS,
    &constants::MEAN,
    &linear::LINEAR,
    &knn::KNN,
    &tsvd_krr::TSVD_KRR,
    &mlp::MLP,
    &gnn::GNN,
];

/// A table of hyperparameters that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("hyperparameters of {method}: {what}")]
pub struct Error {
    /// Name of the method.
    pub method: String,
    /// Which key, and what would be right.
    pub what: String,
}

/// The method of this name, if it is known here.
pub fn find(name: &str) -> Option<&'static Method> {
    ALL.into_iter().find(|method| method.name == name)
}

/// Completes a study's table for `method` with the published values for `task`, and checks every value. The table of a
/// method that is not known here is passed on as it is.
///
/// # Errors
/// [`Error`] naming the method, the key and what would be right.
pub fn complete(
    method: &str,
    task: Task,
    table: Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    let Some(known) = find(method) else { return Ok(table) };
    (known.typed.complete)(task, table).map_err(|what| Error { method: method.to_owned(), what })
}

/// The file of gene sets that a run of `method` reads, if there is one.
pub fn gene_sets<'a>(method: &str, params: &'a Map<String, Value>) -> Option<&'a str> {
    let key = find(method)?.gene_sets?;
    params.get(key)?.as_str().filter(|path| !path.is_empty())
}

/// Whether nothing is fitted by `method` with the hyperparameters of a run, so that its training time means nothing.
pub fn fits_nothing(method: &str, params: &Map<String, Value>) -> bool {
    find(method).is_some_and(|known| known.floor.is_some() || (known.typed.fits_nothing)(params))
}

/// Suits the complete table of a run to few cells, where the published values cannot be used with them: `cells` are those that
/// its smallest model is trained on. What `chosen` says of is left as it is. Says what was changed, if anything.
pub fn suit(
    method: &str,
    params: &mut Map<String, Value>,
    chosen: &dyn Fn(&str) -> bool,
    cells: usize,
) -> Option<String> {
    find(method).and_then(|known| (known.typed.suit)(params, chosen, cells))
}

fn suit_with<P: Hyperparameters>(
    params: &mut Table,
    chosen: Chosen<'_>,
    cells: usize,
) -> Option<String> {
    let mut typed = typed::<P>(Task::default(), params.clone()).ok()?;
    let said = typed.suit(chosen, cells)?;
    *params = as_table(&typed);
    Some(said)
}

/// A batch of which `cells` make four, where they do not make one of `batch_size`; says so.
fn smaller_batch(batch_size: &mut usize, cells: usize) -> Option<String> {
    if cells >= *batch_size {
        return None;
    }
    let published = *batch_size;
    *batch_size = 1 << (cells / 4).max(1).ilog2();
    Some(format!(
        "`batch_size` is {batch_size} in place of {published}: the largest power of two that is at most a quarter of the {cells} cells \
         that the smallest model is trained on"
    ))
}

fn fits_nothing_with<P: Hyperparameters>(params: &Map<String, Value>) -> bool {
    typed::<P>(Task::default(), params.clone()).is_ok_and(|params| params.fits_nothing())
}

/// The hyperparameters of a run as a typed value.
///
/// # Errors
/// [`Error`] naming the method and the key.
pub fn parse<T: DeserializeOwned>(method: &str, params: &Map<String, Value>) -> Result<T, Error> {
    serde_json::from_value(Value::Object(params.clone()))
        .map_err(|error| Error { method: method.to_owned(), what: error.to_string() })
}

/// A method's hyperparameters.
trait Hyperparameters: Serialize + DeserializeOwned {
    /// Names that studies may still have, and those that took their place.
    const RENAMED: &[(&str, &str)] = &[];

    /// As the published system has them for `task`, with what a study says in `given` left aside but where others follow from it.
    fn published(task: Task, given: &Table) -> Self;

    /// The first value out of range.
    fn wrong(&self) -> Option<Wrong>;

    /// Whether nothing is fitted with these.
    fn fits_nothing(&self) -> bool {
        false
    }

    /// Changes what cannot be used with so few training cells and was not chosen; says what.
    fn suit(&mut self, _chosen: Chosen<'_>, _cells: usize) -> Option<String> {
        None
    }
}

impl Typed {
    const fn of<P: Hyperparameters>() -> Self {
        Self {
            complete: completed::<P>,
            fits_nothing: fits_nothing_with::<P>,
            suit: suit_with::<P>,
        }
    }
}

/// What [`complete`] does for a method with hyperparameters `P`.
fn completed<P: Hyperparameters>(
    task: Task,
    given: Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    typed::<P>(task, given).map(|params| as_table(&params))
}

/// A table, by names of today or before, with the published values where it says nothing.
fn typed<P: Hyperparameters>(task: Task, given: Map<String, Value>) -> Result<P, String> {
    if let Some((old, new)) =
        P::RENAMED.iter().find(|(old, new)| given.contains_key(*old) && given.contains_key(*new))
    {
        return Err(format!("`{old}` is the old name of `{new}`, and both are there"));
    }
    let mut table = as_table(&P::published(task, &given));
    for (key, value) in given {
        let renamed = P::RENAMED.iter().find(|(old, _)| *old == key);
        let key = renamed.map_or(key, |(_, new)| (*new).to_owned());
        table.insert(key, value);
    }
    let params: P =
        serde_json::from_value(Value::Object(table)).map_err(|error| error.to_string())?;
    match params.wrong() {
        Some(Wrong { key, what }) => Err(format!("`{key}` {what}")),
        None => Ok(params),
    }
}

fn as_table(params: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(params) {
        Ok(Value::Object(table)) => table,
        other => panic!("hyperparameters are a table, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn complete(method: &str, params: Value) -> Result<Map<String, Value>, Error> {
        super::complete(method, Task::default(), table(params))
    }

    #[test]
    fn defaults_are_the_published_values() {
        let params = complete("tsvd-krr", json!({})).unwrap();
        let wanted = json!({
            "input_components": 300, "target_components": 70, "gamma": 0.005, "alpha": 0.2,
            "solver": "pcg", "tolerance": 1e-3, "kernel": "kept",
        });
        assert_eq!(Value::Object(params), wanted);
    }

    #[test]
    fn each_direction_has_its_own() {
        let of = |method: &str, task| super::complete(method, task, Map::new()).unwrap();
        let krr = |task| {
            let params = of("tsvd-krr", task);
            [&params["input_components"], &params["target_components"], &params["alpha"]]
                .map(Value::to_string)
        };
        assert_eq!(krr(Task::GEX_TO_ADT), ["300", "70", "0.2"]);
        assert_eq!(krr(Task::ADT_TO_GEX), ["\"all\"", "50", "0.2"]);
        assert_eq!(krr(Task::GEX_TO_ATAC), ["1000", "50", "0.1"]);
        assert_eq!(krr(Task::ATAC_TO_GEX), ["100", "70", "0.1"]);
        let mlp = |task| {
            let params = of("mlp", task);
            [&params["hidden"], &params["dropout"], &params["epochs"], &params["schedule"]]
                .map(Value::to_string)
        };
        assert_eq!(mlp(Task::GEX_TO_ADT), ["[1024,512]", "0.0", "10", "\"cosine\""]);
        assert_eq!(mlp(Task::ADT_TO_GEX), ["[256,128]", "0.0", "10", "\"constant\""]);
        assert_eq!(mlp(Task::ATAC_TO_GEX), ["[256,128]", "0.5", "10", "\"constant\""]);
        assert_eq!(mlp(Task::GEX_TO_ATAC)[2], "0");
    }

    #[test]
    fn names_of_old_are_understood() {
        let old = json!({"gex_components": 20, "adt_components": 10});
        let params = complete("tsvd-krr", old).unwrap();
        assert_eq!(
            (&params["input_components"], &params["target_components"]),
            (&20.into(), &10.into())
        );
        assert!(!params.contains_key("gex_components"));
        let params = complete("mlp", json!({"min_protein_mean": 0.25})).unwrap();
        assert_eq!(params["min_target_mean"], 0.25);
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
                json!({"input_components": 0}),
                "`input_components` is 0; it must be at least 1",
            ),
            ("tsvd-krr", json!({"input_components": "some"}), "a number above 0, or \"all\""),
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
            (
                "knn",
                json!({"gex_components": 20, "input_components": 30}),
                "`gex_components` is the old name of `input_components`, and both are there",
            ),
        ] {
            let message = complete(method, params).unwrap_err().to_string();
            assert!(message.contains(wanted) && message.contains(method), "{message}");
        }
    }

    #[test]
    fn what_fits_nothing_is_known_by_method_and_hyperparameters() {
        let fits = |method: &str, params: Value| !fits_nothing(method, &table(params));
        assert!(fits("tsvd-krr", json!({})) && fits("my-own", json!({"epochs": 0})));
        assert!(fits("mlp", json!({"epochs": 3, "min_protein_mean": 0.1})));
        assert!(!fits("mlp", json!({"epochs": 0})) && !fits("mean", json!({})));
    }

    #[test]
    fn a_file_of_gene_sets_is_that_of_a_method_that_reads_one() {
        let named = table(json!({"pathways": "a.gmt"}));
        assert_eq!(gene_sets("gnn", &named), Some("a.gmt"));
        assert_eq!(gene_sets("gnn", &complete("gnn", json!({})).unwrap()), None);
        assert_eq!((gene_sets("mlp", &named), gene_sets("my-own", &named)), (None, None));
        for key in ALL.iter().filter_map(|method| Some((method.name, method.gene_sets?))) {
            assert!(complete(key.0, json!({})).unwrap().contains_key(key.1), "{key:?}");
        }
    }

    #[test]
    fn few_cells_have_small_batches() {
        let suited = |given: Value, cells: usize| {
            let chosen = table(given.clone());
            let mut params = complete("mlp", given).unwrap();
            let said = suit("mlp", &mut params, &|key| chosen.contains_key(key), cells);
            (params["batch_size"].as_u64().unwrap(), said)
        };
        for (cells, wanted) in [(511, 64), (207, 32), (16, 4), (3, 1)] {
            let (batch_size, said) = suited(json!({}), cells);
            assert_eq!(batch_size, wanted);
            let said = said.unwrap();
            assert!(
                said.contains("in place of 512") && said.contains(&cells.to_string()),
                "{said}"
            );
        }
        assert_eq!(suited(json!({}), 512), (512, None));
        assert_eq!(suited(json!({"batch_size": 600}), 511), (600, None));
        assert_eq!(suited(json!({"epochs": 0}), 511), (512, None));
        assert_eq!(suit("my-own", &mut Map::new(), &|_| false, 1), None);
        assert_eq!(suit("knn", &mut complete("knn", json!({})).unwrap(), &|_| false, 1), None);
    }

    #[test]
    fn other_methods_pass() {
        let params = json!({"depth": 3});
        assert_eq!(complete("my-own", params.clone()).unwrap(), table(params));
    }

    #[test]
    fn names_and_colours_are_each_method_s_own() {
        for (i, method) in ALL.iter().enumerate() {
            let others = &ALL[..i];
            assert!(others.iter().all(|other| other.name != method.name), "{}", method.name);
            let same = |other: &&&Method| other.colour == method.colour && other.colour.is_some();
            assert_eq!(others.iter().filter(same).count(), 0, "{}", method.name);
            assert_eq!(method.colour.is_none(), method.floor.is_some(), "{}", method.name);
        }
    }
}
