//! What the options of `plan` ask for, read from where they point.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use super::args::Args;
use crate::cli::serve::read_limits;
use tidegate::dataset::{self, Dataset, PROFILES, Scale, Symlinks, Synthetic};
use tidegate::error::{Error, Result};
use tidegate::outside::{self, DOCUMENT_MAX};
use tidegate::plan::{self, Manner, Shape, Startup};
use tidegate::result::{Document, Saved, Settings};
use tidegate::scenario;
use tidegate::storj::Limits;
use tidegate::transfer::GetMode;
use tidegate::units::{ByteSize, MIB};

/// Storj's segments are as large (storj/storj satellite/metainfo/config.go).
const PART_SIZE: ByteSize = ByteSize(64 * MIB);

/// GCS's `normal` has 4 at most (globus-cli, endpoint introspection).
const CONCURRENCY: u32 = 4;

/// A plan is of no more bytes and files than this: an exabyte, and a thousand million million.
const BYTES_MAX: f64 = 1e18;
const FILES_MAX: f64 = 1e15;

/// Streams of a DTN: what is measured first grows with them. Storj admits 500 transfers of a project.
const STREAMS_MAX: u64 = 2_000;

/// Streams of all DTNs: movers are followed one by one where limits bind.
const MOVERS_MAX: u64 = 100_000;

impl Args {
    /// The files that are to be moved.
    pub fn shape(&self) -> Result<Shape> {
        let shape = self.named()?;
        if shape.bytes() > BYTES_MAX || shape.files() > FILES_MAX {
            let what = format!("{:.1e} files of {:.1e} bytes in all", shape.files(), shape.bytes());
            return Err(Error::environment(format!("the transfer is too large to plan: {what}"))
                .hint("a dataset has at most 1e15 files and 1e18 bytes (1 EB)"));
        }
        Ok(shape)
    }

    /// What is to be moved, by its name.
    pub fn dataset(&self) -> &str {
        self.dataset.as_deref().unwrap_or("climate")
    }

    fn named(&self) -> Result<Shape> {
        let name = self.dataset();
        if PROFILES.iter().any(|profile| profile.name == name) {
            let scale = Scale { size: self.size, files: self.files };
            return Shape::of(&Dataset::Synthetic(Synthetic::new(name, scale)?));
        }
        if self.files.is_some() {
            return Err(Error::environment("--files is for profiles")
                .hint("scale a directory or a manifest with --size"));
        }
        let path = Path::new(name);
        let shape = if path.is_dir() {
            Shape::of_sizes(
                dataset::scan(path, Symlinks::Ignore)?
                    .files
                    .into_iter()
                    .map(|file| file.size_bytes),
            )?
        } else if path.is_file() {
            let file = outside::open(path).map_err(|error| unreadable(path, &error))?;
            plan::manifest(file).map_err(|error| named(path, &error))?
        } else {
            let names: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
            let message = format!("there is no profile, directory or manifest `{name}`");
            return Err(
                Error::environment(message).hint(format!("profiles are: {}", names.join(", ")))
            );
        };
        match self.size {
            None if shape.bytes() > 0.0 => Ok(shape),
            Some(ByteSize(bytes)) if bytes > 0 && shape.bytes() > 0.0 => {
                Ok(shape.scaled(bytes as f64 / shape.bytes()))
            }
            _ => Err(Error::environment("the dataset has no bytes to plan for")
                .hint("name a dataset with bytes in it, or a --size above zero")),
        }
    }

    /// Of the project.
    pub fn limits(&self) -> Result<Limits> {
        match (&self.limits, &self.simulate) {
            (Some(name), _) => read_limits(name),
            (None, Some(scenario)) => Ok(scenario::read(scenario)?.limits.unwrap_or_default()),
            (None, None) => Ok(Limits::storj()),
        }
    }

    /// The runs that are named.
    pub fn documents(&self) -> Result<Vec<Document>> {
        let runs = self.results_read.iter().map(|path| Saved::load_all(path));
        let runs: Vec<Vec<Saved>> = runs.collect::<Result<_>>()?;
        Ok(runs.into_iter().flatten().map(|run| run.document).collect())
    }

    /// What Globus adds.
    pub fn globus(&self) -> Startup {
        let published = Startup::default();
        let seconds =
            |time: Option<Duration>, default| time.map_or(default, |time| time.as_secs_f64());
        Startup {
            startup_s: seconds(self.globus_startup, published.startup_s),
            per_file_s: seconds(self.globus_per_file, published.per_file_s),
        }
    }

    /// As the user says, else as recommended, else as most recently measured.
    pub fn manner(&self, documents: &[Document]) -> Manner {
        let direction = self.direction;
        let recommended = documents.iter().rev().filter_map(|one| one.recommendation.as_ref());
        let recommended =
            recommended.filter(|one| one.direction == direction).map(|one| one.settings).next();
        let measured = || documents.iter().rev().flat_map(|one| one.trials.iter().rev()).next();
        let found = recommended.or_else(|| measured().map(|trial| trial.settings));
        Manner { direction, settings: self.settings(found), ranged: self.get == GetMode::Ranged }
    }

    /// As the user says, else as they were found.
    pub fn settings(&self, found: Option<Settings>) -> Settings {
        let part_size = found.map_or(PART_SIZE.0, |settings| settings.part_size_bytes);
        Settings {
            part_size_bytes: self.part_size.map_or(part_size, |size| size.0),
            concurrency: self
                .concurrency
                .or(found.map(|settings| settings.concurrency))
                .unwrap_or(CONCURRENCY),
            parts_in_flight: self
                .parts_in_flight
                .or(found.map(|settings| settings.parts_in_flight))
                .unwrap_or(1),
        }
    }
    /// Refuses more streams than can be followed.
    pub fn check_streams(&self, settings: Settings) -> Result<()> {
        let [_, nodes] = self.nodes.0;
        let of_node = u64::from(settings.concurrency)
            .saturating_mul(settings.parts_in_flight.into())
            .saturating_mul(self.tasks.into());
        let message = match () {
            () if of_node > STREAMS_MAX => {
                format!(
                    "{of_node} streams of a DTN are more than the {STREAMS_MAX} of which a plan is made"
                )
            }
            () if of_node * u64::from(nodes) > MOVERS_MAX => format!(
                "{nodes} DTNs with {of_node} streams each are more than the {MOVERS_MAX} that a plan follows"
            ),
            () => return Ok(()),
        };
        Err(Error::environment(message)
            .hint("lower --nodes, --tasks, --concurrency or --parts-in-flight"))
    }
}

/// Reads a file and what is in it.
pub fn read<T>(path: &Path, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
    let text = outside::text(path, DOCUMENT_MAX).map_err(|error| unreadable(path, &error))?;
    parse(&text).map_err(|error| named(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let what_next = match error.kind() {
        ErrorKind::InvalidData => "name another file, or save it as UTF-8",
        _ => "name a file that you may read",
    };
    Error::environment(format!("cannot read {}: {error}", path.display())).hint(what_next)
}

fn named(path: &Path, error: &Error) -> Error {
    Error::environment(format!("{}: {error}", path.display()))
}
