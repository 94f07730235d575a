"""Writes files.tar.zst: some hundreds of small files over the product of what the libraries of Python write, and what these
libraries read of them (expected.json), which `main.rs` beside this holds the readers to.

    python generate.py      # anndata 0.12, h5py, hdf5plugin, mudata, numcodecs, numpy, pandas, scipy, zarr 3

Every file has five cells and four features, but those of `codec`, which are large enough to be compressed in several pieces.
"""

import io
import itertools
import json
import shutil
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

import anndata
import h5py
import hdf5plugin
import mudata
import numcodecs
import numpy as np
import pandas as pd
import scipy.sparse as sp
import zarr
from zarr import codecs as v3

warnings.filterwarnings("ignore")
anndata.settings.allow_write_nullable_strings = True
HERE = Path(__file__).parent
ROOT = Path(tempfile.mkdtemp())
CASES = []
SMALL = np.array([[0, 1, 0, 3], [0, 0, 0, 0], [5, 0, 60, 0], [0, 0, 1, 100], [7, 8, 0, 0]])
LARGE = np.random.default_rng(0).poisson(0.7, (60, 40)) * 3
INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
NUMBERS = [*INTEGERS, "f2", "f4", "f8", "bool"]
FORMS = {"dense": np.asarray, "csr": sp.csr_matrix, "csc": sp.csc_matrix}
STORES = ["h5ad", "zarr2", "zarr3"]


def frames(cells=5, features=4):
    obs = pd.DataFrame({"depth": np.arange(cells) * 10}, index=[f"cell {i}" for i in range(cells)])
    return obs, pd.DataFrame(index=[f"F{i}" for i in range(features)])


def annotated(matrix, **more):
    obs, var = frames(*SMALL.shape) if matrix is None else frames(*matrix.shape)
    return anndata.AnnData(matrix, **{"obs": obs, "var": var, **more})


# What Python reads.


def read(path):
    if path.suffix == ".h5mu":
        return mudata.read_h5mu(path)
    if path.suffix == ".h5ad":
        return anndata.read_h5ad(path)
    is_mudata = "mod" in zarr.open_group(path, mode="r")
    return mudata.read_zarr(path) if is_mudata else anndata.read_zarr(path)


def at(data, place):
    """The matrix at a place, the names of its features, and the cells' own object."""
    if place.startswith("mod/"):
        _, name, place = place.split("/", 2)
        data = data.mod[name]
    if place.startswith("layers/"):
        return data.layers[place[7:]], data.var_names, data
    if place == "raw/X":
        return data.raw.X, data.raw.var_names, data
    if place.startswith("obsm/"):
        table = data.obsm[place[5:]]
        names = getattr(table, "columns", None)
        names = [f"{place[5:]}-{i}" for i in range(table.shape[1])] if names is None else names
        return table, names, data
    return data.X, data.var_names, data


def densified(matrix):
    """SciPy makes a dense matrix where the positions are 32 or 64 bits wide and no byte is swapped."""
    parts = matrix.data.astype(matrix.dtype.newbyteorder("=")), matrix.indices.astype("i8"), matrix.indptr.astype("i8")
    return type(matrix)(parts, shape=matrix.shape).toarray()


def column(values):
    if values.dtype == "category" or values.dtype == object or pd.api.types.is_string_dtype(values):
        return [None if pd.isna(value) else str(value) for value in values]
    return [None if pd.isna(value) else float(value) for value in values]


def case(name, write, place="X", asked=None):
    """Writes a file and takes down what Python reads at `place`, which a reader finds when asked for `asked`."""
    path = ROOT / name
    path.parent.mkdir(exist_ok=True, parents=True)
    if not path.exists():
        write(path)
    matrix, names, data = at(read(path), place)
    dense = densified(matrix) if sp.issparse(matrix) else np.asarray(matrix)
    CASES.append(
        {
            "file": name,
            "asked": place if asked is None else asked,
            "read": place,
            "cells": list(data.obs_names.astype(str)),
            "features": [str(name) for name in names],
            "values": dense.astype("f4").astype("f8").tolist(),
            "columns": {name: column(data.obs[name]) for name in data.obs if data.obs[name].dtype.kind != "c"},
        }
    )


