//! Random links by number: anyone can draw those that nobody looked at while the tuner was made.

use std::fmt::Write;

use tidegate::result::Settings;
use tidegate::units::{MIB, Rate};

/// How links are drawn, for the report. Every range is an ASSUMPTION: wide enough to hold any link that a
/// DTN is likely to have to Storj, and some that it is not.
pub const DISTRIBUTION: &str = "\
| what | drawn from |
|---|---|
| rate of a stream | 1 to 1000 MB/s |
| streams that fill the link | 1 to 400; fewer where all would carry more than 12.5 GB/s |
| round trip | 1 to 250 ms |
| TLS | on half of the links |
| `part_overhead` | 5 ms to 1 s |
| `call_overhead` | 1 to 100 ms |
| `segment_overhead` | none on half of the links, else 5 to 100 ms |
| `crowding` | none on 60 %, else 0.001 to 0.05 |
| nodes | none on 60 %, else 29/80/110, latency 20 to 200 ms, spread 0.2 to 0.8 |
| limits | a third each: none; Storj's published ones; tight ones, half of them 4 to 200 transfers at a time, half 10 to 200 calls a second (as many at once), with `retry_after` of 1 to 12 s |
| weather | none on half of the links, else drift, noise or both: drift of 0.05 to 0.3 with a period of 30 s to 10 min, noise of 0.05 to 0.3 each second |

All ranges are log-uniform.";

/// What all streams of a link carry at most: a DTN of 100 Gb/s.
const SHARED_MAX: f64 = 12.5e9;

/// A link that was drawn.
#[derive(Clone, Debug)]
pub struct Link {
    pub number: u64,
    stream_rate: f64,
    shared_rate: f64,
    round_trip_ms: f64,
    tls: bool,
    part_overhead_ms: f64,
    call_overhead_ms: f64,
    segment_overhead_ms: f64,
    crowding: f64,
    nodes: Option<Nodes>,
    limits: Limits,
    weather: Option<Weather>,
}

#[derive(Clone, Copy, Debug)]
struct Nodes {
    latency_ms: f64,
    spread: f64,
}

#[derive(Clone, Copy, Debug)]
enum Limits {
    None,
    Storj,
    Transfers { at_a_time: f64, retry_after_s: f64 },
    Calls { per_second: f64, retry_after_s: f64 },
}

#[derive(Clone, Copy, Debug)]
struct Weather {
    /// Share and period in seconds.
    drift: Option<(f64, f64)>,
    noise: Option<f64>,
}

/// What numbers are drawn with.
struct Random(fastrand::Rng);

impl Random {
    fn log_uniform(&mut self, least: f64, most: f64) -> f64 {
        least * (most / least).powf(self.0.f64())
    }

    fn whole(&mut self, least: f64, most: f64) -> f64 {
        self.log_uniform(least, most).round()
    }

    fn chance(&mut self, share: f64) -> bool {
        self.0.f64() < share
    }

    fn nodes(&mut self) -> Nodes {
        Nodes { latency_ms: self.log_uniform(20.0, 200.0), spread: self.log_uniform(0.2, 0.8) }
    }

    fn limits(&mut self) -> Limits {
        match self.0.u8(0..6) {
            0 | 1 => Limits::None,
            2 | 3 => Limits::Storj,
            4 => Limits::Transfers {
                at_a_time: self.whole(4.0, 200.0),
                retry_after_s: self.whole(1.0, 12.0),
            },
            _ => Limits::Calls {
                per_second: self.whole(10.0, 200.0),
                retry_after_s: self.whole(1.0, 12.0),
            },
        }
    }

    fn weather(&mut self) -> Weather {
        let kind = self.0.u8(0..3);
        let drift = (kind != 0)
            .then(|| (self.log_uniform(0.05, 0.3), self.log_uniform(30.0, 600.0).round()));
        let noise = (kind != 1).then(|| self.log_uniform(0.05, 0.3));
        Weather { drift, noise }
    }
}

impl Link {
    /// The link of this number.
    pub fn draw(number: u64) -> Self {
        // The first numbers of neighbouring seeds are alike, those of their forks are not.
        let mut random = Random(fastrand::Rng::with_seed(number).fork());
        let stream_rate = random.log_uniform(1e6, 1e9);
        let knee = random.log_uniform(1.0, 400.0);
        Self {
            number,
            stream_rate,
            shared_rate: (knee * stream_rate).min(SHARED_MAX),
            round_trip_ms: random.log_uniform(1.0, 250.0),
            tls: random.chance(0.5),
            part_overhead_ms: random.log_uniform(5.0, 1000.0),
            call_overhead_ms: random.log_uniform(1.0, 100.0),
            segment_overhead_ms: match random.chance(0.5) {
                true => random.log_uniform(5.0, 100.0),
                false => 0.0,
            },
            crowding: if random.chance(0.4) { random.log_uniform(0.001, 0.05) } else { 0.0 },
            nodes: random.chance(0.4).then(|| random.nodes()),
            limits: random.limits(),
            weather: random.chance(0.5).then(|| random.weather()),
        }
    }

