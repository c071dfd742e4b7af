//! Documents with known contents for the tests of this room.

use std::collections::BTreeMap;

use crate::prices::Prices;
use crate::result::{
    AddressUse, Arrivals, Asked, ClientUse, Command, Comparison, Direction, Distances, Document,
    DtnShare, DtnStep, ErrorCounts, FileFailure, ForGcs, ForRun, ForTune, GCS, GetMode, Host,
    InterfaceUse, Joint, LimitedBy, Load, Mixed, MoreDtns, Moved, NetworkUse, ObjectTimes, OneWay,
    OpenLoop, OperationSummary, Percentiles, Phase, Recommendation, RetryMode, SCHEMA, Saved,
    Scaling, Scenario, Served, Settings, SimulationCost, SourceUse, Target, TargetKind,
    TaskSummary, TcpUse, ThreadUse, TimeSpent, Tool, Traffic, Trial, Verb, Verdict, Verification,
    Whole, Window,
};
use crate::units::MIB;

const BLOCKS: u32 = 4;

/// Every sample with a name.
pub fn all() -> Vec<(&'static str, Document)> {
    vec![
        ("tune", tune()),
        ("embedded", embedded()),
        ("complete", complete()),
        ("both", both()),
        ("several-dtns", several_dtns()),
        ("many-shapes", many_shapes()),
        ("run-with-failures", run_with_failures()),
        ("hostile", hostile()),
        ("timed-run", timed_run()),
        ("unfinished", unfinished()),
        ("nothing-moved", nothing_moved()),
        ("no-trials", document("run", Vec::new())),
        ("tiny-rate", scaled(1e-9)),
        ("huge-rate", scaled(1e5)),
    ]
}

/// As if they were saved, without a record beside them.
pub fn saved(documents: &[Document]) -> Vec<Saved> {
    let saved =
        |document: &Document| Saved { document: document.clone(), directory: "absent".into() };
    documents.iter().map(saved).collect()
}

/// Two part sizes, three concurrencies, four blocks, and the ramp before them.
pub fn tune() -> Document {
    let ramp = [1, 2, 4, 8, 16, 32].map(|files| trial(settings(64, files, 1), Phase::Ramp, None));
    let race = (0..BLOCKS).flat_map(|block| {
        let of_size = move |size| [8, 16, 32].map(|files| racer(settings(size, files, 1), block));
        [8, 64].into_iter().flat_map(of_size)
    });
    let mut document = document("tune", ramp.into_iter().chain(race).collect());
    document.recommendation = Some(recommendation(settings(64, 16, 1)));
    document
}

/// The same downwards, and one concurrency for both directions.
pub fn both() -> Document {
    let mut document = tune();
    let up = document.recommendation.clone().expect("tune recommends");
    let mut downwards = document.trials.clone();
    for trial in &mut downwards {
        (trial.direction, trial.id) = (Traffic::Down, trial.id + document.trials.len() as u32);
    }
    document.trials.extend(downwards);
    let down = Recommendation { direction: Direction::Down, ..up.clone() };
    let same = Comparison {
        settings: up.settings,
        ratio: 1.0,
        interval_95: Some([1.0, 1.0]),
        phase: None,
    };
    document.joint = Some(Joint {
        concurrency: 16,
        serves: [Direction::Up, Direction::Down]
            .map(|direction| Served { direction, dataset: None, comparison: same })
            .into(),
        within_margin: true,
        within_margin_shown: true,
        why: "the fewest files in flight that are shown to be within 5 % of the best both ways: \
              up 1.00 of the best, down 1.00 of the best"
            .into(),
        gcs: gcs(16),
        commands: commands(16),
    });
    document.recommendations = vec![up, down];
    document
}

