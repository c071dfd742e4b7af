//! Housekeeping in the bucket: look, write the marker, abort, delete. Outside of any measurement.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::progress::WAIT_TOLD;
use super::silence::Silence;
use crate::clock;
use crate::dataset::Payload;
use crate::error::{Error, Result};
use crate::measure::{FailureClass, Live, Probe};
use crate::pace::Paces;
use crate::store::s3::Written;
use crate::store::{
    AnyStore, DOES_NOT_ADVANCE, ObjectInfo, OpenUpload, Page, Part, PartInfo, Place, Seen, Store,
    StoreError, Upload, Versioning,
};
use crate::terminal;
use crate::transfer::RetryPolicy;
use crate::words::to_the_second;

/// Uploads that are aborted at a time: a trial leaves as many as it has movers, and each takes a round trip.
const ABORTS_IN_FLIGHT: usize = 8;

/// Keys of one DeleteObjects request (S3).
const KEYS_PER_DELETE: usize = 1000;

/// What Storj's gateway calls itself (`storj/minio` cmd/api-response.go).
const STORJ_SERVER: &str = "Storj";

/// An object with more bytes is none of the small ones that tidegate writes for itself.
const SMALL_BYTES_MAX: usize = 64 << 10;

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its key below the prefix that was listed.
    pub(super) path: String,
    /// Bytes, if the listing tells of a number that can be one.
    pub(super) size_bytes: Option<u64>,
}

/// A small object that nobody said was written.
#[derive(Debug)]
pub(super) struct Unwritten {
    pub(super) error: Error,
    /// An attempt had no answer.
    pub(super) may_be_there: bool,
}

/// One bucket, asked with patience.
pub(super) struct Bucket {
    store: AnyStore,
    name: String,
    endpoint: String,
    retry: RetryPolicy,
    /// Of the waits before other attempts.
    random: RefCell<fastrand::Rng>,
    paces: Paces,
    silence: Silence,
}

impl Bucket {
    pub(super) fn open(place: &Place, paces: &Paces) -> Self {
        Self {
            store: place.connect(),
            name: place.bucket().to_owned(),
            endpoint: place.endpoint().to_owned(),
            // A person waits: four attempts are over within a few seconds.
            retry: RetryPolicy { attempts_max: 4, ..RetryPolicy::default() },
            random: RefCell::new(match place {
                Place::Endpoint(_) => fastrand::Rng::new(),
                // A simulation repeats.
                Place::Simulated(_) => fastrand::Rng::with_seed(0),
            }),
            paces: paces.clone(),
            silence: Silence::default(),
        }
    }

    /// The first call of a connector: is there such a bucket, and may we use it?
    pub(super) async fn check(&self) -> Result<()> {
        match self.call(async |probe| self.store.locate_bucket(probe).await).await {
            // Keys may be denied this call, and a server may not know it, and both be good for objects.
            Err(error)
                if matches!(error.status, Some(403 | 405 | 501)) && !is_about_keys(&error) =>
            {
                Ok(())
            }
            located => located.map_err(|error| self.explain("reach", &error)),
        }
    }

    /// Sees that what is deleted is gone: in a bucket that keeps versions the bytes would stay, and the
    /// bill. What is to be said if the endpoint does not tell.
    pub(super) async fn keeps_no_versions(&self) -> Result<Option<String>> {
        let versioning = self.call(async |probe| self.store.versioning(probe).await).await;
        let found = match versioning {
            Ok(Versioning::Never) => return Ok(None),
            Ok(Versioning::Suspended) => {
                "its versioning is suspended, and deletes leave delete markers"
            }
            Ok(Versioning::Enabled) => {
                "it keeps versions, and deletes would keep the bytes and the bill"
            }
            Err(error) if error.class == FailureClass::Client => {
                return Ok(Some(format!(
                    "whether bucket {} keeps what is deleted is not known: {error}",
                    self.name
                )));
            }
            Err(error) => return Err(self.explain("ask for the versioning of", &error)),
        };
        Err(Error::environment(format!(
            "bucket {} would not be left as it was: {found}",
            self.name
        ))
        .hint("measure in a bucket that never had versioning"))
    }

