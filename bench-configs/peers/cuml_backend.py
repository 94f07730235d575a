"""The work of cuML's algorithms on a GPU, in PyTorch or, where there is none, CuPy: the peer of the CUDA backend.

    python3 bench-configs/peers/cuml_backend.py [float32]

What the article's TSVD + KRR does with cuML, step by step: gene expression made dense on the device; TSVD by
X^T X (genes x genes) and all its eigenvectors, which is cuML's `algorithm="full"` (calEig in cpp/src/tsvd/tsvd.cuh);
for each of the ten fits a float32 kernel of its own by ||x||^2 + ||y||^2 - 2 x.y, copied to float64, and a Cholesky
factorisation in float64 (_solve_cholesky_kernel in python/cuml/cuml/kernel_ridge/kernel_ridge.py casts whatever it is
given); and a prediction of every fit from its own test kernel, float32 times float64. `float32` factorises in float32.

Hyperparameters, lists of cells and signs of the components are the plan's, as for every backend: cuML itself would take
gamma = 1 / components where it is left out, and other signs in some versions.

Stage `setup` holds the device's context, a warm-up of its libraries and the upload of the sparse matrices; each stage
ends when the device is done. Its memory is that of PyTorch's own allocations at their peak, without context and libraries
(with CuPy, what its pool holds).
"""

import os
import sys
from contextlib import contextmanager, nullcontext

# The product rate and the kernels are of float32 numbers, not of rounded ones.
os.environ["NVIDIA_TF32_OVERRIDE"] = "0"

from gpu_energy import EnergyCounter
from runner import Unavailable, clip_mean, is_whole, say, serve, square_sum, stack, stage

MISSING = None
try:
    import numpy as np
    from scipy.sparse import csr_matrix, issparse
except ImportError as error:
    MISSING = error

FLOAT32 = "float32" in sys.argv
COUNTED = ("tsvd-input", "tsvd-target", "standardize", "kernel", "solve", "predict")
MIB = 2**20


class Modules:
    """Arrays of CuPy; of NumPy, which has the same functions, to check the arithmetic without a GPU."""

    def __init__(self, index=None):
        self.index = index
        if index is None:
            import scipy.linalg

            self.xp, self.posv = np, lambda a, b: scipy.linalg.solve(a, b, assume_a="pos")
            self.name, self.versions = "CPU", {}
            return
        import cupy
        from cupyx import lapack, seterr

        count = cupy.cuda.runtime.getDeviceCount()
        if index >= count:
            raise Unavailable(f"cuda:{index} is not there; CUDA devices here: {count}, counted from 0")
        cupy.cuda.Device(index).use()
        seterr(linalg="raise")
        self.xp, self.posv = cupy, lapack.posv
        self.name = cupy.cuda.runtime.getDeviceProperties(index)["name"].decode()
        self.versions = {"cupy": cupy.__version__}

    def upload(self, array):
        return self.xp.asarray(array)

    def upload_sparse(self, matrix):
        if self.index is None:
            return matrix
        from cupyx.scipy import sparse

        return sparse.csr_matrix(matrix)

    def dense(self, sparse):
        return sparse.toarray()

    def download(self, array):
        return array if self.index is None else self.xp.asnumpy(array)

    def synchronize(self):
        if self.index is not None:
            self.xp.cuda.get_current_stream().synchronize()

    def peak_mb(self):
        """What the pool holds, which gives nothing back."""
        return self.xp.get_default_memory_pool().total_bytes() / MIB

    def pci(self):
        return self.xp.cuda.Device(self.index).pci_bus_id

    def eigenvectors(self, matrix):
        """In ascending order of eigenvalues, as columns."""
        return self.xp.linalg.eigh(matrix)[1]

    def float64(self, array):
        return array.astype(np.float64)

    def exp(self, array):
        return self.xp.exp(array, array)

    def solve(self, matrix, targets, alpha):
        diagonal = self.xp.arange(len(matrix))
        matrix[diagonal, diagonal] += alpha
        return self.posv(matrix, targets)

    def add_outer(self, matrix, rows, columns):
        matrix += rows[:, None]
        matrix += columns[None, :]
        return self.xp.maximum(matrix, 0, out=matrix)

    def largest_is_positive(self, components):
        at = self.xp.abs(components).argmax(axis=1)
        return components * self.xp.sign(components[self.xp.arange(len(components)), at])[:, None]

    def standardize_rows(self, scores):
        deviation = scores.std(axis=1, keepdims=True)
        deviation[deviation == 0] = 1
        return (scores - scores.mean(axis=1, keepdims=True)) / deviation

    def square_sum(self, array, axis=None):
        return (array * array).sum(axis=axis)

    def clip(self, array):
        return self.xp.clip(array, 0, None)


