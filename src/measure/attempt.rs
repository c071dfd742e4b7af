//! One record per attempt, kept only when asked for: [`ATTEMPT_BYTES`] of memory each.
//!
//! A thread keeps its records in chunks that never move, so that at most one chunk of 320 KiB is not
//! full. Merging threads hands the chunks over; nothing is copied.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::probe::{Connecting, Probe};
use super::{Operation, Outcome};
use crate::clock::Instant;

/// Memory of one record: a million attempts take 80 MB.
pub const ATTEMPT_BYTES: usize = 80;

const _: () = assert!(size_of::<Attempt>() == ATTEMPT_BYTES);

/// Records in one piece of memory.
const CHUNK: usize = 4096;

/// Which attempt of which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptId {
    /// What was asked of the store.
    pub operation: Operation,
    /// Index of the file in its job, from which the key follows.
    pub file: u64,
    /// Part of the file, or range of it, from 1; `None` when the request is about all of it.
    pub part_number: Option<NonZeroU32>,
    /// From 1; what is more than 1 is a retry.
    pub number: u16,
    /// When it was to start, if that is not when it did: a file's first, in an open loop.
    pub intended_start: Option<Instant>,
}

/// One HTTP try of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was to start: in a closed loop, when it did; in an open loop a file's first when the
    /// file arrived.
    pub intended_start: Instant,
    /// When it started.
    pub start: Instant,
    /// When it ended: with the last byte of its answer, a failure, or the trial.
    pub end: Instant,
    sent: After,
    first_byte: After,
    /// Payload bytes that passed the socket, either way.
    pub bytes: u64,
    /// Index of the file in its job.
    pub file: u64,
    connection: Connection,
    /// Part or range, from 1.
    pub part_number: Option<NonZeroU32>,
    /// Which attempt of its request, from 1.
    pub number: u16,
    /// What was asked of the store.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
}

/// Nanoseconds after the start, or never: half of what an `Option<Instant>` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct After(u64);

/// [`Connecting`] in a third of its memory. Connecting is given up after seconds, which fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Connection {
    None,
    Reused,
    New { dns_us: u32, tcp_us: u32, tls_us: u32 },
}

impl Attempt {
    /// The attempt under this probe, which is over.
    pub(super) fn ended(id: AttemptId, probe: &Probe, outcome: Outcome, end: Instant) -> Self {
        let start = probe.began;
        Self {
            intended_start: id.intended_start.unwrap_or(start),
            start,
            end,
            sent: After::of(start, probe.sent_at()),
            first_byte: After::of(start, probe.first_byte_at()),
            bytes: probe.payload_bytes(),
            file: id.file,
            connection: Connection::of(probe.connecting()),
            part_number: id.part_number,
            number: id.number,
            operation: id.operation,
            outcome,
        }
    }

    /// When the last byte of the request was handed to the socket.
    pub fn sent_at(&self) -> Option<Instant> {
        self.sent.since(self.start)
    }

    /// When the first byte of the answer came.
    pub fn first_byte_at(&self) -> Option<Instant> {
        self.first_byte.since(self.start)
    }

    /// How the connection was come by, to the microsecond; `None` if the attempt failed before.
    pub fn connecting(&self) -> Option<Connecting> {
        let micros = |micros: u32| Duration::from_micros(micros.into());
        match self.connection {
            Connection::None => None,
            Connection::Reused => Some(Connecting::Reused),
            Connection::New { dns_us, tcp_us, tls_us } => Some(Connecting::New {
                dns: micros(dns_us),
                tcp: micros(tcp_us),
                tls: micros(tls_us),
            }),
        }
    }
}

impl After {
    const NEVER: Self = Self(u64::MAX);

    fn of(start: Instant, at: Option<Instant>) -> Self {
        let nanos = |at: Instant| u64::try_from(at.since(start).as_nanos()).unwrap_or(u64::MAX);
        at.map_or(Self::NEVER, |at| Self(nanos(at)))
    }

    fn since(self, start: Instant) -> Option<Instant> {
        (self != Self::NEVER).then(|| start + Duration::from_nanos(self.0))
    }
}

impl Connection {
    fn of(connecting: Option<Connecting>) -> Self {
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        match connecting {
            None => Self::None,
            Some(Connecting::Reused) => Self::Reused,
            Some(Connecting::New { dns, tcp, tls }) => {
                Self::New { dns_us: micros(dns), tcp_us: micros(tcp), tls_us: micros(tls) }
            }
        }
    }
}

