//! What travels in a request's extensions: the attempt's probe, and which bytes it is to count.

use std::sync::Arc;

use crate::measure::Probe;
use crate::store::s3::proof::Layout;

/// Which body of an exchange is payload. XML in either direction is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::s3) enum Carries {
    /// Neither.
    Nothing,
    /// The request's: PutObject, UploadPart.
    Up,
    /// The same, in signed chunks, whose lines are no payload.
    UpInChunks(Layout),
    /// The answer's: GetObject.
    Down,
}

/// The probe of an attempt and what it counts.
#[derive(Clone, Debug)]
pub(in crate::store::s3) struct Observed {
    /// Told what happens.
    pub(in crate::store::s3) probe: Arc<Probe>,
    /// What counts as payload.
    pub(in crate::store::s3) carries: Carries,
}
