"""scikit-learn as a backend: the reference that the other backends are held against.

    python3 tests/reference/sklearn_backend.py [article]

TSVD + KRR has scikit-learn's defaults on the input that suits it best: float32, kernel="rbf", dense gene expression
where that is faster. With `article`, it is called as the article calls it: sparse gene expression, and an RBF object as
the kernel, which computes in float64 on one thread.

Also the shortest example of a backend of one's own: whatever reads .npy files and speaks the protocol (runner.py)
can do this.
"""

import sys

from runner import say, serve, stage

OLDEST = (1, 5)  # the first whose TruncatedSVD fixes signs by V, which the row-wise standardisation sees
MISSING, VERSIONS = None, {}
try:
    import numpy as np
    import scipy
    import sklearn
    from scipy.sparse import issparse, vstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.gaussian_process.kernels import RBF
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import Ridge
    from sklearn.neighbors import KNeighborsRegressor

    VERSIONS = {"scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < OLDEST:
        MISSING = f"scikit-learn {sklearn.__version__} is older than {OLDEST[0]}.{OLDEST[1]}"
except ImportError as error:
    MISSING = error


ARTICLE = "article" in sys.argv
# The baselines' TSVD is exact, by ARPACK, up to so many components, and randomized beyond, as always in TSVD + KRR.
MOST_EXACT = 100
# From this share of nonzeros on, dense arrays are multiplied faster on two cores: SciPy's sparse products take one.
DENSE_SHARE = 0.05


def gex_scores(spec, train, test, exact=False):
    """Scores of training and test cells, TSVD fitted on both; used as they are if there are few genes."""
    n_components = spec["params"]["gex_components"]
    algorithm = "arpack" if exact and n_components <= MOST_EXACT else "randomized"
    with stage("tsvd-gex") as count:
        if train.shape[1] <= n_components:
            return train.toarray(), test.toarray()
        gex = vstack([train, test], format="csr")
        if algorithm == "randomized" and not ARTICLE and is_faster_dense(gex, spec["memory"]):
            gex = gex.toarray()
        scores, _ = tsvd(gex, n_components, spec["seed"], count, algorithm)
    say("note", text=f"{algorithm} TruncatedSVD of a {'sparse' if issparse(gex) else 'dense'} matrix")
    say("captured", share=norm(scores) / norm(train.data, test.data))
    return scores[: train.shape[0]], scores[train.shape[0] :]


def norm(*parts):
    return float(sum(np.square(part).sum(dtype=np.float64) for part in parts) ** 0.5)


def is_faster_dense(matrix, memory):
    """And fits in memory: TruncatedSVD makes a copy, and a third is left for all else."""
    entries = matrix.shape[0] * matrix.shape[1]
    return matrix.nnz >= DENSE_SHARE * entries and 3 * entries * matrix.dtype.itemsize <= memory


def tsvd(matrix, n_components, seed, count, algorithm="randomized"):
    """Scores and components."""
    model = TruncatedSVD(n_components, algorithm=algorithm, random_state=seed)
    scores = model.fit_transform(matrix)
    if algorithm == "randomized":
        count(tsvd_flops(matrix, n_components, model.n_iter, n_components + model.n_oversamples))
    return scores, model.components_


def tsvd_flops(matrix, n_components, n_iter, width):
    """Of scikit-learn's randomized TSVD, but for the SVD of a small matrix, whose count depends on the values."""
    long, short = max(matrix.shape), min(matrix.shape)
    entries = matrix.size  # of a sparse matrix, those that are stored
    products = 2 * entries * ((2 * n_iter + 2) * width + n_components)
    lu = n_iter * ((long + short) * width**2 - 2 * width**3 / 3)
    qr = 4 * long * width**2 - 4 * width**3 / 3
    return products + lu + qr + 2 * long * width**2


def standardize_rows(scores):
    deviation = scores.std(axis=1, keepdims=True)
    return (scores - scores.mean(axis=1, keepdims=True)) / np.where(deviation == 0, 1, deviation)


def zeros(spec, train, adt, test):
    return np.zeros((test.shape[0], adt.shape[1]))


def mean(spec, train, adt, test):
    with stage("fit"):
        means = adt.mean(axis=0, dtype=np.float64)
    with stage("predict"):
        return np.tile(means, (test.shape[0], 1))


def linear(spec, train, adt, test):
    x, x_test = gex_scores(spec, train, test, exact=True)
    with stage("fit"):
        model = Ridge(alpha=spec["params"]["alpha"]).fit(x.astype(np.float64), adt.astype(np.float64))
    with stage("predict"):
        return model.predict(x_test.astype(np.float64))


def knn(spec, train, adt, test):
    x, x_test = gex_scores(spec, train, test, exact=True)
    with stage("standardize"):
        x, x_test = standardize_rows(x), standardize_rows(x_test)
    with stage("fit"):
        model = KNeighborsRegressor(spec["params"]["neighbours"], algorithm="brute").fit(x, adt)
    with stage("predict"):
        return model.predict(x_test)


def tsvd_krr(spec, train, adt, test):
    params = spec["params"]
    x, x_test = gex_scores(spec, train, test)
    with stage("standardize"):
        x, x_test = standardize_rows(x), standardize_rows(x_test)
    with stage("tsvd-adt") as count:
        targets, components = adt, None
        if adt.shape[1] > params["adt_components"]:
            targets, components = tsvd(adt, params["adt_components"], spec["seed"], count)
    # Distances count as the matrix product that they hold.
    gamma = params["gamma"]
    kernel = {"kernel": RBF(length_scale=(2 * gamma) ** -0.5)} if ARTICLE else {"kernel": "rbf", "gamma": gamma}
    say("note", text="KernelRidge forms its kernels inside solve and predict")
    total = 0
    for done, cells in enumerate(spec["fits"], start=1):
        with stage("solve") as count:
            model = KernelRidge(alpha=params["alpha"], **kernel).fit(x[cells], targets[cells])
            n, p = model.dual_coef_.shape
            count(2 * n**2 * x.shape[1] + n**3 / 3 + 2 * n**2 * p)
        with stage("predict") as count:
            predicted = model.predict(x_test)
            count(2 * len(x_test) * n * (x.shape[1] + p))
            if components is not None:
                predicted = predicted @ components
                count(2 * len(x_test) * p * adt.shape[1])
            total = total + predicted
        say("progress", stage="solve", done=done, total=len(spec["fits"]))
    return np.clip(total, 0, None) / len(spec["fits"])


METHODS = {"zeros": zeros, "mean": mean, "linear": linear, "knn": knn, "tsvd-krr": tsvd_krr}

if __name__ == "__main__":
    serve(METHODS, VERSIONS, MISSING, "python3 -m pip install -U scikit-learn")
