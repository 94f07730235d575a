//! The features of a matrix: what each is, by the word that its file has for it, and which name it gets.

use std::collections::{BTreeMap, HashMap, HashSet};

use modality_protocol::Modality;

use super::words::counted;

/// A column of a [`Table`](super::Table).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Gene symbol or protein name, or an identifier where symbols stand twice; the same name may stand in both modalities.
    pub name: String,
    /// What was measured.
    pub kind: FeatureKind,
}

/// The modality of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeatureKind {
    /// One that can be predicted, or predicted from.
    Of(Modality),
    /// The file names something else (guides, tags); never part of a data set.
    Other,
    /// The file does not say.
    Unknown,
}

/// The words of Cell Ranger, scanpy, muon, Seurat and others, in lower case, with a space for `-` and `_`; first Cell Ranger's own.
const LABELS: [(FeatureKind, &[&str]); 4] = [
    (
        FeatureKind::Of(Modality::Gex),
        &["gene expression", "gex", "rna", "mrna", "scrna", "gene", "genes", "transcript"],
    ),
    (
        FeatureKind::Of(Modality::Adt),
        &[
            "antibody capture",
            "adt",
            "adts",
            "prot",
            "protein",
            "proteins",
            "protein expression",
            "antibody",
            "antibodies",
            "antibody derived tag",
            "antibody derived tags",
            "surface protein",
            "surface proteins",
            "cite",
        ],
    ),
    (
        FeatureKind::Of(Modality::Atac),
        &[
            "peaks",
            "peak",
            "atac",
            "scatac",
            "chromatin accessibility",
            "accessibility",
            "open chromatin",
        ],
    ),
    (
        FeatureKind::Other,
        &[
            "multiplexing capture",
            "crispr guide capture",
            "antigen capture",
            "custom",
            "hto",
            "htos",
            "hashtag",
            "hashtags",
            "hashtag oligo",
            "hashing",
            "cell hashing",
            "cmo",
            "crispr",
            "guide",
            "guides",
            "grna",
            "sgrna",
            "vdj",
            "vdj t",
            "vdj b",
            "tcr",
            "bcr",
        ],
    ),
];

impl FeatureKind {
    /// The kind that a file's own word stands for, as `Gene Expression`, `rna`, `surface_protein` or `Peaks`: in upper or lower case,
    /// with `-`, `_` or a space. Nothing if the word is not known.
    pub fn from_label(label: &str) -> Option<Self> {
        let words = label.split(|c: char| c.is_whitespace() || matches!(c, '-' | '_'));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let label = words.join(" ").to_ascii_lowercase();
        LABELS.iter().find(|(_, known)| known.contains(&label.as_str())).map(|&(kind, _)| kind)
    }

    /// The first of the words that stand for a modality.
    pub(super) fn labels(modality: Modality) -> String {
        let known = LABELS.iter().find(|(kind, _)| *kind == Self::Of(modality));
        let words = known.map_or(&[][..], |(_, words)| words);
        words.iter().take(4).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    }
}

/// What a file says of its features, column by column.
pub(super) struct Described {
    /// Symbols or names.
    pub(super) names: Vec<String>,
    /// Identifiers, where the file has such; nothing where one is missing.
    pub(super) ids: Vec<Option<String>>,
    /// The file's words for what they are; nothing where it has none.
    pub(super) labels: Vec<Option<String>>,
}

/// Features by the name that each gets, and what there is to remark on that.
pub(super) struct Named {
    pub(super) features: Vec<Feature>,
    pub(super) notes: Vec<String>,
}

impl Described {
    /// Names of one length with `labels`; `ids` may also be none at all.
    ///
    /// If a name stands twice within a modality, all of that modality are named by their identifiers, as far as these are
    /// there and differ. So a symbol never means one of several genes, and no name depends on the order of the file.
    ///
    /// # Errors
    /// The lengths, where they differ.
    pub(super) fn named(self) -> Result<Named, String> {
        let Self { mut names, ids, labels } = self;
        if labels.len() != names.len() || !(ids.is_empty() || ids.len() == names.len()) {
            return Err(format!(
                "features have {} names, {} ids and {} types; the three must be equal",
                names.len(),
                ids.len(),
                labels.len()
            ));
        }
        let kinds: Vec<FeatureKind> =
            labels.iter().map(|label| kind_of(label.as_deref())).collect();
        let mut notes = unknown_labels(&labels);
        let mut by_kind: BTreeMap<FeatureKind, Vec<usize>> = BTreeMap::new();
        for (column, &kind) in
            kinds.iter().enumerate().filter(|(_, kind)| **kind != FeatureKind::Other)
        {
            by_kind.entry(kind).or_default().push(column);
        }
        for (kind, columns) in by_kind {
            let shared = shared(columns.iter().map(|&column| names[column].as_str()));
            if shared == 0 {
                continue;
            }
            let Some(ids) = distinct(&columns, &ids) else { continue };
            let what = match kind {
                FeatureKind::Of(modality) => modality.features(),
                FeatureKind::Other | FeatureKind::Unknown => "features",
            };
            notes.push(format!(
                "{shared} of {} {what} share their name with another, so all {what} are named by their ids",
                columns.len()
            ));
            for (column, id) in columns.into_iter().zip(ids) {
                names[column] = id;
            }
        }
        let features = names.into_iter().zip(kinds).map(|(name, kind)| Feature { name, kind });
        Ok(Named { features: features.collect(), notes })
    }
}

