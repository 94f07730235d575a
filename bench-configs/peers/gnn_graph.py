"""The GNN's graph: cells, the features of their input (called genes here), and edges where a cell has a gene."""

import gzip
import warnings
import zlib
from collections import namedtuple
from functools import cached_property

import gnn_masks
import numpy as np
import torch
from runner import Unusable, read_batches, read_manifest, say, stack
from scipy.sparse import csr_matrix

warnings.filterwarnings("ignore", "Sparse (CSR tensor support is in beta|invariant checks)")

# Of a cell: mean and deviation; quartiles of what is not zero; maximum; number, in thousands, mean and deviation of what is
# not zero.
STATISTICS = 9

# Edges between cells and genes, cells x STATISTICS, and edges among genes or None.
Graph = namedtuple("Graph", "edges features pathways")


class Product(torch.autograd.Function):
    """matrix @ states, with the transpose at hand for the way back: PyTorch by itself takes ten times as long there."""

    @staticmethod
    def forward(context, matrix, transposed, states):
        context.transposed = transposed
        return matrix @ states

    @staticmethod
    def backward(context, gradient):
        return None, None, context.transposed @ gradient


class Edges:
    """Weighted edges from columns to rows of a sparse matrix, and back.

    The matrix holds each edge's place, which is where its weight stands, and what its masks are drawn by.
    """

    def __init__(self, matrix, weights):
        self.matrix, self.all_weights = matrix, weights
        self.weights = torch.from_numpy(weights[matrix.data])
        numbered = csr_matrix((np.arange(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape).T.tocsr()
        self.order = torch.from_numpy(numbered.data)
        self.forth, self.back = Pattern(matrix), Pattern(numbered)

    def rows(self, rows):
        """The edges of these rows alone."""
        return Edges(self.matrix[rows], self.all_weights)

    @cached_property
    def whole(self):
        return self.matrices(self.weights)

    def matrices(self, weights):
        """Of what is left of the weights; and its transpose."""
        return self.forth.matrix(weights), self.back.matrix(weights[self.order])

    def masked(self, dropout, p, site):
        weights = dropout(self.weights, p, site, self.matrix.data)
        return self.whole if weights is self.weights else self.matrices(weights)

    def to_rows(self, states, *mask):
        """Mean of weight x state over a row's edges, those left out included."""
        forth, back = self.masked(*mask)
        return Product.apply(forth, back, states) / self.forth.degrees

    def to_columns(self, states, *mask):
        forth, back = self.masked(*mask)
        return Product.apply(back, forth, states) / self.back.degrees


class Pattern:
    """Where a sparse matrix has entries."""

    def __init__(self, matrix):
        self.shape = matrix.shape
        self.indptr, self.indices = torch.from_numpy(matrix.indptr), torch.from_numpy(matrix.indices)
        self.degrees = self.indptr.diff().clamp(min=1).float()[:, None]

    def matrix(self, values):
        return torch.sparse_csr_tensor(self.indptr, self.indices, values, self.shape)


class Cells:
    """The run's training cells, then its test cells, and the graphs that are made of them."""

    def __init__(self, spec, train_input, test_input):
        train, test = without_zeros(train_input), without_zeros(test_input)
        self.training, cells = train.shape[0], stack(train, test)
        places = np.arange(cells.nnz, dtype=np.uint32)
        self.edges = csr_matrix((places, cells.indices, cells.indptr), shape=cells.shape)
        self.weights, self.statistics = cells.data, statistics(cells)
        self.batches = np.concatenate(read_batches(spec["dataset"], spec["cells"]))
        self.pathways = read_pathways(spec, train)

    def graph(self, cells):
        """Of these cells, in this order, and all genes."""
        edges = Edges(self.edges[cells], self.weights)
        return Graph(edges, batch_means(self.statistics[cells], self.batches[cells]), self.pathways)


def part(graph, rows):
    """The graph of some of a graph's cells, whose features are those that they have there."""
    return Graph(graph.edges.rows(rows.numpy()), graph.features[rows], graph.pathways)


def without_zeros(values):
    matrix = csr_matrix(values, copy=True)
    matrix.eliminate_zeros()
    return matrix


def statistics(cells):
    """Cells x STATISTICS; zeros for a cell without genes."""
    rows = np.repeat(np.arange(cells.shape[0]), np.diff(cells.indptr))
    values, counts = cells.data.astype(np.float64), np.diff(cells.indptr)
    divisors, genes = np.maximum(counts, 1), cells.shape[1]
    total = lambda of_entries: np.bincount(rows, of_entries, cells.shape[0])
    mean_of_all, mean = total(values) / genes, total(values) / divisors
    squares = total((values - mean_of_all[rows]) ** 2) + (genes - counts) * mean_of_all**2
    ordered = np.append(values, 0)
    for start, end in zip(cells.indptr, cells.indptr[1:]):
        ordered[start:end].sort()
    percentiles = [percentile(ordered, cells.indptr[:-1], counts, share) for share in (0.25, 0.5, 0.75, 1)]
    percentiles[-1] = np.where(counts < genes, np.maximum(percentiles[-1], 0), percentiles[-1])
    deviation = np.sqrt(total((values - mean[rows]) ** 2) / divisors)
    return np.stack([mean_of_all, np.sqrt(squares / genes), *percentiles, counts / 1000, mean, deviation], axis=1)


def percentile(ordered, starts, counts, share):
    """As NumPy's, of the `counts` numbers from each of `starts` on; zero where there are none."""
    place = share * np.maximum(counts - 1, 0)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(counts - 1, 0))
    below, above = ordered[starts + low], ordered[starts + high]
    return np.where(counts > 0, below + (above - below) * (place - low), 0)


def batch_means(values, batches):
    """The mean of each cell's batch, in float32."""
    _, codes, counts = np.unique(batches, return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(codes, column) for column in values.T], axis=1)
    return torch.from_numpy((sums / counts[:, None])[codes].astype(np.float32))


