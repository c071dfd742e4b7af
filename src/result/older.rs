//! Documents of older schemas, read as the values that are written today.
//!
//! The number moves when a field that was there is written in another way, for whoever reads that field:
//!
//! | schema | what differs from the next |
//! |---|---|
//! | `tidegate.result/1` | `commands` is a map of programs; a list since |
//! | `tidegate.result/2` | in `scenario`, `arrivals` is the text that Rust prints, `load` may be a sentence, and there is no `verb` |
//! | `tidegate.result/3` | `joint` has `up` and `down`; a list of what it serves since |

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};

use super::{Joint, SCHEMA, Scenario};

const OLDER: [&str; 3] = ["tidegate.result/1", "tidegate.result/2", "tidegate.result/3"];

/// The schema of what is read: today's, for that is what it is from here on.
pub(super) fn schema<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let written = String::deserialize(from)?;
    match written == SCHEMA || OLDER.contains(&written.as_str()) {
        true => Ok(SCHEMA.to_owned()),
        false => Err(de::Error::custom(format!("its schema is {written}"))),
    }
}

/// The scenario, or the map of older documents.
pub(super) fn scenario<'de, D: Deserializer<'de>>(from: D) -> Result<Scenario, D::Error> {
    let mut written = Map::deserialize(from)?;
    if !written.contains_key("verb") {
        bring_up_to_date(&mut written);
    }
    let scenario = serde_json::from_value(Value::Object(written));
    scenario.map_err(|error| de::Error::custom(format!("the scenario: {error}")))
}

/// One concurrency for all searches; there were two at the most, of one dataset.
pub(super) fn joint<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Joint>, D::Error> {
    let Some(mut written) = Option::<Map<String, Value>>::deserialize(from)? else {
        return Ok(None);
    };
    if !written.contains_key("serves") {
        let serves = ["up", "down"].map(|direction| {
            let comparison = written.remove(direction);
            json!({ "direction": direction, "comparison": comparison })
        });
        written.insert("serves".into(), json!(serves));
    }
    let joint = serde_json::from_value(Value::Object(written));
    joint.map(Some).map_err(|error| de::Error::custom(format!("`joint`: {error}")))
}

fn bring_up_to_date(scenario: &mut Map<String, Value>) {
    let verb = match (scenario.contains_key("concurrency_max"), scenario.contains_key("load")) {
        (true, _) => "tune",
        (false, true) => "run",
        (false, false) => "plan",
    };
    scenario.insert("verb".into(), verb.into());
    for (name, value) in scenario.iter_mut() {
        let of_today = match name.as_str() {
            "arrivals" => arrivals(value),
            "load" => load(value),
            "parts_in_flight" => parts_in_flight(value),
            _ => None,
        };
        if let Some(of_today) = of_today {
            *value = of_today;
        }
    }
}

/// `Closed`, or `Poisson { files_per_second: 20.0 }`.
fn arrivals(written: &Value) -> Option<Value> {
    let text = written.as_str()?;
    let Some((distances, rate)) = text.split_once(" { files_per_second: ") else {
        return Some(json!({ "kind": text.to_lowercase() }));
    };
    let files_per_second: f64 = rate.strip_suffix(" }")?.parse().ok()?;
    Some(json!({ "kind": distances.to_lowercase(), "files_per_second": files_per_second }))
}

fn load(written: &Value) -> Option<Value> {
    (written == "the whole dataset once").then(|| json!("whole_dataset"))
}

/// One number, before several could be tried.
fn parts_in_flight(written: &Value) -> Option<Value> {
    written.is_number().then(|| json!([written]))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::report::samples;
    use crate::result::{Arrivals, Document, Load, Verb, Whole};

    /// A document as the second schema has it.
    fn as_before(document: &Document) -> Value {
        let mut written = json!(document);
        written["schema"] = "tidegate.result/2".into();
        if let Some(joint) = written.get_mut("joint").and_then(Value::as_object_mut) {
            let serves = joint.remove("serves").expect("a list");
            for (index, direction) in ["up", "down"].into_iter().enumerate() {
                joint.insert(direction.into(), serves[index]["comparison"].clone());
            }
        }
        let scenario = written["scenario"].as_object_mut().expect("it has fields");
        scenario.remove("verb");
        if let Verb::Run(run) = &document.scenario.verb {
            scenario.insert("arrivals".into(), format!("{:?}", run.arrivals).into());
            if run.load == Load::Whole(Whole::WholeDataset) {
                scenario.insert("load".into(), "the whole dataset once".into());
            }
        }
        written
    }

    #[test]
    fn a_document_of_before_is_the_value_that_is_written_today() {
        let open = [0.05, 20.0, 1e-7, 1e16].map(|files_per_second| {
            let mut document = samples::run_with_failures();
            let Verb::Run(run) = &mut document.scenario.verb else { panic!("it is a run") };
            run.arrivals = Arrivals::Poisson { files_per_second };
            document
        });
        let all = samples::all().into_iter().map(|(_, document)| document);
        for document in all.chain(open) {
            let before = as_before(&document);
            assert_eq!(serde_json::from_value::<Document>(before).unwrap(), document);
            assert_eq!(serde_json::from_value::<Document>(json!(document)).unwrap(), document);
        }
    }

    #[test]
    fn no_text_that_rust_prints_for_debugging_is_written() {
        for (name, document) in samples::all() {
            let written = serde_json::to_string(&document).expect("it serialises");
            assert!(!written.contains("{ "), "{name}: {written}");
        }
    }

    #[test]
    fn the_published_results_are_read() {
        for (name, trials) in [("embedded-demonstration", 24), ("simulated-dtn-100g", 71)] {
            let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
            let document = Document::load(&results.join(name).join("result.json")).unwrap();
            assert_eq!((document.schema.as_str(), document.trials.len()), (SCHEMA, trials));
            let Verb::Tune(tune) = &document.scenario.verb else { panic!("{name} is a search") };
            assert_eq!(tune.part_sizes_bytes, [16 << 20, 64 << 20]);
            let written = json!(document).to_string();
            assert_eq!(serde_json::from_str::<Document>(&written).unwrap(), document);
        }
    }

    #[test]
    fn a_search_for_which_nothing_was_held_yet_is_read() {
        let mut before = as_before(&samples::tune());
        let scenario = before["scenario"].as_object_mut().expect("it has fields");
        for name in ["directions", "max_refused", "prices", "retry", "soak_s", "verify"] {
            scenario.remove(name);
        }
        scenario.insert("parts_in_flight".into(), 1.into());
        let document: Document = serde_json::from_value(before).unwrap();
        let Verb::Tune(tune) = document.scenario.verb else { panic!("it is a search") };
        assert_eq!((tune.parts_in_flight, tune.soak_s, tune.verify), (vec![1], None, false));
    }

    #[test]
    fn a_schema_of_others_is_refused() {
        for written in ["tidegate.result/5", "tidegate.plan/1", ""] {
            let error = schema(json!(written)).unwrap_err().to_string();
            assert_eq!(error, format!("its schema is {written}"));
        }
    }
}
