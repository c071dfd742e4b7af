//! What the sides were asked for differently and may have been: it is what their comparison is about.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::result::{Checksum, Document, PayloadSigning};

/// One thing that is not alike on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The option that says it, without its dashes.
    pub name: &'static str,
    /// On the first side.
    pub first: &'static str,
    /// On the second.
    pub second: &'static str,
}

/// How uploads were signed, and which checksum went with them.
type Proven = (PayloadSigning, Checksum);

/// What differs between the sides.
///
/// # Errors
/// If it differs within one of them.
pub(super) fn between(first: &[Document], second: &[Document]) -> Result<Vec<Difference>> {
    let (first, second) = (of_all(first, "first")?, of_all(second, "second")?);
    let payload = ("payload", first.0.name(), second.0.name());
    let checksum = ("checksum", first.1.name(), second.1.name());
    let differs = [payload, checksum].into_iter().filter(|(_, one, other)| one != other);
    Ok(differs.map(|(name, first, second)| Difference { name, first, second }).collect())
}

fn of_all(side: &[Document], which: &str) -> Result<Proven> {
    let mut all = side.iter().map(of);
    let first = all.next().unwrap_or_default();
    match all.find(|other| *other != first) {
        None => Ok(first),
        Some(other) => {
            let said = |(payload, checksum): Proven| {
                format!("`--payload {} --checksum {}`", payload.name(), checksum.name())
            };
            Err(Error::environment(format!(
                "these cannot be compared: some runs of the {which} have {} and others {}",
                said(first),
                said(other)
            )))
        }
    }
}

/// Of a document that says nothing of it, what was done then.
fn of(document: &Document) -> Proven {
    let scenario = &document.scenario;
    (scenario.payload.unwrap_or_default(), scenario.checksum.unwrap_or_default())
}
