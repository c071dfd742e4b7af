//! Logged requests as a script that can be done again.
//!
//! A log says when requests were made, not why. Why is worked out so:
//!
//! - A part needs its upload's CreateMultipartUpload, a CompleteMultipartUpload its parts, and a request for an object
//!   that was uploaded before needs the end of that upload.
//! - A client that has as much in flight as it wants begins a request when another has ended. So each request also
//!   follows the one that ended last before it and that no other follows yet, unless what it needs ended later.
//!
//! The time from the end of the last of them to the request is the client's own: it reads, hashes and decides. All
//! other time is the server's. Where client and server are not on one machine, what the network takes between an answer
//! and the next request counts as the client's.
//!
//! Requests that failed are left out, and so are those that delete, abort or change a bucket, which no replay does. What
//! they took becomes the client's own time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::requests::{Object, object, range_of, sent_bytes, succeeded};
use crate::gateway::LoggedRequest;
use crate::result::Direction;
use crate::transfer::{Act, Script, Scripted, Step};

/// A log as a script, and what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// What to do again.
    pub script: Script,
    /// Requests that are left out, by S3's name of the operation.
    pub left_out: BTreeMap<String, u64>,
    /// From the beginning of the script's first request to the end of the last.
    pub time: Duration,
    /// Payload in the script's direction.
    pub bytes: u64,
}

/// What a client did, to be done again.
pub fn recording_of(requests: &[LoggedRequest]) -> Recording {
    let mut requests: Vec<&LoggedRequest> = requests.iter().collect();
    requests.sort_by_key(|request| (request.start_us, request.end_us));
    let mut writer = Writer::default();
    for request in requests {
        if writer.add(request).is_none() {
            *writer.left_out.entry(request.operation.to_string()).or_default() += 1;
        }
    }
    writer.recording()
}

/// A script while it is written.
#[derive(Default)]
struct Writer<'a> {
    script: Script,
    left_out: BTreeMap<String, u64>,
    objects: HashMap<Object<'a>, usize>,
    /// By their ids.
    uploads: HashMap<&'a str, Upload>,
    /// Uploads of each object of which no part was seen: a log does not name the upload that a Create began.
    unnamed: HashMap<usize, Vec<Upload>>,
    /// The step that ended the last upload of each object.
    complete: HashMap<usize, usize>,
    began_us: Option<u64>,
    /// Of each step.
    ends_us: Vec<u64>,
    /// Steps that no other follows, by their end.
    free: BTreeSet<(u64, usize)>,
    up_bytes: u64,
    down_bytes: u64,
}

/// An upload that is begun.
struct Upload {
    /// In the script.
    place: usize,
    create: usize,
    /// By their numbers: the last step that sent it, and its bytes.
    parts: BTreeMap<u32, (usize, u64)>,
}

impl<'a> Writer<'a> {
    /// `None` if the request is left out.
    fn add(&mut self, request: &'a LoggedRequest) -> Option<()> {
        let is_not_there = request.operation == "HeadObject" && request.status == Some(404);
        if !succeeded(request) && !is_not_there {
            return None;
        }
        match request.operation.as_ref() {
            "PutObject" => self.put(request),
            "CreateMultipartUpload" => self.create(request),
            "UploadPart" => self.part(request),
            "CompleteMultipartUpload" => self.complete(request),
            "GetObject" => self.get(request),
            "HeadObject" => {
                let object = self.object(request)?;
                self.step(request, Act::Head { object }, self.upload_of(object));
                Some(())
            }
            "ListObjectsV2" | "ListObjects" => {
                self.step(request, Act::List, Vec::new());
                Some(())
            }
            "GetBucketLocation" | "HeadBucket" => {
                self.step(request, Act::Locate, Vec::new());
                Some(())
            }
            _ => None,
        }
    }

    fn put(&mut self, request: &'a LoggedRequest) -> Option<()> {
        let (object, bytes) = (self.object(request)?, sent_bytes(request));
        let put = self.step(request, Act::Put { object, bytes }, Vec::new());
        self.up_bytes = self.up_bytes.saturating_add(bytes);
        self.is_uploaded(object, bytes, put);
        Some(())
    }

    fn create(&mut self, request: &'a LoggedRequest) -> Option<()> {
        let object = self.object(request)?;
        let place = self.script.uploads.len();
        self.script.uploads.push(object);
        let create = self.step(request, Act::Create { upload: place }, Vec::new());
        let upload = Upload { place, create, parts: BTreeMap::new() };
        self.unnamed.entry(object).or_default().push(upload);
        Some(())
    }