/// The same with one DTN and with two, which carry half as much again.
pub fn several_dtns() -> Document {
    let mut document = tune();
    let one = document.recommendation.clone().expect("tune recommends");
    let mut by_two = document.trials.clone();
    for trial in &mut by_two {
        trial.id += document.trials.len() as u32;
        trial.goodput_bytes_per_second *= 1.5;
        let goodput = trial.goodput_bytes_per_second;
        trial.dtns = [("dtn1", 0.6), ("dtn2", 0.4)]
            .map(|(name, share)| DtnShare {
                name: name.into(),
                host: Some(format!("{name}.site.edu")),
                cores: Some(16),
                goodput_bytes_per_second: share * goodput,
                bytes: (share * trial.bytes as f64) as u64,
                limited_by: trial.limited_by,
                evidence: trial.evidence.clone(),
                client: trial.client.clone(),
                network: None,
                clock_ahead_s: Some(if name == "dtn1" { 0.0 } else { -0.0123 }),
                clock_error_s: Some(0.000_02),
                began_after_s: Some(0.0002),
                overlap: Some(0.998),
            })
            .into();
    }
    document.trials.extend(by_two);
    let of_two = 1.5 * one.goodput_bytes_per_second;
    let two = Recommendation {
        dtns: Some(2),
        goodput_bytes_per_second: of_two,
        interval_95: [of_two * 0.94, of_two * 1.06],
        gcs: Some(ForGcs { servers: 2, ..gcs(32).expect("a number") }),
        commands: commands(32),
        ..one.clone()
    };
    let step = |found: &Recommendation| DtnStep {
        dtns: found.dtns.unwrap_or(1),
        settings: found.settings,
        goodput_bytes_per_second: found.goodput_bytes_per_second,
        interval_95: found.interval_95,
    };
    document.more_dtns = Some(MoreDtns {
        dtns_that_pay: 2,
        end_seen: false,
        interpolated: false,
        certain: false,
        without_answer: Vec::new(),
        why: "1 DTN carries 790 MB/s, 2 DTNs carry 1.19 GB/s: each of 2 DTNs brings at least 50 % of a share, and more were not measured".into(),
        steps: [&one, &two].map(step).into(),
    });
    document.recommendation = Some(two.clone());
    document.recommendations = vec![one, two];
    document
}

/// The same on the embedded gateway.
pub fn embedded() -> Document {
    let mut document = tune();
    document.target.kind = TargetKind::Embedded;
    document.target.endpoint = "http://127.0.0.1:40123".into();
    document
}

/// Every field that a document can have, at least once.
pub fn complete() -> Document {
    let mut document = tune();
    let found = document.recommendation.as_mut().expect("tune recommends");
    found.limited_by = Some(LimitedBy::ClientCpu);
    let scaling = found.scaling.as_mut().expect("with a law");
    (scaling.peak_streams, scaling.peak_streams_interval_95) = (Some(24.0), Some([20.0, 29.0]));
    let twice = Comparison { phase: Some(Phase::Duplicate), ..found.compared_with[0] };
    found.same_settings_twice = Some(twice);
    found.effective_speed_bytes_per_second = Some(4e8);
    found.effective_speed_interval_95 = Some([3.9e8, 4.1e8]);
    found.compared_with.push(twice);
    let rss_peak_bytes = Some(412 * MIB);
    document.simulation =
        Some(SimulationCost { simulated_s: 1e6, events: 1_000_000, real_s: 1.5, rss_peak_bytes });
    document.trials.push(complete_trial());
    document
}

