//! A real directory as a dataset: what can be moved, and what cannot, by name.

use std::path::Path;

use super::FileSpec;

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Scan {
    /// Regular files, in order of path.
    pub files: Vec<FileSpec>,
    /// What will not be moved.
    pub skipped: Vec<Skipped>,
}

/// Something in a directory that cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, lossy where it is not UTF-8.
    pub path: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// Lists a directory.
///
/// # Errors
/// If the directory itself cannot be read or holds no file.
pub fn scan(_root: &Path) -> crate::error::Result<Scan> {
    todo!()
}
