//! What the kernel knows of our TCP connections: `TCP_INFO`, asked when a request has ended.
//!
//! One question costs less than a microsecond. Counters count from the start of a connection, so each
//! answer is reduced by the one before. They speak of the sending side: on the way down, of requests.
//! Source of their meaning: Linux `include/uapi/linux/tcp.h` and `net/ipv4/tcp.c` (`tcp_get_info`).

mod platform;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::histogram::Latencies;
use crate::result::TcpUse;

/// `TCP_INFO` of one socket: the first three as they are now, the others since some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpCounters {
    /// Smoothed round trip time.
    pub round_trip: Option<Duration>,
    /// The least round trip of the last minutes.
    pub round_trip_min: Option<Duration>,
    /// The latest rate at which data was acknowledged.
    pub delivery_rate_bytes_per_second: u64,
    /// Bytes sent, those sent again included.
    pub sent_bytes: u64,
    /// Bytes sent again.
    pub resent_bytes: u64,
    /// Time with data to send.
    pub busy: Duration,
    /// Of that, time in which the receiver's window was full.
    pub receive_window_limited: Duration,
    /// Of that, time in which the send buffer was too small.
    pub send_buffer_limited: Duration,
}

impl TcpCounters {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            sent_bytes: self.sent_bytes.saturating_sub(earlier.sent_bytes),
            resent_bytes: self.resent_bytes.saturating_sub(earlier.resent_bytes),
            busy: self.busy.saturating_sub(earlier.busy),
            receive_window_limited: self
                .receive_window_limited
                .saturating_sub(earlier.receive_window_limited),
            send_buffer_limited: self
                .send_buffer_limited
                .saturating_sub(earlier.send_buffer_limited),
            ..*self
        }
    }
}

/// What a connection did since it was asked the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketUse {
    /// Its own address.
    pub local: Option<IpAddr>,
    /// The address at its other end.
    pub remote: Option<IpAddr>,
    /// `None` where the platform keeps no such counters.
    pub tcp: Option<TcpCounters>,
}

/// A socket that can be asked how it is doing until it is closed.
///
/// Its owner is elsewhere and must say [`SocketWatch::closes`] before it closes it. The lock is taken
/// once a request.
#[derive(Debug, Default)]
pub struct SocketWatch {
    local: Option<IpAddr>,
    remote: Option<IpAddr>,
    open: Mutex<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    number: i32,
    last: TcpCounters,
}

impl SocketWatch {
    /// Watches a connected socket between these addresses.
    pub fn new(socket: &impl AsFd, local: Option<SocketAddr>, remote: Option<SocketAddr>) -> Self {
        let open = Open { number: socket.as_fd().as_raw_fd(), last: TcpCounters::default() };
        let [local, remote] = [local, remote].map(|address| address.map(|address| address.ip()));
        Self { local, remote, open: Mutex::new(Some(open)) }
    }

    /// The socket is about to be closed: its number will soon be that of another file.
    pub fn closes(&self) {
        *self.open() = None;
    }