fn kind_of(label: Option<&str>) -> FeatureKind {
    label.map_or(FeatureKind::Unknown, |label| {
        FeatureKind::from_label(label).unwrap_or(FeatureKind::Other)
    })
}

/// A remark on the words that are not known.
fn unknown_labels(labels: &[Option<String>]) -> Vec<String> {
    let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
    for label in labels.iter().flatten().filter(|label| FeatureKind::from_label(label).is_none()) {
        *unknown.entry(label).or_default() += 1;
    }
    if unknown.is_empty() {
        return Vec::new();
    }
    let (count, kinds): (usize, usize) = (unknown.values().sum(), unknown.len());
    let mut listed: Vec<String> =
        unknown.keys().take(8).map(|label| format!("`{label}`")).collect();
    if kinds > listed.len() {
        listed.push(format!("{} more", kinds - listed.len()));
    }
    vec![format!(
        "{} left out because it is not known what type {} is; call them `Gene Expression`, `Antibody Capture`, `Peaks` or `Custom` in the file",
        counted(count, "feature is", "features are"),
        listed.join(", ")
    )]
}

/// How many names stand more than once.
fn shared<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for name in names {
        *uses.entry(name).or_default() += 1;
    }
    uses.values().filter(|&&uses| uses > 1).sum()
}

/// The ids of these columns, if all are there and no two are the same.
fn distinct(columns: &[usize], ids: &[Option<String>]) -> Option<Vec<String>> {
    let chosen: Vec<String> =
        columns.iter().map(|&column| ids.get(column).cloned().flatten()).collect::<Option<_>>()?;
    let mut seen = HashSet::new();
    chosen.iter().all(|id| !id.is_empty() && seen.insert(id)).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(rows: &[(&str, &str, &str)]) -> Described {
        let column =
            |of: fn(&(&str, &str, &str)) -> String| rows.iter().map(of).collect::<Vec<_>>();
        Described {
            names: column(|row| row.0.to_owned()),
            ids: column(|row| row.1.to_owned()).into_iter().map(Some).collect(),
            labels: column(|row| row.2.to_owned()).into_iter().map(Some).collect(),
        }
    }

    #[test]
    fn words_of_other_tools_are_known() {
        use Modality::{Adt, Atac, Gex};
        for (label, modality) in [
            ("Gene Expression", Gex),
            ("GENE_EXPRESSION", Gex),
            ("rna", Gex),
            ("prot", Adt),
            ("surface-protein", Adt),
            (" Antibody  Capture ", Adt),
            ("Chromatin Accessibility", Atac),
            ("ATAC", Atac),
        ] {
            assert_eq!(FeatureKind::from_label(label), Some(FeatureKind::Of(modality)), "{label}");
        }
        assert_eq!(FeatureKind::from_label("CRISPR Guide Capture"), Some(FeatureKind::Other));
        assert_eq!(FeatureKind::from_label("generation"), None);
        assert_eq!(FeatureKind::from_label(""), None);
    }

    #[test]
    fn a_modality_with_a_name_twice_is_named_by_ids() {
        let Named { features, notes } = described(&[
            ("MATR3", "E1", "rna"),
            ("CD4", "E2", "rna"),
            ("MATR3", "E3", "rna"),
            ("CD4", "P1", "ADT"),
            ("TAG", "T1", "HTO"),
            ("TAG", "T2", "HTO"),
        ])
        .named()
        .unwrap();
        let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
        assert_eq!(names, ["E1", "E2", "E3", "CD4", "TAG", "TAG"]);
        assert_eq!(
            notes,
            ["2 of 3 genes share their name with another, so all genes are named by their ids"]
        );
    }

    #[test]
    fn ids_that_do_not_tell_apart_are_no_names() {
        let twice = described(&[("A", "E1", "rna"), ("A", "E1", "rna")]).named().unwrap();
        assert!(twice.features.iter().all(|feature| feature.name == "A"));
        assert!(twice.notes.is_empty());
        let mut missing = described(&[("A", "E1", "rna"), ("A", "E2", "rna")]);
        missing.ids[1] = None;
        assert!(missing.named().unwrap().features.iter().all(|feature| feature.name == "A"));
    }

    #[test]
    fn unknown_words_are_remarked() {
        let Named { features, notes } =
            described(&[("A", "E1", "rna"), ("B", "E2", "stuff"), ("C", "E3", "stuff")])
                .named()
                .unwrap();
        assert_eq!(features[1].kind, FeatureKind::Other);
        assert!(
            notes[0].starts_with("2 features are left out") && notes[0].contains("`stuff`"),
            "{notes:?}"
        );
    }
}
