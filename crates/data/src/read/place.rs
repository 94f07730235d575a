//! Which matrix of a file, as text: `X`, `layers/counts`, `raw/X`, `obsm/protein_expression`, `mod/rna/X`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A matrix of an AnnData or MuData file, by where it stands. The default is the file's main matrix: `X`, or in a file
/// without one its layer `normalized`.
///
/// ```
/// use modality_data::{Matrix, Place};
///
/// let place: Place = "mod/rna/layers/counts".parse()?;
/// assert_eq!(place.modality.as_deref(), Some("rna"));
/// assert_eq!(place.matrix, Some(Matrix::Layer("counts".to_owned())));
/// assert_eq!(place.to_string(), "mod/rna/layers/counts");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place {
    /// The modality of a MuData file; none of an AnnData file.
    pub modality: Option<String>,
    /// The matrix; without one the main matrix.
    pub matrix: Option<Matrix>,
}

/// A matrix of cells x features inside an AnnData file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// `X`.
    X,
    /// `layers/NAME`.
    Layer(String),
    /// `raw/X`, whose features are those of `raw/var`.
    Raw,
    /// `obsm/NAME`: a table of cells whose columns are features, or an array.
    Obsm(String),
}

impl FromStr for Matrix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |name: &str| (!name.is_empty() && !name.contains('/')).then(|| name.to_owned());
        let found = match text.split_once('/') {
            None if text == "X" => Some(Self::X),
            Some(("raw", "X")) => Some(Self::Raw),
            Some(("layers", name)) => named(name).map(Self::Layer),
            Some(("obsm", name)) => named(name).map(Self::Obsm),
            _ => None,
        };
        found.ok_or_else(|| {
            format!(
                "`{text}` names no matrix; `X`, `layers/NAME`, `raw/X` and `obsm/NAME` do, of a MuData file with `mod/MODALITY/` before them"
            )
        })
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::X => f.write_str("X"),
            Self::Layer(name) => write!(f, "layers/{name}"),
            Self::Raw => f.write_str("raw/X"),
            Self::Obsm(name) => write!(f, "obsm/{name}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("mod/") else {
            return Ok(Self { modality: None, matrix: Some(text.parse()?) });
        };
        let (modality, matrix) = match rest.split_once('/') {
            Some((modality, matrix)) => (modality, Some(matrix.parse()?)),
            None => (rest, None),
        };
        if modality.is_empty() {
            return Err(format!("`{text}` names no modality; `mod/rna/X` is right"));
        }
        Ok(Self { modality: Some(modality.to_owned()), matrix })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.modality, &self.matrix) {
            (None, None) => Ok(()),
            (None, Some(matrix)) => write!(f, "{matrix}"),
            (Some(modality), None) => write!(f, "mod/{modality}"),
            (Some(modality), Some(matrix)) => write!(f, "mod/{modality}/{matrix}"),
        }
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl From<Matrix> for Place {
    fn from(matrix: Matrix) -> Self {
        Self { modality: None, matrix: Some(matrix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_place_are_the_same_thing() {
        let texts =
            ["X", "layers/counts", "raw/X", "obsm/prot", "mod/rna", "mod/rna/X", "mod/a/obsm/b"];
        for text in texts {
            let place: Place = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
        }
        assert_eq!(Place::default().to_string(), "");
    }

    #[test]
    fn other_text_is_refused_with_what_would_be_right() {
        let texts = ["", "counts", "x", "raw", "raw/Y", "layers", "layers/", "layers/a/b", "mod/"];
        for text in texts {
            let error = text.parse::<Place>().unwrap_err();
            assert!(error.contains("mod/") && error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
