//! A script done again: each request as soon as those that it waits for are over and the client's own time has passed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Worker;
use super::mover::{FileError, Mover};
use super::script::{Act, Script};
use super::source::{PartSource, Source};
use crate::clock;
use crate::measure::{Live, Operation};
use crate::result::{Direction, FileFailure};
use crate::store::{Part, Store, Upload};

/// tokio's timers go off at the next whole millisecond, so half of one too late in the mean.
const TIMER_LATE: Duration = Duration::from_micros(500);

/// A script that is being done.
struct Replay<'a, S> {
    worker: &'a Worker<'a, S>,
    script: &'a Script,
    /// By their place in the script.
    uploads: RefCell<Vec<Begun>>,
    files: RefCell<Vec<File>>,
}

/// An upload, as far as it is.
#[derive(Clone, Default)]
struct Begun {
    upload: Option<Upload>,
    parts: BTreeMap<u32, Part>,
}

/// An object, as far as it is.
#[derive(Clone, Default)]
struct File {
    /// Requests for it that are still to end.
    left: u32,
    failed: Option<String>,
}

impl<S: Store> Worker<'_, S> {
    /// Does all steps of a script.
    pub(super) async fn replay(&self, script: &Script) {
        let replay = Replay::new(self, script);
        let mut left: Vec<usize> = script.steps.iter().map(|step| step.after.len()).collect();
        let followers = followers(script);
        let mut under_way: FuturesUnordered<_> = (0..script.steps.len())
            .filter(|step| left[*step] == 0)
            .map(|step| replay.step(step))
            .collect();
        while let Some(over) = under_way.next().await {
            for next in followers[over].iter().copied() {
                left[next] -= 1;
                if left[next] == 0 {
                    under_way.push(replay.step(next));
                }
            }
        }
    }
}

/// The steps that wait for each.
fn followers(script: &Script) -> Vec<Vec<usize>> {
    let mut followers = vec![Vec::new(); script.steps.len()];
    for (number, step) in script.steps.iter().enumerate() {
        step.after.iter().for_each(|before| followers[*before].push(number));
    }
    followers
}

impl<'a, S: Store> Replay<'a, S> {
    fn new(worker: &'a Worker<'a, S>, script: &'a Script) -> Self {
        let mut files = vec![File::default(); script.objects.len()];
        script.steps.iter().filter_map(|step| object(script, &step.act)).for_each(|object| {
            files[object].left += 1;
        });
        let uploads = RefCell::new(vec![Begun::default(); script.uploads.len()]);
        Self { worker, script, uploads, files: RefCell::new(files) }
    }

    /// Does a step; its number.
    async fn step(&self, number: usize) -> usize {
        let step = &self.script.steps[number];
        pause(step.pause).await;
        let mover = Mover::new(self.worker);
        let object = object(self.script, &step.act);
        mover.file.set(object.unwrap_or_default() as u64);
        let done = match mover.go_on() {
            Ok(()) => self.act(&mover, &step.act).await,
            Err(stopped) => Err(stopped),
        };
        if let Some(object) = object {
            self.account(object, done);
        }
        number
    }

    /// Makes a request; payload bytes that went in the script's direction.
    async fn act(&self, mover: &Mover<'_, S>, act: &Act) -> Result<u64, FileError> {
        let store = self.worker.store;
        match act {
            Act::Put { object, bytes } => {
                let key = self.key(*object);
                mover.put(&key, *bytes, &self.source(&key)).await.map(|()| *bytes)
            }
            Act::Create { upload } => {
                let key = self.key(self.script.uploads[*upload]);
                let begun = mover.begin_upload(&key).await?;
                self.uploads.borrow_mut()[*upload].upload = Some(begun);
                Ok(0)
            }
            Act::Part { upload, number, bytes } => self.part(mover, *upload, *number, *bytes).await,
            Act::Complete { upload } => self.complete(mover, *upload).await,
            Act::Get { object, bytes, ranged } => {
                self.get(mover, *object, bytes.clone(), *ranged).await
            }
            Act::Head { object } => {
                let key = self.key(*object);
                let head = async |probe: &_| store.head_object(&key, probe).await;
                mover.request(Operation::Head, head).await?;
                Ok(0)
            }
            Act::List => {
                let prefix = &self.worker.job.prefix;
                let list = async |probe: &_| store.list_objects(prefix, None, probe).await;
                mover.request(Operation::List, list).await?;
                Ok(0)
            }
            Act::Locate => {
                let locate = async |probe: &_| store.locate_bucket(probe).await;
                mover.request(Operation::Location, locate).await?;
                Ok(0)
            }
        }
    }