def refused(name, write, *words, asked="X"):
    """A file that is to be refused with a sentence of these words."""
    path = ROOT / name
    path.parent.mkdir(exist_ok=True, parents=True)
    if not path.exists():
        write(path)
    CASES.append({"file": name, "asked": asked, "refused": list(words)})


# How files are written.


def save(data, **options):
    def write(path):
        if path.suffix == ".h5ad":
            return data.write_h5ad(path, **options)
        anndata.settings.zarr_write_format = 2 if "zarr2" in path.parts else 3
        anndata.settings.auto_shard_zarr_v3 = "sharded" in path.name
        data.write_zarr(path, **options)
        without_empty_groups(path)

    return write


def without_empty_groups(path):
    """A zarr store is a file or two for each of them."""
    root = zarr.open_group(path, mode="a", use_consolidated=False)
    for name in ["layers", "obsm", "obsp", "uns", "varm", "varp"]:
        if name in root and not list(root[name].keys()):
            del root[name]
    zarr.consolidate_metadata(path)


def name_of(store, name):
    return f"{store}/{name}.{'h5ad' if store == 'h5ad' else 'zarr'}"


def changed(data, change, **options):
    """Written as ever, and then changed by `change(group)`."""

    def write(path):
        save(data, **options)(path)
        if path.suffix == ".h5ad":
            with h5py.File(path, "a") as file:
                change(file)
        else:
            change(zarr.open_group(path, mode="a", use_consolidated=False))
            zarr.consolidate_metadata(path)

    return write


def put(group, name, values, **options):
    """Writes an array in place of the one at `name`; its attributes stay."""
    attributes = dict(group[name].attrs) if name in group else {}
    if name in group:
        del group[name]
    if isinstance(group, h5py.Group):
        array = group.create_dataset(name, data=values, **options)
    else:
        array = group.create_array(name, shape=values.shape, dtype=values.dtype, **options)
        array[...] = values
    for key, value in attributes.items():
        array.attrs[key] = value
    return array


def again(part, **options):
    """Writes X, or the parts of a sparse X, anew with other options."""

    def change(group):
        arrays = ["X"] if not hasattr(group["X"], "keys") else [f"X/{part}" for part in ("data", "indices")]
        for name in arrays:
            put(group, name, group[name][...], **options)

    return change


def numbers_of_every_kind():
    for store, form, dtype in itertools.product(STORES, FORMS, NUMBERS):
        if dtype == "f2" and form != "dense":
            continue  # SciPy has no such sparse matrix.
        matrix = FORMS[form](SMALL.astype(dtype))
        options = {}
        if store == "h5ad":
            options["compression"] = [None, "gzip", "lzf"][NUMBERS.index(dtype) % 3]
        case(name_of(store, f"{form}-{dtype}"), save(annotated(matrix), **options))
    for dtype in ["i8", "f4", "f8"]:
        for store in ["h5ad", "zarr2", "zarr3"]:
            big = ">" + dtype
            kwargs = {"serializer": v3.BytesCodec(endian="big")} if store == "zarr3" else {}
            values = SMALL.astype(dtype if store == "zarr3" else big)
            case(
                name_of(store, f"big-dense-{dtype}"),
                changed(annotated(SMALL.astype(dtype)), lambda group: put(group, "X", values, **kwargs)),
            )
    values = np.array([[0.1, 1e-45, 3.4e38], [1 / 3, 2**24 + 1, -5.5]])
    case("h5ad/doubles.h5ad", save(annotated(values)))


def positions_of_every_width():
    def change(index, pointer, order):
        def change(group):
            put(group, "X/indices", group["X/indices"][...].astype(order + index))
            put(group, "X/indptr", group["X/indptr"][...].astype(order + pointer))

        return change

    for store, form in itertools.product(["h5ad", "zarr3"], ["csr", "csc"]):
        data = annotated(FORMS[form](SMALL.astype("f4")))
        for number, (index, pointer) in enumerate(itertools.product(INTEGERS, ["i4", "i8", "u2", "u8"])):
            if number % 2 == (form == "csc"):
                name = f"{form}-positions-{index}-{pointer}"
                case(name_of(store, name), changed(data, change(index, pointer, "<")))
        if store == "h5ad":
            case(name_of(store, f"big-{form}"), changed(data, change("i4", "i8", ">")))


