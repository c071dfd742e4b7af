//! The place of one open connection: what the gateway waits for from its client, and whether it still does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Instant, now};

/// Until a head is there, counted from its first byte, or from the connection's beginning.
const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// How long a client that sends a body may pause, and at which rate it earns that: as Apache httpd has it by
/// default (mod_reqtimeout, `body=20,MinRate=500`).
const BODY_PATIENCE: Duration = Duration::from_secs(20);
/// How long a client may leave an answer unread. ASSUMPTION: a system takes a third of a full buffer at once, so
/// that pauses are longer than in a body.
const READER_PATIENCE: Duration = Duration::from_secs(60);
const EARNED_FOR_A_BYTE: Duration = Duration::from_millis(2);

/// How long a client may still keep us waiting: less with each wait, more with each byte, but never more than at
/// first. What a model of the link waits for is not counted.
#[derive(Debug)]
pub struct Patience {
    most: Duration,
    left: Duration,
    since: Option<Instant>,
}

impl Patience {
    /// With who sends a body.
    pub fn with_a_sender() -> Self {
        Self { most: BODY_PATIENCE, left: BODY_PATIENCE, since: None }
    }

    /// With who reads an answer.
    pub fn with_a_reader() -> Self {
        Self { most: READER_PATIENCE, left: READER_PATIENCE, since: None }
    }

    /// Nothing comes: until when it may be so.
    fn waits(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now) + self.left
    }

    /// So many bytes came; whether they were waited for.
    fn earns(&mut self, bytes: usize, now: impl FnOnce() -> Instant) -> bool {
        let since = self.since.take();
        if let Some(since) = since {
            self.left = self.left.saturating_sub(now().since(since));
        }
        let earned = EARNED_FOR_A_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.left = self.left.saturating_add(earned).min(self.most);
        since.is_some()
    }
}

/// What the gateway waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// The next request, of which nothing is there: for as long as there are places.
    Request { since: Instant },
    /// The rest of a head, or of what comes before the first.
    Head { since: Instant },
    /// More of a body.
    Body { until: Instant },
    /// Nothing: it is at work itself.
    Nothing,
}

#[derive(Debug)]
struct State {
    awaited: Awaited,
    /// Requests that are worked at: a client may send the next before it has read the answer to the last.
    requests: u32,
    /// That the client reads more of its answer.
    reader_until: Option<Instant>,
    leaves: bool,
}

/// The place of one open connection.
#[derive(Debug)]
pub struct Seat {
    state: Mutex<State>,
    told_to_leave: Notify,
}

/// Whether a place can be given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its client has kept us waiting for so long, or has used up so much of the patience for a body or an answer.
    Waits(Duration),
    /// Its request is worked at: it stays.
    Served,
    /// It was told to leave already.
    Leaves,
}

impl Seat {
    /// For a connection that begins now.
    pub fn new() -> Arc<Self> {
        let state = State {
            awaited: Awaited::Head { since: now() },
            requests: 0,
            reader_until: None,
            leaves: false,
        };
        Arc::new(Self { state: Mutex::new(state), told_to_leave: Notify::new() })
    }

    /// A request is there; none if it came too late. It is over when the answer is dropped.
    pub fn begins(self: &Arc<Self>) -> Option<Busy> {
        let mut state = self.lock();
        if state.leaves {
            return None;
        }
        state.awaited = Awaited::Nothing;
        state.requests += 1;
        Some(Busy(Arc::clone(self)))
    }

    /// Bytes came, of whatever.
    pub fn receives(&self) {
        let mut state = self.lock();
        if let Awaited::Request { .. } = state.awaited {
            state.awaited = Awaited::Head { since: now() };
        }
    }

    /// A body does not go on.
    pub fn awaits_sender(&self, patience: &mut Patience) {
        let until = patience.waits(now());
        self.lock().awaited = Awaited::Body { until };
    }

    /// So many bytes of a body came.
    pub fn has_sender(&self, patience: &mut Patience, bytes: usize) {
        if patience.earns(bytes, now) {
            self.lock().awaited = Awaited::Nothing;
        }
    }

    /// An answer is not read.
    pub fn awaits_reader(&self, patience: &mut Patience) {
        let until = patience.waits(now());
        self.lock().reader_until = Some(until);
    }

    /// So many bytes of an answer were taken.
    pub fn has_reader(&self, patience: &mut Patience, bytes: usize) {
        if patience.earns(bytes, now) {
            self.lock().reader_until = None;
        }
    }

