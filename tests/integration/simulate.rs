//! `--simulate`: the same engine in simulated time, from the command line.

use serde_json::Value;

use crate::support::tidegate::Tidegate;

/// The result document without what is of the run itself: its name, its time, and what it cost.
fn repeatable(tidegate: &Tidegate, verb: &str, arguments: &[&str]) -> Value {
    let mut document = tidegate.json(verb, arguments);
    for of_the_run in ["id", "started", "command"] {
        document[of_the_run] = Value::Null;
    }
    document["simulation"]["real_s"] = Value::Null;
    document["simulation"]["rss_peak_bytes"] = Value::Null;
    document
}

#[test]
fn the_same_seed_gives_the_same_result_and_another_gives_another() {
    let tidegate = Tidegate::embedded();
    for direction in ["up", "down"] {
        let run = |seed| {
            let arguments =
                ["--simulate", "--direction", direction, "--seed", seed, "--size", "100GB"];
            repeatable(&tidegate, "run", &arguments)
        };
        let first = run("7");
        assert_eq!(first, run("7"), "{direction}");
        let goodput = |document: &Value| document["trials"][0]["goodput_bytes_per_second"].clone();
        assert_ne!(goodput(&first), goodput(&run("8")), "{direction}");
    }
}

#[test]
fn a_simulation_says_that_it_is_one_and_what_it_rests_on() {
    let tidegate = Tidegate::embedded();
    let document = tidegate.json("run", &["--simulate", "hosted-1g-ocean", "--size", "50GB"]);
    assert_eq!(document["target"]["kind"], "simulated");
    assert_eq!(document["target"]["endpoint"], "hosted-1g-ocean");
    assert_eq!(document["scenario"]["model"]["round_trip_us"], 100_000);
    let assumptions = document["assumptions"].as_array().unwrap();
    let of_the_model = |text: &Value| text.as_str().unwrap().starts_with("round_trip = \"100ms\"");
    assert!(assumptions.iter().any(of_the_model), "{assumptions:?}");
    let trial = &document["trials"][0];
    assert_eq!(trial["limited_by"], "gateway_or_network");
    assert_eq!(trial["client"]["cpu_seconds"], Value::Null);
    // 1 Gbit/s is 125 MB/s, and four streams across an ocean can almost fill that.
    let goodput = trial["goodput_bytes_per_second"].as_f64().unwrap();
    assert!((60e6..125e6).contains(&goodput), "{goodput}");
    assert!(document["simulation"]["events"].as_u64().unwrap() > 1000);
    let shown = tidegate.run("run", &["--simulate", "--size", "1GB"]);
    assert!(shown.stdout.contains("nothing was sent"), "{}", shown.stdout);
}

/// Of a search without TARGET, as `tune --help` says.
const DEMONSTRATION: [&str; 8] =
    ["--budget", "55s", "--warm-up", "300ms", "--window", "2s", "--soak", "8s"];

#[test]
fn the_demonstration_is_clear_in_19_of_20_searches_and_rightly_so() {
    let tidegate = Tidegate::embedded();
    let simulated = |verb: &str, options: &[&str]| {
        tidegate.json(verb, &[&["--simulate", "demonstration"], options].concat())
    };
    let long_run = |part_size: &str, files: &str| {
        let options = ["--part-size", part_size, "--concurrency", files, "--for", "100s"];
        let document = simulated("run", &options);
        document["trials"][0]["goodput_bytes_per_second"].as_f64().unwrap()
    };
    let best = long_run("64MiB", "16");
    let is_rightly_clear = |seed: &u32| {
        let seed = seed.to_string();
        let document = simulated("tune", &[&["--seed", &seed], &DEMONSTRATION[..]].concat());
        let found = &document["recommendation"];
        let [part_size, files] =
            ["part_size_bytes", "concurrency"].map(|name| found["settings"][name].to_string());
        let is_more = |other: &Value| {
            let files_of = |one: &Value| one["settings"]["concurrency"].as_u64();
            other["phase"] != "ramp" && files_of(other) > files_of(found)
        };
        found["verdict"] == "clear"
            && found["compared_with"].as_array().unwrap().iter().any(is_more)
            && long_run(&part_size, &files) >= 0.95 * best
    };
    let rightly_clear = (1..=20).filter(is_rightly_clear).count();
    assert!(rightly_clear >= 19, "{rightly_clear} of 20");
}