def entries_out_of_order():
    def change(group):
        put(group, "X/data", np.array([1, 2, 4, 8, 16, 32, 64], "f4"))
        put(group, "X/indices", np.array([3, 0, 3, 1, 1, 1, 2], "i4"))
        put(group, "X/indptr", np.array([0, 3, 3, 6, 6, 7], "i4"))

    for store in STORES:
        data = annotated(sp.csr_matrix(SMALL.astype("f4")))
        case(name_of(store, "duplicates-csr"), changed(data, change))
    whole = lambda group: (change(group), put(group, "X/indptr", np.array([0, 3, 3, 6, 7], "i4")))
    case("h5ad/duplicates-csc.h5ad", changed(annotated(sp.csc_matrix(SMALL.astype("f4"))), whole))
    case("h5ad/no-entries.h5ad", save(annotated(sp.csr_matrix(SMALL.shape, dtype="f4"))))
    case("zarr3/no-entries.zarr", save(annotated(np.zeros(SMALL.shape, "f4"))))


def codecs_of_hdf5():
    filters = {
        "gzip-1": {"compression": 1},
        "gzip-shuffle": {"compression": "gzip", "shuffle": True},
        "lzf": {"compression": "lzf"},
        "lzf-shuffle": {"compression": "lzf", "shuffle": True, "fletcher32": True},
        "fletcher32": {"fletcher32": True},
        "szip": {"compression": "szip"},
        "scale-offset": {"scaleoffset": 0},
        "zstd": hdf5plugin.Zstd(),
        "zstd-shuffle": {"shuffle": True, **hdf5plugin.Zstd(clevel=19)},
        "lz4": hdf5plugin.LZ4(),
        "lz4-blocks": hdf5plugin.LZ4(nbytes=512),
        "lz4-stored": hdf5plugin.LZ4(nbytes=16),
    }
    for name, shuffle in itertools.product(["blosclz", "lz4", "lz4hc", "zlib", "zstd"], [0, 1, 2]):
        filters[f"blosc-{name}-{shuffle}"] = hdf5plugin.Blosc(cname=name, shuffle=shuffle)
    for name, options in filters.items():
        for form in ["dense", "csr"]:
            dtype = "i4" if name == "scale-offset" or form == "dense" else "f4"
            data = annotated(FORMS[form](LARGE.astype(dtype)))
            chunks = (17, 40) if form == "dense" else (640,)
            case(f"codec/{name}-{form}.h5ad", changed(data, again("X", chunks=chunks, **dict(options))))
    others = {
        "Bitshuffle": hdf5plugin.Bitshuffle(),
        "Blosc2": hdf5plugin.Blosc2(),
        "bzip2": hdf5plugin.BZip2(),
        "Snappy": hdf5plugin.Blosc(cname="snappy"),
    }
    for name, options in others.items():
        data = annotated(np.tile(np.arange(40, dtype="f4"), (60, 1)))
        words = [name] if name == "Snappy" else [name, 'compression="gzip"']
        refused(f"codec/{name}.h5ad", changed(data, again("X", chunks=(60, 40), **dict(options))), *words)


