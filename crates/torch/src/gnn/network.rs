//! The network: from a graph of cells and genes to the target of its cells, and back.

use modality_methods::GnnParams;
use tch::{Device, Tensor};

use super::{
    arithmetic::{Along, Arithmetic, Ready, Scales},
    graph::{Graph, Joined},
    mask::{Mask, Masks, Site},
    weights::{Gradients, Layer, Layout, Linear, Norm, Relation, Shape, Weights, draw},
};
use crate::Result;

/// What is left of a value below zero.
const LEAK: f64 = 0.01;

/// Share of what is said of a cell's batch that is left out of each step of training.
const BATCH_DROPOUT: f64 = 0.2;

/// The network's form; its [`Weights`] are apart.
#[derive(Debug, Clone)]
pub(super) struct Network {
    layout: Layout,
    arithmetic: Arithmetic,
    hidden: i64,
    dropout: f64,
    edge_dropout: f64,
}

/// The network with its weights on a graph, with masks in a step of training.
#[derive(Clone, Copy)]
pub(super) struct OnGraph<'a> {
    pub(super) network: &'a Network,
    pub(super) weights: &'a Weights,
    pub(super) joined: &'a Joined,
    pub(super) graph: &'a Graph,
    pub(super) masks: Option<Masks>,
}

/// Something of each cell and each gene.
struct Nodes {
    cells: Tensor,
    genes: Tensor,
}

/// What a backward pass needs of the forward pass.
pub(super) struct Pass {
    /// Of each cell's batch, before the leaky ReLU.
    batches: Tensor,
    start: Nodes,
    /// Before GELU and norm.
    start_inputs: Nodes,
    layers: Vec<LayerPass>,
    /// Cell states of all layers beside one another, which the target is read out of.
    pub(super) read: Tensor,
}

struct LayerPass {
    inputs: Nodes,
    /// Before the norm.
    cells: Tensor,
    /// Before the norms, by relation.
    genes: Vec<Tensor>,
}

/// Who sends to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    GenesToCells,
    CellsToGenes,
    GenesToGenes,
}

/// A relation in its place.
#[derive(Clone, Copy)]
struct Link<'a> {
    relation: &'a Relation,
    way: Way,
    layer: usize,
}

/// The order in which a layer's relations to genes stand.
const TO_GENES: [Way; 2] = [Way::CellsToGenes, Way::GenesToGenes];

impl Network {
    /// The form of a network, and its initial parameters from libtorch's generator.
    pub(super) fn draw(
        params: &GnnParams,
        shape: Shape,
        device: Device,
    ) -> Result<(Self, Weights)> {
        let (layout, weights) = draw(shape, device)?;
        let network = Self {
            layout,
            arithmetic: Arithmetic::on(device),
            hidden: shape.hidden as i64,
            dropout: params.dropout,
            edge_dropout: params.edge_dropout,
        };
        Ok((network, weights))
    }
}

