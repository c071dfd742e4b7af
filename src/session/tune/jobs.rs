//! What the movers of a trial do.

use std::sync::Arc;

use super::TuneOptions;
use super::course::Course;
use super::estimate::stored_part_size;
use crate::dataset::Pattern;
use crate::result::{Direction, Settings};
use crate::session::claim::Claim;
use crate::transfer::{Allowance, Dealt, Job, Ledger, Order, PATTERN_SEED, Start};

/// Makes the jobs of a search.
pub(super) struct Jobs<'a> {
    options: &'a TuneOptions,
    /// Its bytes are made once for all trials.
    pattern: Pattern,
    prefix: String,
    ledger: Arc<Ledger>,
}

impl<'a> Jobs<'a> {
    /// Of what is claimed.
    pub(super) fn new(options: &'a TuneOptions, claim: &Claim<'_>) -> Self {
        let (prefix, ledger) = (claim.prefix().to_owned(), claim.ledger());
        Self { options, pattern: Pattern::new(PATTERN_SEED), prefix, ledger }
    }

    /// Where the files of a trial are, below the prefix.
    pub(super) fn below(&self, id: u32, course: &Course) -> String {
        match course.direction {
            Direction::Up => format!("t{id}/"),
            Direction::Down if self.options.files.exist() => String::new(),
            Direction::Down => course.objects(),
        }
    }

    /// The trial with this number.
    pub(super) fn trial(
        &self,
        id: u32,
        settings: Settings,
        course: &Course,
        allowance: &Arc<Allowance>,
    ) -> Job {
        // Each trial draws anew: the same draw in all would be a bias of its own.
        let seed = self.options.search.rules.seed.wrapping_add(u64::from(id) << 16);
        Job { seed, ..self.job(settings, course, &self.below(id, course), allowance) }
    }

    /// Uploads the objects that are downloaded in every trial.
    pub(super) fn preparation(&self, course: &Course, allowance: &Arc<Allowance>) -> Job {
        let upwards = Course { direction: Direction::Up, ..course.clone() };
        let settings = Settings {
            part_size_bytes: stored_part_size(self.options, &course.config),
            concurrency: self.options.search.current_concurrency,
            parts_in_flight: 1,
        };
        Job {
            order: Order::Once,
            start: Start::Fresh,
            verify: false,
            keep_attempts: false,
            ..self.job(settings, &upwards, &course.objects(), allowance)
        }
    }

    fn job(
        &self,
        settings: Settings,
        course: &Course,
        below: &str,
        allowance: &Arc<Allowance>,
    ) -> Job {
        let (options, direction) = (self.options, course.direction);
        let prefix = format!("{}{below}", self.prefix);
        Job {
            pattern: self.pattern.clone(),
            get: options.search.get,
            verify: options.reads_back(direction),
            order: Order::ForEver,
            spread: options.search.rules.times.warm_up.mul_f64(0.5),
            start: Start::Midway,
            seed: options.search.rules.seed,
            keep_attempts: options.saving.attempts,
            allowance: Some(Arc::clone(allowance)),
            ledger: Arc::clone(&self.ledger),
            ..options.target.job(Arc::clone(&course.dataset), direction.into(), settings, prefix)
        }
    }
}

/// Where what one DTN has uploaded in a trial is, below the files of that.
pub(super) fn own(below: &str, dealt: Dealt) -> String {
    format!("{below}{}", dealt.folder())
}
