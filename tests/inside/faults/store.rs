//! A simulated bucket that goes wrong by chance, and keeps the truth about what it did.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, LocalBoxFuture, select};
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use http_body_util::BodyExt;

use crate::clock;
use crate::dataset::Payload;
use crate::measure::{FailureClass, Live, Operation, Outcome, Probe};
use crate::store::model::ModelStore;
use crate::store::{
    Download, ObjectInfo, OpenUpload, Page, Part, PartInfo, Store, StoreError, Upload,
};

/// What goes wrong in a schedule, each as a share of the attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odds {
    /// Something.
    pub(super) fault: f64,
    /// A byte of a body on its way down is another.
    pub(super) corrupt_reading: f64,
    /// A byte of a part is stored as another.
    pub(super) corrupt_stored: f64,
}

/// An attempt as the store saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answered {
    pub(super) operation: Operation,
    pub(super) outcome: Outcome,
}

/// A bucket that goes wrong by chance.
pub(super) struct Faulty {
    pub(super) bucket: ModelStore,
    random: RefCell<fastrand::Rng>,
    odds: Odds,
    pub(super) answered: RefCell<Vec<Answered>>,
    /// Readings that gave other bytes than the store has, or fewer.
    pub(super) wrong_readings: Cell<u64>,
    /// Keys that hold a byte which is not their source's, or did at some time.
    pub(super) corrupt_keys: RefCell<BTreeSet<String>>,
    /// Keys that were asked for by HeadObject.
    pub(super) looked_at: RefCell<BTreeSet<String>>,
    /// What was asked by requests that were given up, and is still on its way.
    late: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
}

/// What an attempt meets.
#[derive(Clone, Debug)]
enum Fault {
    /// The store does nothing and says this after a while.
    Refuse(Duration, StoreError),
    /// The store does it, and the answer is lost.
    LoseAnswer(StoreError),
    /// Nobody waits for the answer any more when the store does it.
    Late(Duration, StoreError),
    /// Nothing moves for so long, then all is well.
    Stall(Duration),
    /// The connection breaks after so long, if the attempt is not over.
    BreakOff(Duration),
}

/// A claim waits so long for what was cut off ([`super::super::claim`]); the link's own time is less.
const LATE_MAX_MS: u64 = 900;

impl Faulty {
    pub(super) fn new(bucket: ModelStore, odds: Odds, seed: u64) -> Self {
        Self {
            bucket,
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
            odds,
            answered: RefCell::default(),
            wrong_readings: Cell::default(),
            corrupt_keys: RefCell::default(),
            looked_at: RefCell::default(),
            late: RefCell::default(),
        }
    }

    /// Does `work` while what was given up lands.
    pub(super) async fn while_late_requests_land<T>(&self, work: impl Future<Output = T>) -> T {
        let land = poll_fn(|context| {
            while let Poll::Ready(Some(())) = self.late.borrow_mut().poll_next_unpin(context) {}
            Poll::<()>::Pending
        });
        match select(pin!(work), pin!(land)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => unreachable!("it never ends"),
        }
    }

    /// One attempt at `act`. What `again` does is the same without anybody who waits for it.
    async fn attempt<T>(
        &self,
        operation: Operation,
        act: impl Future<Output = Result<T, StoreError>>,
        again: LocalBoxFuture<'static, ()>,
    ) -> Result<T, StoreError> {
        let mut seen = Seen { store: self, operation, outcome: Outcome::Cut, again: Some(again) };
        let act = pin!(act);
        let result = match self.fault() {
            None => act.await,
            Some(Fault::Refuse(after, error)) => {
                clock::sleep(after).await;
                Err(error)
            }
            Some(Fault::LoseAnswer(error)) => act.await.and(Err(error)),
            Some(Fault::Late(after, error)) => {
                clock::sleep(after).await;
                seen.goes_on();
                Err(error)
            }
            Some(Fault::Stall(length)) => {
                clock::sleep(length).await;
                act.await
            }
            Some(Fault::BreakOff(after)) => match select(act, pin!(clock::sleep(after))).await {
                Either::Left((done, _)) => done,
                Either::Right(_) => {
                    Err(StoreError::new(FailureClass::Connection, "the connection broke"))
                }
            },
        };
        seen.outcome = match &result {
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::Failed(error.class),
        };
        result
    }

