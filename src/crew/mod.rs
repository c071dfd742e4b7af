//! The DTNs that measure together: who they are, what they tell each other, how far apart their clocks are.
//!
//! A process for each DTN, which a launcher of MPI starts; the one of rank 0 leads. A process that was started alone is
//! a crew of one, and no verb has a second way for it. Nobody ever waits inside MPI, whose libraries wait by spinning on
//! a core that a trial needs: a [`Wire`] only takes messages and says whether one has come. Waiting is done here, where
//! it has an end, and where a DTN that is not heard any more is noticed.

mod clocks;
mod launcher;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(test)]
mod tests;
mod wire;

pub use clocks::Clock;
pub use launcher::join;
pub use wire::Wire;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::clock::{self, Instant};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::words;
use wire::Alone;

/// How often each tells the others that it is there.
const BEAT: Duration = Duration::from_secs(1);

/// A DTN that was not heard for so long is gone (ASSUMPTION: what holds a healthy one up is shorter). The others have
/// then two seconds to stop within ten.
const SILENT_MAX: Duration = Duration::from_secs(8);

/// The same while no data moves: what is written to a slow disk then holds up nobody.
const SILENT_IDLE_MAX: Duration = Duration::from_secs(120);

/// How often the wire is looked at while nobody waits for a message.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The same while somebody does: often at first.
const ASK_EVERY: Duration = Duration::from_millis(1);
const ASK_AT_LEAST_EVERY: Duration = Duration::from_millis(20);

/// So long after a message another is likely, and is looked for without a pause.
const LIVELY: Duration = Duration::from_millis(2);

/// The DTNs of a run, as one of them sees them.
pub struct Crew {
    wire: Box<dyn Wire>,
    /// What has come and was not taken yet.
    mail: RefCell<VecDeque<(u32, String)>>,
    /// When each was heard last; nothing before all have said that they are there.
    heard: RefCell<Option<Vec<Instant>>>,
    /// Those that say nothing more.
    ended: RefCell<BTreeSet<u32>>,
    beaten: Cell<Instant>,
    /// Whether data moves.
    moves: Cell<bool>,
    lively_until: Cell<Instant>,
    /// Who said that it goes, and why.
    left: RefCell<Option<Error>>,
    /// What was answered last to the question what clocks show.
    reading: Cell<Option<(u32, clocks::Reading)>>,
    clocks: RefCell<Vec<Clock>>,
}

/// As long as data moves.
pub struct Moving<'a>(&'a Crew);

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.0.moves.set(false);
    }
}

/// What passes the wire.
#[derive(Serialize, Deserialize)]
enum Message {
    /// I am there.
    Beat,
    /// What do your clocks show?
    Ask,
    /// This.
    Clocks(clocks::Reading),
    /// I go, and why.
    Leaves(String),
    /// What the session has to say, as JSON.
    Says(String),
}

impl Crew {
    /// Of one.
    pub fn alone() -> Self {
        Self::over(Alone)
    }

    /// Of those who are at the other ends of a wire.
    pub fn over(wire: impl Wire + 'static) -> Self {
        let size = wire.size() as usize;
        Self {
            wire: Box::new(wire),
            mail: RefCell::default(),
            heard: RefCell::default(),
            ended: RefCell::default(),
            beaten: Cell::default(),
            moves: Cell::default(),
            lively_until: Cell::default(),
            left: RefCell::default(),
            reading: Cell::default(),
            clocks: RefCell::new(vec![Clock::default(); size]),
        }
    }

    /// Number of this DTN, from 0.
    pub fn rank(&self) -> u32 {
        self.wire.rank()
    }

    /// How many there are.
    pub fn size(&self) -> u32 {
        self.wire.size()
    }

    /// Whether this one decides, prints and saves.
    pub fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// Whether there is no other.
    pub fn is_alone(&self) -> bool {
        self.size() == 1
    }

    /// How far the clock of each was ahead of the leader's when it was asked last.
    pub fn clocks(&self) -> Vec<Clock> {
        self.clocks.borrow().clone()
    }

    fn others(&self) -> impl Iterator<Item = u32> + use<> {
        let own = self.rank();
        (0..self.size()).filter(move |rank| *rank != own)
    }

    /// Tells all others.
    pub fn tell(&self, what: &impl Serialize) {
        self.others().for_each(|rank| self.tell_one(rank, what));
    }

    /// Tells the others among the first so many.
    pub fn tell_first(&self, of: u32, what: &impl Serialize) {
        self.others().filter(|rank| *rank < of).for_each(|rank| self.tell_one(rank, what));
    }

    /// Tells one.
    pub fn tell_one(&self, rank: u32, what: &impl Serialize) {
        let says = serde_json::to_string(what).expect("a message is plain data");
        self.send(rank, &Message::Says(says));
    }

    /// Says to all others that this one goes, and why.
    pub fn leave(&self, why: &Error) {
        self.others().for_each(|rank| self.send(rank, &Message::Leaves(why.to_string())));
    }

    fn send(&self, rank: u32, message: &Message) {
        let message = serde_json::to_vec(message).expect("a message is plain data");
        self.wire.send(rank, &message);
    }

    /// The next thing that the leader says.
    ///
    /// # Errors
    /// If it says nothing within this time, goes, or says what this version does not understand.
    pub async fn order<T: DeserializeOwned>(&self, within: Duration) -> Result<T> {
        read(0, &self.next_of(0, within).await?)
    }

    /// What each of the first so many says, but for this one.
    ///
    /// # Errors
    /// If one of them does not within this time, goes, or says what this version does not understand.
    pub async fn answers<T: DeserializeOwned>(&self, of: u32, within: Duration) -> Result<Vec<T>> {
        let mut answers = Vec::new();
        for rank in self.others().filter(|rank| *rank < of) {
            answers.push(read(rank, &self.next_of(rank, within).await?)?);
        }
        Ok(answers)
    }

