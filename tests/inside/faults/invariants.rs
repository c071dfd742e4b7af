//! What must hold when the movers have stopped, whatever went wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::super::marker::marker_key;
use super::account::{Account, Bytes, Files};
use super::store::Answered;
use crate::dataset::FileSpec;
use crate::measure::{Attempt, FailureClass, Operation, Outcome};
use crate::result::{Direction, FileFailure};
use crate::transfer::{Flow, Order};

/// A part or a range of a file, or all of it.
type RequestId = (Operation, u64, Option<u32>);

/// Something that must hold: it panics otherwise.
pub(super) type Invariant = fn(&Account);

/// All of them.
pub(super) const INVARIANTS: [Invariant; 8] = [
    Account::requests_end_in_one_outcome,
    Account::outcomes_are_those_the_store_gave,
    Account::bytes_are_accounted_for,
    Account::corruption_is_found_and_not_invented,
    Account::files_are_accounted_for,
    Account::objects_are_whole,
    Account::downloaded_files_are_whole,
    Account::open_uploads_are_known_or_their_answer_was_lost,
];

impl Account {
    /// Attempts are numbered without a gap; the first that ends well, is cut or is given up is the last.
    pub(super) fn requests_end_in_one_outcome(&self) {
        let id = |attempt: &Attempt| {
            let part = attempt.part_number.map(|number| number.get());
            (attempt.operation, attempt.file, part)
        };
        let mut all: Vec<&Attempt> = self.attempts.iter().collect();
        all.sort_by_key(|attempt| (id(attempt), attempt.start));
        // A file may be looked at more than once: the first attempt begins a request.
        let requests = all.chunk_by(|before, next| id(before) == id(next) && next.number != 1);
        let requests: Vec<(RequestId, &[&Attempt])> =
            requests.map(|attempts| (id(attempts[0]), attempts)).collect();
        for operation in Operation::ALL {
            let of = requests.iter().filter(|((of, ..), _)| *of == operation);
            let (count, attempts) =
                of.fold((0, 0), |(count, sum), (_, all)| (count + 1, sum + all.len() as u64));
            let told = self.summaries.get(operation.name());
            let told = told.map_or((0, 0), |told| (told.count, told.attempts));
            assert_eq!(told, (count, attempts), "{operation:?}");
        }
        let retry = self.job.retry;
        for (id, attempts) in requests {
            let numbers = attempts.iter().map(|attempt| u32::from(attempt.number));
            assert!(numbers.eq(1..=attempts.len() as u32), "{id:?} has a gap");
            assert!(attempts.len() as u32 <= retry.attempts_max, "{id:?}: too many attempts");
            let (_, before) = attempts.split_last().expect("there is one");
            for (attempt, next) in before.iter().zip(&attempts[1..]) {
                let Outcome::Failed(class) = attempt.outcome else {
                    panic!("{id:?} was tried again after {:?}", attempt.outcome)
                };
                assert!(class.can_be_retried(), "{id:?} was tried again after {class:?}");
                assert!(next.start >= attempt.end, "{id:?} was tried twice at a time");
            }
        }
    }

    /// Nothing is dropped on the way to the record. What a GET or a Complete meant is for the engine to
    /// judge, so of these only the number.
    pub(super) fn outcomes_are_those_the_store_gave(&self) {
        let judged = [Operation::Get, Operation::Complete];
        let mut difference: BTreeMap<(Operation, String), i64> = BTreeMap::new();
        let name = |operation, outcome| match judged.contains(&operation) {
            true => (operation, "an end".to_owned()),
            false => (operation, format!("{outcome:?}")),
        };
        for attempt in self.attempts.iter() {
            *difference.entry(name(attempt.operation, attempt.outcome)).or_default() += 1;
        }
        for answered in &self.answered {
            *difference.entry(name(answered.operation, answered.outcome)).or_default() -= 1;
        }
        difference.retain(|_, count| *count != 0);
        assert!(difference.is_empty(), "recorded more than answered: {difference:?}");
    }

    pub(super) fn bytes_are_accounted_for(&self) {
        let sum = |which: &dyn Fn(Outcome) -> bool| -> u64 {
            self.attempts.iter().filter(|attempt| which(attempt.outcome)).map(|a| a.bytes).sum()
        };
        let (ok, lost) = (sum(&|outcome| outcome == Outcome::Ok), sum(&|o| o != Outcome::Ok));
        let Bytes { wire, good, payload, seen, spent_of_allowed } = self.bytes;
        assert_eq!(wire, ok + lost, "the wire carried all");
        assert_eq!(seen, ok + lost, "and was seen to");
        assert_eq!(good, ok, "goodput and what was sent in vain make the wire");
        assert_eq!(payload, ok, "payload");
        if let Some((spent, allowed)) = spent_of_allowed {
            assert!(spent <= allowed, "{spent} bytes of {allowed} that were allowed");
            assert_eq!(spent, ok + lost, "spent");
        }
        // Of a file no byte counts twice, and of one that arrived each counts once.
        for index in 0..self.job.dataset.files() {
            let Some((_, file)) = self.job.object(index) else { continue };
            let passed = |way: Direction| -> u64 {
                let of =
                    self.attempts.iter().filter(|a| a.file == index && a.outcome == Outcome::Ok);
                of.filter(|a| a.operation.direction() == way).map(|a| a.bytes).sum()
            };
            let direction = self.job.direction.place(index).direction;
            let (there, back) = match direction {
                Direction::Up => (passed(Direction::Up), passed(Direction::Down)),
                Direction::Down => (passed(Direction::Down), 0),
            };
            assert!(there <= file.size_bytes && back <= file.size_bytes, "{}", file.path);
            if self.has_arrived(&file) {
                assert_eq!(there, file.size_bytes, "{}", file.path);
                let read_back = direction == Direction::Up && self.job.verify;
                assert_eq!(back, if read_back { file.size_bytes } else { 0 }, "{}", file.path);
            }
        }
    }

