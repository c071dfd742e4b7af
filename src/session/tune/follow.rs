//! A DTN that follows in a search: it measures what the leader asks for, with as much of the budget as it is given.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::course::Course;
use super::jobs::{Jobs, own};
use super::told;
use super::{TuneOptions, look_ahead};
use crate::crew::Crew;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::prices::Usd;
use crate::result::Direction;
use crate::session::claim::Claim;
use crate::session::progress::Progress;
use crate::session::team::{Follower, Hello, Order};
use crate::session::visit::{Visit, both};
use crate::transfer::{Allowance, Caps, Dealt, Job, Spent};
use crate::trial::{Label, Load, Stop};
use crate::tune::{Lasts, Next};

/// A trial that others take part in.
#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    /// Its number.
    pub(super) id: u32,
    /// Which of the searches it is for.
    pub(super) search: usize,
    pub(super) next: Next,
    /// What each may spend.
    pub(super) bytes_max: Option<u64>,
    pub(super) cost_max: Option<Usd>,
}

/// What each of the datasets has, for the leader to compare.
pub(super) fn hello(options: &TuneOptions, courses: &[Course], visit: &Visit) -> Result<Hello> {
    let sizes = courses.iter().map(|course| (course.dataset.files(), course.dataset.bytes()));
    Ok(Hello::new(&told::scenario(options, courses, visit)?, sizes.collect()))
}

/// Takes part in the trials of a search.
///
/// # Errors
/// If the target cannot be used, the leader goes, or what was made cannot be removed.
pub(super) async fn follow(
    options: &TuneOptions,
    crew: &Crew,
    interrupt: &Interrupt,
    progress: &Progress,
) -> Result<()> {
    let ahead = look_ahead(options, interrupt, progress).await?;
    let visit = match ahead.opened {
        Some(visit) => visit,
        None => Visit::to_write(&options.target, Duration::ZERO, interrupt, progress).await?,
    };
    let follower = Follower { crew, interrupt };
    let ground = follower.join(&hello(options, &ahead.courses, &visit)?).await?;
    let claim = match options.files.exist() {
        true => Claim::to_read(&visit.bucket, &ground.prefix),
        false => Claim::guest(&visit.bucket, &ground.prefix, ground.marker, None),
    };
    let work = async {
        let jobs = Jobs::new(options, &claim);
        while let Order::Measure(asked) = follower.order::<Asked>().await? {
            let course = &ahead.courses[asked.search];
            let dealt = Dealt { rank: crew.rank(), of: course.dtns };
            let caps = Caps {
                bytes: asked.bytes_max,
                cost: asked.cost_max,
                ..ahead.estimate.caps(options)
            };
            let allowance = Arc::new(Allowance::new(caps, Spent::default()));
            let Next { settings, phase, block, lasts: Lasts { warm_up, window } } = asked.next;
            let job = jobs.trial(asked.id, settings, course, &allowance);
            let load = Load::Timed { warm_up, stop: Stop::at_once_after(window) };
            let label = Label { id: asked.id, phase, block };
            follower.measure(Job { dealt, ..job }, load, label, &visit.open.place).await?;
            let cleared = match course.direction {
                Direction::Up => claim.clear(&own(&jobs.below(asked.id, course), dealt)).await,
                Direction::Down => Ok(()),
            };
            follower.cleared(&cleared);
        }
        Ok(())
    };
    let worked = claim.while_alive(work).await;
    let released = claim.release().await;
    follower.cleared(&released);
    both(worked, released)
}
