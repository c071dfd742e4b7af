//! Leads a trial through its stages: warm-up, window, drain; stops it when the user interrupts.

use std::time::Duration;

use super::crew::Crew;
use super::load::{Load, Stop, Then};
use super::used::Edge;
use super::window::Rule;
use super::{DRAIN_MIN, DRAIN_OF_SLOWEST, WARM_UP_MAX, since_start};
use crate::clock;
use crate::interrupt::Interrupt;
use crate::measure::{BIN, Live, TimesSoFar, resident_bytes};
use crate::stats::is_stable;
use crate::transfer::{Control, Gone, Order, Stage};
use crate::words;

/// How often the counters are looked at.
const TICK: Duration = BIN;

/// The same in a whole task that is simulated: nothing is decided by what is seen then.
const TICK_SIMULATED: Duration = Duration::from_secs(10);

/// A trial in progress, for the eyes of the user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Since the trial began.
    pub elapsed: Duration,
    /// Where it is.
    pub stage: Stage,
    /// Body bytes that passed the sockets.
    pub wire_bytes: u64,
    /// Files that arrived.
    pub files_done: u64,
    /// Files that did not.
    pub files_failed: u64,
    /// Files in the dataset, when it is moved once.
    pub files: Option<u64>,
    /// Bytes in it.
    pub bytes: Option<u64>,
    /// Service times in the window of requests with payload; `None` before there are any.
    pub times: Option<TimesSoFar>,
    /// Failed attempts.
    pub failed_attempts: u64,
    /// The longest that an answer asked to wait; zero in a simulation, in which nobody waits.
    pub asked_to_wait: Duration,
}

/// What the watch saw.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// The window opened, since the start.
    pub(super) opened: Duration,
    /// The window closed.
    pub(super) closed: Duration,
    /// What had been used by then; `None` when there was no window or it did not close, and in a
    /// simulation.
    pub(super) edges: Option<[Edge; 2]>,
    /// Highest resident set that was seen.
    pub(super) rss_peak_bytes: Option<u64>,
    /// Files that had arrived by then and waited for a mover.
    pub(super) backlog_files: u64,
    /// Worker threads.
    pub(super) threads: usize,
    /// What this machine used says nothing about the trial.
    pub(super) simulated: bool,
    pub(super) interrupted: bool,
    /// By which rule the window is to be measured.
    pub(super) rule: Rule,
    pub(super) warnings: Vec<String>,
}

/// So long an interrupt waits for the ids of uploads (ASSUMPTION: an endpoint that works answers sooner).
const IDS_WITHIN: Duration = Duration::from_secs(2);

/// Time between two looks at whether they are known.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Where others write too, an upload can only be aborted by its id: those that were just asked for get a moment to
/// be answered.
async fn learn_ids(crew: &Crew) {
    let job = crew.job();
    let all_known = async {
        while job.ledger.lacks_an_id() {
            clock::sleep(ASK_AGAIN_AFTER).await;
        }
    };
    tokio::select! {
        () = crew.done() => {}
        () = all_known => {}
        () = clock::sleep(IDS_WITHIN) => {}
    }
}

/// Watches a trial until all movers have stopped, the drain is over, or the user interrupts.
pub(super) async fn until_over(
    crew: &Crew,
    load: Load,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(&Snapshot),
) -> Watched {
    let job = crew.job();
    let bytes = (job.order == Order::Once).then(|| job.dataset.bytes() / u64::from(job.dealt.of));
    let mut watch =
        Watch { crew, bytes, progress, wire_bytes: 0, idle: false, seen: Watched::default() };
    watch.seen.threads = crew.threads();
    watch.seen.simulated = crew.is_simulated();
    let interrupted = tokio::select! {
        biased;
        () = interrupt.asked() => true,
        () = watch.lead(load) => false,
    };
    let mut seen = watch.seen;
    if interrupted {
        crew.control().enter(Stage::Draining);
        learn_ids(crew).await;
        seen.interrupted = true;
        seen.closed = since_start(&crew.control());
        seen.opened = seen.opened.min(seen.closed);
    }
    seen
}

