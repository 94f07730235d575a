"""scikit-learn as a backend: the reference that the other backends are held against.

Also the shortest example of a backend of one's own: whatever reads .npy files and speaks the protocol (runner.py)
can do this.
"""

from runner import say, serve, stage

OLDEST = (1, 5)  # the first whose TruncatedSVD fixes signs by V, which the row-wise standardisation sees
MISSING, VERSIONS = None, {}
try:
    import numpy as np
    import scipy
    import sklearn
    from scipy.sparse import vstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor

    VERSIONS = {"scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < OLDEST:
        MISSING = f"scikit-learn {sklearn.__version__} is older than {OLDEST[0]}.{OLDEST[1]}"
except ImportError as error:
    MISSING = error


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

if __name__ == "__main__":
    serve(METHODS, VERSIONS, MISSING, "python3 -m pip install -U scikit-learn")
