//! A trial in which several DTNs moved data: what each saw, added up.
//!
//! What counts is the time in which all were busy. Bytes and attempts are added bin by bin, percentiles come from
//! merged histograms, as those of a machine's threads do; what each DTN used is told for each.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::window::{Measurement, Rule};
use super::{Finished, Records, effective, window};
use crate::clock::Instant;
use crate::crew::{self, Clock};
use crate::measure::{BIN, Recorder};
use crate::result::{
    ClientUse, DtnShare, Host, LimitedBy, Mixed, NetworkUse, OneWay, OpenLoop, SourceUse,
    TaskSummary, Trial,
};
use crate::transfer::Spent;
use crate::words::whole_percent;

/// A trial whose windows have less of their time in common does not count.
const OVERLAP_MIN: f64 = 0.9;

/// What one DTN saw of a trial.
#[derive(Serialize, Deserialize)]
pub struct Share {
    /// `None` in a simulation.
    host: Option<Host>,
    trial: Trial,
    recorder: Recorder,
    /// By its own clock.
    origin: Instant,
    opened: Duration,
    closed: Duration,
    rule: Rule,
    interrupted: bool,
    stopped: bool,
    /// Of an allowance of its own.
    spent: Option<Spent>,
}

impl Share {
    /// Of the DTN on this host; `None` in a simulation.
    pub fn of(host: Option<Host>, finished: Finished) -> Self {
        let Finished { trial, records, interrupted, stopped, .. } = finished;
        let Records { recorder, origin, window, rule, job, .. } = records;
        // In a simulation all draw on one.
        let spent = job.allowance.as_ref().filter(|_| host.is_some()).map(|of| of.spent());
        let (opened, closed) = (window.start, window.end);
        Self { host, trial, recorder, origin, opened, closed, rule, interrupted, stopped, spent }
    }
}

/// A share by the clock of the one who adds up.
struct Placed {
    clock: Clock,
    share: Share,
    /// Since the first of all began.
    began: Duration,
}

impl Placed {
    fn opened(&self) -> Duration {
        self.began + self.share.opened
    }

    fn closed(&self) -> Duration {
        self.began + self.share.closed
    }
}

/// What a leader and others saw of one trial, each with its clock. Nothing but the leader's own if there are no others.
pub fn together(host: Option<Host>, own: Finished, others: Vec<(Clock, Share)>) -> Finished {
    if others.is_empty() {
        return own;
    }
    let (job, started) = (own.records.job.clone(), own.records.started);
    let own = (Clock::default(), Share::of(host, own));
    let all = std::iter::once(own).chain(others);
    let all: Vec<_> =
        all.map(|(clock, share)| (clock.to_leader(share.origin), clock, share)).collect();
    let origin = all.iter().map(|(at, ..)| *at).min().unwrap_or_default();
    let all: Vec<Placed> = all
        .into_iter()
        .map(|(at, clock, share)| Placed { clock, share, began: at.since(origin) })
        .collect();
    let whole = Whole::of(all);
    let trial = whole.trial();
    Finished {
        trial,
        interrupted: whole.all.iter().any(|one| one.share.interrupted),
        stopped: whole.all.iter().any(|one| one.share.stopped),
        apart: whole.least_overlap().is_some_and(|(overlap, _)| overlap < OVERLAP_MIN),
        spent: whole.all.iter().filter_map(|one| one.share.spent).reduce(|all, one| all + one),
        records: Records {
            job,
            origin,
            started,
            window: whole.opened..whole.closed,
            rule: whole.rule,
            recorder: whole.recorder,
        },
    }
}

/// All shares, and what they are together.
struct Whole {
    all: Vec<Placed>,
    /// Of each DTN, in the window of all.
    goodputs: Vec<f64>,
    recorder: Recorder,
    opened: Duration,
    closed: Duration,
    rule: Rule,
    measured: Measurement,
}

