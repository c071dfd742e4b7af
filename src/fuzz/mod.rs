//! What strangers write is read without a panic, an endless loop, or a wrong belief.
//!
//! A target is a function of bytes. Inputs live in `tests/corpus/<target>`; the tests replay them all.
//! `cargo test --lib -- --ignored --nocapture fuzz::` changes them by chance for a minute a target
//! (`TIDEGATE_FUZZ_SECONDS`), and writes an input that panics into the corpus. It is structured mutation
//! without feedback from coverage: what it does not reach from the corpus in its time it has not tried.

mod answers;
mod mutation;
mod targets;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use mutation::Mutator;

use crate::clock;

/// Reads an input; it panics if that does harm.
type Target = fn(&[u8]);

/// All of them, by the name of their directory.
const TARGETS: [(&str, Target); 9] = [
    ("scenario", targets::scenario),
    ("result", targets::result),
    ("marker", targets::marker),
    ("request-log", targets::request_log),
    ("connector", targets::connector),
    ("names", targets::names),
    ("gateway-request", targets::gateway_request),
    ("answer", answers::answer),
    ("page", targets::page),
];

fn directory(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target)
}

/// The inputs of a target, by name.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory(target)).expect("each target has a corpus");
    entries
        .map(|entry| {
            let path = entry.expect("it can be read").path();
            let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("it can be read"))
        })
        .collect()
}

#[test]
fn every_input_that_was_kept_is_read_without_a_panic() {
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        assert!(corpus.len() >= 3, "{name} has no corpus to speak of");
        for (input, bytes) in corpus {
            let read = catch_unwind(|| target(&bytes));
            assert!(read.is_ok(), "tests/corpus/{name}/{input}");
        }
    }
}

fn fuzz(name: &str, target: Target) {
    let seconds = std::env::var("TIDEGATE_FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
    let end = clock::real() + Duration::from_secs(seconds);
    let seed = fastrand::u64(..);
    let mut mutator = Mutator::new(corpus(name).into_values().collect(), seed);
    let mut inputs = 0_u64;
    while clock::real() < end {
        let input = mutator.next();
        inputs += 1;
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            let kept = directory(name).join(format!("panic-{seed:016x}-{inputs}"));
            fs::write(&kept, &input).expect("the corpus can be written");
            panic!("{name} panics: the input is {}", kept.display());
        }
    }
    eprintln!("{name}: {inputs} inputs in {seconds} s, seed {seed}, no panic");
}

macro_rules! fuzz_tests {
    ($($test:ident: $index:literal),+ $(,)?) => {
        $(
            #[test]
            #[ignore = "takes a minute"]
            fn $test() {
                let (name, target) = TARGETS[$index];
                fuzz(name, target);
            }
        )+
    };
}

fuzz_tests! {
    scenario: 0,
    result: 1,
    marker: 2,
    request_log: 3,
    connector: 4,
    names: 5,
    gateway_request: 6,
    answer: 7,
    page: 8,
}
