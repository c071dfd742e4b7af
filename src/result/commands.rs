//! What there is to paste into other programs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Globus Connect Server's name in commands.
pub const GCS: &str = "Globus Connect Server";

/// The name in commands of the program that reaches GCS from any machine.
pub const GLOBUS_CLI: &str = "Globus CLI";

/// Text to paste.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Command {
    /// For which program.
    pub program: String,
    /// What it is there for.
    pub purpose: String,
    /// One command or setting on each line.
    pub text: String,
}

impl Command {
    /// Of parts.
    pub fn new(program: &str, purpose: &str, text: impl Into<String>) -> Self {
        Self { program: program.into(), purpose: purpose.into(), text: text.into() }
    }

    /// Whether it sets something in Globus.
    pub fn is_for_globus(&self) -> bool {
        [GCS, GLOBUS_CLI].contains(&self.program.as_str())
    }
}

/// Names in the map that older documents have instead of a list.
const OLDER: [(&str, &str, &str); 6] = [
    ("gcs_storage_gateway", GCS, "this storage gateway only"),
    ("gcs_endpoint", GCS, "the whole endpoint (all its gateways)"),
    ("gcs_revert", GCS, "to undo both"),
    ("rclone", "rclone", "flags"),
    ("aws", "AWS CLI", "configuration"),
    ("s5cmd", "s5cmd", "flags"),
];

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    List(Vec<Command>),
    Map(BTreeMap<String, String>),
}

/// A list, or the map of older documents.
pub(super) fn list_or_map<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Command>, D::Error> {
    let map = match Written::deserialize(from)? {
        Written::List(list) => return Ok(list),
        Written::Map(map) => map,
    };
    let given = OLDER.into_iter().filter_map(|(name, program, purpose)| {
        let text = map.get(name).filter(|text| !text.is_empty())?;
        Some(Command::new(program, purpose, text))
    });
    Ok(given.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(written: Value) -> Result<Vec<Command>, serde_json::Error> {
        list_or_map(written)
    }

    #[test]
    fn the_map_of_older_documents_is_read_in_the_order_of_the_list() {
        let found = read(json!({"aws": "a", "gcs_endpoint": "g", "rclone": ""})).unwrap();
        let endpoint = Command::new(GCS, "the whole endpoint (all its gateways)", "g");
        assert_eq!(found, [endpoint, Command::new("AWS CLI", "configuration", "a")]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let list = vec![Command::new("rclone", "flags", "--transfers 4")];
        assert_eq!(read(json!(list)).unwrap(), list);
        assert!(read(json!(7)).is_err());
    }
}