def read_pathways(spec, train):
    """Edges between all genes of a set, weighted by the cosine of what the training cells have of them."""
    if not spec["params"]["pathways"]:
        say("note", text="no pathway edges")
        return None
    names = read_manifest(spec["dataset"])["input"]["names"]
    sets = members(spec["params"]["pathways"], names)
    pairs = np.concatenate([ordered_pairs(genes) for genes in sets])
    source, destination = pairs[np.argsort(pairs[:, 1], kind="stable")].T
    genes = np.unique(source)
    say("note", text=f"pathway edges: {len(sets)} sets, {len(genes)} genes in them, {len(source)} edges")
    cosines = cosine(train[:, genes].astype(np.float64))
    weights = cosines[np.searchsorted(genes, source), np.searchsorted(genes, destination)].astype(np.float32)
    indptr = np.searchsorted(destination, np.arange(len(names) + 1))
    places = np.arange(len(source), dtype=np.uint32)
    return Edges(csr_matrix((places, source, indptr), shape=(len(names), len(names))), weights)


def members(path, names):
    """Of each set in a GMT file that has two of the input's features or more: their columns, ascending."""
    columns = {}
    for column, name in enumerate(names):
        columns.setdefault(name, column)
    found = [{columns[gene] for gene in genes if gene in columns} for genes in read_gene_sets(path)]
    sets = [np.array(sorted(genes)) for genes in found if len(genes) > 1]
    if not sets:
        raise Unusable(f"`pathways`: no set of {path} has two of the input's {len(names)} features; names must be of one kind")
    return sets


def read_gene_sets(path):
    """The genes of each set in a GMT file, plain or gzip."""
    try:
        with open(path, "rb") as file:
            held = file.read()
        text = (gzip.decompress(held) if held.startswith(b"\x1f\x8b") else held).decode()
    except UnicodeDecodeError:
        raise Unusable(f"`pathways`: {path} is no text in UTF-8")
    except (OSError, EOFError, zlib.error) as error:
        raise Unusable(f"`pathways`: {path} cannot be read: {getattr(error, 'strerror', None) or error}")
    lines = [[field.strip() for field in line.split("\t")] for line in text.split("\n") if line.strip()]
    if not lines or any(len(fields) < 3 for fields in lines):
        what = "is empty" if not lines else "is no GMT file"
        raise Unusable(f"`pathways`: {path} {what}; a line is a set: a name, a description and genes, with tabs between")
    return [fields[2:] for fields in lines]


def ordered_pairs(genes):
    """Of different genes: pairs x (source, destination)."""
    source, destination = np.meshgrid(genes, genes, indexing="ij")
    return np.stack([source, destination], axis=-1)[source != destination]


def cosine(matrix):
    """Of each two columns, not centred; zero where a column is."""
    products = (matrix.T @ matrix).toarray()
    norms = np.sqrt(np.diagonal(products))
    return products / np.where(norms > 0, norms, 1)[:, None] / np.where(norms > 0, norms, 1)