    /// In a job that was not interrupted and moves each file once.
    pub(super) fn has_arrived(&self, file: &FileSpec) -> bool {
        let failed = |failure: &FileFailure| failure.path == file.path;
        !self.interrupted && self.job.order == Order::Once && !self.failures.iter().any(failed)
    }

    pub(super) fn corruption_is_found_and_not_invented(&self) {
        let corrupt = self.corrupt;
        let found = self.attempts.iter().filter(|attempt| {
            attempt.operation == Operation::Get
                && attempt.outcome == Outcome::Failed(FailureClass::Checksum)
        });
        let told = Answered {
            operation: Operation::Get,
            outcome: Outcome::Failed(FailureClass::Checksum),
        };
        let told = self.answered.iter().filter(|answer| **answer == told).count();
        if self.job.verify {
            let wrong = corrupt.in_reading + 2 * corrupt.in_store + corrupt.unsettled;
            assert_eq!(found.count() as u64, wrong + told as u64, "{corrupt:?}");
        } else {
            assert!(corrupt.is_none(), "{corrupt:?}, and nothing was compared");
        }
        if self.corrupt_keys.is_empty() {
            let wrong = corrupt.in_reading + corrupt.unsettled + 2 * corrupt.in_store;
            assert!(wrong <= self.wrong_readings, "{corrupt:?}");
        }
    }

    pub(super) fn files_are_accounted_for(&self) {
        let Files { done, failed, bytes_done } = self.files;
        assert_eq!(failed, self.failures.len() as u64, "each failure is told");
        if self.interrupted {
            return;
        }
        // The other parts of a file that failed are.
        assert!(failed > 0 || self.cut == 0, "something was cut");
        if self.job.order != Order::Once {
            return;
        }
        let files = self.job.dataset.files();
        assert_eq!(done + failed, files, "each file is done or failed");
        // In a mixed job one name is of two files.
        if !matches!(self.job.direction, Flow::Mixed(_)) {
            let files = (0..files).map(|index| self.job.dataset.file(index));
            let arrived = files.filter(|file| self.has_arrived(file));
            assert_eq!(bytes_done, arrived.map(|file| file.size_bytes).sum::<u64>());
        }
    }

    /// No object under its key unless whole, and with the right bytes unless the store has others.
    pub(super) fn objects_are_whole(&self) {
        let mut expected = BTreeMap::new();
        for index in 0..self.job.dataset.files() * 20 {
            expected.extend(self.job.object(index));
        }
        let corrupt = &self.corrupt_keys;
        for (key, bytes) in &self.objects {
            let Some(file) = expected.get(key) else {
                assert_eq!(*key, marker_key(&self.job.prefix), "it is nobody's");
                continue;
            };
            assert_eq!(bytes.len() as u64, file.size_bytes, "{key} is not whole");
            let right = self.job.pattern.matches(key, 0, bytes);
            assert!(right || corrupt.contains(key), "{key} has other bytes");
        }
        for (key, file) in &expected {
            if self.has_arrived(file) {
                let bytes = self.objects.get(key).unwrap_or_else(|| panic!("{key} is not there"));
                let right = self.job.pattern.matches(key, 0, bytes);
                assert!(right || !self.job.verify, "{key} was verified");
            }
        }
    }

    pub(super) fn downloaded_files_are_whole(&self) {
        let Some(written) = &self.written else { return };
        let mut names: BTreeSet<&String> = written.keys().collect();
        for index in 0..self.job.dataset.files() {
            let (key, file) = self.job.object(index).expect("each file once");
            let there = names.remove(&file.path);
            assert!(there || !self.has_arrived(&file), "{} is not there", file.path);
            let failed = self.failures.iter().any(|failure| failure.path == file.path);
            assert!(!(there && failed), "{} is there and failed", file.path);
            if let Some(bytes) = written.get(&file.path) {
                assert_eq!(bytes.len() as u64, file.size_bytes, "{} is not whole", file.path);
                let right = self.job.pattern.matches(&key, 0, bytes);
                let wrong_reading = !self.job.verify && self.wrong_readings > 0;
                assert!(right || wrong_reading, "{} has other bytes", file.path);
            }
        }
        assert!(names.is_empty(), "nothing else is there: {names:?}");
    }

    /// The clean-up is told of every upload whose id the engine knows; of the others no answer came.
    pub(super) fn open_uploads_are_known_or_their_answer_was_lost(&self) {
        let open = self.open_uploads;
        let lost = self.attempts.iter().filter(|attempt| {
            attempt.operation == Operation::Create && attempt.outcome != Outcome::Ok
        });
        let known = self.known_uploads;
        assert!(open <= known + lost.count(), "{open} uploads are open, {known} are known");
    }
}
