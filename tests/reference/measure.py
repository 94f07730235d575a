"""Adds to tests/reference/values.json: the RMSE of scikit-learn and PyTorch on the plans of finished studies.

    python3 tests/reference/measure.py OUT [OUT ...]

OUT are output folders of `cargo xtask reproduce`. Every method in the plan is run here by sklearn_backend.py or
torch_backend.py, with the plan's lists of cells, seeds (repeat 0 has random_state 0) and hyperparameters, on the
very arrays that the study saw. Versions used for the committed values are in the file.
"""

import contextlib
import glob
import io
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


def prepared_folder(sha256):
    for path in glob.glob(os.path.join(CACHE, "prepared", "*", "inputs", "dataset.json")):
        with open(path) as file:
            if json.load(file)["sha256"] == sha256:
                return os.path.dirname(os.path.dirname(path))
    sys.exit(f"{CACHE} holds no prepared data set with the sum {sha256}")


def study_values(plan):
    folder = prepared_folder(plan["dataset"]["sha256"])
    train, target, test = runner.read_inputs(os.path.join(folder, "inputs"))
    answers = runner.dense(runner.read_answers(folder)).astype(np.float64)
    values, first_epochs = {}, []
    for row in plan["rows"]:
        if row["method"] in values or row["variant"]:
            continue
        for repeat in plan["repeats"]:
            fits = [fit["cells"] for fit in repeat["fits"]]
            folds = plan.get("folds_by_method", {}).get(row["method"], plan["folds"])
            shared = {"folds": folds, "threads": plan["threads"], "memory": plan["memory"]}
            spec = {"task": plan["dataset"]["task"], "params": row["params"], "seed": repeat["seed"], "fits": fits, **shared}
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                predicted = METHODS[row["method"]](spec, train, target, test)
            epochs = [event for event in map(json.loads, said.getvalue().splitlines()) if event["event"] == "epoch"]
            if epochs and not first_epochs:
                first_epochs = [
                    {key: event[key] for key in ("fold", "loss", "validation_rmse")}
                    for event in epochs
                    if event["epoch"] == 1
                ]
            rmse = float(np.sqrt(((predicted - answers) ** 2).mean()))
            values.setdefault(row["method"], []).append(round(rmse, 7))
            print(plan["study"], row["method"], repeat["seed"], rmse, flush=True)
    identity = {"dataset_sha256": plan["dataset"]["sha256"]}
    return {**identity, "rmse": values, "first_epochs": first_epochs}


def name(plan):
    """Of a study, with the task where that is not the first."""
    task = plan["dataset"].get("task", "gex-to-adt")
    return plan["study"] if task == "gex-to-adt" else f"{plan['study']}, {task}"


def main(folders):
    plans = [json.load(open(os.path.join(folder, "plan.json"))) for folder in folders]
    versions = {**sklearn_backend.VERSIONS, **torch_backend.VERSIONS, "numpy": np.__version__}
    path = os.path.join(HERE, "values.json")
    with open(path) as file:
        values = json.load(file)
    values["versions"].update(versions)
    values["studies"].update({name(plan): study_values(plan) for plan in plans})
    with open(path, "w") as file:
        json.dump(values, file, indent=2)
        file.write("\n")


main(sys.argv[1:])
