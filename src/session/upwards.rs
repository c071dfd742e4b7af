//! What is uploaded: a synthetic dataset, or the files below a directory.

use std::fmt;
use std::path::PathBuf;

use super::existing::tell;
use super::progress::Progress;
use crate::dataset::{Dataset, Scale, Scan, Skipped, Symlinks, Synthetic, scan};
use crate::error::Result;
use crate::result::Moved;
use crate::units::counted;

/// What to upload.
#[derive(Clone, Debug)]
pub enum Upwards {
    /// A synthetic profile.
    Synthetic {
        /// Its name.
        name: String,
        /// How much of it.
        scale: Scale,
    },
    /// The files below a directory.
    Directory {
        /// The directory.
        root: PathBuf,
        /// What becomes of symbolic links in it.
        symlinks: Symlinks,
    },
}

/// A name for it among several.
impl fmt::Display for Upwards {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Synthetic { name, .. } => to.write_str(name),
            Self::Directory { root, .. } => root.display().fmt(to),
        }
    }
}

impl Upwards {
    /// What the result says of it.
    pub(super) fn moved(&self) -> Moved {
        match self {
            Self::Synthetic { name, .. } => Moved::Named(name.clone()),
            Self::Directory { root, symlinks } => Moved::Directory {
                from: root.to_string_lossy().into_owned(),
                recursive_symlinks: *symlinks,
            },
        }
    }
}

/// A dataset that is made up or lies in a directory; what of that is not moved is said.
pub(super) fn local_dataset(
    dataset: &Upwards,
    progress: &Progress,
) -> Result<(Dataset, Vec<Skipped>)> {
    match dataset {
        Upwards::Synthetic { name, scale } => {
            Ok((Dataset::Synthetic(Synthetic::new(name, *scale)?), Vec::new()))
        }
        Upwards::Directory { root, symlinks } => {
            let scan = scan(root, *symlinks)?;
            say_what_stays(&scan, progress);
            let dataset = Dataset::Directory { root: root.clone(), files: scan.files };
            Ok((dataset, scan.skipped))
        }
    }
}

fn say_what_stays(scan: &Scan, progress: &Progress) {
    tell(&scan.skipped, progress);
    match scan.links_ignored {
        0 => {}
        links => progress.note(&format!(
            "ignored {}, as Globus does; --recursive-symlinks copy follows them",
            counted(links, "symbolic link")
        )),
    }
}
