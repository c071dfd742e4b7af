//! A search that was killed goes on: no saved trial is run again, and nothing of it stays in the bucket.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;
use tidegate::clock;
use tidegate::result::Document;
use tidegate::store::Store;
use tidegate::store::s3::S3Store;

use crate::support::SECRET_KEY;
use crate::support::requests::Request;
use crate::support::servers::{Serve, Versitygw, connection};
use crate::support::tidegate::Tidegate;
use crate::support::uploading::probe;

const TARGET: &str = "s3://bucket/p";

/// A short search that ends by itself, long before its budget: how fast the machine is has no part in it.
const SEARCH: [&str; 19] = [
    TARGET,
    "--budget",
    "10m",
    "--soak",
    "5s",
    "--current-concurrency",
    "1",
    "--warm-up",
    "100ms",
    "--window",
    "500ms",
    "--size",
    "100MB",
    "--files",
    "10",
    "--part-sizes",
    "5MiB",
    "--max-concurrency",
    "2",
];

/// What it runs into: parts of 5 MiB take a quarter of a second.
const LINK: [&str; 4] = ["--connection-rate", "20MB/s", "--shared-rate", "60MB/s"];

#[tokio::test]
async fn a_killed_search_goes_on_on_the_embedded_gateway() {
    let serve = Serve::start(&[&LINK[..], &["--bucket", "bucket"]].concat());
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    a_killed_search_goes_on(&serve.endpoint(), &store).await;
    assert_no_trial_was_repeated_but_the_one_cut_off(&serve.stop());
}

#[tokio::test]
async fn a_killed_search_goes_on_on_versitygw() {
    let Some(versitygw) = Versitygw::start() else { return };
    let serve = Serve::in_front_of(&versitygw.endpoint(), &LINK);
    let store = S3Store::connect(&connection(&versitygw.endpoint(), "bucket", SECRET_KEY).await);
    a_killed_search_goes_on(&serve.endpoint(), &store).await;
    assert_no_trial_was_repeated_but_the_one_cut_off(&serve.stop());
}

async fn a_killed_search_goes_on(endpoint: &str, store: &S3Store) {
    store.put_object("p/theirs", vec![].into(), &probe()).await.unwrap();
    let tidegate = Tidegate::at(endpoint);
    let mut child = tidegate.start("tune", &SEARCH);
    let run = killed_after(3, &tidegate, &mut child).await;
    let saved = trials(&run);
    assert!(keys(store).await.len() > 1, "it left something");

    let unsaid = tidegate.run("tune", &["--resume", name(&run)]);
    assert_eq!(unsaid.code, 2);
    assert!(unsaid.stderr.contains("only its file says: s3://bucket/p;"), "{}", unsaid.stderr);

    let other = tidegate.run("tune", &[TARGET, "--resume", name(&run), "--budget", "9m"]);
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("--budget 9m is not --budget 10m"), "{}", other.stderr);

    let resumed = tidegate.run("tune", &[TARGET, "--resume", name(&run)]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(tidegate.runs().len(), 1, "it is the same run");
    assert_eq!(keys(store).await, ["p/theirs"]);
    assert_eq!(store.list_uploads("", &probe()).await.unwrap(), []);
    assert_goes_on(&run, &saved);

    let again = tidegate.run("tune", &["--resume", name(&run)]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("has finished and has its recommendation"), "{}", again.stderr);
}

