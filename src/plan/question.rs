//! A question about a dataset, and the forecasts that answer it.

use std::time::Duration;

use super::forecast::{Forecast, Models, Setup, forecast};
use super::globus::Startup;
use super::shape::Shape;
use super::work::Manner;
use crate::error::{Error, Result};
use crate::prices::Prices;
use crate::result::Direction;
use crate::storj::Limits;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// What the dataset is called.
    pub dataset: String,
    /// Its files.
    pub shape: Shape,
    /// Which way, with which settings.
    pub manner: Manner,
    /// Fewest and most DTNs to look at.
    pub nodes: [u32; 2],
    /// Tasks of each DTN at a time.
    pub tasks: u32,
    /// Whether everything is read back.
    pub verify: bool,
    /// When it has to be done.
    pub deadline: Option<Duration>,
    /// What all DTNs share of the way to Storj.
    pub shared_link_bytes_per_second: Option<f64>,
    /// Of the project.
    pub limits: Limits,
    /// What Globus adds.
    pub globus: Startup,
    /// What Storj asks for.
    pub prices: Prices,
}

impl Question {
    /// The circumstances with so many DTNs.
    pub fn setup(&self, nodes: u32) -> Setup {
        Setup {
            manner: self.manner,
            nodes,
            tasks: self.tasks,
            shared_link_bytes_per_second: self.shared_link_bytes_per_second,
            limits: self.limits.clone(),
            globus: self.globus,
        }
    }

    /// How everything is read back after an upload, if it is.
    pub fn read_back(&self) -> Option<Manner> {
        let is_read_back = self.verify && self.manner.direction == Direction::Up;
        let down = Manner { direction: Direction::Down, ranged: false, ..self.manner };
        is_read_back.then_some(down)
    }

    /// A forecast of `shape` in these circumstances.
    ///
    /// # Errors
    /// If a way that is needed was not measured.
    pub fn ask(&self, models: &Models, shape: &Shape, setup: &Setup) -> Result<Forecast> {
        let direction = setup.manner.direction;
        let fitted = models.of(direction).ok_or_else(|| not_measured(direction))?;
        let read_back = match self.read_back() {
            Some(down) => {
                Some(models.of(down.direction).ok_or_else(|| not_measured(down.direction))?)
            }
            None => None,
        };
        Ok(forecast(fitted, read_back, shape, setup))
    }
}

fn not_measured(direction: Direction) -> Error {
    let (way, flag) = match direction {
        Direction::Up => ("uploads", "up"),
        Direction::Down => ("downloads", "down"),
    };
    Error::environment(format!("the results say nothing about {way}"))
        .hint(format!("add runs with --direction {flag}, or measure: tidegate plan --measure"))
}