    async fn part(
        &self,
        mover: &Mover<'_, S>,
        upload: usize,
        number: u32,
        bytes: u64,
    ) -> Result<u64, FileError> {
        let begun = self.begun(upload)?;
        // Where in the file it lies does not matter: its bytes are made up.
        let part = PartSource::Streamed(0..bytes);
        let part = mover.send_part(&begun, number, &self.source(&begun.key), &part).await?;
        self.uploads.borrow_mut()[upload].parts.insert(number, part);
        Ok(bytes)
    }

    async fn complete(&self, mover: &Mover<'_, S>, upload: usize) -> Result<u64, FileError> {
        let begun = self.begun(upload)?;
        let parts: Vec<Part> = self.uploads.borrow()[upload].parts.values().cloned().collect();
        let object = self.script.objects[self.script.uploads[upload]];
        mover.complete(&begun, &parts, object.uploaded_bytes.unwrap_or_default()).await?;
        self.worker.job.ledger.upload_ended(&begun);
        Ok(0)
    }

    async fn get(
        &self,
        mover: &Mover<'_, S>,
        object: usize,
        bytes: Range<u64>,
        ranged: bool,
    ) -> Result<u64, FileError> {
        let length = bytes.end - bytes.start;
        mover.read_and_forget(&self.key(object), bytes, ranged).await?;
        match self.script.direction() {
            Direction::Up => Ok(0),
            Direction::Down => Ok(length),
        }
    }

    fn begun(&self, upload: usize) -> Result<Upload, FileError> {
        let begun = self.uploads.borrow()[upload].upload.clone();
        begun.ok_or_else(|| FileError::Failed("its upload could not be begun".into()))
    }

    fn key(&self, object: usize) -> String {
        Script::key(&self.worker.job.prefix, object)
    }

    fn source<'k>(&'k self, key: &'k str) -> Source<'k> {
        Source::Pattern { pattern: &self.worker.job.pattern, key }
    }

    /// Notes how a request for an object ended, and, if it was the last, how the object is.
    fn account(&self, object: usize, done: Result<u64, FileError>) {
        let live = &self.worker.control.live;
        let file = &mut self.files.borrow_mut()[object];
        file.left -= 1;
        match done {
            Ok(bytes) => Live::add(&live.bytes_done, bytes),
            Err(FileError::Failed(reason)) => file.failed = file.failed.take().or(Some(reason)),
            // Then it never comes to its end.
            Err(FileError::Stopped) => file.left += 1,
        }
        if file.left > 0 || self.script.moved_bytes(object).is_none() {
            return;
        }
        match file.failed.take() {
            None => Live::add(&live.files_done, 1),
            Some(reason) => {
                Live::add(&live.files_failed, 1);
                let path = Script::key("", object);
                self.worker.failures.borrow_mut().push(FileFailure { path, reason });
            }
        }
    }
}

async fn pause(time: Duration) {
    let late = if clock::is_simulated() { Duration::ZERO } else { TIMER_LATE };
    let time = time.saturating_sub(late);
    if !time.is_zero() {
        clock::sleep(time).await;
    }
}

/// The object that a request is about.
fn object(script: &Script, act: &Act) -> Option<usize> {
    match act {
        Act::Put { object, .. } | Act::Get { object, .. } | Act::Head { object } => Some(*object),
        Act::Create { upload } | Act::Part { upload, .. } | Act::Complete { upload } => {
            Some(script.uploads[*upload])
        }
        Act::List | Act::Locate => None,
    }
}
