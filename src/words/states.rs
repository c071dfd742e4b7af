//! Settings and the states of a document in words.

use crate::result::{
    ErrorCounts, LimitedBy, Operation, Phase, Settings, Traffic, Verdict, Workload,
};
use crate::units::{ByteSize, count};

/// `64 MiB parts, concurrency 16`; parts in flight only where there are several.
pub fn settings(settings: Settings) -> String {
    let Settings { part_size_bytes, concurrency, parts_in_flight } = settings;
    let size = ByteSize(part_size_bytes);
    match parts_in_flight {
        1 => format!("{size} parts, concurrency {concurrency}"),
        parts => format!("{size} parts, concurrency {concurrency}, {parts} parts in flight"),
    }
}

/// `up`, `down` or `mixed`.
pub fn direction(direction: impl Into<Traffic>) -> &'static str {
    direction.into().word()
}

/// `up`; with a dataset of several, `climate up`; with several DTNs, `up with 2 DTNs`.
pub fn workload(workload: &Workload) -> String {
    let way = direction(workload.direction);
    let with = workload.dtns.map_or_else(String::new, |dtns| format!(" with {dtns} DTNs"));
    match &workload.dataset {
        Some(name) => format!("{name} {way}{with}"),
        None => format!("{way}{with}"),
    }
}

/// The searches of a run together: `both ways`, `of each dataset`, or `of each dataset both ways`.
pub fn each_of(workloads: &[&Workload]) -> &'static str {
    let goes = |direction| workloads.iter().any(|one| one.direction == direction);
    match (
        workloads.iter().all(|one| one.dataset.is_none()),
        goes(Traffic::Up) && goes(Traffic::Down),
    ) {
        (true, _) => "both ways",
        (false, false) => "of each dataset",
        (false, true) => "of each dataset both ways",
    }
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
    Operation::named(name).map_or(name, |operation| operation.s3_name())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MIB;

    #[test]
    fn only_errors_that_happened_are_named() {
        assert_eq!(errors(&ErrorCounts::default()), "0");
        let some = ErrorCounts { throttled: 1200, timeout: 1, ..ErrorCounts::default() };
        assert_eq!(errors(&some), "1,201 (1,200 throttled, 1 timeout)");
    }

    #[test]
    fn parts_in_flight_are_said_where_there_are_several() {
        let of = |parts_in_flight| {
            settings(Settings { part_size_bytes: 64 * MIB, concurrency: 16, parts_in_flight })
        };
        assert_eq!(of(1), "64 MiB parts, concurrency 16");
        assert_eq!(of(4), "64 MiB parts, concurrency 16, 4 parts in flight");
    }
}
