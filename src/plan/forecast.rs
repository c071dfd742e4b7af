//! One forecast: a dataset, so many DTNs with so many tasks each, and the limits that they share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fitted::{Fitted, Spread};
use super::globus::Startup;
use super::model::{Crew, Terms};
use super::queue::settle;
use super::settled::Refuses;
use super::shape::Shape;
use super::steps::Files;
use super::work::{Manner, Work};
use crate::result::Direction;
use crate::storj::Limits;

/// A limit that takes a smaller share of the time is not what holds a task down.
const NOTICED: f64 = 0.05;

/// A DTN that brings less of what one brings alone is held back.
const FULL_SHARE: f64 = 0.95;

/// A forecast's circumstances.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which way, with which settings.
    pub manner: Manner,
    /// DTNs.
    pub nodes: u32,
    /// Tasks of each DTN at a time; the dataset is divided among all.
    pub tasks: u32,
    /// What all DTNs share of the way to Storj, such as a site's uplink.
    pub shared_link_bytes_per_second: Option<f64>,
    /// Of the project, shared by all DTNs.
    pub limits: Limits,
    /// What Globus adds.
    pub globus: Startup,
}

/// What holds a forecast down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// S0: the task is short.
    Startup,
    /// What each file costs beside its bytes.
    Files,
    /// What each part and segment costs beside its bytes.
    Parts,
    /// The streams: more files in flight would be faster.
    Streams,
    /// What a DTN's link carries.
    Link,
    /// What all DTNs share of the way to Storj.
    SharedLink,
    /// Calls a second to Storj's satellite.
    Calls,
    /// Uploads and downloads of the project at a time.
    Transfers,
    /// The last files, while other movers have none left.
    Tail,
    /// Reading everything back.
    Verification,
}

/// A forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// DTNs.
    pub nodes: u32,
    /// Half of such tasks take less.
    pub p50_s: f64,
    /// Nine of ten take less.
    pub p90_s: f64,
    /// Nine of ten take between these.
    pub interval_90_s: [f64; 2],
    /// Dataset bytes over the p50 time.
    pub effective_speed_bytes_per_second: f64,
    /// The p50 time by what takes it.
    pub terms: Terms,
    /// Waiting for the shared limits.
    pub limits_s: f64,
    /// Reading everything back.
    pub verification_s: f64,
    /// What Globus adds: its startup and its files.
    pub globus_s: f64,
    /// What holds it down.
    pub limit: Limit,
    /// Requests to the gateway.
    pub requests_per_second: f64,
    /// Calls that these take to the satellite, if it refuses nothing.
    pub calls_per_second: f64,
    /// Uploads and downloads at a time.
    pub transfers: u64,
    /// Share of the attempts that Storj answers with 429.
    pub refused_share: f64,
    /// Share of the files that fail because all their attempts were refused.
    pub failing_share: f64,
}

impl Forecast {
    /// Effective speed of each DTN.
    pub(super) fn each_bytes_per_second(&self) -> f64 {
        self.effective_speed_bytes_per_second / f64::from(self.nodes)
    }

    /// Whether each DTN brings as much as where there are fewest.
    pub(super) fn brings_its_share(&self, fewest: &Self) -> bool {
        self.each_bytes_per_second() >= FULL_SHARE * fewest.each_bytes_per_second()
    }
}

/// The models of both ways, as far as they were fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Models {
    /// To the bucket.
    pub up: Option<Fitted>,
    /// From the bucket.
    pub down: Option<Fitted>,
}

impl Models {
    /// The same where models of this program do not stand for what is forecast.
    #[must_use]
    pub fn of_unseen_sessions(&self) -> Self {
        let unseen = |fitted: &Option<Fitted>| fitted.clone().map(Fitted::of_unseen_sessions);
        Self { up: unseen(&self.up), down: unseen(&self.down) }
    }

    /// Of one way.
    pub fn of(&self, direction: Direction) -> Option<&Fitted> {
        match direction {
            Direction::Up => self.up.as_ref(),
            Direction::Down => self.down.as_ref(),
        }
    }
}

/// A way through the gateway under the shared limits.
struct Course {
    terms: Terms,
    limits_s: f64,
    limit: Limit,
    spread: Spread,
    refused_share: f64,
    failing_share: f64,
}