struct Watch<'a> {
    crew: &'a Crew,
    /// In the dataset, when it is moved once.
    bytes: Option<u64>,
    progress: &'a mut dyn FnMut(&Snapshot),
    /// Bytes on the wire at the last tick.
    wire_bytes: u64,
    /// Nothing moved since the tick before.
    idle: bool,
    seen: Watched,
}

impl Watch<'_> {
    async fn lead(&mut self, load: Load) {
        match load {
            Load::WholeTask => {
                let opened = self.edge();
                while !self.tick().await && self.crew.control().gone().is_none() {}
                self.seen.closed = since_start(&self.crew.control());
                self.seen.edges = opened.zip(self.edge()).map(<[Edge; 2]>::from);
                self.let_end_if_gone().await;
            }
            Load::Timed { warm_up, stop } => {
                self.warm_up(warm_up, stop).await;
                self.wait_for_others(stop).await;
                let opened = self.edge();
                // On borders of bins, so that the bins of the window are whole and lie within it.
                self.seen.opened = BIN * (bins(self.enter(Stage::Measuring)) + 1);
                let why = self.window(stop).await;
                self.close(why, stop.then);
                // What was used in a moment says nothing of the time before it, which is measured then.
                if self.seen.rule != Rule::TooShort {
                    self.seen.edges = opened.zip(self.edge()).map(<[Edge; 2]>::from);
                }
                self.finish(why, stop.then).await;
            }
        }
    }

    /// Until the time is over and every mover is under way: has moved something, or where nothing waits for a
    /// part to end, has begun to. Where calls are refused it takes long until all have been let in.
    async fn warm_up(&mut self, warm_up: Duration, stop: Stop) {
        self.until(warm_up).await;
        let control = self.crew.control();
        let movers = u64::from(self.crew.job().settings.concurrency);
        let under_way = match stop.then {
            Then::Drain => &control.live.movers_warm,
            // An effective speed needs files that were read back.
            Then::LetGo if self.crew.job().reads_back() => &control.live.movers_warm,
            Then::LetGo => &control.live.movers_begun,
        };
        while Live::get(under_way) < movers && control.ran_dry().is_none() {
            if since_start(&control) > warm_up * WARM_UP_MAX {
                let count = Live::get(under_way);
                self.seen.warnings.push(format!(
                    "the window opened when only {count} of {movers} workers had moved any data: measure longer"
                ));
                return;
            }
            if self.tick().await || self.is_in_vain(stop) {
                return;
            }
        }
    }

    /// Until the other DTNs are warm, too.
    async fn wait_for_others(&mut self, stop: Stop) {
        let job = self.crew.job();
        let Some(gate) = &job.gate else { return };
        gate.is_reached();
        while !gate.is_open() && !self.tick().await && !self.is_in_vain(stop) {}
    }

    /// Whether nothing would come of waiting any longer.
    fn is_in_vain(&self, stop: Stop) -> bool {
        self.crew.control().gone().is_some() || self.is_put_off(stop)
    }

    /// Whether all movers wait, because the endpoint asked for it, for longer than the window lasts; or do not wait,
    /// because it asked for more than anybody waits for.
    fn is_put_off(&self, stop: Stop) -> bool {
        let (control, job) = (self.crew.control(), self.crew.job());
        let wait = longest_wait(&control);
        let waiting = Live::get(&control.live.asked_to_wait);
        let all_are_asked = waiting >= u64::from(job.settings.concurrency);
        let is_longer = stop.window.is_some_and(|window| wait > window);
        self.idle && is_longer && (all_are_asked || wait > job.retry.retry_after_max)
    }

    /// Until the first reason to stop.
    async fn window(&mut self, stop: Stop) -> Stopped {
        let end = stop.window.map(|window| self.seen.opened + window);
        let mut rates = Rates::since(self);
        loop {
            let (control, stable) = (self.crew.control(), stop.stable);
            if control.is_stopped() || control.gone().is_some() {
                return Stopped::TimeIsOver;
            }
            if let Some(window) = stop.window.filter(|_| self.is_put_off(stop)) {
                return Stopped::PutOff { window, wait: longest_wait(&control) };
            }
            if control.ran_dry().is_some() {
                return Stopped::RanDry;
            }
            let is_stable = |stretch: &Duration| {
                since_start(&control) >= self.seen.opened + *stretch && rates.are_stable(*stretch)
            };
            if let Some(stretch) = stable.filter(is_stable) {
                return Stopped::Stable(stretch);
            }
            if end.is_some_and(|end| since_start(&control) >= end) {
                return stable.map_or(Stopped::TimeIsOver, Stopped::NeverStable);
            }
            let stopped = self.tick().await;
            if stopped && self.crew.control().ran_dry().is_none() {
                // A thread has broken down: there is nothing more to wait for.
                return Stopped::TimeIsOver;
            }
            rates.add(self);
        }
    }

    /// Closes the window: no later than the first mover found nothing more to do.
    fn close(&mut self, why: Stopped, then: Then) {
        let control = self.crew.control();
        self.seen.backlog_files = control.backlog_files();
        let ended = match why {
            Stopped::RanDry => self.enter(Stage::Finishing),
            Stopped::PutOff { .. } => self.enter(Stage::Over),
            _ if then == Then::LetGo => self.enter(Stage::Over),
            _ => self.enter(Stage::Draining),
        };
        let busy = control.ran_dry().map_or(ended, |dry| dry.min(ended));
        self.seen.closed = BIN * bins(busy);
        self.seen.rule = match why {
            Stopped::Stable(stretch) => Rule::Stable(stretch),
            Stopped::NeverStable(stretch) => Rule::NeverStable(stretch),
            Stopped::TimeIsOver | Stopped::RanDry | Stopped::PutOff { .. } => Rule::Steady,
        };
        if let Stopped::PutOff { window, wait } = why {
            self.seen.warnings.push(format!(
                "the endpoint asked to wait for {}, longer than the window of {}: the trial ended there",
                words::as_set(wait),
                words::as_set(window),
            ));
        }
        if self.seen.closed <= self.seen.opened {
            self.seen.warnings.push(
                "the load ended before all workers were warmed up: it was measured from its beginning, without percentiles".into(),
            );
            (self.seen.opened, self.seen.rule) = (Duration::ZERO, Rule::TooShort);
            self.seen.closed = self.seen.closed.max(BIN);
        }
    }

    /// A load of a given size goes on to its end; any other drains, or is let go.
    async fn finish(&mut self, why: Stopped, then: Then) {
        if why == Stopped::RanDry {
            while !self.tick().await && self.crew.control().gone().is_none() {}
        }
        match why {
            _ if self.crew.control().gone().is_some() => self.let_end_if_gone().await,
            Stopped::RanDry | Stopped::PutOff { .. } => {}
            _ if then == Then::LetGo => {}
            _ => self.drain().await,
        }
    }

    /// What is under way may end; most of it does within twice the slowest request so far.
    async fn drain(&mut self) {
        let control = self.crew.control();
        let began = since_start(&control);
        let slowest = Duration::from_nanos(Live::get(&control.live.slowest_ns));
        let limit = DRAIN_MIN.max(slowest * DRAIN_OF_SLOWEST);
        while !self.tick().await && since_start(&control) - began < limit {}
    }

    /// Where nobody answers any more, movers may note how their files ended; nothing else is waited for.
    async fn let_end_if_gone(&mut self) {
        let control = self.crew.control();
        let Some(Gone { attempts, silent_for }) = control.gone() else { return };
        self.seen.warnings.push(format!(
            "the endpoint did not answer {attempts} attempts in a row over {}: nothing more was tried",
            words::to_the_second(silent_for),
        ));
        let began = since_start(&control);
        while !self.tick().await && since_start(&control) - began < DRAIN_MIN {}
    }

    async fn until(&mut self, end: Duration) {
        let over = |watch: &Self| {
            let control = watch.crew.control();
            control.ran_dry().is_some() || control.gone().is_some()
        };
        while since_start(&self.crew.control()) < end && !over(self) && !self.tick().await {}
    }

    fn edge(&self) -> Option<Edge> {
        (!self.crew.is_simulated()).then(|| Edge::now(&self.crew.control()))
    }

    /// Enters a stage and says when.
    fn enter(&self, stage: Stage) -> Duration {
        self.crew.control().enter(stage);
        since_start(&self.crew.control())
    }

    /// Waits a little and shows the progress. Whether all movers have stopped.
    async fn tick(&mut self) -> bool {
        let whole_task = self.crew.job().order == Order::Once;
        let tick = if self.crew.is_simulated() && whole_task { TICK_SIMULATED } else { TICK };
        let stopped = tokio::select! {
            biased;
            () = self.crew.done() => true,
            () = clock::sleep(tick) => false,
        };
        if !self.crew.is_simulated() {
            self.seen.rss_peak_bytes = self.seen.rss_peak_bytes.max(resident_bytes());
        }
        let (control, job) = (self.crew.control(), self.crew.job());
        let live = &control.live;
        let wire_bytes = live.wire_bytes();
        self.idle = wire_bytes == self.wire_bytes;
        self.wire_bytes = wire_bytes;
        let simulated = self.crew.is_simulated();
        (self.progress)(&Snapshot {
            elapsed: since_start(&control),
            stage: control.stage(),
            wire_bytes,
            files_done: Live::get(&live.files_done),
            files_failed: Live::get(&live.files_failed),
            files: (job.order == Order::Once).then(|| job.files()),
            bytes: self.bytes,
            times: live.times.percentiles(),
            failed_attempts: Live::get(&live.failed_attempts),
            asked_to_wait: if simulated { Duration::ZERO } else { longest_wait(&control) },
        });
        stopped
    }
}

