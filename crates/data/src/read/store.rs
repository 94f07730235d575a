//! A file as a tree of groups, arrays and attributes, whether HDF5 or a zarr folder.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bad;
use super::element::{Element, Target};
use super::h5::{self, H5Array, H5File};
use super::windows::Pace;
use super::zarr::{self, ZarrArray, ZarrFolder};
use crate::{Error, Result};

/// A tree, or a part of one. Names of nodes are relative to it, parted by `/`; errors name them from the root.
pub(super) struct Store {
    path: PathBuf,
    root: Arc<Root>,
    prefix: String,
}

enum Root {
    H5(H5File),
    Zarr(ZarrFolder),
}

/// What stands at a place of a tree.
pub(super) enum Node<'a> {
    Group,
    Array(Array<'a>),
}

/// An array whose claimed size its storage can hold.
pub(super) struct Array<'a> {
    store: &'a Store,
    name: String,
    source: Source,
}

enum Source {
    H5(Box<H5Array>),
    Zarr(Box<ZarrArray>),
}

/// What the entries of an array are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Number(Element),
    Text,
    /// Records of this many bytes, as anndata before 0.7 wrote its tables.
    Table {
        record: usize,
        fields: Vec<Field>,
    },
    /// Anything else, by the storage's own words.
    Other(String),
}

/// A column of a table of records.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) offset: usize,
    /// The bytes of text that stands in the record itself.
    pub(super) fixed_text: Option<usize>,
    pub(super) kind: Kind,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attribute {
    Text(Vec<String>),
    Integers(Vec<i64>),
}

/// The attributes of a group.
pub(super) struct Attributes(BTreeMap<String, Attribute>);

/// What a storage reports: the place is put before it here.
#[derive(Debug)]
pub(super) enum Problem {
    Io(std::io::Error),
    /// Of the whole file.
    Wrong(String),
    /// Of the node that was asked for, which the sentence goes on from.
    Here(String),
    /// The node's bytes make no sense.
    Damaged(String),
}

impl Attributes {
    /// The text of an attribute, where it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.texts(name)? {
            [word] => Some(word),
            _ => None,
        }
    }

    /// All text of an attribute, where it is text.
    pub(super) fn texts(&self, name: &str) -> Option<&[String]> {
        match self.0.get(name)? {
            Attribute::Text(words) => Some(words),
            Attribute::Integers(_) => None,
        }
    }

    /// The integers of an attribute, where it has some.
    pub(super) fn integers(&self, name: &str) -> Option<&[i64]> {
        match self.0.get(name)? {
            Attribute::Integers(integers) => Some(integers),
            Attribute::Text(_) => None,
        }
    }
}

impl Store {
    /// Opens an HDF5 file, or a zarr folder.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let root = if path.is_dir() {
            ZarrFolder::open(path).map(Root::Zarr)
        } else {
            H5File::open(path).map(Root::H5)
        };
        match root {
            Ok(root) => {
                Ok(Self { path: path.to_owned(), root: Arc::new(root), prefix: String::new() })
            }
            Err(problem) => Err(file_error(path, "", problem)),
        }
    }

    /// Whether a folder is a zarr store.
    pub(super) fn is_zarr(path: &Path) -> bool {
        zarr::is_zarr(path)
    }

    /// The tree below a group, as a tree of its own.
    pub(super) fn inside(&self, group: &str) -> Self {
        Self { path: self.path.clone(), root: self.root.clone(), prefix: self.full(group) + "/" }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about the file. A name of a node in it should come from [`full`](Self::full).
    pub(super) fn error(&self, what: impl Into<String>) -> Error {
        bad(&self.path, what)
    }

    /// A node's name from the root on.
    pub(super) fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn problem(&self, name: &str, problem: Problem) -> Error {
        file_error(&self.path, &self.full(name), problem)
    }

    /// What stands at `name`, or nothing.
    pub(super) fn node(&self, name: &str) -> Result<Option<Node<'_>>> {
        let full = self.full(name);
        let source = match &*self.root {
            Root::H5(file) => file.node(&full).map(|found| match found? {
                h5::Found::Group => Some(None),
                h5::Found::Array(array) => Some(Some(Source::H5(array))),
            }),
            Root::Zarr(folder) => folder.node(&full).map(|found| match found? {
                zarr::Found::Group => Some(None),
                zarr::Found::Array(array) => Some(Some(Source::Zarr(array))),
            }),
        };
        let source = source.map_err(|problem| self.problem(name, problem))?;
        Ok(source.map(|source| match source {
            Some(source) => Node::Array(Array { store: self, name: full, source }),
            None => Node::Group,
        }))
    }

    pub(super) fn array(&self, name: &str) -> Result<Array<'_>> {
        match self.node(name)? {
            Some(Node::Array(array)) => Ok(array),
            Some(Node::Group) => {
                Err(self
                    .error(format!("`{}` is a group where an array is expected", self.full(name))))
            }
            None => Err(self.error(format!("`{}` is missing", self.full(name)))),
        }
    }

    pub(super) fn has_group(&self, name: &str) -> Result<bool> {
        Ok(matches!(self.node(name)?, Some(Node::Group)))
    }

    /// Names of the arrays and groups inside a group.
    pub(super) fn children(&self, name: &str) -> Result<Vec<String>> {
        let full = self.full(name);
        let listed = match &*self.root {
            Root::H5(file) => file.children(&full),
            Root::Zarr(folder) => folder.children(&full),
        };
        listed.map_err(|problem| self.problem(name, problem))
    }

    /// The attributes of a group.
    pub(super) fn attributes(&self, name: &str) -> Result<Attributes> {
        let full = self.full(name);
        let found = match &*self.root {
            Root::H5(file) => file.attributes(&full),
            Root::Zarr(folder) => folder.attributes(&full),
        };
        found.map(Attributes).map_err(|problem| self.problem(name, problem))
    }
}

