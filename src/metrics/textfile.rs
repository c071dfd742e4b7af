//! A file for node_exporter's textfile collector: it is read at any time, and so is whole at any time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::exposition::Exposition;
use crate::error::{Error, Result};

/// The file.
#[derive(Debug)]
pub(super) struct Textfile {
    path: PathBuf,
    /// Where it is written before it has its name, which ends in something that the collector does not read.
    beside: PathBuf,
}

impl Textfile {
    /// Writes it for the first time.
    ///
    /// # Errors
    /// If that cannot be done: better now than when the work is done.
    pub(super) fn create(path: &Path, exposition: &Exposition) -> Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.tmp", std::process::id()));
        let file = Self { path: path.to_owned(), beside: beside.into() };
        file.write(exposition).map_err(|error| {
            Error::environment(file.sentence(&error))
                .hint("name a file in a directory that is there and yours with --metrics-file")
        })?;
        Ok(file)
    }

    /// Writes it anew. The one before is there until this one is whole.
    pub(super) fn write(&self, exposition: &Exposition) -> io::Result<()> {
        let text = exposition.text().map_err(io::Error::other)?;
        let written = fs::write(&self.beside, text);
        written.and_then(|()| fs::rename(&self.beside, &self.path)).inspect_err(|_| {
            // It may not even be there.
            let _ = fs::remove_file(&self.beside);
        })
    }

    /// What is said if it cannot be written.
    pub(super) fn sentence(&self, error: &io::Error) -> String {
        format!("cannot write the metrics {}: {error}", self.path.display())
    }
}
