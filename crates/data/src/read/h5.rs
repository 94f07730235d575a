//! The one place that speaks to the HDF5 library. A size that a file claims is checked against what the
//! file holds before memory is asked for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use hdf5_reader::error::Error as H5Error;
use hdf5_reader::{
    Dataset, Datatype, ExternalLinkResolver, FilterRegistry, H5Type, Hdf5File, OpenOptions,
    SliceInfo, SliceInfoElem, StringSize, VarLenKind,
};

use super::codec;
use super::element::{Element, Target};
use super::store::{Attribute, Field, Kind, Problem};

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// What is stored cannot grow further than this when it is decompressed: DEFLATE makes 1032 bytes of one at most.
const MOST_GROWTH: u64 = 1100;

/// An HDF5 file that is read in pieces.
pub(super) struct H5File {
    file: Hdf5File,
    bytes: u64,
    elsewhere: Arc<Elsewhere>,
}

/// What stands at a path inside a file.
pub(super) enum Found {
    Group,
    Array(H5Array),
}

/// A dataset whose claimed size the file can hold.
pub(super) struct H5Array {
    dataset: Dataset,
    pub(super) shape: Vec<usize>,
    pub(super) kind: Kind,
    /// Rows that are stored together.
    pub(super) band: usize,
}

/// Takes down which other files are linked to; none is followed, as a data set names the files that it was read from.
#[derive(Default)]
struct Elsewhere(Mutex<Option<String>>);

impl ExternalLinkResolver for Elsewhere {
    fn resolve_external_link(&self, file: &str) -> Result<Option<Hdf5File>, H5Error> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(file.to_owned());
        Ok(None)
    }
}

impl Elsewhere {
    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whether the file's first bytes, or those behind a user block, are HDF5's.
pub(super) fn is_hdf5(path: &Path) -> std::io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    let places = std::iter::once(0).chain((9..).map(|power| 1_u64 << power));
    for place in places.take_while(|place| place + 8 <= length) {
        let mut bytes = [0; 8];
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(&mut bytes)?;
        if bytes == SIGNATURE {
            return Ok(true);
        }
    }
    Ok(false)
}

impl H5File {
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        let bytes = std::fs::metadata(path).map_err(Problem::Io)?.len();
        if !is_hdf5(path).map_err(Problem::Io)? {
            let what = "this is not an HDF5 file (its signature is missing)";
            return Err(Problem::Wrong(what.to_owned()));
        }
        let most = usize::try_from(bytes.saturating_mul(MOST_GROWTH)).unwrap_or(usize::MAX);
        let elsewhere = Arc::new(Elsewhere::default());
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(0)
            .with_max_chunk_bytes(most)
            .with_max_read_bytes(most)
            .with_filter_registry(filters(most))
            .with_external_link_resolver(elsewhere.clone());
        let file = Hdf5File::open_with_options(path, options).map_err(|error| {
            Problem::Wrong(format!("the HDF5 file cannot be opened: {error}; it may be truncated"))
        })?;
        let end = file.superblock().eof_address;
        if end > bytes {
            let what = format!(
                "the HDF5 file is truncated: it says that it has {end} bytes, and has {bytes}"
            );
            return Err(Problem::Wrong(what));
        }
        Ok(Self { file, bytes, elsewhere })
    }

    /// What stands at `name`, or nothing.
    pub(super) fn node(&self, name: &str) -> Result<Option<Found>, Problem> {
        self.elsewhere.take();
        let found = self.find(name);
        match (found, self.elsewhere.take()) {
            (Ok(None), Some(file)) => Err(Problem::Here(format!(
                "is a link into the file `{file}`, and links into other files are not followed; copy what it means into this file"
            ))),
            (found, _) => found,
        }
    }

    fn find(&self, name: &str) -> Result<Option<Found>, Problem> {
        let (parents, last) = name.rsplit_once('/').unwrap_or(("", name));
        let parent = match self.file.group(parents) {
            Err(error) if is_absence(&error) => return Ok(None),
            group => group.map_err(|error| problem(&error))?,
        };
        match parent.dataset(last) {
            Ok(dataset) => H5Array::new(self, dataset).map(|array| Some(Found::Array(array))),
            Err(error) if is_absence(&error) => match parent.group(last) {
                Ok(_) => Ok(Some(Found::Group)),
                Err(error) if is_absence(&error) => Ok(None),
                Err(error) => Err(problem(&error)),
            },
            Err(error) => Err(problem(&error)),
        }
    }

    /// Names of the arrays and groups inside a group.
    pub(super) fn children(&self, name: &str) -> Result<Vec<String>, Problem> {
        let listed = self.file.group(name).and_then(|group| group.member_names());
        let (mut groups, arrays) = listed.map_err(|error| problem(&error))?;
        groups.extend(arrays);
        Ok(groups)
    }

    /// The attributes of a group; one that is neither text nor integers is left out.
    pub(super) fn attributes(&self, name: &str) -> Result<BTreeMap<String, Attribute>, Problem> {
        let attributes = self.file.group(name).and_then(|group| group.attributes());
        let attributes = attributes.map_err(|error| problem(&error))?;
        Ok(attributes
            .into_iter()
            .filter_map(|attribute| Some((attribute.name.clone(), value(&attribute)?)))
            .collect())
    }
}

