//! `bench-configs/datasets.toml`: the data sets that can be named, and how each is had.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use modality_data::{CiteLayout, synthetic::Size};
use modality_protocol::{Modality, Task, did_you_mean};
use serde::Deserialize;

use modality_toolchain::{UserError, fetch::last_part};

const FILE: &str = "bench-configs/datasets.toml";

/// Data sets by name.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    entries: BTreeMap<String, Entry>,
}

/// SHA-256 sums, lower-case hexadecimal, by file name.
pub(crate) type Sums = BTreeMap<String, String>;

/// One data set.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// One line for people.
    pub(crate) about: String,
    /// What is measured of its cells; unless a task is asked for, another is predicted from the first of them.
    #[serde(default = "gex_and_adt")]
    pub(crate) modalities: Vec<Modality>,
    /// How it is had.
    pub(crate) source: Source,
}

/// How a data set is had.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Source {
    /// One file inside a Python package.
    Wheel(Wheel),
    /// The competition's four files, by https.
    Download(Download),
    /// The competition's four files, in a folder.
    Folder(Folder),
    /// One file, or 10x folder, of both modalities, or one of each.
    CiteFile(CiteFile),
    /// Generated cells.
    Generator(Generator),
}

/// One file inside a Python package.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wheel {
    /// Name of the package.
    pub(crate) package: String,
    /// Its version.
    pub(crate) version: String,
    /// Path of the file inside the wheel.
    pub(crate) member: String,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Sum of the file, lower-case hexadecimal.
    pub(crate) sha256: String,
    /// What to read from the file.
    pub(crate) layout: CiteLayout,
}

/// The competition's four files, by https.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Download {
    /// One address a file.
    pub(crate) urls: Vec<String>,
    /// Sums by file name, where they are published.
    #[serde(default)]
    pub(crate) sha256: Sums,
    /// What to read from the files.
    #[serde(default)]
    pub(crate) layout: CiteLayout,
}

/// The competition's four files, in a folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Folder {
    /// Where to look; a relative path starts at the checkout.
    pub(crate) path: Option<PathBuf>,
    /// Sums by file name; files without one are not checked.
    #[serde(default)]
    pub(crate) sha256: Sums,
    /// What to read from the files.
    #[serde(default)]
    pub(crate) layout: CiteLayout,
}

/// One file, or 10x folder, of both modalities, or one of each.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CiteFile {
    /// Where it is, if it is one; a relative path starts at the checkout.
    pub(crate) path: Option<PathBuf>,
    /// Where they are, if they are several.
    #[serde(default)]
    pub(crate) paths: BTreeMap<Modality, PathBuf>,
    /// What to read from it.
    #[serde(default)]
    pub(crate) layout: CiteLayout,
}

/// Generated cells.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Generator {
    /// The size where none is asked for.
    pub(crate) size: Size,
    /// The seed where none is asked for.
    pub(crate) seed: u64,
}

