//! Steps on the graph of all cells, as published, beside those of the same network in Python's PyTorch: same folds, initial
//! parameters and masks. `tests/reference/values.json` holds what `tests/reference/measure.py` measured with it.

#![allow(clippy::unwrap_used)]

use std::fs;

use backend_torch::{Annotations, Problem, device, gnn};
use modality_data::synthetic::{Size, generate};
use modality_methods::{GnnParams, Training};
use modality_protocol::{DeviceId, Event, Fold, StageClock, Task};

/// Relative difference of the losses.
const TOLERANCE: f64 = 1e-4;

#[test]
fn the_first_steps_on_the_whole_graph_are_pytorch_s() {
    let values = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/values.json");
    let values: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(values).unwrap()).unwrap();
    let theirs = &values["studies"]["smoke"]["gnn"]["first_steps"]["full-graph"];
    let theirs: Vec<f64> = serde_json::from_value(theirs.clone()).unwrap();
    assert_eq!(theirs.len(), 20);

    let data = generate(Size::Tiny, 1, Task::default());
    let site = &data.train.cells.site;
    let cells =
        site.cells_of(&[site.names.iter().position(|name| name == "site1").unwrap() as u32]);
    let folds = [Fold { name: "site1".to_owned(), cells, ..Fold::default() }];
    let problem = Problem {
        train_input: data.train.input.view(),
        train_target: data.train.target.view(),
        test_input: data.test.input.view(),
        folds: &folds,
        seed: 0,
    };
    let (train_batches, test_batches) = (&data.train.cells.batch, &data.test.cells.batch);
    let annotations = Annotations { train_batches, test_batches, gene_sets: &[] };
    let params =
        GnnParams { training: Training::FullGraph, epochs: theirs.len(), ..GnnParams::default() };
    let cpu = device::choose(DeviceId::Cpu).unwrap();
    let mut losses = Vec::new();
    let mut clock = StageClock::new(|event| {
        if let Event::Epoch(epoch) = event {
            losses.push(epoch.loss);
        }
    });
    gnn(&problem, &annotations, &params, &cpu, &mut clock).unwrap();
    drop(clock);
    for (step, (ours, theirs)) in losses.iter().zip(&theirs).enumerate() {
        let far = (ours / theirs - 1.0).abs();
        assert!(far < TOLERANCE, "step {step}: {ours}, reference {theirs}");
    }
}