    fn part(&mut self, request: &'a LoggedRequest) -> Option<()> {
        let (object, id) = (self.object(request)?, request.upload_id.as_deref()?);
        let (number, bytes) = (u32::try_from(request.part_number?).ok()?, sent_bytes(request));
        if !self.uploads.contains_key(id) {
            let upload = self.begun_before(object, request.start_us)?;
            self.uploads.insert(id, upload);
        }
        let Upload { place, create, .. } = self.uploads[id];
        let act = Act::Part { upload: place, number, bytes };
        let part = self.step(request, act, vec![create]);
        self.up_bytes = self.up_bytes.saturating_add(bytes);
        self.uploads.get_mut(id)?.parts.insert(number, (part, bytes));
        Some(())
    }

    /// The last upload of the object that was begun before and has no name yet.
    fn begun_before(&mut self, object: usize, at_us: u64) -> Option<Upload> {
        let unnamed = self.unnamed.get_mut(&object)?;
        let last = unnamed.iter().rposition(|upload| self.ends_us[upload.create] <= at_us)?;
        Some(unnamed.remove(last))
    }

    fn complete(&mut self, request: &'a LoggedRequest) -> Option<()> {
        let (object, id) = (self.object(request)?, request.upload_id.as_deref()?);
        let Upload { place, parts, .. } = self.uploads.get(id)?;
        let act = Act::Complete { upload: *place };
        let needs = parts.values().map(|(step, _)| *step).collect();
        let bytes = parts.values().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
        let complete = self.step(request, act, needs);
        self.is_uploaded(object, bytes, complete);
        Some(())
    }

    fn get(&mut self, request: &'a LoggedRequest) -> Option<()> {
        let header = request.range.as_deref();
        let (start, _) = header.map_or(Some((0, None)), range_of)?;
        let end = start.checked_add(request.bytes_out)?;
        let object = self.object(request)?;
        let needs = self.upload_of(object);
        if needs.is_empty() {
            let prepared = &mut self.script.objects[object].prepared_bytes;
            *prepared = Some(prepared.unwrap_or_default().max(end));
        }
        let act = Act::Get { object, bytes: start..end, ranged: header.is_some() };
        self.step(request, act, needs);
        self.down_bytes = self.down_bytes.saturating_add(request.bytes_out);
        Some(())
    }

    fn object(&mut self, request: &'a LoggedRequest) -> Option<usize> {
        let next = self.script.objects.len();
        let place = *self.objects.entry(object(request)?).or_insert(next);
        if place == next {
            self.script.objects.push(Scripted::default());
        }
        Some(place)
    }

    fn is_uploaded(&mut self, object: usize, bytes: u64, by: usize) {
        self.script.objects[object].uploaded_bytes = Some(bytes);
        self.complete.insert(object, by);
    }

    /// The upload of an object that is over, if one is.
    fn upload_of(&self, object: usize) -> Vec<usize> {
        self.complete.get(&object).copied().into_iter().collect()
    }

    /// Adds a step that needs others; its place.
    fn step(&mut self, request: &LoggedRequest, act: Act, needs: Vec<usize>) -> usize {
        let start_us = request.start_us;
        let began_us = *self.began_us.get_or_insert(start_us);
        let mut after = needs;
        // What a client did not wait for it did not need.
        after.retain(|before| self.ends_us[*before] <= start_us);
        let needed = after.iter().map(|before| (self.ends_us[*before], *before)).max();
        let freed = self.free.range(..=(start_us, usize::MAX)).next_back().copied();
        let last = needed.max(freed);
        if let Some((_, last)) = last.filter(|last| Some(*last) != needed) {
            after.push(last);
        }
        if let Some(last) = last {
            self.free.remove(&last);
        }
        let since_us = last.map_or(began_us, |(end_us, _)| end_us);
        let pause = Duration::from_micros(start_us - since_us);
        let place = self.script.steps.len();
        self.script.steps.push(Step { act, after, pause });
        let end_us = request.end_us.max(start_us);
        self.ends_us.push(end_us);
        self.free.insert((end_us, place));
        place
    }

