//! What a recorder holds, in the formats of other programs: HdrHistogram's interval log, and CSV.

use std::fmt::Display;
use std::io::{self, Write};
use std::ops::Range;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::attempt::Attempt;
use super::histogram::Latencies;
use super::probe::Connecting;
use super::recorder::Recorder;
use super::series::{BIN, Series};
use crate::clock::Instant;
use crate::escape;
use crate::result::BINS_HEADER;

/// Bins of a series in a row of its CSV, which stands for a second.
const BINS_OF_SECOND: usize = (1_000 / BIN.as_millis()) as usize;

/// Of the CSV of attempts. Times are counted from the start of the trial, durations say so.
const ATTEMPTS_HEADER: &str = "operation,key,part_number,attempt_number,payload_bytes,\
    intended_start_us,start_us,connection,dns_duration_us,tcp_duration_us,tls_duration_us,\
    request_sent_us,first_byte_us,end_us,outcome";

impl Recorder {
    /// The histograms of the window, one line each, tagged `part.service_time_us` and so on.
    ///
    /// `window` counts from `started`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write_histogram_log(
        &self,
        out: &mut impl Write,
        started: SystemTime,
        window: &Range<Duration>,
    ) -> io::Result<()> {
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new()
            .add_comment("[Values, also Interval_Max, are in microseconds]")
            .with_start_time(started)
            .with_base_time(started)
            .begin_log_with(out, &mut serializer)?;
        for (tag, latencies) in self.tagged() {
            let histogram = latencies.histogram();
            if histogram.is_empty() {
                continue;
            }
            let duration = window.end.saturating_sub(window.start);
            log.write_histogram(histogram, window.start, duration, Tag::new(&tag))
                .map_err(|error| io::Error::other(error.to_string()))?;
        }
        Ok(())
    }

    fn tagged(&self) -> impl Iterator<Item = (String, &Latencies)> {
        let requests = self.operations.iter().flat_map(|(operation, record)| {
            let name = operation.name();
            [
                (format!("{name}.service_time_us"), &record.service_time_us),
                (format!("{name}.ttfb_us"), &record.ttfb_us),
            ]
        });
        let objects = self
            .objects
            .iter()
            .map(|(milestone, latencies)| (format!("object.{}_us", milestone.name()), latencies));
        requests.chain(objects)
    }

    /// Bytes and attempts by the second in which they passed and ended, as CSV; of trials longer than a
    /// day, by ten seconds or more. The bytes of an
    /// attempt that failed later are wire bytes of their second, but not good ones.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_series(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "second,wire_bytes,good_bytes,attempts_ended,failed_attempts")?;
        let bins = self.up.bins().max(self.down.bins()).max(self.ended.len());
        let width = self.up.width().max(self.down.width()).max(self.ended.width());
        let row = BINS_OF_SECOND.max(width);
        for (from, to) in (0..bins).step_by(row).map(|from| (from, from + row)) {
            let second = from / BINS_OF_SECOND;
            let sum = |series: &Series| series.sum(from, to);
            let (wire, good) = (self.wire_bytes(from, to), self.good_bytes(from, to));
            writeln!(out, "{second},{wire},{good},{},{}", sum(&self.ended), sum(&self.failed))?;
        }
        Ok(())
    }

    /// Bytes by the bin in which they passed, as CSV: what goodput and its interval are computed from.
    /// Bins that a long trial has put together are one row.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_bins(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{BINS_HEADER}")?;
        let row = self.up.width().max(self.down.width());
        for bin in (0..self.up.bins().max(self.down.bins())).step_by(row) {
            let start = BIN.as_secs_f64() * bin as f64;
            let (wire, good) = (self.wire_bytes(bin, bin + row), self.good_bytes(bin, bin + row));
            writeln!(out, "{start:.1},{wire},{good}")?;
        }
        Ok(())
    }

    /// Every attempt as CSV, in order of its start. `key_of` names a file by its index, `origin` is
    /// the start of the trial.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_attempts(
        &self,
        out: &mut impl Write,
        origin: Instant,
        key_of: impl Fn(u64) -> String,
    ) -> io::Result<()> {
        writeln!(out, "{ATTEMPTS_HEADER}")?;
        let mut attempts: Vec<&Attempt> = self.attempt_records().collect();
        attempts.sort_by_key(|attempt| attempt.start);
        let mut rows = csv::Writer::from_writer(out);
        for attempt in attempts {
            rows.write_record(fields(attempt, origin, &key_of(attempt.file)))?;
        }
        rows.flush()
    }
}

