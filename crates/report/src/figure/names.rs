//! What rows are called in a figure.

use crate::Row;

/// Of rows that all belong to sweeps, only what tells them apart.
pub(super) struct Names<'a> {
    /// What the names leave out.
    common: Words<'a>,
}

#[derive(Default)]
struct Words<'a> {
    /// Method and variant, word by word.
    method: Vec<&'a str>,
    backend: Option<&'a str>,
}

impl<'a> Words<'a> {
    fn of(row: &'a Row) -> Self {
        let variant = row.variant.split(' ').filter(|word| !word.is_empty());
        let method = std::iter::once(row.method.as_str()).chain(variant).collect();
        Self { method, backend: Some(&row.backend) }
    }

    fn filter(&mut self, keep: impl Fn(&str) -> bool) {
        self.method.retain(|word| keep(word));
        self.backend = self.backend.filter(|word| keep(word));
    }

    fn has(&self, word: &str) -> bool {
        self.method.contains(&word) || self.backend == Some(word)
    }

    fn join(&self, separator: &str) -> String {
        let method = Some(self.method.join(" ")).filter(|method| !method.is_empty());
        let backend = self.backend.map(str::to_owned);
        method.into_iter().chain(backend).collect::<Vec<_>>().join(separator)
    }
}

impl<'a> Names<'a> {
    pub(super) fn of(rows: &[&'a Row]) -> Self {
        let is_sweep = rows.len() > 1 && rows.iter().all(|row| !row.variant.is_empty());
        let mut common = Words::default();
        if let Some(first) = rows.first().filter(|_| is_sweep) {
            common = Words::of(first);
            common.filter(|word| rows.iter().all(|row| Words::of(row).has(word)));
        }
        Self { common }
    }

    pub(super) fn of_row(&self, row: &Row) -> String {
        let mut words = Words::of(row);
        words.filter(|word| !self.common.has(word));
        words.join(" \u{b7} ")
    }

    /// What the names leave out, after `all`.
    pub(super) fn sentence(&self, all: &str) -> Option<String> {
        let common = self.common.join(" on ");
        (!common.is_empty()).then(|| format!("{all} {common}."))
    }
}