class Torch:
    """Tensors of PyTorch, on a CUDA device or, to check the arithmetic, on the CPU."""

    def __init__(self, index=None):
        import torch

        self.torch, self.index = torch, index
        self.device = torch.device("cpu" if index is None else f"cuda:{index}")
        self.name, self.versions = "CPU", {"torch": torch.__version__}
        if index is None:
            return
        if not torch.cuda.is_available():
            raise Unavailable(f"PyTorch {torch.__version__} finds no CUDA device")
        count = torch.cuda.device_count()
        if index >= count:
            raise Unavailable(f"cuda:{index} is not there; CUDA devices here: {count}, counted from 0")
        torch.backends.cuda.matmul.allow_tf32 = False
        self.name = torch.cuda.get_device_name(index)

    def upload(self, array):
        return self.torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def upload_sparse(self, matrix):
        return matrix.shape, [self.upload(part) for part in (matrix.indptr, matrix.indices, matrix.data)]

    def dense(self, sparse):
        (rows, columns), (indptr, indices, data) = sparse
        starts = self.torch.arange(0, rows * columns, columns, device=self.device)
        places = self.torch.repeat_interleave(starts, indptr.diff()).add_(indices)
        return data.new_zeros(rows * columns).scatter_(0, places, data).view(rows, columns)

    def download(self, tensor):
        return tensor.cpu().numpy()

    def synchronize(self):
        if self.index is not None:
            self.torch.cuda.synchronize(self.device)

    def peak_mb(self):
        return self.torch.cuda.max_memory_allocated(self.device) / MIB

    def pci(self):
        of = self.torch.cuda.get_device_properties(self.device)
        return f"{of.pci_domain_id:08x}:{of.pci_bus_id:02x}:{of.pci_device_id:02x}.0"

    def eigenvectors(self, matrix):
        return self.torch.linalg.eigh(matrix)[1]

    def float64(self, tensor):
        return tensor.double()

    def exp(self, tensor):
        return tensor.exp_()

    def solve(self, matrix, targets, alpha):
        matrix.diagonal().add_(alpha)
        # Its columns one after the other, as LAPACK wants them: of rows, PyTorch makes a copy, and one more to bring it back.
        columns = matrix.mT
        factor = self.torch.linalg.cholesky(columns, out=columns)
        return self.torch.cholesky_solve(targets, factor)

    def add_outer(self, matrix, rows, columns):
        return matrix.add_(rows[:, None]).add_(columns[None, :]).clamp_(min=0)

    def largest_is_positive(self, components):
        at = components.abs().argmax(dim=1, keepdim=True)
        return components * components.gather(1, at).sign()

    def standardize_rows(self, scores):
        deviation = scores.std(dim=1, correction=0, keepdim=True)
        deviation[deviation == 0] = 1
        return (scores - scores.mean(dim=1, keepdim=True)) / deviation

    def square_sum(self, tensor, axis=None):
        return tensor.square().sum() if axis is None else tensor.square().sum(dim=axis)

    def clip(self, tensor):
        return tensor.clamp(min=0)


