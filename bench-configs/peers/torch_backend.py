"""The MLP and the GNN in Python's PyTorch, as a backend: the reference that the libtorch backend is held against.

    python3 bench-configs/peers/torch_backend.py [onednn] [torch-dropout]

Same hyperparameters, folds and seeds, from the plan; modules and optimisers as PyTorch ships them (with `fused=True`,
which was faster). With `onednn`, the MLP's linear layers multiply with oneDNN instead of PyTorch's default; with
`torch-dropout`, the GNN leaves out what PyTorch's own dropout draws, which is faster than the masks that all backends
can draw alike.
Run by `cargo xtask reproduce --study pytorch`; needs PyTorch and SciPy.
"""

from runner import serve

METHODS, VERSIONS, MISSING = {}, {}, None
try:
    import torch
    from torch_gnn import gnn
    from torch_mlp import mlp

    METHODS, VERSIONS = {"mlp": mlp, "gnn": gnn}, {"torch": torch.__version__}
except ImportError as error:
    MISSING = error


def multiply(a, b):
    return torch.matmul(torch.from_numpy(a), torch.from_numpy(b))


if __name__ == "__main__":
    serve(METHODS, VERSIONS, MISSING, "python3 -m pip install torch scipy", multiply)
