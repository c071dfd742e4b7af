//! The way to the endpoint: TLS, round trips, the clocks at both ends, and what a connection can carry.

use std::net::IpAddr;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use super::Check;
use super::host;
use crate::clock;
use crate::error::Error;
use crate::measure::{Connecting, Interfaces, Probe};
use crate::store::StoreError;
use crate::store::s3::{Connection, S3Store, TrustSeen, skew};
use crate::words;

/// Requests whose times are looked at.
const TRIPS: usize = 5;

/// `Last-Modified` is in whole seconds (RFC 9110, 8.8.2).
const RESOLUTION: Duration = Duration::from_secs(1);

/// From here on it is said. ASSUMPTION: machines whose time is kept by NTP are far closer.
const SKEW_TOLERATED: Duration = Duration::from_secs(30);

/// What small requests to the endpoint saw.
#[derive(Debug, Default)]
pub(super) struct Trip {
    /// Median time from a request sent to the first byte of its answer.
    answer: Option<Duration>,
    /// Of the TCP handshake, or less if the kernel has seen less since.
    network: Option<Duration>,
    /// The address it went out from.
    local: Option<IpAddr>,
    /// When the object that was asked for was written, by the endpoint's clock.
    modified: Option<SystemTime>,
}

/// Asks for the head of an object a few times; it need not exist.
pub(super) async fn round_trip(connection: &Connection, key: &str) -> Trip {
    let store = S3Store::connect(connection);
    let (mut trip, mut answers) = (Trip::default(), Vec::new());
    for _ in 0..TRIPS {
        let probe = Probe::begin(&Default::default(), clock::now());
        let written = store.written(key, &probe).await;
        trip.modified = written.ok().flatten().map(|written| written.at).or(trip.modified);
        if let Some(Connecting::New { tcp, .. }) = probe.connecting() {
            trip.network = Some(tcp);
        }
        let socket = probe.socket();
        trip.local = socket.and_then(|socket| socket.local).or(trip.local);
        let least = socket.and_then(|socket| socket.tcp?.round_trip_min);
        trip.network = [trip.network, least].into_iter().flatten().min();
        if let (Some(sent), Some(answered)) = (probe.sent_at(), probe.first_byte_at()) {
            answers.push(answered.since(sent));
        }
    }
    answers.sort_unstable();
    trip.answer = answers.get(answers.len() / 2).copied();
    trip
}

impl Trip {
    /// What it takes, and what a connection carries over that distance.
    pub(super) fn check(&self) -> Check {
        let (Some(answer), Some(network)) = (self.answer, self.network) else {
            return Check::not_checked("round trip", "no small request was answered");
        };
        let [to_go, to_answer] =
            [network, answer].map(|time| words::milliseconds(time.as_secs_f64()));
        let times = format!("{to_go}, and a small request takes {to_answer}");
        if self.local.is_none_or(|local| local.to_canonical().is_loopback()) {
            return Check::ok("round trip", format!("{times}; the endpoint is this machine"));
        }
        host::connection(&times, network, self.speed_bits_per_second())
    }

    fn speed_bits_per_second(&self) -> Option<u64> {
        let now = Interfaces::now();
        let used = now.since(&now, Duration::ZERO, self.local);
        used.first().and_then(|interface| interface.speed_bits_per_second)
    }
}

/// Whether the clocks agree: the endpoint says when the marker was written, and so do we.
pub(super) fn clock(trip: &Trip, written: &Range<SystemTime>) -> Check {
    let Some(modified) = trip.modified else {
        return Check::not_checked("clock", "the endpoint does not say when an object was written");
    };
    let ahead = modified.duration_since(written.end).unwrap_or_default();
    let behind = written.start.duration_since(modified + RESOLUTION).unwrap_or_default();
    let by = ahead.max(behind);
    if by == Duration::ZERO {
        return Check::ok("clock", "this machine's clock and the endpoint's agree to a second");
    }
    let says = match ahead > behind {
        true => skew(modified, written.end),
        false => skew(modified + RESOLUTION, written.start),
    };
    if by < SKEW_TOLERATED {
        return Check::ok("clock", says);
    }
    // 15 minutes: `storj/minio` cmd/globals.go, globalMaxSkewTime; AWS has the same.
    Check::warning(
        "clock",
        says,
        "set this machine's clock (NTP): requests that are 15 minutes off are refused",
    )
}

/// Whether each address of the endpoint's name answers.
pub(super) async fn addresses(connection: &Connection) -> Check {
    match connection.addresses().await {
        Ok(tried) => answered(&tried),
        Err(error) => Check::failed(
            "addresses",
            &Error::environment(format!("{}: {error}", connection.endpoint()))
                .hint("see that the endpoint's name is right and that it can be looked up here"),
        ),
    }
}

