//! The trials of runs as comma-separated values, a row each, with units in the names of the columns.

use crate::csv;
use crate::result::{Document, Trial};

use super::wording;

const COLUMNS: [&str; 36] = [
    "run",
    "trial",
    "phase",
    "block",
    "direction",
    "part_size_bytes",
    "concurrency",
    "parts_in_flight",
    "streams",
    "window_start_s",
    "window_end_s",
    "steady",
    "goodput_bytes_per_second",
    "goodput_low_95_bytes_per_second",
    "goodput_high_95_bytes_per_second",
    "wire_bytes_per_second",
    "bytes",
    "objects",
    "operation",
    "requests",
    "retries",
    "service_time_p50_us",
    "service_time_p90_us",
    "service_time_p99_us",
    "service_time_p999_us",
    "service_time_max_us",
    "ttfb_p50_us",
    "throttled",
    "timeout",
    "connection",
    "checksum",
    "server",
    "client",
    "cut",
    "client_cpu_seconds",
    "limited_by",
];

/// All trials of all documents, in order.
pub fn csv<'a>(documents: impl IntoIterator<Item = &'a Document>) -> String {
    let mut text = csv::row(COLUMNS);
    for document in documents {
        for trial in &document.trials {
            text += &csv::row(row(document, trial));
        }
    }
    text
}

fn row(document: &Document, trial: &Trial) -> [String; COLUMNS.len()] {
    let or_empty = |value: Option<String>| value.unwrap_or_default();
    let end_of_interval =
        |end: usize| or_empty(trial.goodput_interval_95.map(|ends| ends[end].to_string()));
    let moving = wording::data_operation(trial);
    let of_moving = |value: fn(&crate::result::OperationSummary) -> u64| {
        or_empty(moving.map(|(_, operation)| value(operation).to_string()))
    };
    let settings = trial.settings;
    [
        document.id.clone(),
        trial.id.to_string(),
        wording::phase(trial.phase).into(),
        or_empty(trial.block.map(|block| block.to_string())),
        wording::direction(trial.direction).into(),
        settings.part_size_bytes.to_string(),
        settings.concurrency.to_string(),
        settings.parts_in_flight.to_string(),
        settings.streams().to_string(),
        trial.window.start_s.to_string(),
        trial.window.end_s.to_string(),
        or_empty(trial.window.steady.map(|steady| steady.to_string())),
        trial.goodput_bytes_per_second.to_string(),
        end_of_interval(0),
        end_of_interval(1),
        trial.wire_bytes_per_second.to_string(),
        trial.bytes.to_string(),
        trial.objects.to_string(),
        or_empty(moving.map(|(name, _)| name.to_owned())),
        of_moving(|operation| operation.count),
        of_moving(|operation| operation.retries),
        of_moving(|operation| operation.service_time_us.p50),
        of_moving(|operation| operation.service_time_us.p90),
        of_moving(|operation| operation.service_time_us.p99),
        of_moving(|operation| operation.service_time_us.p999),
        of_moving(|operation| operation.service_time_us.max),
        of_moving(|operation| operation.ttfb_us.p50),
        trial.errors.throttled.to_string(),
        trial.errors.timeout.to_string(),
        trial.errors.connection.to_string(),
        trial.errors.checksum.to_string(),
        trial.errors.server.to_string(),
        trial.errors.client.to_string(),
        trial.cut.to_string(),
        or_empty(trial.client.cpu_seconds.map(|cpu| cpu.to_string())),
        limited_by(trial),
    ]
}

/// In the words of the document.
fn limited_by(trial: &Trial) -> String {
    let value = serde_json::to_value(trial.limited_by).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn there_is_a_row_for_each_trial_of_each_run() {
        let documents = [samples::tune(), samples::run_with_failures()];
        let text = csv(&documents);
        let trials: usize = documents.iter().map(|document| document.trials.len()).sum();
        assert_eq!(text.lines().count(), 1 + trials);
        for line in text.lines() {
            assert_eq!(line.split(',').count(), COLUMNS.len(), "{line}");
        }
    }

    #[test]
    fn numbers_are_those_of_the_document() {
        let document = samples::tune();
        let text = csv([&document]);
        let column = COLUMNS.iter().position(|name| *name == "goodput_bytes_per_second").unwrap();
        for (line, trial) in text.lines().skip(1).zip(&document.trials) {
            let goodput: f64 = line.split(',').nth(column).unwrap().parse().unwrap();
            assert_eq!(goodput, trial.goodput_bytes_per_second);
            assert!(line.ends_with(",gateway_or_network"), "{line}");
        }
    }
}