/// The same of a trial.
fn complete_trial() -> Trial {
    let times = Percentiles { samples: 3, p50: 1, p90: 2, p99: 3, p999: 3, max: 3, mean: 1.5 };
    let way = OneWay {
        files_share: 0.5,
        objects: 24,
        bytes: 12 * MIB,
        goodput_bytes_per_second: 1e8,
        wire_bytes_per_second: 1.1e8,
    };
    let rss_peak_bytes = Some(412 * MIB);
    let mut trial = run_with_failures().trials.remove(0);
    trial.dataset = Some("climate".into());
    trial.asked = Some(Asked {
        affordable_trials: 20,
        left_us: 300_000_000,
        took_s: 31.5,
        bytes: 12 * MIB,
        cost_usd: 0.25,
    });
    trial.direction = Traffic::Mixed;
    trial.read_back_bytes = 12 * MIB;
    trial.verification = Some(Verification {
        effective_speed_bytes_per_second: Some(5e7),
        uploading_bytes_per_second: Some(1e8),
        reading_back_bytes_per_second: Some(1e8),
    });
    trial.mixed = Some(Mixed { up: way, down: way });
    trial.goodput_interval_95 = Some([1e8, 2e8]);
    trial.objects_us =
        ObjectTimes { begun: Some(times), completed: Some(times), verified: Some(times) };
    trial.open_loop =
        Some(OpenLoop { distances: Distances::Poisson, files_per_second: 2.5, backlog_files: 7 });
    trial.client = ClientUse {
        cpu_seconds: Some(4.2),
        cpu_seconds_per_gb: Some(0.21),
        rss_peak_bytes,
        rss_trial_peak_bytes: rss_peak_bytes,
        worker_threads: Some(2),
        processors_used: Some(1.2),
        busiest_threads: vec![ThreadUse {
            name: "workers-0".into(),
            running_share: 0.6,
            ready_share: 0.1,
        }],
        machine_busy_share: Some(0.4),
    };
    trial.network = Some(complete_network(times));
    trial.source = Some(SourceUse { read_bytes: 12 * MIB, waited_share: 0.01 });
    trial
}

fn complete_network(times: Percentiles) -> NetworkUse {
    NetworkUse {
        tcp: Some(TcpUse {
            connections: 16,
            round_trip_us: times,
            round_trip_min_us: Some(20_000),
            delivery_rate_p50_bytes_per_second: Some(12_000_000),
            sent_bytes: 12 * MIB,
            resent_bytes: 1,
            busy_s: 12.0,
            receive_window_limited_s: 0.5,
            send_buffer_limited_s: 0.25,
        }),
        interfaces: vec![InterfaceUse {
            name: "eth0".into(),
            loopback: false,
            speed_bits_per_second: Some(10_000_000_000),
            received_bytes_per_second: 1e6,
            sent_bytes_per_second: 1e8,
        }],
        addresses: vec![AddressUse {
            address: "192.0.2.1".into(),
            connections: 16,
            attempts: 64,
            failed_attempts: 1,
            payload_bytes: 12 * MIB,
        }],
        own_addresses: Vec::new(),
    }
}

/// As many lines as there are markers and more, and streams close to each other.
fn many_shapes() -> Document {
    let mut trials = Vec::new();
    for block in 0..BLOCKS {
        for size in [5, 16, 64, 128, 256] {
            for (files, parts) in [(1, 1), (3, 1), (10, 1), (11, 1), (12, 1), (100, 1), (8, 8)] {
                trials.push(racer(settings(size, files, parts), block));
            }
        }
    }
    let mut document = document("tune", trials);
    document.recommendation = Some(recommendation(settings(128, 12, 1)));
    document
}

/// A dataset of which some files did not arrive.
pub fn run_with_failures() -> Document {
    let mut trial = trial(settings(64, 16, 1), Phase::Run, None);
    trial.errors = ErrorCounts { throttled: 41, connection: 2, ..ErrorCounts::default() };
    trial.warnings = vec!["1.4 % of the attempts were retries".into()];
    trial.task = Some(TaskSummary {
        duration_s: 3783.4,
        files: 1875,
        files_done: 1870,
        bytes_done: 4_986_000_000_000,
        goodput_bytes_per_second: 1.3179e9,
        effective_speed_bytes_per_second: 1.3214e9,
        verified: true,
        verified_files: 1870,
        files_there: 0,
        files_there_verified: 0,
        directory_markers: 0,
        unverifiable_files: 0,
        verified_by_etag_files: 0,
        failures: (0..5).map(failure).collect(),
    });
    document("run", vec![trial])
}

