//! Numbers of a document that somebody else may have written: what is worked out from them relies on their range.

use serde::{Deserialize, Deserializer, de};

/// More than 300 years.
const SECONDS_MAX: f64 = 1e10;

/// More bytes a second, or of anything else, than there are.
const AMOUNT_MAX: f64 = 1e21;

/// A time, or how long something took.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    within(f64::deserialize(from)?, SECONDS_MAX, "seconds")
}

/// The same where it may not be known.
pub(super) fn seconds_if_any<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let number = Option::<f64>::deserialize(from)?;
    number.map(|number| within(number, SECONDS_MAX, "seconds")).transpose()
}

/// An amount, a rate, a share: never below zero.
pub(super) fn from_zero<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    within(f64::deserialize(from)?, AMOUNT_MAX, "amounts")
}

/// The same where it may not be known.
pub(super) fn from_zero_if_any<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<f64>, D::Error> {
    let number = Option::<f64>::deserialize(from)?;
    number.map(|number| within(number, AMOUNT_MAX, "amounts")).transpose()
}

fn within<E: de::Error>(number: f64, most: f64, what: &str) -> Result<f64, E> {
    match (0.0..=most).contains(&number) {
        true => Ok(number),
        false => {
            Err(E::custom(format!("{number:e} stands for {what}, which go from 0 to {most:e}")))
        }
    }
}
