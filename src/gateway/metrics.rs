//! What the gateway tells Prometheus, from its statistics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use super::statistics::{AnswerCount, Refused, Snapshot, Statistics};
use crate::measure::DurationCounts;
use crate::metrics::{Collector, DescriptorEncoder, Families, Unit};

/// Reads the statistics whenever somebody asks.
#[derive(Debug)]
pub struct GatewayMetrics(pub Arc<Statistics>);

impl Collector for GatewayMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.0.snapshot();
        let mut families = Families::new(encoder);
        requests(&mut families, &now.answers)?;
        refused(&mut families, &now.refused)?;
        load(&mut families, &now)
    }
}

/// Sums of what has ended, by operation.
#[derive(Debug, Default)]
struct OfOperation {
    received_bytes: u64,
    sent_bytes: u64,
    /// Of those that were answered with a yes: a refusal takes no time, and says nothing of the others.
    times: DurationCounts,
}

fn requests(families: &mut Families<'_>, answers: &[AnswerCount]) -> fmt::Result {
    let mut codes = BTreeMap::<(&str, String), u64>::new();
    let mut operations = BTreeMap::<&str, OfOperation>::new();
    for answer in answers {
        *codes.entry((answer.operation, code(answer.status))).or_default() += answer.requests;
        let sums = operations.entry(answer.operation).or_default();
        sums.received_bytes += answer.bytes_in;
        sums.sent_bytes += answer.bytes_out;
        if answer.status.is_some_and(|status| (200..300).contains(&status)) {
            sums.times.merge(&answer.times);
        }
    }
    families.counters(
        ("gateway_requests", None),
        "Requests that are over, by HTTP status; `cut` if the connection ended before the answer.",
        codes.iter().map(|((operation, code), count)| {
            (vec![("operation", *operation), ("code", code.as_str())], *count)
        }),
    )?;
    let of_each =
        || operations.iter().map(|(operation, sums)| (vec![("operation", *operation)], sums));
    families.counters(
        ("gateway_received", Some(Unit::Bytes)),
        "Body bytes of requests that are over.",
        of_each().map(|(labels, sums)| (labels, sums.received_bytes)),
    )?;
    families.counters(
        ("gateway_sent", Some(Unit::Bytes)),
        "Body bytes of their answers.",
        of_each().map(|(labels, sums)| (labels, sums.sent_bytes)),
    )?;
    families.durations(
        "gateway_request_duration",
        "From the head of a request to the end of its answer, where that was a yes.",
        of_each().map(|(labels, sums)| (labels, sums.times)),
    )
}

/// Another server behind this one answers what it likes: what is no status of HTTP's is one of them all.
fn code(status: Option<u16>) -> String {
    let Some(status) = status else { return "cut".into() };
    let known = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    known.map_or_else(|| "other".into(), |_| status.to_string())
}

fn refused(families: &mut Families<'_>, refused: &Refused<u64>) -> fmt::Result {
    let Refused { transfers, calls, key_writes } = *refused;
    let limits = [("transfers", transfers), ("calls", calls), ("key_writes", key_writes)];
    families.counters(
        ("gateway_refused_requests", None),
        "Requests answered with 429, by the limit that was reached.",
        limits.map(|(limit, count)| (vec![("limit", limit)], count)),
    )
}

fn load(families: &mut Families<'_>, now: &Snapshot) -> fmt::Result {
    families.counters(
        ("gateway_connections", None),
        "Connections that were accepted.",
        [(vec![], now.connections.total)],
    )?;
    for (name, help, value) in [
        ("gateway_open_connections", "Connections now.", Some(now.connections.now)),
        ("gateway_requests_in_flight", "Requests now.", Some(now.requests.now)),
        (
            "gateway_transfers_in_flight",
            "PutObjects, UploadParts and GetObjects that were let in, now.",
            Some(now.transfers.now.into()),
        ),
        (
            "gateway_transfers_limit",
            "The most of these that are let in at a time; absent without a limit.",
            now.transfers.limit.map(u64::from),
        ),
    ] {
        families.gauges((name, None), help, value.map(|value| (vec![], value)))?;
    }
    Ok(())
}
