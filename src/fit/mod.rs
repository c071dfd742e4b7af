//! The parameters of a link from what was measured on it. Pure: whoever calls gives the simulator as a function.
//!
//! Trials that were asked for the same are a [`Cell`]. What the trials of a cell showed is its [`Features`], and the
//! simulator, asked for the same trials on a [`Model`](crate::storj::Model), shows the same features. [`search`] finds
//! the numbers with which the two differ least, and how sure that is. Of what cannot be told apart the sum is found;
//! what the measurements say nothing about stays as it is in the link that this one is like.

mod cell;
mod descent;
mod estimate;
mod features;
mod observation;
mod parameter;
mod search;
mod start;
mod sums;
mod surface;
#[cfg(test)]
mod tests;
mod written;

pub use cell::{Asked, Cell, During, Measured};
pub use descent::Simulate;
pub use estimate::{Estimate, Fit, Fitted, Held, Row, SCHEMA, Told};
pub use features::{Feature, Features};
pub use parameter::Parameter;
pub use search::search;
pub use written::text;
