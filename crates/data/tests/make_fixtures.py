"""Writes tests/fixtures, and prints the values that tests/starter.rs expects of the competition's starter files.

    python make_fixtures.py                      # needs anndata 0.12, h5py, numpy, pandas, scipy
    python make_fixtures.py FOLDER_OF_STARTER    # prints reference values only

Every fixture holds the same seven cells: four genes and three proteins, two names in both modalities.
Counts are the dense matrix COUNTS below; `tests/fixtures.rs` repeats it.
"""

import gzip
import shutil
import struct
import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

HERE = Path(__file__).parent / "fixtures"
CELLS = [f"AAAC{letter}-{1 + index // 4}" for index, letter in enumerate("ABCDEFG")]
FEATURES = ["CD3D", "CD19", "CD4", "MS4A1", "CD4", "CD19", "Isotype_IgG1"]
KINDS = ["Gene Expression"] * 4 + ["Antibody Capture"] * 3
BATCH = ["s1d1", "s1d1", "s1d2", "s1d2", "s2d1", "s2d1", "s2d1"]
COUNTS = np.array(
    [
        [1, 0, 3, 0, 10, 0, 2],
        [0, 2, 0, 0, 0, 20, 1],
        [4, 0, 0, 1, 7, 3, 0],
        [0, 0, 0, 5, 1, 1, 1],
        [2, 2, 2, 2, 0, 9, 4],
        [0, 1, 0, 0, 12, 0, 0],
        [6, 0, 1, 0, 5, 5, 5],
    ]
)


def obs():
    return pd.DataFrame(
        {
            "batch": pd.Categorical(BATCH, categories=["unused", "s2d1", "s1d2", "s1d1"]),
            "person": pd.array(["ann", "ann", "bob", "bob", "cat", None, "cat"], dtype="string"),
            "depth": np.arange(7, dtype=np.int64) * 100,
            "score": [0.5, np.nan, 1.5, 2.0, 2.5, 3.0, 3.5],
            "half": pd.array([1, 1, 1, 1, 2, 2, None], dtype="Int64"),
            "doublet": pd.array([False, True, False, False, None, False, False], dtype="boolean"),
            "sure": [True, False, True, True, True, True, True],
        },
        index=CELLS,
    )


def current(path, matrix, compression, columns=(0, 1, 2, 3, 4, 5, 6), frame=None, layers=None):
    """Compressed files get two columns of cells and the format of HDF5 1.10, which keeps them small."""
    columns = list(columns)
    kinds = pd.Categorical(np.array(KINDS)[columns])
    var = pd.DataFrame({"feature_types": kinds}, index=np.array(FEATURES)[columns])
    frame = obs() if frame is None else frame
    data = anndata.AnnData(X=matrix, obs=frame if compression is None else frame.iloc[:, :2], var=var, layers=layers or {})
    if compression is None:
        data.write_h5ad(path)
        return
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        anndata.io.write_elem(file, "/", data, dataset_kwargs={"compression": compression})


def text(group, name, values):
    group.create_dataset(name, data=np.array(values, dtype=object), dtype=h5py.string_dtype())


def legacy(name, sparse, compression, h5sparse):
    """The layout of anndata 0.7, or with `h5sparse` the attributes of anndata 0.6, written with h5py."""
    with h5py.File(HERE / name, "w") as file:
        matrix = file.create_group("X")
        names = ("h5sparse_format", "h5sparse_shape") if h5sparse else ("encoding-type", "shape")
        matrix.attrs[names[0]] = sparse.format if h5sparse else f"{sparse.format}_matrix"
        matrix.attrs[names[1]] = sparse.shape
        for part in ("data", "indices", "indptr"):
            matrix.create_dataset(part, data=getattr(sparse, part), compression=compression, chunks=(5,))
        for group, index, column, values in (
            ("obs", CELLS, "batch", BATCH),
            ("var", FEATURES, "feature_types", ["GEX"] * 4 + ["ADT"] * 3),
        ):
            frame = file.create_group(group)
            frame.attrs["_index"] = "names"
            frame.attrs["encoding-type"] = "dataframe"
            text(frame, "names", index)
            categories = sorted(set(values))
            text(frame.create_group("__categories"), column, categories)
            codes = np.array([categories.index(value) for value in values], dtype=np.int8)
            frame.create_dataset(column, data=codes)
            frame[column].attrs["categories"] = frame["__categories"][column].ref