fn answered(tried: &[(IpAddr, Result<(), String>)]) -> Check {
    let (mut alive, mut dead) = (Vec::new(), Vec::new());
    for (address, connected) in tried {
        match connected {
            Ok(()) => alive.push(address.to_string()),
            Err(why) => dead.push(format!("{address} ({why})")),
        }
    }
    let (all_alive, all_dead) = (alive.join(", "), dead.join(", "));
    match (alive.len(), dead.is_empty()) {
        (1, true) => Check::ok("addresses", format!("{all_alive} answers")),
        (_, true) => Check::ok("addresses", format!("{all_alive} share the connections")),
        (0, false) => Check::failed(
            "addresses",
            &Error::environment(format!("no address answers: {all_dead}"))
                .hint("see that the endpoint's port is right and that it can be reached from here"),
        ),
        (_, false) => Check::warning(
            "addresses",
            format!("no connection to {all_dead}; {all_alive} carries everything"),
            "correct the address or take it out of the DNS: until then other programs may wait for it",
        ),
    }
}

/// The proxy that the environment names; `None` if there is none.
pub(super) fn proxy(connection: &Connection) -> Option<Check> {
    let says = connection.proxy()?;
    Some(Check::warning(
        "proxy",
        says,
        "set NO_PROXY to the endpoint's host to do without the proxy",
    ))
}

/// The version of TLS, and whether strangers would believe the certificate.
pub(super) async fn tls(connection: &Connection) -> Check {
    let endpoint = connection.endpoint();
    let seen = match connection.tls().await {
        Ok(Some(seen)) => seen,
        Ok(None) => {
            return Check::not_checked("TLS", format!("{endpoint} speaks plain HTTP"));
        }
        Err(StoreError { message, hint: Some(next_step), .. }) => {
            let why = Error::environment(format!("no connection to {endpoint}: {message}"));
            return Check::failed("TLS", &why.hint(next_step));
        }
        Err(StoreError { message, .. }) => {
            return Check::not_checked("TLS", format!("no connection to {endpoint}: {message}"));
        }
    };
    let version = seen.version.replace("TLSv1_", "TLS 1.");
    match seen.trust {
        TrustSeen::System => {
            Check::ok("TLS", format!("{version}; this system trusts the certificate's authority"))
        }
        TrustSeen::PrivateAuthority => Check::ok(
            "TLS",
            format!("{version}; the certificate's authority is private, known from the CA bundle"),
        ),
        TrustSeen::Unchecked => Check::warning(
            "TLS",
            format!("{version}; the certificate was not checked (--insecure)"),
            "name the certificate of the endpoint's authority with --ca-bundle FILE instead",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn addresses_that_do_not_answer_are_named() {
        let tried = |outcomes: &[Result<(), &str>]| {
            let address = |last: usize| IpAddr::from([192, 0, 2, last as u8 + 1]);
            let told = |(last, outcome): (usize, &Result<(), &str>)| {
                (address(last), outcome.map_err(str::to_owned))
            };
            answered(&outcomes.iter().enumerate().map(told).collect::<Vec<_>>())
        };
        let all = tried(&[Ok(()), Ok(())]);
        assert_eq!((all.outcome, all.next_step), (Outcome::Ok, None));
        assert!(all.says.contains("192.0.2.1, 192.0.2.2"), "{}", all.says);
        let one_dead = tried(&[Err("refused"), Ok(())]);
        assert_eq!(one_dead.outcome, Outcome::Warning);
        assert!(one_dead.says.contains("192.0.2.1 (refused); 192.0.2.2"), "{}", one_dead.says);
        let all_dead = tried(&[Err("refused"), Err("late")]);
        assert_eq!(all_dead.outcome, Outcome::Failed);
        assert!(all_dead.says.contains("192.0.2.2 (late)"), "{}", all_dead.says);
    }

    #[test]
    fn clocks_agree_within_the_resolution_of_last_modified() {
        let check = |modified| {
            let trip = Trip { modified: Some(modified), ..Trip::default() };
            let written = at(1000) + Duration::from_millis(700)..at(1001);
            clock(&trip, &written)
        };
        for modified in [at(1000), at(1001)] {
            assert_eq!(check(modified).outcome, Outcome::Ok, "{modified:?}");
            assert!(check(modified).says.contains("agree"), "{modified:?}");
        }
        let behind = check(at(900));
        assert_eq!(behind.outcome, Outcome::Warning);
        assert!(behind.says.contains("1m 39s behind"), "{}", behind.says);
        let ahead = check(at(4601));
        assert!(ahead.says.contains("1h ahead of"), "{}", ahead.says);
        assert!(ahead.next_step.is_some());
    }
}
