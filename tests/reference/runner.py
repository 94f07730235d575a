"""The protocol of crates/harness/src/protocol.rs for backends written in Python.

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
    from scipy.sparse import csr_matrix

    MISSING = None
except ImportError as error:
    MISSING = error


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


@contextmanager
def stage(name):
    say("begin", stage=name)
    start = time.perf_counter()
    yield
    say("end", stage=name, seconds=time.perf_counter() - start)


def read_csr(folder, stem, shape):
    part = lambda name: np.load(os.path.join(folder, f"{stem}.{name}.npy"))
    indptr, indices = part("indptr").astype(np.int32), part("indices").astype(np.int32)
    return csr_matrix((part("data"), indices, indptr), shape=shape)


def read_inputs(folder):
    with open(os.path.join(folder, "dataset.json")) as file:
        manifest = json.load(file)
    genes = len(manifest["genes"])
    train = read_csr(folder, "train_gex", (manifest["train_cells"], genes))
    test = read_csr(folder, "test_gex", (manifest["test_cells"], genes))
    return train, np.load(os.path.join(folder, "train_adt.npy")), test


def serve(methods, versions, missing, remedy):
    """Runs the method that standard input asks for: methods[name](spec, train_gex, train_adt, test_gex).

    `versions` maps libraries to versions; `missing` is what this Python lacks, if anything, and `remedy` brings it.
    """
    spec = json.loads(sys.stdin.readline())
    missing = MISSING or missing
    if missing:
        say("unavailable", reason=f"{missing} in {sys.executable}; `{remedy}` brings it")
    elif spec["device"] != "cpu":
        say("unavailable", reason=f"this backend computes on the CPU, not on {spec['device']}")
    else:
        say("hello", device="CPU", versions={"python": sys.version.split()[0], "numpy": np.__version__, **versions})
        with stage("load"):
            train_gex, train_adt, test_gex = read_inputs(spec["dataset"])
        predictions = methods[spec["method"]](spec, train_gex, train_adt, test_gex)
        with stage("write"):
            np.save(spec["predictions"], predictions.astype(np.float32))
        say("done")
    sys.stdin.read()
