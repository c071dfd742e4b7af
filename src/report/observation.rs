//! What was seen of a connector as a page.

use std::collections::BTreeMap;

use super::page::{Block, Facts, Page, Section};
use super::table::{Column, Table};
use super::{Report, json};
use crate::error::Result;
use crate::observe::{Certainty, Client, Finding, Observation, Origin, PartOrder, Way};
use crate::units::{ByteSize, counted};

/// Part sizes beside the most frequent that are named.
const OTHER_SIZES_NAMED: usize = 3;

impl Report for Observation {
    fn brief(&self) -> Vec<Block> {
        let mut lines = observed(self);
        for (name, _, way) in ways(self) {
            lines.add(name, moved(way));
            for (name, value) in manner(way).iter() {
                lines.add(format!("  {name}"), value);
            }
        }
        if let Some(client) = &self.client {
            lines.append(speaks(client));
        }
        lines.add_each("note", &self.remarks);
        vec![lines.into()]
    }

    fn page(&self) -> Page {
        let ways = ways(self).map(|(_, title, way)| {
            let mut facts = Facts::from([("moved", moved(way))]);
            facts.append(manner(way));
            Section::new(title, [facts.into()])
        });
        let client = self.client.iter();
        let client = client.map(|client| Section::new("How it speaks S3", [speaks(client).into()]));
        let notes = Section::new("Notes", [Block::List(self.remarks.clone())]);
        let sections = ways.chain(client).chain([notes]).map(Block::Section);
        let blocks = std::iter::once(observed(self).into()).chain(sections).collect();
        Page { title: "A connector, as it was observed".into(), blocks }
    }

    fn numbers(&self) -> Table {
        let found = ways(self).flat_map(|(name, _, way)| {
            [
                (name, "part_size_bytes", &way.part_size_bytes),
                (name, "parts_in_flight", &way.parts_in_flight),
                (name, "files_in_flight", &way.files_in_flight),
                (name, "requests_in_flight", &way.requests_in_flight),
            ]
        });
        let found = found.filter_map(|(way, what, found)| Some((way, what, found.as_ref()?)));
        let columns: [Column<(&str, &str, &Finding)>; 4] = [
            ("direction", |(way, ..)| (*way).to_owned()),
            ("what", |(_, what, _)| (*what).to_owned()),
            ("value", |(.., found)| found.value.to_string()),
            ("certainty", |(.., found)| known(found.certainty).to_owned()),
        ];
        Table::numbers(&columns, found)
    }

    fn json(&self) -> Result<String> {
        json(self)
    }
}

fn observed(observation: &Observation) -> Facts {
    let Observation { seen, seconds, up, down, .. } = observation;
    let what = match observation.origin {
        Origin::Requests => counted(*seen, "request"),
        Origin::Looks => format!("{} at open uploads", counted(*seen, "look")),
    };
    let nothing = if up.is_none() && down.is_none() { "none was seen moving" } else { "" };
    Facts::from([("observed", format!("{what} in {seconds:.0} s")), ("files", nothing.into())])
}

/// In each direction, with its name and the name as a heading.
fn ways(observation: &Observation) -> impl Iterator<Item = (&'static str, &'static str, &Way)> {
    let ways =
        [("uploads", "Uploads", &observation.up), ("downloads", "Downloads", &observation.down)];
    ways.into_iter().filter_map(|(name, title, way)| Some((name, title, way.as_ref()?)))
}

fn moved(way: &Way) -> String {
    let Way { files, files_in_parts, .. } = way;
    let sizes = [
        way.largest_whole_bytes.map(|size| format!("up to {} in one request", ByteSize(size))),
        way.smallest_in_parts_bytes.map(|size| format!("from {} on in parts", ByteSize(size))),
    ];
    let sizes = sizes.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let sizes = if sizes.is_empty() { sizes } else { format!("; {sizes}") };
    let files = counted(*files, "file");
    format!("{files}, {}, {files_in_parts} of them in parts{sizes}", ByteSize(way.bytes))
}

/// How files are moved, with what says so.
fn manner(way: &Way) -> Facts {
    let part_size = way.part_size_bytes.as_ref().map(|found| {
        let others = others(&way.part_sizes, found.value);
        format!("{} ({}{others})", ByteSize(found.value), found.evidence)
    });
    let part_size = part_size.unwrap_or_else(|| "not seen: no file had two parts".into());
    let order = way.order.map(|order| match order {
        PartOrder::Ascending => "ascending",
        PartOrder::Ranges => "several ascending ranges of a file at once",
        PartOrder::Mixed => "mixed",
    });
    Facts::from([
        ("part size", part_size),
        ("order", order.unwrap_or_default().into()),
        ("parts of a file", in_flight(way.parts_in_flight.as_ref())),
        ("files", in_flight(way.files_in_flight.as_ref())),
        ("all requests", in_flight(way.requests_in_flight.as_ref())),
    ])
}

