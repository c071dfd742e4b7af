//! Storj in this process, for simulated time: the same rules and the same model of time as the embedded
//! gateway's ([`crate::storj`]), without sockets and, unless asked for, without bytes.
//!
//! A part is one unit: a chain of a few events, whatever its size. Its bytes are arithmetic, and are
//! noted as evenly spread over stretches of time in which the link's rate for them hardly changed.

mod answers;
mod content;
#[cfg(test)]
mod lies;
mod line;
mod part;

pub use content::Retain;

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::dataset::Payload;
use crate::measure::{Connecting, Probe};
use crate::result::Direction;
use crate::storj::{
    Admission, Admitted, Ask, Attributes, Bucket, Buckets, Course, Limiter, Limits, ListedPart,
    Model, Object, Overwrite, PartNumber, Piece, Query, Refusal, Timing, UploadId,
};
use answers::refused;
use content::Content;
use line::Line;

use super::{Download, ObjectInfo, OpenUpload, Page, Part, PartInfo, Store, StoreError, Upload};

/// Keys on a page of a listing (S3).
const KEYS_PER_PAGE: usize = 1000;

/// The bucket's name: there is one.
const BUCKET: &str = "simulated";

/// A bucket of a simulated Storj, with the link to it. It belongs to one simulation. Clones are further clients of the same.
#[derive(Clone)]
pub struct ModelStore {
    world: Rc<World>,
    overwrite: Overwrite,
}

/// What all clients share.
struct World {
    timing: Arc<Timing>,
    retain: Retain,
    /// The project's, whoever its clients are.
    limiter: Rc<RefCell<Limiter>>,
    /// The same.
    buckets: Rc<RefCell<Buckets<Content>>>,
    up: Line,
    down: Line,
    /// Connections that are open and carry no request.
    idle_connections: Cell<u32>,
    /// Numbers of uploads and of discarded contents.
    numbers: Rc<Cell<u64>>,
    /// Changes what listings say.
    #[cfg(test)]
    liar: RefCell<Option<lies::Liar>>,
}

impl ModelStore {
    /// An empty bucket. The same seed draws the same times and the same weather.
    pub fn new(model: Model, limits: Limits, retain: Retain, seed: u64) -> Self {
        let line = |direction| {
            Line::new(model.stream_rate(), model.capacity(direction), model.forecast(seed))
        };
        let world = World {
            retain,
            buckets: Rc::new(RefCell::new(Buckets::new(Admission::Any, limits.rules()))),
            up: line(Direction::Up),
            down: line(Direction::Down),
            limiter: Rc::new(RefCell::new(Limiter::new(limits))),
            idle_connections: Cell::new(0),
            numbers: Rc::default(),
            #[cfg(test)]
            liar: RefCell::default(),
            timing: Timing::new(model, seed),
        };
        Self { world: Rc::new(world), overwrite: Overwrite::Allowed }
    }

    /// A client that replaces nothing.
    #[must_use]
    pub fn only_new(&self) -> Self {
        Self { overwrite: Overwrite::Refused, ..self.clone() }
    }

    /// Another machine's way to the same project: a link of its own, the same bucket and the same limits.
    /// The same seed draws the same times and the same weather.
    #[must_use]
    pub fn from_another_machine(&self, seed: u64) -> Self {
        let model = self.world.timing.model().clone();
        let line = |direction| {
            Line::new(model.stream_rate(), model.capacity(direction), model.forecast(seed))
        };
        let world = World {
            retain: self.world.retain,
            buckets: Rc::clone(&self.world.buckets),
            up: line(Direction::Up),
            down: line(Direction::Down),
            limiter: Rc::clone(&self.world.limiter),
            idle_connections: Cell::new(0),
            numbers: Rc::clone(&self.world.numbers),
            #[cfg(test)]
            liar: RefCell::default(),
            timing: Timing::new(model, seed),
        };
        Self { world: Rc::new(world), overwrite: self.overwrite }
    }

    /// All objects and their bytes, and the keys of all open uploads, without a request.
    #[cfg(test)]
    pub(crate) fn look(&self) -> (Vec<(String, Vec<u8>)>, Vec<String>) {
        use futures::{FutureExt, StreamExt};
        let mut buckets = self.world.buckets.borrow_mut();
        let bucket = buckets.bucket(BUCKET, clock::calendar()).expect("any bucket exists");
        let query = Query { prefix: "", delimiter: None, after: "", limit: usize::MAX };
        let bytes = |object: &Object<Content>| {
            let frames = content::body(object, 0..object.size_bytes()).map(Result::unwrap);
            let frames = frames.collect::<Vec<_>>().now_or_never().expect("they are in memory");
            frames.concat()
        };
        let objects = bucket.list(query).objects.into_iter();
        let objects = objects.map(|(key, object)| (key.to_owned(), bytes(object))).collect();
        let uploads =
            bucket.uploads("", "").into_iter().map(|(_, open)| open.key.clone()).collect();
        (objects, uploads)
    }

