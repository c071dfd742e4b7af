//! What a search has spent, and how much time that leaves.

use std::sync::Arc;
use std::time::Duration;

use crate::prices::Usd;
use crate::result::{self, Asked, Budget, Trial, Workload};
use crate::transfer::{self, Allowance, Caps};

/// What may be spent by the end of one search, with all that was spent before it.
#[derive(Clone, Debug)]
pub(super) struct Until {
    pub(super) time: Duration,
    pub(super) caps: Caps,
}

impl Until {
    /// The first `legs` of `of` searches spend at most an equal share each: what one leaves is the next
    /// one's own.
    pub(super) fn share(budget: Duration, caps: &Caps, legs: u32, of: u32) -> Self {
        let bytes = caps.bytes.map(|bytes| {
            let (legs, of) = (u64::from(legs), u64::from(of));
            bytes / of * legs + bytes % of * legs / of
        });
        let cost = caps.cost.map(|cost| Usd(cost.0 * f64::from(legs) / f64::from(of)));
        Self { time: budget * legs / of, caps: Caps { bytes, cost, ..caps.clone() } }
    }
}

/// What was spent so far, by all searches.
pub(super) struct Spent {
    /// Of bytes and money.
    allowance: Arc<Allowance>,
    /// What is searched now.
    workload: Option<Workload>,
    until: Duration,
    /// Preparation, and trials that were stopped.
    beside: Duration,
    trials: Vec<Cost>,
    used_up: Option<Budget>,
}

/// Of one trial.
struct Cost {
    workload: Workload,
    took: Duration,
    bytes: u64,
    usd: f64,
}

impl Spent {
    /// Nothing yet, or what a run that was cut off has spent: what it had moved in the trial that was cut
    /// off is not known.
    pub(super) fn new(whole: Until, cut_off: Option<&result::Document>) -> Self {
        let before = cut_off.and_then(|document| document.spent.as_ref());
        let before = before.map_or_else(transfer::Spent::default, |spent| transfer::Spent {
            bytes_up: spent.bytes_up,
            bytes_down: spent.bytes_down,
            requests: spent.requests,
            cost: Usd(spent.cost_usd),
        });
        let mut spent = Self {
            allowance: Arc::new(Allowance::new(whole.caps, before)),
            workload: None,
            until: whole.time,
            beside: Duration::ZERO,
            trials: Vec::new(),
            used_up: None,
        };
        cut_off.iter().flat_map(|document| &document.trials).for_each(|trial| spent.add(trial));
        spent
    }

    /// From now on this is searched. Which budget ended the search before it is not forgotten.
    pub(super) fn turn_to(&mut self, workload: Workload, until: &Until) {
        self.allowance = Arc::new(Allowance::new(until.caps.clone(), self.allowance.spent()));
        self.workload = Some(workload);
        self.until = until.time;
    }

    /// What jobs draw on.
    pub(super) fn allowance(&self) -> Arc<Allowance> {
        Arc::clone(&self.allowance)
    }

    /// A trial that is over.
    pub(super) fn add(&mut self, trial: &Trial) {
        let Some(Asked { took_s, bytes, cost_usd, .. }) = trial.asked else { return };
        self.trials.push(Cost {
            workload: trial.workload(),
            took: Duration::from_secs_f64(took_s),
            bytes,
            usd: cost_usd,
        });
    }

    /// Time that went into no trial.
    pub(super) fn add_beside(&mut self, took: Duration) {
        self.beside += took;
    }

    /// A trial was stopped because the allowance was used up. Which cap that was.
    pub(super) fn stopped(&mut self, took: Duration) -> Budget {
        self.add_beside(took);
        let Caps { bytes, cost, .. } = self.allowance.caps();
        let spent = self.allowance.spent();
        let share = |spent: f64, cap: Option<f64>| cap.map_or(0.0, |cap| spent / cap);
        let of_bytes = share(spent.bytes() as f64, bytes.map(|cap| cap as f64));
        let of_cost = share(spent.cost.0, cost.map(|cap| cap.0));
        let budget = if of_cost > of_bytes { Budget::Cost } else { Budget::Bytes };
        self.used_up = Some(budget);
        budget
    }

    /// The budget is too small for more: not for another trial, or not for one in each of a block.
    pub(super) fn ends_the_search(&mut self) {
        self.used_up = Some(self.least().1);
    }

    fn time(&self) -> Duration {
        self.beside + self.trials.iter().map(|trial| trial.took).sum::<Duration>()
    }

    /// Time that is left of what may be spent by the end of this search.
    pub(super) fn left(&self) -> Duration {
        self.until.saturating_sub(self.time())
    }

    /// The same as the smallest of the budgets has it, at the pace of the dearest trial so far; in whole
    /// microseconds, as it is saved.
    pub(super) fn time_left(&self) -> Duration {
        Duration::from_micros(self.least().0.as_micros() as u64)
    }

