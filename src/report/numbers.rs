//! The trials of runs for programs, a row each, with units in the names of the columns.

use super::table::{Column, Table};
use super::wording;
use crate::result::{Document, OperationSummary, Trial};
use crate::words;

/// All trials of all documents, in order.
pub fn of_trials<'a>(documents: impl Iterator<Item = &'a Document>) -> Table {
    let rows = documents.flat_map(|one| one.trials.iter().map(move |trial| (&*one.id, trial)));
    let columns: [Column<(&str, &Trial)>; 37] = [
        ("run", |(run, _)| (*run).to_owned()),
        ("trial", |(_, trial)| trial.id.to_string()),
        ("phase", |(_, trial)| words::phase(trial.phase).into()),
        ("block", |(_, trial)| or_empty(trial.block)),
        ("direction", |(_, trial)| words::direction(trial.direction).into()),
        ("dataset", |(_, trial)| or_empty(trial.dataset.as_deref())),
        ("part_size_bytes", |(_, trial)| trial.settings.part_size_bytes.to_string()),
        ("concurrency", |(_, trial)| trial.settings.concurrency.to_string()),
        ("parts_in_flight", |(_, trial)| trial.settings.parts_in_flight.to_string()),
        ("streams", |(_, trial)| trial.settings.streams().to_string()),
        ("window_start_s", |(_, trial)| trial.window.start_s.to_string()),
        ("window_end_s", |(_, trial)| trial.window.end_s.to_string()),
        ("steady", |(_, trial)| or_empty(trial.window.steady)),
        ("goodput_bytes_per_second", |(_, trial)| trial.goodput_bytes_per_second.to_string()),
        ("goodput_low_95_bytes_per_second", |(_, trial)| end(trial, 0)),
        ("goodput_high_95_bytes_per_second", |(_, trial)| end(trial, 1)),
        ("wire_bytes_per_second", |(_, trial)| trial.wire_bytes_per_second.to_string()),
        ("bytes", |(_, trial)| trial.bytes.to_string()),
        ("objects", |(_, trial)| trial.objects.to_string()),
        ("operation", |(_, trial)| or_empty(wording::data_operation(trial).map(|(name, _)| name))),
        ("requests", |(_, trial)| of_moving(trial, |one| one.count)),
        ("retries", |(_, trial)| of_moving(trial, |one| one.retries)),
        ("service_time_p50_us", |(_, trial)| of_moving(trial, |one| one.service_time_us.p50)),
        ("service_time_p90_us", |(_, trial)| of_moving(trial, |one| one.service_time_us.p90)),
        ("service_time_p99_us", |(_, trial)| of_moving(trial, |one| one.service_time_us.p99)),
        ("service_time_p999_us", |(_, trial)| of_moving(trial, |one| one.service_time_us.p999)),
        ("service_time_max_us", |(_, trial)| of_moving(trial, |one| one.service_time_us.max)),
        ("ttfb_p50_us", |(_, trial)| of_moving(trial, |one| one.ttfb_us.p50)),
        ("throttled", |(_, trial)| trial.errors.throttled.to_string()),
        ("timeout", |(_, trial)| trial.errors.timeout.to_string()),
        ("connection", |(_, trial)| trial.errors.connection.to_string()),
        ("checksum", |(_, trial)| trial.errors.checksum.to_string()),
        ("server", |(_, trial)| trial.errors.server.to_string()),
        ("client", |(_, trial)| trial.errors.client.to_string()),
        ("cut", |(_, trial)| trial.cut.to_string()),
        ("client_cpu_seconds", |(_, trial)| or_empty(trial.client.cpu_seconds)),
        ("limited_by", |(_, trial)| limited_by(trial)),
    ];
    Table::numbers(&columns, rows)
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Of the interval of the goodput.
fn end(trial: &Trial, end: usize) -> String {
    or_empty(trial.goodput_interval_95.map(|ends| ends[end]))
}

/// Of the requests that moved data.
fn of_moving(trial: &Trial, value: fn(&OperationSummary) -> u64) -> String {
    or_empty(wording::data_operation(trial).map(|(_, operation)| value(operation)))
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

    fn csv(documents: &[Document]) -> String {
        of_trials(documents.iter()).csv().expect("all rows are alike")
    }

    #[test]
    fn there_is_a_row_for_each_trial_of_each_run() {
        let documents = [samples::tune(), samples::run_with_failures()];
        let text = csv(&documents);
        let trials: usize = documents.iter().map(|document| document.trials.len()).sum();
        assert_eq!(text.lines().count(), 1 + trials);
        for line in text.lines() {
            assert_eq!(line.split(',').count(), 37, "{line}");
        }
    }

    #[test]
    fn numbers_are_those_of_the_document() {
        let documents = [samples::tune()];
        let text = csv(&documents);
        let names: Vec<_> = text.lines().next().unwrap().split(',').collect();
        let column = names.iter().position(|name| *name == "goodput_bytes_per_second").unwrap();
        for (line, trial) in text.lines().skip(1).zip(&documents[0].trials) {
            let goodput: f64 = line.split(',').nth(column).unwrap().parse().unwrap();
            assert_eq!(goodput, trial.goodput_bytes_per_second);
            assert!(line.ends_with(",gateway_or_network"), "{line}");
        }
    }
}
