"""scikit-learn as a backend: the reference that the other backends are held against.

Speaks the protocol of crates/harness/src/protocol.rs: one run specification on the first line of standard
input, events on standard output, predictions in an .npy file. Also the shortest example of a backend of
one's own: whatever reads .npy files can do this.
"""

import json
import os
import sys
import time
from contextlib import contextmanager

OLDEST = (1, 5)  # the first whose TruncatedSVD fixes signs by V, which the row-wise standardisation sees
MISSING = None
try:
    import numpy as np
    import scipy
    import sklearn
    from scipy.sparse import csr_matrix, vstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < OLDEST:
        MISSING = f"scikit-learn {sklearn.__version__} is older than {OLDEST[0]}.{OLDEST[1]}"
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


def gex_scores(train, test, n_components, seed, algorithm="randomized"):
    """Scores of training and test cells, TSVD fitted on both; used as they are if there are few genes."""
    if train.shape[1] <= n_components:
        return train.toarray(), test.toarray()
    model = TruncatedSVD(n_components, algorithm=algorithm, random_state=seed)
    scores = model.fit_transform(vstack([train, test], format="csr"))
    return scores[: train.shape[0]], scores[train.shape[0] :]


def standardize_rows(scores):
    deviation = scores.std(axis=1, keepdims=True)
    return (scores - scores.mean(axis=1, keepdims=True)) / np.where(deviation == 0, 1, deviation)


# The baselines use few components, which ARPACK finds exactly; TSVD + KRR uses what the article used.


def zeros(spec, train, adt, test):
    return np.zeros((test.shape[0], adt.shape[1]))


def mean(spec, train, adt, test):
    with stage("fit"):
        means = adt.mean(axis=0, dtype=np.float64)
    with stage("predict"):
        return np.tile(means, (test.shape[0], 1))


def linear(spec, train, adt, test):
    with stage("tsvd-gex"):
        x, x_test = gex_scores(train, test, spec["params"]["gex_components"], spec["seed"], "arpack")
    with stage("fit"):
        model = Ridge(alpha=spec["params"]["alpha"]).fit(x.astype(np.float64), adt.astype(np.float64))
    with stage("predict"):
        return model.predict(x_test.astype(np.float64))


def knn(spec, train, adt, test):
    with stage("tsvd-gex"):
        x, x_test = gex_scores(train, test, spec["params"]["gex_components"], spec["seed"], "arpack")
    with stage("standardize"):
        x, x_test = standardize_rows(x), standardize_rows(x_test)
    with stage("fit"):
        model = KNeighborsRegressor(spec["params"]["neighbours"], algorithm="brute").fit(x, adt)
    with stage("predict"):
        return model.predict(x_test)


def tsvd_krr(spec, train, adt, test):
    params = spec["params"]
    with stage("tsvd-gex"):
        x, x_test = gex_scores(train, test, params["gex_components"], spec["seed"])
    with stage("standardize"):
        x, x_test = standardize_rows(x), standardize_rows(x_test)
    with stage("tsvd-adt"):
        targets, components = adt, None
        if adt.shape[1] > params["adt_components"]:
            model = TruncatedSVD(params["adt_components"], random_state=spec["seed"])
            targets, components = model.fit_transform(adt), model.components_
    say("note", text="randomized TruncatedSVD; KernelRidge forms its kernels inside solve and predict")
    total = 0
    for done, cells in enumerate(spec["fits"], start=1):
        with stage("solve"):
            model = KernelRidge(alpha=params["alpha"], kernel="rbf", gamma=params["gamma"])
            model.fit(x[cells], targets[cells])
        with stage("predict"):
            predicted = model.predict(x_test)
            total = total + (predicted if components is None else predicted @ components)
        say("progress", stage="solve", done=done, total=len(spec["fits"]))
    return np.clip(total, 0, None) / len(spec["fits"])


METHODS = {"zeros": zeros, "mean": mean, "linear": linear, "knn": knn, "tsvd-krr": tsvd_krr}


def main():
    spec = json.loads(sys.stdin.readline())
    if MISSING:
        say("unavailable", reason=f"{MISSING} in {sys.executable}; `python3 -m pip install -U scikit-learn` brings it")
        return
    versions = {"python": sys.version.split()[0], "numpy": np.__version__, "scipy": scipy.__version__}
    say("hello", device="CPU", versions={**versions, "scikit-learn": sklearn.__version__})
    with stage("load"):
        train, adt, test = read_inputs(spec["dataset"])
    predictions = METHODS[spec["method"]](spec, train, adt, test)
    with stage("write"):
        np.save(spec["predictions"], predictions.astype(np.float32))
    say("done")


if __name__ == "__main__":
    main()
    sys.stdin.read()
