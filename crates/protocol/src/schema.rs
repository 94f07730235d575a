//! The protocol as a JSON Schema, for programs in other languages: `crates/protocol/schema.json`.

use std::path::Path;

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Value, json};

use crate::{Event, PROTOCOL, RunSpec};

/// Set to write the schema anew.
const WRITE: &str = "MODALITY_WRITE_SCHEMA";

/// What the types of this package are.
fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with_transform(RecursiveTransform(in_plain_words));
    let mut generator = SchemaGenerator::new(settings);
    let (spec, event) = (generator.subschema_for::<RunSpec>(), generator.subschema_for::<Event>());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("modality-bench protocol {PROTOCOL}"),
        "description": "A line between harness and runner: see PROTOCOL.md.",
        "oneOf": [spec, event],
        "$defs": generator.take_definitions(true),
    })
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