/// Names that would be markup if they were not escaped.
pub fn hostile() -> Document {
    let mut document = run_with_failures();
    document.target.bucket = r#"<b>&"</b><script>alert(1)</script>"#.into();
    document.command.push("--name=<i>\u{1b}[31m".into());
    document.host.name = "h<h1>".into();
    document.assumptions.push("a < b && c > d".into());
    document.scenario.connector = Some("<v></pre>".into());
    let trial = &mut document.trials[0];
    trial.evidence = "</p><img src=x>".into();
    trial.warnings.push("<svg onload=x>".into());
    trial.window.rule = "</td>".into();
    let part = trial.requests.remove("part").expect("parts were moved");
    trial.requests.insert("put".into(), part);
    let task = trial.task.as_mut().expect("a run of a dataset");
    task.failures[0].path = "</code><script>".into();
    document
}

/// One settings for some seconds, without a dataset.
fn timed_run() -> Document {
    let mut trial = trial(settings(64, 16, 4), Phase::Run, None);
    trial.direction = Traffic::Down;
    let part = trial.requests.remove("part").expect("parts were moved");
    trial.requests = BTreeMap::from([("get".into(), part)]);
    document("run", vec![trial])
}

/// A search that stopped before it could recommend.
pub fn unfinished() -> Document {
    let mut document = tune();
    document.recommendation = None;
    document.trials.truncate(3);
    document
}

/// Every request failed.
pub fn nothing_moved() -> Document {
    let mut document = tune();
    for trial in &mut document.trials {
        trial.goodput_bytes_per_second = 0.0;
        trial.wire_bytes_per_second = 0.0;
        trial.requests.values_mut().for_each(|operation| {
            operation.service_time_us = Percentiles::default();
            operation.ttfb_us = Percentiles::default();
        });
    }
    document
}

fn scaled(factor: f64) -> Document {
    let mut document = tune();
    for trial in &mut document.trials {
        trial.goodput_bytes_per_second *= factor;
        for operation in trial.requests.values_mut() {
            let times = &mut operation.service_time_us;
            for time in [&mut times.p50, &mut times.p90, &mut times.p99, &mut times.p999] {
                *time = (*time as f64 / factor) as u64;
            }
            times.max = times.p999;
        }
    }
    let found = document.recommendation.as_mut().expect("tune recommends");
    found.goodput_bytes_per_second *= factor;
    found.interval_95 = found.interval_95.map(|rate| rate * factor);
    document
}

fn settings(part_size_mib: u64, concurrency: u32, parts_in_flight: u32) -> Settings {
    Settings { part_size_bytes: part_size_mib * MIB, concurrency, parts_in_flight }
}

/// Rises with the streams to a limit, the sooner the larger the parts.
fn rate(settings: Settings) -> f64 {
    let streams = f64::from(settings.streams());
    let size = settings.part_size_bytes as f64 / MIB as f64;
    900e6 * (size / (size + 8.0)) * streams / (streams + 1.2)
}

fn racer(settings: Settings, block: u32) -> Trial {
    trial(settings, Phase::Race, Some(block))
}

fn trial(settings: Settings, phase: Phase, block: Option<u32>) -> Trial {
    let noise = 1.0 + 0.03 * f64::from(block.unwrap_or(1)) - 0.04;
    let goodput = rate(settings) * noise;
    Trial {
        id: 0,
        phase,
        block,
        settings,
        direction: Traffic::Up,
        dataset: None,
        mixed: None,
        window: Window { start_s: 5.0, end_s: 25.0, steady: Some(true), rule: "MSER-5".into() },
        goodput_bytes_per_second: goodput,
        goodput_interval_95: None,
        wire_bytes_per_second: goodput * 1.01,
        bytes: (goodput * 25.0) as u64,
        read_back_bytes: 0,
        objects: 48,
        requests: requests(settings),
        objects_us: ObjectTimes::default(),
        open_loop: None,
        errors: ErrorCounts { throttled: 2, ..ErrorCounts::default() },
        corrupt: Default::default(),
        cut: 3,
        under_way: 0,
        retry_after_max_s: None,
        refused_in_window: None,
        refused_or_waiting: None,
        client: ClientUse {
            cpu_seconds: Some(4.2),
            cpu_seconds_per_gb: Some(0.21),
            rss_peak_bytes: Some(412 * MIB),
            ..ClientUse::default()
        },
        network: None,
        source: None,
        limited_by: LimitedBy::GatewayOrNetwork,
        evidence: "processor 21 % busy, interface at 8 % of 10 Gbit/s, 0.3 % retries".into(),
        warnings: Vec::new(),
        task: None,
        verification: None,
        dtns: Vec::new(),
        asked: None,
    }
}

