//! How numbers and states are said, alike in the terminal, in the page and in the charts.

use std::time::Duration;

use crate::escape;
use crate::prices::Usd;
use crate::result::{
    AddressUse, Budget, Command, Comparison, Document, ErrorCounts, ForGcs, LimitedBy, OneWay,
    OperationSummary, Phase, Settings, Spent, Target, TargetKind, TaskSummary, Traffic, Trial,
    Verdict,
};
use crate::units::{ByteSize, Rate};
pub use crate::units::{count, counted};

/// Said wherever a result is shown that is no measurement of what somebody runs.
pub fn caution(target: TargetKind) -> Option<&'static str> {
    match target {
        TargetKind::Embedded => Some(DEMONSTRATION),
        TargetKind::Simulated => Some(SIMULATION),
        TargetKind::Endpoint => None,
    }
}

/// Of the embedded gateway.
pub const DEMONSTRATION: &str =
    "A demonstration on a modelled link on this machine, not a measurement of Storj.";

/// Of simulated time.
const SIMULATION: &str = "A simulation: nothing was sent. It is only as good as its model, whose assumptions are listed.";

/// Instead of a picture.
pub const NOTHING_FINISHED: &str = "Nothing to show: no trial finished.";

/// Instead of a picture of requests.
pub const NOTHING_MOVED: &str = "Nothing to show: no request with data was timed in a trial.";

/// Instead of a picture of their times.
pub const NOTHING_TO_COMPARE: &str =
    "Nothing to compare: requests with data were timed with fewer than two settings.";

/// What times of requests lack where these were let go at the end of a window.
pub fn let_go<'a>(mut trials: impl Iterator<Item = &'a Trial>) -> &'static str {
    match trials.any(|trial| trial.under_way > 0) {
        true => {
            " Requests still running when a window closed are not counted, so times near its length look too short."
        }
        false => "",
    }
}

/// How the objects of a whole dataset were verified.
pub fn verified(task: &TaskSummary, direction: Traffic) -> String {
    let (verified, arrived) = (task.files_verified(), task.files_done);
    let others = arrived.saturating_sub(verified);
    let [of_each, of_some] = match (task.verified_by_etag_files, direction) {
        (1.., _) => ["by its ETag", "by their ETags"],
        (0, Traffic::Up) => ["read back"; 2],
        (0, Traffic::Down | Traffic::Mixed) => ["compared with what was uploaded"; 2],
    };
    match (verified, others) {
        (0, 0) => "nothing: no object arrived".into(),
        (0, _) if task.unverifiable_files > 0 => "unverifiable: no ETag was reproduced".into(),
        (0, _) => "no".into(),
        (_, 0) if arrived == task.files => format!("every object, {of_each}"),
        (_, 0) => format!("the {} that arrived, {of_some}", counted(verified, "object")),
        (_, others) => {
            let is_by_etag = task.unverifiable_files > 0;
            let what = if is_by_etag { "unverifiable" } else { "not verified" };
            let are = if others == 1 { "is" } else { "are" };
            let verified = counted(verified, "object");
            format!("{verified}, {of_some}; {} {are} {what}", count(others))
        }
    }
}

/// What was there before a download that went on; empty if nothing was.
pub fn there(task: &TaskSummary) -> String {
    let (there, verified) = (task.files_there, task.files_there_verified);
    match there.saturating_sub(verified) {
        _ if there == 0 => String::new(),
        0 => format!("{}, each with the bytes of its ETag", counted(there, "file")),
        by_size if verified == 0 => {
            format!("{}, each with the size of its object", counted(by_size, "file"))
        }
        by_size => format!(
            "{}: {} with the bytes of the ETag, {} with the size of the object",
            counted(there, "file"),
            count(verified),
            count(by_size)
        ),
    }
}

/// Objects that stand for directories; empty if there is none.
pub fn directory_markers(task: &TaskSummary) -> String {
    match task.directory_markers {
        0 => String::new(),
        1 => "1 empty object that stands for a directory, not counted as a file".into(),
        markers => format!(
            "{} empty objects that stand for directories, not counted as files",
            count(markers)
        ),
    }
}

