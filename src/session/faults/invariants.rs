//! What must hold when the movers have stopped, whatever went wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::store::Answered;
use super::*;
use crate::dataset::FileSpec;
use crate::measure::Attempt;
use crate::transfer::{Order, Sink};

/// All bins of a trial.
const ALL: usize = usize::MAX;

/// A part or a range of a file, or all of it.
type RequestId = (Operation, u64, Option<u32>);

impl Played<'_> {
    pub(super) fn check(&self) -> Tally {
        self.requests_end_in_one_outcome();
        self.outcomes_are_those_the_store_gave();
        self.bytes_are_accounted_for();
        self.corruption_is_found_and_not_invented();
        self.files_are_accounted_for();
        self.objects_are_whole();
        self.downloaded_files_are_whole();
        self.open_uploads_are_known_or_their_answer_was_lost();
        self.tally()
    }

    fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.report.recorder.attempt_records()
    }

    /// Attempts are numbered without a gap; the first that ends well, is cut or is given up is the last.
    fn requests_end_in_one_outcome(&self) {
        let mut requests: BTreeMap<RequestId, Vec<&Attempt>> = BTreeMap::new();
        for attempt in self.attempts() {
            let part = attempt.part_number.map(|number| number.get());
            requests.entry((attempt.operation, attempt.file, part)).or_default().push(attempt);
        }
        let summaries = self.report.recorder.summaries();
        for operation in Operation::ALL {
            let of = requests.iter().filter(|((of, ..), _)| *of == operation);
            let (count, attempts) =
                of.fold((0, 0), |(count, sum), (_, all)| (count + 1, sum + all.len() as u64));
            let told = summaries.get(operation.name());
            let told = told.map_or((0, 0), |told| (told.count, told.attempts));
            assert_eq!(told, (count, attempts), "{operation:?}");
        }
        let retry = self.job.retry;
        for (id, mut attempts) in requests {
            attempts.sort_by_key(|attempt| attempt.number);
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
    fn outcomes_are_those_the_store_gave(&self) {
        let judged = [Operation::Get, Operation::Complete];
        let mut difference: BTreeMap<(Operation, String), i64> = BTreeMap::new();
        let name = |operation, outcome| match judged.contains(&operation) {
            true => (operation, "an end".to_owned()),
            false => (operation, format!("{outcome:?}")),
        };
        for attempt in self.attempts() {
            *difference.entry(name(attempt.operation, attempt.outcome)).or_default() += 1;
        }
        for answered in &*self.store.answered.borrow() {
            *difference.entry(name(answered.operation, answered.outcome)).or_default() -= 1;
        }
        difference.retain(|_, count| *count != 0);
        assert!(difference.is_empty(), "recorded more than answered: {difference:?}");
    }

    fn bytes_are_accounted_for(&self) {
        let recorder = &self.report.recorder;
        let sum = |which: &dyn Fn(Outcome) -> bool| -> u64 {
            self.attempts().filter(|attempt| which(attempt.outcome)).map(|a| a.bytes).sum()
        };
        let (ok, lost) = (sum(&|outcome| outcome == Outcome::Ok), sum(&|o| o != Outcome::Ok));
        // What is read back counts for itself: for the direction asked there is nothing more.
        let back = recorder.read_back();
        let wire = recorder.wire_bytes(0, ALL) + back.wire_bytes(0, ALL);
        assert_eq!(wire, ok + lost, "the wire carried all");
        assert_eq!(Live::get(&self.live.wire_bytes), ok + lost, "and was seen to");
        assert_eq!(
            recorder.good_bytes(0, ALL) + back.good_bytes(0, ALL),
            ok,
            "goodput and what was sent in vain make the wire"
        );
        assert_eq!(recorder.payload_bytes() + back.payload_bytes(), ok);
        if let Some(allowance) = &self.job.allowance {
            let cap = allowance.caps().bytes.unwrap_or(u64::MAX);
            assert!(ok + lost <= cap, "{} bytes of {cap} that were allowed", ok + lost);
            assert_eq!(allowance.spent().bytes(), ok + lost);
        }
        // Of a file no byte counts twice, and of one that arrived each counts once.
        for index in 0..self.job.dataset.files() {
            let Some((_, file)) = self.job.object(index) else { continue };
            let passed = |way: Direction| -> u64 {
                let of = self.attempts().filter(|a| a.file == index && a.outcome == Outcome::Ok);
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
    fn has_arrived(&self, file: &FileSpec) -> bool {
        let failed = |failure: &crate::result::FileFailure| failure.path == file.path;
        !self.interrupted
            && self.job.order == Order::Once
            && !self.report.failures.iter().any(failed)
    }

    fn corruption_is_found_and_not_invented(&self) {
        let corrupt = self.report.recorder.corrupt;
        let found = self.attempts().filter(|attempt| {
            attempt.operation == Operation::Get
                && attempt.outcome == Outcome::Failed(FailureClass::Checksum)
        });
        let told = Answered {
            operation: Operation::Get,
            outcome: Outcome::Failed(FailureClass::Checksum),
        };
        let told = self.store.answered.borrow().iter().filter(|answer| **answer == told).count();
        if self.job.verify {
            let wrong = corrupt.in_reading + 2 * corrupt.in_store + corrupt.unsettled;
            assert_eq!(found.count() as u64, wrong + told as u64, "{corrupt:?}");
        } else {
            assert!(corrupt.is_none(), "{corrupt:?}, and nothing was compared");
        }
        let stored = self.store.corrupt_keys.borrow();
        if stored.is_empty() {
            let wrong = corrupt.in_reading + corrupt.unsettled + 2 * corrupt.in_store;
            assert!(wrong <= self.store.wrong_readings.get(), "{corrupt:?}");
        }
    }

    fn files_are_accounted_for(&self) {
        let [done, failed, bytes] =
            [&self.live.files_done, &self.live.files_failed, &self.live.bytes_done].map(Live::get);
        assert_eq!(failed, self.report.failures.len() as u64);
        if self.interrupted {
            return;
        }
        // The other parts of a file that failed are.
        assert!(failed > 0 || self.report.recorder.cut() == 0, "something was cut");
        if self.job.order != Order::Once {
            return;
        }
        let files = self.job.dataset.files();
        assert_eq!(done + failed, files);
        // In a mixed job one name is of two files.
        if !matches!(self.job.direction, Flow::Mixed(_)) {
            let files = (0..files).map(|index| self.job.dataset.file(index));
            let arrived = files.filter(|file| self.has_arrived(file));
            assert_eq!(bytes, arrived.map(|file| file.size_bytes).sum::<u64>());
        }
    }

    /// No object under its key unless whole, and with the right bytes unless the store has others.
    fn objects_are_whole(&self) {
        let (objects, _) = self.store.bucket.look();
        let objects: BTreeMap<String, Vec<u8>> = objects.into_iter().collect();
        let mut expected = BTreeMap::new();
        for index in 0..self.job.dataset.files() * 20 {
            expected.extend(self.job.object(index));
        }
        let corrupt = self.store.corrupt_keys.borrow();
        for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(&self.job.prefix)) {
            let Some(file) = expected.get(key) else {
                assert!(key.ends_with("/.tidegate-run.json"), "{key} is nobody's");
                continue;
            };
            assert_eq!(bytes.len() as u64, file.size_bytes, "{key} is not whole");
            let right = self.job.pattern.matches(key, 0, bytes);
            assert!(right || corrupt.contains(key), "{key} has other bytes");
        }
        for (key, file) in &expected {
            if self.has_arrived(file) {
                let bytes = objects.get(key).unwrap_or_else(|| panic!("{key} is not there"));
                let right = self.job.pattern.matches(key, 0, bytes);
                assert!(right || !self.job.verify, "{key} was verified");
            }
        }
    }

    fn downloaded_files_are_whole(&self) {
        let Sink::Directory(root) = &self.job.sink else { return };
        let mut names: BTreeSet<String> = files_below(root).into_iter().collect();
        for index in 0..self.job.dataset.files() {
            let (key, file) = self.job.object(index).expect("each file once");
            let there = names.remove(&file.path);
            assert!(there || !self.has_arrived(&file), "{} is not there", file.path);
            let failed = self.report.failures.iter().any(|failure| failure.path == file.path);
            assert!(!(there && failed), "{} is there and failed", file.path);
            if there {
                let bytes = std::fs::read(root.join(&file.path)).expect("it can be read");
                assert_eq!(bytes.len() as u64, file.size_bytes, "{} is not whole", file.path);
                let right = self.job.pattern.matches(&key, 0, &bytes);
                let wrong_reading = !self.job.verify && self.store.wrong_readings.get() > 0;
                assert!(right || wrong_reading, "{} has other bytes", file.path);
            }
        }
        assert!(names.is_empty(), "nothing else is there: {names:?}");
    }

    /// The clean-up is told of every upload whose id the engine knows; of the others no answer came.
    fn open_uploads_are_known_or_their_answer_was_lost(&self) {
        let (_, open) = self.store.bucket.look();
        let open = open.iter().filter(|key| key.starts_with(&self.job.prefix)).count();
        let lost = self.attempts().filter(|attempt| {
            attempt.operation == Operation::Create && attempt.outcome != Outcome::Ok
        });
        let known = self.report.open_uploads.len();
        assert!(open <= known + lost.count(), "{open} uploads are open, {known} are known");
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally {
            files_done: Live::get(&self.live.files_done),
            files_failed: Live::get(&self.live.files_failed),
            interrupted: self.interrupted.into(),
            left_open: self.report.open_uploads.len() as u64,
            ..Tally::default()
        };
        let corrupt = self.report.recorder.corrupt;
        tally.corrupt = corrupt.in_reading + corrupt.in_store + corrupt.unsettled;
        for attempt in self.attempts() {
            tally.attempts += 1;
            match attempt.outcome {
                Outcome::Ok => tally.ok += 1,
                Outcome::Cut => tally.cut += 1,
                Outcome::Failed(class) => tally.failed[class as usize] += 1,
            }
            if attempt.number > 1 {
                tally.resent_bytes += attempt.bytes;
            }
        }
        tally
    }
}

/// Paths of all files below a directory, relative to it.
fn files_below(root: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            match path.is_dir() {
                true => directories.push(path),
                false => {
                    let name = path.strip_prefix(root).expect("it is below");
                    files.push(name.to_str().expect("names are UTF-8").to_owned());
                }
            }
        }
    }
    files
}
