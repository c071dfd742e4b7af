//! Durations, shares and rates in words.

use std::time::Duration;

use crate::units::Rate;

/// A time that passed, in seconds: `9.53 s`, from a minute on `1h 3m 3s`.
pub fn duration(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds.round()) {
        Ok(whole) if seconds >= 59.995 => as_set(whole),
        _ => format!("{seconds:.2} s"),
    }
}

/// A time of which thousandths of a second count: `59.9 ms`.
pub fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", 1e3 * seconds)
}

/// A time that is only forecast, in seconds: `5.9 s`, `12 min`, `3.4 h`, `9.3 days`.
pub fn roughly(seconds: f64) -> String {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 60.0 * MINUTE;
    const DAY: f64 = 24.0 * HOUR;
    let (value, unit) = match seconds {
        s if s < 2.0 * MINUTE => (s, "s"),
        s if s < 2.0 * HOUR => (s / MINUTE, "min"),
        s if s < 2.0 * DAY => (s / HOUR, "h"),
        s => (s / DAY, "days"),
    };
    let digits = if value < 9.95 { 1 } else { 0 };
    format!("{value:.digits$} {unit}")
}

/// A time as an option sets it: `300ms`, `10m`.
#[expect(clippy::disallowed_methods, reason = "this is where the others come")]
pub fn as_set(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// A time that nobody needs more exactly: `3m 12s`.
pub fn to_the_second(time: Duration) -> String {
    as_set(Duration::from_secs(time.as_secs()))
}

/// The same of seconds, rounded.
pub fn whole_seconds(seconds: f64) -> String {
    as_set(Duration::from_secs(seconds.round() as u64))
}

/// A share in two digits or less: `27 %`, `4.2 %`, `0.05 %`; `0 %` is nothing at all.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let digits = match percent.abs() {
        0.0 => 0,
        p if p < 0.995 => 2,
        p if p < 9.95 => 1,
        _ => 0,
    };
    format!("{percent:.digits$} %")
}

/// By how much something differs: `+3.2 %`.
pub fn signed_percent(difference: f64) -> String {
    let sign = if difference < 0.0 { "-" } else { "+" };
    format!("{sign}{}", percent(difference.abs()))
}

/// A share that was seen once, or is known no better: `5 %`.
pub fn whole_percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
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
pub fn ratio(ratio: f64, interval: Option<[f64; 2]>) -> String {
    match interval {
        Some([low, high]) => format!("{ratio:.2} ({low:.2} to {high:.2})"),
        None => format!("{ratio:.2}"),
    }
}

/// `3, 5 to 9, 12`, of ids that rise.
pub fn runs_of(ids: &[u32]) -> String {
    let runs = ids.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    let run = |ids: &[u32]| match ids {
        [first, .., last] if ids.len() > 2 => format!("{first} to {last}"),
        few => few.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
    };
    runs.map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_change_their_form_at_a_minute() {
        assert_eq!(duration(9.534), "9.53 s");
        assert_eq!(duration(59.999), "1m");
        assert_eq!(duration(3783.2), "1h 3m 3s");
        assert_eq!(duration(f64::INFINITY), "inf s");
    }

    #[test]
    fn forecast_times_have_two_digits_and_a_unit_of_their_size() {
        for (seconds, said) in [
            (5.94, "5.9 s"),
            (119.0, "119 s"),
            (600.0, "10 min"),
            (12_240.0, "3.4 h"),
            (803_520.0, "9.3 days"),
            (8_640_000.0, "100 days"),
        ] {
            assert_eq!(roughly(seconds), said);
        }
    }

    #[test]
    fn shares_have_two_digits_and_nothing_is_nothing() {
        for (share, said) in [
            (0.0, "0 %"),
            (0.000_52, "0.05 %"),
            (0.009_96, "1.0 %"),
            (0.0423, "4.2 %"),
            (0.0996, "10 %"),
            (0.273, "27 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share), said);
        }
        assert_eq!([signed_percent(-0.0321), signed_percent(0.27)], ["-3.2 %", "+27 %"]);
        assert_eq!(whole_percent(0.0469), "5 %");
    }

    #[test]
    fn ids_in_a_row_are_said_together() {
        // A document may claim any number.
        assert_eq!(runs_of(&[u32::MAX, 0]), "4294967295, 0");
        assert_eq!(runs_of(&[3, 5, 6, 7, 9, 10]), "3, 5 to 7, 9, 10");
        assert_eq!(runs_of(&[]), "");
    }
}