/// Why a window closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    TimeIsOver,
    /// A mover found no next file.
    RanDry,
    /// So much of its end was stable.
    Stable(Duration),
    /// The time was over before so much of it was stable.
    NeverStable(Duration),
    /// The endpoint asked all movers to wait for longer than the window.
    PutOff {
        window: Duration,
        wait: Duration,
    },
}

/// The longest that an answer asked to wait.
fn longest_wait(control: &Control) -> Duration {
    Duration::from_nanos(Live::get(&control.live.retry_after_max_ns))
}

/// What passed the sockets from tick to tick.
struct Rates {
    last: (Duration, u64),
    bytes_per_second: Vec<f64>,
}

impl Rates {
    fn since(watch: &Watch<'_>) -> Self {
        Self { last: Self::look(watch), bytes_per_second: Vec::new() }
    }

    fn look(watch: &Watch<'_>) -> (Duration, u64) {
        let control = watch.crew.control();
        (since_start(&control), control.live.wire_bytes())
    }

    fn add(&mut self, watch: &Watch<'_>) {
        let ((then, before), (now, bytes)) = (self.last, Self::look(watch));
        let seconds = now.saturating_sub(then).as_secs_f64().max(f64::MIN_POSITIVE);
        self.bytes_per_second.push((bytes - before) as f64 / seconds);
        self.last = (now, bytes);
    }

    /// Whether the last of them are, as many as make up the stretch.
    fn are_stable(&self, stretch: Duration) -> bool {
        let count = (stretch.as_nanos() / TICK.as_nanos()) as usize;
        let from = self.bytes_per_second.len().checked_sub(count);
        from.is_some_and(|from| is_stable(&self.bytes_per_second[from..]))
    }
}

/// Whole bins before `at`.
fn bins(at: Duration) -> u32 {
    (at.as_nanos() / BIN.as_nanos()) as u32
}
