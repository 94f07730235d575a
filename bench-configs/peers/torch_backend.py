"""The MLP in Python's PyTorch, as a backend: the reference that the libtorch backend is held against.

    python3 bench-configs/peers/torch_backend.py [onednn]

Same hyperparameters, folds and seeds, from the plan; modules and optimiser as PyTorch ships them (Adam with
`fused=True`, which was faster). With `onednn`, the linear layers multiply with oneDNN instead of PyTorch's default.
Run by `cargo xtask reproduce --study pytorch`; needs PyTorch and SciPy.
"""

from runner import serve

METHODS, VERSIONS, MISSING = {}, {}, None
try:
    import torch
    from torch_mlp import mlp

    METHODS, VERSIONS = {"mlp": mlp}, {"torch": torch.__version__}
except ImportError as error:
    MISSING = error


def multiply(a, b):
    return torch.matmul(torch.from_numpy(a), torch.from_numpy(b))


if __name__ == "__main__":
    serve(METHODS, VERSIONS, MISSING, "python3 -m pip install torch scipy", multiply)