    /// Whether it can be given to another.
    pub fn standing(&self, now: Instant) -> Standing {
        let state = self.lock();
        if state.leaves {
            return Standing::Leaves;
        }
        let used = |most: Duration, until: Instant| most.saturating_sub(until.since(now));
        let waits = match state.awaited {
            Awaited::Request { since } | Awaited::Head { since } => Some(now.since(since)),
            Awaited::Body { until } => Some(used(BODY_PATIENCE, until)),
            Awaited::Nothing => None,
        };
        let for_reader = state.reader_until.map(|until| used(READER_PATIENCE, until));
        waits.max(for_reader).map_or(Standing::Served, Standing::Waits)
    }

    /// Whether the client's time is up.
    pub fn is_overdue(&self, now: Instant) -> bool {
        let state = self.lock();
        let until = match state.awaited {
            Awaited::Head { since } => Some(since + HEAD_WITHIN),
            Awaited::Body { until } => Some(until),
            Awaited::Request { .. } | Awaited::Nothing => None,
        };
        until.into_iter().chain(state.reader_until).any(|until| until <= now)
    }

    /// Tells it to leave, unless a request has come meanwhile.
    pub fn tell_to_leave(&self) {
        let mut state = self.lock();
        if state.awaited != Awaited::Nothing || state.reader_until.is_some() {
            state.leaves = true;
            self.told_to_leave.notify_one();
        }
    }

    /// Waits until it is told to leave.
    pub async fn told_to_leave(&self) {
        self.told_to_leave.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is worked at, until this is dropped.
#[derive(Debug)]
pub struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests -= 1;
        if state.requests == 0 {
            state.awaited = Awaited::Request { since: now() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Instant {
        Instant::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_client_that_drips_runs_out_of_patience_and_one_that_pauses_does_not() {
        let mut patience = Patience::with_a_sender();
        let drips = (0..).find(|second| {
            let until = patience.waits(at(*second));
            patience.earns(1, || at(second + 1));
            until <= at(second + 1)
        });
        assert_eq!(drips, Some(20), "a byte a second is not enough");

        let mut patience = Patience::with_a_sender();
        for pause in 0..100 {
            assert!(patience.waits(at(pause * 15)) > at(pause * 15 + 15));
            patience.earns(10_000, || at(pause * 15 + 15));
        }
    }

    proptest! {
        #[test]
        fn nobody_earns_more_patience_than_there_was(sizes in proptest::collection::vec(0_usize..1 << 40, 0..20)) {
            let mut patience = Patience::with_a_reader();
            for bytes in sizes {
                patience.earns(bytes, || at(0));
            }
            prop_assert_eq!(patience.waits(at(0)), at(60));
        }
    }

    #[test]
    fn heads_time_out_and_connections_between_requests_do_not() {
        let seat = Seat::new();
        let later = now() + HEAD_WITHIN + HEAD_WITHIN;
        assert!(seat.is_overdue(later));
        let busy = seat.begins().unwrap();
        assert!(!seat.is_overdue(later));
        drop(busy);
        assert!(!seat.is_overdue(later), "a pool keeps it");
        seat.receives();
        assert!(seat.is_overdue(later), "half a head");
    }

    #[test]
    fn a_connection_that_begins_has_waited_less_than_any_other() {
        let (drips, unread) = (Seat::new(), Seat::new());
        let (_drips, _unread) = (drips.begins(), unread.begins());
        let mut patience = Patience::with_a_sender();
        drips.awaits_sender(&mut patience);
        patience.earns(0, || now() + Duration::from_secs(1));
        drips.awaits_sender(&mut patience);
        unread.awaits_reader(&mut Patience::with_a_reader());
        let begins = Seat::new();
        let now = now();
        let Standing::Waits(begins) = begins.standing(now) else { panic!("it waits for a head") };
        for seat in [drips, unread] {
            assert!(matches!(seat.standing(now), Standing::Waits(waits) if waits >= begins));
        }
    }

    #[test]
    fn a_request_that_comes_before_the_answer_to_the_last_was_read_is_served() {
        let seat = Seat::new();
        let first = seat.begins().unwrap();
        let second = seat.begins().unwrap();
        drop(first);
        assert_eq!(seat.standing(now()), Standing::Served);
        drop(second);
        assert!(matches!(seat.standing(now()), Standing::Waits(_)));
    }

    #[test]
    fn who_is_served_is_not_told_to_leave() {
        let seat = Seat::new();
        let busy = seat.begins().unwrap();
        seat.tell_to_leave();
        assert_eq!(seat.standing(now()), Standing::Served);
        seat.awaits_sender(&mut Patience::with_a_sender());
        assert!(matches!(seat.standing(now()), Standing::Waits(_)));
        drop(busy);
        seat.tell_to_leave();
        assert_eq!(seat.standing(now()), Standing::Leaves);
        assert!(seat.begins().is_none(), "its request comes too late");
    }
}