/// `64 MiB parts, concurrency 16`; parts in flight only where there are several.
pub fn settings(settings: Settings) -> String {
    let size = ByteSize(settings.part_size_bytes);
    let files = settings.concurrency;
    match settings.parts_in_flight {
        1 => format!("{size} parts, concurrency {files}"),
        parts => format!("{size} parts, concurrency {files}, {parts} parts in flight"),
    }
}

/// `N = 16 files in flight, parts of 64 MiB`: what GCS will have; without a number for it, the settings.
pub fn recommended(gcs: Option<&ForGcs>, measured: Settings) -> String {
    let Some(gcs) = gcs else { return settings(measured) };
    let measured_part = gcs.is(measured).then_some(measured.part_size_bytes);
    let part = match gcs.part_size_bytes.or(measured_part) {
        Some(size) => format!("parts of {}", ByteSize(size)),
        None => "whatever parts Globus's connector sends".into(),
    };
    format!("N = {} in flight, {part}", counted(gcs.concurrency, "file"))
}

/// `rclone, flags`.
pub fn to_paste(command: &Command) -> String {
    format!("{}, {}", command.program, command.purpose)
}

/// `up to s3://bucket at https://gateway`.
pub fn journey(direction: impl Into<Traffic>, target: &Target) -> String {
    let preposition = match direction.into() {
        Traffic::Up => "up to",
        Traffic::Down => "down from",
        Traffic::Mixed => "up to and down from",
    };
    format!("{preposition} {}", place(target))
}

/// `s3://bucket at https://gateway`.
pub fn place(target: &Target) -> String {
    let insecure = match (target.insecure, target.endpoint.starts_with("https:")) {
        (false, _) => "",
        (true, true) => " (--insecure: any certificate was accepted)",
        (true, false) => " (--insecure: in clear text)",
    };
    match target.kind {
        TargetKind::Embedded => format!("s3://{} on the embedded gateway", target.bucket),
        TargetKind::Endpoint => format!("s3://{} at {}{insecure}", target.bucket, target.endpoint),
        TargetKind::Simulated => format!("a simulation of `{}`", target.endpoint),
    }
}

/// `up`, `down` or `mixed`.
pub fn direction(direction: impl Into<Traffic>) -> &'static str {
    direction.into().word()
}

/// The phase in the words of the document.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Calibration => "calibration",
        Phase::Ramp => "ramp",
        Phase::Race => "race",
        Phase::Confirmation => "confirmation",
        Phase::Duplicate => "duplicate",
        Phase::Soak => "soak",
        Phase::BothWays => "both_ways",
        Phase::Run => "run",
    }
}

/// A rate; what is not a number was not measured.
pub fn rate(bytes_per_second: f64) -> String {
    if bytes_per_second.is_finite() {
        Rate(bytes_per_second).to_string()
    } else {
        "not measured".into()
    }
}

/// `790 MB/s to 830 MB/s`.
pub fn rate_interval([low, high]: [f64; 2]) -> String {
    format!("{} to {}", rate(low), rate(high))
}

/// `1.03 (0.98 to 1.09)`: how many times as fast, and the interval where there is one.
pub fn ratio(comparison: &Comparison) -> String {
    match comparison.interval_95 {
        Some([low, high]) => format!("{:.2} ({low:.2} to {high:.2})", comparison.ratio),
        None => format!("{:.2}", comparison.ratio),
    }
}

/// `790 MB/s (95 % interval 780 MB/s to 800 MB/s, excludes variation between trials)`.
pub fn goodput(trial: &Trial) -> String {
    let rate = rate(trial.goodput_bytes_per_second);
    trial.goodput_interval_95.map_or(rate.clone(), |interval| {
        let interval = rate_interval(interval);
        format!("{rate} (95 % interval {interval}, excludes variation between trials)")
    })
}

/// `3, 5 to 9, 12`, of ids that rise.
pub fn trials(ids: &[u32]) -> String {
    let runs = ids.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    let run = |ids: &[u32]| match ids {
        [first, .., last] if ids.len() > 2 => format!("{first} to {last}"),
        few => few.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
    };
    runs.map(run).collect::<Vec<_>>().join(", ")
}

