//! Files and where their bytes come from: a synthetic profile, a real directory, existing objects.
//!
//! A dataset hands out its files by index, so that millions of synthetic files need no list.

mod directory;
mod file;
mod pattern;
mod payload;
mod profile;
mod read_ahead;
mod synthetic;

pub use directory::{Scan, Skipped, scan};
pub use file::FileReader;
pub use pattern::Pattern;
pub(crate) use pattern::SplitMix64;
pub use payload::Payload;
pub use profile::{PROFILES, Profile};
pub use synthetic::{Scale, Synthetic};

pub use crate::result::Symlinks;

use std::path::PathBuf;

/// Twice what a GridFTP server hands to a connector at a time (`blocksize` of the DSI, gridcf/gct
/// `globus_i_gfs_data.c`): the wire does not show it, and half as many calls cost less.
pub const BLOCK_BYTES: usize = 512 << 10;

/// Why bytes could not be had from their source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// One file of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Path within the dataset, `/` between components, UTF-8.
    pub path: String,
    /// Bytes.
    pub size_bytes: u64,
}

/// Files to move.
#[derive(Debug)]
pub enum Dataset {
    /// Made up; the bytes follow from each file's object key and the offset.
    Synthetic(Synthetic),
    /// Below a directory.
    Directory {
        /// The directory.
        root: PathBuf,
        /// Its files, in order of path.
        files: Vec<FileSpec>,
    },
    /// In the bucket already.
    Objects(Vec<FileSpec>),
}

impl Dataset {
    /// Number of files.
    pub fn files(&self) -> u64 {
        match self {
            Self::Synthetic(synthetic) => synthetic.files(),
            Self::Directory { files, .. } | Self::Objects(files) => files.len() as u64,
        }
    }

    /// The file at `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Dataset::files`].
    pub fn file(&self, index: u64) -> FileSpec {
        match self {
            Self::Synthetic(synthetic) => synthetic.file(index),
            Self::Directory { files, .. } | Self::Objects(files) => files[index as usize].clone(),
        }
    }

    /// Sum of all sizes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Synthetic(synthetic) => synthetic.bytes(),
            Self::Directory { files, .. } | Self::Objects(files) => {
                // A listing may tell of sizes that no bucket holds.
                files.iter().fold(0, |sum, file| sum.saturating_add(file.size_bytes))
            }
        }
    }

    /// Size of the largest file; 0 without files.
    pub fn largest_bytes(&self) -> u64 {
        match self {
            Self::Synthetic(synthetic) => synthetic.largest_bytes(),
            Self::Directory { files, .. } | Self::Objects(files) => {
                files.iter().map(|file| file.size_bytes).max().unwrap_or(0)
            }
        }
    }
}
