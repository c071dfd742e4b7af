//! Text and requests of strangers.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::executor::block_on;
use futures::stream;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::{halves, text};
use crate::gateway::{Asked, Domain, LoggedRequest, Manner, chunked};
use crate::observe::{Connector, of_requests};
use crate::report::{self, Format};
use crate::result::{Document, Saved, Settings, bins_name};
use crate::session::{Marker, TargetUrl};
use crate::storj::Limits;
use crate::units::{ByteSize, Rate};

/// A model and limits in TOML: what is read can be worked with.
pub fn scenario(input: &[u8]) {
    let text = text(input);
    let limits = toml::from_str::<Limits>(&text);
    if let Ok((model, beside)) = crate::scenario::parse(&text) {
        assert!(model.segment_size.0 > 0);
        let _ = model.handshakes();
        let scenario = crate::scenario::Scenario {
            name: String::new(),
            model,
            limits: beside.or(limits.ok()),
            assumptions: Vec::new(),
            variations: Vec::new(),
        };
        let settings = Settings { part_size_bytes: 64 << 20, concurrency: 64, parts_in_flight: 4 };
        for direction in [crate::result::Direction::Up, crate::result::Direction::Down] {
            let _ = scenario.limits_met(settings, direction);
        }
    }
}

/// A result document: what is read can be reported, and written and read again.
pub fn result(input: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Document>(input) else { return };
    let written = serde_json::to_vec(&document).expect("what was read can be written");
    // Not compared: serde_json may read the last digit of a float differently.
    assert!(serde_json::from_slice::<Document>(&written).is_ok(), "and read again");
    let runs = [Saved { document, directory: PathBuf::from("/nowhere") }];
    for format in [Format::Text, Format::Md, Format::Csv] {
        let _ = report::render(&runs[..], format);
    }
}

/// A result document and, after an empty line, the bytes over time of its trials: what is read can be
/// shown as a page with charts.
pub fn page(input: &[u8]) {
    let (document, bins) = halves(input, b"\n\n");
    let Ok(document) = serde_json::from_slice::<Document>(document) else { return };
    let directory = tempfile::tempdir().expect("there is room for a few files");
    for trial in document.trials.iter().take(10) {
        let file = directory.path().join(bins_name(trial.id));
        std::fs::write(file, bins.trim_ascii_start()).expect("it can be written");
    }
    let run = Saved { document, directory: directory.path().to_owned() };
    // Files that cannot be read are said to be so.
    let _ = report::render(&[run][..], Format::Html);
}

/// The marker of a run.
pub fn marker(input: &[u8]) {
    let text = text(input);
    let named: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let run = named.as_ref().and_then(|named| named["run"].as_str()).unwrap_or_default();
    if let Some(marker) = Marker::read(&text, run) {
        let _ = marker.silent_for(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let _ = marker.lived();
    }
}

/// Lines of a request log: what is read can be summed up, and the connector's file is read again.
pub fn request_log(input: &[u8]) {
    let text = text(input);
    let requests = text.lines().filter_map(|line| serde_json::from_str::<LoggedRequest>(line).ok());
    let observation = of_requests(&requests.collect::<Vec<_>>());
    for format in [Format::Text, Format::Md, Format::Csv, Format::Html] {
        let _ = report::render(&observation, format);
    }
    let written = Connector::text(&observation);
    assert!(Connector::read(&written).is_ok(), "{written}");
}

/// A connector's file.
pub fn connector(input: &[u8]) {
    let _ = Connector::read(&text(input));
}

/// Names, keys, sizes and URLs: one a line.
pub fn names(input: &[u8]) {
    let root = Path::new("/data");
    for line in text(input).lines() {
        if crate::transfer::check_name(line).is_ok() {
            let path = root.join(line);
            let within = path.strip_prefix(root).expect("a name leads nowhere else");
            assert_eq!(within.to_str(), Some(line), "a name stays as it is");
            assert!(!line.split('/').any(|part| matches!(part, "" | "." | "..")), "{line}");
        }
        if let Ok(size) = line.parse::<ByteSize>() {
            let _ = size.to_string();
        }
        if let Ok(rate) = line.parse::<Rate>() {
            assert!(rate.0.is_finite() && rate.0 >= 0.0, "{line} is {rate:?}");
        }
        let _ = line.parse::<TargetUrl>();
        let _ = line.parse::<Domain>();
        let _ = line.parse::<crate::transfer::Arrivals>();
        let _ = line.parse::<crate::transfer::Mix>();
    }
}

/// A request to the gateway: a line of method and target, headers, an empty line, a body in chunks.
pub fn gateway_request(input: &[u8]) {
    let (head, body) = halves(input, b"\r\n\r\n");
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = text(lines.next().unwrap_or_default());
    let mut words = first.trim_end().splitn(3, ' ');
    let mut request = Request::builder()
        .method(words.next().unwrap_or_default())
        .uri(words.next().unwrap_or_default());
    for line in lines {
        let mut pair = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (pair.next().unwrap_or_default(), pair.next().unwrap_or_default());
        request = request.header(name, value.trim_ascii());
    }
    if let Ok(request) = request.body(()) {
        let domain: Domain = "gateway.test".parse().expect("it is one");
        let _ = Asked::of(&request, &domain).part();
        let _ = Manner::of(request.headers());
        if let Some(range) = request.headers().get(http::header::RANGE) {
            let _ = range.to_str().map(s3s::dto::Range::parse);
        }
    }
    for frame_bytes in [1, 7, 4096] {
        let frames = body.chunks(frame_bytes).map(Bytes::copy_from_slice).map(Frame::data);
        let frames: Vec<_> = frames.map(Ok::<_, std::io::Error>).collect();
        let received = s3s::Body::http_body(StreamBody::new(stream::iter(frames)));
        if let Ok(content) = block_on(chunked::decoded(received, None).collect()) {
            assert!(content.to_bytes().len() <= body.len(), "nothing is made up");
        }
    }
}
