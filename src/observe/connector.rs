//! An observation as a file, so that trials are made with the connector that is really there.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Certainty, Finding, Observation, Origin, Way};
use crate::transfer::GetMode;
use crate::units::{ByteSize, MIB};

/// Version of the file.
const SCHEMA: &str = "tidegate.connector/1";

/// What is known of a connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connector {
    /// How it was found out.
    pub seen: String,
    /// How it uploads.
    pub up: Option<Manner>,
    /// How it downloads.
    pub down: Option<Manner>,
}

/// A connector that trials do as, in their direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// How it was found out.
    pub seen: String,
    /// What it does.
    pub manner: Manner,
}

/// How a connector moves files one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// How objects are fetched; downloads only.
    pub get: Option<GetMode>,
    /// Bytes of a part, or of a range.
    pub part_size: Option<Known<ByteSize>>,
    /// Parts of one file in flight.
    pub parts_in_flight: Option<Known<u32>>,
    /// Files in flight.
    pub concurrency: Option<Known<u32>>,
}

/// A value and how it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Known_{T}")]
pub struct Known<T> {
    /// The value.
    pub value: T,
    /// How it is known.
    pub source: Certainty,
}

/// What a connector was seen to do, as the TOML of its file has it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenConnector {
    /// Version of this document.
    #[schemars(extend("const" = SCHEMA))]
    schema: String,
    /// How it was found out.
    seen: String,
    /// How it uploads.
    up: Option<WrittenManner>,
    /// How it downloads.
    down: Option<WrittenManner>,
}

/// How a connector moves files one way.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenManner {
    /// How objects are fetched; downloads only.
    get: Option<GetMode>,
    /// A part, or a range: `64MiB`, or a number of bytes.
    part_size: Option<Known<String>>,
    /// Parts of one file in flight.
    parts_in_flight: Option<Known<u32>>,
    /// Files in flight.
    concurrency: Option<Known<u32>>,
}

impl Manner {
    /// Bytes of a part.
    pub fn part_size(&self) -> Option<ByteSize> {
        self.part_size.map(|known| known.value)
    }

    /// Parts of one file in flight.
    pub fn parts_in_flight(&self) -> Option<u32> {
        self.parts_in_flight.map(|known| known.value)
    }

    /// Files in flight.
    pub fn concurrency(&self) -> Option<u32> {
        self.concurrency.map(|known| known.value)
    }
}

impl Followed {
    /// What remains assumed about the connector.
    pub fn assumptions(&self) -> Vec<String> {
        let at_least = |name: &str, known: Option<Known<u32>>| {
            let known = known.filter(|known| known.source == Certainty::AtLeast)?;
            Some(format!(
                "The connector has {} {name} in flight: so many were seen, it may have more.",
                known.value
            ))
        };
        let not_seen = (self.manner.part_size.is_none())
            .then(|| "The part size of the connector was not seen.".to_owned());
        let manner = &self.manner;
        at_least("parts of a file", manner.parts_in_flight)
            .into_iter()
            .chain(at_least("files", manner.concurrency))
            .chain(not_seen)
            .collect()
    }
}

impl Connector {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Says what is wrong, in one line or with the place in the text.
    pub fn read(text: &str) -> Result<Self, String> {
        let written: WrittenConnector = toml::from_str(text).map_err(|error| error.to_string())?;
        if written.schema != SCHEMA {
            return Err(format!("its schema is `{}` and not `{SCHEMA}`", written.schema));
        }
        let manner = |manner: Option<WrittenManner>| manner.map(WrittenManner::read).transpose();
        Ok(Self { seen: written.seen, up: manner(written.up)?, down: manner(written.down)? })
    }

    /// The text of the file for an observation, with the evidence of each value.
    pub fn text(observation: &Observation) -> String {
        let mut text = String::from(
            "# What a connector was seen to do, for `tidegate tune --connector` and `tidegate run --connector`.\n\
             # A source is observed, inferred or at_least; options on the command line come first.\n",
        );
        text += &format!("schema = \"{SCHEMA}\"\n");
        text += &format!("seen = {}\n", toml::Value::String(seen(observation)));
        for (direction, way) in [("up", &observation.up), ("down", &observation.down)] {
            if let Some(way) = way {
                text += &format!("\n[{direction}]\n{}", manner(way, direction == "down"));
            }
        }
        text
    }
}