    /// Whether it is Storj that answers: its gateway says so in each answer.
    pub(super) async fn is_storjs(&self) -> Result<bool> {
        let server = async |store: &AnyStore, probe: &_| store.server(probe).await;
        let server = self.ask("ask who answers for", server).await?;
        Ok(server.as_deref() == Some(STORJ_SERVER))
    }

    /// Whether objects cannot be deleted for some time; `None` with the reason if the endpoint does not tell.
    pub(super) async fn locks_objects(&self) -> Result<bool, StoreError> {
        match &self.store {
            AnyStore::S3(store) => self.call(async |probe| store.object_lock(probe).await).await,
            AnyStore::Model(_) => Ok(false),
        }
    }

    /// The first page of a listing, and whether there are more.
    pub(super) async fn glance(&self, prefix: &str) -> Result<(Vec<ObjectInfo>, bool)> {
        let page = self.page(prefix, None).await?;
        Ok((page.objects, page.next.is_some()))
    }

    /// All objects below a prefix, with paths relative to it, also those whose size is not told.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        let page = async |objects: Vec<ObjectInfo>| {
            listed.extend(objects.into_iter().filter_map(|object| {
                let path = object.key.strip_prefix(prefix)?.to_owned();
                Some(Listed { path, size_bytes: object.size_bytes })
            }));
        };
        self.each_page(prefix, page).await?;
        Ok(listed)
    }

    /// The objects below a prefix, page by page: there may be more than memory holds.
    pub(super) async fn each_page(
        &self,
        prefix: &str,
        mut see: impl AsyncFnMut(Vec<ObjectInfo>),
    ) -> Result<()> {
        let (mut after, mut seen) = (None, Seen::default());
        loop {
            let page = self.page(prefix, after.as_deref()).await?;
            if let Some(next) = &page.next {
                let keys = page.objects.iter().map(|object| object.key.as_str());
                let advances = seen.page(&format!("ListObjectsV2 {prefix}"), keys, next);
                advances.map_err(|error| self.explain("list", &error))?;
            }
            see(page.objects).await;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    async fn page(&self, prefix: &str, after: Option<&str>) -> Result<Page> {
        let list =
            async |store: &AnyStore, probe: &_| store.list_objects(prefix, after, probe).await;
        self.ask("list", list).await
    }

    /// HeadObject; `None` if there is no such object.
    pub(super) async fn look(&self, key: &str) -> Result<Option<ObjectInfo>> {
        self.head(key).await.map_err(|error| self.explain("look at an object in", &error))
    }

    /// One object; `None` if there is none, or if it is not told.
    pub(super) async fn object(&self, key: &str) -> Result<Option<ObjectInfo>> {
        match self.head(key).await {
            Err(error) if error.has_code("AccessDenied") || error.status == Some(403) => Ok(None),
            found => found.map_err(|error| self.explain("look at an object in", &error)),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, StoreError> {
        self.call(async |probe: &_| self.store.head_object(key, probe).await).await
    }

    /// All multipart uploads below a prefix.
    pub(super) async fn uploads(&self, prefix: &str) -> Result<Vec<OpenUpload>> {
        let list = async |store: &AnyStore, probe: &_| store.list_uploads(prefix, probe).await;
        self.ask("list the uploads of", list).await
    }

    /// The parts of an open upload; `None` if it has ended meanwhile.
    pub(super) async fn parts(&self, upload: &Upload) -> Result<Option<Vec<PartInfo>>> {
        let list = async |probe: &_| self.store.list_parts(upload, probe).await;
        match self.call(list).await {
            Err(error) if error.status == Some(404) => Ok(None),
            listed => listed
                .map(Some)
                .map_err(|error| self.explain("list the parts of an upload in", &error)),
        }
    }

    /// Begins a multipart upload.
    pub(super) async fn begin_upload(&self, key: &str) -> Result<Upload> {
        let create = async |store: &AnyStore, probe: &_| store.create_upload(key, probe).await;
        self.ask("begin an upload in", create).await
    }

    /// Sends a small part.
    pub(super) async fn send_part(
        &self,
        upload: &Upload,
        number: u32,
        content: &str,
    ) -> Result<Part> {
        let content = Bytes::copy_from_slice(content.as_bytes());
        let send = async |store: &AnyStore, probe: &_| {
            let payload = Payload::from(vec![content.clone()]);
            store.upload_part(upload, number, payload, probe).await
        };
        self.ask("send a part to", send).await
    }

    /// Writes a small object. Its ETag.
    pub(super) async fn put(&self, key: &str, content: &str) -> Result<String, Unwritten> {
        let content = Bytes::copy_from_slice(content.as_bytes());
        let mut may_be_there = false;
        let put = async |probe: &_| {
            let payload = Payload::from(vec![content.clone()]);
            let put = self.store.put_object(key, payload, probe).await;
            put.inspect_err(|error| may_be_there |= error.leaves_open_what_happened())
        };
        // A sign of life must not be late: it does not wait for its turn among the movers' requests.
        let put = self.call_at(&Paces::default(), put).await;
        put.map_err(|error| Unwritten { error: self.explain("write to", &error), may_be_there })
    }

    /// The text of a small object; `None` if there is none, or if it is no small text.
    pub(super) async fn read(&self, key: &str) -> Result<Option<String>> {
        let read = async |probe: &_| {
            let mut body = self.store.get_object(key, None, probe).await?.body;
            let mut bytes = Vec::new();
            while let Some(more) = body.next().await {
                bytes.extend_from_slice(&more?);
                if bytes.len() > SMALL_BYTES_MAX {
                    return Ok(None);
                }
            }
            Ok(String::from_utf8(bytes).ok())
        };
        match self.call(read).await {
            Err(error) if error.has_code("NoSuchKey") => Ok(None),
            read => read.map_err(|error| self.explain("read from", &error)),
        }
    }

    /// When an object was written, by the endpoint's clock alone; `None` if it does not tell.
    pub(super) async fn written(&self, key: &str) -> Result<Option<Written>> {
        let written = async |store: &AnyStore, probe: &_| store.written(key, probe).await;
        self.ask("look at an object in", written).await
    }

    /// Aborts uploads: all that can be. The first error.
    pub(super) async fn abort(&self, uploads: &BTreeSet<Upload>) -> Result<()> {
        let abort = async |upload| {
            let abort = async |probe: &_| self.store.abort_upload(upload, probe).await;
            (upload, self.call(abort).await)
        };
        let mut aborted = stream::iter(uploads).map(abort).buffer_unordered(ABORTS_IN_FLIGHT);
        let (mut refused, mut outcome) = (Vec::new(), Ok(()));
        while let Some((upload, aborted)) = aborted.next().await {
            match aborted {
                Err(error) if error.class == FailureClass::Throttled => refused.push(upload),
                aborted => outcome = outcome.and(aborted),
            }
        }
        // One at a time, so that they do not take the calls that the endpoint allows from each other.
        for upload in refused {
            outcome = outcome.and(abort(upload).await.1);
        }
        outcome.map_err(|error| self.explain("abort an upload in", &error))
    }

    /// Deletes objects: all that can be. The first error.
    pub(super) async fn delete(&self, keys: &[String]) -> Result<()> {
        let mut outcome = Ok(());
        for keys in keys.chunks(KEYS_PER_DELETE) {
            let delete = async |probe: &_| self.store.delete_objects(keys, probe).await;
            let deleted = match self.call(delete).await {
                Ok(refused) => none_refused(&refused),
                Err(error) => Err(self.explain("delete from", &error)),
            };
            outcome = outcome.and(deleted);
        }
        outcome
    }

    /// The answer to an operation that is `doing` something with the bucket.
    pub(super) async fn ask<T>(
        &self,
        doing: &str,
        mut operation: impl AsyncFnMut(&AnyStore, &Arc<Probe>) -> Result<T, StoreError>,
    ) -> Result<T> {
        let answer = self.call(async |probe| operation(&self.store, probe).await).await;
        answer.map_err(|error| self.explain(doing, &error))
    }

    async fn call<T>(
        &self,
        operation: impl AsyncFnMut(&Arc<Probe>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.call_at(&self.paces, operation).await
    }

    async fn call_at<T>(
        &self,
        paces: &Paces,
        mut operation: impl AsyncFnMut(&Arc<Probe>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let live = Arc::new(Live::default());
        let began = clock::now();
        let mut attempts_made = 0;
        loop {
            paces.request().await;
            let error =
                match self.silence.attempt(operation(&Probe::begin(&live, clock::now()))).await {
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                };
            attempts_made += 1;
            let delay =
                self.retry.delay_after(attempts_made, &error, &mut self.random.borrow_mut());
            let Some(delay) = delay.filter(|_| !self.silence.is_over(began)) else {
                self.silence.gave_up(&error);
                return Err(error);
            };
            self.tell_wait(&error, delay);
            clock::sleep(delay).await;
        }
    }

    /// A long wait is not for a person to guess at.
    fn tell_wait(&self, error: &StoreError, delay: Duration) {
        if delay >= WAIT_TOLD && matches!(self.store, AnyStore::S3(_)) {
            let (endpoint, delay) = (&self.endpoint, to_the_second(delay));
            terminal::say(&format!(
                "tidegate: {endpoint} asks to wait; asking again in {delay}: {error}"
            ));
        }
    }

    /// Whether the endpoint did not answer when it was asked last.
    pub(super) fn is_silent(&self) -> bool {
        self.silence.is_silent()
    }

    /// One sentence and what to do next, for what a user meets first.
    fn explain(&self, doing: &str, error: &StoreError) -> Error {
        let Self { name, endpoint, .. } = self;
        let sentence =
            Error::environment(format!("cannot {doing} bucket {name} at {endpoint}: {error}"));
        if let Some(hint) = &error.hint {
            return sentence.hint(hint);
        }
        if let (FailureClass::Throttled, Some(wait)) = (error.class, error.retry_after) {
            let wait = to_the_second(wait);
            return sentence.hint(format!("the endpoint asks to wait for {wait}: try again then"));
        }
        let hint = match (error.code.as_deref(), error.class) {
            (Some("NoSuchBucket"), _) => "create the bucket first, or correct its name",
            (Some("SignatureDoesNotMatch"), _) => {
                "see that AWS_SECRET_ACCESS_KEY, or that of the profile, belongs to this access key"
            }
            (Some("InvalidAccessKeyId"), _) => {
                "the endpoint does not know this access key: see that AWS_ACCESS_KEY_ID and --endpoint belong together"
            }
            (Some("RequestTimeTooSkewed"), _) => {
                "set the clock of this machine: it disagrees with the endpoint's"
            }
            (Some("ExpiredToken"), _) => "get new keys: these have expired",
            _ if error.message.contains(DOES_NOT_ADVANCE) => {
                "see what answers at the endpoint: it is not a working S3 server"
            }
            _ if error.status == Some(403) => {
                "these keys are not allowed to do this: uploads need read, write, list and delete, downloads of existing objects read and list"
            }
            (_, FailureClass::Connection | FailureClass::Timeout) => {
                "see that the endpoint's name, port and scheme are right and that it can be reached from here"
            }
            (_, FailureClass::Throttled) => "the endpoint asks to slow down: try again later",
            _ => return sentence,
        };
        sentence.hint(hint)
    }
}

/// Whether the answer speaks of the keys or of how they sign, which no other request would change (Amazon S3 API
/// Reference, "Error responses").
fn is_about_keys(error: &StoreError) -> bool {
    const CODES: [&str; 8] = [
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "InvalidSecurity",
        "RequestTimeTooSkewed",
        "NotSignedUp",
        "AccountProblem",
    ];
    error.code.as_deref().is_some_and(|code| CODES.contains(&code))
}

fn none_refused(refused: &[(String, String)]) -> Result<()> {
    let Some((key, reason)) = refused.first() else { return Ok(()) };
    let count = refused.len();
    let message = format!("{count} of our objects could not be deleted, first {key}: {reason}");
    Err(Error::environment(message).hint("delete them by hand, with keys that are allowed to"))
}