#[tokio::test]
async fn a_killed_demonstration_goes_on_on_a_gateway_of_its_own() {
    let tidegate = Tidegate::embedded();
    let times = ["--budget", "10m", "--soak", "5s", "--warm-up", "200ms", "--window", "500ms"];
    let search = [&times[..], &["--max-concurrency", "4", "--part-sizes", "64MiB"]].concat();
    let mut child = tidegate.start("tune", &search);
    let run = killed_after(2, &tidegate, &mut child).await;
    let saved = trials(&run);
    let resumed = tidegate.run("tune", &["--resume", run.to_str().unwrap()]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_goes_on(&run, &saved);
}

#[tokio::test]
async fn a_search_that_is_alive_is_not_resumed() {
    let tidegate = Tidegate::embedded();
    let mut child = tidegate.start("tune", &[]);
    let run = saved_after(0, &tidegate, &mut child).await;
    let refused = tidegate.run("tune", &["--resume", name(&run)]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("still under way"), "{}", refused.stderr);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// As a kill leaves it after so many trials, in simulated time.
#[test]
fn a_simulated_search_goes_on_after_any_trial() {
    let tidegate = Tidegate::embedded();
    for [option, value] in [
        ["--direction", "up"],
        ["--direction", "down"],
        ["--direction", "both"],
        ["--dataset", "genomics,climate"],
    ] {
        tidegate.json("tune", &["--simulate", "hosted-1g-near", option, value]);
        let run = tidegate.runs().pop().unwrap();
        let mut whole = Document::load(&result(&run)).unwrap();
        whole.recommendation = None;
        whole.recommendations.clear();
        // Of two searches, two thirds are within the second search or about to begin it.
        let all = whole.trials.len();
        for count in [0, 1, all / 3, 2 * all / 3] {
            let mut cut = whole.clone();
            cut.trials.truncate(count);
            cut.save(&result(&run)).unwrap();
            let saved = trials(&run);
            let resumed = tidegate.run("tune", &["--resume", name(&run)]);
            assert_eq!(resumed.code, 0, "{}", resumed.stderr);
            assert_goes_on(&run, &saved);
        }
    }
}

/// A run of somebody else's making, which is to upload the files below `from` to this endpoint.
fn craft(tidegate: &Tidegate, endpoint: &str, from: &str) -> PathBuf {
    let mut crafted = tidegate.json("tune", &["--simulate"]);
    let run = tidegate.runs().pop().unwrap();
    crafted["recommendation"] = Value::Null;
    crafted["recommendations"] = Value::Array(Vec::new());
    crafted["trials"] = Value::Array(vec![]);
    crafted["target"]["kind"] = "endpoint".into();
    crafted["target"]["endpoint"] = endpoint.into();
    let command = ["tidegate", "tune", TARGET, "--from", from, "--yes", "--max-cost", "9000USD"];
    crafted["command"] = command.to_vec().into();
    std::fs::write(result(&run), crafted.to_string()).unwrap();
    run
}

fn private_files() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("diary"), "private").unwrap();
    directory
}

#[test]
fn a_run_from_another_hand_is_confirmed_at_the_terminal() {
    for (answer, goes_on) in [("n\n", false), ("\n", false), ("y\n", true)] {
        let serve = Serve::start(&["--bucket", "bucket"]);
        let (private, tidegate) = (private_files(), Tidegate::embedded());
        let run = craft(&tidegate, &serve.endpoint(), private.path().to_str().unwrap());
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(slave).unwrap();
        let terminal = [slave.try_clone().unwrap().into(), slave.into()];
        let mut child = tidegate.start_asking(terminal, "tune", &["--resume", name(&run)]);
        let mut master = File::from(master);
        // It waits in the terminal until it is read.
        master.write_all(answer.as_bytes()).unwrap();
        let mut said = Vec::new();
        // The terminal ends with the last who has it open.
        let _ = master.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        // One that goes on finds that the run was begun with something else.
        assert_eq!(child.wait().unwrap().code(), Some(2), "{said}");
        assert!(said.contains("only its file says") && said.contains(&serve.endpoint()), "{said}");
        assert_eq!(said.contains("it was not confirmed"), !goes_on, "{said}");
        assert_eq!(serve.stop().is_empty(), !goes_on, "{said}");
    }
}

#[test]
fn a_run_from_another_hand_sends_nothing_anywhere_by_itself() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let (private, tidegate) = (private_files(), Tidegate::embedded());
    let from = private.path().to_str().unwrap();
    let run = craft(&tidegate, &serve.endpoint(), from);
    for given in [&[][..], &[TARGET], &[TARGET, "--from", from, "--max-cost", "9000USD", "--yes"]] {
        // As one who says yes to more cost, but has named another endpoint.
        let elsewhere = ["--endpoint", "http://localhost:1"];
        let options = [&["--resume", name(&run)][..], given, &elsewhere].concat();
        let refused = tidegate.run("tune", &options);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(&serve.endpoint()), "{}", refused.stderr);
    }
    let refused = tidegate.run("tune", &["--resume", name(&run)]);
    assert_eq!(refused.code, 2);
    for said in [TARGET, "--from", from, "--yes", "--max-cost 9000USD", &serve.endpoint()] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
    }
    assert!(serve.stop().is_empty(), "nothing was asked of the endpoint");
}

