//! Times as people say them.

/// `5.9 s`, `12 min`, `3.4 h`, `9.3 days`.
pub fn duration(seconds: f64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_digits_and_a_unit_of_their_size() {
        for (seconds, said) in [
            (5.94, "5.9 s"),
            (119.0, "119 s"),
            (600.0, "10 min"),
            (12_240.0, "3.4 h"),
            (803_520.0, "9.3 days"),
            (8_640_000.0, "100 days"),
        ] {
            assert_eq!(duration(seconds), said);
        }
    }
}
