//! Scenarios: models of a link and of the Storj behind it, by the name of a preset or from a file.

mod vary;

use std::path::Path;

use crate::error::{Error, Result};
use crate::outside::{self, SETTINGS_MAX};
use crate::result::{Direction, Settings};
use crate::storj::{Limits, Model};
use crate::units::ByteSize;

/// A scenario that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// On the command line.
    pub name: &'static str,
    toml: &'static str,
}

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        &[$(Preset { name: $name, toml: include_str!(concat!("../scenarios/", $name, ".toml")) }),+]
    };
}

/// All of them; each file says what it is and what it rests on.
pub const PRESETS: &[Preset] = presets![
    "hosted-1g-near",
    "hosted-10g-near",
    "hosted-100g-near",
    "hosted-1g-ocean",
    "hosted-10g-ocean",
    "hosted-100g-ocean",
    "self-hosted-10g",
    "development",
    "demonstration",
];

impl Preset {
    /// What the file says about itself: its first comment.
    pub fn about(&self) -> String {
        let comment = self.toml.lines().map_while(|line| line.strip_prefix("# "));
        comment.collect::<Vec<_>>().join(" ")
    }
}

/// A model, and where it is from.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Of the preset or the file.
    pub name: String,
    /// The model.
    pub model: Model,
    /// What is refused for load; `None` if the file does not say.
    pub limits: Option<Limits>,
    /// What it rests on without a source: what its comments call an ASSUMPTION.
    pub assumptions: Vec<String>,
    /// What these could be as well.
    pub variations: Vec<Variation>,
}

/// A parameter that has no source, and the same model with other values of it.
#[derive(Clone, Debug)]
pub struct Variation {
    /// Its name; with that of its table, if it is in one: `nodes.latency`.
    pub parameter: String,
    /// What it is.
    pub value: String,
    /// The ends of its range in the table `ranges`; without one, half and twice its value.
    pub ends: [Varied; 2],
}

/// One of these models.
#[derive(Clone, Debug)]
pub struct Varied {
    /// Of the parameter.
    pub value: String,
    /// The model with it.
    pub model: Model,
}

impl Scenario {
    /// Limits that these settings would run into, in a sentence each.
    pub fn limits_met(&self, settings: Settings, direction: Direction) -> Vec<String> {
        let limits = self.limits.clone().unwrap_or_default();
        let mut met = Vec::new();
        let streams = settings.streams();
        if let Some(most) = limits.transfers.filter(|most| streams > *most) {
            met.push(format!(
                "{streams} streams are more than the {most} transfers that the gateway admits at a time: the others are answered 429"
            ));
        }
        let calls = self.calls_per_second(settings, direction);
        if let Some((calls, most)) =
            calls.zip(limits.calls_per_second).filter(|(calls, most)| calls > most)
        {
            met.push(format!(
                "the link could carry {} parts of {} a second, which take {calls:.0} calls to the satellite; it allows {most:.0} a second, and then answers 429: ask for a higher limit",
                self.rate(settings, direction).map_or(0, |rate| (rate / settings.part_size_bytes as f64) as u64),
                ByteSize(settings.part_size_bytes),
            ));
        }
        met
    }

    /// Bytes per second that streams of this scenario carry at most.
    pub(crate) fn rate(&self, settings: Settings, direction: Direction) -> Option<f64> {
        let capacity = self.model.capacity(direction);
        let capacity = capacity.map(|capacity| capacity.of(settings.streams() as usize).0);
        let streams = self.model.stream_rate().map(|rate| rate.0 * f64::from(settings.streams()));
        match (capacity, streams) {
            (Some(capacity), Some(streams)) => Some(capacity.min(streams)),
            (capacity, streams) => capacity.or(streams),
        }
    }

    /// Calls to the satellite for the segments alone: two each up, one down.
    fn calls_per_second(&self, settings: Settings, direction: Direction) -> Option<f64> {
        let part = settings.part_size_bytes;
        let segments = part.div_ceil(self.model.segment_size.0) as f64;
        let calls = match direction {
            Direction::Up => 2.0,
            Direction::Down => 1.0,
        };
        self.rate(settings, direction).map(|rate| rate / part as f64 * segments * calls)
    }
}

