//! What the limits of a project leave of the movers' pace.
//!
//! Movers, Storj's tokens and the waits that a 429 asks for are a closed queue: a mover asks, goes on for as long as
//! its request takes once it was let in, and asks again; who is refused waits for `Retry-After` and a jitter, and
//! asks again. While all together ask for less than the limit nothing is refused. Beyond, two things decide, and
//! neither is a mean:
//!
//! - A request that was let in goes on even if its further calls find no token ([`crate::storj::Limiter`]). So the
//!   limit does not hold throughput at rate / calls: the harder it is pressed, the fewer calls of those that come
//!   in are paid for, at the price of refusals.
//! - Movers are more even than arrivals at random. Two that did not collide hardly do in their next round, for
//!   their requests take about as long; who was refused comes back into a gap, or is refused again. How long this
//!   order lasts follows from how much the times of like requests differ. Arrivals at random (Poisson, for which
//!   tokens are a Markov chain of their number) would be refused so much more often that a task would be told
//!   up to 10 % too slow.
//!
//! With a memory of that kind the queue has no product form (F. Baskett et al., J. ACM 22, 1975). So it is followed
//! request by request, with the limiter of the gateway and the retries of the engine, each by itself
//! ([`RetryMode::Standard`]: what a common pace gains is not in a plan), and of everything else only
//! the time of a request and its spread, both fitted: no link, no connection, no segment. What it
//! settles at has to obey Little's law, and the tokens that are taken are those that came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::settled::{Counts, Settled};
use super::steps::{Files, Step};
use crate::clock::Instant;
use crate::measure::FailureClass;
use crate::stats;
use crate::store::StoreError;
use crate::storj::{Admitted, Limited, Limiter, Limits};
use crate::transfer::{RetryMode, RetryPolicy};

/// Requests that are followed: at least, and of each mover. The first third is not counted: until then the tokens
/// that were saved up are spent, and waits have passed many times.
const ASKED_MIN: u64 = 60_000;
const ASKED_PER_MOVER: u64 = 60;

/// Another seed changes what is found by less than 1 %.
const SEED: u64 = 1;

/// Where so many movers settle under these limits.
pub fn settle(files: &Files, movers: u32, limits: &Limits) -> Settled {
    let asked = f64::from(movers) * files.calls() / files.seconds();
    let calls_suffice = limits.calls_per_second.is_none_or(|rate| asked <= rate);
    let at_once = u64::from(movers) * u64::from(files.at_once());
    let transfers_suffice = limits.transfers.is_none_or(|most| at_once <= u64::from(most));
    match calls_suffice && transfers_suffice {
        true => Settled::FREE,
        false => Queue::new(files, movers, limits).settled(),
    }
}

/// A mover: the file it is at, and the requests that are to be let in before it goes on.
#[derive(Debug)]
struct Mover {
    file: usize,
    step: u64,
    left: u32,
    attempts: u32,
    inside: Vec<Admitted>,
}

struct Queue<'a> {
    files: &'a Files,
    next_file: usize,
    movers: Vec<Mover>,
    limiter: Limiter,
    refused: StoreError,
    random: fastrand::Rng,
    counts: Counts,
}

impl<'a> Queue<'a> {
    fn new(files: &'a Files, movers: u32, limits: &Limits) -> Self {
        let retry_after = Some(limits.retry_after);
        // Every file has a key of its own.
        let limits = Limits { key_writes_per_second: None, ..limits.clone() };
        let mut queue = Self {
            files,
            next_file: 0,
            movers: Vec::new(),
            limiter: Limiter::new(limits),
            refused: StoreError {
                retry_after,
                ..StoreError::new(FailureClass::Throttled, String::new())
            },
            random: fastrand::Rng::with_seed(SEED),
            counts: Counts::default(),
        };
        for _ in 0..movers {
            let mover = Mover { file: 0, step: 0, left: 0, attempts: 0, inside: Vec::new() };
            queue.movers.push(mover);
            queue.begin_file(queue.movers.len() - 1);
        }
        queue
    }

