//! The Globus commands of a recommendation, handed to the real Globus CLI, whose requests are answered here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::servers::text;
use crate::support::tidegate::Tidegate;
use crate::support::tools;

const ID: &str = "c574170d-3690-4343-bd16-2c9e49bd1ab0";

/// The Globus CLI with one endpoint.
struct Globus {
    directory: TempDir,
}

impl Globus {
    /// With an endpoint whose network use is this; `None` if this machine has no Globus CLI.
    fn with(network_use: Value) -> Option<Self> {
        let python = tools::find("python-with-globus-cli")?;
        let directory = tempfile::tempdir().unwrap();
        let mut endpoint = json!({"DATA_TYPE": "endpoint#1.2.0", "id": ID, "public": true});
        let fields = network_use.as_object().unwrap().clone();
        endpoint.as_object_mut().unwrap().extend(fields);
        fs::write(directory.path().join("endpoint.json"), endpoint.to_string()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/globus_canned.py");
        let globus = directory.path().join("globus");
        let start = format!("#!/bin/sh\nexec {} {} \"$@\"\n", text(&python), text(&script));
        fs::write(&globus, start).unwrap();
        fs::set_permissions(&globus, fs::Permissions::from_mode(0o755)).unwrap();
        Some(Self { directory })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a line as a shell would that has the Globus CLI, signed in as a client.
    fn run(&self, line: &str) -> Output {
        let path = std::env::var("PATH").unwrap();
        Command::new("sh")
            .args(["-c", line])
            .env("PATH", format!("{}:{path}", text(self.directory.path())))
            .env("HOME", self.directory.path())
            .env("CANNED_ENDPOINT", self.path("endpoint.json"))
            .env("CANNED_UPDATES", self.path("updates.jsonl"))
            .env("GLOBUS_CLI_CLIENT_ID", "926cc9c6-b481-4a5e-9ccd-b497f04c643b")
            .env("GLOBUS_CLI_CLIENT_SECRET", "not-a-secret")
            .output()
            .unwrap()
    }

    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it prints of the endpoint, as a file.
    fn show(&self) -> PathBuf {
        let shown = self.ok(&format!("globus gcs endpoint show {ID} -F json"));
        let file = self.path("shown.json");
        fs::write(&file, shown).unwrap();
        file
    }

    /// What the endpoint is now.
    fn endpoint(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("endpoint.json")).unwrap()).unwrap()
    }

