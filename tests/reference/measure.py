"""Adds to tests/reference/values.json: the RMSE of scikit-learn and PyTorch on the plans of finished studies.

    python3 tests/reference/measure.py [gnn] OUT [OUT ...]

OUT are output folders of `cargo xtask reproduce`. Every method in the plan is run here by sklearn_backend.py or
torch_backend.py, with the plan's lists of cells, seeds (repeat 0 has random_state 0) and hyperparameters, on the
very arrays that the study saw. Versions used for the committed values are in the file.

With `gnn`, only the graph neural network is run, and what is known of the study otherwise is left as it is. Beside its
RMSE by repeat, the study's `gnn` has the losses of the first steps of fold 0 in repeat 0 by what a step sees, and
the lowest validation RMSE by repeat and fold.
"""

import contextlib
import glob
import io
import itertools
import json
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../bench-configs/peers"))

import runner
import sklearn_backend
import torch_backend

CACHE = os.environ.get("MODALITY_BENCH_CACHE", os.path.expanduser("~/.cache/modality-bench"))
METHODS = {**sklearn_backend.METHODS, **torch_backend.METHODS}
FIRST_STEPS = 20


def prepared_folder(sha256):
    for path in glob.glob(os.path.join(CACHE, "prepared", "*", "inputs", "dataset.json")):
        with open(path) as file:
            if json.load(file)["sha256"] == sha256:
                return os.path.dirname(os.path.dirname(path))
    sys.exit(f"{CACHE} holds no prepared data set with the sum {sha256}")


def specification(plan, row, repeat, folder):
    """Of a run, as the protocol has it."""
    fits = [fit["cells"] for fit in repeat["fits"]]
    folds = plan.get("folds_by_method", {}).get(row["method"], plan["folds"])
    what = {"method": row["method"], "params": row["params"], "task": plan["dataset"]["task"], "seed": repeat["seed"]}
    of = {"dataset": os.path.join(folder, "inputs"), "cells": None, "fits": fits, "folds": folds}
    return {**what, **of, "threads": plan["threads"], "memory": plan["memory"]}


def measured(spec, inputs, answers):
    """RMSE, and the epochs of all folds."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        predicted = METHODS[spec["method"]](spec, *inputs)
    rmse = float(np.sqrt(((predicted - answers) ** 2).mean()))
    print(spec["method"], spec["seed"], rmse, flush=True)
    events = map(json.loads, said.getvalue().splitlines())
    return round(rmse, 7), [event for event in events if event["event"] == "epoch"]


def study_values(plan, only):
    folder = prepared_folder(plan["dataset"]["sha256"])
    inputs = runner.read_inputs(os.path.join(folder, "inputs"))
    answers = runner.dense(runner.read_answers(folder)).astype(np.float64)
    rows = {}
    for row in plan["rows"]:
        if not row["variant"] and only in (None, row["method"]):
            rows.setdefault(row["method"], row)
    values, rmse, first_epochs = {"dataset_sha256": plan["dataset"]["sha256"]}, {}, []
    for method, row in rows.items():
        specs = [specification(plan, row, repeat, folder) for repeat in plan["repeats"]]
        if method == "gnn":
            values["gnn"] = gnn_values(specs, inputs, answers)
            continue
        runs = [measured(spec, inputs, answers) for spec in specs]
        rmse[method] = [score for score, _ in runs]
        kept = ("fold", "loss", "validation_rmse")
        firsts = [{key: event[key] for key in kept} for event in runs[0][1] if event["epoch"] == 1]
        first_epochs = first_epochs or firsts
    return {**values, "rmse": rmse, "first_epochs": first_epochs} if only is None else values


def gnn_values(specs, inputs, answers):
    modes = ("cells", "full-graph")
    first_steps = {mode: first_losses(specs[0], mode, inputs) for mode in modes}
    scores, validation = [], []
    for spec in specs:
        score, epochs = measured(spec, inputs, answers)
        of_fold = lambda fold: min(event["validation_rmse"] for event in epochs if event["fold"] == fold["name"])
        scores.append(score)
        validation.append([of_fold(fold) for fold in spec["folds"]])
    return {"first_steps": first_steps, "rmse": scores, "validation_rmse": validation}


def first_losses(spec, mode, inputs):
    """Losses of the first steps of the model of fold 0, where a step sees what `mode` says."""
    import torch_gnn

    train, target, test = inputs
    spec = {**spec, "params": {**spec["params"], "training": mode}}
    with contextlib.redirect_stdout(io.StringIO()):
        model = torch_gnn.Model(spec, 0, torch_gnn.Cells(spec, train, test), torch_gnn.Rows(target))
    epochs = range(1, spec["params"]["epochs"] + 1)
    losses = itertools.chain.from_iterable(map(model.losses, epochs))
    return [loss.item() for loss in itertools.islice(losses, FIRST_STEPS)]


def name(plan):
    """Of a study, with the task where that is not the first."""
    task = plan["dataset"].get("task", "gex-to-adt")
    return plan["study"] if task == "gex-to-adt" else f"{plan['study']}, {task}"


def main(arguments):
    only, folders = ("gnn", arguments[1:]) if arguments[:1] == ["gnn"] else (None, arguments)
    plans = [json.load(open(os.path.join(folder, "plan.json"))) for folder in folders]
    versions = {**sklearn_backend.VERSIONS, **torch_backend.VERSIONS, "numpy": np.__version__}
    path = os.path.join(HERE, "values.json")
    with open(path) as file:
        values = json.load(file)
    values["versions"].update(versions)
    for plan in plans:
        values["studies"].setdefault(name(plan), {}).update(study_values(plan, only))
    with open(path, "w") as file:
        json.dump(values, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
