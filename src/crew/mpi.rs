//! Messages over MPI. Sends are buffered: what is sent is copied at once, and nobody waits for the other end.

use std::cell::Cell;
use std::time::Duration;

use mpi::Threading;
use mpi::environment::Universe;
use mpi::point_to_point::{Destination, MatchedReceiveVec, Source};
use mpi::topology::{Communicator, SimpleCommunicator};

use super::Wire;

/// For what is sent and has not left yet. A trial of an hour takes some megabytes; memory that is not written to is none.
const BUFFER_BYTES: usize = 256 << 20;

/// How often what comes is taken when there is nothing more to do.
const DRAIN_EVERY: Duration = Duration::from_millis(5);

/// All processes that were started together.
pub(super) struct World {
    world: SimpleCommunicator,
    /// Others that will say nothing more.
    ended: Cell<u32>,
    /// Ends MPI when it is dropped.
    _universe: Universe,
}

impl World {
    /// `None` if this process has done so before.
    pub(super) fn join() -> Option<Self> {
        // Only this thread calls MPI; others move data.
        let (mut universe, _) = mpi::initialize_with_threading(Threading::Funneled)?;
        universe.set_buffer_size(BUFFER_BYTES);
        Some(Self { world: universe.world(), ended: Cell::new(0), _universe: universe })
    }
}

impl Wire for World {
    fn rank(&self) -> u32 {
        self.world.rank() as u32
    }

    fn size(&self) -> u32 {
        self.world.size() as u32
    }

    fn send(&self, to: u32, message: &[u8]) {
        self.world.process_at_rank(to as i32).buffered_send(message);
    }

    fn receive(&self) -> Option<(u32, Vec<u8>)> {
        let message = self.world.any_process().immediate_matched_probe()?;
        let (bytes, status): (Vec<u8>, _) = message.matched_receive_vec();
        if bytes.is_empty() {
            self.ended.set(self.ended.get() + 1);
        }
        Some((status.source_rank() as u32, bytes))
    }
}

/// MPI ends for all together, and waits for what was sent to be taken: so everything is, until nobody says anything any
/// more. Others may have a bucket to clean.
impl Drop for World {
    fn drop(&mut self) {
        let others = self.size() - 1;
        (0..=others).filter(|rank| *rank != self.rank()).for_each(|rank| self.send(rank, &[]));
        while self.ended.get() < others {
            if self.receive().is_none() {
                std::thread::sleep(DRAIN_EVERY);
            }
        }
    }
}