impl Whole {
    fn of(mut all: Vec<Placed>) -> Self {
        let is_task = all[0].share.trial.task.is_some();
        let opened = all.iter().map(Placed::opened).max().unwrap_or_default();
        let ends = || all.iter().map(Placed::closed);
        let (opened, closed) = match is_task {
            true => (Duration::ZERO, ends().max().unwrap_or_default()),
            false => (opened, ends().min().unwrap_or_default().max(opened + BIN)),
        };
        let rule = all.iter().map(|one| one.share.rule).find(|rule| *rule == Rule::TooShort);
        let rule = rule.unwrap_or(all[0].share.rule);
        let measure = |recorder: &Recorder, bytes_done| match is_task {
            true => window::whole_task(recorder, opened, closed, bytes_done),
            false => window::measure(recorder, opened, closed, rule),
        };
        let bytes_done =
            |one: &Placed| one.share.trial.task.as_ref().map_or(0, |task| task.bytes_done);
        let (mut goodputs, mut recorder) = (Vec::new(), Recorder::default());
        for one in &mut all {
            let own = std::mem::take(&mut one.share.recorder);
            let clock = one.clock;
            let own = own.moved(one.began, |at| clock.to_leader(at));
            goodputs.push(measure(&own, bytes_done(one)).goodput_bytes_per_second);
            recorder.merge(own);
        }
        let measured = measure(&recorder, all.iter().map(bytes_done).sum());
        // What a rule cuts off the beginning is another for each alone.
        let parts: f64 = goodputs.iter().sum();
        if parts > 0.0 {
            let by = measured.goodput_bytes_per_second / parts;
            goodputs.iter_mut().for_each(|one| *one *= by);
        }
        Self { all, goodputs, recorder, opened, closed, rule, measured }
    }

    fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.all.iter().map(|one| &one.share.trial)
    }

    fn sum(&self, of: impl Fn(&Trial) -> u64) -> u64 {
        self.trials().map(of).sum()
    }

    fn trial(&self) -> Trial {
        let first = &self.all[0].share.trial;
        let (recorder, measured) = (&self.recorder, &self.measured);
        let waits = self.trials().filter_map(|trial| trial.retry_after_max_s);
        let longest_wait_s = waits.fold(0.0, f64::max);
        let refused = |wait| Some(measured.refused_share(recorder, wait)).filter(|at| *at > 0.0);
        let (limited_by, evidence) = self.limit();
        let task = self.task();
        let movers = first.settings.concurrency * self.all.len() as u32;
        let verification = first.verification.map(|_| match &task {
            Some(task) => {
                effective::of_task(recorder, movers, task.effective_speed_bytes_per_second)
            }
            None => effective::of_movers(recorder, measured, movers),
        });
        Trial {
            window: measured.window.clone(),
            goodput_bytes_per_second: measured.goodput_bytes_per_second,
            goodput_interval_95: measured.goodput_interval_95,
            wire_bytes_per_second: measured.wire_bytes_per_second,
            bytes: self.sum(|trial| trial.bytes),
            read_back_bytes: self.sum(|trial| trial.read_back_bytes),
            objects: self.sum(|trial| trial.objects),
            requests: recorder.summaries(),
            objects_us: recorder.object_times(),
            mixed: self.mixed(),
            open_loop: first.open_loop.map(|open_loop| OpenLoop {
                files_per_second: open_loop.files_per_second * self.all.len() as f64,
                backlog_files: self.sum(|one| one.open_loop.map_or(0, |of| of.backlog_files)),
                ..open_loop
            }),
            errors: recorder.errors(),
            corrupt: recorder.corrupt,
            cut: recorder.cut(),
            under_way: recorder.under_way(),
            retry_after_max_s: Some(longest_wait_s).filter(|longest| *longest > 0.0),
            refused_in_window: refused(Duration::ZERO),
            refused_or_waiting: refused(Duration::from_secs_f64(longest_wait_s)),
            client: self.client(),
            network: self.network(),
            source: self.source(),
            limited_by,
            evidence,
            warnings: self.warnings(),
            task,
            verification,
            dtns: self.shares(),
            ..first.clone()
        }
    }

    /// What all were limited by, or most; which that was of each, if not the same.
    fn limit(&self) -> (LimitedBy, String) {
        let count = |by: LimitedBy| self.trials().filter(|trial| trial.limited_by == by).count();
        let first = &self.all[0].share.trial;
        let most = self.trials().map(|trial| trial.limited_by).max_by_key(|by| count(*by));
        let most = most.unwrap_or(LimitedBy::Unknown);
        if count(most) == self.all.len() {
            return (
                most,
                format!("on all {} DTNs alike; dtn1: {}", self.all.len(), first.evidence),
            );
        }
        let each = (0..).zip(self.trials());
        let each = each.map(|(rank, trial)| format!("{}: {}", crew::name(rank), trial.evidence));
        (most, each.collect::<Vec<_>>().join(" | "))
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = Vec::new();
        let is_of_all =
            |warning: &String| self.trials().all(|trial| trial.warnings.contains(warning));
        for (rank, trial) in (0..).zip(self.trials()) {
            for warning in &trial.warnings {
                let told = match is_of_all(warning) {
                    true => warning.clone(),
                    false => format!("{}: {warning}", crew::name(rank)),
                };
                if !warnings.contains(&told) {
                    warnings.push(told);
                }
            }
        }
        if let Some((overlap, rank)) = self.least_overlap()
            && overlap < OVERLAP_MIN
        {
            warnings.push(format!(
                "only {} of the window of {} are in the time in which all DTNs were busy: this trial does not count",
                whole_percent(overlap),
                crew::name(rank)
            ));
        }
        warnings
    }

    /// The least share of a window, and whose that is.
    fn least_overlap(&self) -> Option<(f64, u32)> {
        let overlaps = (0..).zip(&self.all);
        let overlaps = overlaps.filter_map(|(rank, one)| Some((self.overlap(one)?, rank)));
        overlaps.min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// Share of a DTN's window that lies in the window of all; `None` of a whole task.
    fn overlap(&self, one: &Placed) -> Option<f64> {
        let own = one.closed().saturating_sub(one.opened()).as_secs_f64();
        let common = (self.closed - self.opened).as_secs_f64();
        one.share.trial.task.is_none().then(|| (common / own.max(common)).min(1.0))
    }

    fn client(&self) -> ClientUse {
        let clients = || self.trials().map(|trial| &trial.client);
        let cpu_seconds = clients().map(|client| client.cpu_seconds).sum::<Option<f64>>();
        let bytes = self.sum(|trial| trial.bytes + trial.read_back_bytes);
        ClientUse {
            cpu_seconds,
            cpu_seconds_per_gb: cpu_seconds
                .filter(|_| bytes > 0)
                .map(|seconds| seconds / (bytes as f64 / 1e9)),
            rss_peak_bytes: clients().filter_map(|client| client.rss_peak_bytes).max(),
            rss_trial_peak_bytes: clients().filter_map(|client| client.rss_trial_peak_bytes).max(),
            worker_threads: clients().map(|client| client.worker_threads).sum(),
            processors_used: clients().map(|client| client.processors_used).sum(),
            ..ClientUse::default()
        }
    }

    /// Interfaces are each DTN's own.
    fn network(&self) -> Option<NetworkUse> {
        let network = NetworkUse {
            tcp: self.recorder.tcp(),
            addresses: self.recorder.addresses(),
            ..NetworkUse::default()
        };
        (network != NetworkUse::default()).then_some(network)
    }

    fn source(&self) -> Option<SourceUse> {
        let sources: Vec<SourceUse> = self.trials().filter_map(|trial| trial.source).collect();
        let waited: f64 = sources.iter().map(|source| source.waited_share).sum();
        (!sources.is_empty()).then(|| SourceUse {
            read_bytes: sources.iter().map(|source| source.read_bytes).sum(),
            waited_share: waited / sources.len() as f64,
        })
    }

    fn mixed(&self) -> Option<Mixed> {
        let first = self.all[0].share.trial.mixed?;
        let ways: Vec<Mixed> = self.trials().filter_map(|trial| trial.mixed).collect();
        let one_way = |way, of: fn(&Mixed) -> OneWay| {
            let rates = self.measured.one_way(&self.recorder, way);
            OneWay {
                files_share: of(&first).files_share,
                objects: ways.iter().map(|mixed| of(mixed).objects).sum(),
                bytes: ways.iter().map(|mixed| of(mixed).bytes).sum(),
                goodput_bytes_per_second: rates.goodput_bytes_per_second,
                wire_bytes_per_second: rates.wire_bytes_per_second,
            }
        };
        use crate::result::Direction::{Down, Up};
        Some(Mixed { up: one_way(Up, |mixed| mixed.up), down: one_way(Down, |mixed| mixed.down) })
    }

    /// Each file was one DTN's.
    fn task(&self) -> Option<TaskSummary> {
        let tasks: Vec<&TaskSummary> =
            self.trials().filter_map(|trial| trial.task.as_ref()).collect();
        tasks.first()?;
        let sum = |of: fn(&TaskSummary) -> u64| tasks.iter().map(|task| of(task)).sum::<u64>();
        let duration_s = self.closed.as_secs_f64();
        let (files_done, bytes_done) = (sum(|task| task.files_done), sum(|task| task.bytes_done));
        let speed = bytes_done as f64 / duration_s.max(f64::MIN_POSITIVE);
        let verified_files = sum(|task| task.verified_files);
        Some(TaskSummary {
            duration_s,
            files: sum(|task| task.files),
            files_done,
            bytes_done,
            goodput_bytes_per_second: speed,
            effective_speed_bytes_per_second: speed,
            verified: verified_files > 0 && verified_files == files_done,
            verified_files,
            files_there: sum(|task| task.files_there),
            files_there_verified: sum(|task| task.files_there_verified),
            directory_markers: sum(|task| task.directory_markers),
            unverifiable_files: sum(|task| task.unverifiable_files),
            verified_by_etag_files: sum(|task| task.verified_by_etag_files),
            failures: tasks.iter().flat_map(|task| task.failures.clone()).collect(),
        })
    }

    fn shares(&self) -> Vec<DtnShare> {
        let share = |((rank, one), goodput): ((u32, &Placed), &f64)| {
            let (Placed { clock, began, .. }, Share { host, trial, .. }) = (one, &one.share);
            DtnShare {
                name: crew::name(rank),
                host: host.as_ref().map(|host| host.name.clone()),
                cores: host.as_ref().map(|host| host.cores),
                goodput_bytes_per_second: *goodput,
                bytes: trial.bytes,
                limited_by: trial.limited_by,
                evidence: trial.evidence.clone(),
                client: trial.client.clone(),
                network: trial.network.clone(),
                clock_ahead_s: host.as_ref().map(|_| clock.calendar_ahead_s),
                clock_error_s: host.as_ref().map(|_| clock.error_s),
                began_after_s: host.as_ref().map(|_| began.as_secs_f64()),
                overlap: self.overlap(one),
            }
        };
        (0..).zip(&self.all).zip(&self.goodputs).map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Label, Load, Stop, run};
    use super::*;
    use crate::clock;
    use crate::dataset::{Dataset, Scale, Synthetic};
    use crate::interrupt::Interrupt;
    use crate::result::{Phase, Settings};
    use crate::store::Place;
    use crate::store::model::{ModelStore, Retain};
    use crate::storj::{Limits, Model};
    use crate::transfer::{Dealt, Flow, Job};
    use crate::units::{ByteSize, MIB, Rate};

    const STREAM: f64 = 50.0 * MIB as f64;
    const MOVERS: u32 = 4;
    const WINDOW: Duration = Duration::from_secs(6);

    fn job(load: Load, files: u64, dealt: Dealt) -> Job {
        let scale = Scale { size: Some(ByteSize(files * 5 * MIB)), files: Some(files) };
        let dataset = Arc::new(Dataset::Synthetic(Synthetic::new("equal", scale).unwrap()));
        let settings =
            Settings { part_size_bytes: 5 * MIB, concurrency: MOVERS, parts_in_flight: 1 };
        let order = load.order();
        Job { order, dealt, ..Job::new(dataset, Flow::Up, settings, "p/".into()) }
    }

    /// What each of so many DTNs saw that began one after the other, each with a clock that is another second ahead.
    fn seen(load: Load, files: u64, dtns: u32, between: Duration) -> Vec<(Clock, Finished)> {
        clock::simulate(async {
            let model = Model { connection_rate: Some(Rate(STREAM)), ..Model::default() };
            let store = ModelStore::new(model, Limits::none(), Retain::Layout, 1);
            let one = async |dealt: Dealt| {
                clock::sleep(between * dealt.rank).await;
                let place = Place::Simulated(store.from_another_machine(dealt.rank.into()));
                let label = Label { id: 0, phase: Phase::Run, block: None };
                let job = job(load, files, dealt);
                let never = Interrupt::never();
                let ended = run(job, load, label, &place, &never, &mut |_| ()).await;
                let mut ended = ended.unwrap();
                let clock = Clock::ahead(Duration::from_secs(dealt.rank.into()));
                ended.records.origin = clock.of_leader(ended.records.origin);
                (clock, ended)
            };
            futures::future::join_all(Dealt::all(dtns).map(one)).await
        })
    }

    fn added_up(seen: Vec<(Clock, Finished)>) -> Finished {
        let mut seen = seen.into_iter();
        let (_, own) = seen.next().unwrap();
        let others = seen.map(|(clock, finished)| {
            // As it comes over the wire.
            let share = serde_json::to_string(&Share::of(Some(Host::default()), finished));
            (clock, serde_json::from_str(&share.unwrap()).unwrap())
        });
        together(Some(Host::default()), own, others.collect())
    }

    fn timed() -> Load {
        Load::Timed { warm_up: Duration::from_secs(1), stop: Stop::after(WINDOW) }
    }

    #[test]
    fn together_they_carry_what_each_carries() {
        for dtns in 1..5 {
            let trial = added_up(seen(timed(), 20, dtns, Duration::ZERO)).trial;
            let full = STREAM * f64::from(MOVERS * dtns);
            let rate = trial.goodput_bytes_per_second / full;
            assert!((rate - 1.0).abs() < 0.02, "{rate} with {dtns}");
            let shares = trial.dtns.iter().map(|dtn| dtn.goodput_bytes_per_second);
            assert_eq!(trial.dtns.len() as u32, if dtns > 1 { dtns } else { 0 });
            if dtns > 1 {
                let sum: f64 = shares.sum();
                assert!((sum / trial.goodput_bytes_per_second - 1.0).abs() < 1e-9);
                assert_eq!(trial.bytes, trial.dtns.iter().map(|dtn| dtn.bytes).sum::<u64>());
            }
        }
    }

    #[test]
    fn only_the_time_counts_in_which_all_were_busy() {
        let late = Duration::from_millis(500);
        let trial = added_up(seen(timed(), 20, 3, late)).trial;
        let window = trial.window.end_s - trial.window.start_s;
        assert!((window - 5.0).abs() < 0.11, "{window}");
        let full = STREAM * f64::from(MOVERS * 3);
        assert!((trial.goodput_bytes_per_second / full - 1.0).abs() < 0.03);
        let began: Vec<f64> = trial.dtns.iter().map(|dtn| dtn.began_after_s.unwrap()).collect();
        assert_eq!(began, [0.0, 0.5, 1.0], "clocks that are seconds apart are seen through");
        let warning = trial.warnings.iter().find(|warning| warning.contains("does not count"));
        assert!(warning.is_some_and(|one| one.contains("83 %")), "{:?}", trial.warnings);
    }

    #[test]
    fn windows_that_nearly_agree_are_no_reason_for_a_warning() {
        let trial = added_up(seen(timed(), 20, 2, Duration::from_millis(300))).trial;
        assert_eq!(trial.warnings, Vec::<String>::new());
        assert!(trial.dtns.iter().all(|dtn| dtn.overlap.unwrap() > 0.9), "{:?}", trial.dtns);
    }

    #[test]
    fn of_a_whole_task_each_file_is_moved_by_one() {
        for (dtns, files) in [(2, 101), (3, 101), (4, 2)] {
            let trial = added_up(seen(Load::WholeTask, files, dtns, Duration::ZERO)).trial;
            let task = trial.task.unwrap();
            assert_eq!((task.files, task.files_done), (files, files));
            assert_eq!(task.bytes_done, files * 5 * MIB);
            assert_eq!(trial.requests["put"].count, files);
            let most = files.div_ceil(dtns.into()).div_ceil(MOVERS.into()) as f64;
            let took = most * 5.0 * MIB as f64 / STREAM;
            assert!((task.duration_s / took - 1.0).abs() < 0.2, "{} {took}", task.duration_s);
        }
    }

    #[test]
    fn percentiles_are_those_of_all_requests() {
        let seen = seen(timed(), 20, 3, Duration::ZERO);
        let samples = |finished: &Finished| finished.trial.requests["put"].service_time_us.samples;
        let each: u64 = seen.iter().map(|(_, finished)| samples(finished)).sum();
        assert_eq!(samples(&added_up(seen)), each);
    }
}