def anndata_fixtures():
    counts = COUNTS.astype(np.float32)
    current(HERE / "csr_gzip.h5ad", sp.csr_matrix(counts), "gzip", layers={"double": sp.csc_matrix(COUNTS * 2)})
    current(HERE / "csc_lzf.h5ad", sp.csc_matrix(counts), "lzf")
    current(HERE / "csc_i64.h5ad", wide(sp.csc_matrix(COUNTS)), None)
    current(HERE / "dense.h5ad", COUNTS.astype(np.float64), None)
    current(HERE / "dense_gzip.h5ad", COUNTS.astype(np.int32), "gzip")
    legacy("legacy_csc_gzip.h5ad", sp.csc_matrix(counts), "gzip", h5sparse=False)
    legacy("legacy_h5sparse_lzf.h5ad", sp.csr_matrix(COUNTS.astype(np.float64)), "lzf", h5sparse=True)


def huge():
    """A few kilobytes that claim a matrix of 2**40 entries."""
    legacy("huge.h5ad", sp.csr_matrix(COUNTS.astype(np.float32)), None, h5sparse=False)
    with h5py.File(HERE / "huge.h5ad", "r+") as file:
        for part in ("data", "indices"):
            kind = file["X"][part].dtype
            del file["X"][part]
            file["X"].create_dataset(part, shape=(2**40,), chunks=(1 << 16,), dtype=kind)


def chunk_past_end():
    """The first chunk of X/indices claims four gigabytes."""
    path = HERE / "chunk_past_end.h5ad"
    shutil.copy(HERE / "legacy_csc_gzip.h5ad", path)
    with h5py.File(path) as file:
        chunk = file["X/indices"].id.get_chunk_info(0)
    entry = struct.pack("<IIQQQ", chunk.size, chunk.filter_mask, 0, 0, chunk.byte_offset)
    content = path.read_bytes()
    assert content.count(entry) == 1
    path.write_bytes(content.replace(entry, struct.pack("<I", 0xFFFFFFF0) + entry[4:]))


def wide(matrix):
    matrix.indices = matrix.indices.astype(np.int64)
    matrix.indptr = matrix.indptr.astype(np.int64)
    return matrix


def four_files():
    """Two halves; test cells of the second modality, and its proteins, in another order than the first's."""
    folder = HERE / "four"
    folder.mkdir(exist_ok=True)
    train, test = np.arange(4), np.arange(4, 7)
    for half, rows in (("train", train), ("test", test)):
        for mod, columns in (("mod1", [0, 1, 2, 3]), ("mod2", [4, 5, 6])):
            backwards = half == "test" and mod == "mod2"
            rows_here = rows[::-1] if backwards else rows
            columns = columns[::-1] if backwards else columns
            frame = pd.DataFrame({"batch": pd.Categorical(np.array(BATCH)[rows_here])}, index=np.array(CELLS)[rows_here])
            matrix = sp.csc_matrix(COUNTS[np.ix_(rows_here, columns)].astype(np.float32))
            current(folder / f"small.{half}_{mod}.h5ad", matrix, "gzip", columns, frame)