fn file_error(path: &Path, name: &str, problem: Problem) -> Error {
    match problem {
        Problem::Io(cause) => Error::Io { path: path.to_owned(), cause },
        Problem::Wrong(what) => bad(path, what),
        Problem::Here(what) => bad(path, format!("`{name}` {what}")),
        Problem::Damaged(what) => bad(
            path,
            format!("`{name}` cannot be read: {what}; the file may be truncated or damaged"),
        ),
    }
}

impl Array<'_> {
    pub(super) fn shape(&self) -> &[usize] {
        match &self.source {
            Source::H5(array) => &array.shape,
            Source::Zarr(array) => array.shape(),
        }
    }

    pub(super) fn kind(&self) -> &Kind {
        match &self.source {
            Source::H5(array) => &array.kind,
            Source::Zarr(array) => array.kind(),
        }
    }

    /// The number of entries of a one-dimensional array.
    pub(super) fn vector_len(&self) -> Result<usize> {
        match self.shape() {
            &[len] => Ok(len),
            shape => {
                Err(self.error(format!("has {} dimensions where one is expected", shape.len())))
            }
        }
    }

    pub(super) fn error(&self, what: impl std::fmt::Display) -> Error {
        self.store.error(format!("`{}` {what}", self.name))
    }

    fn problem(&self, problem: Problem) -> Error {
        file_error(&self.store.path, &self.name, problem)
    }

    /// Every entry of a one-dimensional array as text; numbers as they print.
    pub(super) fn text(&self) -> Result<Vec<String>> {
        let length = self.vector_len()?;
        match self.kind() {
            Kind::Text => self.exact(self.words(), length),
            _ => Ok(self.numbers()?.into_iter().map(|number| number.to_string()).collect()),
        }
    }

    /// The only entry, where that is text.
    pub(super) fn word(&self) -> Option<String> {
        let is_one = self.shape().iter().product::<usize>() == 1 && *self.kind() == Kind::Text;
        if is_one { self.words().ok()?.pop() } else { None }
    }

    fn words(&self) -> Result<Vec<String>, Problem> {
        match &self.source {
            Source::H5(array) => array.text(),
            Source::Zarr(array) => array.text(),
        }
    }

    /// Every entry of a one-dimensional array as a number.
    pub(super) fn numbers(&self) -> Result<Vec<f64>> {
        self.rows(0..self.vector_len()?)
    }

    /// Rows of the array as 64-bit integers, whatever integer type is stored.
    pub(super) fn integers(&self, rows: Range<usize>) -> Result<Vec<i64>> {
        if matches!(self.kind(), Kind::Number(element) if element.is_float()) {
            return Err(self.error("holds floating-point numbers where integers are expected"));
        }
        self.rows(rows)
    }

    /// Rows of the array as `f32`, whatever number type is stored, flattened row by row.
    pub(super) fn floats(&self, rows: Range<usize>) -> Result<Vec<f32>> {
        self.rows(rows)
    }

    fn rows<T: Target + Sync>(&self, rows: Range<usize>) -> Result<Vec<T>> {
        match self.kind() {
            Kind::Number(_) => {}
            Kind::Text => return Err(self.error("holds text where numbers are expected")),
            Kind::Table { .. } => {
                return Err(self.error("is a table of records where numbers are expected"));
            }
            Kind::Other(what) => {
                return Err(self.error(format!("holds entries that cannot be read ({what})")));
            }
        }
        let expected = rows.len() * self.shape().iter().skip(1).product::<usize>();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let read = match &self.source {
            Source::H5(array) => array.numbers(rows),
            Source::Zarr(array) => array.numbers(rows),
        };
        self.exact(read, expected)
    }

    fn exact<T>(&self, read: Result<Vec<T>, Problem>, expected: usize) -> Result<Vec<T>> {
        let values = read.map_err(|problem| self.problem(problem))?;
        if values.len() != expected {
            return Err(
                self.error(format!("gave {} entries where {expected} are expected", values.len()))
            );
        }
        Ok(values)
    }

    /// The records of a table, one after another.
    pub(super) fn records(&self) -> Result<Vec<u8>> {
        match &self.source {
            Source::H5(array) => array.records().map_err(|problem| self.problem(problem)),
            Source::Zarr(_) => Err(self.error("is a table of records, which is read from HDF5")),
        }
    }

    /// The text that the bytes at the beginning of `field` refer to.
    pub(super) fn referred(&self, field: &[u8]) -> Result<String> {
        match &self.source {
            Source::H5(array) => {
                let reference = field.get(..array.reference_size()).unwrap_or(field);
                array.referred(reference).map_err(|problem| self.problem(problem))
            }
            Source::Zarr(_) => Err(self.error("is a table of records, which is read from HDF5")),
        }
    }

    /// How to go through the array: whole stored pieces at a time, so that none is decoded twice.
    pub(super) fn pace(&self) -> Pace {
        let band = match &self.source {
            Source::H5(array) => array.band,
            Source::Zarr(array) => array.band(),
        };
        Pace::of(self.shape(), band)
    }
}
