//! How much load a trial puts on the store, and when it is over: values, for one engine.

use std::time::Duration;

use crate::transfer::{Order, Quota};

/// How long a trial warms up and is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// The whole dataset once: measured from the first request to the last.
    WholeTask,
    /// Files round and round: at least `warm_up`, and until every mover has moved something; then the
    /// window opens, until it is told to stop.
    Timed {
        /// Least time before the window opens.
        warm_up: Duration,
        /// When the window closes.
        stop: Stop,
    },
}

/// When a window closes: at the first of these. With none of them only an interrupt ends the trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// So much later than it opened.
    pub window: Option<Duration>,
    /// When so many objects have begun since the start of the trial and a mover finds no next one.
    /// Those that have begun go on to their end, outside of the window.
    pub objects: Option<u64>,
    /// The same for bytes of objects.
    pub bytes: Option<u64>,
    /// When the last so much of it was stable ([`crate::stats::is_stable`]). That is then measured.
    pub stable: Option<Duration>,
    /// What becomes of what is then under way.
    pub then: Then,
}

/// What becomes of the attempts that are under way when a window closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// They may end, and count if they end well; so the window waits until every mover has moved something.
    #[default]
    Drain,
    /// They are let go at once, and what they have carried counts. Nothing waits for a part to end.
    LetGo,
}

impl Stop {
    /// After so much time.
    pub fn after(window: Duration) -> Self {
        Self { window: Some(window), ..Self::default() }
    }

    /// After so much time, and nothing is waited for.
    pub fn at_once_after(window: Duration) -> Self {
        Self { then: Then::LetGo, ..Self::after(window) }
    }
}

impl Load {
    /// How long it takes at least, as far as that is known before it begins.
    pub fn at_least(self) -> Duration {
        match self {
            Self::WholeTask => Duration::ZERO,
            Self::Timed { warm_up, stop } => warm_up + stop.window.unwrap_or_default(),
        }
    }

    /// Which files a job under this load moves.
    pub fn order(self) -> Order {
        match self {
            Self::WholeTask => Order::Once,
            Self::Timed { stop: Stop { objects: None, bytes: None, .. }, .. } => Order::ForEver,
            Self::Timed { stop: Stop { objects, bytes, .. }, .. } => {
                Order::UpTo(Quota { objects, bytes })
            }
        }
    }
}
