//! One search of a session: what is searched, and until when.

use std::num::NonZeroU32;

use super::budget::Until;
use super::course::Course;
use super::estimate::Estimate;
use super::{TuneOptions, resume};
use crate::error::Result;
use crate::result::{Direction, Phase, Recommendation, Trial, Workload};
use crate::tune::{self, GcsOptions, Objective, Search, Way};

/// One search of a session.
pub(super) struct Leg {
    /// Its place among all.
    pub(super) number: usize,
    pub(super) course: Course,
    pub(super) search: Search,
    pub(super) until: Until,
    /// What comes after it had begun when the run was cut off.
    pub(super) over: bool,
}

impl Leg {
    /// All legs, after these trials of a run that was cut off.
    ///
    /// # Errors
    /// If the trials are not those of these options.
    pub(super) fn all(
        options: &TuneOptions,
        courses: Vec<Course>,
        estimate: &Estimate,
        trials: &[Trial],
    ) -> Result<Vec<Self>> {
        let count = courses.len() as u32;
        let caps = estimate.caps(options);
        let of = |workload: Workload| trials.iter().filter(move |trial| workload.is_of(trial));
        let has_trials: Vec<bool> =
            courses.iter().map(|course| of(course.workload()).next().is_some()).collect();
        let serves_all = trials.iter().any(|trial| trial.phase == Phase::BothWays);
        let leg = |(number, course): (u32, Course)| {
            Ok(Self {
                number: number as usize - 1,
                search: resume::search(&course.config, of(course.workload()))?,
                course,
                until: Until::share(options.means.time, &caps, number, count),
                over: serves_all || has_trials[number as usize..].contains(&true),
            })
        };
        (1..).zip(courses).map(leg).collect()
    }

    /// What its trials say.
    pub(super) fn recommendation(
        &self,
        trials: &[Trial],
        options: &TuneOptions,
    ) -> Option<Recommendation> {
        let course = &self.course;
        let gcs = &GcsOptions { measured: NonZeroU32::new(course.dtns), ..options.gcs };
        let mut found = tune::recommend(&self.search, course.direction)?;
        found.dataset = course.name.clone();
        found.dtns = course.of_several();
        if course.config.objective == Objective::EffectiveSpeed {
            found.effective_speed_bytes_per_second = Some(found.goodput_bytes_per_second);
            if let Some(soak) = found.soak(trials) {
                let goodput = soak.goodput_bytes_per_second;
                found.goodput_bytes_per_second = goodput;
                found.interval_95 = soak.goodput_interval_95.unwrap_or([goodput; 2]);
            }
        }
        let way = match course.direction {
            Direction::Up => Way::Up,
            Direction::Down => Way::Down(options.search.get),
        };
        found.gcs = tune::for_gcs(&self.search, found.settings, gcs);
        found.commands = tune::commands(found.settings, found.gcs.as_ref(), gcs, way);
        found.scaling = tune::scaling(&self.search, found.settings);
        Some(found)
    }
}
