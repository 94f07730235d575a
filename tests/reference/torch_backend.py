"""The MLP in Python's PyTorch, as a backend: the reference that the libtorch backend is held against.

    python3 tests/reference/torch_backend.py [onednn]

Same hyperparameters, folds and seeds, from the plan; modules and optimiser as PyTorch ships them (Adam with
`fused=True`, which was faster). With `onednn`, the linear layers multiply with oneDNN instead of PyTorch's default.
Run by `cargo xtask reproduce --study pytorch`; needs PyTorch and SciPy.
"""

import sys

from runner import say, serve, stage

MISSING, VERSIONS = None, {}
try:
    import torch
    from torch import nn

    VERSIONS = {"torch": torch.__version__}
except ImportError as error:
    MISSING = error

# Larger matrices are made dense a batch at a time.
DENSE_BYTES = 2**30
EVALUATION_BATCH = 512


def onednn(layer, x):
    return nn.functional.linear(x.to_mkldnn(), layer.weight, layer.bias).to_dense()


def default(layer, x):
    return layer(x)


def make_network(genes, hidden, proteins):
    first, second = hidden
    linear = onednn if "onednn" in sys.argv else default

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(genes, first)
            self.two = nn.Linear(first, second)
            self.out = nn.Linear(second + first, proteins)

        def forward(self, x):
            h1 = torch.relu(linear(self.one, x))
            h2 = torch.relu(linear(self.two, h1))
            return linear(self.out, torch.cat([h2, h1], dim=1))

    return Network()


class Rows:
    """Cells x genes by index, dense."""

    def __init__(self, gex):
        self.sparse = gex
        self.dense = torch.from_numpy(gex.toarray()) if gex.shape[0] * gex.shape[1] * 4 <= DENSE_BYTES else None

    def __getitem__(self, cells):
        if self.dense is not None:
            return self.dense[cells]
        return torch.from_numpy(self.sparse[cells.numpy()].toarray())


class Proteins:
    """Proteins whose mean over the training cells is low are predicted by that mean."""

    def __init__(self, adt, min_mean):
        means = adt.double().mean(dim=0)
        self.low = means < min_mean
        self.means = means.float()

    def predict(self, output):
        return torch.where(self.low, self.means, output)


def rmse(network, rows, adt, cells, proteins):
    total = 0.0
    with torch.no_grad():
        for batch in cells.split(EVALUATION_BATCH):
            error = proteins.predict(network(rows[batch])) - adt[batch]
            total += error.double().square().sum().item()
    return (total / (len(cells) * adt.shape[1])) ** 0.5


def train(index, fold, spec, rows, adt):
    """Visits of stage `fit`; the parameters of the best epoch."""
    params = spec["params"]
    inside = torch.zeros(len(adt), dtype=torch.bool)
    validation = torch.tensor(fold["cells"])
    inside[validation] = True
    cells = torch.nonzero(~inside).flatten()
    with stage("fit"):
        torch.manual_seed(spec["seed"] + 1_000_000 * index)
        network = make_network(rows.sparse.shape[1], params["hidden"], adt.shape[1])
        optimiser = torch.optim.Adam(
            network.parameters(), lr=params["learning_rate"], weight_decay=params["weight_decay"], fused=True
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=params["epochs"])
        proteins = Proteins(adt[cells], params["min_protein_mean"])
    best, state = float("inf"), None
    for epoch in range(1, params["epochs"] + 1):
        with stage("fit"):
            losses = []
            for batch in cells[torch.randperm(len(cells))].split(params["batch_size"]):
                if len(batch) < params["batch_size"]:
                    continue
                optimiser.zero_grad()
                loss = nn.functional.mse_loss(proteins.predict(network(rows[batch])), adt[batch])
                loss.backward()
                optimiser.step()
                losses.append(loss.detach())
            schedule.step()
            score = rmse(network, rows, adt, validation, proteins)
            if score < best:
                best, state = score, {name: value.clone() for name, value in network.state_dict().items()}
        loss = torch.stack(losses).mean().item()
        say("epoch", fold=fold["name"], epoch=epoch, loss=loss, validation_rmse=score)
        done = index * params["epochs"] + epoch
        say("progress", stage="fit", done=done, total=len(spec["folds"]) * params["epochs"])
    network.load_state_dict(state)
    return network


def mlp(spec, train_gex, adt, test_gex):
    torch.set_num_threads(spec["threads"])
    if "onednn" in sys.argv:
        say("note", text="matrix products by oneDNN")
    with stage("fit"):
        rows, adt = Rows(train_gex), torch.from_numpy(adt)
    networks = [train(index, fold, spec, rows, adt) for index, fold in enumerate(spec["folds"])]
    with stage("predict"), torch.no_grad():
        test = Rows(test_gex)
        everyone = torch.arange(test_gex.shape[0]).split(EVALUATION_BATCH)
        outputs = [torch.stack([network(test[cells]) for network in networks]).mean(dim=0) for cells in everyone]
        return Proteins(adt, spec["params"]["min_protein_mean"]).predict(torch.cat(outputs)).numpy()


def multiply(a, b):
    return torch.matmul(torch.from_numpy(a), torch.from_numpy(b))


METHODS = {"mlp": mlp}

if __name__ == "__main__":
    serve(METHODS, VERSIONS, MISSING, "python3 -m pip install torch scipy", multiply)