class Peer:
    """The method on the arrays of one of the libraries."""

    def __init__(self, arrays=None, single=FLOAT32):
        self.arrays, self.single, self.energy = arrays, single, None

    def choose(self, device):
        """Takes the first library that finds the device; its name, and the versions of what computes."""
        if device != "cuda" and not device.startswith("cuda:"):
            raise Unavailable(f"this backend computes on a CUDA device, not on {device}")
        index = int(device.partition(":")[2] or 0)
        reasons = []
        # CuPy sorts a sparse matrix's entries, and copies the dense one, before it is made.
        for library in (Torch, Modules):
            try:
                self.arrays = library(index)
                return self.arrays.name, self.arrays.versions
            except (ImportError, OSError, RuntimeError, Unavailable) as why:
                reasons.append(" ".join(str(why).split()))
        raise Unavailable(f"neither PyTorch nor CuPy can use a CUDA device here: {'; '.join(reasons)}")

    @contextmanager
    def stage(self, name):
        """A visit of a stage, which ends when the device has finished."""
        metered = self.energy if name in COUNTED else None
        with stage(name) as count, metered.during() if metered else nullcontext():
            yield count
            self.arrays.synchronize()

    def tsvd_krr(self, spec, train, target, test):
        try:
            predictions = self.ensemble(spec, train, target, test)
        except Exception as error:
            if "OutOfMemory" not in type(error).__name__:
                raise
            raise Unavailable(f"{self.arrays.name} has too little free memory for dense matrices: {error}") from error
        self.say_cost()
        return predictions

    def ensemble(self, spec, train, target, test):
        """Test cells x features of the target."""
        params, arrays = spec["params"], self.arrays
        with self.stage("setup"):
            self.warm_up()
            cells, target = self.bring(stack(train, test)), self.bring(target)
        with self.stage("tsvd-input") as count:
            scores, components = self.tsvd(cells(), params["input_components"], count)
        if components is not None:
            whole = square_sum(train) + square_sum(test)
            say("captured", share=float((arrays.square_sum(arrays.float64(scores)) / float(whole)) ** 0.5))
        with self.stage("tsvd-target") as count:
            targets, components = self.tsvd(target(), params["target_components"], count)
            targets, components = self.precise(targets), self.precise(components)
        with self.stage("standardize"):
            scores = arrays.standardize_rows(scores)
        x, x_test, total = scores[: train.shape[0]], scores[train.shape[0] :], 0
        for done, cells in enumerate(spec["fits"], start=1):
            total = total + self.fit(x, x_test, np.asarray(cells, dtype=np.int64), targets, components, params)
            say("progress", stage="solve", done=done, total=len(spec["fits"]))
        with self.stage("predict"):
            return clip_mean(arrays.download(total), spec)

    def bring(self, values):
        """To the device, as a function that gives them dense."""
        if issparse(values):
            sparse = self.arrays.upload_sparse(values)
            return lambda: self.arrays.dense(sparse)
        there = self.arrays.upload(values)
        return lambda: there

    def tsvd(self, matrix, n_components, count):
        """Scores and components; the matrix itself and nothing where it has no more columns than that."""
        rows, columns = matrix.shape
        if is_whole(matrix, n_components):
            return matrix, None
        vectors = self.arrays.eigenvectors(matrix.T @ matrix)
        components = self.arrays.largest_is_positive(vectors.T[-n_components:])
        # Of the eigenvectors, the reduction to three diagonals and the way back: the rest depends on the values.
        count(2 * rows * columns * (columns + n_components) + (4 / 3 + 2) * columns**3)
        return matrix @ components.T, components

    def fit(self, x, x_test, cells, targets, components, params):
        """One fit's predictions, test cells x features of the target."""
        arrays, gamma = self.arrays, params["gamma"]
        n, (test_cells, width), p = len(cells), x_test.shape, targets.shape[1]
        with self.stage("kernel") as count:
            cells = arrays.upload(cells)
            fitted = x[cells]
            kernel = self.precise(self.rbf(fitted, fitted, gamma))
            count(2 * n**2 * width)
        with self.stage("solve") as count:
            dual = arrays.solve(kernel, targets[cells], params["alpha"])
            del kernel
            count(n**3 / 3 + 2 * n**2 * p)
        with self.stage("predict") as count:
            predicted = self.precise(self.rbf(x_test, fitted, gamma)) @ dual
            count(2 * test_cells * n * (width + p))
            if components is not None:
                predicted = predicted @ components
                count(2 * test_cells * p * components.shape[1])
            return predicted

    def rbf(self, x, y, gamma):
        """exp(-gamma ||x - y||^2) of all pairs of rows."""
        products = x @ y.T
        products *= -2
        squares = self.arrays.add_outer(products, self.arrays.square_sum(x, 1), self.arrays.square_sum(y, 1))
        squares *= -gamma
        return self.arrays.exp(squares)

    def precise(self, array):
        return array if self.single or array is None else self.arrays.float64(array)

    def warm_up(self):
        """The context, and every kernel and library that is called later, on a few numbers."""
        arrays, n = self.arrays, 96
        few = csr_matrix(np.random.default_rng(0).random((n, 24), dtype=np.float32))
        matrix = arrays.dense(arrays.upload_sparse(few))
        scores, components = self.tsvd(matrix, 8, lambda flops: None)
        x, targets, components = arrays.standardize_rows(scores), self.precise(scores), self.precise(components)
        cells = arrays.upload(np.arange(0, n, 2))
        kernel = self.precise(self.rbf(x[cells], x[cells], 0.1))
        dual = arrays.solve(kernel, targets[cells], 1.0)
        predicted = 0 + self.precise(self.rbf(x, x[cells], 0.1)) @ dual @ components
        arrays.download(arrays.clip(predicted) / 2)
        if arrays.index is not None:
            self.energy = EnergyCounter.of(arrays.pci())
        arrays.synchronize()

    def say_cost(self):
        solver = "float32" if self.single else "float64"
        say("note", text=f"the work of cuML's algorithms: TSVD and kernels in float32, a Cholesky factorisation a fit in {solver}")
        if self.arrays.index is not None:
            say("gpu-memory", peak_mb=self.arrays.peak_mb())
        if self.energy:
            say("gpu-energy", joules=self.energy.joules, seconds=self.energy.seconds)

    def upload(self, array):
        return self.arrays.upload(array)

    def multiply(self, a, b):
        product = a @ b
        self.arrays.synchronize()
        return product


if __name__ == "__main__":
    peer = Peer()
    methods = {"tsvd-krr": peer.tsvd_krr}
    remedy = "python3 -m pip install torch scipy"
    serve(methods, {}, MISSING, remedy, peer.multiply, choose=peer.choose, upload=peer.upload, n=8192)