/// Forecasts one way; `read_back` adds the other after it, for verification.
pub fn forecast(
    fitted: &Fitted,
    read_back: Option<&Fitted>,
    shape: &Shape,
    setup: &Setup,
) -> Forecast {
    let course = course(fitted, shape, setup, setup.manner);
    let one_way_s = course.terms.total_s() + course.limits_s;
    let down = Manner { direction: Direction::Down, ranged: false, ..setup.manner };
    let verification_s = read_back.map_or(0.0, |fitted| {
        let course = self::course(fitted, shape, setup, down);
        course.terms.total_s() + course.limits_s
    });
    let globus_s = setup.globus.seconds(shape.files(), movers(setup));
    let total_s = one_way_s + verification_s + globus_s;
    let work = Work::of(shape, setup.manner);
    let limit = if verification_s > one_way_s { Limit::Verification } else { course.limit };
    Forecast {
        nodes: setup.nodes,
        p50_s: total_s,
        p90_s: total_s * course.spread.factor(90.0),
        interval_90_s: [5.0, 95.0].map(|percent| total_s * course.spread.factor(percent)),
        effective_speed_bytes_per_second: shape.bytes() / total_s,
        terms: course.terms,
        limits_s: course.limits_s,
        verification_s,
        globus_s,
        limit,
        requests_per_second: work.requests / one_way_s,
        calls_per_second: work.calls / (one_way_s - course.limits_s).max(f64::MIN_POSITIVE),
        transfers: streams(setup) as u64,
        refused_share: course.refused_share,
        failing_share: course.failing_share,
    }
}

fn movers(setup: &Setup) -> f64 {
    f64::from(setup.nodes) * f64::from(setup.tasks) * f64::from(setup.manner.settings.concurrency)
}

fn streams(setup: &Setup) -> f64 {
    movers(setup) * f64::from(setup.manner.settings.parts_in_flight)
}

fn course(fitted: &Fitted, shape: &Shape, setup: &Setup, manner: Manner) -> Course {
    let most = setup.limits.transfers.map_or(f64::INFINITY, f64::from);
    let admitted = (most / streams(setup)).min(1.0);
    let sending = movers(setup) * admitted;
    let nodes = f64::from(setup.nodes);
    let own = fitted.model.link_bytes_per_second;
    let shared = setup.shared_link_bytes_per_second;
    let is_shared = shared.is_some_and(|shared| own.is_none_or(|own| shared < own * nodes));
    let crew = match is_shared {
        true => Crew { movers: sending, links: 1.0, link_bytes_per_second: shared },
        false => Crew { movers: sending, links: nodes, link_bytes_per_second: own },
    };
    let (terms, spread) = fitted.predict(shape, manner, crew);
    let steady_s = terms.total_s() - terms.startup_s - terms.tail_s;
    let mover_s = steady_s * sending;
    let stretch = mover_s / fitted.model.mover_seconds(&Work::of(shape, manner));
    let files = Files::of(shape, manner, &fitted.model, stretch, &|bytes| fitted.request_sd(bytes));
    let settled = settle(&files, movers(setup) as u32, &setup.limits);
    let limits_s = (settled.slowdown * mover_s / movers(setup) - steady_s).max(0.0);
    let limit = match settled.by {
        Some(Refuses::Calls) if limits_s > NOTICED * steady_s => Limit::Calls,
        Some(Refuses::Transfers) => Limit::Transfers,
        _ if terms.link_s > NOTICED * steady_s && is_shared => Limit::SharedLink,
        _ if terms.link_s > NOTICED * steady_s => Limit::Link,
        _ => largest(&terms),
    };
    Course {
        terms,
        limits_s,
        limit,
        spread,
        refused_share: 1.0 - settled.let_in,
        failing_share: settled.failing,
    }
}

fn largest(terms: &Terms) -> Limit {
    let shares = [
        (terms.startup_s, Limit::Startup),
        (terms.files_s, Limit::Files),
        (terms.parts_s, Limit::Parts),
        (terms.bytes_s, Limit::Streams),
        (terms.tail_s, Limit::Tail),
    ];
    let largest = shares.into_iter().max_by(|one, other| one.0.total_cmp(&other.0));
    largest.map_or(Limit::Streams, |(_, limit)| limit)
}
