//! How what a link carries changes with time: by itself, and for all settings alike.
//!
//! The link is shared with others, so what it carries is not the same from minute to minute. The factor of
//! the weather multiplies what one stream and what all carry together: it changes how fast settings are,
//! never which are best. Its mean is 1. ASSUMPTION, the shape: links are published with their rates only.
//!
//! - **Noise** is drawn anew in each interval, log-normal and independent of all others, from a hash of the
//!   seed and the interval's number. So every moment has its factor, whoever asks and in whatever order.
//! - **Drift** is a sine, in steps of a fortieth of its period. Between two steps of either, the factor
//!   does not change: so bytes that passed are a sum.

use std::f64::consts::TAU;
use std::time::Duration;

use serde::Deserialize;

use crate::clock::Instant;
use crate::dataset::SplitMix64;

/// Steps of a period: from one to the next a sine moves by a sixth of its height at most.
const STEPS_PER_PERIOD: u32 = 40;

/// Shorter steps would take longer to simulate than they last.
const STEP_MIN: Duration = Duration::from_millis(1);

/// What a file does not name.
const INTERVAL: Duration = Duration::from_secs(1);

/// Most of [`Weather::noise`]: with more, hours would pass between the few intervals that count.
const NOISE_MAX: f64 = 2.0;

/// How a link's rates change with time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Weather {
    /// Standard deviation of the natural logarithm of a factor whose mean is 1.
    pub noise: f64,
    /// How long such a factor lasts.
    pub interval: Duration,
    /// The share by which the factor swings up and down.
    pub drift: f64,
    /// From one height to the next; zero if there is no drift.
    pub period: Duration,
}

/// As it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    #[serde(default)]
    noise: f64,
    #[serde(default = "interval", deserialize_with = "super::number::duration")]
    interval: Duration,
    #[serde(default)]
    drift: f64,
    #[serde(default, deserialize_with = "super::number::duration")]
    period: Duration,
}

fn interval() -> Duration {
    INTERVAL
}

impl TryFrom<Unchecked> for Weather {
    type Error = &'static str;

    fn try_from(weather: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { noise, interval, drift, period } = weather;
        if !(0.0..=NOISE_MAX).contains(&noise) {
            return Err("weather: the noise is between 0 and 2");
        }
        if interval < STEP_MIN {
            return Err("weather: an interval is a millisecond at least");
        }
        if !(0.0..1.0).contains(&drift) {
            return Err("weather: the drift is 0 or more and below 1");
        }
        if drift > 0.0 && period < STEP_MIN * STEPS_PER_PERIOD {
            return Err("weather: a drift needs a period of 40 milliseconds at least");
        }
        Ok(Self { noise, interval, drift, period })
    }
}

impl Weather {
    fn noise_factor(&self, seed: u64, number: u64) -> f64 {
        // The mean of a log-normal is exp(mu + sigma^2 / 2).
        (self.noise * (normal(seed, number) - self.noise / 2.0)).exp()
    }

    /// At the middle of a step, so that the steps of a period have the mean 1.
    fn drift_factor(&self, step: u64) -> f64 {
        let step = (step % u64::from(STEPS_PER_PERIOD)) as f64 + 0.5;
        1.0 + self.drift * (TAU * step / f64::from(STEPS_PER_PERIOD)).sin()
    }
}

