//! Records as delimited text, for other programs.

use modality_harness::record::{RunRecord, StageTime, Status};
use modality_protocol::Epoch;
use serde::{Serialize, Serializer};

use crate::{
    Line, Point, Result, Series, Summary, curves,
    records::{reason, scored},
};

/// Text as a cell: what a spreadsheet would take for a formula has an apostrophe before it, which spreadsheets do not show.
struct Text<'a>(&'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => serializer.serialize_str(&format!("'{}", self.0)),
            false => serializer.serialize_str(self.0),
        }
    }
}

#[derive(Serialize)]
struct Key<'a> {
    study: Text<'a>,
    dataset: Text<'a>,
    synthetic: bool,
    method: Text<'a>,
    variant: Text<'a>,
    backend: Text<'a>,
    device: Text<'a>,
    repeat: usize,
}

const KEY: [&str; 8] =
    ["study", "dataset", "synthetic", "method", "variant", "backend", "device", "repeat"];

#[derive(Serialize)]
struct Values<'a> {
    status: &'static str,
    rmse: Option<f64>,
    mae: Option<f64>,
    pearson_cell: Option<f64>,
    pearson_feature: Option<f64>,
    spearman_cell: Option<f64>,
    spearman_feature: Option<f64>,
    train_s: Option<f64>,
    predict_s: Option<f64>,
    total_s: Option<f64>,
    cpu_s: Option<f64>,
    peak_rss_mb: Option<f64>,
    peak_gpu_mb: Option<f64>,
    note: Text<'a>,
    expected_rss_mb: Option<f64>,
    memory_mb: Option<u64>,
    product_gflops: Option<f64>,
    captured: Option<f64>,
    cells: Option<usize>,
    expected_gpu_mb: Option<f64>,
    gpu_energy_j: Option<f64>,
    gpu_energy_s: Option<f64>,
    pearson_all: Option<f64>,
    spearman_all: Option<f64>,
    pearson_cell_with_zeros: Option<f64>,
    pearson_feature_with_zeros: Option<f64>,
    spearman_cell_with_zeros: Option<f64>,
    spearman_feature_with_zeros: Option<f64>,
    task: String,
    validation_rmse: Option<f64>,
}

const VALUES: [&str; 30] = [
    "status",
    "rmse",
    "mae",
    "pearson_cell",
    "pearson_feature",
    "spearman_cell",
    "spearman_feature",
    "train_s",
    "predict_s",
    "total_s",
    "cpu_s",
    "peak_rss_mb",
    "peak_gpu_mb",
    "note",
    "expected_rss_mb",
    "memory_mb",
    "product_gflops",
    "captured",
    "cells",
    "expected_gpu_mb",
    "gpu_energy_j",
    "gpu_energy_s",
    "pearson_all",
    "spearman_all",
    "pearson_cell_with_zeros",
    "pearson_feature_with_zeros",
    "spearman_cell_with_zeros",
    "spearman_feature_with_zeros",
    "task",
    "validation_rmse",
];

#[derive(Serialize)]
struct Scaled<'a> {
    study: Text<'a>,
    dataset: Text<'a>,
    synthetic: bool,
    method: Text<'a>,
    variant: Text<'a>,
    backend: Text<'a>,
    quantity: &'static str,
    of: &'static str,
    cells: usize,
    repeats: usize,
    median: f64,
    min: f64,
    max: f64,
    fitted: f64,
    exponent: f64,
}

pub(crate) fn results(records: &[RunRecord]) -> Result<Vec<u8>> {
    let mut writer = writer(&VALUES)?;
    for record in records {
        writer.serialize((key(record), values(record)))?;
    }
    bytes(writer)
}

pub(crate) fn stages(records: &[RunRecord]) -> Result<Vec<u8>> {
    let mut writer = writer(&["stage", "seconds", "peak_rss_mb", "flops"])?;
    for record in records.iter().filter_map(scored) {
        for time in &record.stages {
            let StageTime { stage, seconds, peak_rss_mb, flops } = time;
            writer.serialize((key(record), stage.name(), seconds, peak_rss_mb, flops))?;
        }
    }
    bytes(writer)
}