/// `70 % of the files, 12 objects, 3.4 GB, 560 MB/s`: one way of a mixed trial.
pub fn one_way(way: &OneWay) -> String {
    format!(
        "{:.0} % of the files, {}, {}, {}",
        100.0 * way.files_share,
        counted(way.objects, "object"),
        ByteSize(way.bytes),
        rate(way.goodput_bytes_per_second)
    )
}

/// `4.2 %`.
pub fn percent(fraction: f64) -> String {
    format!("{:.1} %", fraction * 100.0)
}

/// `9.53 s`, from a minute on `1h 3m 3s`.
pub fn duration(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds.round()) {
        Ok(whole) if seconds >= 59.995 => humantime::format_duration(whole).to_string(),
        _ => format!("{seconds:.2} s"),
    }
}

/// `3 (2 throttled, 1 timeout)`.
pub fn errors(errors: &ErrorCounts) -> String {
    let named = error_classes(errors).into_iter().filter(|(_, number)| *number > 0);
    let named: Vec<_> = named.map(|(class, number)| format!("{} {class}", count(number))).collect();
    if named.is_empty() {
        return "0".into();
    }
    format!("{} ({})", count(errors.total()), named.join(", "))
}

/// Every class of error with its number, in the order of the document.
pub fn error_classes(errors: &ErrorCounts) -> [(&'static str, u64); 6] {
    [
        ("throttled", errors.throttled),
        ("timeout", errors.timeout),
        ("connection", errors.connection),
        ("checksum", errors.checksum),
        ("server", errors.server),
        ("client", errors.client),
    ]
}

/// `10m: 74.3 GB up, 0 B down, 1,873 requests, 0.52 USD at standard prices`.
pub fn spent(spent: &Spent) -> String {
    let ended = spent.used_up.filter(|budget| *budget != Budget::Time);
    let ended = ended.map_or(String::new(), |budget| format!("; {} ended it", budget.option()));
    format!(
        "{}: {} up, {} down, {}, {} at {} prices{ended}",
        duration(spent.duration_s),
        ByteSize(spent.bytes_up),
        ByteSize(spent.bytes_down),
        counted(spent.requests, "request"),
        Usd(spent.cost_usd),
        escape::line(&spent.prices),
    )
}

/// How sure a recommendation is.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clear => "clear",
        Verdict::Indistinguishable => "indistinguishable",
        Verdict::NotSteady => "not steady",
        Verdict::Limited => "limited",
        Verdict::StillRising => "still rising at the highest number allowed",
    }
}

/// What held the rate down.
pub fn limited_by(limit: LimitedBy) -> &'static str {
    match limit {
        LimitedBy::ClientCpu => "the processor of this client",
        LimitedBy::Nic => "the network interface",
        LimitedBy::Source => "reading the source",
        LimitedBy::Destination => "writing to the destination",
        LimitedBy::Throttled => "throttling (429 or 503 SlowDown)",
        LimitedBy::Errors => "errors",
        LimitedBy::Cap => "a cap that was set",
        LimitedBy::GatewayOrNetwork => "the gateway or the network",
        LimitedBy::Unknown => "not known",
    }
}

/// An operation of the result document by S3's name.
pub fn operation(name: &str) -> &str {
    match name {
        "create" => "CreateMultipartUpload",
        "part" => "UploadPart",
        "complete" => "CompleteMultipartUpload",
        "abort" => "AbortMultipartUpload",
        "put" => "PutObject",
        "get" => "GetObject",
        "head" => "HeadObject",
        "list" => "ListObjectsV2",
        "delete" => "DeleteObjects",
        "location" => "GetBucketLocation",
        other => other,
    }
}

/// The operation that moved the data of a trial, by its name: the one with the most samples.
pub fn data_operation(trial: &Trial) -> Option<(&str, &OperationSummary)> {
    let moving = ["part", "put", "get"].into_iter();
    let found = moving.filter_map(|name| Some((name, trial.requests.get(name)?)));
    found.max_by_key(|(_, operation)| operation.service_time_us.samples)
}

/// A word as a shell takes it for one, on one line: what would steer a terminal or end the line is written as
/// bash and zsh read it (`$'a\n'`).
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if word.contains(char::is_control) {
        return format!("$'{}'", word.chars().map(ansi_c).collect::<String>());
    }
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Within `$'...'` (bash(1), QUOTING).
fn ansi_c(character: char) -> String {
    match character {
        '\n' => r"\n".into(),
        '\'' | '\\' => format!("\\{character}"),
        control if control.is_control() => format!("\\u{:04x}", u32::from(control)),
        plain => plain.into(),
    }
}

