//! Several DTNs that measure together: processes that launchers of MPI start, on a link that they share.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tidegate::clock;
use tidegate::store::Store;
use tidegate::store::s3::S3Store;

use crate::support::mpi::{Mpi, process_of};
use crate::support::servers::{Serve, Versitygw, connection};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::tree::{Tree, contents};
use crate::support::uploading::{SLOW, probe};
use crate::support::{SECRET_KEY, schemas};

const TARGET: &str = "s3://bucket/p";

/// Of whichever launcher, the others stop as soon.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

fn document(finished: &Finished) -> Value {
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let document = serde_json::from_str(&finished.stdout).expect("only the leader prints");
    schemas::hold(&document);
    document
}

/// Keys of objects, and of open uploads.
async fn left(endpoint: &str) -> (Vec<String>, usize) {
    let store = S3Store::connect(&connection(endpoint, "bucket", SECRET_KEY).await);
    let objects = store.list_objects("", None, &probe()).await.unwrap().objects;
    let uploads = store.list_uploads("", &probe()).await.unwrap();
    (objects.into_iter().map(|object| object.key).collect(), uploads.len())
}

#[tokio::test]
async fn four_dtns_share_a_link_and_leave_nothing_on_it() {
    for mpi in Mpi::all() {
        let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
        let tidegate = Tidegate::at(&serve.endpoint());
        let task = ["--for", "3s", "--warm-up", "1s", "--size", "100MB", "--part-size", "5MiB"];
        let arguments = [&[TARGET], &task[..], &["--json"]].concat();
        let trial = &document(&tidegate.run_launched(&mpi, 4, "run", &arguments))["trials"][0];
        let dtns = trial["dtns"].as_array().unwrap();
        assert_eq!(dtns.len(), 4);
        let sum = |field: &str| dtns.iter().map(|dtn| dtn[field].as_f64().unwrap()).sum::<f64>();
        let goodput = trial["goodput_bytes_per_second"].as_f64().unwrap();
        assert!(goodput > 0.0 && (sum("goodput_bytes_per_second") / goodput - 1.0).abs() < 1e-6);
        assert_eq!(sum("bytes"), trial["bytes"].as_f64().unwrap());
        for dtn in dtns {
            // One machine has one clock.
            let [ahead, error] =
                ["clock_ahead_s", "clock_error_s"].map(|name| dtn[name].as_f64().unwrap());
            assert!(ahead.abs() <= error + 1e-3, "{dtn}");
            assert!(dtn["overlap"].as_f64().unwrap() > 0.5, "{dtn}");
        }
        let uploaded: u64 = serve
            .stop()
            .iter()
            .filter(|request| request.operation == "UploadPart" && request.status == Some(200))
            .map(|request| request.bytes_in)
            .sum();
        assert!(uploaded >= trial["bytes"].as_u64().unwrap());
    }
}

#[test]
fn a_tree_of_awkward_names_goes_up_and_comes_back_each_file_once() {
    for mpi in Mpi::all() {
        let serve = Serve::start(&["--bucket", "bucket"]);
        let tidegate = Tidegate::at(&serve.endpoint());
        let directory = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| directory.path().join(name));
        let tree = Tree { small_files: 300, large_bytes: 20_000_000 };
        tree.write(&from);
        let [from_text, to_text] = [&from, &to].map(|path| path.to_str().unwrap());
        let up = [TARGET, "--from", from_text, "--keep", "--part-size", "5MiB", "--json"];
        let up = document(&tidegate.run_launched(&mpi, 4, "run", &up));
        let task = &up["trials"][0]["task"];
        assert_eq!(task["files"], task["files_done"]);
        assert_eq!((&task["files"], &task["verified"]), (&tree.files().into(), &true.into()));
        let down = [TARGET, "--direction", "down", "--to", to_text, "--json"];
        let down = document(&tidegate.run_launched(&mpi, 4, "run", &down));
        assert_eq!(down["trials"][0]["task"]["files_done"], tree.files());
        assert_eq!(contents(&from), contents(&to));
        let mut gets = BTreeMap::<String, u32>::new();
        let mut puts = gets.clone();
        for request in serve.stop() {
            let Some(key) = request.key.filter(|key| !key.contains(".tidegate-run")) else {
                continue;
            };
            match &*request.operation {
                "PutObject" | "CompleteMultipartUpload" => *puts.entry(key).or_default() += 1,
                "GetObject" => *gets.entry(key).or_default() += 1,
                _ => {}
            }
        }
        assert_eq!(puts.len() as u64, tree.files());
        assert!(puts.values().all(|times| *times == 1), "{puts:?}");
        // Once to verify it, once to download it.
        assert!(gets.values().all(|times| *times == 2), "{gets:?}");
    }
}

