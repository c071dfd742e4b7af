//! What one thread saw: requests, attempts, outcomes, latencies, and bytes and attempts over time.
//!
//! A thread owns its recorder; recorders are merged when the trial is over. Histograms are made at
//! first use and record only what ended well while the window was open, so that percentiles come
//! from the measured part of a trial alone. Memory is bounded: 184 KiB a histogram, two for each
//! operation used, one for each milestone of objects and two for the connections, and 64 bytes for
//! each 100 ms of the trial.
//! A record of each attempt ([`ATTEMPT_BYTES`](super::ATTEMPT_BYTES)) is kept only when asked for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::addresses::AddressTally;
use super::attempt::{Attempt, AttemptId, Attempts};
use super::histogram::Latencies;
use super::movers_time::MoversTime;
use super::probe::{Connecting, Probe};
use super::series::{BIN, Series};
use super::tcp::TcpTally;
use super::{FailureClass, Milestone, Operation, Outcome};
use crate::clock::Instant;
use crate::result::{
    AddressUse, Corrupt, Direction, ErrorCounts, ObjectTimes, OperationSummary, TcpUse, TimeSpent,
};

/// All requests of one operation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct OperationRecord {
    requests: u64,
    attempts: u64,
    pub(super) service_time_us: Latencies,
    pub(super) ttfb_us: Latencies,
    time_us: TimeSpent,
}

/// Objects that somebody else stored and whose bytes were to be compared with their ETags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtagTally {
    /// The bytes give the ETag.
    pub reproduced: u64,
    /// They do not, and whether it is an MD5 of them is not known.
    pub not_reproduced: u64,
    /// It is none, or the parts of the object are not known.
    pub not_known: u64,
}

/// What one thread, or all of them merged, saw in a trial. Other DTNs send theirs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Recorder {
    pub(super) operations: BTreeMap<Operation, OperationRecord>,
    pub(super) objects: BTreeMap<Milestone, Latencies>,
    errors: ErrorCounts,
    /// Counted by whoever compares.
    pub corrupt: Corrupt,
    /// Counted there too.
    pub etags: EtagTally,
    /// Kept by the movers, where uploads are read back.
    pub movers_time: MoversTime,
    cut: u64,
    under_way: u64,
    pub(super) up: OneWay,
    pub(super) down: OneWay,
    /// What was downloaded only to compare it with its upload: it belongs to no direction.
    read_back: OneWay,
    /// Whether that is all that is downloaded.
    only_uploads: bool,
    /// Attempts by the time of their end, whatever it was.
    pub(super) ended: Series,
    /// Of these, the failed ones.
    pub(super) failed: Series,
    /// Of these, those told to slow down.
    refused: Series,
    tcp: TcpTally,
    /// At the endpoint.
    addresses: AddressTally,
    /// On this machine.
    own_addresses: AddressTally,
    attempts: Option<Attempts>,
}

/// What passed the sockets in one direction.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct OneWay {
    payload_bytes: u64,
    wire: Series,
    lost: Series,
}

impl OneWay {
    fn merge(&mut self, other: &Self) {
        self.payload_bytes += other.payload_bytes;
        self.wire.merge(&other.wire);
        self.lost.merge(&other.lost);
    }

    /// Payload bytes of successful attempts.
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Body bytes that passed the sockets in the bins `from..to`.
    pub fn wire_bytes(&self, from: usize, to: usize) -> u64 {
        self.wire.sum(from, to)
    }

    /// Body bytes of the bins `from..to` in attempts that succeeded.
    pub fn good_bytes(&self, from: usize, to: usize) -> u64 {
        // In trials longer than a day both are even shares of wider bins, of different widths perhaps.
        self.wire.sum(from, to).saturating_sub(self.lost.sum(from, to))
    }

    /// Bins from the start of the trial to the last in which something passed.
    pub(super) fn bins(&self) -> usize {
        self.wire.len()
    }

    /// How many bins have one amount together.
    pub(super) fn width(&self) -> usize {
        self.wire.width()
    }
}

impl OperationRecord {
    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.service_time_us.merge(&other.service_time_us);
        self.ttfb_us.merge(&other.ttfb_us);
        self.time_us.merge(&other.time_us);
    }

    fn summary(&self) -> OperationSummary {
        OperationSummary {
            count: self.requests,
            attempts: self.attempts,
            retries: self.attempts.saturating_sub(self.requests),
            service_time_us: self.service_time_us.percentiles(),
            ttfb_us: self.ttfb_us.percentiles(),
            time_us: Some(self.time_us).filter(|spent| spent.total() > 0),
        }
    }
}

impl Recorder {
    /// One that also keeps a record of each attempt, or does not.
    pub fn new(keeps_attempts: bool) -> Self {
        Self { attempts: keeps_attempts.then(Attempts::default), ..Self::default() }
    }

    /// One that knows whether files only go up: then what comes down is read back.
    pub fn of_job(keeps_attempts: bool, only_uploads: bool) -> Self {
        Self { only_uploads, ..Self::new(keeps_attempts) }
    }