pub(crate) fn epochs(records: &[RunRecord]) -> Result<Vec<u8>> {
    let mut writer = writer(&["fold", "epoch", "loss", "validation_rmse", "model"])?;
    for record in records.iter().filter_map(scored) {
        for (told, model) in record.epochs.iter().zip(curves::models(&record.epochs)) {
            let Epoch { fold, epoch, loss, validation_rmse } = told;
            writer.serialize((key(record), Text(fold), epoch, loss, validation_rmse, model))?;
        }
    }
    bytes(writer)
}

pub(crate) fn scaling(summary: &Summary) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let lines = summary.series.iter().flat_map(|of| of.lines.iter().map(move |line| (of, line)));
    for (series, line) in lines {
        for point in &line.points {
            writer.serialize(scaled(summary, series, line, point))?;
        }
    }
    bytes(writer)
}

fn scaled<'a>(summary: &'a Summary, series: &'a Series, line: &Line, point: &Point) -> Scaled<'a> {
    Scaled {
        study: Text(&summary.study),
        dataset: Text(&summary.dataset.name),
        synthetic: summary.dataset.synthetic,
        method: Text(&series.method),
        variant: Text(&series.variant),
        backend: Text(&series.backend),
        quantity: line.quantity.name(),
        of: line.name(),
        cells: point.cells,
        repeats: point.repeats,
        median: point.value.median,
        min: point.value.min,
        max: point.value.max,
        fitted: line.fit.at(point.cells),
        exponent: line.fit.exponent,
    }
}

fn key(record: &RunRecord) -> Key<'_> {
    Key {
        study: Text(&record.run.study),
        dataset: Text(&record.dataset.name),
        synthetic: record.dataset.synthetic,
        method: Text(&record.run.method),
        variant: Text(&record.run.variant),
        backend: Text(&record.run.backend),
        device: Text(&record.device),
        repeat: record.run.repeat,
    }
}

/// A failed run keeps what it used until it broke, but no stage sums, which would be partial.
fn values(record: &RunRecord) -> Values<'_> {
    let ok = scored(record);
    let ran = (record.status != Status::Unavailable).then_some(&record.usage);
    let metrics = ok.and(record.metrics);
    let zeros = metrics.and_then(|metrics| metrics.with_zeros);
    Values {
        status: record.status.name(),
        rmse: metrics.map(|m| m.rmse),
        mae: metrics.map(|m| m.mae),
        pearson_cell: metrics.and_then(|m| m.pearson_cell),
        pearson_feature: metrics.and_then(|m| m.pearson_feature),
        spearman_cell: metrics.and_then(|m| m.spearman_cell),
        spearman_feature: metrics.and_then(|m| m.spearman_feature),
        train_s: ok.map(RunRecord::train_s),
        predict_s: ok.map(RunRecord::predict_s),
        total_s: ran.map(|usage| usage.total_s),
        cpu_s: ran.map(|usage| usage.cpu_s),
        peak_rss_mb: ran.and_then(|usage| usage.peak_rss_mb),
        peak_gpu_mb: ran.and_then(|usage| usage.peak_gpu_mb),
        note: Text(if ok.is_some() { record.note.trim() } else { reason(record) }),
        expected_rss_mb: record.usage.expected_rss_mb,
        memory_mb: record.memory_mb,
        product_gflops: record.usage.product_gflops,
        captured: record.captured,
        cells: record.cells,
        expected_gpu_mb: record.usage.expected_gpu_mb,
        gpu_energy_j: ok.and(record.usage.gpu_energy_j),
        gpu_energy_s: ok.and(record.usage.gpu_energy_s),
        pearson_all: metrics.and_then(|m| m.pearson_all),
        spearman_all: metrics.and_then(|m| m.spearman_all),
        pearson_cell_with_zeros: zeros.map(|m| m.pearson_cell),
        pearson_feature_with_zeros: zeros.map(|m| m.pearson_feature),
        spearman_cell_with_zeros: zeros.map(|m| m.spearman_cell),
        spearman_feature_with_zeros: zeros.map(|m| m.spearman_feature),
        task: record.dataset.task.to_string(),
        validation_rmse: ok.and_then(curves::validation_rmse),
    }
}

fn writer(columns: &[&str]) -> Result<csv::Writer<Vec<u8>>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(KEY.iter().chain(columns))?;
    Ok(writer)
}

fn bytes(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>> {
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()).into())
}
