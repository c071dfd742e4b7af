//! A part on its way up or down.

use std::ops::Range;
use std::sync::Arc;

use super::content::{self, Content};
use super::{Course, Line, ModelStore, answers, quoted, wait, wait_until};
use crate::clock;
use crate::dataset::Payload;
use crate::measure::Probe;
use crate::store::{Download, StoreError};
use crate::storj::{Ask, Stretch, Tag, segments_of};

impl ModelStore {
    /// The body of a PutObject or UploadPart; `keep` is done when it has arrived, before the answer.
    pub(super) async fn upload(
        &self,
        payload: Payload,
        probe: &Arc<Probe>,
        ask: Ask<'_>,
        keep: impl FnOnce(u64, (Content, Tag)) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let world = &*self.world;
        let size_bytes = payload.len();
        let connection = self.connect(probe).await;
        wait(world.timing.model().round_trip).await;
        // Refused before its body, which is in the way of a next request: the connection is closed.
        let pass = world.enter(ask).inspect_err(|_| probe.answer_began())?;
        let mut course = Course::up(&world.timing);
        let sent = |Stretch { over, bytes }| probe.payload_sent_over(over, bytes);
        flow(&mut course, &world.up, size_bytes, sent).await;
        probe.request_sent();
        let content = world.retain.receive(payload, world.number()).await?;
        wait_until(course.close(clock::now())).await;
        probe.answer_began();
        let kept = keep(size_bytes, content);
        drop(pass);
        connection.keep();
        kept
    }

    /// GetObject. The bytes are handed over when the last has passed.
    pub(super) async fn download(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        probe: &Arc<Probe>,
    ) -> Result<Download, StoreError> {
        let world = &*self.world;
        let connection = self.connect(probe).await;
        probe.request_sent();
        wait(world.timing.model().round_trip).await;
        let found = world.enter(Ask::Get).and_then(|pass| {
            let object = world.bucket(|bucket| bucket.object(key).cloned())?;
            let size_bytes = object.size_bytes();
            let within = range.map_or(Some(0..size_bytes), |range| within(range, size_bytes));
            within.map(|range| (pass, object, range)).ok_or_else(answers::not_satisfiable)
        });
        let (pass, object, range) = match found {
            Ok(found) => found,
            Err(error) => {
                probe.answer_began();
                connection.keep();
                return Err(error);
            }
        };
        let size_bytes = range.end - range.start;
        let touched = object.touched(range.clone()).map(|(_, range)| range);
        let segments = segments_of(touched, world.timing.model().segment_size.0);
        world.limiter.borrow_mut().read(clock::now(), segments.len());
        let mut course = Course::down(&world.timing, segments);
        wait_until(course.open(clock::now(), size_bytes == 0)).await;
        probe.answer_began();
        let received = |Stretch { over, bytes }| probe.payload_received_over(over, bytes);
        flow(&mut course, &world.down, size_bytes, received).await;
        drop(pass);
        connection.keep();
        let etag = Some(quoted(&object.etag));
        Ok(Download { size_bytes: Some(size_bytes), etag, body: content::body(&object, range) })
    }
}

/// What of a range lies within the object, unless nothing does.
fn within(range: Range<u64>, size_bytes: u64) -> Option<Range<u64>> {
    let within = range.start..range.end.min(size_bytes);
    (!within.is_empty()).then_some(within)
}

/// Carries a body, segment by segment; `passed` is told when which bytes did.
async fn flow(course: &mut Course, line: &Line, bytes: u64, passed: impl Fn(Stretch)) {
    let mut left = bytes;
    while left > 0 {
        let segment = left.min(course.to_boundary());
        wait_until(course.enter(clock::now(), segment)).await;
        line.carry(segment, &passed).await;
        left -= segment;
    }
}
