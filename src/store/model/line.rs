//! One way of the link in simulated time: flows wait until their bytes have passed.
//!
//! Only the flow that ends next has a timer, until then or until the weather changes. When another is to end
//! before it, when it ends, or when it is broken off, it wakes its successor. So a flow costs two events or so,
//! however many there are.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use crate::clock::{self, Instant, Sleep};
use crate::storj::{Capacity, FairLink, Forecast, Stretch};
use crate::units::Rate;

/// One way of the link; without limits its bytes take no time.
pub(super) struct Line(Option<RefCell<State>>);

struct State {
    link: FairLink,
    flows: Vec<Flow>,
    /// Places in `flows` that are free.
    free: Vec<usize>,
}

/// What a place in the list of flows holds.
enum Flow {
    Flowing(Option<Waker>),
    Ended(Vec<Stretch>),
}

impl Line {
    pub(super) fn new(
        own_rate: Option<Rate>,
        capacity: Option<Capacity>,
        forecast: Forecast,
    ) -> Self {
        let state = |link| RefCell::new(State { link, flows: Vec::new(), free: Vec::new() });
        Self(FairLink::new(own_rate, capacity, forecast).map(state))
    }

    /// Waits until `bytes` have passed. Then, or when it is dropped before, `passed` is told when which did.
    pub(super) async fn carry(&self, bytes: u64, passed: impl FnMut(Stretch)) {
        let Some(state) = &self.0 else { return at_once(bytes, passed) };
        let name = state.borrow_mut().begin(bytes);
        let _place = Place { state, name, passed };
        let mut timer = pin!(None::<Timer>);
        poll_fn(|context| poll(state, name, timer.as_mut(), context)).await;
    }
}

fn at_once(bytes: u64, mut passed: impl FnMut(Stretch)) {
    let now = clock::now();
    passed(Stretch { over: now..now, bytes });
}

/// The timer of the flow that ends next, and until when it runs.
struct Timer {
    at: Instant,
    sleep: Sleep,
}

fn poll(
    state: &RefCell<State>,
    name: usize,
    mut timer: Pin<&mut Option<Timer>>,
    context: &mut Context<'_>,
) -> Poll<()> {
    loop {
        let mut state = state.borrow_mut();
        if matches!(state.flows[name], Flow::Ended(_)) {
            return Poll::Ready(());
        }
        state.flows[name] = Flow::Flowing(Some(context.waker().clone()));
        let Some((next, at)) = state.link.next() else { return Poll::Pending };
        if next != name {
            timer.set(None);
            return Poll::Pending;
        }
        if at <= clock::now() {
            state.end_all_that_are_over();
            continue;
        }
        drop(state);
        if timer.as_ref().get_ref().as_ref().is_none_or(|timer| timer.at != at) {
            timer.set(Some(Timer { at, sleep: clock::sleep(at.since(clock::now())) }));
        }
        let Some(running) = timer.as_mut().get_mut() else { return Poll::Pending };
        if pin!(&mut running.sleep).poll(context).is_pending() {
            return Poll::Pending;
        }
    }
}

impl State {
    fn begin(&mut self, bytes: u64) -> usize {
        let name = self.free.pop().unwrap_or(self.flows.len());
        match self.flows.get_mut(name) {
            Some(flow) => *flow = Flow::Flowing(None),
            None => self.flows.push(Flow::Flowing(None)),
        }
        let led = self.link.next().map(|(next, _)| next);
        self.link.begin(clock::now(), name, bytes);
        if let Some(led) = led
            && self.link.next().is_some_and(|(next, _)| next == name)
        {
            self.wake(led);
        }
        name
    }

    fn end_all_that_are_over(&mut self) {
        while let Some((name, stretches)) = self.link.take_ended(clock::now()) {
            self.wake(name);
            self.flows[name] = Flow::Ended(stretches);
        }
        self.wake_next();
    }

    fn wake_next(&mut self) {
        if let Some((next, _)) = self.link.next() {
            self.wake(next);
        }
    }

    fn wake(&mut self, name: usize) {
        if let Flow::Flowing(waker) = &mut self.flows[name]
            && let Some(waker) = waker.take()
        {
            waker.wake();
        }
    }
}

/// A place in the list of flows, given back when the flow is over or broken off.
struct Place<'a, F: FnMut(Stretch)> {
    state: &'a RefCell<State>,
    name: usize,
    passed: F,
}

impl<F: FnMut(Stretch)> Drop for Place<'_, F> {
    fn drop(&mut self) {
        let mut state = self.state.borrow_mut();
        let stretches = match std::mem::replace(&mut state.flows[self.name], Flow::Flowing(None)) {
            Flow::Ended(stretches) => stretches,
            Flow::Flowing(_) => {
                let stretches = state.link.break_off(clock::now(), self.name);
                state.wake_next();
                stretches
            }
        };
        state.free.push(self.name);
        drop(state);
        stretches.into_iter().for_each(&mut self.passed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::{join_all, select};

    use super::*;

    #[test]
    fn flows_that_come_and_go_share_the_line() {
        // 100 B/s: alone for a second, two for two, alone again.
        let line = Line::new(None, Some(Rate(100.0).into()), Forecast::default());
        let ends = clock::simulate(async {
            let flow = |after_s: u64, bytes: u64| {
                let line = &line;
                async move {
                    clock::sleep(Duration::from_secs(after_s)).await;
                    line.carry(bytes, |_| {}).await;
                    clock::now().since(Instant::default()).as_secs_f64()
                }
            };
            join_all([flow(0, 200), flow(1, 200), flow(20, 100)]).await
        });
        for (end, expected) in ends.iter().zip([3.0, 4.0, 21.0]) {
            assert!((end - expected).abs() < 1e-6, "{ends:?}");
        }
    }

    #[test]
    fn the_leader_may_be_broken_off() {
        let line = Line::new(None, Some(Rate(100.0).into()), Forecast::default());
        let (carried, end) = clock::simulate(async {
            let mut carried = 0;
            let leader = async {
                let flow = pin!(line.carry(200, |passed| carried += passed.bytes));
                select(flow, pin!(clock::sleep(Duration::from_secs(2)))).await;
            };
            let other = async {
                line.carry(400, |_| {}).await;
                clock::now().since(Instant::default()).as_secs_f64()
            };
            let ((), end) = futures::join!(leader, other);
            (carried, end)
        });
        assert_eq!(carried, 100);
        assert!((end - 5.0).abs() < 1e-6, "{end}");
    }
}
