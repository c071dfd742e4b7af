//! Files that users name, as somebody else may have made them: of any size, and of any kind.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;
use wait4::Wait4;

use crate::support::tidegate::Tidegate;

#[test]
fn a_pipe_is_refused_and_not_waited_for_wherever_a_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
    let pipe = pipe.to_str().unwrap();
    let tidegate = Tidegate::embedded();
    for (verb, arguments) in [
        ("observe", vec![pipe]),
        ("plan", vec!["--simulate", "hosted-1g-near", "--iperf3", pipe]),
        ("plan", vec!["--simulate", "hosted-1g-near", "--globus-task", pipe]),
        ("plan", vec!["--simulate", "hosted-1g-near", "--limits", pipe]),
        ("plan", vec!["--simulate", pipe]),
        ("tune", vec!["--prices", pipe]),
        ("run", vec!["--connector", pipe]),
        ("run", vec!["--model", pipe]),
        ("run", vec!["s3://b/p", "--endpoint", "https://localhost:1", "--ca-bundle", pipe]),
    ] {
        let refused = tidegate.run_plain(verb, &arguments);
        assert_eq!(refused.code, 2, "{verb} {arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("a pipe, not a file"), "{}", refused.stderr);
    }
    let report = tidegate.run_plain("report", &[pipe]);
    assert_eq!(report.code, 2);
    assert!(report.stderr.contains("is not a run"), "{}", report.stderr);
}

#[test]
fn a_plan_with_numbers_that_no_plan_has_is_shown_or_refused_in_a_sentence() {
    let tidegate = Tidegate::embedded();
    let question = ["--simulate", "hosted-1g-near", "--size", "1TB", "--part-size", "128MiB"];
    let plan = tidegate.json("plan", &question);
    let file = tempfile::NamedTempFile::new().unwrap();
    let report = |alter: &dyn Fn(&mut Value), format: &str| {
        let mut altered = plan.clone();
        alter(&mut altered);
        std::fs::write(file.path(), altered.to_string()).unwrap();
        tidegate.run_plain("report", &[file.path().to_str().unwrap(), "--format", format])
    };
    for format in ["html", "text", "md", "csv"] {
        let none = report(&|plan| plan["forecasts"] = Value::Array(vec![]), format);
        assert_eq!(none.code, 2);
        assert!(none.stderr.contains("there is no forecast in it"), "{}", none.stderr);
        for number in [0.0, -1.0, 1e308] {
            for place in ["/forecasts/0/p50_s", "/forecasts/0/p90_s", "/by_file_size/0/p50_s"] {
                let alter = |plan: &mut Value| *plan.pointer_mut(place).unwrap() = number.into();
                let shown = report(&alter, format);
                assert_eq!(shown.code, 0, "{place} {number} {format}: {}", shown.stderr);
            }
        }
    }
}

const TWO_GB: u64 = 2_000_000_000;

/// A file of 2 GB that is written line by line.
fn fill(path: &Path, first: &str, mut line: impl FnMut(u64) -> String) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    out.write_all(first.as_bytes()).unwrap();
    let (mut written, mut number) = (0, 0);
    while written < TWO_GB {
        let line = line(number);
        out.write_all(line.as_bytes()).unwrap();
        written += line.len() as u64;
        number += 1;
    }
    out.flush().unwrap();
}

/// Exit code, and the highest resident set.
fn peak_bytes(verb: &str, arguments: &[&str], file: &Path) -> (i32, u64) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg(verb).args(arguments).arg(file).stdout(Stdio::null());
    let ended = command.current_dir(file.parent().unwrap()).spawn().unwrap().wait4().unwrap();
    (ended.status.code().unwrap(), ended.rusage.maxrss)
}

#[test]
#[ignore = "writes 2 GB three times, and takes minutes without optimisation"]
fn memory_stays_below_200_mb_for_files_of_2_gb() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let mut random = fastrand::Rng::with_seed(1);

    fill(&file, "", |number| {
        let (start, end) = (number * 1_000, number * 1_000 + 900);
        format!(
            r#"{{"connection":1,"request":{number},"operation":"PutObject","bucket":"b","key":"{number}","bytes_in":5,"bytes_out":0,"start_us":{start},"end_us":{end},"status":200}}"#
        ) + "\n"
    });
    let log = peak_bytes("observe", &[], &file);
    fill(&file, "path,size_bytes\n", |number| {
        format!("a/directory/of/some/length/file-{number},{}\n", random.u64(..1 << 36))
    });
    let plan = ["--simulate", "hosted-1g-near", "--size", "1TB", "--dataset"];
    let manifest = peak_bytes("plan", &plan, &file);
    fill(&file, r#"{"assumptions":["#, |_| "\"\",".repeat(1_000));
    let result = peak_bytes("report", &[], &file);

    eprintln!("log {log:?}, manifest {manifest:?}, result {result:?}");
    assert_eq!([log.0, manifest.0, result.0], [0, 0, 2]);
    for (_, peak) in [log, manifest, result] {
        assert!(peak < 200_000_000, "{peak} bytes");
    }
}
