//! The requests that a real Storj network was asked, sent to `tidegate serve`: it answers the same.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;

use crate::support::http::Answer;
use crate::support::observed::{Client, Observed, Which, rows};
use crate::support::servers::Serve;
use crate::support::xml::{leaves, unescaped};

/// Rows whose status and code are right, and more than that is not, with the reason.
const KNOWN_TO_DIFFER: &[(&str, &str)] = &[
    ("ListV2 start-after", ORDER),
    ("ListV2 max-keys 2", ORDER),
    ("ListV2 continuation", ORDER),
    ("ListV1 marker", ORDER),
    ("ListV1 marker delimiter max-keys", ORDER),
    ("ListMPU max-uploads 1", ORDER),
    ("ListMPU key-marker", ORDER),
    ("ListMPU key-marker upload-id-marker", ORDER),
    ("Complete malformed xml", SYNTAX),
    ("DeleteObjects malformed", SYNTAX),
    (
        "Key many slashes: put",
        "how long an encrypted key is depends on the key that it is encrypted with",
    ),
];
const ORDER: &str = "which keys come first depends on the key that they are encrypted with";
const SYNTAX: &str = "what the XML parser of Go calls the fault is not repeated";

/// Headers that the real network was watched for, beside `x-amz-meta-*`: one that it did not send is
/// not to be sent. Lengths are compared only where it told one: it cannot be the same for XML that
/// has a date or an id within.
const WATCHED: [&str; 23] = [
    "accept-ranges",
    "access-control-allow-origin",
    "allow",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-range",
    "content-type",
    "etag",
    "expires",
    "retry-after",
    "vary",
    "x-amz-bucket-region",
    "x-amz-checksum-crc32",
    "x-amz-checksum-sha256",
    "x-amz-delete-marker",
    "x-amz-mp-parts-count",
    "x-amz-object-lock-mode",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-tagging-count",
    "x-amz-version-id",
];

/// Elements whose text is another one each time.
const VOLATILE: [&str; 9] = [
    "ContinuationToken",
    "CreationDate",
    "Initiated",
    "LastModified",
    "NextContinuationToken",
    "NextUploadIdMarker",
    "UploadId",
    "UploadIdMarker",
    "VersionId",
];

/// Elements that are encoded in an answer with `EncodingType`.
const ENCODED: [&str; 6] = ["Delimiter", "Key", "Marker", "NextMarker", "Prefix", "StartAfter"];

/// How the answer to a row differs from the real one.
struct Compared {
    name: String,
    status_and_code: Vec<String>,
    details: Vec<String>,
}

/// All rows, sent once for all tests.
static COMPARED: LazyLock<Vec<Compared>> = LazyLock::new(|| {
    let serve = Serve::start(&["--bucket", "other"]);
    let mut client = Client::at(serve.address());
    let mut compared = Vec::new();
    for row in rows() {
        let answer = client.send(&row);
        let (Some(name), Some(observed)) = (row.name, row.answer) else { continue };
        let status_and_code = status_and_code(&observed, &answer);
        let details = details(&client, &observed, &answer);
        compared.push(Compared { name, status_and_code, details });
    }
    compared
});

#[test]
fn every_answer_has_the_status_and_code_of_the_real_network() {
    assert_eq!(COMPARED.len(), 391, "all rows");
    let differ = COMPARED.iter().filter(|row| !row.status_and_code.is_empty());
    let report = report(differ.map(|row| (row.name.as_str(), &row.status_and_code)));
    assert!(report.is_empty(), "{report}");
}