    fn fault(&self) -> Option<Fault> {
        let random = &mut *self.random.borrow_mut();
        if random.f64() >= self.odds.fault {
            return None;
        }
        let class = *random.choice(FailureClass::ALL.iter()).expect("there are some");
        let retry_after = random.bool().then(|| Duration::from_secs(random.u64(0..400)));
        let retry_after = retry_after.filter(|_| class == FailureClass::Throttled);
        let refusal = StoreError { retry_after, ..StoreError::new(class, "the store says no") };
        let unclear = [FailureClass::Timeout, FailureClass::Connection, FailureClass::Server];
        let unclear = *random.choice(unclear.iter()).expect("there are some");
        let unclear = StoreError::new(unclear, "no answer came");
        let a_while = Duration::from_micros(random.u64(0..2_000_000));
        Some(match random.u8(0..7) {
            0 | 1 => Fault::Refuse(a_while, refusal),
            2 | 3 => Fault::LoseAnswer(unclear),
            4 => Fault::Late(a_while, unclear),
            5 => Fault::Stall(a_while * 300),
            _ => Fault::BreakOff(a_while / 10),
        })
    }

    /// By chance with another byte than it had.
    fn corrupt(&self, odds: f64, blocks: &mut [Bytes]) -> bool {
        let random = &mut *self.random.borrow_mut();
        let hit = random.f64() < odds;
        let Some(block) = random.choice(blocks.iter_mut()).filter(|_| hit) else { return false };
        let mut bytes = block.to_vec();
        let at = random.usize(0..bytes.len());
        bytes[at] ^= random.u8(1..);
        *block = bytes.into();
        true
    }

    /// The bytes of a body, and what is stored of them.
    async fn stored(&self, key: &str, payload: Payload) -> (Vec<Bytes>, Vec<Bytes>) {
        let right = frames(payload).await;
        let mut stored = right.clone();
        if self.corrupt(self.odds.corrupt_stored, &mut stored) {
            self.corrupt_keys.borrow_mut().insert(key.to_owned());
        }
        (right, stored)
    }

    /// A body as it arrives: perhaps with another byte, or too short, or with an error at its end.
    async fn arriving(&self, download: Download) -> Download {
        let mut blocks: Vec<Bytes> =
            download.body.map(|bytes| bytes.expect("it is in memory")).collect().await;
        let (breaks, is_short) = {
            let random = &mut *self.random.borrow_mut();
            let share = self.odds.fault / 8.0;
            (random.f64() < share, random.f64() < share && !blocks.is_empty())
        };
        let broke = StoreError::new(FailureClass::Connection, "the body broke off");
        let end = breaks.then_some(Err(broke));
        if breaks || is_short {
            blocks.pop();
        }
        let is_corrupt = self.corrupt(self.odds.corrupt_reading, &mut blocks);
        if is_corrupt || is_short {
            self.wrong_readings.set(self.wrong_readings.get() + 1);
        }
        let body = stream::iter(blocks.into_iter().map(Ok).chain(end)).boxed_local();
        Download { body, ..download }
    }
}

/// Notes how an attempt ended, also when nobody waits for it any more.
struct Seen<'a> {
    store: &'a Faulty,
    operation: Operation,
    outcome: Outcome,
    again: Option<LocalBoxFuture<'static, ()>>,
}

impl Seen<'_> {
    /// The request was given up, but it is under way.
    fn goes_on(&mut self) {
        let after = Duration::from_millis(self.store.random.borrow_mut().u64(0..LATE_MAX_MS));
        let Some(again) = self.again.take() else { return };
        let late = async move {
            clock::sleep(after).await;
            again.await;
        };
        self.store.late.borrow_mut().push(late.boxed_local());
    }
}

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        let Self { operation, outcome, .. } = *self;
        if outcome == Outcome::Cut && self.store.random.borrow_mut().bool() {
            self.goes_on();
        }
        self.store.answered.borrow_mut().push(Answered { operation, outcome });
    }
}

async fn frames(mut payload: Payload) -> Vec<Bytes> {
    let mut blocks = Vec::new();
    while let Some(frame) = payload.frame().await {
        blocks.push(frame.expect("a pattern never fails").into_data().expect("only data"));
    }
    blocks
}