fn value(attribute: &hdf5_reader::Attribute) -> Option<Attribute> {
    match kind(&attribute.datatype) {
        Kind::Text => attribute.read_strings().ok().map(Attribute::Text),
        Kind::Number(element) if !element.is_float() => {
            Some(Attribute::Integers(element.decode(&attribute.raw_data)))
        }
        _ => None,
    }
}

/// Whether the library found nothing, or something of the other sort, where it looked.
fn is_absence(error: &H5Error) -> bool {
    match error {
        H5Error::GroupNotFound(_) | H5Error::DatasetNotFound(_) => true,
        H5Error::Context { source, .. } => is_absence(source),
        _ => false,
    }
}

/// The library's decoders, and those that it does not have.
fn filters(most: usize) -> FilterRegistry {
    let mut registry = FilterRegistry::new();
    let decoders: [(u16, fn(&[u8], usize) -> codec::Decoded); 4] = [
        (32000, codec::lzf),
        (32001, codec::blosc),
        (32004, codec::blocks_of_lz4),
        (32015, codec::zstd),
    ];
    for (id, decode) in decoders {
        let decode = move |_: &_, bytes: &[u8], _: usize| {
            decode(bytes, most).map_err(H5Error::DecompressionError)
        };
        registry.register(id, Box::new(decode));
    }
    registry
}

/// What the library's error means to whoever has the file.
fn problem(error: &H5Error) -> Problem {
    use H5Error as E;
    match error {
        E::Context { source, .. } => problem(source),
        E::Io(_) => Problem::Here(format!("cannot be read: {error}")),
        E::UnsupportedFilter(filter) => Problem::Here(format!(
            "is compressed in a way that is not read ({}); write the file again with `adata.write_h5ad(PATH, compression=\"gzip\")`",
            filter_name(filter)
        )),
        E::UnsupportedEncoding(_)
        | E::UnsupportedLayoutVersion(_)
        | E::UnsupportedLayoutClass(_)
        | E::UnsupportedChunkIndexType(_)
        | E::UnsupportedDatatypeClass(_) => Problem::Here(format!(
            "is stored in a form of HDF5 that is not read ({error}); write the file again with `adata.write_h5ad(PATH)`"
        )),
        _ => Problem::Damaged(error.to_string()),
    }
}

/// The registered filters that people use and that nothing here decodes, by the library's word for them.
fn filter_name(filter: &str) -> String {
    let name = match filter.rsplit(' ').next() {
        Some("307") => "bzip2",
        Some("32008") => "Bitshuffle",
        Some("32013") => "ZFP",
        Some("32026") => "Blosc2",
        _ => return filter.to_owned(),
    };
    name.to_owned()
}

impl H5Array {
    fn new(file: &H5File, dataset: Dataset) -> Result<Self, Problem> {
        let claimed = dataset.shape();
        let element = dataset.raw_element_size().map_err(|error| problem(&error))? as u64;
        let bytes = claimed.iter().try_fold(element, |size, &extent| size.checked_mul(extent));
        let shape =
            claimed.iter().map(|&extent| usize::try_from(extent).ok()).collect::<Option<Vec<_>>>();
        let (Some(shape), Some(bytes)) = (shape, bytes) else {
            return Err(Problem::Here(format!(
                "claims a shape of {claimed:?}, more than memory can address"
            )));
        };
        if bytes > file.bytes.saturating_mul(MOST_GROWTH) {
            return Err(Problem::Here(format!(
                "claims {bytes} bytes where the file has {}; the file is truncated or damaged",
                file.bytes
            )));
        }
        let band = dataset.chunks().and_then(|chunk| chunk.first().copied()).unwrap_or(1);
        let kind = kind(dataset.dtype());
        Ok(Self { dataset, shape, kind, band: band as usize })
    }

    /// Every entry of an array of text.
    pub(super) fn text(&self) -> Result<Vec<String>, Problem> {
        self.dataset.read_strings().map_err(|error| problem(&error))
    }

