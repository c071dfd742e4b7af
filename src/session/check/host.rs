//! This machine: open files, memory, cores, and whether its socket buffers fit the way to the endpoint.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::Check;
use crate::measure;
use crate::session::limits::{STREAM_BYTES, files_beside};
use crate::units::{ByteSize, MIB, Rate};

/// Files in flight that `tune` tries at most by itself.
const STREAMS: u64 = 64;

/// Of Storj's parts (`storj/storj` satellite/metainfo/config.go: a segment's most).
const PART_BYTES: u64 = 64 * MIB;

/// Of a link whose speed this system does not tell (ASSUMPTION: a small DTN's).
const LINK_BITS_PER_SECOND: u64 = 10_000_000_000;

/// More connections than these to fill a link are many (ASSUMPTION).
const CONNECTIONS_MAX: f64 = 16.0;

/// Where Linux says how far the buffers of a TCP socket may grow.
const TCP_WMEM: &str = "/proc/sys/net/ipv4/tcp_wmem";
const TCP_RMEM: &str = "/proc/sys/net/ipv4/tcp_rmem";

/// What needs no endpoint.
pub(super) fn checks() -> [Check; 3] {
    let host = measure::host();
    let limit = getrlimit(Resource::Nofile);
    [
        open_files(limit.maximum.or(limit.current)),
        memory(host.memory_bytes),
        Check::ok("cores", format!("{} for this process", host.cores)),
    ]
}

/// tidegate raises the limit itself as far as it may.
fn open_files(allowed: Option<u64>) -> Check {
    let Some(allowed) = allowed else { return Check::ok("open files", "as many as are asked for") };
    let streams = allowed.saturating_sub(files_beside()) / 2;
    let says = format!("{allowed} are allowed, which is enough for {streams} streams");
    match streams >= STREAMS {
        true => Check::ok("open files", says),
        false => Check::warning("open files", says, "raise the hard limit (ulimit -Hn)"),
    }
}

fn memory(present: Option<u64>) -> Check {
    let Some(present) = present else {
        return Check::not_checked("memory", "this system does not tell");
    };
    let (filled, streams) = (STREAMS * PART_BYTES, STREAMS * STREAM_BYTES);
    let says = format!(
        "{} in all; {STREAMS} streams take {}, and {} with parts of {} that are filled before they are sent",
        ByteSize(present),
        ByteSize(streams),
        ByteSize(streams + filled),
        ByteSize(PART_BYTES),
    );
    match present >= streams + filled {
        true => Check::ok("memory", says),
        false => {
            Check::warning("memory", says, "keep --parts-in-flight at 1 for files of a directory")
        }
    }
}

/// What a connection carries over a distance, and how many fill the link.
pub(super) fn connection(times: &str, round_trip: Duration, speed: Option<u64>) -> Check {
    let most = |file: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        text.split_whitespace().last()?.parse().ok()
    };
    match (most(TCP_WMEM), most(TCP_RMEM)) {
        (Some(send), Some(receive)) => carried(times, round_trip, send, receive, speed),
        _ => Check::ok(
            "round trip",
            format!("{times}; this system does not tell its socket buffers"),
        ),
    }
}

/// A connection carries its window in a round trip. Of a receive buffer half is for the kernel's own
/// use (Linux, Documentation/networking/ip-sysctl.rst, `tcp_adv_win_scale` = 1).
fn carried(
    times: &str,
    round_trip: Duration,
    send_bytes: u64,
    receive_bytes: u64,
    speed: Option<u64>,
) -> Check {
    let seconds = round_trip.as_secs_f64().max(1e-6);
    let (up, down) = (send_bytes as f64 / seconds, receive_bytes as f64 / 2.0 / seconds);
    let link = speed.unwrap_or(LINK_BITS_PER_SECOND) as f64 / 8.0;
    let connections = (link / up.min(down)).max(1.0);
    let says = format!(
        "{times}; the socket buffers let a connection carry {} up and {} down, so that {connections:.0} fill {}{}",
        Rate(up),
        Rate(down),
        Rate(link),
        if speed.is_some() { "" } else { " (ASSUMPTION: the link's speed is not known)" },
    );
    match connections <= CONNECTIONS_MAX {
        true => Check::ok("round trip", says),
        false => Check::warning(
            "round trip",
            says,
            "raise the last number of net.ipv4.tcp_wmem and tcp_rmem (sysctl)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    #[test]
    fn buffers_smaller_than_the_path_are_warned_of() {
        let speed = Some(10_000_000_000);
        let buffers = |bytes, ms| carried("", Duration::from_millis(ms), bytes, 2 * bytes, speed);
        // 10 Gbit/s over 100 ms is 125 MB under way.
        let far = buffers(4 << 20, 100);
        assert_eq!(far.outcome, Outcome::Warning);
        assert!(far.says.contains("so that 30 fill 1.25 GB/s"), "{}", far.says);
        assert_eq!(buffers(4 << 20, 5).outcome, Outcome::Ok);
        assert_eq!(buffers(64 << 20, 100).outcome, Outcome::Ok);
    }

    #[test]
    fn few_open_files_and_little_memory_are_warned_of() {
        assert_eq!(open_files(Some(1024)).outcome, Outcome::Ok);
        assert_eq!(open_files(Some(128)).outcome, Outcome::Warning);
        assert_eq!(open_files(None).outcome, Outcome::Ok);
        assert_eq!(memory(Some(64 << 30)).outcome, Outcome::Ok);
        assert_eq!(memory(Some(2 << 30)).outcome, Outcome::Warning);
        assert_eq!(memory(None).outcome, Outcome::NotChecked);
    }
}
