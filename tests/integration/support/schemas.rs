//! The published schemas of documents.

use std::path::Path;

use boon::{Compiler, Schemas};
use serde_json::Value;

/// Sees that a document is as the schema of its name says, if there is one.
pub fn hold(document: &Value) {
    let version = document["schema"].as_str().unwrap_or_default();
    let name = version.trim_start_matches("tidegate.").split('/').next().unwrap();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let Ok(schema) = std::fs::read_to_string(schemas.join(name).with_extension("json")) else {
        return;
    };
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.add_resource(name, serde_json::from_str(&schema).unwrap()).unwrap();
    let compiled = compiler.compile(name, &mut schemas).unwrap();
    if let Err(error) = schemas.validate(document, compiled) {
        panic!("this is not as schemas/{name}.json says: {error:#}\n{document}");
    }
}