fn in_flight(found: Option<&Finding>) -> String {
    let Some(Finding { value, certainty, evidence }) = found else { return String::new() };
    match certainty {
        Certainty::Observed => format!("{value} in flight: {evidence}"),
        Certainty::Inferred => format!("{value} in flight, inferred: {evidence}"),
        Certainty::AtLeast => format!("at least {value} in flight: {evidence}"),
    }
}

/// In the words of the document.
fn known(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Observed => "observed",
        Certainty::Inferred => "inferred",
        Certainty::AtLeast => "at_least",
    }
}

/// Part sizes other than the most frequent.
fn others(sizes: &BTreeMap<u64, u64>, most: u64) -> String {
    let others = sizes.iter().filter(|(size, _)| **size != most);
    let mut others: Vec<String> =
        others.map(|(size, count)| format!("{} {count}", ByteSize(*size))).collect();
    let left = others.len().saturating_sub(OTHER_SIZES_NAMED);
    others.truncate(OTHER_SIZES_NAMED);
    match (others.is_empty(), left) {
        (true, _) => String::new(),
        (false, 0) => format!("; also {}", others.join(", ")),
        (false, left) => format!("; also {} and {left} more", others.join(", ")),
    }
}

/// What it says of itself, and how it uses connections and requests.
fn speaks(client: &Client) -> Facts {
    let keys =
        |counts: &BTreeMap<String, u64>| counts.keys().cloned().collect::<Vec<_>>().join("; ");
    let requests: u64 = client.calls.values().map(|calls| calls.count).sum();
    let calls = client.calls.iter().map(|(name, calls)| match calls.failed {
        0 => format!("{name} {}", calls.count),
        failed => format!("{name} {} ({failed} failed)", calls.count),
    });
    let mut facts = Facts::from([
        ("program", keys(&client.user_agents)),
        (
            "connections",
            format!(
                "{} made, {} at once, {:.1} requests on each",
                client.connections,
                client.connections_at_once,
                requests as f64 / client.connections.max(1) as f64
            ),
        ),
        ("calls", calls.collect::<Vec<_>>().join(", ")),
    ]);
    if !client.payload_signing.is_empty() {
        let checksums = if client.checksums.is_empty() {
            "no checksums".to_owned()
        } else {
            keys(&client.checksums)
        };
        facts.add("bodies", format!("signed as {}; {checksums}", keys(&client.payload_signing)));
    }
    if client.read_back > 0 {
        let (files, were) =
            (counted(client.read_back, "file"), if client.read_back == 1 { "was" } else { "were" });
        facts.add("verification", format!("{files} {were} read back after upload"));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::super::{Format, render};
    use super::*;
    use crate::observe::of_requests;

    /// Three files of two parts, two at a time.
    fn observation() -> Observation {
        let part = |file: u64, part: u64| {
            let start = 1000 * (file / 2) + 400 * part;
            format!(
                r#"{{"connection":{file},"request":{part},"operation":"UploadPart","bucket":"b","key":"{file}","upload_id":"{file}","part_number":{part},"bytes_in":5242880,"bytes_out":0,"start_us":{start},"end_us":{},"status":200}}"#,
                start + 300
            )
        };
        let lines = (0..4).flat_map(|file| (1..=3).map(move |number| part(file, number)));
        let read = lines.map(|line| serde_json::from_str(&line).expect("a logged request"));
        of_requests(&read.collect::<Vec<_>>())
    }

    #[test]
    fn every_format_says_the_part_size_that_was_seen() {
        let observation = observation();
        for (format, said) in [
            (Format::Text, "  part size        5 MiB ("),
            (Format::Md, "## Uploads\n\n- moved: 4 files, "),
            (Format::Html, "<dt>part size</dt>\n<dd>5 MiB ("),
            (Format::Csv, "uploads,part_size_bytes,5242880,observed\n"),
            (Format::Json, "\"value\": 5242880,"),
        ] {
            let written = render(&observation, format).expect("nothing is drawn");
            assert!(written.contains(said), "{written}");
        }
    }
}