#[test]
fn a_search_in_simulated_time_takes_its_budget_there_and_repeats() {
    let tidegate = Tidegate::embedded();
    let tune = || repeatable(&tidegate, "tune", &["--simulate", "hosted-1g-near"]);
    let first = tune();
    assert_eq!(first, tune());
    // Also where calls beside the transfers are refused and tried again.
    let small = ["--part-sizes", "5MiB", "--max-concurrency", "128"];
    let search = || repeatable(&tidegate, "tune", &[&["--simulate"], &small[..]].concat());
    let throttled = search();
    assert!(throttled["recommendation"]["why"].as_str().unwrap().contains("throttling"));
    assert_eq!(throttled, search());
    assert!(first["recommendation"]["settings"]["concurrency"].as_u64().unwrap() >= 2);
    // At most the budget of ten minutes was spent, all of it simulated; the soak alone is one.
    let simulated_s = first["simulation"]["simulated_s"].as_f64().unwrap();
    assert!((60.0..640.0).contains(&simulated_s), "{simulated_s}");
}

#[test]
fn what_a_simulated_answer_hangs_on_most_is_told_first() {
    // 800 MB/s are filled by 8 streams of 100 MB/s, by 16 of 50, and by 2 of 400.
    let link = "limits = \"none\"\nshared_rate = \"800MB/s\"\nround_trip = \"1ms\" # ASSUMPTION\n\
                connection_rate = \"100MB/s\" # ASSUMPTION\n[ranges]\nconnection_rate = [\"50MB/s\", \"400MB/s\"]\n";
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, link.as_bytes()).unwrap();
    let tidegate = Tidegate::embedded();
    for direction in ["up", "down"] {
        let arguments = ["--simulate", file.path().to_str().unwrap(), "--direction", direction];
        let document = tidegate.json("tune", &arguments);
        let found = &document["sensitivity"];
        assert_eq!(found["base"]["concurrency"], 8, "{found:#}");
        let [first, second] = found["parameters"].as_array().unwrap().as_slice() else {
            panic!("two are assumed: {found:#}")
        };
        assert_eq!(first["parameter"], "connection_rate");
        assert_eq!(second["parameter"], "round_trip");
        let ends = |of: &Value| -> Vec<(String, u64)> {
            let of = of["ends"].as_array().unwrap().iter();
            let end = |end: &Value| {
                let concurrency = end["knee"]["concurrency"].as_u64().unwrap();
                (end["value"].as_str().unwrap().to_owned(), concurrency)
            };
            of.map(end).collect()
        };
        assert_eq!(ends(first), [("50.0 MB/s".into(), 16), ("400 MB/s".into(), 2)]);
        assert_eq!(ends(second), [("500us".into(), 8), ("2ms".into(), 8)]);
        let shown = tidegate.run("tune", &arguments).stdout;
        let sentence =
            "N is 16 if connection_rate is 50.0 MB/s, 2 if it is 400 MB/s; measure one stream";
        assert!(shown.contains(sentence), "{shown}");
    }
}

