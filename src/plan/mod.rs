//! How long, how many DTNs, what does it cost: forecasts from measured or simulated transfers. Pure.
//!
//! [`Evidence`] is what saved runs say; [`Fitted`] is the model fitted to it; a [`Question`] about a
//! dataset's [`Shape`] has an answer, [`Plan`].

pub mod advice;
mod answer;
#[cfg(test)]
mod arizona;
mod evidence;
mod fit;
mod fitted;
mod forecast;
mod globus;
mod gridftp;
mod manifest;
mod model;
mod question;
mod queue;
mod settled;
mod shape;
mod sizes;
mod steps;
mod task;
mod tasks;
mod usable;
mod work;

pub use answer::{
    BySize, Cost, Deadline, Given, Plan, Point, Resources, SCHEMA, Score, Simulated, Summary,
};
pub use evidence::{Evidence, Observation, RequestTimes};
pub use fitted::{BetweenSessions, Fitted, Spread, UNSEEN_SESSIONS_SD};
pub use forecast::{Forecast, Limit, Models, Setup, forecast};
pub use globus::{OwnFit, Startup};
pub use gridftp::{Gridftp, Iperf3};
pub use manifest::manifest;
pub use model::{Crew, Model, Terms};
pub use question::Question;
pub use shape::Shape;
pub use sizes::Sizes;
pub use task::{Event, Task, events};
pub use tasks::{Compared, Tasks};
pub use usable::usable;
pub use work::{Manner, Work};