#[test]
fn what_is_downloaded_again_and_again_is_shared_by_all() {
    for mpi in Mpi::all() {
        let serve = Serve::start(&["--bucket", "bucket"]);
        let tidegate = Tidegate::at(&serve.endpoint());
        let task = ["--direction", "down", "--for", "2s", "--warm-up", "1s", "--size", "50MB"];
        let arguments = [&[TARGET], &task[..], &["--json"]].concat();
        let found = document(&tidegate.run_launched(&mpi, 3, "run", &arguments));
        let trial = &found["trials"][0];
        let errors = trial["errors"].as_object().unwrap();
        assert!(errors.values().all(|count| *count == 0), "{errors:?}");
        assert_eq!(trial["dtns"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn a_search_says_how_many_dtns_pay() {
    // Which of them has started it makes no difference to a search.
    if let Some(mpi) = Mpi::all().first() {
        let serve = Serve::start(&["--connection-rate", "20MB/s", "--bucket", "bucket"]);
        let tidegate = Tidegate::at(&serve.endpoint());
        let search = [
            "--dtns",
            "1,2",
            "--budget",
            "70s",
            "--warm-up",
            "500ms",
            "--window",
            "1s",
            "--soak",
            "5s",
        ];
        let task = ["--size", "100MB", "--part-sizes", "5MiB", "--max-concurrency", "4"];
        let arguments = [&[TARGET], &search[..], &task, &["--json"]].concat();
        let finished = tidegate.run_launched(mpi, 2, "tune", &arguments);
        let found = document(&finished);
        let more = &found["more_dtns"];
        assert_eq!(more["steps"].as_array().map(Vec::len), Some(2), "{}", finished.stderr);
        let dtns = more["dtns_that_pay"].as_u64().unwrap();
        let recommended = found["recommendation"]["dtns"].as_u64().unwrap_or(1);
        assert!(recommended <= dtns, "{more}");
        // What was measured is in the document, and can be worked out again.
        let run = tidegate.runs().remove(0);
        let again =
            Tidegate::embedded().run_plain("report", &[run.to_str().unwrap(), "--recompute"]);
        assert_eq!(again.code, 0, "{}", again.stderr);
    }
}

#[tokio::test]
async fn whichever_dtn_is_killed_the_others_stop_and_one_clean_up_leaves_nothing() {
    for mpi in Mpi::all() {
        let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
        for rank in [0, 1, 2] {
            kill(&mpi, &serve.endpoint(), rank, Duration::from_millis(1500)).await;
        }
    }
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn fifty_kills_of_dtns_on_both_servers() {
    for mpi in Mpi::all() {
        let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
        let versitygw = Versitygw::start();
        let slow = versitygw.as_ref().map(|one| Serve::in_front_of(&one.endpoint(), SLOW));
        for moment in 0..50 {
            let endpoint = match &slow {
                Some(slow) if moment % 2 == 1 => slow.endpoint(),
                _ => serve.endpoint(),
            };
            kill(&mpi, &endpoint, moment % 3, Duration::from_millis(100 * u64::from(moment))).await;
        }
    }
}

/// Kills one of three so long after the bucket was written to first; then cleans up.
async fn kill(mpi: &Mpi, endpoint: &str, rank: u32, after: Duration) {
    let before = left(endpoint).await;
    let tidegate = Tidegate::at(endpoint);
    let task = ["--for", "60s", "--size", "100MB", "--part-size", "5MiB", "--concurrency", "2"];
    let mut launcher = tidegate.launched(mpi, 3, "run", &[&[TARGET], &task[..]].concat());
    launcher.stdout(Stdio::null()).stderr(Stdio::null());
    let mut launcher = launcher.spawn().unwrap();
    let began = clock::now();
    while left(endpoint).await == before {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing was written");
        clock::sleep(Duration::from_millis(20)).await;
    }
    clock::sleep(after).await;
    let results = tidegate.results();
    let victim = process_of(rank, results).expect("it runs");
    kill_process(victim, Signal::KILL).unwrap();
    let killed = clock::now();
    let others = || (0..3).filter(|other| process_of(*other, results).is_some()).count();
    while others() > 0 {
        assert!(killed.elapsed() < STOPPED_WITHIN, "{} still run", others());
        clock::sleep(Duration::from_millis(50)).await;
    }
    assert_ne!(launcher.wait().unwrap().code(), Some(0));
    for run in tidegate.runs() {
        let name = run.file_name().unwrap().to_str().unwrap().to_owned();
        let cleaned = tidegate.run("clean", &[TARGET, "--run", &name]);
        assert_eq!(cleaned.code, 0, "{}", cleaned.stderr);
    }
    assert_eq!(left(endpoint).await, before, "rank {rank} after {after:?}");
}

#[tokio::test]
#[ignore = "takes two minutes"]
async fn a_search_that_lost_a_dtn_goes_on_and_leaves_nothing() {
    for mpi in Mpi::all() {
        let serve = Serve::start(&["--connection-rate", "20MB/s", "--bucket", "bucket"]);
        let (endpoint, tidegate) = (serve.endpoint(), Tidegate::at(&serve.endpoint()));
        let search = ["--dtns", "1,2", "--budget", "70s", "--warm-up", "500ms", "--window", "1s"];
        let task =
            ["--soak", "5s", "--size", "100MB", "--part-sizes", "5MiB", "--max-concurrency", "4"];
        let mut launcher =
            tidegate.launched(&mpi, 2, "tune", &[&[TARGET], &search[..], &task].concat());
        let mut launcher = launcher.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        clock::sleep(Duration::from_secs(15)).await;
        kill_process(process_of(1, tidegate.results()).expect("it runs"), Signal::KILL).unwrap();
        assert_ne!(launcher.wait().unwrap().code(), Some(0));
        while process_of(0, tidegate.results()).is_some() {
            clock::sleep(Duration::from_millis(50)).await;
        }
        let run = tidegate.runs().remove(0);
        let resume = [TARGET, "--resume", run.to_str().unwrap(), "--json"];
        let resumed = tidegate.launched_plain(&mpi, 2, &[], "tune", &resume).output().unwrap();
        let found = document(&Finished::from(resumed));
        assert_eq!(found["more_dtns"]["steps"].as_array().map(Vec::len), Some(2));
        assert_eq!(left(&endpoint).await, (Vec::new(), 0));
    }
}

#[test]
fn dtns_that_would_not_do_the_same_are_named_before_anything_is_written() {
    for mpi in Mpi::all() {
        let serve = Serve::start(&["--bucket", "bucket"]);
        let tidegate = Tidegate::at(&serve.endpoint());
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "data").unwrap();
        // Only the second sees another file.
        let root = directory.path().display();
        let script = format!(
            "rank=${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}; from={root}/$rank; mkdir $from; cp {root}/file $from; \
             [ $rank = 1 ] && echo more > $from/more; cd $from; exec \"$0\" \"$@\" --results {root}/results"
        );
        let run = [TARGET, "--from", "."];
        let mut launcher = tidegate.launched_plain(&mpi, 2, &["sh", "-c", &script], "run", &run);
        let finished = Finished::from(launcher.output().unwrap());
        assert_ne!(finished.code, 0);
        assert!(finished.stderr.contains("dtn2 on"), "{}", finished.stderr);
        assert!(finished.stderr.contains("dataset"), "{}", finished.stderr);
        let written = serve.stop().into_iter().filter(|request| request.operation == "PutObject");
        assert_eq!(written.count(), 0);
    }
}

#[test]
fn a_check_is_made_from_every_dtn_and_names_the_one_that_fails() {
    for mpi in Mpi::all() {
        let serve = Serve::start(&["--bucket", "bucket"]);
        let tidegate = Tidegate::at(&serve.endpoint());
        let mut check = tidegate.launched_plain(&mpi, 3, &[], "check", &[TARGET]);
        let all_well = Finished::from(check.output().unwrap());
        assert_eq!(all_well.code, 0, "{}{}", all_well.stdout, all_well.stderr);
        assert!(all_well.stdout.contains("dtn3 on "), "{}", all_well.stdout);
        // The second has no keys.
        let script = "[ ${OMPI_COMM_WORLD_RANK:-$PMI_RANK} = 1 ] && unset AWS_ACCESS_KEY_ID; exec \"$0\" \"$@\"";
        let mut check = tidegate.launched_plain(&mpi, 3, &["sh", "-c", script], "check", &[TARGET]);
        let failed = Finished::from(check.output().unwrap());
        assert_ne!(failed.code, 0);
        assert!(failed.stderr.contains("failed on dtn2"), "{}", failed.stderr);
    }
}

#[test]
fn a_tidegate_without_mpi_does_not_run_several_times_beside_itself() {
    let launched = |size: &str| {
        let tidegate = Tidegate::embedded()
            .with_variable("OMPI_COMM_WORLD_SIZE", size)
            .with_variable("OMPI_COMM_WORLD_RANK", "1");
        tidegate.run("run", &["--simulate", "--size", "1GB"])
    };
    let refused = launched("4");
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("started tidegate 4 times"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--features mpi"), "{}", refused.stderr);
    let alone = launched("1");
    assert_eq!(alone.code, 0, "{}", alone.stderr);
}

#[test]
fn simulated_dtns_with_one_projects_limits_carry_less_than_each_alone() {
    let tidegate = Tidegate::embedded();
    let run = |dtns: &str| {
        let task = ["--dataset", "many-small", "--files", "20000", "--concurrency", "8"];
        let document = tidegate.json("run", &[&["--simulate", "--dtns", dtns], &task[..]].concat());
        document["trials"][0].clone()
    };
    let (one, four) = (run("1"), run("4"));
    let files = |trial: &Value| trial["task"]["files_done"].as_u64().unwrap();
    assert_eq!((files(&one), files(&four)), (20_000, 20_000));
    assert_eq!(four["dtns"].as_array().unwrap().len(), 4);
    assert!(one.get("dtns").is_none());
    // What one project may ask for is used up by one already.
    let seconds = |trial: &Value| trial["task"]["duration_s"].as_f64().unwrap();
    assert!(seconds(&four) > 0.6 * seconds(&one), "{} {}", seconds(&one), seconds(&four));
}