/// Reads a preset, or a file in TOML.
///
/// # Errors
/// If it is neither, or not valid.
pub fn read(name: &Path) -> Result<Scenario> {
    let preset = PRESETS.iter().find(|preset| Path::new(preset.name) == name);
    let text = match preset {
        Some(preset) => Ok(preset.toml.to_owned()),
        None => outside::text(name, SETTINGS_MAX),
    };
    let text = text.map_err(|error| {
        let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        Error::environment(format!("cannot read the model {}: {error}", name.display()))
            .hint(format!("name a file or one of: {}", names.join(", ")))
    })?;
    let invalid = |error: String| {
        Error::environment(format!("the model {} is not valid: {error}", name.display()))
    };
    let (model, limits) = parse(&text).map_err(|error| invalid(error.to_string()))?;
    let assumed = assumed(&text);
    let variations = vary::variations(&text, &assumed).map_err(invalid)?;
    let name = name.to_string_lossy().into_owned();
    let assumptions = assumed.into_iter().map(|assumed| assumed.sentence).collect();
    Ok(Scenario { name, model, limits, assumptions, variations })
}

/// A model, and beside it a table `limits`, or that there are none. A table `ranges` says what else its numbers could be.
pub(crate) fn parse(text: &str) -> std::result::Result<(Model, Option<Limits>), toml::de::Error> {
    let mut table: toml::Table = toml::from_str(text)?;
    table.remove(vary::RANGES);
    let limits = match table.remove("limits") {
        Some(toml::Value::String(word)) if word == "none" => Some(Limits::none()),
        Some(limits) => Some(limits.try_into()?),
        None => None,
    };
    Ok((table.try_into()?, limits))
}

/// A parameter that is called an ASSUMPTION.
struct Assumed {
    parameter: String,
    sentence: String,
}

/// The comments that speak of an ASSUMPTION, each with the value it stands at or above.
fn assumed(toml: &str) -> Vec<Assumed> {
    let mut found = Vec::new();
    let mut above = Vec::new();
    let mut table = String::new();
    for line in toml.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            above.push(comment.trim());
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            table = format!("{name}.");
        }
        let (value, beside) = line.split_once('#').unwrap_or((line, ""));
        let comment = format!("{} {}", above.join(" "), beside.trim());
        if comment.contains("ASSUMPTION") {
            let name = value.split_once('=').map_or(value, |(name, _)| name).trim();
            let parameter = format!("{table}{name}");
            let sentence = format!("{}: {}", value.trim(), comment.trim());
            found.push(Assumed { parameter, sentence });
        }
        above.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_says_what_it_is() {
        for preset in PRESETS {
            read(Path::new(preset.name)).unwrap_or_else(|error| panic!("{}: {error}", preset.name));
            assert!(!preset.about().is_empty(), "{}", preset.name);
        }
    }

    #[test]
    fn a_scenario_says_which_limits_settings_run_into() {
        let settings = |concurrency, parts_in_flight| Settings {
            part_size_bytes: 64 << 20,
            concurrency,
            parts_in_flight,
        };
        let met = |name: &str, settings| {
            read(Path::new(name)).unwrap().limits_met(settings, Direction::Up)
        };
        let said = met("hosted-100g-near", settings(256, 1));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("186 parts of 64 MiB a second"), "{said:?}");
        assert!(met("hosted-100g-near", settings(64, 8))[0].contains("512 streams"));
        assert_eq!(met("hosted-10g-near", settings(256, 1)), [""; 0]);
        assert_eq!(met("demonstration", settings(600, 1)), [""; 0]);
    }

    #[test]
    fn limits_are_those_named_or_none_or_not_said() {
        assert_eq!(parse("tls = true").unwrap().1, None);
        assert_eq!(parse("limits = \"none\"").unwrap().1, Some(Limits::none()));
        let twenty = Limits { transfers: Some(20), ..Limits::storj() };
        assert_eq!(parse("limits = { transfers = 20 }").unwrap().1, Some(twenty));
        for bad in ["limits = \"many\"", "limits = { transfers = 0 }", "speed = 1"] {
            assert!(parse(bad).is_err(), "{bad} was read");
        }
    }

    #[test]
    fn assumptions_are_told_with_the_values_they_are_about() {
        let text = "# Sourced.\na = 1\n\n# A guess.\n# ASSUMPTION.\nb = 2\nc = 3  # ASSUMPTION\n";
        let sentences = assumed(text).into_iter().map(|assumed| assumed.sentence);
        let expected = ["b = 2: A guess. ASSUMPTION.", "c = 3: ASSUMPTION"];
        assert_eq!(sentences.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_a_preset_rests_on_without_a_source_is_called_an_assumption() {
        for preset in PRESETS {
            let scenario = read(Path::new(preset.name)).unwrap();
            assert!(!scenario.assumptions.is_empty(), "{}", preset.name);
        }
    }

    #[test]
    fn a_name_that_is_nothing_is_refused_with_the_names_that_are() {
        let error = read(Path::new("hosted-2g-near")).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("hosted-1g-near") && told.contains("development"), "{told}");
    }
}
