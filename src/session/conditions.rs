//! Under which conditions figures were measured: what the result says of it, and what it rests on without a source.

use std::time::Duration;

use crate::observe::Followed;
use crate::result::{self, LinkModel, NodesModel, SelfHostedModel, WeatherModel, Whole};
use crate::storj::{Model, Nodes, SelfHosted, Weather};
use crate::transfer::{Flow, GetMode, RetryMode};
use crate::trial::Load;

/// How much load there was, and for how long.
pub(super) fn load(load: Load) -> result::Load {
    let Load::Timed { warm_up, stop } = load else {
        return result::Load::Whole(Whole::WholeDataset);
    };
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    result::Load::Timed {
        warm_up_s: warm_up.as_secs_f64(),
        window_s: seconds(stop.window),
        stop_after_objects: stop.objects,
        stop_after_bytes: stop.bytes,
        stable_s: seconds(stop.stable),
    }
}

/// The parameters of a simulation.
pub(super) fn link_model(model: &Model) -> LinkModel {
    let micros = |time: Duration| time.as_micros() as u64;
    let nodes = |&Nodes { required, optimal, total, latency, spread }: &Nodes| NodesModel {
        required,
        optimal,
        total,
        latency_us: micros(latency),
        spread,
    };
    let self_hosted = |&SelfHosted { cores, core_rate }: &SelfHosted| SelfHostedModel {
        cores,
        core_rate_bytes_per_second: core_rate.0,
    };
    let weather = |Weather { noise, interval, drift, period }: Weather| WeatherModel {
        noise,
        interval_us: micros(interval),
        drift,
        period_us: micros(period),
    };
    LinkModel {
        round_trip_us: micros(model.round_trip),
        tls: model.tls,
        connection_rate_bytes_per_second: model.connection_rate.map(|rate| rate.0),
        shared_rate_bytes_per_second: model.shared_rate.map(|rate| rate.0),
        crowding: model.crowding,
        call_overhead_us: micros(model.call_overhead),
        part_overhead_us: micros(model.part_overhead),
        get_overhead_us: model.get_overhead.map(micros),
        segment_overhead_us: micros(model.segment_overhead),
        read_ahead_bytes: model.read_ahead.0,
        segment_size_bytes: model.segment_size.0,
        nodes: model.nodes.as_ref().map(nodes),
        self_hosted: model.self_hosted.as_ref().map(self_hosted),
        weather: model.weather.map(weather),
    }
}

/// What the numbers rest on without a source.
pub(super) fn assumptions(
    direction: impl Into<Flow>,
    get: GetMode,
    connector: Option<&Followed>,
    retry: RetryMode,
) -> Vec<String> {
    let mut assumptions =
        connector.map_or_else(|| undocumented(direction.into(), get), Followed::assumptions);
    assumptions.push(format!(
        "Globus's S3 connector, whose retries are not documented, retries as `--retry {}` does.",
        retry.name()
    ));
    assumptions
}

/// What is assumed of a connector that was not followed.
fn undocumented(direction: Flow, get: GetMode) -> Vec<String> {
    let mut assumptions = vec![
        "A Globus S3 connector sends the blocks of a file in order, so one part of a file is in flight at a time (parts_in_flight = 1).".to_owned(),
        "The part size of Globus's S3 connector is not documented.".to_owned(),
    ];
    if direction != Flow::Up && get == GetMode::Whole {
        assumptions.push("A Globus S3 connector fetches an object with one GetObject.".to_owned());
    }
    assumptions
}
