//! What a run tells of the sizes of its files.

use super::shape::Shape;
use crate::dataset::{Dataset, Scale, Synthetic};
use crate::result::{Document, FileSizes, Moved, Trial};

/// The profile whose files are as large as the user says: its name tells no size.
const ANY_SIZE: &str = "equal";

/// Where the sizes of a run's files are known from.
#[derive(Debug)]
pub enum Sizes<'a> {
    /// The run noted them: of all trials, of each dataset, or of each trial.
    Noted(&'a FileSizes),
    /// It has the name of a profile.
    OfProfile(&'a str, Shape),
    /// Files and bytes are counted, no more.
    Unknown,
}

impl<'a> Sizes<'a> {
    /// Of a run.
    pub fn of(document: &'a Document) -> Self {
        let scenario = &document.scenario;
        match (&scenario.dataset_shape, &scenario.dataset) {
            (Some(noted), _) => Self::Noted(noted),
            (None, Moved::Named(name)) if name != ANY_SIZE => {
                of_profile(name).map_or(Self::Unknown, |shape| Self::OfProfile(name, shape))
            }
            (None, _) => Self::Unknown,
        }
    }

    /// The mix of sizes of a trial, as far as it is known.
    pub fn of_trial(&self, trial: &Trial) -> Option<Shape> {
        match self {
            Self::Noted(FileSizes::OfAll(sizes)) => Some(sizes.into()),
            Self::Noted(FileSizes::OfDatasets { datasets }) => {
                datasets.get(trial.dataset.as_ref()?).map(Shape::from)
            }
            Self::Noted(FileSizes::OfTrials(sizes)) => {
                sizes.get(&trial.id.to_string()).map(Shape::from)
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

fn of_profile(name: &str) -> Option<Shape> {
    let dataset = Dataset::Synthetic(Synthetic::new(name, Scale::default()).ok()?);
    Shape::of(&dataset).ok()
}
