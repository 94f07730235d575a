"""What the networks of torch_mlp.py and torch_gnn.py share: cells of a fold, rows of a matrix, the epoch that is kept."""

import math

import numpy as np
import torch
from runner import Unusable, dense, say
from scipy.sparse import issparse

# Larger matrices are made dense a batch at a time.
DENSE_BYTES = 2**30
EVALUATION_BATCH = 512


def seed(spec, index):
    """Of the model of the fold with this index."""
    return spec["seed"] + 1_000_000 * index


def split(fold, cells):
    """Training and validation cells of the fold's model, of so many in all, ascending."""
    seen = np.ones(cells, dtype=bool)
    seen[fold["cells"]] = seen[fold.get("left_out", [])] = False
    training, validation = np.flatnonzero(seen), np.sort(np.array(fold["cells"], dtype=np.int64))
    if len(validation) == 0:
        raise Unusable(f"fold {fold['name']}: there are no validation cells; each fold needs at least one")
    if len(training) == 0:
        raise Unusable(f"fold {fold['name']}: there are no training cells outside the fold; each needs at least one")
    return torch.from_numpy(training), torch.from_numpy(validation)


def check_batch_size(spec, fold, training):
    size = spec["params"]["batch_size"]
    if size > len(training):
        raise Unusable(
            f"fold {fold['name']}: `batch_size` is {size}, more than the {len(training)} training cells outside the "
            f"fold; give it fewer under `[params.{spec['method']}]` in the study, or leave it out there"
        )


class Rows:
    """Cells x features by index, dense."""

    def __init__(self, values):
        self.shape, self.sparse = values.shape, values
        fits = not issparse(values) or values.shape[0] * values.shape[1] * 4 <= DENSE_BYTES
        self.dense = torch.from_numpy(dense(values)) if fits else None

    def __getitem__(self, cells):
        if self.dense is not None:
            return self.dense[cells]
        return torch.from_numpy(self.sparse[cells.numpy()].toarray())


def rmse(outputs, measured, cells):
    """Over `cells` x features, where `outputs` are those of `cells` in batches of EVALUATION_BATCH."""
    total = 0.0
    with torch.no_grad():
        for output, batch in zip(outputs, cells.split(EVALUATION_BATCH)):
            total += (output - measured[batch]).double().square().sum().item()
    return (total / (len(cells) * measured.shape[1])) ** 0.5


class Epochs:
    """The epochs of a fold's model: each is said, and the parameters of the best are kept."""

    def __init__(self, spec, index):
        self.fold, self.before = spec["folds"][index]["name"], index * spec["params"]["epochs"]
        self.total = len(spec["folds"]) * spec["params"]["epochs"]
        self.first = spec["params"].get("min_epoch", 1)
        self.best, self.state = float("inf"), None

    def consider(self, epoch, loss, score, network):
        """Keeps the parameters if the validation RMSE is the lowest so far."""
        if not (math.isfinite(loss) and math.isfinite(score)):
            raise Unusable(
                f"fold {self.fold}, epoch {epoch}: the loss is {loss} and the validation RMSE {score}; a lower "
                "`learning_rate` may help"
            )
        if epoch >= self.first and score < self.best:
            self.best, self.state = score, {name: value.clone() for name, value in network.state_dict().items()}

    def say(self, epoch, loss, score):
        say("epoch", fold=self.fold, epoch=epoch, loss=loss, validation_rmse=score)
        say("progress", stage="fit", done=self.before + epoch, total=self.total)

    def restore(self, network):
        """The network with the parameters that were kept."""
        network.load_state_dict(self.state)
        return network.eval()
