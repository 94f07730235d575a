"""The MLP in Python's PyTorch, as a backend: the reference that the libtorch backend is held against.

    python3 bench-configs/peers/torch_backend.py [onednn]

Same hyperparameters, folds and seeds, from the plan; modules and optimiser as PyTorch ships them (Adam with
`fused=True`, which was faster). With `onednn`, the linear layers multiply with oneDNN instead of PyTorch's default.
Run by `cargo xtask reproduce --study pytorch`; needs PyTorch and SciPy.
"""

import sys

from runner import Unusable, dense, say, serve, stage

MISSING, VERSIONS = None, {}
try:
    import numpy as np
    import torch
    from scipy.sparse import issparse
    from torch import nn

    VERSIONS = {"torch": torch.__version__}
except ImportError as error:
    MISSING = error

# Larger matrices are made dense a batch at a time.
DENSE_BYTES = 2**30
EVALUATION_BATCH = 512


# What becomes of the learning rate, epoch by epoch.
SCHEDULES = {
    "cosine": lambda optimiser, epochs: torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=epochs),
    "constant": lambda optimiser, epochs: torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0, total_iters=0),
}


def onednn(layer, x):
    return nn.functional.linear(x.to_mkldnn(), layer.weight, layer.bias).to_dense()


def default(layer, x):
    return layer(x)


def make_network(inputs, params, targets):
    first, second = params["hidden"]
    linear = onednn if "onednn" in sys.argv else default

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(inputs, first)
            self.two = nn.Linear(first, second)
            self.out = nn.Linear(second + first, targets)
            self.dropout = nn.Dropout(params["dropout"])

        def forward(self, x):
            h1 = self.dropout(torch.relu(linear(self.one, x)))
            h2 = torch.relu(linear(self.two, h1))
            return linear(self.out, torch.cat([h2, h1], dim=1))

    return Network()


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


class Targets:
    """Features whose mean over the training cells is low are predicted by that mean."""

    def __init__(self, target, cells, min_mean):
        means = torch.from_numpy(np.asarray(target[cells].mean(axis=0, dtype=np.float64)).ravel())
        self.low = means < min_mean
        self.means = means.float()

    def predict(self, output):
        return torch.where(self.low, self.means, output)


def rmse(network, rows, measured, cells, targets):
    total = 0.0
    network.eval()
    with torch.no_grad():
        for batch in cells.split(EVALUATION_BATCH):
            error = targets.predict(network(rows[batch])) - measured[batch]
            total += error.double().square().sum().item()
    return (total / (len(cells) * measured.shape[1])) ** 0.5


def train(index, fold, spec, rows, measured):
    """Visits of stage `fit`; the parameters of the best epoch."""
    params = spec["params"]
    inside = torch.zeros(measured.shape[0], dtype=torch.bool)
    validation = torch.tensor(fold["cells"])
    inside[validation] = True
    cells = torch.nonzero(~inside).flatten()
    if params["batch_size"] > len(cells):
        raise Unusable(
            f"fold {fold['name']}: `batch_size` is {params['batch_size']}, more than the {len(cells)} training cells outside the "
            "fold; give it fewer under `[params.mlp]` in the study, or leave it out there"
        )
    with stage("fit"):
        torch.manual_seed(spec["seed"] + 1_000_000 * index)
        network = make_network(rows.shape[1], params, measured.shape[1])
        optimiser = torch.optim.Adam(
            network.parameters(), lr=params["learning_rate"], weight_decay=params["weight_decay"], fused=True
        )
        schedule = SCHEDULES[params["schedule"]](optimiser, params["epochs"])
        targets = Targets(measured.sparse, cells.numpy(), params["min_target_mean"])
    best, state = float("inf"), None
    for epoch in range(1, params["epochs"] + 1):
        with stage("fit"):
            losses = []
            network.train()
            for batch in cells[torch.randperm(len(cells))].split(params["batch_size"]):
                if len(batch) < params["batch_size"]:
                    continue
                optimiser.zero_grad()
                loss = nn.functional.mse_loss(targets.predict(network(rows[batch])), measured[batch])
                loss.backward()
                optimiser.step()
                losses.append(loss.detach())
            schedule.step()
            score = rmse(network, rows, measured, validation, targets)
            if score < best:
                best, state = score, {name: value.clone() for name, value in network.state_dict().items()}
        loss = torch.stack(losses).mean().item()
        say("epoch", fold=fold["name"], epoch=epoch, loss=loss, validation_rmse=score)
        done = index * params["epochs"] + epoch
        say("progress", stage="fit", done=done, total=len(spec["folds"]) * params["epochs"])
    network.load_state_dict(state)
    return network.eval()


def mean(target, cells):
    """With no epoch there is no network."""
    with stage("fit"):
        means = np.asarray(target.mean(axis=0, dtype=np.float64)).ravel()
    with stage("predict"):
        return np.broadcast_to(means.astype(np.float32), (cells, len(means)))


def mlp(spec, train_input, target, test_input):
    torch.set_num_threads(spec["threads"])
    if spec["params"]["epochs"] == 0:
        return mean(target, test_input.shape[0])
    if "onednn" in sys.argv:
        say("note", text="matrix products by oneDNN")
    with stage("fit"):
        rows, measured = Rows(train_input), Rows(target)
    networks = [train(index, fold, spec, rows, measured) for index, fold in enumerate(spec["folds"])]
    with stage("predict"), torch.no_grad():
        test = Rows(test_input)
        everyone = torch.arange(test_input.shape[0]).split(EVALUATION_BATCH)
        outputs = [torch.stack([network(test[cells]) for network in networks]).mean(dim=0) for cells in everyone]
        return Targets(target, slice(None), spec["params"]["min_target_mean"]).predict(torch.cat(outputs)).numpy()


def multiply(a, b):
    return torch.matmul(torch.from_numpy(a), torch.from_numpy(b))


METHODS = {"mlp": mlp}

if __name__ == "__main__":
    serve(METHODS, VERSIONS, MISSING, "python3 -m pip install torch scipy", multiply)