    /// A request without payload: `act` is done when it has been let in.
    async fn call<T>(
        &self,
        probe: &Arc<Probe>,
        ask: Ask<'_>,
        act: impl FnOnce(&mut Bucket<Content>) -> Result<T, Refusal>,
    ) -> Result<T, StoreError> {
        let connection = self.connect(probe).await;
        probe.request_sent();
        // Let in when it leaves, not when it arrives: one event less, and the same for every request.
        let model = self.world.timing.model();
        let entered = self.world.enter(ask);
        let overhead = if entered.is_ok() { model.call_overhead } else { Duration::ZERO };
        wait(model.round_trip + overhead).await;
        probe.answer_began();
        let done = entered.and_then(|_pass| self.world.bucket(act));
        connection.keep();
        done
    }

    /// Takes an idle connection or makes a new one.
    async fn connect(&self, probe: &Arc<Probe>) -> Connection<'_> {
        let world = &*self.world;
        let idle = world.idle_connections.get();
        if idle > 0 {
            world.idle_connections.set(idle - 1);
            probe.connected(Connecting::Reused);
        } else {
            let model = world.timing.model();
            wait(model.handshakes()).await;
            let tls = if model.tls { model.round_trip } else { Duration::ZERO };
            let dns = Duration::ZERO;
            probe.connected(Connecting::New { dns, tcp: model.round_trip, tls });
        }
        Connection { world }
    }
}

impl World {
    /// Asks or changes the bucket.
    fn bucket<T>(
        &self,
        act: impl FnOnce(&mut Bucket<Content>) -> Result<T, Refusal>,
    ) -> Result<T, StoreError> {
        let mut buckets = self.buckets.borrow_mut();
        buckets.bucket(BUCKET, clock::calendar()).and_then(act).map_err(refused)
    }

    /// Lets a request in, unless a limit is reached.
    fn enter(&self, ask: Ask<'_>) -> Result<Pass<'_>, StoreError> {
        let mut limiter = self.limiter.borrow_mut();
        match limiter.admit(clock::now(), ask) {
            Ok(admitted) => Ok(Pass { world: self, admitted: Some(admitted) }),
            Err(limited) => Err(answers::slow_down(limited, limiter.limits().retry_after)),
        }
    }

    fn number(&self) -> u64 {
        self.numbers.replace(self.numbers.get() + 1)
    }
}

/// A request that was let in, until it is over.
struct Pass<'a> {
    world: &'a World,
    admitted: Option<Admitted>,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(admitted) = self.admitted.take() {
            self.world.limiter.borrow_mut().leave(admitted);
        }
    }
}

/// A connection in use. One that is not kept is closed, as after a request that was broken off.
struct Connection<'a> {
    world: &'a World,
}

impl Connection<'_> {
    fn keep(self) {
        self.world.idle_connections.set(self.world.idle_connections.get() + 1);
    }
}

impl Store for ModelStore {
    fn keeps_bytes(&self) -> bool {
        self.world.retain == Retain::Memory
    }

    async fn locate_bucket(&self, probe: &Arc<Probe>) -> Result<(), StoreError> {
        self.call(probe, Ask::Other, |_| Ok(())).await
    }

    async fn put_object(
        &self,
        key: &str,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        let world = &*self.world;
        let mut etag = String::new();
        let ask = Ask::Put { bucket: BUCKET, key, bytes: payload.len() };
        self.upload(payload, probe, ask, |size_bytes, (content, tag)| {
            etag = tag.to_string();
            let object = Object {
                etag: etag.clone(),
                modified: clock::calendar(),
                attributes: Attributes::default(),
                pieces: vec![Piece { size_bytes, content }],
            };
            world.bucket(|bucket| match world.retain {
                Retain::Nothing => Ok(()),
                Retain::Layout | Retain::Memory => {
                    bucket.put(key, object, self.overwrite).map(drop)
                }
            })
        })
        .await?;
        Ok(quoted(&etag))
    }