    /// What was sent to change it, in order.
    fn updates(&self) -> Vec<Value> {
        let updates = fs::read_to_string(self.path("updates.jsonl")).unwrap();
        updates.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A search, and what it recommends.
fn tuned(options: &[&str]) -> Value {
    let search = ["--simulate", "--max-concurrency", "4", "--budget", "10m"];
    let search = [&search[..], &["--part-sizes", "64MiB"], options].concat();
    Tidegate::embedded().json("tune", &search)["recommendation"].take()
}

/// What is there to paste for the Globus CLI.
fn texts(recommendation: &Value) -> Vec<String> {
    let commands = recommendation["commands"].as_array().unwrap().iter();
    let globus = commands.filter(|command| command["program"] == "Globus CLI");
    globus.map(|command| command["text"].as_str().unwrap().to_owned()).collect()
}

/// The network use of a document, with every number that is there.
fn network_use(document: &Value) -> Value {
    let names = ["network_use", "max_concurrency", "preferred_concurrency"];
    let names = names.into_iter().chain(["max_parallelism", "preferred_parallelism"]);
    let there = names.filter(|name| !document[name].is_null());
    there
        .map(|name| (name.to_owned(), document[name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn custom(concurrency: &Value, parallelism: [u32; 2]) -> Value {
    let [preferred_parallelism, max_parallelism] = parallelism;
    json!({
        "network_use": "custom",
        "max_concurrency": concurrency,
        "preferred_concurrency": concurrency,
        "max_parallelism": max_parallelism,
        "preferred_parallelism": preferred_parallelism,
    })
}

#[test]
fn the_globus_cli_sets_what_is_recommended_and_puts_back_what_was() {
    let before = [
        (json!({"network_use": "normal"}), [4, 8]),
        (
            json!({
                "network_use": "custom", "max_concurrency": 3, "preferred_concurrency": 2,
                "max_parallelism": 6, "preferred_parallelism": 3,
            }),
            [3, 6],
        ),
    ];
    for (before, parallelism) in before {
        let Some(globus) = Globus::with(before.clone()) else { return };
        let file = globus.show();
        let found = tuned(&["--gcs-endpoint", text(&file)]);
        let [set, undo] = &texts(&found)[..] else { panic!("{found:#}") };
        assert!(set.contains(ID) && undo.contains(ID), "{set} {undo}");

        globus.ok(set);
        let wanted = custom(&found["gcs"]["concurrency"], parallelism);
        assert_eq!(network_use(&globus.updates()[0]), wanted);
        assert_eq!(network_use(&globus.endpoint()), wanted);
        globus.ok(undo);
        assert_eq!(network_use(&globus.endpoint()), before);
    }
}

#[test]
fn an_endpoint_that_has_the_recommended_numbers_is_left_alone() {
    let numbers = custom(&json!(4), [4, 8]);
    let Some(globus) = Globus::with(numbers) else { return };
    let file = globus.show();
    let found = tuned(&["--gcs-endpoint", text(&file)]);
    assert_eq!(found["gcs"]["concurrency"], 4, "{found:#}");
    let remarks = found["gcs"]["remarks"].to_string();
    assert!(remarks.contains("nothing to change"), "{remarks}");
    let programs = found["commands"].as_array().unwrap().iter();
    let programs: Vec<&str> = programs.map(|one| one["program"].as_str().unwrap()).collect();
    assert!(programs.iter().all(|name| !name.contains("Globus")), "{programs:?}");
}

#[test]
fn without_its_document_an_endpoint_is_set_by_the_id_that_the_user_fills_in() {
    let Some(globus) = Globus::with(json!({"network_use": "normal"})) else { return };
    let found = tuned(&["--servers", "3"]);
    let [set, undo] = &texts(&found)[..] else { panic!("{found:#}") };
    let filled = |text: &str| text.replace("ENDPOINT_ID", ID);
    globus.ok(&filled(set));
    let concurrency = &found["gcs"]["concurrency"];
    let of_one = found["settings"]["concurrency"].as_u64().unwrap();
    assert_eq!(*concurrency, json!(3 * of_one), "{found:#}");
    assert_eq!(network_use(&globus.updates()[0]), custom(concurrency, [4, 8]));
    globus.ok(&filled(undo));
    assert_eq!(network_use(&globus.endpoint()), json!({"network_use": "normal"}));
}

/// Otherwise the tests above would show nothing.
#[test]
fn the_globus_cli_and_the_canned_endpoint_refuse_what_globus_refuses() {
    let Some(globus) = Globus::with(json!({"network_use": "normal"})) else { return };
    let update = format!("globus gcs endpoint update {ID} --network-use custom");
    let few = globus.run(&format!("{update} --max-concurrency 4 --preferred-concurrency 4"));
    assert_eq!(few.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&few.stderr).contains("--max-parallelism"));
    let named = globus.run("globus gcs endpoint update my-endpoint --network-use normal");
    assert!(String::from_utf8_lossy(&named.stderr).contains("not a valid UUID"));
    let loose = globus.run(&format!("globus gcs endpoint update {ID} --max-concurrency 4"));
    assert!(!loose.status.success(), "the number goes with custom only");
}

#[test]
fn what_is_no_endpoint_and_what_is_no_id_are_refused_in_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let file = directory.path().join(name);
        fs::write(&file, content).unwrap();
        file
    };
    let table = write("table", "Display Name: My Endpoint\n");
    let minimal = format!(r#"{{"id": "{ID}", "network_use": "minimal"}}"#);
    let minimal = write("minimal.json", &minimal);
    let missing = directory.path().join("missing.json");
    for (options, sentence, hint) in [
        (["--gcs-endpoint", text(&table)], "does not describe a GCS endpoint", "-F json"),
        (["--gcs-endpoint", text(&missing)], "cannot read", "globus gcs endpoint show"),
        (["--gcs-endpoint", text(&minimal)], "is not published", "--current-concurrency"),
        (["--storage-gateway", "my-gateway"], "not a UUID", "storage-gateway list"),
        (["--servers", "0"], "--servers", "--help"),
    ] {
        let refused = Tidegate::embedded().run("tune", &[&["--simulate"], &options[..]].concat());
        assert_eq!(refused.code, 2, "{options:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(sentence), "{options:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(hint), "{options:?}: {}", refused.stderr);
    }
}
