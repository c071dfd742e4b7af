//! The addresses of a name: connections take turns, and one that does not answer is left aside for a while.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::timeout;

use crate::clock::{self, Instant};

/// How long the next address waits for the one before: the Connection Attempt Delay of RFC 8305, 8.
const HEAD_START: Duration = Duration::from_millis(250);

/// For how long an address that did not answer is asked last (ASSUMPTION: who mends it, or takes it out of the
/// DNS, takes longer).
const ASIDE_FOR: Duration = Duration::from_secs(60);

/// What the connections of all threads know of the addresses.
#[derive(Debug)]
pub(in crate::store::s3) struct Addresses {
    turn: AtomicUsize,
    aside: Mutex<HashMap<SocketAddr, Instant>>,
}

impl Default for Addresses {
    /// Begins anywhere: programs that are started together do not all begin with the same address.
    fn default() -> Self {
        Self { turn: AtomicUsize::new(fastrand::usize(..1 << 16)), aside: Mutex::default() }
    }
}

impl Addresses {
    /// Connects to the address whose turn it is, or if that does not answer in time, to another.
    pub(super) async fn connect<T, F>(
        &self,
        found: Vec<SocketAddr>,
        connect: impl Fn(SocketAddr) -> F,
    ) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        let mut next = self.in_turn(found, clock::now()).into_iter();
        let mut trying = FuturesUnordered::new();
        let mut asked = Vec::new();
        let mut failure = io::Error::other("the name has no address");
        loop {
            if let Some(address) = next.next() {
                asked.push(address);
                let connecting = connect(address);
                trying.push(async move { (address, connecting.await) });
            }
            let answer = match next.len() {
                0 => trying.next().await,
                _ => match timeout(HEAD_START, trying.next()).await {
                    Ok(answer) => answer,
                    Err(_) => continue,
                },
            };
            match answer {
                Some((address, Ok(connected))) => {
                    asked
                        .iter()
                        .take_while(|first| **first != address)
                        .for_each(|slow| self.leave(*slow));
                    self.lock().remove(&address);
                    return Ok(connected);
                }
                Some((address, Err(error))) => {
                    self.leave(address);
                    failure = error;
                }
                None => return Err(failure),
            }
        }
    }

    /// In the order in which they are tried. Which family goes first is the system's to say (RFC 6724): the other
    /// is for when none of it answers.
    fn in_turn(&self, mut addresses: Vec<SocketAddr>, now: Instant) -> Vec<SocketAddr> {
        let first_is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
        // A resolver may turn them, too.
        addresses.sort_unstable();
        addresses.dedup();
        let aside = self.lock();
        let rank = |address: &SocketAddr| {
            let is_aside = aside.get(address).is_some_and(|since| now.since(*since) < ASIDE_FOR);
            (is_aside, address.is_ipv4() != first_is_ipv4)
        };
        addresses.sort_by_key(rank);
        let best = addresses.first().map(rank);
        let equals = addresses.iter().take_while(|address| Some(rank(address)) == best).count();
        if equals > 0 {
            addresses[..equals].rotate_left(self.turn.fetch_add(1, Relaxed) % equals);
        }
        addresses
    }

    /// An address is of no use at present.
    pub(super) fn leave(&self, address: SocketAddr) {
        let now = clock::now();
        let mut aside = self.lock();
        aside.retain(|_, since| now.since(*since) < ASIDE_FOR);
        aside.insert(address, now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::RefCell;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 443))
    }

    fn six(last: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 443))
    }

    proptest! {
        #[test]
        fn connections_are_spread_evenly_whatever_order_a_resolver_gives(
            count in 1_u8..9,
            rounds in 1_usize..5,
            seed: u64,
        ) {
            let (addresses, mut random) = (Addresses::default(), fastrand::Rng::with_seed(seed));
            let mut carried = HashMap::new();
            for _ in 0..rounds * usize::from(count) {
                let mut found: Vec<_> = (0..count).map(address).collect();
                random.shuffle(&mut found);
                *carried.entry(addresses.in_turn(found, clock::now())[0]).or_insert(0) += 1;
            }
            prop_assert_eq!(carried.len(), usize::from(count));
            prop_assert!(carried.values().all(|connections| *connections == rounds), "{carried:?}");
        }
    }

    #[test]
    fn the_other_family_is_for_when_none_of_the_first_answers() {
        let addresses = Addresses::default();
        for _ in 0..4 {
            let order =
                addresses.in_turn(vec![six(1), address(1), six(2), address(2)], clock::now());
            assert!(order[..2].iter().all(SocketAddr::is_ipv6), "{order:?}");
            assert_eq!(order.len(), 4);
        }
    }

    #[test]
    fn an_address_left_aside_is_asked_last_and_after_a_while_in_its_turn_again() {
        let addresses = Addresses::default();
        addresses.leave(address(1));
        let found = || vec![address(1), address(2), address(3)];
        let now = clock::now();
        for _ in 0..3 {
            assert_eq!(addresses.in_turn(found(), now)[2], address(1));
        }
        let firsts: Vec<_> =
            (0..3).map(|_| addresses.in_turn(found(), now + ASIDE_FOR * 2)[0]).collect();
        assert!(firsts.contains(&address(1)), "{firsts:?}");
    }

    /// Connects to two addresses of which one never answers: which ones were tried.
    async fn connect_beside_a_silent_one(addresses: &Addresses) -> Vec<SocketAddr> {
        let tried = RefCell::new(Vec::new());
        let connect = |to| {
            tried.borrow_mut().push(to);
            async move {
                if to == address(1) {
                    std::future::pending::<()>().await;
                }
                Ok(to)
            }
        };
        let connected = addresses.connect(vec![address(1), address(2)], connect).await.unwrap();
        assert_eq!(connected, address(2));
        tried.into_inner()
    }

    #[tokio::test]
    async fn an_address_that_is_silent_costs_one_connection_a_moment_and_the_next_ones_nothing() {
        let addresses = Addresses::default();
        // Of two in a row one begins with the silent address.
        for _ in 0..2 {
            connect_beside_a_silent_one(&addresses).await;
        }
        for _ in 0..6 {
            assert_eq!(connect_beside_a_silent_one(&addresses).await, [address(2)]);
        }
    }

    #[tokio::test]
    async fn where_no_address_answers_the_last_failure_is_told() {
        let refuse = |_| async { Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)) };
        let addresses = Addresses::default();
        let error = addresses.connect(vec![address(1), address(2)], refuse).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = addresses.connect(vec![], refuse).await.unwrap_err();
        assert!(error.to_string().contains("no address"), "{error}");
    }
}
