//! What Storj asks for: storage by bytes and time, egress by bytes. Pure but for reading a file of prices.
//!
//! The published tiers are those of storj/docs at 98b590ca, `dcs/pricing/simplified` (effective 2026-07-01,
//! last updated 2026-07-15) and `dcs/pricing/legacy`. Not counted here: taxes, the rounding of an account's
//! totals to whole GB, and that a legacy download may be billed at up to 1.3 times its bytes.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::outside::{self, SETTINGS_MAX};
use crate::units::MIB;

/// US dollars. Reads `5USD`, `0.50 USD` and `$5`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Usd(pub f64);

/// What a store asks for. In TOML each field stands by its own name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
// In a document there may be more of them.
#[schemars(extend("additionalProperties" = true))]
pub struct Prices {
    /// The tier, or the file that it was read from.
    #[serde(default)]
    pub name: String,
    /// Storage of 10^12 bytes for a month.
    pub storage_usd_per_tb_month: f64,
    /// Download of 10^12 bytes.
    pub egress_usd_per_tb: f64,
    /// Storage of a segment for a month, beside its bytes.
    #[serde(default)]
    pub segment_usd_per_month: f64,
    /// Days that are paid for, also of what is deleted before.
    #[serde(default)]
    pub minimum_days: f64,
    /// Bytes that are paid for, also of a smaller object.
    #[serde(default)]
    pub minimum_object_bytes: u64,
    /// Least that an account pays in a month.
    #[serde(default)]
    pub minimum_usd_per_month: f64,
}

/// Objects as they are paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Bytes, at least the minimum of each object.
    pub billed_bytes: u64,
    /// Segments.
    pub segments: u64,
}

/// Storj bills by a month of 720 hours (storj/docs, `dcs/pricing/legacy`).
pub const MONTH: Duration = Duration::from_secs(720 * 3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Storj's segment (storj/storj, satellite/metainfo/config.go at 5dbec64f).
const SEGMENT_BYTES: u64 = 64 * MIB;

const TB: f64 = 1e12;

/// The names of the published tiers.
pub const TIERS: [&str; 3] = ["standard", "advanced", "legacy"];

impl Default for Prices {
    /// Storj's Standard tier.
    fn default() -> Self {
        Self {
            name: "standard".into(),
            storage_usd_per_tb_month: 7.0,
            egress_usd_per_tb: 7.0,
            segment_usd_per_month: 0.0,
            minimum_days: 30.0,
            minimum_object_bytes: 50_000,
            minimum_usd_per_month: 5.0,
        }
    }
}

impl Prices {
    /// A published tier by its name.
    pub fn tier(name: &str) -> Option<Self> {
        let standard = Self { name: name.into(), ..Self::default() };
        match name {
            "standard" => Some(standard),
            "advanced" => Some(Self { storage_usd_per_tb_month: 10.0, ..standard }),
            // Of projects from before 2025-11-01; by the hour, hence without least days or bytes.
            "legacy" => Some(Self {
                storage_usd_per_tb_month: 4.0,
                segment_usd_per_month: 0.000_008_8,
                minimum_days: 0.0,
                minimum_object_bytes: 0,
                ..standard
            }),
            _ => None,
        }
    }

    /// A published tier by its name, or a file in TOML.
    ///
    /// # Errors
    /// If it is neither, or a price is no price.
    pub fn read(name: &str) -> Result<Self> {
        if let Some(tier) = Self::tier(name) {
            return Ok(tier);
        }
        let text = outside::text(Path::new(name), SETTINGS_MAX).map_err(|error| {
            Error::environment(format!("cannot read the prices {name}: {error}"))
                .hint(format!("name a file or one of: {}", TIERS.join(", ")))
        })?;
        let invalid =
            |why: &str| Error::environment(format!("the prices {name} are not valid: {why}"));
        let prices: Self = toml::from_str(&text).map_err(|error| invalid(&error.to_string()))?;
        let numbers = [
            prices.storage_usd_per_tb_month,
            prices.egress_usd_per_tb,
            prices.segment_usd_per_month,
            prices.minimum_days,
            prices.minimum_usd_per_month,
        ];
        if numbers.iter().any(|number| !number.is_finite() || *number < 0.0) {
            return Err(invalid("a price is a number of at least 0"));
        }
        Ok(Self { name: name.into(), ..prices })
    }

    /// An object as it is paid for: each of its parts is cut into segments of its own.
    pub fn object(&self, bytes: u64, part_size_bytes: u64) -> Stored {
        let part = part_size_bytes.max(1);
        let parts = self.part(part) * (bytes / part) + self.part(bytes % part);
        Stored {
            billed_bytes: bytes.max(self.minimum_object_bytes),
            segments: parts.segments.max(1),
        }
    }

    /// A part of an object: without the object's minimum.
    pub fn part(&self, bytes: u64) -> Stored {
        Stored { billed_bytes: bytes, segments: bytes.div_ceil(SEGMENT_BYTES) }
    }

    /// Storing for so long, at least for the minimum.
    pub fn storage(&self, stored: Stored, kept: Duration) -> Usd {
        let least = DAY.mul_f64(self.minimum_days);
        let months = kept.max(least).as_secs_f64() / MONTH.as_secs_f64();
        Usd(self.storage_per_month(stored).0 * months)
    }

    /// Storing for a month.
    pub fn storage_per_month(&self, stored: Stored) -> Usd {
        let bytes = stored.billed_bytes as f64 / TB * self.storage_usd_per_tb_month;
        Usd(bytes + stored.segments as f64 * self.segment_usd_per_month)
    }

    /// Downloading so many bytes.
    pub fn egress(&self, bytes: u64) -> Usd {
        Usd(bytes as f64 / TB * self.egress_usd_per_tb)
    }

    /// What an account pays in a month that used so much.
    pub fn month(&self, used: Usd) -> Usd {
        Usd(used.0.max(self.minimum_usd_per_month))
    }
}

impl Add for Stored {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            billed_bytes: self.billed_bytes.saturating_add(other.billed_bytes),
            segments: self.segments.saturating_add(other.segments),
        }
    }
}