    /// What it did since it was asked the last time.
    pub fn since_last(&self) -> SocketUse {
        let mut open = self.open();
        let tcp = open.as_mut().and_then(|open| {
            let now = platform::with_socket(open.number, platform::tcp_counters)?;
            let since = now.since(&open.last);
            open.last = now;
            Some(since)
        });
        SocketUse { local: self.local, remote: self.remote, tcp }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All connections of a thread, or of a trial.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TcpTally {
    pub(super) local_addresses: BTreeSet<IpAddr>,
    connections: u64,
    seen: Option<Seen>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    /// At the end of each request with payload.
    round_trip_us: Latencies,
    delivery_rate_kb_per_second: Latencies,
    round_trip_min: Option<Duration>,
    sum: TcpCounters,
}

impl TcpTally {
    /// A request has ended on a connection, which may have been made for it.
    pub(super) fn add(&mut self, used: &SocketUse, is_new: bool, moves_data: bool) {
        self.connections += u64::from(is_new);
        self.local_addresses.extend(used.local);
        let Some(tcp) = &used.tcp else { return };
        let seen = self.seen.get_or_insert_default();
        seen.sum = seen.sum.plus(tcp);
        seen.round_trip_min = least(seen.round_trip_min, tcp.round_trip_min);
        if moves_data {
            if let Some(round_trip) = tcp.round_trip {
                seen.round_trip_us.record_value(round_trip.as_micros() as u64);
            }
            if tcp.delivery_rate_bytes_per_second > 0 {
                let kb = tcp.delivery_rate_bytes_per_second / 1000;
                seen.delivery_rate_kb_per_second.record_value(kb);
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.local_addresses.extend(other.local_addresses);
        self.connections += other.connections;
        let Some(other) = other.seen else { return };
        let seen = self.seen.get_or_insert_default();
        seen.round_trip_us.merge(&other.round_trip_us);
        seen.delivery_rate_kb_per_second.merge(&other.delivery_rate_kb_per_second);
        seen.round_trip_min = least(seen.round_trip_min, other.round_trip_min);
        seen.sum = seen.sum.plus(&other.sum);
    }

    /// In the words of the result; `None` if the platform said nothing.
    pub(super) fn summary(&self) -> Option<TcpUse> {
        let seen = self.seen.as_ref()?;
        let rate = seen.delivery_rate_kb_per_second.percentiles();
        Some(TcpUse {
            connections: self.connections,
            round_trip_us: seen.round_trip_us.percentiles(),
            round_trip_min_us: seen.round_trip_min.map(|time| time.as_micros() as u64),
            delivery_rate_p50_bytes_per_second: (rate.samples > 0).then_some(rate.p50 * 1000),
            sent_bytes: seen.sum.sent_bytes,
            resent_bytes: seen.sum.resent_bytes,
            busy_s: seen.sum.busy.as_secs_f64(),
            receive_window_limited_s: seen.sum.receive_window_limited.as_secs_f64(),
            send_buffer_limited_s: seen.sum.send_buffer_limited.as_secs_f64(),
        })
    }
}

impl TcpCounters {
    /// The sum of what counts; what is only of a moment stays.
    fn plus(&self, other: &Self) -> Self {
        Self {
            sent_bytes: self.sent_bytes + other.sent_bytes,
            resent_bytes: self.resent_bytes + other.resent_bytes,
            busy: self.busy + other.busy,
            receive_window_limited: self.receive_window_limited + other.receive_window_limited,
            send_buffer_limited: self.send_buffer_limited + other.send_buffer_limited,
            ..*self
        }
    }
}

fn least(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn a_connection_tells_what_it_sent_since_the_last_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let watch = SocketWatch::new(&client, client.local_addr().ok(), client.peer_addr().ok());
        let mut exchange = |bytes: usize| {
            client.write_all(&vec![1; bytes]).unwrap();
            server.read_exact(&mut vec![0; bytes]).unwrap();
            watch.since_last()
        };
        let (first, second) = (exchange(3000), exchange(500));
        assert_eq!(first.local, Some("127.0.0.1".parse().unwrap()));
        let sent = |used: SocketUse| used.tcp.unwrap().sent_bytes;
        assert_eq!((sent(first), sent(second)), (3000, 500));
        assert!(second.tcp.unwrap().round_trip_min.unwrap() < Duration::from_secs(1));
    }

    #[test]
    fn a_socket_that_was_closed_is_not_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let watch = SocketWatch::new(&client, None, None);
        watch.closes();
        drop(client);
        assert_eq!(watch.since_last(), SocketUse::default());
    }

    #[test]
    fn what_threads_saw_adds_up() {
        let counters = TcpCounters {
            round_trip: Some(Duration::from_micros(900)),
            round_trip_min: Some(Duration::from_micros(500)),
            delivery_rate_bytes_per_second: 7_000_000,
            sent_bytes: 1000,
            resent_bytes: 10,
            busy: Duration::from_secs(2),
            receive_window_limited: Duration::from_secs(1),
            send_buffer_limited: Duration::from_millis(500),
        };
        let local = Some("10.0.0.1".parse().unwrap());
        let used = SocketUse { local, remote: None, tcp: Some(counters) };
        let (mut one, mut other) = (TcpTally::default(), TcpTally::default());
        one.add(&used, true, true);
        one.add(&used, false, false);
        other.add(&used, true, true);
        one.merge(other);
        let sum = one.summary().unwrap();
        assert_eq!((sum.connections, sum.round_trip_us.samples), (2, 2));
        assert_eq!((sum.sent_bytes, sum.resent_bytes), (3000, 30));
        assert_eq!((sum.busy_s, sum.receive_window_limited_s), (6.0, 3.0));
        assert_eq!(sum.send_buffer_limited_s, 1.5);
        assert_eq!(sum.round_trip_min_us, Some(500));
        assert_eq!(one.local_addresses.len(), 1);
    }

    #[test]
    fn without_counters_nothing_is_claimed() {
        let mut tally = TcpTally::default();
        tally.add(&SocketUse::default(), true, true);
        assert!(tally.summary().is_none());
    }
}
