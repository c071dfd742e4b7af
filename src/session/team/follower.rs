//! What a DTN does that follows.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::messages::{Cleared, Ground, Hello, Order, Ready, Start};
use super::{COME_WITHIN, READY_WITHIN, apart, opened, sleep_until, within};
use crate::crew::Crew;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::measure;
use crate::store::Place;
use crate::transfer::{Gate, Job};
use crate::trial::{self, Label, Load, Share, Snapshot};

/// A DTN that does what the leader says.
pub(in crate::session) struct Follower<'a> {
    pub(in crate::session) crew: &'a Crew,
    pub(in crate::session) interrupt: &'a Interrupt,
}

impl Follower<'_> {
    /// Says what it would move, and is told where it may write.
    pub(in crate::session) async fn join(&self, hello: &Hello) -> Result<Ground> {
        self.crew.tell_one(0, hello);
        let ground = self.crew.order(COME_WITHIN).await?;
        self.crew.all_are_there();
        Ok(ground)
    }

    /// What to do next.
    pub(in crate::session) async fn order<O: DeserializeOwned>(&self) -> Result<Order<O>> {
        self.crew.order(Duration::MAX).await
    }

    /// Its part of a trial.
    pub(in crate::session) async fn measure(
        &self,
        job: Job,
        load: Load,
        label: Label,
        place: &Place,
    ) -> Result<()> {
        job.prepare();
        self.crew.tell_one(0, &Ready);
        let Start { at } = self.crew.order(READY_WITHIN * self.crew.size()).await?;
        sleep_until(at).await;
        let job = apart(job);
        let gate: Arc<Gate> = Arc::default();
        let job = Job { gate: Some(Arc::clone(&gate)), ..job };
        let mut show = |_: &Snapshot| {};
        let moving = self.crew.moving();
        let own = trial::run(job, load, label, place, self.interrupt, &mut show);
        let finished = match load {
            Load::WholeTask => own.await?,
            Load::Timed { .. } => opened(own, self.open(load, &gate), &gate).await?,
        };
        drop(moving);
        if finished.interrupted {
            return Err(Error::interrupted());
        }
        self.crew.tell_one(0, &Share::of(Some(measure::host()), finished));
        Ok(())
    }

    /// Lets its window open when the leader says so.
    async fn open(&self, load: Load, own: &Gate) -> Result<()> {
        own.reached().await;
        self.crew.tell_one(0, &Ready);
        let Start { at } = self.crew.order(within(load)).await?;
        sleep_until(at).await;
        own.open();
        Ok(())
    }

    /// Whether what it made is gone.
    pub(in crate::session) fn cleared(&self, cleared: &Result<()>) {
        let failed = cleared.as_ref().err().map(|error| error.message().to_owned());
        self.crew.tell_one(0, &Cleared(failed));
    }
}