#[test]
fn every_answer_has_the_headers_and_elements_that_clients_rely_on() {
    let is_known = |row: &&Compared| KNOWN_TO_DIFFER.iter().any(|(name, _)| *name == row.name);
    // Where the status is another one, so is all else.
    let judged = COMPARED.iter().filter(|row| row.status_and_code.is_empty());
    let differ = judged.filter(|row| !row.details.is_empty() && !is_known(row));
    let mut report = report(differ.map(|row| (row.name.as_str(), &row.details)));
    for (name, reason) in KNOWN_TO_DIFFER {
        let differs = |row: &Compared| row.name == *name && !row.details.is_empty();
        if !COMPARED.iter().any(differs) {
            writeln!(report, "{name:?} is said to differ, and does not: {reason}").unwrap();
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// Each row's name, and below it what is not as it was.
fn report<'a>(rows: impl Iterator<Item = (&'a str, &'a Vec<String>)>) -> String {
    let mut report = String::new();
    let mut count = 0;
    for (name, differences) in rows {
        count += 1;
        writeln!(report, "{name}\n    {}", differences.join("\n    ")).unwrap();
    }
    if count > 0 {
        writeln!(report, "{count} rows differ").unwrap();
    }
    report
}

/// A difference, in words.
fn difference(what: &str, expected: Option<&str>, came: Option<&str>) -> Option<String> {
    let word = |it: Option<&str>| it.map_or("none".to_owned(), |it| format!("{it:?}"));
    (expected != came).then(|| format!("{what}: expected {}, came {}", word(expected), word(came)))
}

fn status_and_code(observed: &Observed, answer: &Answer) -> Vec<String> {
    let says = |status: u16, code: Option<&str>| format!("{status} {}", code.unwrap_or_default());
    let expected = says(observed.status, observed.code.as_deref());
    let came = says(answer.status, answer.element("Code").as_deref());
    difference("status", Some(expected.trim()), Some(came.trim())).into_iter().collect()
}

fn details(client: &Client, observed: &Observed, answer: &Answer) -> Vec<String> {
    let mut differences = Vec::new();
    if let Some(expected) = &observed.headers {
        differences.extend(headers(expected, answer));
    }
    if let Some(expected) = &observed.message {
        let came = answer.element("Message").map(|text| unescaped(&text));
        differences.extend(difference("message", Some(expected), came.as_deref()));
    }
    let text = String::from_utf8_lossy(&answer.body);
    if let Some(expected) = &observed.elements {
        let expected = expected.iter().map(|element| client.fill(element)).collect();
        differences.extend(elements(expected, leaves(&text), observed.which));
    }
    if observed.body.as_ref().is_some_and(|body| client.bytes(body) != answer.body) {
        differences.push(format!("body: came {:?}", text.chars().take(80).collect::<String>()));
    }
    differences
}

fn headers(expected: &BTreeMap<String, String>, answer: &Answer) -> Vec<String> {
    let is_watched = |name: &str| WATCHED.contains(&name) || name.starts_with("x-amz-meta-");
    let came = answer.header_names().filter(|name| is_watched(name));
    let mut names: Vec<&str> = expected.keys().map(String::as_str).chain(came).collect();
    names.sort_unstable();
    names.dedup();
    let compare = |name: &str| {
        let expected = expected.get(name).map(String::as_str);
        // Of several the last was noted.
        let came = answer.last_header(name);
        let came = if expected == Some("*") { came.map(|_| "*") } else { came };
        difference(name, expected, came)
    };
    names.into_iter().filter_map(compare).collect()
}

/// Those that are missing; and those that are too many, if all are expected. Their order is free.
fn elements(expected: Vec<String>, came: Vec<(String, String)>, which: Which) -> Vec<String> {
    let mut counts: BTreeMap<String, i32> = BTreeMap::new();
    for element in expected {
        *counts.entry(element).or_default() += 1;
    }
    let is_encoded = came.iter().any(|(name, text)| name == "EncodingType" && text == "url");
    for (name, text) in came {
        let text = if VOLATILE.contains(&&*name) && !text.is_empty() {
            "*".to_owned()
        } else if is_encoded && which != Which::SomeAsSent && ENCODED.contains(&&*name) {
            // As clients decode it.
            percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
        } else {
            text
        };
        *counts.entry(format!("{name}={text}")).or_default() -= 1;
    }
    let tell = |(element, count): (String, i32)| match count {
        0 => None,
        1.. => Some(format!("missing, {count} of {element:?}")),
        _ => (which == Which::All).then(|| format!("too many, {} of {element:?}", -count)),
    };
    counts.into_iter().filter_map(tell).collect()
}