    fn settled(mut self) -> Settled {
        let movers = self.movers.len();
        let wanted = ASKED_MIN.max(ASKED_PER_MOVER * movers as u64);
        let warm_up = wanted / 3;
        let mut turns: BinaryHeap<_> =
            (0..movers).map(|mover| Reverse((Instant::default(), mover))).collect();
        let mut now = Instant::default();
        let mut is_warm = false;
        while self.counts.asked < if is_warm { wanted - warm_up } else { warm_up } {
            let Some(Reverse((at, mover))) = turns.pop() else { break };
            now = at;
            turns.push(Reverse((self.turn(now, mover), mover)));
            if !is_warm && self.counts.asked >= warm_up {
                is_warm = true;
                self.counts = Counts { since: now, ..Counts::default() };
            }
        }
        self.counts.settled(now, movers)
    }

    /// What a mover does now, and when its next turn is.
    fn turn(&mut self, now: Instant, number: usize) -> Instant {
        if self.movers[number].left == 0 {
            self.end_step(number);
        }
        let mover = &mut self.movers[number];
        let Some(step) = self.files.steps(mover.file).get(mover.step) else { return now };
        for _ in 0..mover.left {
            self.counts.asked += 1;
            match self.limiter.admit(now, step.ask) {
                Ok(admitted) => {
                    self.limiter.read(now, step.segments);
                    mover.inside.push(admitted);
                    mover.left -= 1;
                }
                Err(Limited::Transfers(_)) => self.counts.refused_transfers += 1,
                Err(Limited::Calls | Limited::KeyWrites) => self.counts.refused_calls += 1,
            }
        }
        if mover.left == 0 {
            return now + step.drawn(&mut self.random);
        }
        mover.attempts += 1;
        let retry = RetryPolicy::of(RetryMode::Standard);
        match retry.delay_after(mover.attempts, &self.refused, &mut self.random) {
            Some(delay) => now + delay,
            None => {
                self.give_up(number);
                // Even a mover whose retries are over has made a request.
                now + Duration::from_millis(1)
            }
        }
    }

    /// What it was let in for is over.
    fn end_step(&mut self, number: usize) {
        let mover = &mut self.movers[number];
        let steps = self.files.steps(mover.file);
        self.counts.passed_s += steps.get(mover.step).map_or(0.0, |step| step.seconds);
        mover.inside.drain(..).for_each(|admitted| self.limiter.leave(admitted));
        match steps.get(mover.step + 1) {
            Some(next) => {
                (mover.step, mover.left, mover.attempts) = (mover.step + 1, next.at_once, 0);
            }
            None => {
                self.counts.done += 1;
                self.begin_file(number);
            }
        }
    }

    fn give_up(&mut self, number: usize) {
        let mover = &mut self.movers[number];
        self.counts.passed_s += self.files.steps(mover.file).seconds_from(mover.step);
        mover.inside.drain(..).for_each(|admitted| self.limiter.leave(admitted));
        self.counts.failed += 1;
        self.begin_file(number);
    }

    fn begin_file(&mut self, number: usize) {
        let file = self.next_file;
        self.next_file += 1;
        let left = self.files.steps(file).get(0).map_or(1, |step| step.at_once);
        let mover = &mut self.movers[number];
        (mover.file, mover.step, mover.left, mover.attempts) = (file, 0, left, 0);
    }
}