    async fn next_of(&self, rank: u32, within: Duration) -> Result<String> {
        let began = clock::now();
        loop {
            self.look()?;
            let place = self.mail.borrow().iter().position(|(from, _)| *from == rank);
            if let Some((_, says)) = place.and_then(|place| self.mail.borrow_mut().remove(place)) {
                return Ok(says);
            }
            if self.ended.borrow().contains(&rank) {
                return Err(left(rank, "it has ended"));
            }
            if began.elapsed() > within {
                let within = words::to_the_second(within);
                return Err(Error::environment(format!(
                    "{} said nothing for {within}",
                    name(rank)
                ))
                .hint("see what it prints, and whether it runs"));
            }
            self.pause(began.elapsed()).await;
        }
    }

    /// A moment in which others get on: the longer, the longer nothing came.
    async fn pause(&self, waited: Duration) {
        match clock::now() < self.lively_until.get() {
            true => let_others_run().await,
            false => clock::sleep((waited / 10).clamp(ASK_EVERY, ASK_AT_LEAST_EVERY)).await,
        }
    }

    /// Takes what has come, answers what can be answered at once, and beats.
    ///
    /// # Errors
    /// If another has gone, or was not heard for too long.
    fn look(&self) -> Result<()> {
        let now = clock::now();
        if now.since(self.beaten.get()) >= BEAT {
            self.beaten.set(now);
            self.others().for_each(|rank| self.send(rank, &Message::Beat));
        }
        while let Some((from, message)) = self.wire.receive() {
            if let Some(heard) = self.heard.borrow_mut().as_mut() {
                heard[from as usize] = now;
            }
            if message.is_empty() {
                self.ended.borrow_mut().insert(from);
                continue;
            }
            match serde_json::from_slice(&message) {
                Ok(Message::Beat) => {}
                Ok(Message::Ask) => {
                    self.send(from, &Message::Clocks(clocks::Reading::now()));
                    self.lively_until.set(clock::now() + LIVELY);
                }
                Ok(Message::Clocks(reading)) => self.reading.set(Some((from, reading))),
                Ok(Message::Says(says)) => {
                    self.mail.borrow_mut().push_back((from, says));
                    self.lively_until.set(clock::now() + LIVELY);
                }
                Ok(Message::Leaves(why)) => *self.left.borrow_mut() = Some(left(from, &why)),
                Err(_) => *self.left.borrow_mut() = Some(not_understood(from)),
            }
        }
        if let Some(left) = self.left.borrow().clone() {
            return Err(left);
        }
        match self.silent(now) {
            Some(rank) => Err(Error::environment(format!(
                "{} was not heard for {}",
                name(rank),
                words::to_the_second(self.silent_max())
            ))
            .hint("see whether it runs and can be reached")),
            None => Ok(()),
        }
    }

    /// Data moves until this is dropped: meanwhile nobody may be silent for long.
    pub fn moving(&self) -> Moving<'_> {
        self.moves.set(true);
        Moving(self)
    }

    fn silent_max(&self) -> Duration {
        if self.moves.get() { SILENT_MAX } else { SILENT_IDLE_MAX }
    }

    /// One that was not heard for too long.
    fn silent(&self, now: Instant) -> Option<u32> {
        let (heard, ended) = (self.heard.borrow(), self.ended.borrow());
        let is_silent = |(rank, at): &(u32, &Instant)| {
            *rank != self.rank() && !ended.contains(rank) && now.since(**at) > self.silent_max()
        };
        (0..).zip(heard.iter().flatten()).find(is_silent).map(|(rank, _)| rank)
    }

    /// From now on everybody must be heard: all have said something.
    pub fn all_are_there(&self) {
        *self.heard.borrow_mut() = Some(vec![clock::now(); self.size() as usize]);
    }

    /// Does work while the others are listened to. If one of them goes, the work is interrupted and may still end well
    /// or badly; what is told is who went.
    ///
    /// # Errors
    /// The work's, or that another DTN has gone.
    pub async fn beside<T>(
        &self,
        interrupt: &Interrupt,
        work: impl AsyncFnOnce(Interrupt) -> Result<T>,
    ) -> Result<T> {
        let (interrupt, stop) = interrupt.or_stopped();
        let work = pin!(work(interrupt));
        let done = match select(work, pin!(self.listen())).await {
            Either::Left((done, _)) => done,
            Either::Right((gone, work)) => {
                stop.now();
                work.await.and(Err(gone.clone())).map_err(|_| gone)
            }
        };
        if let Err(error) = &done
            && self.left.borrow().is_none()
        {
            self.leave(error);
        }
        done
    }

    /// Until another has gone; for ever if there is none.
    async fn listen(&self) -> Error {
        if self.is_alone() {
            return std::future::pending().await;
        }
        loop {
            if let Err(error) = self.look() {
                return error;
            }
            clock::sleep(LOOK_EVERY).await;
        }
    }
}

/// Other tasks, and other processes on this core.
async fn let_others_run() {
    std::thread::yield_now();
    tokio::task::yield_now().await;
}

/// What a DTN is called: `dtn1` is the leader.
pub fn name(rank: u32) -> String {
    format!("dtn{}", rank + 1)
}

fn read<T: DeserializeOwned>(from: u32, says: &str) -> Result<T> {
    serde_json::from_str(says).map_err(|_| not_understood(from))
}

fn left(rank: u32, why: &str) -> Error {
    Error::environment(format!("{} has stopped: {why}", name(rank)))
}

fn not_understood(rank: u32) -> Error {
    Error::environment(format!("{} says what this version does not understand", name(rank)))
        .hint("install the same version of tidegate on every DTN")
}
