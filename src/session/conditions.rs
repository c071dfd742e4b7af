//! Under which conditions figures were measured: what the result says of it, and what it rests on without a source.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::dataset::Symlinks;
use crate::observe::Followed;
use crate::pace::Paces;
use crate::transfer::{Flow, GetMode, RetryMode};
use crate::trial::Load;

/// What the result says of a directory.
pub(super) fn of_directory(root: &Path, symlinks: Symlinks) -> Value {
    match symlinks {
        Symlinks::Ignore => json!({ "from": root.to_string_lossy() }),
        Symlinks::Copy => json!({ "from": root.to_string_lossy(), "recursive_symlinks": "copy" }),
    }
}

/// How much load there was, and for how long.
pub(super) fn load(load: Load) -> Value {
    let Load::Timed { warm_up, stop } = load else { return json!("the whole dataset once") };
    json!({
        "warm_up_s": warm_up.as_secs_f64(),
        "window_s": stop.window.map(|window| window.as_secs_f64()),
        "stop_after_objects": stop.objects,
        "stop_after_bytes": stop.bytes,
        "stable_s": stop.stable.map(|stretch| stretch.as_secs_f64()),
    })
}

/// How the connector was found out that trials do as, for the scenario.
pub(super) fn seen(connector: Option<&Followed>) -> Option<(String, Value)> {
    connector.map(|connector| ("connector".to_owned(), json!(connector.seen)))
}

/// What is left to others, for the scenario.
pub(super) fn capped(Paces { bytes, requests }: &Paces) -> BTreeMap<String, Value> {
    let bytes = bytes.as_ref().map(|pace| ("max_rate_bytes_per_second", pace.per_second()));
    let requests = requests.as_ref().map(|turns| ("max_requests_per_second", turns.per_second()));
    let named = |(name, rate): (&str, f64)| (name.to_owned(), json!(rate));
    bytes.into_iter().chain(requests).map(named).collect()
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
