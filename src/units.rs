//! Bytes and bytes per second as types, so that a number cannot lose its unit between two modules; and
//! counts of things in words.

use std::fmt;
use std::str::FromStr;

/// 1 KiB.
pub const KIB: u64 = 1 << 10;
/// 1 MiB.
pub const MIB: u64 = 1 << 20;
/// 1 GiB.
pub const GIB: u64 = 1 << 30;

/// A number of bytes. Reads `64MiB` (1024-based) and `10GB` (1000-based); a bare number is bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Bytes per second. Reads `100MB/s`, `100MiB/s` and, in bits, `10Gbit/s`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// Why a size or a rate could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is not {wanted}")]
pub struct ParseUnitError {
    input: String,
    wanted: &'static str,
}

const DECIMAL: [(&str, f64); 6] =
    [("kB", 1e3), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("PB", 1e15)];
const BINARY: [(&str, u64); 5] =
    [("KiB", KIB), ("MiB", MIB), ("GiB", GIB), ("TiB", GIB << 10), ("PiB", GIB << 20)];
const BITS: [(&str, f64); 4] = [("kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9), ("Tbit", 1e12)];

/// Numbers from here on are not read at a glance.
const LONG_NUMBER: u64 = 10_000;

/// Splits `64MiB` into the number and the unit's text.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    Some((number, text[end..].trim()))
}

/// A bare number is read as it is: a float holds whole numbers only up to 2^53.
fn whole_number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn bytes_of_unit(unit: &str) -> Option<f64> {
    if unit.is_empty() || unit == "B" {
        return Some(1.0);
    }
    let decimal = DECIMAL.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    decimal
        .or_else(|| BINARY.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor as f64))
}

impl FromStr for ByteSize {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            if let Some(bytes) = whole_number(text) {
                return Some(Self(bytes));
            }
            let (number, unit) = split_number(text)?;
            let bytes = number * bytes_of_unit(unit)?;
            (bytes < u64::MAX as f64).then_some(Self(bytes.round() as u64))
        };
        parse().ok_or_else(|| ParseUnitError {
            input: text.into(),
            wanted: "a size such as 64MiB, 500GB or 1048576",
        })
    }
}

impl FromStr for Rate {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (number, unit) = split_number(text.trim().strip_suffix("/s")?)?;
            let factor = BITS.iter().find(|(name, _)| *name == unit).map(|(_, bits)| bits / 8.0);
            let rate = number * factor.or_else(|| bytes_of_unit(unit))?;
            (rate > 0.0 && rate.is_finite()).then_some(Self(rate))
        };
        parse().ok_or_else(|| ParseUnitError {
            input: text.into(),
            wanted: "a rate above zero such as 120MB/s or 10Gbit/s",
        })
    }
}

impl fmt::Display for ByteSize {
    /// Binary units when the number is a whole and short number of them (part sizes), else decimal (amounts
    /// of data).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = BINARY.iter().rev().find(|(_, unit)| {
            self.0.is_multiple_of(*unit) && (1..LONG_NUMBER).contains(&(self.0 / unit))
        });
        if let Some((name, unit)) = whole {
            return f.pad(&format!("{} {name}", self.0 / unit));
        }
        f.pad(&decimal(self.0 as f64, "B"))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", decimal(self.0, "B")))
    }
}

/// Three significant digits with a decimal prefix: `1.23 GB`.
fn decimal(value: f64, unit: &str) -> String {
    const PREFIXES: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let (mut scaled, mut prefix) = (value, 0);
    while scaled >= 999.5 && prefix + 1 < PREFIXES.len() {
        scaled /= 1000.0;
        prefix += 1;
    }
    let digits = match scaled {
        s if prefix == 0 || s >= 99.95 => 0,
        s if s >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.digits$} {}{unit}", PREFIXES[prefix])
}

/// `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `1,875 files`.
pub fn counted(number: impl TryInto<u64>, thing: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_in_both_families_of_units() {
        assert_eq!("64MiB".parse(), Ok(ByteSize(64 * MIB)));
        assert_eq!("64 MiB".parse(), Ok(ByteSize(64 * MIB)));
        assert_eq!("1.5GB".parse(), Ok(ByteSize(1_500_000_000)));
        assert_eq!("4096".parse(), Ok(ByteSize(4096)));
        for bad in
            ["", "MiB", "-1", "64mb", "1e3", "64 parsecs", "999999999PB", "18446744073709551616"]
        {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad} was read as a size");
        }
    }

    #[test]
    fn rates_are_read_in_bytes_and_bits() {
        assert_eq!("100MB/s".parse(), Ok(Rate(100e6)));
        assert_eq!("10Gbit/s".parse(), Ok(Rate(1.25e9)));
        for bad in ["100MB", "0MB/s", "fast/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad} was read as a rate");
        }
    }

    #[test]
    fn numbers_are_shown_with_three_digits() {
        assert_eq!(ByteSize(64 * MIB).to_string(), "64 MiB");
        assert_eq!(ByteSize(1_234_567).to_string(), "1.23 MB");
        assert_eq!(ByteSize(4_986_000_000_000).to_string(), "4.99 TB");
        assert_eq!(ByteSize(512).to_string(), "512 B");
        assert_eq!(Rate(812.4e6).to_string(), "812 MB/s");
        assert_eq!(Rate(999.7e6).to_string(), "1.00 GB/s");
    }

    #[test]
    fn one_thing_is_not_many() {
        let said = [0_u64, 1, 2, 1875].map(|number| counted(number, "file"));
        assert_eq!(said, ["0 files", "1 file", "2 files", "1,875 files"]);
    }

    proptest! {
        #[test]
        fn a_count_reads_back_without_its_commas(number: u64) {
            let text = count(number);
            prop_assert_eq!(text.replace(',', "").parse(), Ok(number));
            let groups: Vec<_> = text.split(',').map(str::len).collect();
            prop_assert!((1..=3).contains(&groups[0]) && groups[1..].iter().all(|len| *len == 3));
        }

        #[test]
        fn a_size_in_bytes_reads_back(bytes: u64) {
            prop_assert_eq!(bytes.to_string().parse(), Ok(ByteSize(bytes)));
        }
    }
}
