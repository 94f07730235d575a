"""Holds the arithmetic of cuml_backend.py, on the CPU, against the method written plainly in float64.

    python3 tests/reference/check_cuml.py FOLDER PLAN

FOLDER is a prepared data set, PLAN a plan with a row of tsvd-krr on it. Prints a line for each library that is here;
exits with 77 where this Python lacks NumPy, SciPy or all of them.
"""

import contextlib
import io
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench-configs/peers"))

import cuml_backend
import runner

# Largest RMS difference of predictions from exact ones, of data in float64 and in float32. Eigenvectors of a float32 X^T X
# with nearly equal eigenvalues are mixed, and their signs may change, which the standardisation of rows sees.
EXACT, ROUNDED = 1e-7, 3e-3
LACKING = 77


def exact(spec, train, target, test):
    """The method by NumPy in float64, from the singular value decomposition of X itself."""
    import numpy as np

    def tsvd(matrix, n_components):
        if runner.is_whole(matrix, n_components):
            return matrix, np.eye(matrix.shape[1])
        components = np.linalg.svd(matrix, full_matrices=False)[2][:n_components]
        largest = components[np.arange(n_components), np.abs(components).argmax(axis=1)]
        components = components * np.sign(largest)[:, None]
        return matrix @ components.T, components

    def rbf(x, y):
        return np.exp(-params["gamma"] * np.square(x[:, None, :] - y[None, :, :]).sum(axis=2))

    params = spec["params"]
    cells = runner.dense(runner.stack(train, test)).astype(np.float64)
    scores, _ = tsvd(cells, params["input_components"])
    targets, components = tsvd(runner.dense(target).astype(np.float64), params["target_components"])
    deviation = scores.std(axis=1, keepdims=True)
    x = (scores - scores.mean(axis=1, keepdims=True)) / np.where(deviation == 0, 1, deviation)
    x, x_test, total = x[: train.shape[0]], x[train.shape[0] :], 0
    for cells in spec["fits"]:
        kernel = rbf(x[cells], x[cells]) + params["alpha"] * np.eye(len(cells))
        total = total + rbf(x_test, x[cells]) @ np.linalg.solve(kernel, targets[cells]) @ components
    return runner.clip_mean(total, spec)


def libraries():
    for library in (cuml_backend.Modules, cuml_backend.Torch):
        try:
            yield library()
        except ImportError as missing:
            print(f"{library.__name__}: skipped, {missing}")


def check(arrays, dtype, solver, spec, inputs, wanted):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        peer = cuml_backend.Peer(arrays, single=solver == "float32")
        ours = peer.tsvd_krr(spec, *(matrix.astype(dtype) for matrix in inputs))
    events = [json.loads(line) for line in said.getvalue().splitlines()]
    ended = {event["stage"] for event in events if event["event"] == "end"}
    assert ended == {"setup", *cuml_backend.COUNTED}, ended
    solved = [event for event in events if event["event"] == "end" and event["stage"] == "solve"]
    assert len(solved) == len(spec["fits"]) and all(event["flops"] > 0 for event in solved)
    assert ours.shape == wanted.shape
    off = float(((ours - wanted) ** 2).mean() ** 0.5)
    name = f"{type(arrays).__name__}, data in {dtype}, solved in {solver}"
    print(f"{name}: {off:.1e} RMS from exact predictions")
    assert off < (EXACT if dtype == "float64" else ROUNDED), name


def main(folder, plan):
    if runner.MISSING or cuml_backend.MISSING:
        print(f"skipped: {runner.MISSING or cuml_backend.MISSING} in {sys.executable}")
        return LACKING
    with open(plan) as file:
        plan = json.load(file)
    row = next(row for row in plan["rows"] if row["method"] == "tsvd-krr")
    spec = {"task": "gex-to-adt", "params": row["params"], "fits": [fit["cells"] for fit in plan["repeats"][0]["fits"]]}
    inputs = runner.read_inputs(os.path.join(folder, "inputs"))
    wanted = exact(spec, *inputs)
    for arrays in libraries():
        for precisions in (("float64", "float64"), ("float32", "float64"), ("float32", "float32")):
            check(arrays, *precisions, spec, inputs, wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
