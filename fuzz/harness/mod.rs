//! What strangers write is read without a panic, an endless loop, or a wrong belief.
//!
//! A target is a function of bytes. Inputs live in `tests/corpus/<target>`; the tests replay them all.
//!
//! `fuzz/` has a fuzzer for each (libFuzzer): it keeps an input that reaches what none before has reached, and goes
//! on from it. An input that panics, takes longer than 10 s or takes the process above 200 MB ends it and is kept
//! in `fuzz/artifacts`; once that is mended it belongs to the corpus. `docs/testing.md` has the command.
//!
//! Without it, `cargo test --lib -- --ignored --nocapture fuzz::` changes the inputs by chance for a minute a target
//! (`TIDEGATE_FUZZ_SECONDS`), and writes one that panics into the corpus.

mod answers;
#[cfg(test)]
mod by_chance;
mod local;
#[cfg(test)]
mod mutation;
mod planning;
mod targets;

pub use answers::answer;
pub use local::{aws_files, journal};
pub use planning::{globus_task, iperf3, manifest, plan};
pub use targets::{connector, gateway_request, marker, names, page, request_log, result, scenario};

/// Reads an input; it panics if that does harm.
pub type Target = fn(&[u8]);

/// All of them, by the name of their directory.
pub const TARGETS: [(&str, Target); 15] = [
    ("scenario", scenario),
    ("result", result),
    ("marker", marker),
    ("request-log", request_log),
    ("connector", connector),
    ("names", names),
    ("gateway-request", gateway_request),
    ("answer", answer),
    ("page", page),
    ("manifest", manifest),
    ("iperf3", iperf3),
    ("globus-task", globus_task),
    ("plan", plan),
    ("aws-files", aws_files),
    ("journal", journal),
];

fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

/// The input up to these bytes, and what is behind them.
fn halves<'a>(input: &'a [u8], between: &[u8]) -> (&'a [u8], &'a [u8]) {
    let end = input.windows(between.len()).position(|bytes| bytes == between);
    end.map_or((input, &[][..]), |end| (&input[..end], &input[end + between.len()..]))
}
