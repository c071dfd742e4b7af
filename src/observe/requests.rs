//! An observation from logged requests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::in_flight::{InFlight, Span};
use super::{Calls, Client, Observation, Origin, PartOrder, SCHEMA, Way};
use crate::gateway::LoggedRequest;

/// What a client did, from its requests.
pub fn of_requests(requests: &[LoggedRequest]) -> Observation {
    let uploads = uploads(requests);
    let downloads = downloads(requests);
    let read_back = read_back(&uploads, &downloads);
    let client = Client { read_back, ..client(requests) };
    let all = requests.iter().map(span).reduce(Span::with);
    Observation {
        schema: SCHEMA,
        origin: Origin::Requests,
        seen: requests.len() as u64,
        seconds: all.map_or(0.0, |all| (all.end_us - all.start_us) as f64 / 1e6),
        up: way(&uploads, "parts"),
        down: way(&downloads, "ranges"),
        remarks: remarks(&client),
        client: Some(client),
    }
}

/// A file on its way, in requests that succeeded.
struct File<'a> {
    object: Object<'a>,
    span: Span,
    pieces: Vec<Piece>,
    in_parts: bool,
}

/// Bucket and key.
pub(super) type Object<'a> = (&'a str, &'a str);

/// A part, a range, or a whole file in one request.
#[derive(Clone, Copy)]
struct Piece {
    /// Part number, or first byte.
    place: u64,
    /// What the client sent or asked for; `None` if it asked for all the rest.
    wanted_bytes: Option<u64>,
    moved_bytes: u64,
    span: Span,
}

fn span(request: &LoggedRequest) -> Span {
    Span { start_us: request.start_us, end_us: request.end_us.max(request.start_us) }
}

pub(super) fn succeeded(request: &LoggedRequest) -> bool {
    request.status.is_some_and(|status| status < 300)
}

pub(super) fn object(request: &LoggedRequest) -> Option<Object<'_>> {
    Some((request.bucket.as_deref()?, request.key.as_deref()?))
}

fn of_operation<'a>(
    requests: &'a [LoggedRequest],
    operation: &'static str,
) -> impl Iterator<Item = (Object<'a>, &'a LoggedRequest)> {
    let these = requests.iter().filter(move |request| request.operation == operation);
    these
        .filter(|request| succeeded(request))
        .filter_map(|request| Some((object(request)?, request)))
}

fn uploads(requests: &[LoggedRequest]) -> Vec<File<'_>> {
    let mut files: Vec<File<'_>> = of_operation(requests, "PutObject")
        .map(|(object, request)| {
            let pieces = vec![sent(request, 1)];
            File { object, span: span(request), pieces, in_parts: false }
        })
        .collect();
    let mut parts: BTreeMap<(Object<'_>, &str), Vec<Piece>> = BTreeMap::new();
    for (object, request) in of_operation(requests, "UploadPart") {
        let number = request.part_number.and_then(|number| u64::try_from(number).ok());
        if let (Some(id), Some(number)) = (request.upload_id.as_deref(), number) {
            parts.entry((object, id)).or_default().push(sent(request, number));
        }
    }
    let creates: Vec<_> = of_operation(requests, "CreateMultipartUpload").collect();
    let completes: Vec<_> = of_operation(requests, "CompleteMultipartUpload").collect();
    files.extend(parts.into_iter().filter_map(|((object, id), pieces)| {
        let sending = pieces.iter().map(|piece| piece.span).reduce(Span::with)?;
        // The answer names the id, not the request: it is the key's last one before its first part.
        let create = creates
            .iter()
            .filter(|(key, create)| *key == object && create.start_us <= sending.start_us)
            .max_by_key(|(_, create)| create.start_us);
        let complete =
            completes.iter().find(|(_, complete)| complete.upload_id.as_deref() == Some(id));
        let ends = create.into_iter().chain(complete).map(|(_, request)| span(request));
        Some(File { object, span: ends.fold(sending, Span::with), pieces, in_parts: true })
    }));
    files
}

/// Bytes of content.
pub(super) fn sent_bytes(request: &LoggedRequest) -> u64 {
    request.content_bytes.unwrap_or(request.bytes_in)
}

fn sent(request: &LoggedRequest, place: u64) -> Piece {
    let bytes = sent_bytes(request);
    Piece { place, wanted_bytes: Some(bytes), moved_bytes: bytes, span: span(request) }
}