/// A probe that nobody looks at.
fn unseen() -> Arc<Probe> {
    Probe::begin(&Arc::new(Live::default()), clock::now())
}

/// Nothing that stays.
fn harmless() -> LocalBoxFuture<'static, ()> {
    async {}.boxed_local()
}

impl Store for Faulty {
    async fn locate_bucket(&self, probe: &Arc<Probe>) -> Result<(), StoreError> {
        self.bucket.locate_bucket(probe).await
    }

    async fn put_object(
        &self,
        key: &str,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        let (right, stored) = self.stored(key, payload).await;
        let (bucket, name) = (self.bucket.clone(), key.to_owned());
        let again = async move {
            drop(bucket.put_object(&name, Payload::from(right), &unseen()).await);
        };
        let act = self.bucket.put_object(key, Payload::from(stored), probe);
        self.attempt(Operation::Put, act, again.boxed_local()).await
    }

    async fn create_upload(&self, key: &str, probe: &Arc<Probe>) -> Result<Upload, StoreError> {
        let (bucket, name) = (self.bucket.clone(), key.to_owned());
        let again = async move { drop(bucket.create_upload(&name, &unseen()).await) };
        let act = self.bucket.create_upload(key, probe);
        self.attempt(Operation::Create, act, again.boxed_local()).await
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<Part, StoreError> {
        let (right, stored) = self.stored(&upload.key, payload).await;
        let (bucket, open) = (self.bucket.clone(), upload.clone());
        let again = async move {
            drop(bucket.upload_part(&open, number, Payload::from(right), &unseen()).await);
        };
        let act = self.bucket.upload_part(upload, number, Payload::from(stored), probe);
        self.attempt(Operation::Part, act, again.boxed_local()).await
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        let (bucket, done, all) = (self.bucket.clone(), upload.clone(), parts.to_vec());
        let again = async move { drop(bucket.complete_upload(&done, &all, &unseen()).await) };
        let act = self.bucket.complete_upload(upload, parts, probe);
        self.attempt(Operation::Complete, act, again.boxed_local()).await
    }

    async fn abort_upload(&self, upload: &Upload, probe: &Arc<Probe>) -> Result<(), StoreError> {
        let (bucket, open) = (self.bucket.clone(), upload.clone());
        let again = async move { drop(bucket.abort_upload(&open, &unseen()).await) };
        let act = self.bucket.abort_upload(upload, probe);
        self.attempt(Operation::Abort, act, again.boxed_local()).await
    }

    async fn list_uploads(
        &self,
        prefix: &str,
        probe: &Arc<Probe>,
    ) -> Result<Vec<OpenUpload>, StoreError> {
        self.bucket.list_uploads(prefix, probe).await
    }

    async fn list_parts(
        &self,
        upload: &Upload,
        probe: &Arc<Probe>,
    ) -> Result<Vec<PartInfo>, StoreError> {
        self.bucket.list_parts(upload, probe).await
    }

    async fn head_object(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<ObjectInfo>, StoreError> {
        self.looked_at.borrow_mut().insert(key.to_owned());
        self.attempt(Operation::Head, self.bucket.head_object(key, probe), harmless()).await
    }

    async fn get_object(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        probe: &Arc<Probe>,
    ) -> Result<Download, StoreError> {
        let act = self.bucket.get_object(key, range, probe);
        let download = self.attempt(Operation::Get, act, harmless()).await?;
        Ok(self.arriving(download).await)
    }

    async fn list_objects(
        &self,
        prefix: &str,
        after: Option<&str>,
        probe: &Arc<Probe>,
    ) -> Result<Page, StoreError> {
        self.bucket.list_objects(prefix, after, probe).await
    }

    async fn delete_objects(
        &self,
        keys: &[String],
        probe: &Arc<Probe>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let (bucket, gone) = (self.bucket.clone(), keys.to_vec());
        let again = async move { drop(bucket.delete_objects(&gone, &unseen()).await) };
        let act = self.bucket.delete_objects(keys, probe);
        self.attempt(Operation::Delete, act, again.boxed_local()).await
    }
}