fn requests(settings: Settings) -> BTreeMap<String, OperationSummary> {
    let part_us = settings.part_size_bytes as f64 / rate(settings) * 1e6;
    let part_us = part_us * f64::from(settings.streams());
    BTreeMap::from([
        ("create".into(), operation(48, 0, 31_000.0)),
        ("part".into(), operation(12_345, 37, part_us)),
        ("complete".into(), operation(45, 0, 190_000.0)),
        ("list".into(), operation(1, 0, 25_000.0)),
    ])
}

fn operation(count: u64, retries: u64, median_us: f64) -> OperationSummary {
    let of = |factor: f64| (median_us * factor) as u64;
    let times = |scale: f64| Percentiles {
        samples: count,
        p50: of(scale),
        p90: of(scale * 1.4),
        p99: of(scale * 2.6),
        p999: of(scale * 4.1),
        max: of(scale * 6.0),
        mean: median_us * scale * 1.1,
    };
    OperationSummary {
        count,
        attempts: count + retries,
        retries,
        service_time_us: times(1.0),
        ttfb_us: times(0.9),
        time_us: Some(time_spent(median_us * count as f64)),
    }
}

fn time_spent(total_us: f64) -> TimeSpent {
    let share = |percent: f64| (total_us * percent / 100.0) as u64;
    TimeSpent {
        dns: 0,
        connect: share(1.0),
        tls: share(2.0),
        send: share(70.0),
        wait: share(25.0),
        receive: share(2.0),
    }
}

fn failure(index: u32) -> FileFailure {
    FileFailure {
        path: format!("run-7/shot-{index:04}/detector.h5"),
        reason: "503 SlowDown after 8 attempts".into(),
    }
}

fn recommendation(best: Settings) -> Recommendation {
    let goodput = rate(best) * 1.005;
    let others = [settings(8, 8, 1), settings(64, 8, 1), settings(64, 32, 1)];
    let against = |other: Settings| {
        let ratio = rate(best) / rate(other);
        Comparison {
            settings: other,
            ratio,
            interval_95: Some([ratio * 0.98, ratio * 1.02]),
            phase: None,
        }
    };
    Recommendation {
        settings: best,
        direction: Direction::Up,
        dataset: None,
        goodput_bytes_per_second: goodput,
        interval_95: [goodput * 0.94, goodput * 1.06],
        verdict: Verdict::Clear,
        within_margin_shown: true,
        better_than_default_shown: true,
        smallest_difference_seen: Some(0.058),
        why: "Within 5 % of the fastest candidate, faster than the current default, and cheaper \
              than both neighbours."
            .into(),
        refused_share: None,
        trade: Vec::new(),
        compared_with: others.map(against).to_vec(),
        limited_by: None,
        same_settings_twice: None,
        effective_speed_bytes_per_second: None,
        effective_speed_interval_95: None,
        scaling: Some(scaling(best)),
        dtns: None,
        gcs: gcs(best.concurrency),
        commands: commands(best.concurrency),
    }
}

/// What [`rate`] is, as the law's parameters.
fn scaling(best: Settings) -> Scaling {
    let one = Settings { concurrency: 1, ..best };
    Scaling {
        model: "usl".into(),
        gamma_bytes_per_second: rate(one),
        alpha: 1.0 / 2.2,
        alpha_interval_95: Some([0.44, 0.47]),
        beta: 0.0,
        beta_interval_95: Some([0.0, 2.1e-5]),
        peak_streams: None,
        peak_streams_interval_95: None,
        trials: 18,
    }
}