#[test]
fn what_is_no_cut_off_search_is_refused() {
    let tidegate = Tidegate::embedded();
    let refused = |arguments: &[&str]| {
        let finished = tidegate.run("tune", arguments);
        assert_eq!(finished.code, 2, "{arguments:?}");
        finished.stderr
    };
    assert!(refused(&["--resume", "20260101T000000Z-0000"]).contains("is not a run"));
    let other = tidegate.json("run", &["--simulate"]);
    let other = other["id"].as_str().unwrap();
    assert!(refused(&["--resume", other]).contains("was not started by `tune`"));

    tidegate.json("tune", &["--simulate", "--seed", "1"]);
    // Of two runs of one second the order is that of their random endings.
    let run = tidegate.runs().into_iter().find(|run| name(run) != other).unwrap();
    let mut cut = document(&run);
    cut["recommendation"] = Value::Null;
    cut["recommendations"] = Value::Array(Vec::new());
    let altered = |alter: &dyn Fn(&mut Value)| {
        let mut cut = cut.clone();
        alter(&mut cut);
        std::fs::write(result(&run), cut.to_string()).unwrap();
        refused(&["--resume", name(&run)])
    };
    let said = altered(&|cut| cut["trials"][3]["settings"]["concurrency"] = 61.into());
    assert!(said.contains("are not those that this version of tidegate would run"), "{said}");
    let said = altered(&|cut| cut["scenario"]["window_s"] = 7.0.into());
    assert!(said.contains("window_s = 7.0 and would go on with 5.0"), "{said}");
}

/// Kills it when so many trials are saved and another is in the middle of its window.
async fn killed_after(trials: usize, tidegate: &Tidegate, child: &mut Child) -> PathBuf {
    let run = saved_after(trials, tidegate, child).await;
    clock::sleep(Duration::from_millis(300)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    run
}

/// The run's directory when so many trials are saved there.
async fn saved_after(count: usize, tidegate: &Tidegate, child: &mut Child) -> PathBuf {
    loop {
        if let Some(run) = tidegate.runs().pop()
            && result(&run).is_file()
            && trials(&run).len() >= count
        {
            return run;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before {count} trials were saved");
        clock::sleep(Duration::from_millis(20)).await;
    }
}

/// The saved trials are there as they were, others follow, and there is an answer.
fn assert_goes_on(run: &Path, saved: &[String]) {
    let (document, trials) = (document(run), trials(run));
    assert!(trials.len() > saved.len());
    assert_eq!(trials[..saved.len()], *saved, "saved trials do not change");
    let ids = document["trials"].as_array().unwrap().iter().map(|trial| trial["id"].as_u64());
    assert!(ids.eq((0..trials.len() as u64).map(Some)), "ids have no gap");
    let found = &document["recommendation"];
    let [low, high] = [0, 1].map(|end| found["interval_95"][end].as_f64().unwrap());
    let goodput = found["goodput_bytes_per_second"].as_f64().unwrap();
    assert!(0.0 < low && low <= goodput && goodput <= high, "{found}");
    assert!(run.join("report.html").is_file());
}

/// Uploads below `t0/`, `t1/`, ... come in this order, and none comes back when a later one has begun:
/// only the trial that was cut off, which is the last before the resumed ones, may have been run twice.
fn assert_no_trial_was_repeated_but_the_one_cut_off(log: &[Request]) {
    let trial = |request: &Request| -> Option<u32> {
        let key = request
            .key
            .as_deref()
            .filter(|_| ["PutObject", "CreateMultipartUpload"].contains(&&*request.operation))?;
        key.split('/').find_map(|name| name.strip_prefix('t')?.parse().ok())
    };
    let mut begun: Vec<(u64, u32)> =
        log.iter().filter_map(|request| Some((request.start_us, trial(request)?))).collect();
    begun.sort_unstable();
    assert!(begun.is_sorted_by_key(|(_, trial)| *trial), "{begun:?}");
    assert!(begun.last().is_some_and(|(_, trial)| *trial > 3), "{begun:?}");
}

fn result(run: &Path) -> PathBuf {
    run.join("result.json")
}

fn document(run: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(result(run)).unwrap()).unwrap()
}

/// The trials as they stand in the file, to the byte.
fn trials(run: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(result(run)).unwrap();
    let (_, trials) = text.split_once("\n  \"trials\": [").unwrap();
    let (trials, _) = trials.split_once("\n  ]").unwrap_or(("", ""));
    let trials = trials.split("\n    {\n").skip(1);
    trials.map(|trial| trial.trim_end_matches(',').to_owned()).collect()
}

fn name(run: &Path) -> &str {
    run.file_name().unwrap().to_str().unwrap()
}

async fn keys(store: &S3Store) -> Vec<String> {
    let page = store.list_objects("", None, &probe()).await.unwrap();
    page.objects.into_iter().map(|object| object.key).collect()
}
