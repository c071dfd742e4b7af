//! The Globus way of moving a dataset: movers, blocks that fill parts, retries, verification.
//!
//! A mover takes one file at a time, as a GridFTP process does. The engine of a thread is one future,
//! its movers futures within it: nothing is spawned, nothing needs `Send`, and time comes only from
//! [`crate::clock`], so that the same engine runs on sockets and in simulated time.

mod allowance;
mod arrivals;
mod control;
mod download;
mod etag;
mod flow;
mod folder;
mod gate;
mod ledger;
mod mover;
mod readings;
mod replay;
mod request;
mod retry;
mod script;
mod silence;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod there;
mod throttle;
mod upload;
mod worker;

pub use allowance::{Allowance, Caps, Spent};
pub use control::{Control, Stage};
pub use flow::{Flow, Mix, Place};
#[cfg(any(test, fuzzing))]
pub(crate) use folder::check_name;
pub use folder::{Folder, Found};
pub use gate::Gate;
pub use ledger::{Ground, Journal, Ledger};
pub use retry::RetryPolicy;
pub use script::{Act, Script, Scripted, Step};
pub use silence::Gone;
pub use sink::Sink;
pub use worker::{Worker, WorkerReport};

pub use crate::result::{Arrivals, GetMode, RetryMode};

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, FileSpec, Pattern};
use crate::measure::Live;
use crate::pace::Paces;
use crate::result::{Direction, Settings};

/// Where movers are in their first files when a job begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At their first bytes.
    #[default]
    Fresh,
    /// On the way, each somewhere else, as they are found at any moment of a long task: then a window that is
    /// shorter than a part, or a file, sees what comes between them as often as it comes.
    Midway,
}

/// Which files a job moves, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each file once; then the job is done.
    Once,
    /// Round and round, each time under a new name, until the job is told to stop.
    ForEver,
    /// The same until so much has been begun; that goes on to its end.
    UpTo(Quota),
}

/// How much a job begins at most: the file that reaches a limit is its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Files.
    pub objects: Option<u64>,
    /// Bytes of files.
    pub bytes: Option<u64>,
}

impl Order {
    /// Whether another file may begin after so many files and bytes.
    fn goes_on_after(self, objects: u64, bytes: u64) -> bool {
        match self {
            Self::Once | Self::ForEver => true,
            Self::UpTo(quota) => {
                quota.objects.is_none_or(|max| objects < max)
                    && quota.bytes.is_none_or(|max| bytes < max)
            }
        }
    }
}

/// Which files are those of a DTN that is not alone: every `of`-th, from the one with its rank on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dealt {
    /// Number of the DTN, from 0.
    pub rank: u32,
    /// How many there are.
    pub of: u32,
}

impl Default for Dealt {
    fn default() -> Self {
        Self { rank: 0, of: 1 }
    }
}

impl Dealt {
    /// Of each of so many DTNs.
    pub fn all(of: u32) -> impl Iterator<Item = Self> {
        (0..of).map(move |rank| Self { rank, of })
    }

    /// How many of so many files are its own.
    fn files(self, all: u64) -> u64 {
        all.saturating_sub(self.rank.into()).div_ceil(self.of.into())
    }

    /// Where the uploads of a file are that goes up again and again, below a job's prefix: nothing for one DTN alone.
    fn folder_of(self, index: u64) -> String {
        match self.of {
            1 => String::new(),
            of => format!("dtn{}/", index % u64::from(of) + 1),
        }
    }

    /// Where its own are.
    pub fn folder(self) -> String {
        self.folder_of(self.rank.into())
    }
}

/// Where a mixed job's uploads are, below its prefix.
const MIXED_UP: &str = "up/";

/// Where the objects lie that a mixed job downloads, below its prefix.
pub const MIXED_DOWN: &str = "down/";

