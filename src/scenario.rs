//! Scenarios: models of a link and of the Storj behind it, by the name of a preset or from a file.

use std::path::Path;

use crate::error::{Error, Result};
use crate::storj::Model;

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
    /// What it rests on without a source: what its comments call an ASSUMPTION.
    pub assumptions: Vec<String>,
}

/// Reads a preset, or a file in TOML.
///
/// # Errors
/// If it is neither, or not valid.
pub fn read(name: &Path) -> Result<Scenario> {
    let preset = PRESETS.iter().find(|preset| Path::new(preset.name) == name);
    let text = match preset {
        Some(preset) => Ok(preset.toml.to_owned()),
        None => std::fs::read_to_string(name),
    };
    let text = text.map_err(|error| {
        let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        Error::environment(format!("cannot read the model {}: {error}", name.display()))
            .hint(format!("name a file or one of: {}", names.join(", ")))
    })?;
    let model = toml::from_str(&text).map_err(|error| {
        Error::environment(format!("the model {} is not valid: {error}", name.display()))
    })?;
    let name = name.to_string_lossy().into_owned();
    Ok(Scenario { name, model, assumptions: assumptions(&text) })
}

/// The comments that speak of an ASSUMPTION, each with the value it stands at or above.
fn assumptions(toml: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut above = Vec::new();
    for line in toml.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            above.push(comment.trim());
            continue;
        }
        let (value, beside) = line.split_once('#').unwrap_or((line, ""));
        let comment = format!("{} {}", above.join(" "), beside.trim());
        if comment.contains("ASSUMPTION") {
            found.push(format!("{}: {}", value.trim(), comment.trim()));
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
    fn assumptions_are_told_with_the_values_they_are_about() {
        let text = "# Sourced.\na = 1\n\n# A guess.\n# ASSUMPTION.\nb = 2\nc = 3  # ASSUMPTION\n";
        assert_eq!(assumptions(text), ["b = 2: A guess. ASSUMPTION.", "c = 3: ASSUMPTION"]);
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