fn seen(observation: &Observation) -> String {
    let Observation { seen, seconds, .. } = observation;
    let what = match observation.origin {
        Origin::Requests => "logged requests",
        Origin::Looks => "looks at open uploads",
    };
    let agents = observation.client.iter().flat_map(|client| client.user_agents.keys());
    let agents: Vec<&str> = agents.map(String::as_str).collect();
    let by = if agents.is_empty() { String::new() } else { format!(", by {}", agents.join("; ")) };
    format!("{seen} {what} in {seconds:.0} s{by}")
}

fn manner(way: &Way, downloads: bool) -> String {
    let mut lines = String::new();
    if downloads {
        let get = if way.part_size_bytes.is_some() { "ranged" } else { "whole" };
        lines += &format!("get = \"{get}\"\n");
    }
    let mut line = |name: &str, finding: &Option<Finding>, show: fn(u64) -> String| {
        let written = match finding {
            None => writeln!(lines, "# {name}: not seen"),
            Some(Finding { value, certainty, evidence }) => writeln!(
                lines,
                "{name} = {{ value = {}, source = \"{}\" }} # {evidence}",
                show(*value),
                certainty.word()
            ),
        };
        written.expect("a string takes all");
    };
    // A log of empty parts tells no size that could be set.
    let part_size = way.part_size_bytes.clone().filter(|found| found.value > 0);
    line("part_size", &part_size, size);
    line("parts_in_flight", &way.parts_in_flight, |count| count.to_string());
    line("concurrency", &way.files_in_flight, |count| count.to_string());
    lines
}

fn size(bytes: u64) -> String {
    match bytes.is_multiple_of(MIB) {
        true => format!("\"{}MiB\"", bytes / MIB),
        false => format!("\"{bytes}\""),
    }
}

impl Certainty {
    /// As files and JSON have it.
    fn word(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Inferred => "inferred",
            Self::AtLeast => "at_least",
        }
    }
}

impl WrittenManner {
    fn read(self) -> Result<Manner, String> {
        let part_size = self.part_size.map(|Known { value, source }| match value.parse() {
            Ok(ByteSize(0)) => Err("part_size is at least one byte".to_owned()),
            Ok(value) => Ok(Known { value, source }),
            Err(error) => Err(format!("part_size: {error}")),
        });
        for (name, known) in
            [("parts_in_flight", self.parts_in_flight), ("concurrency", self.concurrency)]
        {
            if known.is_some_and(|known| known.value == 0) {
                return Err(format!("{name} begins at 1"));
            }
        }
        Ok(Manner {
            get: self.get,
            part_size: part_size.transpose()?,
            parts_in_flight: self.parts_in_flight,
            concurrency: self.concurrency,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(value: u64, certainty: Certainty) -> Option<Finding> {
        Some(Finding { value, certainty, evidence: "seen # so".into() })
    }

    fn observation() -> Observation {
        let up = Way {
            part_size_bytes: finding(16 * MIB, Certainty::Observed),
            parts_in_flight: finding(4, Certainty::Inferred),
            files_in_flight: finding(2, Certainty::AtLeast),
            ..Way::default()
        };
        let down = Way { files_in_flight: finding(3, Certainty::Observed), ..Way::default() };
        Observation {
            schema: super::super::SCHEMA,
            origin: Origin::Looks,
            seen: 12,
            seconds: 3.4,
            up: Some(up),
            down: Some(down),
            client: None,
            remarks: vec![],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let connector = Connector::read(&Connector::text(&observation())).unwrap();
        assert_eq!(connector.seen, "12 looks at open uploads in 3 s");
        let up = connector.up.unwrap();
        let known = |value, source| Some(Known { value, source });
        assert_eq!(up.part_size, known(ByteSize(16 * MIB), Certainty::Observed));
        assert_eq!(up.parts_in_flight, Some(Known { value: 4, source: Certainty::Inferred }));
        assert_eq!(up.concurrency, Some(Known { value: 2, source: Certainty::AtLeast }));
        let down = connector.down.unwrap();
        assert_eq!(down.get, Some(GetMode::Whole));
        assert_eq!(down.part_size, None);
    }

    #[test]
    fn sizes_that_are_no_whole_mib_stay_exact() {
        assert_eq!(size(5_000_001), "\"5000001\"");
        assert_eq!(size(64 * MIB), "\"64MiB\"");
    }

    #[test]
    fn mistakes_are_named() {
        let text = Connector::text(&observation());
        for (from, to, named) in [
            ("connector/1", "connector/9", "connector/9"),
            ("16MiB", "many", "many"),
            ("value = 4", "value = 0", "parts_in_flight"),
            ("concurrency", "concurency", "concurency"),
        ] {
            let error = Connector::read(&text.replace(from, to)).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
