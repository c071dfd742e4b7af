//! How many connections may be open at a time, and who goes when there are more.

use std::collections::HashMap;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::Id;

use super::backend::Backend;
use super::contents::Retain;
use super::seat::{Seat, Standing};
use crate::clock::now;

/// More would take gigabytes of memory for their buffers.
const MOST: u64 = 10_000;
/// Descriptors that are not for connections: listeners, log, locks, the statistics' readers, standard streams.
const KEPT: u64 = 64;

/// The connections that are open.
pub struct Seats {
    most: usize,
    taken: HashMap<Id, Arc<Seat>>,
    /// Who came last: where all others are served, it waits until one of them goes.
    newest: Option<Id>,
    /// Whether it was said already that there are too many.
    was_full: bool,
}

impl Seats {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self { most, taken: HashMap::new(), newest: None, was_full: false }
    }

    /// Whether another connection may be accepted: one more than there are places for is, and then somebody goes.
    pub fn may_accept(&self) -> bool {
        self.taken.len() <= self.most
    }

    /// The task of a connection was started.
    pub fn take(&mut self, task: Id, seat: Arc<Seat>) {
        self.taken.insert(task, seat);
        self.newest = Some(task);
        self.make_room();
    }

    /// The task of a connection has ended.
    pub fn leave(&mut self, task: Id) {
        self.taken.remove(&task);
    }

    /// Tells those to leave whose time is up, and one more if there are too many.
    pub fn look_round(&mut self) {
        let now = now();
        self.taken
            .values()
            .filter(|seat| seat.is_overdue(now))
            .for_each(|seat| seat.tell_to_leave());
        self.make_room();
    }

    fn make_room(&mut self) {
        if self.taken.len() <= self.most {
            return;
        }
        let now = now();
        let mut stay = 0;
        let mut longest = None;
        for (task, seat) in &self.taken {
            let standing = seat.standing(now);
            stay += usize::from(standing != Standing::Leaves);
            if let Standing::Waits(waits) = standing
                && Some(*task) != self.newest
                && longest.as_ref().is_none_or(|(longest, _)| waits > *longest)
            {
                longest = Some((waits, seat));
            }
        }
        if stay > self.most
            && let Some((_, seat)) = longest
        {
            seat.tell_to_leave();
        }
        if !self.was_full {
            self.was_full = true;
            let most = self.most;
            tracing::warn!(
                "{most} connections are open, and no more fit: those that wait longest are cut \
                 (ulimit -n sets how many there may be)"
            );
        }
    }
}

/// How many connections there is room for, with as many descriptors as this process may have.
pub fn most(backend: &Backend) -> usize {
    let each = descriptors_each(backend);
    let wanted = MOST * each + KEPT;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let allowed = match current {
        Some(current) if current < raised => {
            let limit = Rlimit { current: Some(raised), maximum };
            setrlimit(Resource::Nofile, limit).map_or(current, |()| raised)
        }
        _ => current.unwrap_or(wanted),
    };
    places(allowed, each)
}

fn places(descriptors: u64, each: u64) -> usize {
    let places = (descriptors.saturating_sub(KEPT) / each).clamp(1, MOST);
    usize::try_from(places).unwrap_or(usize::MAX)
}

/// Its socket, and what a request opens besides.
fn descriptors_each(backend: &Backend) -> u64 {
    match backend {
        // The connection to the other server.
        Backend::Upstream(_) => 2,
        Backend::Embedded(embedding) => match embedding.retain {
            Retain::Discard | Retain::Memory => 1,
            // A file, and the directory that it goes to.
            Retain::Directory(_) => 3,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_for_what_is_no_connection() {
        assert_eq!(places(1100, 1), 1036);
        assert_eq!(places(1024, 3), 320);
        assert_eq!(places(10, 1), 1, "somebody is served");
        assert_eq!(places(1 << 40, 1), 10_000);
    }

    #[tokio::test]
    async fn the_longest_wait_goes_first_and_nobody_who_is_served() {
        let tasks: Vec<_> = (0..5).map(|_| tokio::spawn(async {}).id()).collect();
        let room: Vec<_> = (0..5).map(|_| Seat::new()).collect();
        let served = room[0].begins();
        let mut seats = Seats::new(2);
        seats.take(tasks[0], Arc::clone(&room[0]));
        seats.take(tasks[1], Arc::clone(&room[1]));
        for newest in 2..5 {
            assert!(seats.may_accept());
            seats.take(tasks[newest], Arc::clone(&room[newest]));
            assert!(!seats.may_accept(), "until somebody is gone");
            seats.look_round();
            let leaves = |seat: &Arc<Seat>| seat.standing(now()) == Standing::Leaves;
            let left: Vec<bool> = room.iter().map(leaves).collect();
            // Each was there before the newest, and nobody goes twice.
            assert_eq!(left, (0..5).map(|at| (1..newest).contains(&at)).collect::<Vec<_>>());
            seats.leave(tasks[newest - 1]);
        }
        drop(served);
    }

    #[tokio::test]
    async fn where_all_others_are_served_the_newest_waits_for_one_of_them_to_go() {
        let tasks = [tokio::spawn(async {}).id(), tokio::spawn(async {}).id()];
        let room = [Seat::new(), Seat::new()];
        let served = room[0].begins();
        let mut seats = Seats::new(1);
        seats.take(tasks[0], Arc::clone(&room[0]));
        seats.take(tasks[1], Arc::clone(&room[1]));
        seats.look_round();
        assert!(!seats.may_accept());
        assert!(room[1].begins().is_some(), "its request is served");
        seats.leave(tasks[0]);
        assert!(seats.may_accept());
        drop(served);
    }
}