    fn least(&self) -> (Duration, Budget) {
        let Caps { bytes, cost, .. } = self.allowance.caps();
        let spent = self.allowance.spent();
        let own =
            self.trials.iter().filter(|trial| Some(&trial.workload) == self.workload.as_ref());
        let pace = own
            .map(Cost::per_second)
            .fold((0.0_f64, 0.0_f64), |most, one| (most.0.max(one.0), most.1.max(one.1)));
        let lasts = |left: f64, pace: f64| {
            Duration::try_from_secs_f64(left / pace).unwrap_or(Duration::MAX)
        };
        let bytes = bytes.map(|cap| lasts(cap.saturating_sub(spent.bytes()) as f64, pace.0));
        let cost = cost.map(|cap| lasts((cap.0 - spent.cost.0).max(0.0), pace.1));
        let time = (self.left(), Budget::Time);
        let others =
            [bytes.map(|left| (left, Budget::Bytes)), cost.map(|left| (left, Budget::Cost))];
        let others = others.into_iter().flatten();
        others.fold(time, |least, next| if next.0 < least.0 { next } else { least })
    }

    /// For the document.
    pub(super) fn total(&self) -> result::Spent {
        let transfer::Spent { bytes_up, bytes_down, requests, cost } = self.allowance.spent();
        result::Spent {
            duration_s: self.time().as_secs_f64(),
            bytes_up,
            bytes_down,
            requests,
            cost_usd: cost.0,
            prices: self.allowance.caps().prices.name.clone(),
            used_up: self.used_up,
        }
    }
}

impl Cost {
    /// Bytes and money.
    fn per_second(&self) -> (f64, f64) {
        let seconds = self.took.as_secs_f64().max(1e-3);
        (self.bytes as f64 / seconds, self.usd / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Traffic;

    const GB: u64 = 1_000_000_000;

    fn all(direction: Traffic) -> Workload {
        Workload { direction, dataset: None, dtns: None }
    }

    /// 40 GB of 100 GB are spent, which is 0.28 USD.
    fn spent(cost: f64) -> Spent {
        let caps = Caps { bytes: Some(100 * GB), cost: Some(Usd(cost)), ..Caps::default() };
        let so_far =
            transfer::Spent { bytes_up: 40 * GB, cost: Usd(0.28), ..transfer::Spent::default() };
        Spent {
            allowance: Arc::new(Allowance::new(caps, so_far)),
            workload: Some(all(Traffic::Up)),
            until: Duration::from_secs(600),
            beside: Duration::ZERO,
            trials: Vec::new(),
            used_up: None,
        }
    }

    fn trial(gigabytes: u64) -> Cost {
        let usd = 0.007 * gigabytes as f64;
        let (workload, bytes) = (all(Traffic::Up), gigabytes * GB);
        Cost { workload, took: Duration::from_secs(10), bytes, usd }
    }

    fn least(spent: &Spent) -> (u64, Budget) {
        (spent.least().0.as_secs(), spent.least().1)
    }

    #[test]
    fn before_any_trial_there_is_all_of_the_time() {
        assert_eq!(least(&spent(1.0)), (600, Budget::Time));
    }

    #[test]
    fn the_smallest_budget_decides_at_the_pace_of_the_dearest_trial() {
        let mut spent = spent(10.0);
        spent.trials = vec![trial(1), trial(8)];
        assert_eq!(least(&spent), (75, Budget::Bytes), "60 GB at 0.8 GB/s");
        spent.beside = Duration::from_secs(540);
        assert_eq!(least(&spent), (40, Budget::Time));
    }

    #[test]
    fn money_is_a_budget_like_the_others() {
        let mut spent = spent(0.38);
        spent.trials.push(trial(5));
        assert_eq!(least(&spent), (28, Budget::Cost), "0.10 USD at 0.0035 USD a second");
        spent.ends_the_search();
        assert_eq!(spent.total().used_up, Some(Budget::Cost));
    }

    #[test]
    fn of_two_searches_each_has_half_and_the_second_what_the_first_leaves() {
        let whole = spent(1.0).allowance.caps().clone();
        let share = |legs| Until::share(Duration::from_secs(600), &whole, legs, 2);
        let (first, second) = (share(1), share(2));
        let of = |until: &Until| (until.time.as_secs(), until.caps.bytes, until.caps.cost);
        assert_eq!(of(&first), (300, Some(50 * GB), Some(Usd(0.5))));
        assert_eq!(of(&second), (600, Some(100 * GB), Some(Usd(1.0))));
        // The first search has spent 40 GB: the second has its own 50 GB, and the 10 GB that are left.
        let mut spent = spent(10.0);
        spent.trials.push(trial(20));
        spent.workload = Some(all(Traffic::Down));
        assert_eq!(least(&spent), (590, Budget::Time), "trials up say nothing of those down");
        spent.trials.push(Cost { workload: all(Traffic::Down), ..trial(5) });
        assert_eq!(least(&spent), (120, Budget::Bytes));
    }
}