/// A standard normal value. Source: G. E. P. Box, M. E. Muller, "A note on the generation of random normal
/// deviates", 1958.
fn normal(seed: u64, number: u64) -> f64 {
    let mut random = SplitMix64::new(SplitMix64::new(seed).next() ^ number);
    // 53 bits are all that a number between 0 and 1 can hold; never 0, which has no logarithm.
    let mut uniform = || ((random.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let (radius, angle) = (uniform(), uniform());
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

/// The weather of one link at every moment. The default is none: the factor is always 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forecast {
    weather: Option<Weather>,
    seed: u64,
}

/// A factor, and when it is another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spell {
    /// What rates are multiplied by.
    pub factor: f64,
    /// It lasts until then.
    pub until: Instant,
}

impl Forecast {
    /// The same seed has the same weather.
    pub fn new(weather: Option<Weather>, seed: u64) -> Self {
        Self { weather, seed }
    }

    /// At this moment.
    pub fn factor(&self, at: Instant) -> f64 {
        self.spell(at).factor
    }

    /// The factor at this moment and for how long.
    pub fn spell(&self, at: Instant) -> Spell {
        let mut spell = Spell { factor: 1.0, until: Instant::default() + Duration::MAX };
        let Some(weather) = &self.weather else { return spell };
        if weather.noise > 0.0 {
            let (number, until) = step(at, weather.interval);
            spell.factor *= weather.noise_factor(self.seed, number);
            spell.until = until;
        }
        if weather.drift > 0.0 {
            let (number, until) = step(at, weather.period / STEPS_PER_PERIOD);
            spell.factor *= weather.drift_factor(number);
            spell.until = spell.until.min(until);
        }
        spell
    }
}

/// The number of the step that a moment is in, and its end.
fn step(at: Instant, length: Duration) -> (u64, Instant) {
    let length = length.as_nanos() as u64;
    let number = at.nanoseconds_since(Instant::default()) / length;
    let end = (number + 1).saturating_mul(length);
    (number, Instant::default() + Duration::from_nanos(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Weather, toml::de::Error> {
        toml::from_str(text)
    }

    fn seconds(seconds: f64) -> Instant {
        Instant::default() + Duration::from_secs_f64(seconds)
    }

    fn mean(forecast: &Forecast, over_s: u32) -> f64 {
        let factor = |tenth| forecast.factor(seconds(f64::from(tenth) / 10.0 + 0.05));
        (0..over_s * 10).map(factor).sum::<f64>() / f64::from(over_s * 10)
    }

    #[test]
    fn weather_is_read_from_toml() {
        let weather = read("noise = 0.2\ndrift = 0.3\nperiod = \"60s\"").unwrap();
        let expected = Weather {
            noise: 0.2,
            interval: Duration::from_secs(1),
            drift: 0.3,
            period: Duration::from_secs(60),
        };
        assert_eq!(weather, expected);
    }

    #[test]
    fn what_is_no_weather_is_refused_in_a_sentence() {
        for bad in [
            "noise = -0.1",
            "noise = 3.0",
            "noise = nan",
            "noise = 0.1\ninterval = \"0s\"",
            "drift = 0.1",
            "drift = 1.0\nperiod = \"60s\"",
            "drift = 0.1\nperiod = \"1ms\"",
            "wind = 3",
        ] {
            let told = read(bad).expect_err(bad).to_string();
            assert!(told.contains("weather: ") || told.contains("wind"), "{bad}: {told}");
        }
    }

    #[test]
    fn without_weather_the_factor_is_one_for_ever() {
        let spell = Forecast::default().spell(seconds(1e6));
        assert_eq!(spell, Spell { factor: 1.0, until: Instant::default() + Duration::MAX });
    }

    #[test]
    fn the_mean_of_noise_and_of_whole_periods_of_drift_is_one() {
        let drift = Forecast::new(read("drift = 0.3\nperiod = \"60s\"").ok(), 1);
        assert!((mean(&drift, 600) - 1.0).abs() < 1e-9, "{}", mean(&drift, 600));
        let noise = Forecast::new(read("noise = 0.3").ok(), 1);
        // Four standard errors of 20,000 intervals.
        assert!((mean(&noise, 20_000) - 1.0).abs() < 0.009, "{}", mean(&noise, 20_000));
    }

    #[test]
    fn noise_has_the_spread_that_is_asked_for_and_no_memory() {
        let forecast = Forecast::new(read("noise = 0.3").ok(), 7);
        let logs: Vec<f64> =
            (0..20_000).map(|i| forecast.factor(seconds(f64::from(i))).ln() + 0.045).collect();
        let of = |lag: usize| {
            let products = logs.iter().zip(&logs[lag..]).map(|(one, other)| one * other);
            products.sum::<f64>() / logs.len() as f64
        };
        assert!((of(0).sqrt() / 0.3 - 1.0).abs() < 0.02, "{}", of(0).sqrt());
        assert!((of(1) / of(0)).abs() < 0.03, "{}", of(1) / of(0));
    }

    #[test]
    fn another_seed_has_other_noise_and_the_same_seed_the_same() {
        let noise = read("noise = 0.3").ok();
        let factors =
            |seed| [0.0, 1.0, 2.0].map(|at| Forecast::new(noise, seed).factor(seconds(at)));
        assert_eq!(factors(1), factors(1));
        assert!(factors(1).iter().zip(factors(2)).all(|(one, other)| *one != other));
    }

    #[test]
    fn within_a_spell_the_factor_is_the_same_and_no_spell_is_longer_than_a_step() {
        let weather = read("noise = 0.3\ninterval = \"1s\"\ndrift = 0.2\nperiod = \"30s\"").ok();
        let forecast = Forecast::new(weather, 1);
        let mut at = Instant::default();
        for _ in 0..1000 {
            let Spell { factor, until } = forecast.spell(at);
            let last = Duration::from_nanos(until.nanoseconds_since(Instant::default()) - 1);
            assert_eq!(forecast.factor(Instant::default() + last), factor);
            assert!(until > at && until.since(at) <= Duration::from_millis(750), "{until:?}");
            at = until;
        }
    }
}
