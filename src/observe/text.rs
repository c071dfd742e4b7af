//! An observation as lines for a terminal.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{Certainty, Client, Finding, Observation, Origin, PartOrder, Way};
use crate::escape;
use crate::units::ByteSize;

/// What was seen, in some twenty lines.
pub fn text(observation: &Observation) -> String {
    let mut lines = Lines::default();
    let Observation { seen, seconds, .. } = observation;
    let what = match observation.origin {
        Origin::Requests => "requests",
        Origin::Looks => "looks at open uploads",
    };
    lines.add("observed", format!("{seen} {what} in {seconds:.0} s"));
    for (name, way) in [("uploads", &observation.up), ("downloads", &observation.down)] {
        if let Some(way) = way {
            add_way(&mut lines, name, way);
        }
    }
    if observation.up.is_none() && observation.down.is_none() {
        lines.add("files", "none was seen moving");
    }
    if let Some(client) = &observation.client {
        add_client(&mut lines, client);
    }
    for remark in &observation.remarks {
        lines.add("note", remark);
    }
    lines.0
}

fn add_way(lines: &mut Lines, name: &str, way: &Way) {
    let Way { files, files_in_parts, .. } = way;
    let sizes = [
        way.largest_whole_bytes.map(|size| format!("up to {} in one request", ByteSize(size))),
        way.smallest_in_parts_bytes.map(|size| format!("from {} on in parts", ByteSize(size))),
    ];
    let sizes: Vec<String> = sizes.into_iter().flatten().collect();
    let sizes = if sizes.is_empty() { String::new() } else { format!("; {}", sizes.join(", ")) };
    lines.add(
        name,
        format!("{files} files, {}, {files_in_parts} of them in parts{sizes}", ByteSize(way.bytes)),
    );
    let part_size = way.part_size_bytes.as_ref().map(|found| {
        let others = others(&way.part_sizes, found.value);
        format!("{} ({}{others})", ByteSize(found.value), found.evidence)
    });
    lines.add("  part size", part_size.as_deref().unwrap_or("not seen: no file had two parts"));
    if let Some(order) = way.order {
        lines.add(
            "  order",
            match order {
                PartOrder::Ascending => "ascending",
                PartOrder::Ranges => "several ascending ranges of a file at once",
                PartOrder::Mixed => "mixed",
            },
        );
    }
    for (name, finding) in [
        ("  parts of a file", &way.parts_in_flight),
        ("  files", &way.files_in_flight),
        ("  all requests", &way.requests_in_flight),
    ] {
        if let Some(Finding { value, certainty, evidence }) = finding {
            let value = match certainty {
                Certainty::Observed => format!("{value} in flight"),
                Certainty::Inferred => format!("{value} in flight, inferred"),
                Certainty::AtLeast => format!("at least {value} in flight"),
            };
            lines.add(name, format!("{value}: {evidence}"));
        }
    }
}

/// Part sizes other than the most frequent.
fn others(sizes: &BTreeMap<u64, u64>, most: u64) -> String {
    let others = sizes.iter().filter(|(size, _)| **size != most);
    let mut others: Vec<String> =
        others.map(|(size, count)| format!("{} {count}", ByteSize(*size))).collect();
    let left = others.len().saturating_sub(3);
    others.truncate(3);
    match (others.is_empty(), left) {
        (true, _) => String::new(),
        (false, 0) => format!("; also {}", others.join(", ")),
        (false, left) => format!("; also {} and {left} more", others.join(", ")),
    }
}

fn add_client(lines: &mut Lines, client: &Client) {
    let keys =
        |counts: &BTreeMap<String, u64>| counts.keys().cloned().collect::<Vec<_>>().join("; ");
    if !client.user_agents.is_empty() {
        lines.add("program", keys(&client.user_agents));
    }
    let requests: u64 = client.calls.values().map(|calls| calls.count).sum();
    lines.add(
        "connections",
        format!(
            "{} made, {} at once, {:.1} requests on each",
            client.connections,
            client.connections_at_once,
            requests as f64 / client.connections.max(1) as f64
        ),
    );
    let calls = client.calls.iter().map(|(name, calls)| match calls.failed {
        0 => format!("{name} {}", calls.count),
        failed => format!("{name} {} ({failed} failed)", calls.count),
    });
    lines.add("calls", calls.collect::<Vec<_>>().join(", "));
    if !client.payload_signing.is_empty() {
        let checksums = match client.checksums.is_empty() {
            true => "no checksums".to_owned(),
            false => keys(&client.checksums),
        };
        lines.add("bodies", format!("signed as {}; {checksums}", keys(&client.payload_signing)));
    }
    if client.read_back > 0 {
        lines
            .add("verification", format!("{} files were read back after upload", client.read_back));
    }
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, label: &str, text: impl Display) {
        self.0 += &format!("{label:<19}{}\n", escape::line(&text.to_string()));
    }
}
