//! `tidegate schema`: what other programs may rely on in a document. It is made from the types that are written, so
//! that it cannot fall behind them.

use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::check::Checks;
use tidegate::error::{Error, Result};
use tidegate::fit::Fit;
use tidegate::observe::{Observation, WrittenConnector};
use tidegate::plan::Plan;
use tidegate::result::Document;
use tidegate::terminal;

/// Options of `schema`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Document whose schema is printed; without it all are listed
    name: Option<Name>,
}

/// Documents that other programs read.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// A run: result.json, and what `run` and `tune` print with --json
    Result,
    /// A plan: plan.json, and what `plan` prints with --json
    Plan,
    /// What `fit` prints with --json
    Fit,
    /// A connector: the file of `observe --save`, whose TOML has this shape
    Connector,
    /// What `check` prints with --json
    Check,
    /// What `observe` prints with --json
    Observation,
}

pub(super) fn run(args: Args) -> Result<()> {
    match args.name {
        Some(name) => terminal::print_json(&name.text()?),
        None => terminal::print(&list()),
    }
    Ok(())
}

/// A line for each document: its name, the version of its schema, what it is.
fn list() -> String {
    let line = |name: &Name| {
        let value = name.to_possible_value()?;
        let (schema, what) = (name.schema(), value.get_help()?.to_string());
        Some(format!("{:<12} {:<23} {what}", value.get_name(), version(&schema)))
    };
    Name::value_variants().iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

impl Name {
    fn text(self) -> Result<String> {
        let text = serde_json::to_string_pretty(&self.schema());
        text.map_err(|error| Error::environment(format!("no JSON: {error}")))
    }

    fn schema(self) -> Schema {
        let written = SchemaSettings::draft2020_12().for_serialize();
        match self {
            Self::Result => of::<Document>(written),
            Self::Plan => of::<Plan>(written),
            Self::Fit => of::<Fit>(written),
            // What is not known is not in it.
            Self::Connector => of::<WrittenConnector>(written.for_deserialize()),
            Self::Check => of::<Checks>(written),
            Self::Observation => of::<Observation>(written),
        }
    }
}

fn of<T: JsonSchema>(settings: SchemaSettings) -> Schema {
    let settings = settings.with_transform(RecursiveTransform(describe_as_json));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let title = version(&schema).to_owned();
    schema.insert("title".into(), title.into());
    schema
}

/// The `schema` field of the documents.
fn version(schema: &Schema) -> &str {
    schema.pointer("/properties/schema/const").and_then(Value::as_str).unwrap_or_default()
}

/// Comments in the code name what Rust has and link to it.
fn describe_as_json(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description
            .replace("`None`", "`null`")
            .replace("[`", "`")
            .replace("`]", "`")
            .replace('\n', " ");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use boon::{Compiler, Schemas};

    use super::*;
    use tidegate::observe::{Connector, of_requests};

    /// What is wrong with a document by the schema of its name.
    fn wrong(name: Name, document: &Value) -> Option<String> {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        let schema = serde_json::to_value(name.schema()).unwrap();
        compiler.add_resource("schema.json", schema).unwrap();
        let compiled = compiler.compile("schema.json", &mut schemas).unwrap();
        schemas.validate(document, compiled).err().map(|error| format!("{error:#}"))
    }

    #[test]
    fn the_published_schemas_are_those_that_are_printed() {
        for name in Name::value_variants() {
            let value = name.to_possible_value().unwrap();
            let file = format!("schemas/{}.json", value.get_name());
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
            let published = std::fs::read_to_string(path).unwrap_or_default();
            let renew = format!("renew it: cargo run -- schema {} > {file}", value.get_name());
            assert!(published == name.text().unwrap() + "\n", "{renew}");
        }
    }

    #[test]
    fn every_document_has_a_version_and_every_field_is_described() {
        for name in Name::value_variants() {
            let schema = name.schema();
            assert!(version(&schema).starts_with("tidegate."), "{name:?}");
            let text = name.text().unwrap();
            assert!(!text.contains("`None`") && !text.contains("[`"), "{text}");
            let bare = undescribed(schema.as_value());
            assert!(bare.is_empty(), "{name:?}: {bare:?}");
        }
        assert_eq!(list().lines().count(), Name::value_variants().len());
    }

    /// Fields without a description, wherever they are.
    fn undescribed(schema: &Value) -> Vec<String> {
        let Value::Object(fields) = schema else { return Vec::new() };
        let properties = fields.get("properties").and_then(Value::as_object);
        let bare = properties.into_iter().flatten().filter(|(name, field)| {
            // The words of a tag, and the number beside one, are described with the variant.
            let of_a_variant = field.get("const").is_some() || *name == "sd";
            field.get("description").is_none() && !of_a_variant
        });
        let bare = bare.map(|(name, _)| name.clone());
        let below = fields.values().flat_map(|value| match value {
            Value::Array(items) => items.iter().flat_map(undescribed).collect(),
            Value::Object(named) => {
                named.values().flat_map(undescribed).chain(undescribed(value)).collect()
            }
            _ => Vec::new(),
        });
        bare.chain(below).collect()
    }

    #[test]
    fn what_was_seen_of_a_connector_is_as_its_schemas_say() {
        let observation = of_requests(&[]);
        let written = serde_json::to_value(&observation).unwrap();
        assert_eq!(wrong(Name::Observation, &written), None);
        let file: Value = toml::from_str(&Connector::text(&observation)).unwrap();
        assert_eq!(wrong(Name::Connector, &file), None);
    }
}