impl Step {
    /// How long it takes this time: log-normal, so that it is never below zero, with the step's mean.
    fn drawn(&self, random: &mut fastrand::Rng) -> Duration {
        let normal = stats::normal(random);
        Duration::from_secs_f64(self.seconds * (self.sd * normal - 0.5 * self.sd.powi(2)).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::super::settled::Refuses;
    use super::*;
    use crate::plan::{Manner, Model, Shape};
    use crate::result::{Direction, Settings};
    use crate::units::MIB;

    const MANNER: Manner = Manner {
        direction: Direction::Up,
        settings: Settings { part_size_bytes: 64 * MIB, concurrency: 8, parts_in_flight: 1 },
        ranged: false,
    };

    /// Files of one part of four calls that take a second.
    fn files(sd: f64) -> Files {
        let model = Model { per_file_s: 1.0, ..Model::default() };
        Files::of(&Shape::equal(1000.0, 50e9), MANNER, &model, 1.0, &|_| sd)
    }

    fn files_per_second(settled: Settled, movers: u32) -> f64 {
        f64::from(movers) / settled.slowdown * (1.0 - settled.failing)
    }

    #[test]
    fn below_the_limit_nothing_is_refused() {
        assert_eq!(settle(&files(0.1), 25, &Limits::storj()), Settled::FREE);
        assert_eq!(settle(&files(0.1), 1000, &Limits::none()), Settled::FREE);
    }

    #[test]
    fn just_above_the_limit_files_come_as_fast_as_tokens_pay_for_all_their_calls() {
        let settled = settle(&files(0.1), 26, &Limits::storj());
        let rate = files_per_second(settled, 26);
        assert!((24.8..26.0).contains(&rate), "{rate}: {settled:?}");
    }

    #[test]
    fn the_harder_the_limit_is_pressed_the_more_goes_through_and_the_more_is_refused() {
        let at = |movers| (movers, settle(&files(0.1), movers, &Limits::storj()));
        let [some, many, most] = [50, 200, 2000].map(at);
        let rate = |(movers, settled): (u32, Settled)| files_per_second(settled, movers);
        assert!(rate(some) > 25.0 && rate(some) < 50.0, "{some:?}");
        assert!(rate(many) > rate(some), "{many:?}");
        assert!(many.1.let_in < some.1.let_in && most.1.let_in < many.1.let_in);
        // Each file takes one token at least.
        assert!(rate(most) <= 100.0, "{most:?}");
        assert!(most.1.failing > many.1.failing);
    }

    #[test]
    fn movers_of_even_files_collide_less_than_those_of_uneven_ones() {
        let let_in = |sd| settle(&files(sd), 64, &Limits::storj()).let_in;
        assert!(let_in(0.003) > let_in(0.3) + 0.01, "{} {}", let_in(0.003), let_in(0.3));
    }

    #[test]
    fn it_obeys_littles_law() {
        let movers = 64;
        let settled = settle(&files(0.01), movers, &Limits::storj());
        let rate = files_per_second(settled, movers);
        let refused = rate / settled.let_in - rate;
        // Movers are at a file of a second, or wait 12 s and a first jitter of up to 0.2 s, rarely a second one.
        let told = rate * 1.0 + refused * 12.1;
        assert!((told / f64::from(movers) - 1.0).abs() < 0.02, "{told}: {settled:?}");
    }

    #[test]
    fn requests_of_one_call_get_what_the_satellite_allows() {
        let model = Model { per_file_s: 0.02, ..Model::default() };
        let manner = Manner { direction: Direction::Down, ..MANNER };
        let files = Files::of(&Shape::equal(1000.0, 1e6), manner, &model, 1.0, &|_| 0.1);
        let limits = Limits { retry_after: Duration::from_millis(100), ..Limits::storj() };
        let settled = settle(&files, 8, &limits);
        let rate = 50.0 * files_per_second(settled, 8);
        assert!((95.0..=100.5).contains(&rate), "{rate}: {settled:?}");
    }

    #[test]
    fn transfers_at_a_time_hold_those_who_are_over() {
        let limits = Limits { transfers: Some(10), calls_per_second: None, ..Limits::storj() };
        let settled = settle(&files(0.1), 20, &limits);
        assert_eq!(settled.by, Some(Refuses::Transfers));
        // Half of the movers wait. Files that are given up leave theirs to others.
        let arrived = settled.slowdown / (1.0 - settled.failing);
        assert!((1.98..2.1).contains(&arrived), "{settled:?}");
    }
}
