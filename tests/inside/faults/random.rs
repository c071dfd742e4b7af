//! A seed's schedule: what is moved how, over which link, and what goes wrong.

use std::sync::Arc;
use std::time::Duration;

use super::PATTERN;
use super::store::Odds;
use crate::dataset::{Dataset, Scale, Synthetic};
use crate::result::Settings;
use crate::storj::{Limits, Model};
use crate::transfer::{
    Allowance, Arrivals, Caps, Flow, GetMode, Job, Order, Quota, RetryPolicy, Spent,
};
use crate::units::{ByteSize, Rate};

/// All that is drawn.
pub(super) struct Schedule {
    pub(super) job: Job,
    pub(super) odds: Odds,
    pub(super) model: Model,
    pub(super) limits: Limits,
    /// When the user interrupts, and how long what is under way may go on then.
    pub(super) interrupt: Option<[Duration; 2]>,
    pub(super) seed: u64,
}

impl Schedule {
    pub(super) fn draw(seed: u64) -> Self {
        let random = &mut fastrand::Rng::with_seed(seed);
        let job = job(random);
        let fault = random.choice([0.0, 0.02, 0.1, 0.3]).expect("there are some");
        let odds = Odds {
            fault,
            corrupt_reading: if random.bool() { fault / 4.0 } else { 0.0 },
            corrupt_stored: if random.bool() { fault / 4.0 } else { 0.0 },
        };
        let none = Limits { part_size_min: ByteSize(1), ..Limits::none() };
        let limits = match random.u8(0..4) {
            0 => Limits { transfers: Some(2), retry_after: Duration::from_secs(1), ..none },
            _ => none,
        };
        let model = Model {
            round_trip: Duration::from_micros(random.u64(100..40_000)),
            tls: random.bool(),
            connection_rate: random.bool().then_some(Rate(1e6)),
            shared_rate: random.bool().then_some(Rate(3e6)),
            call_overhead: Duration::from_micros(random.u64(0..10_000)),
            part_overhead: Duration::from_micros(random.u64(0..50_000)),
            segment_size: ByteSize(random.u64(1000..100_000)),
            ..Model::default()
        };
        let moment = Duration::from_micros(random.u64(0..5_000_000));
        let patience = Duration::from_micros(random.u64(0..1_000_000));
        let interrupt = (random.u8(0..3) == 0).then_some([moment, patience]);
        Self { job, odds, model, limits, interrupt, seed }
    }
}

fn job(random: &mut fastrand::Rng) -> Job {
    let files = random.u64(1..9);
    let size = ByteSize(files * random.u64(1..60_000));
    let scale = Scale { files: Some(files), size: Some(size) };
    let direction = match random.u8(0..3) {
        0 => Flow::Up,
        1 => Flow::Down,
        _ => Flow::Mixed("60:40".parse().expect("it is a mix")),
    };
    let order = match random.u8(0..4) {
        0 => Order::UpTo(Quota { objects: Some(random.u64(1..20)), bytes: None }),
        _ => Order::Once,
    };
    let dataset = Synthetic::new("climate", scale).expect("it is one");
    let settings = Settings {
        part_size_bytes: random.u64(1000..20_000),
        concurrency: random.u32(1..6),
        parts_in_flight: random.u32(1..5),
    };
    Job {
        pattern: PATTERN.clone(),
        allowance: (random.u8(0..6) == 0).then(|| {
            let bytes = Some(random.u64(0..=size.0));
            let caps = Caps { bytes, ..Caps::default() };
            Arc::new(Allowance::new(caps, Spent::default()))
        }),
        get: if random.bool() { GetMode::Whole } else { GetMode::Ranged },
        verify: random.bool(),
        retry: RetryPolicy { attempts_max: random.u32(1..11), ..RetryPolicy::default() },
        order,
        arrivals: match random.u8(0..4) {
            0 => Arrivals::Poisson { files_per_second: 3.0 },
            1 => Arrivals::Constant { files_per_second: 3.0 },
            _ => Arrivals::Closed,
        },
        spread: Duration::from_millis(random.u64(0..300)),
        seed: random.u64(..),
        keep_attempts: true,
        ..Job::new(Arc::new(Dataset::Synthetic(dataset)), direction, settings, String::new())
    }
}