impl OnGraph<'_> {
    pub(super) fn forward(&self) -> Result<Pass> {
        let (layout, by) = (&self.network.layout, self.network.arithmetic);
        let batches = self.linear(&self.graph.batches, layout.batch)?;
        let batches = by.left_out(batches, self.mask(Site::BatchFeatures, BATCH_DROPOUT))?;
        let start = Nodes {
            cells: batches.f_leaky_relu()?.f_add_(&self.weights[layout.cell].f_leaky_relu()?)?,
            genes: self.weights[layout.genes].f_leaky_relu()?,
        };
        let start_inputs = Nodes {
            cells: self.linear(&start.cells, layout.cell_input)?,
            genes: self.linear(&start.genes, layout.gene_input)?,
        };
        let [cell_mask, gene_mask] = self.start_masks();
        let h0 = Nodes {
            cells: by.gelu_norm(&start_inputs.cells, self.norm(layout.cell_norm), cell_mask)?,
            genes: by.gelu_norm(&start_inputs.genes, self.norm(layout.gene_norm), gene_mask)?,
        };
        let (mut layers, mut read) = (Vec::new(), Vec::new());
        let mut h = h0.shallow_clone();
        for (index, layer) in layout.layers.iter().enumerate() {
            let inputs = if index == 0 { h } else { h.beside(&h0)? };
            let (pass, next) = self.layer(index, layer, inputs)?;
            read.push(next.cells.shallow_clone());
            layers.push(pass);
            h = next;
        }
        let read = Tensor::f_cat(&read, 1)?;
        Ok(Pass { batches, start, start_inputs, layers, read })
    }

    /// What is predicted from rows of [`Pass::read`]: cells x features of the target.
    pub(super) fn output(&self, read: &Tensor) -> Result<Tensor> {
        self.linear(read, self.network.layout.readout)
    }

    /// The gradients by the weights, for one by the output of the graph's first cells, those cells x features of the target.
    pub(super) fn backward(&self, pass: &Pass, by_output: &Tensor) -> Result<Weights> {
        let (layout, hidden) = (&self.network.layout, self.network.hidden);
        let mut gradients = Gradients::none_yet(self.weights);
        let (judged, all) = (by_output.size()[0], pass.read.size()[0]);
        let read = pass.read.f_narrow(0, 0, judged)?;
        let by_read = self.linear_back(&read, layout.readout, by_output, &mut gradients)?;
        let others = by_read.f_new_zeros([all - judged, by_read.size()[1]], options(&by_read))?;
        let by_read = Tensor::f_cat(&[by_read, others], 0)?;
        let mut by_h0: Option<Nodes> = None;
        let mut by_next: Option<Nodes> = None;
        for (index, layer) in layout.layers.iter().enumerate().rev() {
            let by_cells = by_read.f_narrow(1, index as i64 * hidden, hidden)?.f_contiguous()?;
            let (by_cells, by_genes) = match by_next {
                None => (by_cells, None),
                Some(next) => (next.cells.f_add(&by_cells)?, Some(next.genes)),
            };
            let pass = &pass.layers[index];
            let by_inputs =
                self.layer_back(index, layer, pass, (by_cells, by_genes), &mut gradients)?;
            if index == 0 {
                by_h0 = Some(plus(by_inputs, by_h0)?);
                by_next = None;
            } else {
                let [by_h, by_start] = by_inputs.apart(hidden)?;
                by_next = Some(by_h);
                by_h0 = Some(plus(by_start, by_h0)?);
            }
        }
        let by_h0 = by_h0.expect("there is a layer at least");
        self.start_back(pass, &by_h0, &mut gradients)?;
        Ok(gradients.finished())
    }

    /// From the gradient by the states that the first layer is given to those by all that makes them.
    fn start_back(&self, pass: &Pass, by_h0: &Nodes, gradients: &mut Gradients) -> Result<()> {
        let (layout, by) = (&self.network.layout, self.network.arithmetic);
        let [cell_mask, gene_mask] = self.start_masks();
        let mut back = |x: &Tensor, norm: Norm, mask, by_out: &Tensor| -> Result<Tensor> {
            let [by_x, weight, bias] = by.gelu_norm_backward(x, self.norm(norm), mask, by_out)?;
            gradients.set(norm.weight, weight);
            gradients.set(norm.bias, bias);
            Ok(by_x)
        };
        let inputs = &pass.start_inputs;
        let by_cells = back(&inputs.cells, layout.cell_norm, cell_mask, &by_h0.cells)?;
        let by_genes = back(&inputs.genes, layout.gene_norm, gene_mask, &by_h0.genes)?;
        let Nodes { cells, genes } = &pass.start;
        let by_cells = self.linear_back(cells, layout.cell_input, &by_cells, gradients)?;
        let by_genes = self.linear_back(genes, layout.gene_input, &by_genes, gradients)?;

        let leaky_back = |x: &Tensor, by: &Tensor| x.f_leaky_relu_backward(by, LEAK, false);
        gradients.set(layout.genes, leaky_back(&self.weights[layout.genes], &by_genes)?);
        let by_cell = by.column_sums(&by_cells)?;
        gradients.set(layout.cell, leaky_back(&self.weights[layout.cell], &by_cell)?);
        let by_batches = leaky_back(&pass.batches, &by_cells)?;
        let by_batches = by.left_out(by_batches, self.mask(Site::BatchFeatures, BATCH_DROPOUT))?;
        gradients.set(layout.batch.weight, by.by_weight(&by_batches, &self.graph.batches)?);
        gradients.set(layout.batch.bias, by.column_sums(&by_batches)?);
        Ok(())
    }

    /// One round of messages: new states of `inputs`, and what the way back needs.
    fn layer(&self, index: usize, layer: &Layer, inputs: Nodes) -> Result<(LayerPass, Nodes)> {
        let by = self.network.arithmetic;
        let cells = self.sums(layer.to_cells(index), &inputs)?;
        let genes = layer.to_genes(index).map(|link| self.sums(link, &inputs));
        let genes = genes.collect::<Result<Vec<_>>>()?;
        let cell_states = by.norm_gelu(
            &[(&cells, self.norm(layer.cells.norm))],
            self.mask(Site::Cells(index), self.network.dropout),
        )?;
        let gene_states = if genes.is_empty() {
            // Nobody asks for those of the last layer.
            inputs.genes.shallow_clone()
        } else {
            let mask = self.mask(Site::Genes(index), self.network.dropout);
            by.norm_gelu(&self.normed(layer, &genes), mask)?
        };
        let states = Nodes { cells: cell_states, genes: gene_states };
        Ok((LayerPass { inputs, cells, genes }, states))
    }

    /// The gradient by the layer's inputs, for those by its cell and gene states.
    fn layer_back(
        &self,
        index: usize,
        layer: &Layer,
        pass: &LayerPass,
        (by_cells, by_genes): (Tensor, Option<Tensor>),
        gradients: &mut Gradients,
    ) -> Result<Nodes> {
        let by = self.network.arithmetic;
        let mut by_inputs = pass.inputs.zeros()?;
        let mut back = |link: Link<'_>, [by_sums, weight, bias]: [Tensor; 3]| {
            gradients.set(link.relation.norm.weight, weight);
            gradients.set(link.relation.norm.bias, bias);
            self.sums_back(link, &pass.inputs, &by_sums, &mut by_inputs, gradients)
        };
        let normed = [(&pass.cells, self.norm(layer.cells.norm))];
        let mask = self.mask(Site::Cells(index), self.network.dropout);
        for one in by.norm_gelu_backward(&normed, mask, &by_cells)? {
            back(layer.to_cells(index), one)?;
        }
        if let Some(by_genes) = by_genes {
            let normed = self.normed(layer, &pass.genes);
            let mask = self.mask(Site::Genes(index), self.network.dropout);
            let all = by.norm_gelu_backward(&normed, mask, &by_genes)?;
            for (link, one) in layer.to_genes(index).zip(all) {
                back(link, one)?;
            }
        }
        Ok(by_inputs)
    }

    /// S x + b + the mean of N of the neighbours.
    fn sums(&self, link: Link<'_>, x: &Nodes) -> Result<Tensor> {
        let (by, relation) = (self.network.arithmetic, link.relation);
        let Ends { from, to } = x.ends(link.way);
        let own = Linear { weight: relation.to_self, bias: relation.bias };
        let mut out = self.linear(to, own)?;
        let sent = by.product(from, &self.weights[relation.neighbours])?;
        match link.way {
            Way::CellsToGenes => by.scatter(self.along(link), &sent, &mut out)?,
            _ => by.gather(self.along(link), &sent, &mut out)?,
        }
        Ok(out)
    }

    /// Adds the gradients by `x`, for `by_out` by what [`OnGraph::sums`] makes of it, to `by_x`.
    fn sums_back(
        &self,
        link: Link<'_>,
        x: &Nodes,
        by_out: &Tensor,
        by_x: &mut Nodes,
        gradients: &mut Gradients,
    ) -> Result<()> {
        let (by, Link { relation, way, .. }) = (self.network.arithmetic, link);
        let Ends { from, to } = x.ends(way);
        gradients.set(relation.to_self, by.by_weight(by_out, to)?);
        gradients.set(relation.bias, by.column_sums(by_out)?);
        by.add_by_input(by_x.receiver_mut(way), by_out, &self.weights[relation.to_self])?;

        let mut by_sent = from.f_new_zeros([from.size()[0], self.network.hidden], options(from))?;
        match way {
            Way::CellsToGenes => by.gather(self.along(link), by_out, &mut by_sent)?,
            _ => by.scatter(self.along(link), by_out, &mut by_sent)?,
        }
        gradients.set(relation.neighbours, by.by_weight(&by_sent, from)?);
        by.add_by_input(by_x.sender_mut(way), &by_sent, &self.weights[relation.neighbours])
    }

    fn along(&self, Link { way, layer, .. }: Link<'_>) -> Along<'_> {
        let (joined, graph) = (self.joined, self.graph);
        if way == Way::GenesToGenes {
            let between =
                joined.genes.as_ref().expect("where there is such a relation, there are edges");
            let uploaded = joined.uploaded.as_ref().and_then(|uploaded| uploaded.genes.as_ref());
            return Along {
                edges: &between.edges,
                rows: &between.rows,
                ready: Ready::new(uploaded, between.tiles.as_ref()),
                scales: Scales::Rows(&between.scales),
                mask: self.mask(Site::GenesToGenes(layer), self.network.edge_dropout),
            };
        }
        let (site, scales) = match way {
            Way::GenesToCells => (Site::GenesToCells(layer), Scales::Rows(&graph.cell_scales)),
            _ => (Site::CellsToGenes(layer), Scales::Columns(&graph.gene_scales)),
        };
        let uploaded = joined.uploaded.as_ref().map(|uploaded| &uploaded.cells);
        Along {
            edges: &joined.cells,
            rows: &graph.cells,
            ready: Ready::new(uploaded, graph.tiles.as_ref()),
            scales,
            mask: self.mask(site, self.network.edge_dropout),
        }
    }

    fn mask(&self, site: Site, share: f64) -> Option<Mask> {
        self.masks.and_then(|masks| masks.at(site, share))
    }

    fn start_masks(&self) -> [Option<Mask>; 2] {
        [Site::CellInput, Site::GeneInput].map(|site| self.mask(site, self.network.dropout))
    }

    fn norm(&self, norm: Norm) -> [&Tensor; 2] {
        [&self.weights[norm.weight], &self.weights[norm.bias]]
    }

    fn normed<'a>(
        &'a self,
        layer: &Layer,
        sums: &'a [Tensor],
    ) -> Vec<(&'a Tensor, [&'a Tensor; 2])> {
        sums.iter()
            .zip(&layer.genes)
            .map(|(sum, relation)| (sum, self.norm(relation.norm)))
            .collect()
    }

    fn linear(&self, x: &Tensor, Linear { weight, bias }: Linear) -> Result<Tensor> {
        let product = self.network.arithmetic.product(x, &self.weights[weight])?;
        Ok({ product }.f_add_(&self.weights[bias])?)
    }

    /// The gradient by `x`.
    fn linear_back(
        &self,
        x: &Tensor,
        Linear { weight, bias }: Linear,
        by_out: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let by = self.network.arithmetic;
        gradients.set(weight, by.by_weight(by_out, x)?);
        gradients.set(bias, by.column_sums(by_out)?);
        by.by_input(by_out, &self.weights[weight])
    }
}