fn commands(concurrency: u32) -> Vec<Command> {
    let network_use = format!(
        "--network-use custom \\\n  --max-concurrency {concurrency} --preferred-concurrency \
         {concurrency} \\\n  --max-parallelism 8 --preferred-parallelism 4"
    );
    let gcs = |purpose: &str, text: String| {
        Command::new(GCS, purpose, format!("globus-connect-server {text}"))
    };
    vec![
        gcs("this storage gateway only", format!("storage-gateway update s3 ID {network_use}")),
        gcs("the whole endpoint (all its gateways)", format!("endpoint update {network_use}")),
        gcs("to undo both", "endpoint update --network-use normal".into()),
        Command::new("rclone", "flags", format!("--transfers {concurrency} --s3-chunk-size 64Mi")),
    ]
}

fn gcs(concurrency: u32) -> Option<ForGcs> {
    Some(ForGcs { concurrency, servers: 1, part_size_bytes: None, remarks: Vec::new() })
}

fn scenario(verb: &str) -> Scenario {
    let verb = match verb {
        "tune" => Verb::Tune(Box::new(for_tune())),
        _ => Verb::Run(ForRun {
            direction: Traffic::Up,
            arrivals: Arrivals::Closed,
            load: Load::Whole(Whole::WholeDataset),
            verify: true,
            etag_part_size_bytes: None,
            keep: false,
        }),
    };
    Scenario {
        dataset: Moved::Named("climate".into()),
        dataset_shape: None,
        get: GetMode::Whole,
        model: None,
        retry: RetryMode::Adaptive,
        seed: 1,
        connector: None,
        payload: None,
        checksum: None,
        max_rate_bytes_per_second: None,
        max_requests_per_second: None,
        verb,
    }
}

fn for_tune() -> ForTune {
    ForTune {
        directions: vec![Direction::Up],
        current_concurrency: 2,
        concurrency_max: 32,
        part_sizes_bytes: vec![8 * MIB, 64 * MIB],
        parts_in_flight: vec![1],
        connector_part_size_bytes: None,
        stored_part_size_bytes: None,
        verify: false,
        max_refused: Some(0.05),
        memory_bytes: None,
        requests_per_second_max: None,
        budget_s: 1800.0,
        max_bytes: None,
        max_cost_usd: None,
        prices: Some(Prices::default()),
        warm_up_s: 10.0,
        window_s: 30.0,
        soak_s: Some(60.0),
    }
}

fn document(verb: &str, mut trials: Vec<Trial>) -> Document {
    for (id, trial) in (0..).zip(&mut trials) {
        trial.id = id;
    }
    let words = ["tidegate", verb, "s3://lab-data/tune", "--profile", "storj"];
    Document {
        schema: SCHEMA.into(),
        id: format!("{verb}-20261123-101500-7f3a"),
        started: "2026-11-23T10:15:00Z".into(),
        command: words.map(String::from).to_vec(),
        tool: Tool { name: "tidegate".into(), version: "0.1.0".into() },
        host: Host {
            name: "dtn1".into(),
            os: "Linux 6.12".into(),
            arch: "x86_64".into(),
            cores: 16,
            memory_bytes: Some(64 << 30),
        },
        target: Target {
            endpoint: "https://gateway.storjshare.io".into(),
            bucket: "lab-data".into(),
            kind: TargetKind::Endpoint,
            insecure: false,
        },
        scenario: scenario(verb),
        assumptions: vec![
            "A `normal` peer endpoint may hold the concurrency to 4.".into(),
            "The connector keeps one part of a file in flight.".into(),
        ],
        trials,
        simulation: None,
        recommendation: None,
        recommendations: Vec::new(),
        joint: None,
        more_dtns: None,
        sensitivity: None,
        spent: None,
    }
}
