//! The shape of `result.json`, which other programs rely on: every path with its types, and the words of
//! every state. Fields and words may be added; one that is renamed or gone breaks them.

use std::collections::{BTreeMap, BTreeSet};

use boon::{Compiler, Schemas};
use serde::Serialize;
use serde_json::Value;

use super::samples;
use crate::result::{Direction, Distances, LimitedBy, Phase, TargetKind, Traffic, Verdict};

/// Below these the keys are names that are not the schema's.
const MAPS: [&str; 2] = [".scenario", ".trials[].requests"];

/// Adds every path of `value` with the type of what is there.
fn add(shape: &mut BTreeMap<String, BTreeSet<&'static str>>, path: &str, value: &Value) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    shape.entry(path.to_owned()).or_default().insert(kind);
    match value {
        Value::Array(items) => {
            items.iter().for_each(|item| add(shape, &format!("{path}[]"), item));
        }
        // What a scenario holds is each verb's own.
        Value::Object(_) if path == MAPS[0] => {}
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = if MAPS.contains(&path) { "*" } else { name };
            add(shape, &format!("{path}.{name}"), value);
        }),
        _ => {}
    }
}

#[test]
fn no_field_of_the_result_is_renamed_or_gone() {
    let mut shape = BTreeMap::new();
    for (_, document) in samples::all() {
        add(&mut shape, "", &serde_json::to_value(document).expect("a document is JSON"));
    }
    let line = |(path, kinds): (&String, &BTreeSet<&str>)| {
        format!("{path}: {}\n", kinds.iter().copied().collect::<Vec<_>>().join(" | "))
    };
    insta::assert_snapshot!(shape.iter().map(line).collect::<String>());
}

#[test]
fn results_are_as_their_schema_says() {
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/result.json");
    let compiled = compiler.compile(schema, &mut schemas).expect("a schema");
    for (sample, document) in samples::all() {
        let mut written = serde_json::to_value(&document).expect("a document is JSON");
        let wrong = schemas.validate(&written, compiled).err();
        assert!(wrong.is_none(), "{sample}: {wrong:?}");
        written["scenario"]["get"] = "as Rust prints it".into();
        assert!(schemas.validate(&written, compiled).is_err(), "{sample}");
    }
}

fn words<T: Serialize>(name: &str, states: impl IntoIterator<Item = T>) -> String {
    let word = |state| serde_json::to_string(&state).expect("a state is JSON");
    let words: Vec<_> = states.into_iter().map(word).collect();
    format!("{name}: {}\n", words.join(" | "))
}

#[test]
fn no_word_for_a_state_is_changed() {
    let words = [
        words("target kind", [TargetKind::Embedded, TargetKind::Endpoint, TargetKind::Simulated]),
        words("direction of a trial", [Traffic::Up, Traffic::Down, Traffic::Mixed]),
        words("direction of a recommendation", [Direction::Up, Direction::Down]),
        words(
            "phase",
            [
                Phase::Calibration,
                Phase::Ramp,
                Phase::Race,
                Phase::Confirmation,
                Phase::Duplicate,
                Phase::Soak,
                Phase::BothWays,
                Phase::Run,
            ],
        ),
        words("distances", [Distances::Constant, Distances::Poisson]),
        words(
            "limited by",
            [
                LimitedBy::ClientCpu,
                LimitedBy::Nic,
                LimitedBy::Source,
                LimitedBy::Destination,
                LimitedBy::Throttled,
                LimitedBy::Errors,
                LimitedBy::Cap,
                LimitedBy::GatewayOrNetwork,
                LimitedBy::Unknown,
            ],
        ),
        words(
            "verdict",
            [Verdict::Clear, Verdict::Indistinguishable, Verdict::NotSteady, Verdict::Limited],
        ),
    ];
    insta::assert_snapshot!(words.concat());
}
