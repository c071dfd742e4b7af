//! Synthetic bytes: deterministic from an object's key and the offset, verifiable without a copy kept.

use super::payload::Payload;

/// The shared random bytes from which every synthetic object is cut.
#[derive(Clone, Debug)]
pub struct Pattern {}

impl Pattern {
    /// Makes the shared bytes; the same seed gives the same bytes on every machine.
    pub fn new(_seed: u64) -> Self {
        todo!()
    }

    /// The bytes `offset..offset + len` of the object `key`, without a copy.
    pub fn payload(&self, _key: &str, _offset: u64, _len: u64) -> Payload {
        todo!()
    }

    /// Whether `bytes` are those of the object `key` at `offset`.
    pub fn matches(&self, _key: &str, _offset: u64, _bytes: &[u8]) -> bool {
        todo!()
    }
}
