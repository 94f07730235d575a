"""scikit-learn as a backend: the reference that the other backends are held against.

    python3 bench-configs/peers/sklearn_backend.py [article]

TSVD + KRR has scikit-learn's defaults on the input that suits it best: float32, kernel="rbf", dense input
where that is faster. With `article`, it is called as the article calls it: sparse input, and an RBF object as
the kernel, which computes in float64 on one thread.

Also the shortest example of a backend of one's own: whatever reads .npy files and speaks the protocol (runner.py)
can do this.
"""

import sys

from runner import clip_mean, dense, is_whole, say, serve, square_sum, stack, stage

OLDEST = (1, 5)  # the first whose TruncatedSVD fixes signs by V, which the row-wise standardisation sees
MISSING, VERSIONS = None, {}
try:
    import numpy as np
    import scipy
    import sklearn
    from scipy.sparse import issparse
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


def input_scores(spec, train, test, exact=False):
    """Scores of training and test cells, TSVD fitted on both; used as they are if there are few features."""
    n_components = spec["params"]["input_components"]
    with stage("tsvd-input") as count:
        if is_whole(train, n_components):
            return dense(train), dense(test)
        algorithm = "arpack" if exact and n_components <= MOST_EXACT else "randomized"
        cells = stack(train, test)
        if algorithm == "randomized" and not ARTICLE and is_faster_dense(cells, spec["memory"]):
            cells = dense(cells)
        scores, _ = tsvd(cells, n_components, spec["seed"], count, algorithm)
    say("note", text=f"{algorithm} TruncatedSVD of a {'sparse' if issparse(cells) else 'dense'} matrix")
    say("captured", share=(square_sum(scores) / (square_sum(train) + square_sum(test))) ** 0.5)
    return scores[: train.shape[0]], scores[train.shape[0] :]


def is_faster_dense(matrix, memory):
    """And fits in memory: TruncatedSVD makes a copy, and a third is left for all else."""
    if not issparse(matrix):
        return True
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


def zeros(spec, train, target, test):
    return np.zeros((test.shape[0], target.shape[1]))


def mean(spec, train, target, test):
    with stage("fit"):
        means = np.asarray(target.mean(axis=0, dtype=np.float64)).ravel()
    with stage("predict"):
        return np.tile(means, (test.shape[0], 1))


def linear(spec, train, target, test):
    x, x_test = input_scores(spec, train, test, exact=True)
    with stage("fit"):
        model = Ridge(alpha=spec["params"]["alpha"]).fit(x.astype(np.float64), dense(target).astype(np.float64))
    with stage("predict"):
        return model.predict(x_test.astype(np.float64))


def knn(spec, train, target, test):
    x, x_test = input_scores(spec, train, test, exact=True)
    with stage("standardize"):
        x, x_test = standardize_rows(x), standardize_rows(x_test)
    with stage("fit"):
        model = KNeighborsRegressor(spec["params"]["neighbours"], algorithm="brute").fit(x, dense(target))
    with stage("predict"):
        return model.predict(x_test)


def tsvd_krr(spec, train, target, test):
    params = spec["params"]
    x, x_test = input_scores(spec, train, test)
    with stage("standardize"):
        x, x_test = standardize_rows(x), standardize_rows(x_test)
    with stage("tsvd-target") as count:
        targets, components = target, None
        if not is_whole(target, params["target_components"]):
            if not ARTICLE and is_faster_dense(target, spec["memory"]):
                target = dense(target)
            targets, components = tsvd(target, params["target_components"], spec["seed"], count)
    targets = dense(targets)
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
                count(2 * len(x_test) * p * target.shape[1])
            total = total + predicted
        say("progress", stage="solve", done=done, total=len(spec["fits"]))
    return clip_mean(total, spec)


METHODS = {"zeros": zeros, "mean": mean, "linear": linear, "knn": knn, "tsvd-krr": tsvd_krr}

if __name__ == "__main__":
    serve(METHODS, VERSIONS, MISSING, "python3 -m pip install -U scikit-learn")