def codecs_of_zarr():
    two = {
        "none": {"compressors": None},
        "zlib": {"compressors": numcodecs.Zlib()},
        "gzip": {"compressors": numcodecs.GZip()},
        "zstd": {"compressors": numcodecs.Zstd(level=10)},
        "zstd-sum": {"compressors": numcodecs.Zstd(checksum=True)},
        "lz4": {"compressors": numcodecs.LZ4()},
        "shuffle-zlib": {"filters": [numcodecs.Shuffle(4)], "compressors": numcodecs.Zlib()},
        "columns": {"order": "F", "compressors": numcodecs.Zlib()},
        "slash": {"chunk_key_encoding": {"name": "v2", "separator": "/"}},
    }
    for name, shuffle in itertools.product(["blosclz", "lz4", "lz4hc", "zlib", "zstd"], [0, 1, 2]):
        two[f"blosc-{name}-{shuffle}"] = {"compressors": numcodecs.Blosc(cname=name, shuffle=shuffle)}
    shard = lambda *inner: {"shards": (34, 60), "compressors": list(inner), "chunks": (17, 20)}
    three = {
        "none": {"compressors": None},
        "gzip": {"compressors": v3.GzipCodec()},
        "zstd": {"compressors": v3.ZstdCodec(checksum=True)},
        "crc32c": {"compressors": [v3.ZstdCodec(), v3.Crc32cCodec()]},
        "columns": {"filters": [v3.TransposeCodec(order=(1, 0))]},
        "big": {"serializer": v3.BytesCodec(endian="big")},
        "dots": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
        "dashes": {"chunk_key_encoding": {"name": "default", "separator": "."}},
        "shards": shard(),
        "shards-zstd": shard(v3.ZstdCodec()),
        "shards-first": {
            "chunks": (34, 60),
            "compressors": None,
            "filters": None,
            "serializer": v3.ShardingCodec(
                chunk_shape=(17, 20), codecs=[v3.BytesCodec(), v3.GzipCodec()], index_location="start"
            ),
        },
    }
    for name, shuffle in itertools.product(["blosclz", "lz4", "zstd"], ["noshuffle", "shuffle", "bitshuffle"]):
        three[f"blosc-{name}-{shuffle}"] = {"compressors": v3.BloscCodec(cname=name, shuffle=shuffle)}
    for store, options in [("zarr2", two), ("zarr3", three)]:
        for name, more in options.items():
            data = annotated(LARGE.astype("i4"))
            options = {"chunks": (17, 40), **more}
            case(f"codec/{store}/{name}.zarr", changed(data, again("X", **options)))
    # Whole chunks of zeros are not stored at all.
    sparse = LARGE.astype("f4")
    sparse[:35] = 0
    case("codec/zarr3/holes.zarr", changed(annotated(sparse), again("X", chunks=(17, 13))))
    case("codec/zarr2/holes.zarr", changed(annotated(sparse), again("X", chunks=(17, 13))))
    bz2 = changed(annotated(SMALL.astype("f4")), again("X", compressors=numcodecs.BZ2()))
    refused("codec/zarr2/bz2.zarr", bz2, "bz2", "write_zarr")


def text_of_every_kind():
    names = ["Zelle α", "b", "", "a longer name than the others", "ß/日本"]
    kinds = {
        "text": pd.Index(names, dtype=object),
        "nullable": pd.Index(names, dtype="string"),
        "category": pd.CategoricalIndex(names),
        "ascii": pd.Index(["a", "b", "c", "d", "e"], dtype=object),
    }
    columns = {
        "text": ["x", "y", "x", "α", ""],
        "category": pd.Categorical(["x", "y", None, "α", "x"], categories=["unused", "α", "y", "x"]),
        "nullable": pd.array(["x", None, "y", "", "x"], dtype="string"),
        "integer": np.array([1, -2, 3, 4, 5], "i2"),
        "missing_integer": pd.array([1, None, 3, 4, 5], dtype="Int64"),
        "flag": np.array([True, False, True, True, False]),
        "missing_flag": pd.array([True, None, False, True, False], dtype="boolean"),
        "number": np.array([0.5, np.nan, -1e10, 4, 5], "f4"),
        "numbered": pd.Categorical([3, 1, 3, 2, 1]),
    }
    for store, (kind, index) in itertools.product(STORES, kinds.items()):
        obs = pd.DataFrame(columns, index=index)
        var = pd.DataFrame(index=index[:4])
        data = anndata.AnnData(SMALL.astype("f4"), obs=obs, var=var)
        case(name_of(store, f"names-{kind}"), save(data))
        if store == "zarr3":
            case(name_of(store, f"names-{kind}-sharded"), save(data))
    for kind in ["S", "fixed utf-8", "vlen ascii"]:
        dtype = {"fixed utf-8": h5py.string_dtype("utf-8", 40), "vlen ascii": h5py.string_dtype("ascii")}

        def change(group, kind=kind):
            texts = ["c one", "c two", "c three", "c4", "c5"]
            values = np.array([text.encode() for text in texts], dtype.get(kind, "S9"))
            put(group, "obs/_index", values)

        case(f"h5ad/names-{kind.replace(' ', '-')}.h5ad", changed(annotated(SMALL.astype("f4")), change))
    many = pd.Categorical([f"c{i % 300}" for i in range(600)])
    obs = pd.DataFrame({"many": many}, index=[f"cell {i}" for i in range(600)])
    for store in STORES:
        data = anndata.AnnData(sp.csr_matrix(np.eye(600, 2, dtype="f4")), obs=obs)
        case(name_of(store, "categories-300"), save(data))
    case("zarr3/categories-sharded.zarr", save(data))