    async fn create_upload(&self, key: &str, probe: &Arc<Probe>) -> Result<Upload, StoreError> {
        let id = UploadId::new(self.world.number().into());
        let now = clock::calendar();
        let create = |bucket: &mut Bucket<_>| {
            bucket.create_upload(key, id, Attributes::default(), now);
            Ok(())
        };
        self.call(probe, Ask::Create { bucket: BUCKET, key }, create).await?;
        Ok(Upload { key: key.to_owned(), id: id.to_string() })
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        payload: Payload,
        probe: &Arc<Probe>,
    ) -> Result<Part, StoreError> {
        let world = &*self.world;
        let number_of_part = i32::try_from(number).unwrap_or(i32::MAX);
        let number_of_part = PartNumber::try_from(number_of_part).map_err(refused)?;
        let id: UploadId = upload.id.parse().map_err(refused)?;
        let mut etag = String::new();
        let ask = Ask::Part { bytes: payload.len() };
        self.upload(payload, probe, ask, |size_bytes, (content, tag)| {
            etag = tag.to_string();
            let piece = Piece { size_bytes, content };
            let part = crate::storj::Part { piece, tag, modified: clock::calendar() };
            world.bucket(|bucket| bucket.put_part(&upload.key, id, number_of_part, part).map(drop))
        })
        .await?;
        Ok(Part { number, etag: quoted(&etag), checksum: None })
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        probe: &Arc<Probe>,
    ) -> Result<String, StoreError> {
        let id: UploadId = upload.id.parse().map_err(refused)?;
        let listed: Vec<ListedPart> = parts.iter().map(answers::listed).collect();
        let retain = self.world.retain;
        let etag = self.call(probe, Ask::Complete, |bucket| {
            let (key, now) = (&upload.key, clock::calendar());
            bucket.complete_upload(key, id, &listed, self.overwrite, now)?;
            let etag = bucket.object(key)?.etag.clone();
            if retain == Retain::Nothing {
                bucket.remove(key);
            }
            Ok(etag)
        });
        Ok(quoted(&etag.await?))
    }

    async fn abort_upload(&self, upload: &Upload, probe: &Arc<Probe>) -> Result<(), StoreError> {
        let Ok(id) = upload.id.parse::<UploadId>() else { return Ok(()) };
        self.call(probe, Ask::Other, |bucket| Ok(bucket.abort_upload(&upload.key, id)))
            .await
            .map(drop)
    }

    async fn list_uploads(
        &self,
        prefix: &str,
        probe: &Arc<Probe>,
    ) -> Result<Vec<OpenUpload>, StoreError> {
        self.call(probe, Ask::Other, |bucket| {
            let open = bucket.uploads(prefix, "").into_iter();
            let open = open.map(answers::open_upload).collect();
            #[cfg(test)]
            let open = self.uploads_as_told(open, bucket);
            Ok(open)
        })
        .await
    }

    async fn list_parts(
        &self,
        upload: &Upload,
        probe: &Arc<Probe>,
    ) -> Result<Vec<PartInfo>, StoreError> {
        let id: UploadId = upload.id.parse().map_err(refused)?;
        self.call(probe, Ask::Other, |bucket| {
            let parts = &bucket.upload(&upload.key, id)?.parts;
            Ok(parts.iter().map(answers::part_info).collect())
        })
        .await
    }

    async fn head_object(
        &self,
        key: &str,
        probe: &Arc<Probe>,
    ) -> Result<Option<ObjectInfo>, StoreError> {
        self.call(probe, Ask::Other, |bucket| {
            Ok(bucket.object(key).ok().map(|object| answers::info(key, object)))
        })
        .await
    }

    async fn get_object(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        probe: &Arc<Probe>,
    ) -> Result<Download, StoreError> {
        self.download(key, range, probe).await
    }

    async fn list_objects(
        &self,
        prefix: &str,
        after: Option<&str>,
        probe: &Arc<Probe>,
    ) -> Result<Page, StoreError> {
        self.call(probe, Ask::Other, |bucket| {
            let after = after.unwrap_or_default();
            let query = Query { prefix, delimiter: None, after, limit: KEYS_PER_PAGE };
            let listing = bucket.list(query);
            let info = |(key, object): (&str, &Arc<_>)| answers::info(key, object);
            let (objects, next) = (listing.objects.into_iter().map(info).collect(), listing.next);
            #[cfg(test)]
            let objects = self.objects_as_told(objects, bucket);
            Ok(Page { objects, next })
        })
        .await
    }

    async fn delete_objects(
        &self,
        keys: &[String],
        probe: &Arc<Probe>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.call(probe, Ask::Other, |bucket| {
            keys.iter().for_each(|key| drop(bucket.remove(key)));
            Ok(Vec::new())
        })
        .await
    }
}

/// Waits, and not at all for nothing: each wait is an event.
async fn wait(duration: Duration) {
    if !duration.is_zero() {
        clock::sleep(duration).await;
    }
}

async fn wait_until(at: Instant) {
    wait(at.since(clock::now())).await;
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