/// The records of one thread, or of all.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Attempts {
    chunks: Vec<Vec<Attempt>>,
}

impl Attempts {
    pub(super) fn push(&mut self, attempt: Attempt) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(attempt),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(attempt);
                self.chunks.push(chunk);
            }
        }
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.chunks.append(&mut other.chunks);
    }

    /// All moments as another clock shows them.
    pub(super) fn set_clock(&mut self, at: impl Fn(Instant) -> Instant) {
        for attempt in self.chunks.iter_mut().flatten() {
            attempt.intended_start = at(attempt.intended_start);
            attempt.start = at(attempt.start);
            attempt.end = at(attempt.end);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Attempt> {
        self.chunks.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::measure::FailureClass;
    use proptest::prelude::*;

    fn outcomes() -> impl Strategy<Value = Outcome> {
        let failed = prop::sample::select(FailureClass::ALL.to_vec()).prop_map(Outcome::Failed);
        prop_oneof![Just(Outcome::Ok), Just(Outcome::Cut), failed]
    }

    fn connections() -> impl Strategy<Value = Option<Connecting>> {
        let time = || (0_u64..10_000_000).prop_map(Duration::from_micros);
        let new =
            (time(), time(), time()).prop_map(|(dns, tcp, tls)| Connecting::New { dns, tcp, tls });
        prop_oneof![Just(None), Just(Some(Connecting::Reused)), new.prop_map(Some)]
    }

    proptest! {
        #[test]
        fn a_record_keeps_what_the_probe_saw(
            connecting in connections(),
            outcome in outcomes(),
            (sent, answered, bytes) in (any::<bool>(), any::<bool>(), 0..u64::MAX / 2),
            (file, part_number, number) in (any::<u64>(), any::<u32>(), any::<u16>()),
            step in (0_u64..1 << 40).prop_map(Duration::from_nanos),
        ) {
            let operation = Operation::Part;
            let part_number = NonZeroU32::new(part_number);
            let (attempt, probe) = clock::simulate(async {
                let probe = Probe::begin(&Default::default(), clock::now());
                clock::sleep(step).await;
                connecting.into_iter().for_each(|connecting| probe.connected(connecting));
                probe.payload_sent(bytes);
                if sent {
                    probe.request_sent();
                }
                clock::sleep(step).await;
                if answered {
                    probe.answer_began();
                }
                let id = AttemptId { operation, file, part_number, number, intended_start: None };
                (Attempt::ended(id, &probe, outcome, clock::now()), probe)
            });
            prop_assert_eq!(attempt.connecting(), connecting);
            prop_assert_eq!(attempt.sent_at(), probe.sent_at());
            prop_assert_eq!(attempt.sent_at().is_some(), sent);
            prop_assert_eq!(attempt.first_byte_at(), probe.first_byte_at());
            prop_assert_eq!(attempt.end.since(attempt.start), step * 2);
            prop_assert_eq!(attempt.intended_start, attempt.start);
            prop_assert_eq!((attempt.bytes, attempt.outcome), (bytes, outcome));
            prop_assert_eq!((attempt.file, attempt.part_number), (file, part_number));
            prop_assert_eq!((attempt.number, attempt.operation), (number, operation));
        }

        #[test]
        fn merged_records_lose_none_and_waste_one_chunk_a_thread(
            counts in prop::collection::vec(0_usize..3 * CHUNK, 1..4),
        ) {
            let probe = Probe::begin(&Default::default(), clock::now());
            let mut all = Attempts::default();
            for (thread, count) in counts.iter().enumerate() {
                let mut attempts = Attempts::default();
                for number in 0..*count {
                    let file = (thread * 3 * CHUNK + number) as u64;
                    let operation = Operation::Put;
                    let id = AttemptId { operation, file, part_number: None, number: 1, intended_start: None };
                    attempts.push(Attempt::ended(id, &probe, Outcome::Ok, probe.began));
                }
                all.append(attempts);
            }
            let files: std::collections::BTreeSet<u64> = all.iter().map(|a| a.file).collect();
            prop_assert_eq!(files.len(), counts.iter().sum::<usize>());
            let room: usize = all.chunks.iter().map(Vec::capacity).sum();
            prop_assert!(room < files.len() + counts.len() * CHUNK);
        }
    }
}
