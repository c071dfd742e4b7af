//! Named synthetic datasets with the file sizes and counts of real ones.

use super::FileSpec;
use crate::units::ByteSize;

/// A named dataset.
#[derive(Debug)]
pub struct Profile {
    /// Name on the command line.
    pub name: &'static str,
    /// One line: what it is, with its source or the word ASSUMPTION.
    pub about: &'static str,
}

/// All profiles.
pub const PROFILES: &[Profile] = &[];

/// How much of a profile to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    /// Bytes in all.
    pub size: Option<ByteSize>,
    /// Number of files.
    pub files: Option<u64>,
}

/// A profile, scaled.
#[derive(Clone, Debug)]
pub struct Synthetic {}

impl Synthetic {
    /// The profile `name` at this scale.
    ///
    /// # Errors
    /// If there is no such profile (the message lists them), or the scale is zero.
    pub fn new(_name: &str, _scale: Scale) -> crate::error::Result<Self> {
        todo!()
    }

    /// Number of files.
    pub fn files(&self) -> u64 {
        todo!()
    }

    /// The file at `index`.
    pub fn file(&self, _index: u64) -> FileSpec {
        todo!()
    }

    /// Sum of all sizes.
    pub fn bytes(&self) -> u64 {
        todo!()
    }

    /// Size of the largest file.
    pub fn largest_bytes(&self) -> u64 {
        todo!()
    }
}
