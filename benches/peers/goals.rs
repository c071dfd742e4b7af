//! What tidegate is to reach, and whether it does.

use std::fmt;

use crate::Outcomes;
use crate::measure::Sample;
use crate::median::Median;
use crate::memory::{Case, Peaks};
use crate::peer::Peer;
use crate::report::{or_nothing, ratio};
use crate::task::{Data, Direction, Security, Task};

/// tidegate's CPU time per byte, by that of a peer, is to be at most this.
struct Goal {
    data: Data,
    direction: Direction,
    peer: Peer,
    at_most: f64,
}

/// As cheap as hyper allows; the cheapest benchmark there is; an order of magnitude below the usual
/// tools, which the client's processor must not look like.
const GOALS: [Goal; 7] = {
    use {Data::*, Direction::*, Peer::*};
    const fn goal(data: Data, direction: Direction, peer: Peer, at_most: f64) -> Goal {
        Goal { data, direction, peer, at_most }
    }
    [
        goal(Synthetic, Up, RawHyper, 1.1),
        goal(Synthetic, Down, RawHyper, 1.1),
        goal(Synthetic, Up, Warp, 0.9),
        goal(Synthetic, Down, Warp, 0.7),
        goal(Files, Up, Rclone, 0.125),
        goal(Files, Up, S5cmd, 0.125),
        goal(Files, Up, Aws, 0.125),
    ]
};

const RSS_PEAK_MIB_MAX: f64 = 150.0;

pub fn table(f: &mut fmt::Formatter<'_>, outcomes: &Outcomes, peaks: &Peaks) -> fmt::Result {
    writeln!(
        f,
        "## Goals\n\ntidegate's CPU s/GB by the peer's, over HTTP. Met: the whole interval is. Missed: none of it is. The floor is raw hyper's by the peer's, with synthetic data also where the peer reads files: about what the kernel takes.\n"
    )?;
    writeln!(f, "| task | peer | at most | measured | | floor |\n|---|---|--:|--:|---|--:|")?;
    for Goal { data, direction, peer, at_most } in GOALS {
        let task = Task { security: Security::Plain, data, direction };
        let cpu = Sample::cpu_seconds_per_gb;
        let measured = ratio(outcomes, (task, Peer::Tidegate), (task, peer), cpu);
        let least = Task { data: Data::Synthetic, ..task };
        let floor = ratio(outcomes, (least, Peer::RawHyper), (task, peer), cpu);
        let (title, name, verdict) = (task.title(), peer.name(), verdict(measured, at_most));
        let (measured, floor) = (or_nothing(measured), or_nothing(floor));
        writeln!(f, "| {title} | {name} | {at_most} | {measured} | {verdict} | {floor} |")?;
    }
    writeln!(f)?;
    for case in Case::ALL {
        let (title, peak) = (case.title(), peaks.mib(case));
        let verdict = if peak <= RSS_PEAK_MIB_MAX { "met" } else { "missed" };
        writeln!(f, "- 64 movers, {title}: {peak:.0} MiB of {RSS_PEAK_MIB_MAX:.0}: {verdict}")?;
    }
    writeln!(f)
}

fn verdict(measured: Option<Median>, at_most: f64) -> &'static str {
    match measured.map(|ratio| ratio.interval_95) {
        None => "not measured",
        Some(Some([_, high])) if high <= at_most => "met",
        Some(Some([low, _])) if low > at_most => "missed",
        Some(_) => "not shown",
    }
}