impl Catalogue {
    /// Reads `bench-configs/datasets.toml` of the checkout in `root`.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(FILE)).with_context(|| FILE.to_owned())?;
        Self::parse(&text)
    }

    /// One data set to download, from addresses that a file must not name.
    #[cfg(test)]
    pub(super) fn with_download(name: &str, urls: Vec<String>) -> Self {
        let source =
            Source::Download(Download { urls, sha256: Sums::new(), layout: CiteLayout::default() });
        Self {
            entries: BTreeMap::from([(
                name.to_owned(),
                Entry { about: String::new(), modalities: gex_and_adt(), source },
            )]),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let raw: toml::Table = toml::from_str(text)
            .map_err(|error| UserError(format!("{FILE}: {}", one_line(&error))))?;
        let entry =
            |(name, value): (String, _)| Entry::parse(&name, value).map(|entry| (name, entry));
        Ok(Self { entries: raw.into_iter().map(entry).collect::<Result<_>>()? })
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The name under which the published files of `name` are kept: data sets that are read from the same file share it.
    pub(super) fn keeper(&self, name: &str) -> String {
        let file = |entry: &Entry| match &entry.source {
            Source::Wheel(wheel) => Some(wheel.sha256.clone()),
            _ => None,
        };
        let wanted = self.entries.get(name).and_then(file);
        let same = |(_, entry): &(_, &Entry)| wanted.is_some() && file(entry) == wanted;
        self.entries.iter().find(same).map_or(name, |(keeper, _)| keeper).to_owned()
    }

    /// The entry of that name.
    pub(crate) fn get(&self, name: &str) -> Result<&Entry> {
        self.entries.get(name).ok_or_else(|| {
            let known = self.names().collect::<Vec<_>>().join(", ");
            UserError(format!(
                "there is no data set `{name}`; there are: {known}; `--data PATH` takes any other{}",
                did_you_mean(name, self.names())
            ))
            .into()
        })
    }
}

fn gex_and_adt() -> Vec<Modality> {
    vec![Modality::Gex, Modality::Adt]
}

impl Entry {
    /// What can be predicted from what; first what is predicted from the modality that is named first.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = Task> {
        let place = |modality| self.modalities.iter().position(|known| *known == modality);
        let known = |task: &Task| place(task.input).is_some() && place(task.target).is_some();
        let mut tasks: Vec<Task> = Task::ALL.into_iter().filter(known).collect();
        tasks.sort_by_key(|task| (place(task.input), place(task.target)));
        tasks.into_iter()
    }

    fn parse(name: &str, value: toml::Value) -> Result<Self> {
        let wrong = |what: String| UserError(format!("{FILE}: data set `{name}`: {what}"));
        if !is_name(name) {
            return Err(wrong(
                "a name has letters, digits, `-`, `_` and `.`, and starts with none of the last"
                    .to_owned(),
            )
            .into());
        }
        let entry: Self = value.try_into().map_err(|error| wrong(one_line(&error)))?;
        if entry.tasks().next().is_none() {
            return Err(wrong(
                "`modalities` must name two of gex, adt and atac that a task connects".to_owned(),
            )
            .into());
        }
        entry.source.check().map_err(wrong)?;
        if let Source::CiteFile(files) = &entry.source {
            files.check(&entry.modalities).map_err(wrong)?;
        }
        Ok(entry)
    }
}

impl Source {
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Wheel(wheel) => check_sum("source.sha256", &wheel.sha256),
            Self::Download(download) => {
                check_urls(&download.urls)?;
                check_sums(&download.sha256)
            }
            Self::Folder(folder) => check_sums(&folder.sha256),
            Self::CiteFile(_) | Self::Generator(_) => Ok(()),
        }
    }
}

impl CiteFile {
    fn check(&self, modalities: &[Modality]) -> Result<(), String> {
        let has_all = modalities.iter().all(|modality| self.paths.contains_key(modality));
        if self.path.is_some() == self.paths.is_empty() && (self.path.is_some() || has_all) {
            return Ok(());
        }
        let names: Vec<&str> = modalities.iter().map(|modality| modality.name()).collect();
        Err(format!(
            "`source` names either `path`, a file of both modalities, or `paths`, one each of {}",
            names.join(" and ")
        ))
    }
}

impl Wheel {
    /// The file's name without its folders.
    pub(crate) fn file_name(&self) -> &str {
        last_part(&self.member)
    }
}

fn check_urls(urls: &[String]) -> Result<(), String> {
    if let Some(url) =
        urls.iter().find(|url| !url.starts_with("https://") || last_part(url).is_empty())
    {
        return Err(format!(
            "`source.urls`: `{url}` is not an https address that ends in a file name"
        ));
    }
    let names: BTreeSet<&str> = urls.iter().map(|url| last_part(url)).collect();
    if urls.len() != 4 || names.len() != 4 {
        return Err(format!(
            "`source.urls`: {} files with {} names where four are expected",
            urls.len(),
            names.len()
        ));
    }
    Ok(())
}

fn check_sums(sums: &Sums) -> Result<(), String> {
    sums.iter().try_for_each(|(file, sum)| check_sum(&format!("source.sha256.\"{file}\""), sum))
}