    /// Numbers of some rows, flattened row by row.
    pub(super) fn numbers<T: Target + Sync>(&self, rows: Range<usize>) -> Result<Vec<T>, Problem> {
        let slice = |range: Range<usize>| SliceInfoElem::Slice {
            start: range.start as u64,
            end: range.end as u64,
            step: 1,
        };
        let whole = self.shape.iter().map(|&extent| 0..extent);
        let mut selections: Vec<SliceInfoElem> = whole.map(slice).collect();
        if let Some(first) = selections.first_mut() {
            *first = slice(rows);
        }
        let array = self.dataset.read_slice::<Converted<T>>(&SliceInfo { selections });
        let (values, _) = array.map_err(|error| problem(&error))?.into_raw_vec_and_offset();
        Ok(values.into_iter().map(|Converted(value)| value).collect())
    }

    /// Every record of a table, as it is stored, one after another.
    pub(super) fn records(&self) -> Result<Vec<u8>, Problem> {
        self.dataset.read_raw_bytes().map_err(|error| problem(&error))
    }

    /// The text that a record refers to.
    pub(super) fn referred(&self, reference: &[u8]) -> Result<String, Problem> {
        let bytes = self.dataset.resolve_vlen_reference_bytes(reference, 1);
        String::from_utf8(bytes.map_err(|error| problem(&error))?)
            .map_err(|error| Problem::Here(format!("holds text that is no UTF-8: {error}")))
    }

    /// The number of bytes of a reference to text.
    pub(super) fn reference_size(&self) -> usize {
        self.dataset.vlen_reference_size()
    }
}

/// What a datatype is to this crate.
fn kind(datatype: &Datatype) -> Kind {
    use hdf5_reader::ByteOrder::BigEndian;
    let number = |element: Option<Element>| {
        element.map_or_else(|| Kind::Other(format!("{datatype:?}")), Kind::Number)
    };
    match datatype {
        Datatype::FixedPoint { size, signed: true, byte_order } => {
            number(Element::signed(usize::from(*size), *byte_order == BigEndian))
        }
        Datatype::FixedPoint { size, signed: false, byte_order }
        | Datatype::Bitfield { size, byte_order } => {
            number(Element::unsigned(usize::from(*size), *byte_order == BigEndian))
        }
        Datatype::FloatingPoint { size, byte_order } => {
            number(Element::float(usize::from(*size), *byte_order == BigEndian))
        }
        Datatype::Enum { base, .. } => kind(base),
        Datatype::String { .. } | Datatype::VarLen { kind: VarLenKind::String, .. } => Kind::Text,
        Datatype::Compound { fields, size } => {
            Kind::Table { record: *size as usize, fields: fields.iter().map(field).collect() }
        }
        other => Kind::Other(format!("{other:?}")),
    }
}

fn field(field: &hdf5_reader::CompoundField) -> Field {
    let text = match &field.datatype {
        Datatype::String { size: StringSize::Fixed(size), .. } => Some(*size as usize),
        _ => None,
    };
    Field {
        name: field.name.clone(),
        offset: field.byte_offset as usize,
        fixed_text: text,
        kind: kind(&field.datatype),
    }
}

/// A number that is converted while it is read, from whatever type is stored.
#[derive(Clone, Copy)]
struct Converted<T>(T);

impl<T: Target> H5Type for Converted<T> {
    fn hdf5_type() -> Datatype {
        f64::hdf5_type()
    }

    fn from_bytes(bytes: &[u8], dtype: &Datatype) -> Result<Self, H5Error> {
        let value = element(dtype)?.decode::<T>(bytes).first().copied();
        value.map(Self).ok_or_else(|| H5Error::InvalidData("an entry is cut off".to_owned()))
    }

    fn element_size(dtype: &Datatype) -> usize {
        element(dtype).map_or(1, Element::size)
    }

    fn decode_vec(
        raw: &[u8],
        dtype: &Datatype,
        count: usize,
    ) -> Option<Result<Vec<Self>, H5Error>> {
        Some(element(dtype).map(|element| {
            let bytes = raw.len().min(count.saturating_mul(element.size()));
            element.decode(&raw[..bytes]).into_iter().map(Self).collect()
        }))
    }
}

fn element(dtype: &Datatype) -> Result<Element, H5Error> {
    match kind(dtype) {
        Kind::Number(element) => Ok(element),
        _ => Err(H5Error::TypeMismatch {
            expected: "numbers".to_owned(),
            actual: format!("{dtype:?}"),
        }),
    }
}