/// Everything the threads of one trial or task share and do not change.
#[derive(Debug)]
pub struct Job {
    /// What to move.
    pub dataset: Arc<Dataset>,
    /// Which of its files are moved here.
    pub dealt: Dealt,
    /// Which way.
    pub direction: Flow,
    /// Part size, files and parts in flight.
    pub settings: Settings,
    /// What every key begins with; ends in `/` unless it is empty.
    pub prefix: String,
    /// Where synthetic bytes come from.
    pub pattern: Pattern,
    /// Where downloaded bytes go.
    pub sink: Sink,
    /// How objects are fetched.
    pub get: GetMode,
    /// Whether each object is read back (up) or compared (down: with what was uploaded, or with its
    /// ETag) before it counts.
    pub verify: bool,
    /// Bytes of the parts in which existing objects were uploaded, where their store does not tell.
    pub etag_part_size_bytes: Option<u64>,
    /// When a failed attempt is tried again.
    pub retry: RetryPolicy,
    /// Which files, and until when.
    pub order: Order,
    /// When files begin.
    pub arrivals: Arrivals,
    /// What is left to others.
    pub paces: Paces,
    /// Movers begin one after the other over this time. Parts of equal size that begin together
    /// stay in step, and a short window would catch more or fewer of them than is fair.
    pub spread: Duration,
    /// Where they begin.
    pub start: Start,
    /// Seed of the retries' jitter and of the arrivals.
    pub seed: u64,
    /// Whether a record of each attempt is kept ([`crate::measure::ATTEMPT_BYTES`] of memory).
    pub keep_attempts: bool,
    /// What all requests may carry; `None` is as much as they like.
    pub allowance: Option<Arc<Allowance>>,
    /// Lets the window of a timed trial open with those of other DTNs; `None` lets it open by itself.
    pub gate: Option<Arc<Gate>>,
    /// What is made in the bucket is noted here.
    pub ledger: Arc<Ledger>,
    /// The requests to make, instead of those by which movers move the dataset.
    pub script: Option<Arc<Script>>,
    /// What moves is counted here, for whoever watches.
    pub live: Arc<Live>,
}

/// Seed of the synthetic bytes. The embedded gateway makes the same bytes when it discards.
pub const PATTERN_SEED: u64 = 0;

impl Job {
    /// Files moved once, as fast as they go: not verified, downloads discarded, nothing kept of attempts.
    pub fn new(dataset: Arc<Dataset>, direction: Flow, settings: Settings, prefix: String) -> Self {
        Self {
            dataset,
            dealt: Dealt::default(),
            direction,
            settings,
            prefix,
            pattern: Pattern::new(PATTERN_SEED),
            sink: Sink::Discard,
            get: GetMode::default(),
            verify: false,
            etag_part_size_bytes: None,
            retry: RetryPolicy::default(),
            order: Order::Once,
            arrivals: Arrivals::Closed,
            paces: Paces::default(),
            spread: Duration::ZERO,
            start: Start::Fresh,
            seed: 0,
            keep_attempts: false,
            allowance: None,
            gate: None,
            ledger: Arc::default(),
            script: None,
            live: Arc::default(),
        }
    }

    /// The key and the file at an index; `None` beyond the last.
    pub fn object(&self, index: u64) -> Option<(String, FileSpec)> {
        let files = self.dataset.files();
        if files == 0 || self.order == Order::Once && index >= files {
            return None;
        }
        let Place { direction, number } = self.direction.place(index);
        let (round, file) = (number / files, self.dataset.file(number % files));
        let (prefix, path) = (&self.prefix, &file.path);
        let key = match (self.direction, direction) {
            (Flow::Mixed(_), Direction::Up) => format!("{prefix}{MIXED_UP}{round}/{path}"),
            (Flow::Mixed(_), Direction::Down) => format!("{prefix}{MIXED_DOWN}{path}"),
            // Each upload has a key of its own: Storj allows one write a second for each key.
            (_, Direction::Up) if self.order != Order::Once => {
                format!("{prefix}{}{round}/{path}", self.dealt.folder_of(index))
            }
            (_, Direction::Up | Direction::Down) => format!("{prefix}{path}"),
        };
        Some((key, file))
    }

    /// How many files of the dataset are moved here, if each is moved once.
    pub fn files(&self) -> u64 {
        self.dealt.files(self.dataset.files())
    }

    /// Makes now what would else be made while data moves.
    pub fn prepare(&self) {
        if matches!(*self.dataset, Dataset::Synthetic(_)) || self.script.is_some() {
            self.pattern.prepare();
        }
    }

    /// Whether each upload is read back before it counts.
    pub fn reads_back(&self) -> bool {
        self.verify && self.direction == Flow::Up
    }

    /// Whether the bytes of a download are compared: those of a synthetic file are known.
    fn compares_downloads(&self) -> bool {
        self.verify && matches!(*self.dataset, Dataset::Synthetic(_))
    }

    /// Whether downloads are compared with their ETags: those of objects that somebody else stored.
    fn compares_etags(&self) -> bool {
        self.verify && matches!(*self.dataset, Dataset::Objects(_))
    }
}
