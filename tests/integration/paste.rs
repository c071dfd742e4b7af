//! The commands that a recommendation comes with, handed to the programs they are for: what these then do,
//! `tidegate serve` logs and `observe` reads.

use serde_json::Value;

use crate::observe::{Told, assert_recovered};
use crate::support::servers::{Serve, text};
use crate::support::tidegate::Tidegate;
use crate::support::tools::{AwsCli, Tool};

/// What a search recommends, and the command for a program that sets it.
fn recommended(program: &str) -> (Told, String) {
    let search = ["--simulate", "--max-concurrency", "4", "--budget", "10m"];
    let settings = ["--part-sizes", "6MiB", "--parts-in-flight", "2"];
    let document = Tidegate::embedded().json("tune", &[&search[..], &settings].concat());
    let recommendation = &document["recommendation"];
    let number = |name: &str| recommendation["settings"][name].as_u64().unwrap();
    let told = Told {
        part_mib: number("part_size_bytes") >> 20,
        parts_in_flight: number("parts_in_flight"),
        files_in_flight: number("concurrency"),
    };
    assert_eq!((told.part_mib, told.parts_in_flight), (6, 2));
    assert!(told.files_in_flight > 1, "{told:?}");
    (told, text_for(program, recommendation))
}

/// What there is to paste into a program.
fn text_for(program: &str, recommendation: &Value) -> String {
    let mut commands = recommendation["commands"].as_array().unwrap().iter();
    let found = commands.find(|command| command["program"] == program);
    found.unwrap_or_else(|| panic!("nothing for {program}"))["text"].as_str().unwrap().to_owned()
}

fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().collect()
}

#[test]
fn the_flags_of_rclone_do_what_was_recommended() {
    if Tool::rclone("").is_none() {
        return;
    }
    let (told, flags) = recommended("rclone");
    assert_recovered([told], |serve, _, files| {
        // For Storj it takes no parts below 64 MiB; nor is what is discarded worth a checksum.
        let before = ["copy", "--s3-use-multipart-etag=false", "--s3-disable-checksum"];
        let way = [text(files.path()), "tidegate:bucket/p"];
        Tool::rclone(&serve.endpoint()).unwrap().ok([&before, &words(&flags)[..], &way].concat());
    });
}

#[test]
fn the_flags_of_s5cmd_do_what_was_recommended() {
    if Tool::s5cmd("").is_none() {
        return;
    }
    let (told, command) = recommended("s5cmd");
    let flags = command.strip_prefix("s5cmd ").unwrap();
    assert_recovered([told], |serve, _, files| {
        let from = format!("{}/", text(files.path()));
        let way = [from.as_str(), "s3://bucket/p/"];
        Tool::s5cmd(&serve.endpoint()).unwrap().ok([&words(flags)[..], &way].concat());
    });
}

/// Its limit is one for the requests of all files together: all streams may go into one file.
#[test]
fn the_configuration_of_the_aws_cli_does_what_was_recommended() {
    if AwsCli::find("").is_none() {
        return;
    }
    let (told, commands) = recommended("AWS CLI");
    let config = tempfile::NamedTempFile::new().unwrap();
    for command in commands.lines() {
        let words = words(command.strip_prefix("aws ").unwrap());
        AwsCli::find("http://127.0.0.1:1").unwrap().configured_by(config.path()).ok(words);
    }
    let streams = told.parts_in_flight * told.files_in_flight;
    let one_file = Told { parts_in_flight: streams, files_in_flight: 1, ..told };
    assert_recovered([one_file], |serve, _, files| {
        let aws = AwsCli::find(&serve.endpoint()).unwrap().configured_by(config.path());
        for file in std::fs::read_dir(files.path()).unwrap() {
            aws.ok(["s3", "cp", "--quiet", text(&file.unwrap().path()), "s3://bucket/p/"]);
        }
    });
}

/// What a search of downloads, each whole or in ranges, recommends to a program.
fn recommended_down(get: &str, program: &str) -> String {
    let search = ["--simulate", "--direction", "down", "--get", get, "--size", "400MB"];
    let settings = ["--max-concurrency", "4", "--part-sizes", "6MiB", "--parts-in-flight", "2"];
    let document = Tidegate::embedded().json("tune", &[&search[..], &settings].concat());
    text_for(program, &document["recommendation"])
}

/// A gateway with five objects of 30 MiB and a bit in `s3://bucket/p/`, for one client.
fn fetched(client: impl FnOnce(&Serve, &str)) -> Value {
    let mut serve = Serve::start(&["--bucket", "bucket"]);
    let keep = ["s3://bucket/p/", "--keep", "--dataset", "equal", "--files", "5"];
    let sized = ["--size", "157300000", "--no-verify"];
    let run = Tidegate::at(&serve.endpoint()).run("run", &[&keep[..], &sized].concat());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let to = tempfile::tempdir().unwrap();
    client(&serve, text(to.path()));
    let log = Tidegate::embedded().run_plain("observe", &[text(&serve.end()), "--json"]);
    serde_json::from_str::<Value>(&log.stdout).unwrap()["down"].take()
}

/// One request for each file, though it may name all of it as a range, or ranges of the part size.
fn assert_fetched(get: &str, down: &Value) {
    assert_eq!(down["files"], 5, "{down:#}");
    // Some ask for a full range at the end of a file, too.
    let ranges = down["part_sizes"][(6 << 20).to_string()].as_u64();
    let expected = if get == "ranged" { 25..=30 } else { 0..=0 };
    assert!(expected.contains(&ranges.unwrap_or(0)), "{down:#}");
}

#[test]
fn the_flags_of_rclone_for_downloads_fetch_as_was_recommended() {
    if Tool::rclone("").is_none() {
        return;
    }
    for get in ["whole", "ranged"] {
        let flags = recommended_down(get, "rclone");
        assert_fetched(
            get,
            &fetched(|serve, to| {
                let way = ["copy", "tidegate:bucket/p", to];
                Tool::rclone(&serve.endpoint()).unwrap().ok([&way[..], &words(&flags)].concat());
            }),
        );
    }
}

#[test]
fn the_configuration_of_the_aws_cli_for_downloads_fetches_as_was_recommended() {
    if AwsCli::find("").is_none() {
        return;
    }
    for get in ["whole", "ranged"] {
        let config = tempfile::NamedTempFile::new().unwrap();
        for command in recommended_down(get, "AWS CLI").lines() {
            let words = words(command.strip_prefix("aws ").unwrap());
            AwsCli::find("http://127.0.0.1:1").unwrap().configured_by(config.path()).ok(words);
        }
        assert_fetched(
            get,
            &fetched(|serve, to| {
                let aws = AwsCli::find(&serve.endpoint()).unwrap().configured_by(config.path());
                aws.ok(["s3", "cp", "--quiet", "--recursive", "s3://bucket/p/", to]);
            }),
        );
    }
}

/// It knows ranges only.
#[test]
fn the_flags_of_s5cmd_for_downloads_fetch_in_ranges() {
    if Tool::s5cmd("").is_none() {
        return;
    }
    let command = recommended_down("ranged", "s5cmd");
    let flags = command.strip_prefix("s5cmd ").unwrap();
    assert_fetched(
        "ranged",
        &fetched(|serve, to| {
            let way = ["s3://bucket/p/*", to];
            Tool::s5cmd(&serve.endpoint()).unwrap().ok([&words(flags)[..], &way].concat());
        }),
    );
}