fn downloads(requests: &[LoggedRequest]) -> Vec<File<'_>> {
    let mut pieces: BTreeMap<Object<'_>, Vec<Piece>> = BTreeMap::new();
    for (object, request) in of_operation(requests, "GetObject") {
        let range = request.range.as_deref().map_or(Some((0, None)), range_of);
        let Some((place, wanted_bytes)) = range else { continue };
        let moved_bytes = request.bytes_out;
        let span = span(request);
        pieces.entry(object).or_default().push(Piece { place, wanted_bytes, moved_bytes, span });
    }
    let file = |object, pieces: Vec<Piece>| {
        let span = pieces.iter().map(|piece| piece.span).reduce(Span::with)?;
        let in_parts = pieces.len() > 1 || pieces.iter().any(Piece::asked_beyond_the_end);
        Some(File { object, span, pieces, in_parts })
    };
    let passes = pieces.into_iter().flat_map(|(object, pieces)| {
        passes(pieces).into_iter().filter_map(move |pass| file(object, pass))
    });
    passes.collect()
}

/// A file may be fetched several times: a new pass begins with a place that was fetched before, when
/// nothing of the file is in flight.
fn passes(mut pieces: Vec<Piece>) -> Vec<Vec<Piece>> {
    pieces.sort_unstable_by_key(|piece| piece.span);
    let mut passes: Vec<Vec<Piece>> = Vec::new();
    for piece in pieces {
        let again = passes.last().is_none_or(|pass| {
            let in_flight = |other: &Piece| other.span.end_us > piece.span.start_us;
            pass.iter().any(|other| other.place == piece.place) && !pass.iter().any(in_flight)
        });
        if again {
            passes.push(Vec::new());
        }
        passes.last_mut().expect("there is one").push(piece);
    }
    passes
}

/// First byte and length of a range, as `bytes=0-4194303` and `bytes=4194304-` say it.
pub(super) fn range_of(header: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    if last.is_empty() {
        return Some((first, None));
    }
    let range: RangeInclusive<u64> = first..=last.parse().ok()?;
    (!range.is_empty()).then(|| (first, Some((range.end() - first).saturating_add(1))))
}

/// A log may claim any number.
fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

impl Piece {
    /// A client that does not know where a file ends asks for full ranges only.
    fn asked_beyond_the_end(&self) -> bool {
        self.wanted_bytes.is_some_and(|wanted| wanted > self.moved_bytes)
    }
}

impl File<'_> {
    /// A part that was sent twice counts once.
    fn bytes(&self) -> u64 {
        let places: BTreeMap<u64, u64> =
            self.pieces.iter().map(|piece| (piece.place, piece.moved_bytes)).collect();
        sum(places.into_values())
    }

    fn spans(&self) -> Vec<Span> {
        self.pieces.iter().map(|piece| piece.span).collect()
    }

    /// The sizes of all pieces but the last, which is as large as what is left.
    fn full_sizes(&self) -> impl Iterator<Item = u64> {
        let last = self.pieces.iter().map(|piece| piece.place).max();
        let full = self
            .pieces
            .iter()
            .filter(move |piece| Some(piece.place) != last || piece.asked_beyond_the_end());
        full.filter_map(|piece| piece.wanted_bytes)
    }

    /// Whether pieces begin in ascending order, but for those that overtake within `in_flight`.
    fn is_ascending(&self, in_flight: u64) -> bool {
        let mut begun = self.pieces.clone();
        begun.sort_unstable_by_key(|piece| piece.span);
        let places: BTreeSet<u64> = begun.iter().map(|piece| piece.place).collect();
        let rank: BTreeMap<u64, u64> = places.into_iter().zip(0..).collect();
        let mut highest = 0;
        begun.iter().all(|piece| {
            let rank = rank[&piece.place];
            highest = rank.max(highest);
            highest - rank < in_flight.max(1)
        })
    }
}

