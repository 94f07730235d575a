//! Records of networks whose models are validated in each epoch.

use modality_harness::record::{RunRecord, Status};
use modality_protocol::Epoch;

use super::{missing, scored, study, with_variant};

/// A sweep of one method on one backend, with validation curves and whiskers in both directions.
pub(crate) fn sweep() -> Vec<RunRecord> {
    let variants = [(1, 0.3868), (3, 0.3781), (5, 0.3752), (10, 0.3749), (20, 0.3755)];
    let mut records = Vec::new();
    for (epochs, rmse) in variants {
        for (repeat, factor) in [1.0, 0.8, 1.25].into_iter().enumerate() {
            let rmse = rmse + (factor - 1.0) * 0.004;
            let record = scored("mlp", "torch", repeat, rmse, 19.0 * f64::from(epochs) * factor);
            records.push(validated(with_variant(record, &format!("epochs={epochs}")), epochs));
        }
    }
    records
}

/// A study of which two methods have validation curves, one of them on several backends.
pub(crate) fn validated_study() -> Vec<RunRecord> {
    let mut records: Vec<RunRecord> = study()
        .into_iter()
        .map(|record| match record.run.method.as_str() {
            "mlp" => validated(record, 10),
            "gnn" => side_by_side(validated(record, 30)),
            _ => record,
        })
        .collect();
    for repeat in 0..3 {
        records.push(validated(scored("mlp", "burn", repeat, 0.375, 240.0 + repeat as f64), 10));
        records.push(missing(
            "mlp",
            "torch-cuda",
            repeat,
            Status::Unavailable,
            "no CUDA device was found",
        ));
    }
    records
}

/// A run with three folds, each at its best between the first and the last of many epochs.
pub(crate) fn validated(mut record: RunRecord, epochs: u32) -> RunRecord {
    let shift = 0.002 * record.run.repeat as f64;
    for (fold, level) in [("donors 1/3", 0.381), ("donors 2/3", 0.372), ("donors 3/3", 0.369)] {
        for epoch in 1..=epochs {
            let t = f64::from(epoch);
            let rmse = level + shift * level + 0.05 / t + 0.0004 * (t - 6.0).max(0.0);
            record.epochs.push(Epoch {
                fold: fold.to_owned(),
                epoch: epoch as usize,
                loss: 0.2 / t,
                validation_rmse: rmse,
            });
        }
    }
    record
}

/// The same models, trained side by side: epochs of one fold are in order, and those of different folds alternate.
pub(crate) fn side_by_side(mut record: RunRecord) -> RunRecord {
    record.epochs.sort_by_key(|epoch| epoch.epoch);
    record
}

/// A graph neural network as published: four models of ten thousand epochs, three of them validated on the same cells, and
/// the first epochs of no use.
pub(crate) fn full_graph() -> Vec<RunRecord> {
    let mut records: Vec<RunRecord> =
        validated_study().into_iter().filter(|record| record.run.method != "gnn").collect();
    let levels = [
        ("s1d2 + s3d7", 0.42),
        ("s1d2 + s3d7", 0.425),
        ("s1d2 + s3d7", 0.418),
        ("a random 15 %", 0.362),
    ];
    for repeat in 0..2 {
        let mut record = scored("gnn", "torch", repeat, 0.3651 + 0.001 * repeat as f64, 5200.0);
        record.params.insert("min_epoch".to_owned(), 4000.into());
        for epoch in 1..=10_000_usize {
            record.epochs.extend(levels.iter().enumerate().map(|(model, (fold, level))| Epoch {
                fold: (*fold).to_owned(),
                epoch,
                loss: 0.2,
                validation_rmse: full_graph_rmse(*level, epoch, model + 4 * repeat),
            }));
        }
        records.push(record);
    }
    records
}

/// Falls, rises a little, and jumps from epoch to epoch.
fn full_graph_rmse(level: f64, epoch: usize, model: usize) -> f64 {
    let t = epoch as f64;
    let noise = ((epoch * 7919 + model * 104_729) % 997) as f64 / 997.0;
    level + 0.9 / t.sqrt() + 4e-6 * t + 0.012 * noise
}
