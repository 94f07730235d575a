//! Both passes beside automatic differentiation.

use ndarray::Array2;
use tch::Kind;

use super::*;
use crate::gnn::{edges::Edges, graph::Between, pathways};

const CELLS: usize = 14;
const GENES: usize = 11;

/// Cells, one of which has no gene, and a gene that is in none.
fn input() -> Array2<f32> {
    Array2::from_shape_fn((CELLS, GENES), |(i, j)| {
        let there = (i * 5 + j * 3 + i * j) % 3 != 0 && i != 4 && j != 6;
        if there { ((i * 7 + j * 11) % 13) as f32 / 13.0 + 0.1 } else { 0.0 }
    })
}

fn joined(sets: &[Vec<u32>], upload: bool) -> Joined {
    let input = input();
    let between = pathways::between(sets, input.view().into());
    let between = between.map(|edges| Between::new(edges, Device::Cpu).unwrap());
    Joined::new(Edges::stacked(&[input.view().into()]), between, Device::Cpu, upload).unwrap()
}

/// A graph of some of the cells.
fn graph(joined: &Joined) -> Graph {
    let cells: Vec<u32> = (0..CELLS as u32).rev().filter(|cell| cell % 5 != 2).collect();
    let numbers: Vec<_> = cells
        .iter()
        .map(|&c| std::array::from_fn(|i| (c * 3 + i as u32) as f32 / 20.0 - 1.0))
        .collect();
    Graph::new(joined, cells, &numbers, true).unwrap()
}

fn close(one: &Tensor, other: &Tensor) {
    assert_eq!(one.size(), other.size());
    let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    let far = largest(&(one - other));
    assert!(far <= 2e-5 * largest(other) + 1e-7, "{far}: {one} {other}");
}

#[test]
fn both_passes_agree_with_automatic_differentiation() {
    let judged = 7;
    for (sets, layers) in [(vec![], 3), (vec![vec![0, 3, 4, 6], vec![3, 0]], 2), (vec![], 1)] {
        let params = GnnParams { hidden: 16, layers, ..GnnParams::default() };
        let by_libtorch = joined(&sets, true);
        let shape = Shape::new(&params, GENES, 3, by_libtorch.genes.is_some());
        let generator = crate::folds::seeded(4);
        let (mut network, mut weights) = Network::draw(&params, shape, Device::Cpu).unwrap();
        let by_output = Tensor::randn([judged, 3], (Kind::Float, Device::Cpu));
        drop(generator);
        // Norms that do something.
        for (i, weight) in weights.0.iter_mut().enumerate().filter(|(_, w)| w.numel() == 16) {
            let _ = weight
                .g_add_(&(Tensor::arange(16, (Kind::Float, Device::Cpu)) * 0.03 - i as f64 * 0.01));
        }
        for masks in [None, Some(Masks { seed: 3, step: 1 })] {
            network.arithmetic = Arithmetic::Libtorch;
            let leaves: Vec<Tensor> =
                weights.0.iter().map(|w| w.detach().copy().set_requires_grad(true)).collect();
            let leaves = Weights(leaves);
            let on = OnGraph {
                network: &network,
                weights: &leaves,
                joined: &by_libtorch,
                graph: &graph(&by_libtorch),
                masks,
            };
            let output = tch::with_grad(|| {
                let output = on.output(&on.forward().unwrap().read.narrow(0, 0, judged)).unwrap();
                (&output * &by_output).sum(None).backward();
                output.detach()
            });
            let wanted: Vec<Tensor> = leaves.0.iter().map(Tensor::grad).collect();

            for arithmetic in [Arithmetic::Libtorch, Arithmetic::Host] {
                network.arithmetic = arithmetic;
                let on_host = joined(&sets, false);
                let joined = if arithmetic == Arithmetic::Host { &on_host } else { &by_libtorch };
                let on = OnGraph {
                    network: &network,
                    weights: &weights,
                    joined,
                    graph: &graph(joined),
                    masks,
                };
                let _no_grad = tch::no_grad_guard();
                let pass = on.forward().unwrap();
                close(&on.output(&pass.read.narrow(0, 0, judged)).unwrap(), &output);
                let gradients = on.backward(&pass, &by_output).unwrap();
                for (ours, theirs) in gradients.0.iter().zip(&wanted) {
                    close(ours, theirs);
                }
            }
        }
    }
}
