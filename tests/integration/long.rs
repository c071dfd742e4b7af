//! Runs that take long: memory stays flat and no descriptor is lost.
//!
//! `cargo test --test integration -- --ignored --nocapture long_run` takes 20 minutes
//! (`TIDEGATE_LONG_RUN=5m` for another time).

use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use wait4::Wait4;

use crate::support::servers::Serve;
use crate::support::tidegate::{Finished, Tidegate};

/// Between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What the allocator and the records' bins of 100 ms may add over 20 minutes.
const MARGIN_BYTES: u64 = 8 << 20;

/// One look at a process.
#[derive(Clone, Copy, Debug)]
struct Look {
    resident_bytes: u64,
    descriptors: usize,
}

impl Look {
    /// `None` once it has ended.
    fn at(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = kib.trim().trim_end_matches(" kB").parse().ok()?;
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        Some(Self { resident_bytes: kib << 10, descriptors })
    }
}

/// Looks at a process until it ends.
fn watch(child: &mut Child) -> Vec<Look> {
    let mut looks = Vec::new();
    while child.try_wait().unwrap().is_none() {
        looks.extend(Look::at(child.id()));
        thread::sleep(LOOK_EVERY);
    }
    looks
}

#[test]
#[ignore = "takes 20 minutes"]
fn a_long_run_has_flat_memory_and_loses_no_descriptor() {
    let length = std::env::var("TIDEGATE_LONG_RUN").unwrap_or_else(|_| "20m".into());
    let serve = Serve::start(&["--retain", "discard", "--connection-rate", "4MB/s"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let what = ["s3://bucket/p", "--dataset", "esnet-5GB", "--files", "16", "--size", "160MB"];
    let how = ["--part-size", "5MiB", "--concurrency", "4", "--direction", "mixed", "--json"];
    let mut child = tidegate.start("run", &[&what[..], &how, &["--for", &length]].concat());
    let looks = watch(&mut child);
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(finished.code, 0, "{}", finished.stderr);

    // The beginning prepares objects, the end cleans up.
    let steady = &looks[looks.len() / 10..looks.len() * 95 / 100];
    let (first, second) = steady.split_at(steady.len() / 2);
    let most = |looks: &[Look], of: fn(&Look) -> u64| looks.iter().map(of).max().unwrap();
    let resident = [first, second].map(|looks| most(looks, |look| look.resident_bytes));
    let descriptors = [first, second].map(|looks| most(looks, |look| look.descriptors as u64));
    eprintln!(
        "{} looks over {length}: resident peaks {resident:?} bytes, descriptors {descriptors:?} in its halves",
        looks.len()
    );
    assert!(resident[1] <= resident[0] + MARGIN_BYTES, "memory grows: {resident:?}");
    assert!(descriptors[1] <= descriptors[0], "descriptors are lost: {descriptors:?}");
}

/// The highest resident set of a simulated run of so many hours.
fn simulated_peak_bytes(hours: u32) -> u64 {
    let results = tempfile::tempdir().unwrap();
    let length = format!("{hours}h");
    let child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["run", "--simulate", "hosted-1g-near", "--quiet"])
        .args(["--for", &length, "--results"])
        .arg(results.path())
        .spawn();
    let ended = child.unwrap().wait4().unwrap();
    assert!(ended.status.success());
    ended.rusage.maxrss
}

#[test]
fn two_days_of_simulated_time_take_no_more_memory_than_one() {
    // After 28 hours the bins of all series get ten times wider: then twice the objects take less.
    let peaks = [27, 54].map(simulated_peak_bytes);
    assert!(peaks[1] <= peaks[0], "{peaks:?}");
}
