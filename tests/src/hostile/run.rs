//! The run that a mode is asked for, and predictions of any shape for it.

use std::{
    fs,
    io::{self, BufRead as _, Write as _},
    path::PathBuf,
    process::exit,
};

use modality_protocol::RunSpec;
use serde_json::Value;

/// The run that is asked for.
pub(super) struct Run {
    spec: RunSpec,
    pub(super) cells: usize,
    pub(super) features: usize,
}

impl Run {
    pub(super) fn of_standard_input() -> Result<Self, String> {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(|error| error.to_string())?;
        let spec: RunSpec = serde_json::from_str(&line).map_err(|error| error.to_string())?;
        let manifest =
            fs::read(spec.dataset.join("dataset.json")).map_err(|error| error.to_string())?;
        let manifest: Value =
            serde_json::from_slice(&manifest).map_err(|error| error.to_string())?;
        let cells = manifest["test_cells"].as_u64().unwrap_or_default() as usize;
        let features = manifest["target"]["names"].as_array().map_or(0, Vec::len);
        Ok(Self { spec, cells, features })
    }

    pub(super) fn path(&self) -> &PathBuf {
        &self.spec.predictions
    }

    /// Predictions of one value.
    pub(super) fn predict(&self, value: f32) {
        let values = value.to_le_bytes().repeat(self.cells * self.features);
        self.write("<f4", (self.cells, self.features), &values);
    }

    pub(super) fn write(&self, descr: &str, (cells, features): (usize, usize), bytes: &[u8]) {
        let shape = format!("({cells}, {features})");
        self.write_header(
            &format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"),
            bytes,
        );
    }

    pub(super) fn write_header(&self, header: &str, bytes: &[u8]) {
        let end = " ".repeat((64 - (header.len() + 11) % 64) % 64) + "\n";
        let length = ((header.len() + end.len()) as u16).to_le_bytes();
        let file =
            [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), end.as_bytes(), bytes].concat();
        if let Err(error) = fs::write(self.path(), file) {
            say(&format!(r#"{{"event": "failed", "reason": "{error}"}}"#));
            exit(1);
        }
    }
}

/// Says a line.
pub(super) fn say(line: &str) {
    // Whoever is not heard any more goes on all the same.
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
