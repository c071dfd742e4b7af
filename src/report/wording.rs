//! What is said about the parts of a result, alike in the terminal, in the page and in the charts.

use std::time::Duration;

use crate::escape;
use crate::prices::Usd;
use crate::result::{
    AddressUse, Budget, Command, Document, End, ForGcs, Moved, OneWay, OperationSummary, Settings,
    Spent, Target, TargetKind, TaskSummary, Traffic, Trial, Varied,
};
use crate::units::{ByteSize, count, counted};
use crate::words::{self, duration, rate, rate_interval, settings, whole_percent};

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

/// Less than this is not worth a sentence: a recommendation is within 5 % of the best as well.
const HARDLY: f64 = 0.05;

/// What the answer of a simulation hangs on most, and how to know; empty where that was not asked.
pub fn hangs_on(document: &Document) -> String {
    let Some(most) = document.sensitivity.as_ref().and_then(|found| found.parameters.first())
    else {
        return String::new();
    };
    let Varied { parameter, ends: [low, high], .. } = most;
    let [by_concurrency, by_rate] = most.effect();
    let (what, [of_low, of_high]) = if by_concurrency > 0.0 {
        ("N", [low, high].map(|end| end.knee.concurrency.to_string()))
    } else if by_rate > HARDLY {
        let carried = |end: &End| rate(end.knee.goodput_bytes_per_second);
        ("the rate", [low, high].map(carried))
    } else {
        return "hardly on any of the numbers that are assumed".into();
    };
    format!(
        "{what} is {of_low} if {parameter} is {}, {of_high} if it is {}; {} to know",
        low.value,
        high.value,
        how_to_know(parameter)
    )
}

/// What a measurement would tell a parameter of a link.
fn how_to_know(parameter: &str) -> &'static str {
    match parameter {
        "round_trip" => "ping the endpoint",
        "connection_rate" => "measure one stream (`tidegate run TARGET --concurrency 1`)",
        "shared_rate" => "measure many streams (`tidegate run TARGET --concurrency 64`)",
        "call_overhead" | "part_overhead" | "get_overhead" => {
            "measure small files (`tidegate run TARGET --dataset many-small`)"
        }
        "segment_overhead" | "read_ahead" | "nodes.latency" | "nodes.spread" => {
            "measure large downloads (`tidegate run TARGET --direction down`)"
        }
        _ => "measure it",
    }
}

/// What a replay is beside: the same requests when they were recorded.
pub fn recorded(document: &Document) -> String {
    let Moved::Replayed { replayed } = &document.scenario.dataset else { return String::new() };
    format!(
        "{} by the client, in {}",
        rate(replayed.recorded_bytes_per_second()),
        words::as_set(Duration::from_millis(replayed.recorded_us / 1000))
    )
}

/// What went with uploads, where that was asked for.
pub fn proof(document: &Document) -> String {
    let (Some(payload), Some(checksum)) = (document.scenario.payload, document.scenario.checksum)
    else {
        return String::new();
    };
    format!("payload {}, checksum {}", payload.name(), checksum.name())
}

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

/// `N = 16 files in flight, parts of 64 MiB`: what GCS will have; without a number for it, the settings.
pub fn recommended(gcs: Option<&ForGcs>, measured: Settings) -> String {
    let Some(gcs) = gcs else { return settings(measured) };
    let measured_part = gcs.is(measured).then_some(measured.part_size_bytes);
    let part = match gcs.part_size_bytes.or(measured_part) {
        Some(size) => format!("parts of {}", ByteSize(size)),
        None => "whatever parts Globus's connector sends".into(),
    };
    let servers = match gcs.servers {
        1 => String::new(),
        servers => format!(" on {servers} servers"),
    };
    format!("N = {} in flight{servers}, {part}", counted(gcs.concurrency, "file"))
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

/// `790 MB/s (95 % interval 780 MB/s to 800 MB/s, excludes variation between trials)`.
pub fn goodput(trial: &Trial) -> String {
    let rate = rate(trial.goodput_bytes_per_second);
    trial.goodput_interval_95.map_or(rate.clone(), |interval| {
        let interval = rate_interval(interval);
        format!("{rate} (95 % interval {interval}, excludes variation between trials)")
    })
}

/// `70 % of the files, 12 objects, 3.4 GB, 560 MB/s`: one way of a mixed trial.
pub fn one_way(way: &OneWay) -> String {
    format!(
        "{} of the files, {}, {}, {}",
        whole_percent(way.files_share),
        counted(way.objects, "object"),
        ByteSize(way.bytes),
        rate(way.goodput_bytes_per_second)
    )
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
    each(trial.network.as_ref().map_or(&[][..], |network| &network.addresses))
}

/// What each address of this machine carried; empty where there is one.
pub fn own_addresses(trial: &Trial) -> String {
    each(trial.network.as_ref().map_or(&[][..], |network| &network.own_addresses))
}

fn each(used: &[AddressUse]) -> String {
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
    fn a_word_with_a_space_or_a_quote_is_quoted_for_the_shell() {
        let mut document = samples::tune();
        document.command = ["tidegate", "run", "a b", "it's", ""].map(String::from).to_vec();
        assert_eq!(command(&document), r"tidegate run 'a b' 'it'\''s' ''");
    }
}