def places():
    obs, var = frames()
    data = anndata.AnnData(sp.csr_matrix(SMALL.astype("f4")), obs=obs, var=var)
    data.layers["counts"] = data.X * 2
    data.layers["dense"] = SMALL.astype("f8") + 1
    data.raw = anndata.AnnData(sp.csc_matrix(LARGE[:5, :6]), obs=obs, var=pd.DataFrame(index=[f"R{i}" for i in range(6)]))
    proteins = pd.DataFrame({"CD8": [1.5, 0, 2, 3, 4], "CD19": np.arange(5), "A": np.ones(5)}, index=obs.index)
    data.obsm["proteins"] = proteins
    data.obsm["pca"] = SMALL[:, :3].astype("f4") / 2
    data.obsm["words"] = pd.DataFrame({"word": list("abcde")}, index=obs.index)
    data.obsm["sparse"] = sp.csr_matrix(SMALL[:, 1:].astype("f4"))
    for store in STORES:
        name = name_of(store, "places")
        for place in ["X", "layers/counts", "layers/dense", "raw/X", "obsm/proteins", "obsm/pca", "obsm/sparse"]:
            case(name, save(data), place)
        known = ["`layers/counts`", "`raw/X`", "`obsm/pca`"]
        refused(name, None, "`layers/none` is missing", *known, asked="layers/none")
        refused(name, None, "`obsm/none` is missing", *known, asked="obsm/none")
        refused(name, None, "`obsm/words/word` holds text", asked="obsm/words")
        refused(name, None, "is no MuData file", "mod/rna/X", asked="mod/rna/X")
    bare = anndata.AnnData(obs=obs, var=var, layers={"counts": data.X, "normalized": data.X * 0.5})
    for store in STORES:
        case(name_of(store, "without-x"), save(bare), "layers/normalized", asked="")
        case(name_of(store, "without-x"), save(bare), "layers/counts")
        refused(name_of(store, "without-x"), None, "`X` is missing", "`layers/counts`, `layers/normalized`")
    # Of two modalities one has two cells less, in another order.
    other = [4, 1, 2]
    pair = {
        "rna": anndata.AnnData(sp.csr_matrix(SMALL.astype("f4")), obs=obs, var=var),
        "prot": anndata.AnnData(SMALL[other].astype("f4"), obs=obs.iloc[other][[]], var=pd.DataFrame(index=["P1", "P2", "P3", "P4"])),
    }
    both = mudata.MuData(pair)
    both.mod["prot"].layers["counts"] = both.mod["prot"].X * 3
    both.obs["half"] = ["a", "b", "a", "b", "a"]
    for place in ["mod/rna/X", "mod/prot/X", "mod/prot/layers/counts"]:
        case("h5mu/pair.h5mu", lambda path: both.write_h5mu(path), place)
        if place == "mod/rna/X":
            case("h5mu/pair.h5mu", None, place, asked="mod/rna")
        case("zarr2/mudata.zarr", lambda path: both.write_zarr(path), place)
    for name in ["h5mu/pair.h5mu", "zarr2/mudata.zarr"]:
        refused(name, None, "MuData", "rna", "prot", "`mod/rna/X`", asked="")
        refused(name, None, "no modality `atac`", "rna", "prot", asked="mod/atac/X")
        refused(name, None, "`mod/rna/layers/none` is missing", "`X`", asked="mod/rna/layers/none")