fn way(files: &[File<'_>], pieces: &str) -> Option<Way> {
    if files.is_empty() {
        return None;
    }
    let in_parts: Vec<&File<'_>> = files.iter().filter(|file| file.in_parts).collect();
    let whole = files.iter().filter(|file| !file.in_parts);
    let mut way = Way {
        files: files.len() as u64,
        files_in_parts: in_parts.len() as u64,
        bytes: sum(files.iter().map(File::bytes)),
        largest_whole_bytes: whole.map(File::bytes).max(),
        smallest_in_parts_bytes: in_parts.iter().map(|file| file.bytes()).min(),
        ..Way::default()
    };
    let mut sizes = BTreeMap::new();
    for size in in_parts.iter().flat_map(|file| file.full_sizes()) {
        *sizes.entry(size).or_default() += 1;
    }
    way.set_part_size(sizes);

    let parts: Vec<Vec<Span>> = in_parts.iter().map(|file| file.spans()).collect();
    let parts = InFlight::of(parts.iter().map(Vec::as_slice));
    way.parts_in_flight = parts.map(|found| found.finding(&format!("{pieces} of a file")));
    way.order = parts.map(|found| {
        let ascending = in_parts.iter().filter(|file| file.is_ascending(found.max)).count();
        if 2 * ascending > in_parts.len() { PartOrder::Ascending } else { PartOrder::Mixed }
    });
    way.files_in_flight = finding(files.iter().map(|file| file.span).collect(), "files");
    let requests = files.iter().flat_map(File::spans).collect();
    way.requests_in_flight = finding(requests, "requests");
    Some(way)
}

fn finding(spans: Vec<Span>, things: &str) -> Option<super::Finding> {
    InFlight::of([spans.as_slice()].into_iter()).map(|found| found.finding(things))
}

/// Files whose whole content was fetched after their upload.
fn read_back(uploads: &[File<'_>], downloads: &[File<'_>]) -> u64 {
    let fetched_after = |up: &&File<'_>| {
        downloads.iter().any(|down| {
            down.object == up.object
                && down.span.start_us >= up.span.end_us
                && down.bytes() >= up.bytes()
        })
    };
    uploads.iter().filter(fetched_after).count() as u64
}

fn client(requests: &[LoggedRequest]) -> Client {
    let mut client = Client::default();
    let mut connections: BTreeMap<u64, Span> = BTreeMap::new();
    for request in requests {
        let span = span(request);
        connections
            .entry(request.connection)
            .and_modify(|all| *all = all.with(span))
            .or_insert(span);
        let calls: &mut Calls = client.calls.entry(request.operation.to_string()).or_default();
        calls.count += 1;
        if !succeeded(request) {
            calls.failed += 1;
            let error = request.error.clone().unwrap_or_else(|| "no answer".into());
            *client.errors.entry(error).or_default() += 1;
        }
        let uploads = matches!(&*request.operation, "PutObject" | "UploadPart");
        if uploads || request.operation == "GetObject" {
            *client.user_agents.entry(program(request)).or_default() += 1;
        }
        if uploads {
            let signing = request.payload_signing.clone().unwrap_or_else(|| "none".into());
            *client.payload_signing.entry(signing).or_default() += 1;
            for checksum in &request.checksums {
                *client.checksums.entry(checksum.clone()).or_default() += 1;
            }
        }
    }
    client.connections = connections.len() as u64;
    let used: Vec<Span> = connections.into_values().collect();
    let at_once = InFlight::of([used.as_slice()].into_iter());
    client.connections_at_once = at_once.map_or(0, |found| found.max);
    client
}

/// The first product of a user agent is the most significant one (RFC 9110, 10.1.5); what follows
/// changes from run to run with some programs.
fn program(request: &LoggedRequest) -> String {
    let agent = request.user_agent.as_deref().unwrap_or_default();
    agent.split_whitespace().next().unwrap_or("not named").to_owned()
}

