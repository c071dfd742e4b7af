//! A trial on every DTN of a crew: what the leader does, and what the others do.
//!
//! All have the same command line. Each opens the target and its dataset by itself and says what it would move; the
//! leader compares, claims a prefix and gives orders. A DTN that follows writes below that prefix, notes in a ledger of its own
//! what it made, and takes that away again. In a simulation one process has all DTNs, each with a way of its own to the
//! same project.

mod follower;
mod messages;

pub(super) use follower::Follower;
pub(super) use messages::{Ground, Hello, Order};

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, join_all, select};
use serde::Serialize;

use self::messages::{Cleared, Ready, Start};
use crate::clock::{self, Instant};
use crate::crew::{self, Clock, Crew};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::measure;
use crate::store::Place;
use crate::transfer::{Dealt, Gate, Job};
use crate::trial::{self, Label, Load, Share, Snapshot};

/// Until all have found their files: a directory of millions takes minutes.
const COME_WITHIN: Duration = Duration::from_secs(1800);

/// Until bytes are made that are sent, and the like.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// What must be said to all of them before a trial takes less.
const LEAD: Duration = Duration::from_millis(100);

/// A trial may warm up for twenty times as long as it is asked to, and drain.
const TRIAL_FACTOR: u32 = 25;

/// The least that is waited for what others measured.
const SHARE_WITHIN_MIN: Duration = Duration::from_secs(600);

/// Until what a trial made is gone.
const CLEARED_WITHIN: Duration = Duration::from_secs(1800);

/// One trial on some DTNs.
pub(super) struct Together<'a, O, J> {
    /// On so many, the leader among them.
    pub(super) dtns: u32,
    /// What the others are told.
    pub(super) order: &'a O,
    /// What each does.
    pub(super) job: J,
    pub(super) load: Load,
    pub(super) label: Label,
    /// Of the leader.
    pub(super) place: &'a Place,
}

/// The DTNs of a session, for the one that leads.
pub(super) struct Team<'a> {
    crew: &'a Crew,
    /// In a simulation the ways of the others.
    simulated: Vec<Place>,
}

impl<'a> Team<'a> {
    /// At this place; so many are simulated if it is.
    pub(super) fn new(crew: &'a Crew, place: &Place, dtns: u32, seed: u64) -> Self {
        let simulated = match place {
            Place::Endpoint(_) => Vec::new(),
            Place::Simulated(store) => {
                let another = |rank| store.from_another_machine(seed.wrapping_add(rank));
                (1..u64::from(dtns)).map(another).map(Place::Simulated).collect()
            }
        };
        Self { crew, simulated }
    }

    /// Whether so many have allowances of their own, for they cannot see what the others spend.
    pub(super) fn spends_apart(&self, dtns: u32) -> bool {
        dtns > 1 && self.simulated.is_empty()
    }

    /// Waits for all others and sees that they would move the same.
    pub(super) async fn gather(&self, own: impl FnOnce() -> Result<Hello>) -> Result<()> {
        if self.crew.is_alone() {
            return Ok(());
        }
        let own = own()?;
        let hellos: Vec<Hello> = self.crew.answers(self.crew.size(), COME_WITHIN).await?;
        self.crew.all_are_there();
        for (rank, hello) in (1..).zip(&hellos) {
            if let Some(differs) = own.differs(hello) {
                let (name, host) = (crew::name(rank), &hello.host.name);
                return Err(Error::environment(format!(
                    "{name} on {host} would not move the same: {differs}"
                ))
                .hint("start all DTNs with the same command and the same files"));
            }
        }
        Ok(())
    }

    /// Tells the others where they may write.
    pub(super) fn begin(&self, ground: &Ground) {
        self.crew.tell(ground);
    }