fn check_sum(key: &str, sum: &str) -> Result<(), String> {
    let is_sum =
        sum.len() == 64 && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_sum {
        Ok(())
    } else {
        Err(format!("`{key}`: `{sum}` is not a SHA-256 sum of 64 digits 0-9, a-f"))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Catalogue {
        Catalogue::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))).unwrap()
    }

    fn refused(text: &str) -> String {
        let error = Catalogue::parse(text).unwrap_err();
        assert!(error.is::<UserError>(), "{error}");
        error.to_string()
    }

    #[test]
    fn the_shipped_file_names_data_sets_for_every_task() {
        let catalogue = shipped();
        let names: Vec<&str> = catalogue.names().collect();
        let wanted = [
            "bmmc-cite",
            "bmmc-cite-starter",
            "bmmc-multiome-starter",
            "bmmc-synthetic",
            "liu-covid-cite",
            "liu-covid-cite-donors",
            "openproblems_bmmc_cite_phase2_mod2",
            "openproblems_bmmc_cite_phase2_rna",
            "openproblems_bmmc_multiome_phase2_mod2",
            "openproblems_bmmc_multiome_phase2_rna",
        ];
        assert_eq!(names, wanted);
        let tasks = |name| catalogue.get(name).unwrap().tasks().collect::<Vec<_>>();
        assert_eq!(tasks("liu-covid-cite"), [Task::GEX_TO_ADT, Task::ADT_TO_GEX]);
        assert_eq!(tasks("bmmc-multiome-starter"), [Task::GEX_TO_ATAC, Task::ATAC_TO_GEX]);
        let Source::Wheel(wheel) = &catalogue.get("liu-covid-cite").unwrap().source else {
            panic!("not a wheel")
        };
        assert_eq!(wheel.layout, CiteLayout::liu_covid());
        assert_eq!(wheel.file_name(), "liu_demo.h5ad");
        let keepers = ["liu-covid-cite", "liu-covid-cite-donors", "bmmc-cite", "x"]
            .map(|name| catalogue.keeper(name));
        assert_eq!(keepers, ["liu-covid-cite", "liu-covid-cite", "bmmc-cite", "x"]);
    }

    #[test]
    fn a_published_folder_is_first_of_all_for_its_own_task() {
        let catalogue = shipped();
        for (name, task) in [
            ("openproblems_bmmc_cite_phase2_rna", Task::GEX_TO_ADT),
            ("openproblems_bmmc_cite_phase2_mod2", Task::ADT_TO_GEX),
            ("openproblems_bmmc_multiome_phase2_rna", Task::GEX_TO_ATAC),
            ("openproblems_bmmc_multiome_phase2_mod2", Task::ATAC_TO_GEX),
            ("liu-covid-cite", Task::GEX_TO_ADT),
        ] {
            let entry = catalogue.get(name).unwrap();
            assert_eq!(entry.tasks().next(), Some(task), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = shipped().get("liu").unwrap_err();
        assert!(error.is::<UserError>());
        assert!(
            error.to_string().contains("bmmc-cite-starter, bmmc-multiome-starter, bmmc-synthetic"),
            "{error}"
        );
    }

    #[test]
    fn mistakes_are_answered_with_file_entry_and_key() {
        let entry = |source: &str| format!("[x]\nabout = \"\"\n[x.source]\n{source}");
        let cases = [
            (entry("kind = \"generator\"\nsize = \"small\"\nseed = 1\nsede = 2"), "`sede`"),
            (entry("kind = \"generator\"\nsize = \"huge\"\nseed = 1"), "`huge`"),
            (entry("kind = \"genrator\""), "`genrator`"),
            (entry("kind = \"download\"\nurls = [\"http://a/b\"]"), "`source.urls`"),
            (entry("kind = \"download\"\nurls = [\"https://a/b\"]"), "four are expected"),
            (entry("kind = \"folder\"\nsha256 = { f = \"12\" }"), "`source.sha256.\"f\"`"),
            (entry("kind = \"cite-file\""), "either `path`"),
            (entry("kind = \"cite-file\"\npaths = { gex = \"a\" }"), "each of gex and adt"),
            (
                entry("kind = \"cite-file\"\npath = \"a\"\npaths = { gex = \"a\", adt = \"b\" }"),
                "either `path`",
            ),
        ];
        for (text, what) in cases {
            let message = refused(&text);
            assert!(
                message.starts_with("bench-configs/datasets.toml: data set `x`: "),
                "{message}"
            );
            assert!(message.contains(what) && !message.contains('\n'), "{message}");
        }
        assert!(refused("[\"../y\"]").contains("a name has"));
        assert!(refused("[y").starts_with("bench-configs/datasets.toml: "));
    }
}
