"""The GNN for torch_backend.py: messages between cells and genes, along the edges of gnn_graph.py."""

import copy
import sys

import gnn_masks
import torch
from gnn_graph import STATISTICS, Cells, part
from gnn_masks import Hashed, Torch, site
from runner import say, stage
from torch import nn
from torch.nn import functional
from torch_training import EVALUATION_BATCH, Epochs, Rows, check_batch_size, rmse, seed, split

GROUPS = 4
BATCH_DROPOUT = 0.2


class Input(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.linear, self.norm = nn.Linear(hidden, hidden), nn.GroupNorm(GROUPS, hidden)

    def forward(self, x):
        return self.norm(functional.gelu(self.linear(x)))


class Relation(nn.Module):
    """What the states at one end of some edges become by those at the other."""

    def __init__(self, width, hidden):
        super().__init__()
        self.own, self.neighbours = self.weight(width, hidden), self.weight(width, hidden)
        self.bias, self.norm = nn.Parameter(torch.zeros(hidden)), nn.GroupNorm(GROUPS, hidden)

    def weight(self, width, hidden):
        return nn.Parameter(nn.init.xavier_uniform_(torch.empty(hidden, width), nn.init.calculate_gain("relu")))

    def forward(self, send, sources, own, *mask):
        message = send(functional.linear(sources, self.neighbours), *mask)
        return self.norm(functional.linear(own, self.own, self.bias) + message)


class Layer(nn.Module):
    """A round of messages. Nobody reads the genes of the last."""

    def __init__(self, index, params, pathways):
        super().__init__()
        hidden, is_last = params["hidden"], index == params["layers"] - 1
        width = hidden if index == 0 else 2 * hidden
        self.index, self.dropout, self.edge_dropout = index, params["dropout"], params["edge_dropout"]
        self.to_cells = Relation(width, hidden)
        self.to_genes = None if is_last else Relation(width, hidden)
        self.among_genes = None if is_last or not pathways else Relation(width, hidden)

    def forward(self, graph, cells, genes, dropout):
        mask = lambda what: (dropout, self.edge_dropout, site(self.index, what))
        new = lambda states, what: dropout(functional.gelu(states), self.dropout, site(self.index, what))
        edges = graph.edges
        to_cells = self.to_cells(edges.to_rows, genes, cells, *mask(gnn_masks.TO_CELLS))
        new_cells = new(to_cells, gnn_masks.CELLS)
        if self.to_genes is None:
            return new_cells, None
        to_genes = self.to_genes(edges.to_columns, cells, genes, *mask(gnn_masks.TO_GENES))
        if self.among_genes is not None:
            among = self.among_genes(graph.pathways.to_rows, genes, genes, *mask(gnn_masks.PATHWAYS))
            to_genes = (to_genes + among) / 2
        return new_cells, new(to_genes, gnn_masks.GENES)


class Network(nn.Module):
    """Parameters are drawn in the order of their lines."""

    def __init__(self, genes, targets, params, pathways):
        super().__init__()
        hidden, layers = params["hidden"], params["layers"]
        self.cell = nn.Parameter(torch.randn(hidden))
        self.gene = nn.Parameter(torch.randn(genes, hidden))
        self.batch = nn.Linear(STATISTICS, hidden)
        self.cell_input, self.gene_input = Input(hidden), Input(hidden)
        self.layers = nn.ModuleList([Layer(index, params, pathways) for index in range(layers)])
        self.readout = nn.Linear(hidden * layers, targets)
        self.dropout = params["dropout"]

    def forward(self, graph, dropout):
        """The cells' states of all layers, side by side, of which `readout` makes predictions."""
        batch = dropout(self.batch(graph.features), BATCH_DROPOUT, gnn_masks.BATCH)
        cells = self.cell_input(functional.leaky_relu(self.cell) + functional.leaky_relu(batch))
        genes = self.gene_input(functional.leaky_relu(self.gene))
        first_cells = cells = dropout(cells, self.dropout, gnn_masks.CELL_INPUT)
        first_genes = genes = dropout(genes, self.dropout, gnn_masks.GENE_INPUT)
        states = []
        for layer in self.layers:
            if states:
                cells, genes = torch.cat([cells, first_cells], dim=1), torch.cat([genes, first_genes], dim=1)
            cells, genes = layer(graph, cells, genes, dropout)
            states.append(cells)
        return torch.cat(states, dim=1)


class Model:
    """The model of one fold, on its way."""

    def __init__(self, spec, index, cells, measured):
        params, fold = spec["params"], spec["folds"][index]
        self.params, self.measured = params, measured
        self.by_cells = params["training"] == "cells"
        self.training, self.validation = split(fold, measured.shape[0])
        if self.by_cells:
            check_batch_size(spec, fold, self.training)
        torch.manual_seed(seed(spec, index))
        genes, targets = cells.edges.shape[1], measured.shape[1]
        self.network = Network(genes, targets, params, cells.pathways is not None)
        count = len(self.training)
        self.orders = [torch.randperm(count) for _ in range(params["epochs"])] if self.by_cells else None
        self.graph = cells.graph(torch.cat([self.training, self.validation]).numpy())
        self.dropout = Torch() if "torch-dropout" in sys.argv else Hashed(seed(spec, index))
        rate, decay = params["learning_rate"], params["weight_decay"]
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=decay, fused=True)
        steps = params["epochs"] * (count // params["batch_size"]) if self.by_cells else None
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, T_max=steps) if steps else None
        # What is judged, and predicts.
        self.judged = copy.deepcopy(self.network) if params["averaging"] else self.network
        self.steps = 0

    def losses(self, epoch):
        """Those of the epoch's steps, as they are made; epochs count from one."""
        if not self.by_cells:
            yield self.step(self.graph, torch.arange(len(self.training)))
            return
        size = self.params["batch_size"]
        for rows in self.orders[epoch - 1].split(size):
            if len(rows) == size:
                yield self.step(part(self.graph, rows), rows)
                self.schedule.step()

    def step(self, graph, rows):
        """Of the cells that the graph begins with, which are these training cells; the loss before it."""
        self.network.train()
        self.dropout.begin(self.steps)
        self.optimiser.zero_grad()
        predicted = self.network.readout(self.network(graph, self.dropout)[: len(rows)])
        loss = functional.mse_loss(predicted, self.measured[self.training[rows]])
        loss.backward()
        self.optimiser.step()
        self.steps += 1
        if self.params["averaging"]:
            self.average()
        return loss.detach()

    @torch.no_grad()
    def average(self):
        kept = min(self.params["averaging"], (1 + self.steps) / (10 + self.steps))
        for mean, value in zip(self.judged.parameters(), self.network.parameters()):
            mean.lerp_(value, 1 - kept)

    @torch.no_grad()
    def score(self):
        """RMSE of the validation cells."""
        states = self.judged(self.graph, gnn_masks.none)[len(self.training) :]
        outputs = map(self.judged.readout, states.split(EVALUATION_BATCH))
        return rmse(outputs, self.measured, self.validation)


def train(index, spec, cells, measured):
    """Visits of stage `fit`; the network of the best epoch."""
    with stage("fit"):
        model, epochs = Model(spec, index, cells, measured), Epochs(spec, index)
    for epoch in range(1, spec["params"]["epochs"] + 1):
        with stage("fit"):
            loss = torch.stack(list(model.losses(epoch))).mean().item()
            score = model.score()
            epochs.consider(epoch, loss, score, model.judged)
        epochs.say(epoch, loss, score)
    return epochs.restore(model.judged)


def gnn(spec, train_input, target, test_input):
    torch.set_num_threads(spec["threads"])
    if "torch-dropout" in sys.argv:
        say("note", text="dropout by PyTorch")
    with stage("fit"):
        cells, measured = Cells(spec, train_input, test_input), Rows(target)
    networks = [train(index, spec, cells, measured) for index in range(len(spec["folds"]))]
    with stage("predict"), torch.no_grad():
        graph = cells.graph(slice(None))
        outputs = [network.readout(network(graph, gnn_masks.none)[cells.training :]) for network in networks]
        return torch.stack(outputs).mean(dim=0).numpy()
