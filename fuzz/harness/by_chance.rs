//! Structured mutation without feedback from coverage: what it does not reach from the corpus in its time it has not
//! tried.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mutation::Mutator;
use super::{TARGETS, Target};
use crate::clock;

fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target)
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

#[test]
fn every_target_has_a_fuzzer_with_feedback_from_coverage() {
    let fuzzers = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(fuzzers.join("Cargo.toml")).expect("it can be read");
    for (name, _) in TARGETS {
        let source = fs::read_to_string(fuzzers.join(format!("targets/{name}.rs")));
        let called = format!("tidegate::fuzz::{}(input)", name.replace('-', "_"));
        assert!(source.is_ok_and(|source| source.contains(&called)), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
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
    manifest: 9,
    iperf3: 10,
    globus_task: 11,
    plan: 12,
    aws_files: 13,
    journal: 14,
}