impl AddAssign for Stored {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul<u64> for Stored {
    type Output = Self;

    /// So many alike.
    fn mul(self, objects: u64) -> Self {
        Self {
            billed_bytes: self.billed_bytes.saturating_mul(objects),
            segments: self.segments.saturating_mul(objects),
        }
    }
}

impl Sum for Stored {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Usd {
    /// Whole cents; of less than a dollar two digits that say something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = match self.0 {
            usd if usd <= 0.0 || usd >= 0.995 => 2,
            usd => (1 - usd.log10().floor() as i32).clamp(2, 6) as usize,
        };
        f.pad(&format!("{:.digits$} USD", self.0))
    }
}

/// Why an amount could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount such as 5USD or 0.50USD")]
pub struct ParseUsdError(String);

impl FromStr for Usd {
    type Err = ParseUsdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim().strip_suffix("USD").or_else(|| text.trim().strip_prefix('$'));
        let usd = number.and_then(|number| number.trim().parse::<f64>().ok());
        usd.filter(|usd| usd.is_finite() && *usd >= 0.0)
            .map(Self)
            .ok_or_else(|| ParseUsdError(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use proptest::prelude::*;

    const GB: u64 = 1_000_000_000;

    fn close(one: Usd, other: f64) -> bool {
        (one.0 - other).abs() <= 1e-9 * other.abs().max(1e-9)
    }

    fn tiers() -> impl Strategy<Value = Prices> {
        prop::sample::select(TIERS.to_vec()).prop_map(|name| Prices::tier(name).unwrap())
    }

    #[test]
    fn the_published_examples_come_out() {
        // storj/docs, dcs/pricing/simplified: 1 TB in Standard for a month is 7 USD.
        let standard = Prices::default();
        let tb = standard.object(1000 * GB, 64 * MIB);
        assert!(close(standard.storage(tb, MONTH), 7.0));
        // dcs/pricing/legacy: 1.6 million segments for half a month are 7.04 USD.
        let legacy = Prices::tier("legacy").unwrap();
        let half = MONTH / 2;
        let segments = Stored { billed_bytes: 0, segments: 1_600_000 };
        assert!(close(legacy.storage(segments, half), 7.04));
        // The same: a file of 1 GB (GiB) has 16 segments, one of 300 MB (MiB) has 5.
        assert_eq!(legacy.object(1024 * MIB, 64 * MIB).segments, 16);
        assert_eq!(legacy.object(300 * MIB, 64 * MIB).segments, 5);
    }

    #[test]
    fn parts_off_the_segment_have_more_segments() {
        let legacy = Prices::tier("legacy").unwrap();
        assert_eq!(legacy.object(100 * MIB, 5 * MIB).segments, 20);
        assert_eq!(legacy.object(200 * MIB, 100 * MIB).segments, 4);
        assert_eq!(legacy.object(0, 64 * MIB).segments, 1);
    }

    #[test]
    fn a_file_of_prices_is_read_and_what_is_none_is_refused() {
        let read = |text: &str| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            Prices::read(file.path().to_str().unwrap())
        };
        let own = read("storage_usd_per_tb_month = 3\negress_usd_per_tb = 0.5\n").unwrap();
        assert!(close(own.egress(GB), 0.0005));
        assert_eq!(own.minimum_object_bytes, 0);
        for bad in ["", "storage_usd_per_tb_month = -1\negress_usd_per_tb = 1\n", "storage = 4\n"] {
            assert!(read(bad).is_err(), "{bad} was read");
        }
        let error = Prices::read("gold").unwrap_err().to_string();
        assert!(error.contains("standard, advanced, legacy"), "{error}");
    }

    #[test]
    fn a_tier_written_as_toml_reads_back() {
        for name in TIERS {
            let tier = Prices::tier(name).unwrap();
            assert_eq!(toml::from_str::<Prices>(&toml::to_string(&tier).unwrap()), Ok(tier));
        }
    }

    #[test]
    fn amounts_are_read_and_shown() {
        assert_eq!("5USD".parse(), Ok(Usd(5.0)));
        assert_eq!(" 0.50 USD".parse(), Ok(Usd(0.5)));
        assert_eq!("$12".parse(), Ok(Usd(12.0)));
        for bad in ["", "5", "USD", "-1USD", "five USD", "5EUR", "infUSD"] {
            assert!(bad.parse::<Usd>().is_err(), "{bad} was read as money");
        }
        for (usd, text) in
            [(0.0, "0.00 USD"), (12.345, "12.35 USD"), (0.5, "0.50 USD"), (0.00123, "0.0012 USD")]
        {
            assert_eq!(Usd(usd).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_deleted_early_costs_the_least_days(
            prices in tiers(), bytes in 0..1000 * GB, hours in 0_u64..10_000,
        ) {
            let stored = prices.object(bytes, 64 * MIB);
            let cost = prices.storage(stored, Duration::from_secs(hours * 3600));
            let least = prices.storage(stored, DAY.mul_f64(prices.minimum_days));
            prop_assert!(cost >= least);
            let months = hours as f64 / 720.0;
            let by_time = prices.storage_per_month(stored).0 * months;
            prop_assert!(close(cost, by_time.max(least.0)), "{cost:?} {by_time} {least:?}");
        }

        #[test]
        fn small_objects_cost_what_the_smallest_billed_does(
            prices in tiers(), bytes in 0_u64..200_000, objects in 1_u64..1_000_000,
        ) {
            let each = prices.object(bytes, 64 * MIB);
            prop_assert!(each.billed_bytes >= bytes);
            prop_assert_eq!(each.billed_bytes > bytes, bytes < prices.minimum_object_bytes);
            let all: Stored = std::iter::repeat_n(each, (objects % 100) as usize).sum();
            prop_assert_eq!(all, each * (objects % 100));
        }

        #[test]
        fn costs_add_up(
            prices in tiers(), one in 0..1000 * GB, other in 0..1000 * GB, days in 0_u64..400,
        ) {
            let kept = DAY * days as u32;
            let (first, second) = (prices.object(one, 64 * MIB), prices.object(other, 64 * MIB));
            let apart = prices.storage(first, kept) + prices.storage(second, kept);
            prop_assert!(close(apart, prices.storage(first + second, kept).0));
            let apart = prices.egress(one) + prices.egress(other);
            prop_assert!(close(apart, prices.egress(one + other).0));
        }

        #[test]
        fn a_month_is_never_below_the_minimum_and_never_above_what_was_used_and_it(
            prices in tiers(), used in 0.0_f64..100.0,
        ) {
            let month = prices.month(Usd(used));
            prop_assert!(month.0 >= used && month.0 >= prices.minimum_usd_per_month);
            prop_assert!(month.0 == used || month.0 == prices.minimum_usd_per_month);
        }

        #[test]
        fn more_parts_never_make_fewer_segments(bytes in 0..100 * GB, part_mib in 5_u64..1000) {
            let prices = Prices::default();
            let segments = prices.object(bytes, part_mib * MIB).segments;
            prop_assert!(segments >= bytes.div_ceil(SEGMENT_BYTES));
            prop_assert!(segments >= bytes.div_ceil(part_mib * MIB));
        }
    }
}