fn remarks(client: &Client) -> Vec<String> {
    let mut remarks = Vec::new();
    if client.user_agents.len() > 1 {
        remarks.push(format!(
            "{} programs moved files; the values are those of all of them together",
            client.user_agents.len()
        ));
    }
    if !client.errors.is_empty() {
        let errors: Vec<String> =
            client.errors.iter().map(|(error, count)| format!("{error} {count}")).collect();
        remarks.push(format!("failed requests, which no value counts: {}", errors.join(", ")));
    }
    if client.payload_signing.keys().any(|signing| signing.ends_with("-TRAILER")) {
        remarks.push("it sends checksums in trailers, which Storj refuses".into());
    }
    remarks
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::observe::{Certainty, Finding};
    use crate::units::MIB;
    use proptest::prelude::*;

    pub fn request(
        operation: &'static str,
        key: &str,
        start_us: u64,
        end_us: u64,
    ) -> LoggedRequest {
        LoggedRequest {
            connection: 1,
            request: 1,
            operation: operation.into(),
            bucket: Some("bucket".into()),
            key: Some(key.into()),
            upload_id: None,
            part_number: None,
            range: None,
            bytes_in: 0,
            content_bytes: None,
            bytes_out: 0,
            start_us,
            end_us,
            status: Some(200),
            error: None,
            user_agent: Some("program/1".into()),
            payload_signing: Some("UNSIGNED-PAYLOAD".into()),
            checksums: vec![],
        }
    }

    fn part(key: &str, number: i64, bytes: u64, start_us: u64, end_us: u64) -> LoggedRequest {
        LoggedRequest {
            upload_id: Some(format!("upload of {key}")),
            part_number: Some(number),
            bytes_in: bytes,
            ..request("UploadPart", key, start_us, end_us)
        }
    }

    fn get(
        key: &str,
        range: Option<&str>,
        bytes: u64,
        start_us: u64,
        end_us: u64,
    ) -> LoggedRequest {
        LoggedRequest {
            range: range.map(str::to_owned),
            bytes_out: bytes,
            ..request("GetObject", key, start_us, end_us)
        }
    }

    /// A client with its settings and the time of each part.
    #[derive(Clone, Debug)]
    struct Schedule {
        files: u64,
        files_in_flight: u64,
        parts_in_flight: u64,
        parts: u64,
        part_bytes: u64,
        part_us: Vec<u64>,
    }

    impl Schedule {
        /// The pieces of one file: number from 0, begin and end.
        fn pieces(&self, file: u64, begin_us: u64) -> Vec<(u64, u64, u64)> {
            let mut free_at = vec![begin_us; self.parts_in_flight as usize];
            let piece = |number: u64| {
                let lane = (0..free_at.len()).min_by_key(|lane| free_at[*lane]).unwrap();
                let start_us = free_at[lane] + 5 + lane as u64;
                let takes =
                    self.part_us[((file * 31 + number) % self.part_us.len() as u64) as usize];
                free_at[lane] = start_us + takes;
                (number, start_us, free_at[lane])
            };
            (0..self.parts).map(piece).collect()
        }

        /// All files, each begun when one before it is done; `log` makes requests of a file's pieces.
        fn run(
            &self,
            log: impl Fn(&str, &[(u64, u64, u64)]) -> Vec<LoggedRequest>,
        ) -> Vec<LoggedRequest> {
            let mut free_at = vec![0; self.files_in_flight as usize];
            let mut requests = Vec::new();
            for file in 0..self.files {
                let slot = (0..free_at.len()).min_by_key(|slot| free_at[*slot]).unwrap();
                let pieces = self.pieces(file, free_at[slot] + 100);
                free_at[slot] = pieces.iter().map(|piece| piece.2).max().unwrap() + 200;
                requests.extend(log(&format!("file {file}"), &pieces));
            }
            // As a log has them.
            requests.sort_by_key(|request| request.end_us);
            requests
        }

        fn uploads(&self) -> Vec<LoggedRequest> {
            self.run(|key, pieces| {
                let (first, last) =
                    (pieces[0].1, pieces.iter().map(|piece| piece.2).max().unwrap());
                let parts = pieces.iter().map(|&(number, start_us, end_us)| {
                    let bytes = if number + 1 == self.parts { 7 } else { self.part_bytes };
                    part(key, number as i64 + 1, bytes, start_us, end_us)
                });
                let create = request("CreateMultipartUpload", key, first - 4, first - 1);
                let complete = LoggedRequest {
                    upload_id: Some(format!("upload of {key}")),
                    ..request("CompleteMultipartUpload", key, last + 1, last + 50)
                };
                parts.chain([create, complete]).collect()
            })
        }

        fn downloads(&self) -> Vec<LoggedRequest> {
            self.run(|key, pieces| {
                let ranges = pieces.iter().map(|&(number, start_us, end_us)| {
                    let first = number * self.part_bytes;
                    let range = format!("bytes={first}-{}", first + self.part_bytes - 1);
                    let bytes = if number + 1 == self.parts { 7 } else { self.part_bytes };
                    get(key, Some(&range), bytes, start_us, end_us)
                });
                ranges.collect()
            })
        }
    }

    fn schedules() -> impl Strategy<Value = Schedule> {
        let sizes = (1_u64..9, 1_u64..9, 2_u64..6, 5_u64..200);
        (sizes, prop::collection::vec(10_000_u64..30_000, 53)).prop_map(|(sizes, part_us)| {
            let (files_in_flight, parts_in_flight, rounds, part_mib) = sizes;
            Schedule {
                files: files_in_flight * (rounds + 1),
                files_in_flight,
                parts_in_flight,
                parts: parts_in_flight * (rounds + 1),
                part_bytes: part_mib * MIB,
                part_us,
            }
        })
    }

    fn observed(finding: &Option<Finding>) -> Option<u64> {
        finding.as_ref().filter(|f| f.certainty == Certainty::Observed).map(|f| f.value)
    }

    proptest! {
        #[test]
        fn the_settings_of_a_client_are_recovered(schedule in schedules()) {
            let seen = of_requests(&schedule.uploads());
            let up = seen.up.unwrap();
            prop_assert_eq!(seen.down, None);
            let down = of_requests(&schedule.downloads()).down.unwrap();
            for way in [up, down] {
                prop_assert_eq!(way.files, schedule.files);
                prop_assert_eq!(way.files_in_parts, schedule.files);
                prop_assert_eq!(observed(&way.part_size_bytes), Some(schedule.part_bytes));
                prop_assert_eq!(way.part_sizes.len(), 1);
                prop_assert_eq!(observed(&way.parts_in_flight), Some(schedule.parts_in_flight));
                prop_assert_eq!(observed(&way.files_in_flight), Some(schedule.files_in_flight));
                prop_assert_eq!(way.order, Some(PartOrder::Ascending));
            }
        }
    }

    #[test]
    fn parts_in_chunks_have_the_size_of_what_they_hold() {
        let chunked = |number| LoggedRequest {
            content_bytes: Some(5 * MIB),
            ..part("k", number, 5 * MIB + 2000, number as u64 * 10, number as u64 * 10 + 9)
        };
        let up = of_requests(&[chunked(1), chunked(2), chunked(3)]).up.unwrap();
        assert_eq!(observed(&up.part_size_bytes), Some(5 * MIB));
        assert_eq!(up.bytes, 15 * MIB);
    }

    #[test]
    fn failed_attempts_are_counted_and_give_no_values() {
        let refused = LoggedRequest {
            status: Some(429),
            error: Some("SlowDown".into()),
            ..part("k", 1, 3, 0, 9)
        };
        let cut = LoggedRequest { status: None, ..part("k", 2, 3, 0, 90) };
        let seen = of_requests(&[refused, cut, part("k", 1, 8, 20, 30), part("k", 2, 8, 30, 40)]);
        let up = seen.up.unwrap();
        assert_eq!((up.bytes, up.part_sizes), (16, BTreeMap::from([(8, 1)])));
        let client = seen.client.unwrap();
        assert_eq!(client.calls["UploadPart"], Calls { count: 4, failed: 2 });
        let errors = BTreeMap::from([("SlowDown".to_owned(), 1), ("no answer".to_owned(), 1)]);
        assert_eq!(client.errors, errors);
    }

    #[test]
    fn a_verification_is_a_second_way_down_and_not_more_in_flight() {
        let seen = of_requests(&[
            request("PutObject", "k", 0, 10),
            get("k", None, 5, 20, 30),
            get("k", None, 5, 40, 50),
            get("l", None, 5, 60, 70),
        ]);
        assert_eq!(seen.client.unwrap().read_back, 1);
        let down = seen.down.unwrap();
        assert_eq!((down.files, down.files_in_parts, down.part_size_bytes), (3, 0, None));
        assert_eq!(down.files_in_flight.unwrap().value, 1);
    }

    #[test]
    fn a_small_file_tells_the_range_that_a_client_asks_for() {
        let down = of_requests(&[get("k", Some("bytes=0-52428799"), 5, 0, 10)]).down.unwrap();
        assert_eq!(observed(&down.part_size_bytes), Some(50 * MIB));
    }

    #[test]
    fn ranges_are_read_as_http_writes_them() {
        assert_eq!(range_of("bytes=0-99"), Some((0, Some(100))));
        assert_eq!(range_of("bytes=100-"), Some((100, None)));
        for other in ["bytes=-5", "bytes=9-1", "bytes=a-b", "pages=1-2"] {
            assert_eq!(range_of(other), None, "{other}");
        }
    }

    #[test]
    fn parts_of_a_file_that_begin_anywhere_are_called_mixed() {
        let parts: Vec<LoggedRequest> = [9, 1, 5, 8, 2, 7]
            .into_iter()
            .zip(0..)
            .map(|(number, at)| part("k", number, 5, at * 10, at * 10 + 9))
            .collect();
        assert_eq!(of_requests(&parts).up.unwrap().order, Some(PartOrder::Mixed));
    }

    #[test]
    fn no_requests_are_an_observation_of_nothing() {
        let seen = of_requests(&[]);
        assert_eq!((seen.up, seen.down, seen.seen), (None, None, 0));
    }
}
