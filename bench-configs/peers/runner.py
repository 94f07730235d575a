"""The protocol of crates/protocol for backends written in Python.

A runner reads one run specification from the first line of its standard input, writes events to its standard
output and its predictions to an .npy file, says `done`, and waits for its standard input to close.
"""

import json
import os
import sys
import time
from contextlib import contextmanager

try:
    import numpy as np
    from scipy.sparse import csr_matrix, issparse, vstack

    MISSING = None
except ImportError as error:
    MISSING = error


PROTOCOL = 4


def say(event, **fields):
    """One event; fields that are None are left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    print(json.dumps({"event": event, **known}), flush=True)


@contextmanager
def stage(name):
    """Times a visit of a stage. `with stage("solve") as count:` can also `count(flops)`; the visit's are added up."""
    flops = []
    say("begin", stage=name)
    peak = peak_from_now()
    start = time.perf_counter()
    yield flops.append
    seconds = time.perf_counter() - start
    say("end", stage=name, seconds=seconds, peak_rss_mb=peak(), flops=float(sum(flops)) if flops else None)


def peak_from_now():
    """A function that tells the peak resident memory from now on in MiB, or None where the system does not tell."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return lambda: None
    return peak_rss_mb


def peak_rss_mb():
    with open("/proc/self/status") as file:
        return next((int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:")), None)


def say_product_rate(multiply, upload=lambda array: array, n=2048, times=4):
    """How many 10^9 floating-point operations a second `multiply` does with float32 arrays of n x n, at its best.

    `upload` brings an array to the device, and `multiply` returns when the product is there.
    """
    begin, cpu, seconds = time.perf_counter(), time.process_time(), []
    a, b = map(upload, np.random.default_rng(0).standard_normal((2, n, n), dtype=np.float32))
    for _ in range(times):
        start = time.perf_counter()
        multiply(a, b)
        seconds.append(time.perf_counter() - start)
    aside = {"seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - cpu}
    say("product-rate", gflops=2e-9 * n**3 / min(seconds), **aside)


def read_values(folder, stem, cells, columns):
    """Cells x features: a NumPy array, or a sparse matrix where most are zero."""
    if columns["values"] == "dense":
        return np.load(os.path.join(folder, f"{stem}.npy"))
    return read_csr(folder, stem, (cells, len(columns["names"])))


def read_csr(folder, stem, shape):
    part = lambda name: np.load(os.path.join(folder, f"{stem}.{name}.npy"))
    indptr, indices = part("indptr").astype(np.int32), part("indices").astype(np.int32)
    return csr_matrix((part("data"), indices, indptr), shape=shape)


def read_inputs(folder, cells=None):
    """Input and target of the training cells (or of those of them in `cells`), then the input of the test cells."""
    manifest = read_manifest(folder)
    train = read_values(folder, "train_input", manifest["train_cells"], manifest["input"])
    target = read_values(folder, "train_target", manifest["train_cells"], manifest["target"])
    if cells is not None:
        train, target = train[cells], target[cells]
    return train, target, read_values(folder, "test_input", manifest["test_cells"], manifest["input"])


def read_answers(folder):
    """What was measured of the test cells; `folder` is the whole prepared data set."""
    manifest = read_manifest(os.path.join(folder, "inputs"))
    return read_values(os.path.join(folder, "answers"), "test_target", manifest["test_cells"], manifest["target"])


def read_batches(folder, cells=None):
    """Names of the batches of the training cells (or of those of them in `cells`), then of the test cells."""
    train, test = (names_of(read_json(folder, f"{half}_cells.json")["batch"]) for half in ("train", "test"))
    return train if cells is None else train[cells], test


def names_of(labels):
    return np.array(labels["names"])[labels["codes"]]


def read_manifest(folder):
    return read_json(folder, "dataset.json")


def read_json(folder, name):
    with open(os.path.join(folder, name)) as file:
        return json.load(file)


def dense(values):
    return values.toarray() if issparse(values) else values


def matrix(values):
    """Cells x features, also of a single feature, which some libraries leave without an axis."""
    return values if values.ndim == 2 else values[:, None]


def stack(top, bottom):
    """Cells on top of one another."""
    return vstack([top, bottom], format="csr") if issparse(top) else np.vstack([top, bottom])


def is_whole(values, n_components):
    """Whether features are used as they are, without a truncated SVD."""
    return n_components == "all" or values.shape[1] <= n_components


def clip_mean(total, spec):
    """The mean of as many predictions as there are fits, of their sum: not below zero, and of peaks not above one."""
    most = 1 if spec["task"].endswith("-to-atac") else None
    if spec["params"].get("clip_sum"):
        total = np.clip(total, None, most)
    return np.clip(np.clip(total, 0, None) / len(spec["fits"]), None, most)


def square_sum(values):
    """Of all numbers, in float64."""
    return float(np.square(values.data if issparse(values) else values).sum(dtype=np.float64))


class Unavailable(Exception):
    """What this machine lacks for the run, as a sentence."""


class Unusable(Exception):
    """Why the run cannot be made on any machine, as a sentence."""


def cpu(device):
    """The name of the device that a run asks for, and the versions of what computes there."""
    if device != "cpu":
        raise Unavailable(f"this backend computes on the CPU, not on {device}")
    return "CPU", {}


def serve(methods, versions, missing, remedy, multiply=lambda a, b: a @ b, choose=cpu, **product_rate):
    """Runs the method that standard input asks for: methods[name](spec, train, target, test), cells x features, dense or
    sparse.

    `versions` maps libraries to versions; `missing` is what this Python lacks, if anything, and `remedy` brings it.
    `multiply`, of two float32 arrays, is what the device's product rate is measured with, and `product_rate` what else
    say_product_rate is told. `choose` is called as `cpu` is, before anything else of a run.
    """
    spec, code = json.loads(sys.stdin.readline()), 0
    missing = MISSING or missing
    if missing:
        say("unavailable", reason=f"{missing} in {sys.executable}; `{remedy}` brings it")
    elif spec["protocol"] != PROTOCOL:
        say("failed", reason=f"protocol {spec['protocol']} where this runner speaks {PROTOCOL}")
        code = 1
    else:
        try:
            device, more = choose(spec["device"])
            python = {"python": sys.version.split()[0], "numpy": np.__version__}
            say("hello", device=device, versions={**python, **versions, **more})
            if not spec["rehearsal"]:
                run(methods[spec["method"]], spec)
                say_product_rate(multiply, **product_rate)
            say("done")
        except Unavailable as why:
            say("unavailable", reason=str(why))
        except Unusable as why:
            say("failed", reason=str(why))
            code = 1
    sys.stdin.read()
    sys.exit(code)


def run(method, spec):
    with stage("load"):
        inputs = read_inputs(spec["dataset"], spec["cells"])
    predictions = method(spec, *inputs)
    with stage("write"):
        np.save(spec["predictions"], matrix(predictions).astype(np.float32))