    /// Runs a trial on some of them and adds up what they saw.
    pub(super) async fn trial<O, J>(
        &self,
        trial: Together<'_, O, J>,
        interrupt: &Interrupt,
        show: &mut dyn FnMut(&Snapshot),
    ) -> Result<trial::Finished>
    where
        O: Serialize,
        J: Fn(Dealt) -> Job,
    {
        let Together { dtns, order, job, load, label, place } = trial;
        let job = |dealt: Dealt| apart(job(dealt));
        let dealt = Dealt { rank: 0, of: dtns };
        if dtns == 1 {
            return trial::run(job(dealt), load, label, place, interrupt, show).await;
        }
        let gates: Vec<Arc<Gate>> = (0..dtns).map(|_| Arc::default()).collect();
        let gated = |dealt: Dealt| {
            let gate = Some(Arc::clone(&gates[dealt.rank as usize]));
            Job { gate, ..job(dealt) }
        };
        if matches!(place, Place::Simulated(_)) {
            let one = async |dealt: Dealt, place: &Place, show: &mut dyn FnMut(&Snapshot)| {
                let ended = trial::run(gated(dealt), load, label, place, interrupt, show).await;
                gates[dealt.rank as usize].is_reached();
                ended
            };
            let others = Dealt::all(dtns).skip(1).zip(&self.simulated);
            let others = others.map(async |(dealt, place)| one(dealt, place, &mut |_| {}).await);
            let open = async {
                join_all(gates.iter().map(|gate| gate.reached())).await;
                gates.iter().for_each(|gate| gate.open());
            };
            let (own, others, ()) = tokio::join!(one(dealt, place, show), join_all(others), open);
            let shares =
                others.into_iter().map(|one| Ok((Clock::default(), Share::of(None, one?))));
            return Ok(trial::together(None, own?, shares.collect::<Result<_>>()?));
        }
        let own_job = gated(dealt);
        self.crew.tell_first(dtns, &Order::Measure(order));
        own_job.prepare();
        let _: Vec<Ready> = self.crew.answers(dtns, READY_WITHIN).await?;
        self.crew.set_clocks(dtns).await?;
        self.begin_at(dtns, LEAD).await;
        let moving = self.crew.moving();
        let own = trial::run(own_job, load, label, place, interrupt, show);
        let own = match load {
            Load::WholeTask => own.await?,
            Load::Timed { .. } => opened(own, self.open(dtns, load, &gates[0]), &gates[0]).await?,
        };
        drop(moving);
        if own.interrupted {
            self.crew.leave(&Error::interrupted());
            return Ok(own);
        }
        let shares: Vec<Share> = self.crew.answers(dtns, within(load)).await?;
        let shares = self.crew.clocks().into_iter().skip(1).zip(shares).collect();
        Ok(trial::together(Some(measure::host()), own, shares))
    }

    /// Tells each when to go on, and waits until then.
    async fn begin_at(&self, dtns: u32, after: Duration) {
        let at = clock::now() + after;
        for (clock, rank) in self.crew.clocks().iter().zip(0..dtns).skip(1) {
            self.crew.tell_one(rank, &Start { at: clock.of_leader(at) });
        }
        sleep_until(at).await;
    }

    /// Lets the windows of all open when all are warm.
    async fn open(&self, dtns: u32, load: Load, own: &Gate) -> Result<()> {
        own.reached().await;
        let _: Vec<Ready> = self.crew.answers(dtns, within(load)).await?;
        self.begin_at(dtns, LEAD).await;
        own.open();
        Ok(())
    }

    /// Waits until some have taken away what a trial made there.
    pub(super) async fn cleared(&self, dtns: u32) -> Result<()> {
        if self.crew.is_alone() {
            return Ok(());
        }
        let all: Vec<Cleared> = self.crew.answers(dtns, CLEARED_WITHIN).await?;
        let mut outcome = Ok(());
        for (rank, Cleared(failed)) in (1..).zip(all) {
            let failed = failed.map(|why| {
                Error::environment(format!(
                    "{} could not remove all that it made: {why}",
                    crew::name(rank)
                ))
            });
            outcome = outcome.and(failed.map_or(Ok(()), Err));
        }
        outcome
    }

    /// Lets the others go once the work is done, or has failed, and waits until they have taken away what they made.
    pub(super) async fn end(&self, work: &Result<()>) -> Result<()> {
        if self.crew.is_alone() {
            return Ok(());
        }
        match work {
            Ok(()) => self.crew.tell(&Order::<()>::End),
            Err(error) => self.crew.leave(error),
        }
        let cleared = self.cleared(self.crew.size()).await;
        // What is told of work that failed is why; the look at the whole prefix says what is left.
        if work.is_ok() { cleared } else { Ok(()) }
    }
}

/// Runs a trial beside those of others, whose windows open together; also one that ends before lets the others go on.
async fn opened(
    trial: impl Future<Output = Result<trial::Finished>>,
    open: impl Future<Output = Result<()>>,
    gate: &Gate,
) -> Result<trial::Finished> {
    match select(pin!(trial), pin!(open)).await {
        Either::Left((Ok(ended), _)) if ended.interrupted => Ok(ended),
        Either::Left((ended, open)) => {
            gate.is_reached();
            open.await?;
            ended
        }
        Either::Right((opened, trial)) => {
            // Where another DTN has gone the trial is interrupted, and ends by itself.
            gate.open();
            let ended = trial.await;
            opened.and(ended)
        }
    }
}

/// A trial that takes longer than this does not end.
fn within(load: Load) -> Duration {
    match load {
        Load::WholeTask => Duration::MAX,
        Load::Timed { .. } => SHARE_WITHIN_MIN.max(load.at_least() * TRIAL_FACTOR),
    }
}

/// Draws what no other DTN draws.
fn apart(job: Job) -> Job {
    let seed = job.seed.wrapping_add(u64::from(job.dealt.rank) << 40);
    Job { seed, ..job }
}

async fn sleep_until(at: Instant) {
    clock::sleep(at.since(clock::now())).await;
}