/// In the order of [`ATTEMPTS_HEADER`].
fn fields(attempt: &Attempt, origin: Instant, key: &str) -> [String; 15] {
    let at = |at: Instant| at.since(origin).as_micros();
    let (connection, [dns, tcp, tls]) = match attempt.connecting() {
        None => ("none", [None; 3]),
        Some(Connecting::Reused) => ("reused", [None; 3]),
        Some(Connecting::New { dns, tcp, tls }) => ("new", [dns, tcp, tls].map(Some)),
    };
    let micros = |time: Option<Duration>| or_empty(time.map(|time| time.as_micros()));
    [
        attempt.operation.name().to_string(),
        escape::line(key).into_owned(),
        or_empty(attempt.part_number),
        attempt.number.to_string(),
        attempt.bytes.to_string(),
        at(attempt.intended_start).to_string(),
        at(attempt.start).to_string(),
        connection.to_owned(),
        micros(dns),
        micros(tcp),
        micros(tls),
        or_empty(attempt.sent_at().map(at)),
        or_empty(attempt.first_byte_at().map(at)),
        at(attempt.end).to_string(),
        attempt.outcome.name().to_owned(),
    ]
}

/// What did not happen leaves its field empty.
fn or_empty(value: Option<impl Display>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{
        IntervalLogHistogram, IntervalLogIterator, LogEntry,
    };

    use super::*;
    use crate::clock::{self, sleep};
    use crate::measure::{AttemptId, FailureClass, Milestone, Operation, Outcome, Probe};

    /// One good part of 100 bytes from 0 to 1.2 s, and one of 30 bytes that fails at 2.4 s.
    fn recorded() -> (Recorder, Instant) {
        clock::simulate(async {
            let (live, origin) = (Arc::default(), clock::now());
            let mut recorder = Recorder::new(true);
            recorder.request_began(Operation::Part);
            for (number, bytes, outcome) in
                [(1, 100, Outcome::Ok), (2, 30, Outcome::Failed(FailureClass::Server))]
            {
                let probe = Probe::begin(&live, origin);
                probe.connected(match number {
                    1 => Connecting::Reused,
                    _ => Connecting::New {
                        dns: Duration::from_micros(1),
                        tcp: Duration::from_micros(20),
                        tls: Duration::from_micros(300),
                    },
                });
                sleep(Duration::from_millis(700)).await;
                probe.payload_sent(bytes);
                probe.request_sent();
                sleep(Duration::from_millis(400)).await;
                probe.answer_began();
                sleep(Duration::from_millis(100)).await;
                let part_number = std::num::NonZeroU32::new(5);
                let operation = Operation::Part;
                let id =
                    AttemptId { operation, file: 3, part_number, number, intended_start: None };
                recorder.attempt_ended(id, &probe, outcome, clock::now(), true);
            }
            recorder.object_reached(Milestone::Completed, origin, clock::now());
            (recorder, origin)
        })
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_series_has_a_row_for_each_second() {
        let (recorder, _) = recorded();
        let rows = [
            "second,wire_bytes,good_bytes,attempts_ended,failed_attempts",
            "0,100,100,0,0",
            "1,30,0,1,0",
            "2,0,0,1,1",
        ];
        assert_eq!(text(|out| recorder.write_series(out)).lines().collect::<Vec<_>>(), rows);
    }

    #[test]
    fn the_bins_have_a_row_for_each_tenth_of_a_second() {
        let (recorder, _) = recorded();
        let csv = text(|out| recorder.write_bins(out));
        let rows: Vec<_> = csv.lines().collect();
        assert_eq!(rows[0], BINS_HEADER);
        let sums = rows[1..].iter().fold((0, 0), |(wire, good), row| {
            let fields: Vec<_> = row.split(',').collect();
            let bytes = |field: &str| field.parse::<u64>().unwrap();
            (wire + bytes(fields[1]), good + bytes(fields[2]))
        });
        assert_eq!(sums, (130, 100));
        assert!(rows.contains(&"1.9,30,0"), "{csv}");
    }

    #[test]
    fn of_a_trial_of_weeks_a_row_stands_for_more_than_a_bin() {
        let mut recorder = Recorder::default();
        clock::simulate(async {
            for file in 0..2 {
                let probe = Probe::begin(&Arc::default(), Instant::default());
                probe.payload_sent(10);
                let (part_number, intended_start) = (None, None);
                let id = AttemptId {
                    operation: Operation::Put,
                    file,
                    part_number,
                    number: 1,
                    intended_start,
                };
                recorder.attempt_ended(id, &probe, Outcome::Ok, clock::now(), true);
                sleep(Duration::from_secs(14 * 24 * 3600)).await;
            }
        });
        let csv = text(|out| recorder.write_bins(out));
        assert!(csv.lines().count() < 1_500_000, "{} rows", csv.lines().count());
        assert!(csv.starts_with(&format!("{BINS_HEADER}\n0.0,10,10\n10.0,0,0\n")));
        assert!(csv.ends_with("1209600.0,10,10\n"));
    }

    #[test]
    fn every_attempt_has_a_row_with_its_times_since_the_start_of_the_trial() {
        let (recorder, origin) = recorded();
        let csv = text(|out| recorder.write_attempts(out, origin, |file| format!("a,\"{file}\"")));
        let rows: Vec<_> = csv.lines().collect();
        let columns = rows[0].split(',').count();
        assert_eq!(columns, 15);
        assert_eq!(
            rows[1..],
            [
                r#"part,"a,""3""",5,1,100,0,0,reused,,,,700000,1100000,1200000,ok"#,
                r#"part,"a,""3""",5,2,30,1200000,1200000,new,1,20,300,1900000,2300000,2400000,server"#,
            ]
        );
        let plain = text(|out| recorder.write_attempts(out, origin, |_| "plain".into()));
        assert!(plain.lines().all(|row| row.split(',').count() == columns), "{plain}");
    }

    #[test]
    fn the_histogram_log_gives_back_the_histograms_by_tag() {
        let (recorder, _) = recorded();
        let window = Duration::from_secs(1)..Duration::from_secs(3);
        let log = text(|out| recorder.write_histogram_log(out, SystemTime::UNIX_EPOCH, &window));
        let entries = IntervalLogIterator::new(log.as_bytes());
        let intervals = entries.filter_map(|entry| match entry.unwrap() {
            LogEntry::Interval(interval) => Some(interval),
            _ => None,
        });
        let found: Vec<_> = intervals
            .map(|interval| {
                assert_eq!(
                    (interval.start_timestamp(), interval.duration()),
                    (window.start, 2 * window.start)
                );
                let histogram = decoded(&interval);
                (interval.tag().unwrap().as_str(), histogram.len(), histogram.max())
            })
            .collect();
        let same = |value: u64| Histogram::<u64>::new(3).unwrap().highest_equivalent(value);
        let expected = [
            ("part.service_time_us", 1, same(1_200_000)),
            ("part.ttfb_us", 1, same(1_100_000)),
            ("object.completed_us", 1, same(2_400_000)),
        ];
        assert_eq!(found, expected);
    }

    fn decoded(interval: &IntervalLogHistogram<'_>) -> Histogram<u64> {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let bytes = engine.decode(interval.encoded_histogram()).unwrap();
        Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
    }
}