    fn recording(self) -> Recording {
        let ended_us = self.ends_us.iter().max().copied().unwrap_or_default();
        let bytes = match self.script.direction() {
            Direction::Up => self.up_bytes,
            Direction::Down => self.down_bytes,
        };
        Recording {
            time: Duration::from_micros(ended_us - self.began_us.unwrap_or_default()),
            bytes,
            script: self.script,
            left_out: self.left_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::requests::tests::request as in_microseconds;
    use super::*;

    /// Of the object `key`, from and to these milliseconds.
    fn request(operation: &'static str, key: &str, from_ms: u64, to_ms: u64) -> LoggedRequest {
        in_microseconds(operation, key, 1000 * from_ms, 1000 * to_ms)
    }

    fn put(key: &str, from_ms: u64, to_ms: u64) -> LoggedRequest {
        LoggedRequest { bytes_in: 7, ..request("PutObject", key, from_ms, to_ms) }
    }

    fn part(key: &str, number: i64, from_ms: u64, to_ms: u64) -> LoggedRequest {
        LoggedRequest {
            upload_id: Some(format!("of {key}")),
            part_number: Some(number),
            bytes_in: 5,
            ..request("UploadPart", key, from_ms, to_ms)
        }
    }

    fn complete(key: &str, from_ms: u64, to_ms: u64) -> LoggedRequest {
        LoggedRequest {
            upload_id: Some(format!("of {key}")),
            ..request("CompleteMultipartUpload", key, from_ms, to_ms)
        }
    }

    /// What each step waits for, and its pause in milliseconds.
    fn waits(requests: &[LoggedRequest]) -> Vec<(Vec<usize>, u128)> {
        let steps = recording_of(requests).script.steps;
        steps.into_iter().map(|step| (step.after, step.pause.as_millis())).collect()
    }

    #[test]
    fn one_after_the_other_waits_for_the_answer_and_its_own_time() {
        let found = waits(&[put("a", 5, 20), put("b", 23, 40), put("c", 40, 50)]);
        assert_eq!(found, [(vec![], 0), (vec![0], 3), (vec![1], 0)]);
    }

    #[test]
    fn two_at_a_time_stay_two_chains() {
        let found = waits(&[
            put("a", 0, 10),
            put("b", 1, 14),
            put("c", 12, 30),
            put("d", 15, 29),
            put("e", 31, 40),
        ]);
        assert_eq!(found[..2], [(vec![], 0), (vec![], 1)]);
        assert_eq!(found[2..], [(vec![0], 2), (vec![1], 1), (vec![2], 1)]);
    }

    #[test]
    fn parts_wait_for_their_upload_and_its_end_for_all_parts() {
        let found = waits(&[
            request("CreateMultipartUpload", "a", 0, 10),
            part("a", 1, 11, 30),
            part("a", 2, 12, 25),
            part("a", 3, 27, 40),
            complete("a", 41, 50),
        ]);
        let expected =
            [(vec![], 0), (vec![0], 1), (vec![0], 2), (vec![0, 2], 2), (vec![1, 2, 3], 1)];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_was_uploaded_is_read_after_it_and_what_was_not_is_prepared() {
        let get = |key, bytes_out, from_ms| LoggedRequest {
            bytes_out,
            ..request("GetObject", key, from_ms, from_ms + 5)
        };
        let ranged = LoggedRequest {
            range: Some("bytes=8-99".into()),
            status: Some(206),
            ..get("c", 12, 40)
        };
        let recording = recording_of(&[put("a", 0, 10), get("a", 7, 20), get("c", 9, 30), ranged]);
        let prepared: Vec<_> =
            recording.script.objects.iter().map(|object| object.prepared_bytes).collect();
        assert_eq!(prepared, [None, Some(20)]);
        assert_eq!(recording.script.steps[1].after, [0]);
        let last = Act::Get { object: 1, bytes: 8..20, ranged: true };
        assert_eq!(recording.script.steps[3].act, last);
        assert_eq!((recording.bytes, recording.time.as_millis()), (7, 45));
        assert_eq!(recording.script.files().len(), 1, "only what goes up");
    }

    #[test]
    fn uploads_of_one_key_are_told_apart_by_their_ids() {
        let of = |id: &str, request: LoggedRequest| LoggedRequest {
            upload_id: Some(id.into()),
            ..request
        };
        let acts: Vec<Act> = recording_of(&[
            request("CreateMultipartUpload", "a", 0, 1),
            of("x", part("a", 1, 2, 3)),
            request("CreateMultipartUpload", "a", 4, 5),
            of("y", part("a", 1, 6, 7)),
            of("x", part("a", 2, 8, 9)),
            of("z", part("a", 1, 10, 11)),
        ])
        .script
        .steps
        .into_iter()
        .map(|step| step.act)
        .collect();
        let part = |upload, number| Act::Part { upload, number, bytes: 5 };
        let create = |upload| Act::Create { upload };
        assert_eq!(acts, [create(0), part(0, 1), create(1), part(1, 1), part(0, 2)], "z has none");
    }

    #[test]
    fn what_failed_and_what_deletes_is_left_out_and_counted() {
        let refused = LoggedRequest { status: Some(429), ..put("a", 0, 10) };
        let missing = LoggedRequest { status: Some(404), ..request("HeadObject", "a", 20, 25) };
        let requests = [refused, missing, put("a", 30, 40), request("DeleteObject", "a", 50, 60)];
        let recording = recording_of(&requests);
        let left_out = [("DeleteObject".to_owned(), 1), ("PutObject".to_owned(), 1)];
        assert_eq!(recording.left_out, BTreeMap::from(left_out));
        assert_eq!(waits(&requests), [(vec![], 0), (vec![0], 5)]);
    }

    #[test]
    fn no_requests_are_a_script_of_nothing() {
        let recording = recording_of(&[]);
        assert_eq!((recording.script, recording.bytes), (Script::default(), 0));
    }
}