def tenx():
    stored = sp.csc_matrix(COUNTS.T)
    ids = [f"ID{index}" for index in range(len(FEATURES))]
    with h5py.File(HERE / "filtered_feature_bc_matrix.h5", "w") as file:
        matrix = file.create_group("matrix")
        fixed = lambda values: np.array(values, dtype="S20")
        matrix.create_dataset("barcodes", data=fixed(CELLS), compression="gzip")
        matrix.create_dataset("data", data=stored.data.astype(np.int32), compression="gzip")
        matrix.create_dataset("indices", data=stored.indices.astype(np.int64), compression="gzip")
        matrix.create_dataset("indptr", data=stored.indptr.astype(np.int64), compression="gzip")
        matrix.create_dataset("shape", data=np.array(stored.shape, dtype=np.int32))
        features = matrix.create_group("features")
        for name, values in (("id", ids), ("name", FEATURES), ("feature_type", KINDS)):
            features.create_dataset(name, data=fixed(values), compression="gzip")
    tenx_of_before_version_3(stored, ids)
    entries = stored.tocoo()
    lines = [f"{row + 1} {column + 1} {value}" for row, column, value in zip(entries.row, entries.col, entries.data)]
    sizes = f"{stored.shape[0]} {stored.shape[1]} {stored.nnz}"
    parts = {
        "matrix.mtx": "\n".join(["%%MatrixMarket matrix coordinate integer general", "%made by a test", sizes, *lines]),
        "features.tsv": "\n".join("\t".join(row) for row in zip(ids, FEATURES, KINDS)),
        "barcodes.tsv": "\n".join(CELLS),
    }
    for folder, compressed in (("mtx_gzip", True), ("mtx_plain", False)):
        (HERE / folder).mkdir(exist_ok=True)
        for name, content in parts.items():
            content = (content + "\n").encode()
            if compressed:
                (HERE / folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
            else:
                (HERE / folder / name).write_bytes(content)


def tenx_of_before_version_3(stored, ids):
    """Cell Ranger 2: a group with the genome's name, genes only; two symbols stand twice."""
    with h5py.File(HERE / "raw_gene_bc_matrices.h5", "w") as file:
        genome = file.create_group("GRCh38")
        for name, values in (("barcodes", CELLS), ("genes", ids), ("gene_names", FEATURES)):
            genome.create_dataset(name, data=np.array(values, dtype="S20"))
        for name in ("data", "indices", "indptr", "shape"):
            genome.create_dataset(name, data=np.array(getattr(stored, name), dtype=np.int64))


def delimited():
    folder = HERE / "csv"
    folder.mkdir(exist_ok=True)
    pd.DataFrame(COUNTS[:, :4], index=CELLS, columns=FEATURES[:4]).to_csv(folder / "gex.csv")
    adt = pd.DataFrame(COUNTS[::-1, 4:], index=CELLS[::-1], columns=FEATURES[4:]).to_csv(sep="\t")
    (folder / "adt.tsv.gz").write_bytes(gzip.compress(adt.encode(), mtime=0))
    pd.DataFrame({"batch": BATCH, "half": ["a"] * 4 + ["b"] * 3}, index=CELLS).to_csv(folder / "cells.csv")


def reference(folder):
    for half in ("train", "test"):
        for mod in ("mod1", "mod2"):
            path = next(Path(folder).glob(f"*{half}_{mod}*.h5ad"))
            data = anndata.read_h5ad(path)
            matrix = sp.csr_matrix(data.X)
            corners = (matrix[0].sum(), matrix[-1].sum(), matrix[:, 0].sum(), matrix[:, -1].sum())
            counts = data.layers["counts"]
            print(path.name, matrix.shape, matrix.nnz, "sum", repr(float(matrix.astype(np.float64).sum())))
            print("  first row, last row, first column, last column", [float(corner) for corner in corners])
            print("  counts", counts.nnz, float(counts.sum()), "batches", data.obs["batch"].value_counts().to_dict())
            print("  first and last", data.obs_names[0], data.obs_names[-1], data.var_names[0], data.var_names[-1])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        reference(sys.argv[1])
    else:
        shutil.rmtree(HERE, ignore_errors=True)
        HERE.mkdir()
        anndata.settings.allow_write_nullable_strings = True
        for make in (anndata_fixtures, huge, chunk_past_end, four_files, tenx, delimited):
            make()