    /// A logical request begins.
    pub fn request_began(&mut self, operation: Operation) {
        self.operations.entry(operation).or_default().requests += 1;
    }

    /// An attempt ended. `measuring` says whether the window is open.
    pub fn attempt_ended(
        &mut self,
        id: AttemptId,
        probe: &Probe,
        outcome: Outcome,
        ended: Instant,
        measuring: bool,
    ) {
        let record = self.operations.entry(id.operation).or_default();
        record.attempts += 1;
        let way = match id.operation.direction() {
            Direction::Up => &mut self.up,
            Direction::Down if self.only_uploads => &mut self.read_back,
            Direction::Down => &mut self.down,
        };
        probe.add_to(&mut way.wire);
        if let Some(used) = probe.socket() {
            let is_new = matches!(probe.connecting(), Some(Connecting::New { .. }));
            self.tcp.add(used, is_new, id.operation.moves_data());
        }
        let socket = probe.socket();
        self.addresses.add(socket.and_then(|used| used.remote), probe, outcome);
        self.own_addresses.add(socket.and_then(|used| used.local), probe, outcome);
        let bin = probe.bin_of(ended);
        self.ended.add(bin, 1);
        match outcome {
            Outcome::Ok => {
                way.payload_bytes += probe.payload_bytes();
                if measuring {
                    record.service_time_us.record(probe.began, ended);
                    record.ttfb_us.record(probe.began, probe.first_byte_at().unwrap_or(ended));
                    record.time_us.add(probe, ended);
                }
            }
            Outcome::Failed(class) => {
                *count_of(&mut self.errors, class) += 1;
                self.failed.add(bin, 1);
                if class == FailureClass::Throttled {
                    self.refused.add(bin, 1);
                }
                probe.add_to(&mut way.lost);
            }
            Outcome::Cut => {
                self.cut += 1;
                probe.add_to(&mut way.lost);
            }
            Outcome::UnderWay => self.under_way += 1,
        }
        if let Some(attempts) = &mut self.attempts {
            attempts.push(Attempt::ended(id, probe, outcome, ended));
        }
    }

    /// An object whose mover began with it at `began` got so far while the window was open.
    pub fn object_reached(&mut self, milestone: Milestone, began: Instant, at: Instant) {
        self.objects.entry(milestone).or_default().record(began, at);
    }

    /// The same of a trial that began so much later, whose moments another clock shows otherwise.
    #[must_use]
    pub fn moved(mut self, later: Duration, at: impl Fn(Instant) -> Instant) -> Self {
        let bins = (later.as_secs_f64() / BIN.as_secs_f64()).round() as usize;
        for way in [&mut self.up, &mut self.down, &mut self.read_back] {
            way.wire.delay(bins);
            way.lost.delay(bins);
        }
        for series in [&mut self.ended, &mut self.failed, &mut self.refused] {
            series.delay(bins);
        }
        self.movers_time.delay(bins);
        self.attempts.iter_mut().for_each(|attempts| attempts.set_clock(&at));
        self
    }

    /// Adds what another thread saw.
    pub fn merge(&mut self, other: Self) {
        for (operation, record) in &other.operations {
            self.operations.entry(*operation).or_default().merge(record);
        }
        for (milestone, latencies) in &other.objects {
            self.objects.entry(*milestone).or_default().merge(latencies);
        }
        self.errors += other.errors;
        self.corrupt.in_reading += other.corrupt.in_reading;
        self.corrupt.in_store += other.corrupt.in_store;
        self.corrupt.unsettled += other.corrupt.unsettled;
        self.movers_time.merge(&other.movers_time);
        self.etags.reproduced += other.etags.reproduced;
        self.etags.not_reproduced += other.etags.not_reproduced;
        self.etags.not_known += other.etags.not_known;
        self.cut += other.cut;
        self.under_way += other.under_way;
        self.up.merge(&other.up);
        self.down.merge(&other.down);
        self.read_back.merge(&other.read_back);
        self.ended.merge(&other.ended);
        self.failed.merge(&other.failed);
        self.refused.merge(&other.refused);
        self.tcp.merge(other.tcp);
        self.addresses.merge(other.addresses);
        self.own_addresses.merge(other.own_addresses);
        if let Some(attempts) = other.attempts {
            self.attempts.get_or_insert_default().append(attempts);
        }
    }

    /// The requests by the operation's name.
    pub fn summaries(&self) -> BTreeMap<String, OperationSummary> {
        let named = |(operation, record): (&Operation, &OperationRecord)| {
            (operation.name().to_owned(), record.summary())
        };
        self.operations.iter().map(named).collect()
    }

    /// How long whole objects took.
    pub fn object_times(&self) -> ObjectTimes {
        let of = |milestone| self.objects.get(&milestone).map(Latencies::percentiles);
        ObjectTimes {
            begun: of(Milestone::Begun),
            completed: of(Milestone::Completed),
            verified: of(Milestone::Verified),
        }
    }

    /// Whether a record of each attempt was kept.
    pub fn keeps_attempts(&self) -> bool {
        self.attempts.is_some()
    }

