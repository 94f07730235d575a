//! The sets of hyperparameters that a sweep runs a method with.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// One complete set of a method's hyperparameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// What a sweep changes, `epochs=3` for instance; empty outside a sweep.
    pub label: String,
    /// Every hyperparameter.
    pub params: Map<String, Value>,
}

/// Values of a method's hyperparameters that are tried one after the other: each combination of a table's.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "a sweep is a table of lists of values, or several such tables under `[[sweep.METHOD]]`"
)]
pub(super) enum Sweep {
    One(Table),
    Several(Vec<Table>),
}

type Table = BTreeMap<String, Vec<Value>>;

impl Sweep {
    fn tables(&self) -> &[Table] {
        match self {
            Self::One(table) => std::slice::from_ref(table),
            Self::Several(tables) => tables,
        }
    }

    /// Every hyperparameter of every table, with its values.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&String, &[Value])> {
        let keys = |table| BTreeMap::iter(table).map(|(key, values)| (key, Vec::as_slice(values)));
        self.tables().iter().flat_map(keys)
    }

    /// The combinations, table by table, each with `params` beside it.
    pub(super) fn variants(&self, params: &Map<String, Value>) -> Vec<Variant> {
        let of_table = |table: &Table| {
            let mut variants = vec![Variant::plain(params.clone())];
            for (key, values) in table {
                variants = variants.iter().flat_map(|variant| variant.with(key, values)).collect();
            }
            variants
        };
        self.tables().iter().flat_map(of_table).collect()
    }
}

impl Variant {
    /// Outside a sweep.
    pub(super) fn plain(params: Map<String, Value>) -> Self {
        Self { label: String::new(), params }
    }

    /// One variant a value.
    fn with(&self, key: &str, values: &[Value]) -> Vec<Self> {
        let one = |value: &Value| {
            let mut params = self.params.clone();
            params.insert(key.to_owned(), value.clone());
            let space = if self.label.is_empty() { "" } else { " " };
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Self { label: format!("{}{space}{key}={shown}", self.label), params }
        };
        values.iter().map(one).collect()
    }
}
