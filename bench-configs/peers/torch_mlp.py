"""The MLP for torch_backend.py."""

import sys

import numpy as np
import torch
from runner import say, stage
from torch import nn
from torch_training import EVALUATION_BATCH, Epochs, Rows, check_batch_size, rmse, seed, split

# What becomes of the learning rate, epoch by epoch.
SCHEDULES = {
    "cosine": lambda optimiser, epochs: torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=epochs),
    "constant": lambda optimiser, epochs: torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0, total_iters=0),
}


def onednn(layer, x):
    return nn.functional.linear(x.to_mkldnn(), layer.weight, layer.bias).to_dense()


def default(layer, x):
    return layer(x)


class Network(nn.Module):
    def __init__(self, inputs, params, targets):
        super().__init__()
        first, second = params["hidden"]
        self.one = nn.Linear(inputs, first)
        self.two = nn.Linear(first, second)
        self.out = nn.Linear(second + first, targets)
        self.dropout = nn.Dropout(params["dropout"])
        self.linear = onednn if "onednn" in sys.argv else default

    def forward(self, x):
        h1 = self.dropout(torch.relu(self.linear(self.one, x)))
        h2 = torch.relu(self.linear(self.two, h1))
        return self.linear(self.out, torch.cat([h2, h1], dim=1))


class Targets:
    """Features whose mean over the training cells is low are predicted by that mean."""

    def __init__(self, target, cells, min_mean):
        means = torch.from_numpy(np.asarray(target[cells].mean(axis=0, dtype=np.float64)).ravel())
        self.low = means < min_mean
        self.means = means.float()

    def predict(self, output):
        return torch.where(self.low, self.means, output)


def train(index, spec, rows, measured):
    """Visits of stage `fit`; the network of the best epoch."""
    params, fold = spec["params"], spec["folds"][index]
    cells, validation = split(fold, measured.shape[0])
    check_batch_size(spec, fold, cells)
    with stage("fit"):
        torch.manual_seed(seed(spec, index))
        network = Network(rows.shape[1], params, measured.shape[1])
        optimiser = torch.optim.Adam(
            network.parameters(), lr=params["learning_rate"], weight_decay=params["weight_decay"], fused=True
        )
        schedule = SCHEDULES[params["schedule"]](optimiser, params["epochs"])
        targets = Targets(measured.sparse, cells.numpy(), params["min_target_mean"])
        epochs = Epochs(spec, index)
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
            loss = torch.stack(losses).mean().item()
            network.eval()
            outputs = (targets.predict(network(rows[batch])) for batch in validation.split(EVALUATION_BATCH))
            score = rmse(outputs, measured, validation)
            epochs.consider(epoch, loss, score, network)
        epochs.say(epoch, loss, score)
    return epochs.restore(network)


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
    networks = [train(index, spec, rows, measured) for index in range(len(spec["folds"]))]
    with stage("predict"), torch.no_grad():
        test = Rows(test_input)
        everyone = torch.arange(test_input.shape[0]).split(EVALUATION_BATCH)
        outputs = [torch.stack([network(test[cells]) for network in networks]).mean(dim=0) for cells in everyone]
        return Targets(target, slice(None), spec["params"]["min_target_mean"]).predict(torch.cat(outputs)).numpy()