    /// The model's file without its weather, by which no settings are better than others.
    pub fn calm_toml(&self) -> String {
        self.bare_toml() + &self.limits.toml()
    }

    /// The same without limits as well.
    pub fn bare_toml(&self) -> String {
        let mut text = format!(
            "round_trip = \"{:.0}us\"\ntls = {}\nconnection_rate = \"{:.0}B/s\"\nshared_rate = \"{:.0}B/s\"\n\
             part_overhead = \"{:.0}us\"\ncall_overhead = \"{:.0}us\"\nsegment_overhead = \"{:.0}us\"\ncrowding = {:?}\n",
            1e3 * self.round_trip_ms,
            self.tls,
            self.stream_rate,
            self.shared_rate,
            1e3 * self.part_overhead_ms,
            1e3 * self.call_overhead_ms,
            1e3 * self.segment_overhead_ms,
            self.crowding,
        );
        if let Some(Nodes { latency_ms, spread }) = self.nodes {
            let _ = writeln!(
                text,
                "nodes = {{ required = 29, optimal = 80, total = 110, latency = \"{:.0}us\", spread = {spread:?} }}",
                1e3 * latency_ms,
            );
        }
        text
    }

    /// The model's file.
    pub fn toml(&self) -> String {
        let weather = self.weather.map(|weather| weather.toml());
        self.calm_toml() + &weather.unwrap_or_default()
    }

    /// Its parameters in a line.
    pub fn short(&self) -> String {
        let mut text = format!(
            "{} a stream, {:.1} fill it, round trip {:.0} ms{}, part {:.0} ms, call {:.0} ms",
            Rate(self.stream_rate),
            self.shared_rate / self.stream_rate,
            self.round_trip_ms,
            if self.tls { " and TLS" } else { "" },
            self.part_overhead_ms,
            self.call_overhead_ms,
        );
        if self.crowding > 0.0 {
            let _ = write!(text, ", crowding {:.3}", self.crowding);
        }
        if let Some(Nodes { latency_ms, spread }) = self.nodes {
            let _ = write!(text, ", nodes {latency_ms:.0} ms spread {spread:.1}");
        }
        text + &self.limits.short()
            + &self.weather.map(|weather| weather.short()).unwrap_or_default()
    }

    /// About how long a part takes, from its beginning to the next.
    pub fn part_s(&self, settings: Settings) -> f64 {
        let streams = f64::from(settings.streams());
        let share = self.shared_rate / (1.0 + self.crowding * (streams - 1.0)) / streams;
        let bytes_s = settings.part_size_bytes as f64 / self.stream_rate.min(share);
        bytes_s + (self.round_trip_ms + self.part_overhead_ms) / 1e3
    }
}

impl Limits {
    fn toml(self) -> String {
        let tight = |own: String, retry_after_s: f64| {
            format!(
                "[limits]\n{own}key_writes_per_second = \"none\"\nretry_after = \"{retry_after_s}s\"\n"
            )
        };
        match self {
            Self::None => "limits = \"none\"\n".into(),
            Self::Storj => "[limits]\n".into(),
            Self::Transfers { at_a_time, retry_after_s } => tight(
                format!("transfers = {at_a_time}\ncalls_per_second = \"none\"\n"),
                retry_after_s,
            ),
            Self::Calls { per_second, retry_after_s } => tight(
                format!(
                    "transfers = \"none\"\ncalls_per_second = {per_second}\ncalls_burst = {per_second}\n"
                ),
                retry_after_s,
            ),
        }
    }

    fn short(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Storj => ", Storj's limits".into(),
            Self::Transfers { at_a_time, retry_after_s } => {
                format!(", {at_a_time} transfers at a time, else wait {retry_after_s} s")
            }
            Self::Calls { per_second, retry_after_s } => {
                format!(", {per_second} calls a second, else wait {retry_after_s} s")
            }
        }
    }
}

impl Weather {
    fn toml(self) -> String {
        let mut text = "[weather]\n".to_owned();
        if let Some((drift, period_s)) = self.drift {
            let _ = writeln!(text, "drift = {drift:?}\nperiod = \"{period_s}s\"");
        }
        if let Some(noise) = self.noise {
            let _ = writeln!(text, "noise = {noise:?}\ninterval = \"1s\"");
        }
        text
    }

    fn short(self) -> String {
        let drift = self.drift.map(|(drift, s)| format!(", drift {drift:.2} in {s} s"));
        let noise = self.noise.map(|noise| format!(", noise {noise:.2}"));
        drift.unwrap_or_default() + &noise.unwrap_or_default()
    }
}

/// One part in flight, as an in-order connector has it.
pub fn settings(part_size_mib: u64, concurrency: u32) -> Settings {
    let part_size_bytes = part_size_mib * MIB;
    Settings { part_size_bytes, concurrency, parts_in_flight: 1 }
}
