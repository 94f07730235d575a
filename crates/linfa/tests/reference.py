"""Writes reference/kernel_ridge.json: kernel ridge regressions as scikit-learn solves them.

    python reference.py        needs scikit-learn and numpy
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.kernel_ridge import KernelRidge

ALPHA = 0.25
KERNELS = {
    "rbf": {"kernel": "rbf", "gamma": 0.5},
    "laplacian": {"kernel": "laplacian", "gamma": 0.375},
    "polynomial": {"kernel": "polynomial", "gamma": 0.25, "coef0": 1.5, "degree": 3},
    "linear": {"kernel": "linear"},
}


def draw(rng, *shape):
    # Sixty-fourths are exact in float32.
    return np.round(rng.normal(size=shape) * 64) / 64


def solved(settings, x, targets, x_test):
    model = KernelRidge(alpha=ALPHA, **settings).fit(x, targets)
    return {"coefficients": model.dual_coef_.tolist(), "predictions": model.predict(x_test).tolist()}


def main():
    rng = np.random.default_rng(0)
    x, targets, x_test = draw(rng, 14, 4), draw(rng, 14, 3), draw(rng, 5, 4)
    reference = {
        "source": f"scikit-learn {sklearn.__version__}, KernelRidge, float64",
        "alpha": ALPHA,
        "x": x.tolist(),
        "targets": targets.tolist(),
        "x_test": x_test.tolist(),
        "kernels": {
            name: {"multi": solved(settings, x, targets, x_test), "single": solved(settings, x, targets[:, 0], x_test)}
            for name, settings in KERNELS.items()
        },
    }
    path = Path(__file__).parent / "reference" / "kernel_ridge.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(reference, indent=None, separators=(",", ":")).replace("],[", "],\n[") + "\n")


if __name__ == "__main__":
    main()