/// What each address of the endpoint carried; empty where there is one.
pub fn addresses(trial: &Trial) -> String {
    let used = trial.network.as_ref().map_or(&[][..], |network| &network.addresses);
    let one = |used: &AddressUse| {
        let AddressUse { address, connections, attempts, failed_attempts, payload_bytes } = used;
        let carried = ByteSize(*payload_bytes);
        let (connections, attempts) =
            (counted(*connections, "connection"), counted(*attempts, "attempt"));
        format!("{address} {carried} over {connections}, {failed_attempts} of {attempts} failed")
    };
    match used {
        [] | [_] => String::new(),
        several => several.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

/// The command line as one would type it again.
pub fn command(document: &Document) -> String {
    document.command.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn several_addresses_are_told_with_what_each_carried_and_one_is_not() {
        let mut trial = samples::complete().trials.pop().expect("it has trials");
        assert_eq!(addresses(&trial), "");
        let used = &mut trial.network.as_mut().expect("it was seen").addresses;
        used.push(AddressUse { address: "192.0.2.2".into(), ..AddressUse::default() });
        let told = addresses(&trial);
        assert!(
            told.starts_with("192.0.2.1 12") && told.contains("1 of 64 attempts failed"),
            "{told}"
        );
        assert!(
            told.ends_with("; 192.0.2.2 0 B over 0 connections, 0 of 0 attempts failed"),
            "{told}"
        );
    }

    #[test]
    fn every_object_is_only_said_where_all_arrived_and_all_were_verified() {
        let document = samples::run_with_failures();
        let task = document.trials[0].task.clone().expect("it is a task");
        for (files, files_done, verified_files, said) in [
            (3, 3, 3, "every object, read back"),
            (3, 2, 2, "the 2 objects that arrived, read back"),
            (3, 3, 2, "2 objects, read back; 1 is not verified"),
            (3, 3, 0, "no"),
            (3, 0, 0, "nothing: no object arrived"),
            (0, 0, 0, "nothing: no object arrived"),
        ] {
            let verified = verified_files > 0 && verified_files == files_done;
            let task = TaskSummary { files, files_done, verified, verified_files, ..task.clone() };
            assert_eq!(super::verified(&task, Traffic::Up), said);
        }
        // As an older document has it, or a forged one.
        let older = TaskSummary { verified: true, verified_files: 0, ..task };
        assert_eq!(
            super::verified(&older, Traffic::Up),
            "the 1,870 objects that arrived, read back"
        );
        let forged = TaskSummary { files_done: 0, ..older };
        assert_eq!(super::verified(&forged, Traffic::Up), "nothing: no object arrived");
    }

    #[test]
    fn durations_change_their_form_at_a_minute() {
        assert_eq!(duration(9.534), "9.53 s");
        assert_eq!(duration(59.999), "1m");
        assert_eq!(duration(3783.2), "1h 3m 3s");
        assert_eq!(duration(f64::INFINITY), "inf s");
    }

    #[test]
    fn trials_in_a_row_are_said_together() {
        // A document may claim any number.
        assert_eq!(trials(&[u32::MAX, 0]), "4294967295, 0");
        assert_eq!(trials(&[3, 5, 6, 7, 9, 10]), "3, 5 to 7, 9, 10");
        assert_eq!(trials(&[]), "");
    }

    #[test]
    fn only_errors_that_happened_are_named() {
        assert_eq!(errors(&ErrorCounts::default()), "0");
        let some = ErrorCounts { throttled: 1200, timeout: 1, ..ErrorCounts::default() };
        assert_eq!(errors(&some), "1,201 (1,200 throttled, 1 timeout)");
    }

    #[test]
    fn a_word_with_a_space_or_a_quote_is_quoted_for_the_shell() {
        let mut document = samples::tune();
        document.command = ["tidegate", "run", "a b", "it's", ""].map(String::from).to_vec();
        assert_eq!(command(&document), r"tidegate run 'a b' 'it'\''s' ''");
    }
}