    /// The record of each attempt, if they were kept, thread after thread.
    pub fn attempt_records(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().flat_map(Attempts::iter)
    }

    /// The kernel's counters of all connections; `None` where there are none.
    pub fn tcp(&self) -> Option<TcpUse> {
        self.tcp.summary()
    }

    /// The addresses that they led to.
    pub fn addresses(&self) -> Vec<AddressUse> {
        self.addresses.summary()
    }

    /// The same of the addresses of this machine.
    pub fn own_addresses(&self) -> Vec<AddressUse> {
        self.own_addresses.summary()
    }

    /// Our connections' own addresses.
    pub fn local_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.tcp.local_addresses.iter().copied()
    }

    /// Attempts of all operations.
    pub fn attempts(&self) -> u64 {
        self.operations.values().map(|record| record.attempts).sum()
    }

    /// Failed attempts by class.
    pub fn errors(&self) -> ErrorCounts {
        self.errors
    }

    /// Attempts that ended in the bins `from..to`.
    pub fn attempts_ended(&self, from: usize, to: usize) -> u64 {
        self.ended.sum(from, to)
    }

    /// Share of the attempts that ended in the bins `from..to` that were told to slow down.
    pub fn refused_share(&self, from: usize, to: usize) -> f64 {
        self.refused.sum(from, to) as f64 / self.ended.sum(from, to).max(1) as f64
    }

    /// Attempts that were still under way when the drain ended or their file failed.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Attempts that were on their way when the window closed, and whose bytes count.
    pub fn under_way(&self) -> u64 {
        self.under_way
    }

    /// What was downloaded only to compare it with its upload.
    pub fn read_back(&self) -> &OneWay {
        &self.read_back
    }

    /// Payload bytes of successful attempts, without what was read back.
    pub fn payload_bytes(&self) -> u64 {
        self.up.payload_bytes + self.down.payload_bytes
    }

    /// Body bytes that passed the sockets in the bins `from..to`, without what was read back.
    pub fn wire_bytes(&self, from: usize, to: usize) -> u64 {
        self.up.wire_bytes(from, to) + self.down.wire_bytes(from, to)
    }

    /// Body bytes of the bins `from..to` in attempts that succeeded, without what was read back.
    pub fn good_bytes(&self, from: usize, to: usize) -> u64 {
        self.up.good_bytes(from, to) + self.down.good_bytes(from, to)
    }

    /// What passed in one direction.
    pub fn one_way(&self, direction: Direction) -> &OneWay {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }
}

fn count_of(errors: &mut ErrorCounts, class: FailureClass) -> &mut u64 {
    match class {
        FailureClass::Throttled => &mut errors.throttled,
        FailureClass::Timeout => &mut errors.timeout,
        FailureClass::Connection => &mut errors.connection,
        FailureClass::Checksum => &mut errors.checksum,
        FailureClass::Server => &mut errors.server,
        FailureClass::Client => &mut errors.client,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::measure::Live;

    fn ended(recorder: &mut Recorder, bytes: u64, outcome: Outcome) {
        let probe = Probe::begin(&Arc::new(Live::default()), crate::clock::now());
        probe.payload_sent(bytes);
        recorder.request_began(Operation::Part);
        let id = AttemptId {
            operation: Operation::Part,
            file: 0,
            part_number: None,
            number: 1,
            intended_start: None,
        };
        recorder.attempt_ended(id, &probe, outcome, crate::clock::now(), true);
    }

    #[test]
    fn bytes_of_failed_attempts_are_on_the_wire_but_not_in_the_goodput() {
        let mut recorder = Recorder::default();
        ended(&mut recorder, 100, Outcome::Ok);
        ended(&mut recorder, 30, Outcome::Failed(FailureClass::Server));
        ended(&mut recorder, 7, Outcome::Cut);
        assert_eq!(recorder.wire_bytes(0, usize::MAX), 137);
        assert_eq!(recorder.good_bytes(0, usize::MAX), 100);
        assert_eq!(recorder.payload_bytes(), 100);
        assert_eq!((recorder.errors().server, recorder.cut()), (1, 1));
    }

    #[test]
    fn merged_recorders_count_what_both_saw() {
        let (mut one, mut other) = (Recorder::new(true), Recorder::new(true));
        ended(&mut one, 100, Outcome::Ok);
        ended(&mut other, 50, Outcome::Failed(FailureClass::Throttled));
        ended(&mut other, 50, Outcome::Ok);
        other.object_reached(Milestone::Completed, Instant::default(), crate::clock::now());
        one.merge(other);
        let part = &one.summaries()["part"];
        assert_eq!((part.count, part.attempts, part.service_time_us.samples), (3, 3, 2));
        assert_eq!(one.errors().throttled, 1);
        assert_eq!(one.good_bytes(0, usize::MAX), 150);
        assert_eq!((one.ended.sum(0, usize::MAX), one.failed.sum(0, usize::MAX)), (3, 1));
        assert_eq!(one.attempt_records().count(), 3);
        assert_eq!(one.object_times().completed.map(|times| times.samples), Some(1));
        assert_eq!(one.object_times().verified, None);
    }
}
