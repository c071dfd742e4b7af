//! What a run tells of the sizes of its files.

use serde_json::Value;

use super::shape::Shape;
use crate::dataset::{Dataset, Scale, Synthetic};
use crate::result::Document;

/// The name in a document's scenario under which the sizes of its files are.
pub const SHAPE: &str = "dataset_shape";

/// The profile whose files are as large as the user says: its name tells no size.
const ANY_SIZE: &str = "equal";

/// Where the sizes of a run's files are known from.
#[derive(Debug)]
pub enum Sizes<'a> {
    /// The run noted them: of all trials, or of each.
    Noted(&'a Value),
    /// It has the name of a profile.
    OfProfile(&'a str, Shape),
    /// Files and bytes are counted, no more.
    Unknown,
}

impl<'a> Sizes<'a> {
    /// Of a run.
    pub fn of(document: &'a Document) -> Self {
        if let Some(noted) = document.scenario.get(SHAPE) {
            return Self::Noted(noted);
        }
        let name = document.scenario.get("dataset").and_then(Value::as_str);
        let profile = name.filter(|name| *name != ANY_SIZE).and_then(|name| {
            let dataset = Dataset::Synthetic(Synthetic::new(name, Scale::default()).ok()?);
            Some(Self::OfProfile(name, Shape::of(&dataset).ok()?))
        });
        profile.unwrap_or(Self::Unknown)
    }

    /// The mix of sizes of a trial, as far as it is known.
    pub fn of_trial(&self, trial: u32) -> Option<Shape> {
        match self {
            Self::Noted(noted) => {
                let one = noted.get(trial.to_string()).unwrap_or(noted);
                serde_json::from_value(one.clone()).ok()
            }
            Self::OfProfile(_, shape) => Some(shape.clone()),
            Self::Unknown => None,
        }
    }

    /// What files are taken for that the run does not tell.
    pub fn taken_for(&self, id: &str) -> Option<String> {
        let what = match self {
            Self::Noted(_) => return None,
            Self::OfProfile(name, _) => format!("the mix of the profile {name}"),
            Self::Unknown => "equal in size".to_owned(),
        };
        Some(format!("{id} does not tell the sizes of its files: they are taken for {what}"))
    }
}