impl Layer {
    fn to_cells(&self, layer: usize) -> Link<'_> {
        Link { relation: &self.cells, way: Way::GenesToCells, layer }
    }

    fn to_genes(&self, layer: usize) -> impl Iterator<Item = Link<'_>> {
        let relations = self.genes.iter().zip(TO_GENES);
        relations.map(move |(relation, way)| Link { relation, way, layer })
    }
}

/// Those who send and those who are sent to.
struct Ends<'a> {
    from: &'a Tensor,
    to: &'a Tensor,
}

impl Nodes {
    fn ends(&self, way: Way) -> Ends<'_> {
        let Self { cells, genes } = self;
        match way {
            Way::GenesToCells => Ends { from: genes, to: cells },
            Way::CellsToGenes => Ends { from: cells, to: genes },
            Way::GenesToGenes => Ends { from: genes, to: genes },
        }
    }

    fn receiver_mut(&mut self, way: Way) -> &mut Tensor {
        if way == Way::GenesToCells { &mut self.cells } else { &mut self.genes }
    }

    fn sender_mut(&mut self, way: Way) -> &mut Tensor {
        if way == Way::CellsToGenes { &mut self.cells } else { &mut self.genes }
    }

    fn shallow_clone(&self) -> Self {
        Self { cells: self.cells.shallow_clone(), genes: self.genes.shallow_clone() }
    }

    fn zeros(&self) -> Result<Self> {
        Ok(Self { cells: self.cells.f_zeros_like()?, genes: self.genes.f_zeros_like()? })
    }

    fn beside(&self, other: &Self) -> Result<Self> {
        Ok(Self {
            cells: Tensor::f_cat(&[&self.cells, &other.cells], 1)?,
            genes: Tensor::f_cat(&[&self.genes, &other.genes], 1)?,
        })
    }

    /// What [`Nodes::beside`] has put together.
    fn apart(&self, width: i64) -> Result<[Self; 2]> {
        let part = |first: i64| -> Result<Self> {
            Ok(Self {
                cells: self.cells.f_narrow(1, first, width)?.f_contiguous()?,
                genes: self.genes.f_narrow(1, first, width)?.f_contiguous()?,
            })
        };
        Ok([part(0)?, part(width)?])
    }
}

/// The sum of what there is.
fn plus(one: Nodes, other: Option<Nodes>) -> Result<Nodes> {
    let Some(other) = other else { return Ok(one) };
    let Nodes { mut cells, mut genes } = one;
    Ok(Nodes { cells: cells.f_add_(&other.cells)?, genes: genes.f_add_(&other.genes)? })
}

fn options(tensor: &Tensor) -> (tch::Kind, Device) {
    (tensor.kind(), tensor.device())
}

#[cfg(test)]
mod tests;