def layouts_of_hdf5():
    versions = ["earliest", "v108", "v110", "v112", "v114", "latest"]
    sizes = {
        "contiguous": {},
        "one": {"chunks": (60, 40)},
        "fixed": {"chunks": (7, 9)},
        "extensible": {"chunks": (7, 9), "maxshape": (None, 40)},
        "tree": {"chunks": (7, 9), "maxshape": (None, None)},
    }
    for version, (size, options) in itertools.product(versions, sizes.items()):
        for zipped in [False, True] if "chunks" in options else [False]:
            more = {"compression": "gzip"} if zipped else {}
            name = f"hdf5/{version}-{size}{'-gzip' if zipped else ''}.h5ad"
            case(name, lambda path: copied(path, version, {**options, **more}))
    case("hdf5/implicit.h5ad", lambda path: copied(path, "latest", {}, early=(7, 9)))
    case("hdf5/compact.h5ad", lambda path: copied(path, "latest", {}, compact=True))
    case("hdf5/user-block.h5ad", lambda path: copied(path, "earliest", {}, userblock_size=512))
    case("hdf5/ordered.h5ad", lambda path: copied(path, "latest", {}, track_order=True))

    def soft(group):
        group["layers"].copy(group["X"], "counts")
        del group["X"]
        group["X"] = h5py.SoftLink("/layers/counts")

    case("hdf5/soft-link.h5ad", changed(annotated(sp.csr_matrix(SMALL.astype("f4"))), soft))

    def linked(path):
        copied(path, "latest", {})
        with h5py.File(path, "a") as file:
            file["uns/counts"] = file["X"]
            del file["X"]
            file["X"] = h5py.SoftLink("uns/counts")

    case("hdf5/soft-link-latest.h5ad", linked)

    def elsewhere(group):
        del group["X"]
        group["X"] = h5py.ExternalLink("other file.h5", "/X")

    words = ["`X`", "other file.h5", "not followed"]
    refused("hdf5/external-link.h5ad", changed(annotated(SMALL.astype("f4")), elsewhere), *words)


def copied(path, version, options, early=None, compact=False, **file_options):
    """A file in another version of HDF5, in which `anndata` has no say."""
    source = path.with_suffix(".tmp")
    shape = (5, 4) if compact else (60, 40)
    values = (SMALL if compact else LARGE).astype("f4")
    annotated(values).write_h5ad(source)
    bounds = "earliest" if version == "earliest" else (version, version) if version != "latest" else "latest"
    with h5py.File(source) as old, h5py.File(path, "w", libver=bounds, **file_options) as new:
        for key, value in old.attrs.items():
            new.attrs[key] = value
        for key in old:
            if key != "X":
                old.copy(key, new)
        if early or compact:
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            if compact:
                creation.set_layout(h5py.h5d.COMPACT)
            else:
                creation.set_chunk(early)
                creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            space = h5py.h5s.create_simple(shape)
            h5py.h5d.create(new.id, b"X", h5py.h5t.IEEE_F32LE, space, creation)
            new["X"][...] = values
        else:
            new.create_dataset("X", data=values, **options)
        for key, value in old["X"].attrs.items():
            new["X"].attrs[key] = value
    source.unlink()


def tables_of_old():
    def write(path, text):
        index = ["c0", "c1", "c2", "c3", "c4"]
        batch = np.array([1, 0, 1, 1, 0], "i1")
        obs = np.zeros(5, [("index", text), ("batch", "i1"), ("depth", ">f4"), ("word", text)])
        obs["index"], obs["batch"], obs["depth"] = index, batch, [1, 2, 3, 4, 5.5]
        obs["word"] = ["a", "bb", "", "d", "e"]
        var = np.zeros(4, [("index", text), ("n", "i8")])
        var["index"] = ["g0", "g1", "g2", "g3"]
        with h5py.File(path, "w") as file:
            group = file.create_group("X")
            matrix = sp.csr_matrix(SMALL.astype("f4"))
            group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", matrix.shape
            for part in ["data", "indices", "indptr"]:
                group[part] = getattr(matrix, part)
            file["obs"], file["var"] = obs, var
            file["uns/batch_categories"] = np.array(["s1", "s2"], text)

    case("h5ad/records-fixed.h5ad", lambda path: write(path, "S8"))
    case("h5ad/records.h5ad", lambda path: write(path, h5py.string_dtype()))


def pack():
    expected = json.dumps(CASES, separators=(",", ":"))
    (ROOT / "expected.json").write_text(expected)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(ROOT.rglob("*")):
            if path.is_file():
                info = tarfile.TarInfo(str(path.relative_to(ROOT)))
                info.size = path.stat().st_size
                archive.addfile(info, path.open("rb"))
    packed = numcodecs.Zstd(level=22).encode(buffer.getvalue())
    (HERE / "files.tar.zst").write_bytes(packed)
    files = len({case["file"] for case in CASES})
    print(f"{len(CASES)} matrices of {files} files, {len(buffer.getvalue())} bytes, packed {len(packed)}")


if __name__ == "__main__":
    numbers_of_every_kind()
    positions_of_every_width()
    entries_out_of_order()
    codecs_of_hdf5()
    codecs_of_zarr()
    text_of_every_kind()
    places()
    layouts_of_hdf5()
    tables_of_old()
    pack()
    shutil.rmtree(ROOT)
