//! What a run says when something goes wrong at its end: its result first, and no more than was counted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::support::mischief::{Fault, mischief};
use crate::support::relay::{Asked, Relay};
use crate::support::servers::Serve;
use crate::support::tidegate::{Finished, Tidegate};

const TARGET: &str = "s3://bucket/p";

/// A gateway, and before it a relay that refuses what `refuses` says, until it is told to relent.
struct Setting {
    _serve: Serve,
    relay: Relay,
    refusing: Arc<AtomicBool>,
}

impl Setting {
    fn refusing(refuses: impl Fn(&Asked) -> bool + Send + 'static) -> Self {
        let serve = Serve::start(&["--bucket", "bucket"]);
        let refusing = Arc::new(AtomicBool::new(true));
        let is_refusing = Arc::clone(&refusing);
        let relay = mischief(&serve.endpoint(), move |asked| {
            match is_refusing.load(Ordering::SeqCst) && refuses(asked) {
                true => Fault::refusal(403, "AccessDenied", ""),
                false => Fault::None,
            }
        });
        Self { _serve: serve, relay, refusing }
    }

    /// Runs the command that was told, once nothing is refused any more.
    fn clean_as_told(&self, tidegate: &Tidegate, finished: &Finished) {
        self.refusing.store(false, Ordering::SeqCst);
        let (_, command) =
            finished.stderr.split_once("remove them: tidegate clean ").expect("a command");
        let words: Vec<&str> = command.lines().next().unwrap().split(' ').collect();
        let cleaned = tidegate.run_plain("clean", &words[..words.len()]);
        assert_eq!(cleaned.code, 0, "{}", cleaned.stderr);
        assert!(cleaned.stdout.contains("removed: run "), "{}", cleaned.stdout);
    }
}

fn deletes(asked: &Asked) -> bool {
    asked.method == "POST" && asked.has("delete")
}

fn lists_uploads(asked: &Asked) -> bool {
    asked.method == "GET" && asked.has("uploads")
}

/// What a run whose clean-up was refused says and keeps.
fn assert_tells_its_result_first(setting: &Setting) {
    let tidegate = &Tidegate::embedded();
    let endpoint = setting.relay.endpoint();
    let arguments = [TARGET, "--size", "3MB", "--files", "3", "--endpoint", &endpoint];
    let finished = &tidegate.run("run", &arguments);
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(finished.stdout.contains("3 of 3 files"), "{}", finished.stdout);
    assert!(
        finished.stderr.contains("may be left below s3://bucket/p/tidegate-"),
        "{}",
        finished.stderr
    );
    let run = tidegate.runs().pop().unwrap();
    assert!(run.join("result.json").is_file() && run.join("report.html").is_file());
    setting.clean_as_told(tidegate, finished);
}

#[test]
fn a_run_whose_deletes_are_refused_tells_its_result_and_then_what_is_left() {
    assert_tells_its_result_first(&Setting::refusing(deletes));
}

#[test]
fn a_run_whose_uploads_cannot_be_listed_tells_its_result_and_then_what_is_left() {
    assert_tells_its_result_first(&Setting::refusing(lists_uploads));
}

#[test]
fn a_check_whose_deletes_are_refused_lists_all_and_then_says_what_is_left() {
    let setting = Setting::refusing(deletes);
    let tidegate = Tidegate::embedded();
    let checked = tidegate.run_plain("check", &[TARGET, "--endpoint", &setting.relay.endpoint()]);
    assert_eq!(checked.code, 2, "{}", checked.stderr);
    assert!(checked.stdout.contains("delete") && checked.stdout.contains("round trip"));
    setting.clean_as_told(&tidegate, &checked);
}

#[test]
fn a_search_whose_last_deletes_are_refused_recommends_and_then_says_what_is_left() {
    let search: Arc<OnceLock<Arc<Tidegate>>> = Arc::default();
    let looks = Arc::clone(&search);
    let is_over = move || {
        let runs = looks.get().map(|tidegate| tidegate.runs()).unwrap_or_default();
        let saved =
            runs.iter().filter_map(|run| std::fs::read_to_string(run.join("result.json")).ok());
        saved.into_iter().any(|text| text.contains("\"recommendation\": {"))
    };
    let setting = Setting::refusing(move |asked| deletes(asked) && is_over());
    let tidegate = search.get_or_init(|| Arc::new(Tidegate::embedded()));
    let endpoint = setting.relay.endpoint();
    let times = ["--budget", "10m", "--soak", "5s", "--warm-up", "100ms", "--window", "500ms"];
    let sizes =
        ["--size", "100MB", "--files", "10", "--part-sizes", "5MiB", "--max-concurrency", "2"];
    let arguments = [&[TARGET, "--endpoint", &endpoint][..], &times, &sizes].concat();
    let finished = tidegate.run("tune", &arguments);
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(finished.stdout.contains("recommended"));
    let run = tidegate.runs().pop().unwrap();
    assert!(run.join("report.html").is_file());
    setting.clean_as_told(tidegate, &finished);
}

#[test]
fn a_plan_whose_last_delete_is_refused_is_told_and_then_what_is_left() {
    // A series of eight tasks, each cleared by one request; what is left then is the marker.
    let mut deleted = 0;
    let deletes_more = move |asked: &Asked| {
        deleted += u32::from(deletes(asked));
        deletes(asked) && deleted > 8
    };
    let deletes_more = std::sync::Mutex::new(deletes_more);
    let setting = Setting::refusing(move |asked| deletes_more.lock().unwrap()(asked));
    let (tidegate, endpoint) = (Tidegate::embedded(), setting.relay.endpoint());
    let measured = ["--measure", TARGET, "--endpoint", &endpoint, "--budget", "1s"];
    let asked =
        ["--part-size", "5MiB", "--concurrency", "1", "--dataset", "climate", "--size", "1GB"];
    let finished = tidegate.run("plan", &[&measured[..], &asked].concat());
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(finished.stdout.contains("report       "), "{}", finished.stdout);
    setting.clean_as_told(&tidegate, &finished);
}

#[test]
fn where_nothing_arrived_nothing_was_verified() {
    let is_file =
        |asked: &Asked| asked.method == "PUT" && !asked.target.contains("tidegate-run.json");
    let setting = Setting::refusing(is_file);
    let tidegate = Tidegate::at(&setting.relay.endpoint());
    let arguments = [TARGET, "--size", "3MB", "--files", "3", "--verify"];
    let finished = tidegate.run("run", &arguments);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(finished.stdout.contains("0 of 3 files"), "{}", finished.stdout);
    assert!(finished.stdout.contains("nothing: no object arrived"), "{}", finished.stdout);
    let page = std::fs::read_to_string(tidegate.runs()[0].join("report.html")).unwrap();
    assert!(!page.contains("every object"));
}

#[test]
fn of_files_that_failed_nobody_says_that_they_were_verified() {
    let one = Arc::new(AtomicBool::new(true));
    let setting = Setting::refusing(move |asked| {
        let is_file = asked.method == "PUT" && !asked.target.contains("tidegate-run.json");
        is_file && one.swap(false, Ordering::SeqCst)
    });
    let tidegate = Tidegate::at(&setting.relay.endpoint());
    let finished = tidegate.run("run", &[TARGET, "--size", "3MB", "--files", "3", "--verify"]);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(
        finished.stdout.contains("the 2 objects that arrived, read back"),
        "{}",
        finished.stdout
    );
}
