//! The protocol as a JSON Schema, for programs in other languages: `crates/protocol/schema.json`.

use std::{borrow::Cow, path::Path};

use schemars::{
    JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema,
    transform::RecursiveTransform,
};
use serde_json::{Value, json};

use crate::{DeviceId, Event, PROTOCOL, RunSpec, Task};

/// Set to write the schema anew.
const WRITE: &str = "MODALITY_WRITE_SCHEMA";

/// What the types of this package are.
fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with_transform(RecursiveTransform(in_plain_words));
    let mut generator = SchemaGenerator::new(settings);
    let (spec, event) = (generator.subschema_for::<RunSpec>(), generator.subschema_for::<Event>());
    let mut definitions = generator.take_definitions(true);
    definitions["RunSpec"]["properties"]["protocol"]["const"] = PROTOCOL.into();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("modality-bench protocol {PROTOCOL}"),
        "description": "A line between harness and runner: see PROTOCOL.md.",
        "oneOf": [spec, event],
        "$defs": definitions,
    })
}

impl JsonSchema for Task {
    fn schema_name() -> Cow<'static, str> {
        "Task".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What is predicted from what.",
            "enum": Self::ALL.map(|task| task.to_string()),
        })
    }
}

impl JsonSchema for DeviceId {
    fn schema_name() -> Cow<'static, str> {
        "DeviceId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a run computes: the processor, or a CUDA device, counted from 0.",
            "type": "string",
            "pattern": "^(cpu|cuda(:[0-9]+)?)$",
        })
    }
}

/// Links within the documentation are names here.
fn in_plain_words(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        let words = text.replace(['[', ']'], "");
        let mut plain = String::new();
        for (i, part) in words.split("(crate::").enumerate() {
            plain.push_str(if i == 0 {
                part
            } else {
                part.split_once(')').map_or("", |(_, rest)| rest)
            });
        }
        *text = plain;
    }
}

#[test]
fn the_schema_is_that_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.json");
    let made = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == made,
        "{} is not current: run the tests of this package with {WRITE}=1",
        path.display()
    );
}