#[test]
fn both_directions_are_searched_and_one_concurrency_is_found_for_both() {
    let tidegate = Tidegate::embedded();
    let document = tidegate.json("tune", &["--simulate", "hosted-1g-near", "--direction", "both"]);
    let directions = |of: &Value| -> Vec<String> {
        let all = of.as_array().unwrap().iter();
        all.map(|one| one["direction"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(directions(&document["recommendations"]), ["up", "down"]);
    assert_eq!(document["recommendation"], document["recommendations"][0]);
    let mut trials = document["trials"].as_array().unwrap().clone();
    trials.retain(|trial| trial["phase"] != "both_ways");
    assert!(trials.is_sorted_by_key(|trial| trial["direction"] == "down"), "up, then down");
    let times = document["trials"].as_array().unwrap().iter();
    let took = |way: &str| -> f64 {
        let of = times.clone().filter(|trial| trial["direction"] == way);
        of.map(|trial| trial["asked"]["took_s"].as_f64().unwrap()).sum()
    };
    assert!(took("up") <= 630.0 && took("up") + took("down") <= 1230.0, "each has its half");

    let joint = &document["joint"];
    let concurrency = joint["concurrency"].as_u64().unwrap();
    assert_eq!(joint["gcs"]["concurrency"], concurrency);
    let command = joint["commands"][1]["text"].as_str().unwrap();
    assert!(command.contains(&format!("--max-concurrency {concurrency} ")), "{command}");
    // One link of 1 Gbit/s both ways: whatever fills it serves both.
    assert_eq!(joint["within_margin"], true, "{joint}");
    for way in ["up", "down"] {
        let mut serves = joint["serves"].as_array().unwrap().iter();
        let served = serves.find(|served| served["direction"] == way).unwrap();
        assert!(served["comparison"]["ratio"].as_f64().unwrap() >= 0.95, "{joint}");
    }

    let shown = tidegate.run("tune", &["--simulate", "hosted-1g-near", "--direction", "both"]);
    let lines = shown.stdout.trim_end().lines();
    assert!(lines.clone().count() <= 15, "{}", shown.stdout);
    for label in ["up ", "down ", "both ways ", "Globus "] {
        assert_eq!(
            lines.clone().filter(|line| line.starts_with(label)).count(),
            1,
            "{}",
            shown.stdout
        );
    }
}

#[test]
fn one_concurrency_is_found_for_several_datasets_and_the_answer_names_them() {
    let tidegate = Tidegate::embedded();
    let names = ["many-small", "climate"];
    let datasets = ["--simulate", "hosted-10g-near", "--dataset", "many-small,climate"];
    let document = tidegate.json("tune", &datasets);
    let of = |list: &Value| -> Vec<String> {
        let all = list.as_array().unwrap().iter();
        all.map(|one| one["dataset"].as_str().unwrap().to_owned()).collect()
    };
    let joint = &document["joint"];
    assert_eq!(of(&document["recommendations"]), names);
    assert_eq!(of(&joint["serves"]), names);
    let trials = document["trials"].as_array().unwrap();
    for (name, found) in names.iter().zip(document["recommendations"].as_array().unwrap()) {
        let own = trials.iter().filter(|trial| trial["dataset"] == *name);
        let mut soaks = own.filter(|trial| trial["phase"] == "soak");
        assert!(soaks.any(|soak| soak["settings"] == found["settings"]), "{name}: {found}");
        let sizes = &document["scenario"]["dataset_shape"]["datasets"][name];
        assert!(!sizes.as_array().unwrap().is_empty(), "{name}");
    }
    // Files of kilobytes and of gigabytes: their rates have nothing to do with each other.
    let rate = |nth: usize| &document["recommendations"][nth]["goodput_bytes_per_second"];
    assert!(10.0 * rate(0).as_f64().unwrap() < rate(1).as_f64().unwrap());
    assert_eq!(document["scenario"]["dataset"], "many-small,climate");

    let shown = tidegate.run("tune", &datasets).stdout;
    let number = format!("N = {} files in flight", joint["concurrency"]);
    assert!(shown.lines().next().unwrap().contains(&number), "{shown}");
    for label in ["all datasets ", "many-small up ", "climate up "] {
        assert_eq!(shown.lines().filter(|line| line.starts_with(label)).count(), 1, "{shown}");
    }
}

#[test]
fn several_datasets_are_for_a_search_and_named_once_each() {
    let tidegate = Tidegate::embedded();
    for (verb, names, why) in [
        ("tune", "climate,climate", "names climate twice"),
        ("tune", "climate,", "no dataset named ``"),
        ("run", "climate,many-small", "climate,many-small"),
    ] {
        let refused = tidegate.run(verb, &["--simulate", "--dataset", names]);
        assert_eq!(refused.code, 2, "{names}: {}", refused.stderr);
        assert!(refused.stderr.contains(why), "{names}: {}", refused.stderr);
    }
}

#[test]
fn what_a_simulation_cannot_do_is_refused() {
    let tidegate = Tidegate::embedded();
    for (arguments, why) in [
        (["--simulate", "--verify"].as_slice(), "moves no bytes"),
        (&["--simulate", "hosted-2g-near"], "hosted-1g-near"),
        (&["--simulate", "development", "s3://bucket/p"], "cannot be used with"),
        (&["--simulate", "development", "--from", "/tmp"], "cannot be used with"),
    ] {
        let refused = tidegate.run("run", arguments);
        assert_eq!(refused.code, 2, "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(why), "{arguments:?}: {}", refused.stderr);
    }
}

#[test]
fn with_verification_the_effective_speed_is_looked_for_and_shown_beside_the_goodput() {
    let tidegate = Tidegate::embedded();
    let search = ["--simulate", "hosted-1g-near", "--dataset", "esnet-5GB", "--verify"];
    let document = tidegate.json("tune", &search);
    for trial in document["trials"].as_array().unwrap() {
        let found = &trial["verification"];
        let rate = |name: &str| found[format!("{name}_bytes_per_second")].as_f64().unwrap();
        let [effective, up, back] = ["effective_speed", "uploading", "reading_back"].map(rate);
        assert!((effective * (1.0 / up + 1.0 / back) - 1.0).abs() < 1e-9, "{found}");
        assert!(trial["read_back_bytes"].as_u64().unwrap() > 0, "{trial}");
    }
    let found = &document["recommendation"];
    assert!(found["effective_speed_bytes_per_second"].as_f64().unwrap() > 0.0, "{found}");
    assert!(found["goodput_bytes_per_second"].as_f64().unwrap() > 0.0, "{found}");
    assert!(found["why"].as_str().unwrap().contains("effective speed"), "{found}");

    let run = tidegate.runs().pop().unwrap();
    let again = tidegate.run_plain("report", &[run.to_str().unwrap(), "--recompute"]);
    assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);
    let shown = tidegate.run("tune", &search).stdout;
    assert!(shown.contains("effective speed with verification"), "{shown}");
    let down = tidegate.run("tune", &["--simulate", "--direction", "down", "--verify"]);
    assert_eq!(
        (down.code, down.stderr.contains("reads uploads back")),
        (2, true),
        "{}",
        down.stderr
    );
}

#[test]
fn what_a_trial_leaves_is_aborted_however_few_calls_are_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link.toml");
    let few_calls = r#"
        round_trip = "210ms"
        connection_rate = "775MB/s"
        shared_rate = "12.5GB/s"
        part_overhead = "200ms"
        [limits]
        transfers = "none"
        calls_per_second = 10
        calls_burst = 10
        key_writes_per_second = "none"
        retry_after = "1s"
    "#;
    std::fs::write(&link, few_calls).unwrap();
    let (tidegate, link) = (Tidegate::embedded(), link.to_str().unwrap());
    for seed in ["1", "2", "3", "4", "5"] {
        // The JSON comes with success only: everything was removed.
        let load = ["--part-size", "16MiB", "--concurrency", "100", "--for", "90s"];
        let document =
            tidegate.json("run", &[&["--simulate", link, "--seed", seed], &load[..]].concat());
        assert!(document["trials"][0]["errors"]["throttled"].as_u64() > Some(0));
    }
}
