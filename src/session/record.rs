//! A run's directory and document: saved after each trial, so that a later failure loses nothing.

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use time::format_description::well_known::Rfc3339;

use super::journal;
use super::marker::Identity;
use crate::clock;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::measure;
use crate::plan::Shape;
use crate::result::{
    self, Document, FileSizes, RESULT, SCHEMA, Saved, Scenario, Target, Tool, Trial,
};
use crate::trial::Records;

/// The document of a run while it grows.
pub(super) struct Record {
    pub(super) document: Document,
    /// What proves the run's marker.
    pub(super) identity: Identity,
    directory: PathBuf,
    /// Held as long as this process writes there, however it ends.
    _lock: File,
}

/// What is kept of a run, and where.
#[derive(Clone, Debug)]
pub struct Saving {
    /// Directory of results.
    pub results: PathBuf,
    /// Whether each attempt is kept and written.
    pub attempts: bool,
}

/// What a run starts from.
pub(super) struct Beginning {
    pub(super) results: PathBuf,
    pub(super) target: Target,
    pub(super) scenario: Scenario,
    pub(super) assumptions: Vec<String>,
}

impl Record {
    /// Makes `results/<run>`.
    pub(super) fn begin(beginning: Beginning) -> Result<Self> {
        let identity = Identity::new()?;
        let directory = beginning.results.join(identity.name());
        std::fs::create_dir_all(&directory).map_err(|error| {
            Error::environment(format!("cannot make {}: {error}", directory.display()))
                .hint("choose another directory with --results DIR")
        })?;
        let document = Document {
            schema: SCHEMA.into(),
            id: identity.name().to_owned(),
            started: now_rfc3339(),
            command: command(),
            tool: Tool { name: "tidegate".into(), version: env!("CARGO_PKG_VERSION").into() },
            host: measure::host(),
            target: beginning.target,
            scenario: beginning.scenario,
            assumptions: beginning.assumptions,
            simulation: None,
            trials: Vec::new(),
            recommendation: None,
            recommendations: Vec::new(),
            joint: None,
            more_dtns: None,
            sensitivity: None,
            spent: None,
        };
        let lock = lock(&directory)?;
        journal::begin(&directory, &identity)?;
        Ok(Self { document, identity, directory, _lock: lock })
    }

    /// Goes on with a run that was cut off.
    ///
    /// # Errors
    /// If it is still under way.
    pub(super) fn resume(saved: Saved) -> Result<Self> {
        let Saved { document, directory } = saved;
        let lock = lock(&directory)?;
        remove_unfinished(&directory).map_err(|error| cannot("tidy", &directory, &error))?;
        let identity = journal::identity(&directory, &document.id)?;
        Ok(Self { document, identity, directory, _lock: lock })
    }

    /// Notes the sizes of the files that trials move: a plan is made from times and sizes.
    pub(super) fn note_shape(&mut self, dataset: &Dataset) -> Result<()> {
        let sizes = FileSizes::OfAll(Shape::of(dataset)?.into());
        self.document.scenario.dataset_shape = Some(sizes);
        Ok(())
    }

    /// Adds a trial and saves; then writes its records beside the result, which is whole without them.
    pub(super) fn add(&mut self, trial: Trial, records: &Records) -> Result<()> {
        let id = trial.id;
        let name = format!("trial-{id:03}");
        self.document.trials.push(trial);
        self.save()?;
        self.write(&format!("{name}.hlog"), |out| records.write_histogram_log(out))?;
        self.write(&format!("{name}.csv"), |out| records.write_series(out))?;
        self.write(&result::bins_name(id), |out| records.write_bins(out))?;
        if records.has_attempts() {
            self.write(&format!("{name}-attempts.csv.gz"), |out| {
                let mut compressed = GzEncoder::new(out, Compression::fast());
                records.write_attempts(&mut compressed)?;
                compressed.finish().map(drop)
            })?;
        }
        Ok(())
    }

    /// Writes a file that has its name only when it is whole.
    fn write(
        &self,
        name: &str,
        content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<()> {
        let (path, temporary) =
            (self.directory.join(name), self.directory.join(format!("{name}.tmp")));
        let write = || {
            let mut out = BufWriter::new(File::create(&temporary)?);
            content(&mut out)?;
            out.flush()?;
            std::fs::rename(&temporary, &path)
        };
        write().map_err(|error| {
            Error::environment(format!("cannot write {}: {error}", path.display()))
                .hint("the result itself is saved; make room, or choose another --results DIR")
        })
    }

    /// Writes `result.json`.
    pub(super) fn save(&self) -> Result<()> {
        self.document.save(&self.directory.join(RESULT))
    }

    /// Where the run's files are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Saves, writes the report beside it, and ends; what went wrong `after` the work is told after the result.
    pub(super) fn finish(self, after: Option<Error>) -> Result<super::Finished> {
        self.save()?;
        let Self { document, directory, .. } = self;
        let run = Saved { document, directory };
        crate::report::write_all(&run)?;
        Ok(super::Finished { document: run.document, directory: run.directory, after })
    }
}

/// The directory is this process's own until it ends; the system gives it up then.
fn lock(directory: &Path) -> Result<File> {
    let file = File::open(directory).map_err(|error| cannot("open", directory, &error))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let message = format!("the run in {} is still under way", directory.display());
            Err(Error::environment(message).hint("wait for it, or stop that process first"))
        }
        // Some file systems have no locks.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// What has its name only when it is whole was not, when the process was killed.
fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn cannot(doing: &str, directory: &Path, error: &io::Error) -> Error {
    Error::environment(format!("cannot {doing} {}: {error}", directory.display()))
        .hint("see that it is there and yours")
}

/// The command line, as far as it is text.
pub(super) fn command() -> Vec<String> {
    std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// The present, RFC 3339.
pub(super) fn now_rfc3339() -> String {
    clock::date().format(&Rfc3339).expect("a date has all these components")
}
