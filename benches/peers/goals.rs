//! What tidegate is to reach, and whether it does.

use std::fmt;

use crate::Outcomes;
use crate::measure::Sample;
use crate::median::Median;
use crate::memory::{Case, Peaks};
use crate::peer::Peer;
use crate::report::{or_nothing, ratio};
use crate::task::{Data, Direction, Security, Task};

/// tidegate's CPU time per byte or, of small objects, per request, by that of a peer, is to be at most this.
struct Goal {
    security: Security,
    data: Data,
    direction: Direction,
    peer: Peer,
    at_most: f64,
}

/// As cheap as hyper allows; the cheapest benchmark there is; an order of magnitude below the usual
/// tools, which the client's processor must not look like.
const GOALS: [Goal; 15] = {
    use {Data::*, Direction::*, Peer::*, Security::*};
    const fn goal(
        security: Security,
        data: Data,
        direction: Direction,
        peer: Peer,
        at_most: f64,
    ) -> Goal {
        Goal { security, data, direction, peer, at_most }
    }
    [
        goal(Plain, Synthetic, Up, RawHyper, 1.1),
        goal(Plain, Synthetic, Down, RawHyper, 1.1),
        goal(Plain, Synthetic, Up, Warp, 0.9),
        goal(Plain, Synthetic, Down, Warp, 0.7),
        goal(Plain, Files, Up, Rclone, 0.125),
        goal(Plain, Files, Up, S5cmd, 0.125),
        goal(Plain, Files, Up, Aws, 0.125),
        goal(Plain, Files, Down, Rclone, 0.9),
        goal(Plain, Small, Up, Warp, 0.5),
        goal(Plain, Small, Down, Warp, 0.5),
        goal(Tls, Synthetic, Up, Warp, 0.6),
        goal(Tls, Synthetic, Down, Warp, 0.6),
        goal(Tls, Files, Down, Rclone, 0.9),
        goal(Tls, Small, Up, Warp, 0.5),
        goal(Tls, Small, Down, Warp, 0.5),
    ]
};

const RSS_PEAK_MIB_MAX: f64 = 150.0;

pub fn table(f: &mut fmt::Formatter<'_>, outcomes: &Outcomes, peaks: &Peaks) -> fmt::Result {
    writeln!(
        f,
        "## Goals\n\ntidegate's CPU s/GB by the peer's; of objects of 4 KiB, CPU time per operation. Met: the whole interval is. Missed: none of it is. The floor is raw hyper's by the peer's, with synthetic data also where the peer reads files: about what the kernel and, over TLS, the encryption take.\n"
    )?;
    writeln!(f, "| task | peer | at most | measured | | floor |\n|---|---|--:|--:|---|--:|")?;
    for Goal { security, data, direction, peer, at_most } in GOALS {
        let task = Task { security, data, direction };
        let cpu = match data {
            Data::Small => Sample::cpu_us_per_operation,
            Data::Synthetic | Data::Files => Sample::cpu_seconds_per_gb,
        };
        let measured = ratio(outcomes, (task, Peer::Tidegate), (task, peer), cpu);
        let least = Task { data: Data::Synthetic, ..task };
        let floor = match data {
            Data::Small => None,
            _ => ratio(outcomes, (least, Peer::RawHyper), (task, peer), cpu),
        };
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
