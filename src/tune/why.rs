//! A recommendation's reasons in a sentence or two.

use std::fmt::{Display, Formatter, Result};

use super::margin::differ;
use super::{Ceiling, Objective};
use crate::result::{Comparison, LimitedBy, Settings, Verdict};
use crate::units::counted;
use crate::words;

/// What a recommendation rests on.
pub(super) struct Basis<'a> {
    pub(super) objective: Objective,
    pub(super) chosen: Settings,
    pub(super) leader: Settings,
    pub(super) current: Settings,
    pub(super) verdict: Verdict,
    pub(super) limited_by: Option<LimitedBy>,
    /// Against all that were raced.
    pub(super) within_margin_shown: bool,
    /// Against those that were confirmed.
    pub(super) shown_of_confirmed: bool,
    pub(super) against_current: Option<Comparison>,
    pub(super) same_settings_twice: Option<Comparison>,
    /// Whether more streams were compared, or cannot be had.
    pub(super) has_seen_more: bool,
    /// Whether the soak carried what the trials promised.
    pub(super) keeps_its_promise: bool,
    pub(super) range: Range<'a>,
    pub(super) blocks: usize,
    pub(super) smallest: Option<f64>,
}

/// What was tried, and what could not be.
pub(super) struct Range<'a> {
    /// Fewest streams at which anything was told to slow down.
    pub(super) throttled_from: Option<u32>,
    /// Most streams of a trial.
    pub(super) streams_tried: u32,
    /// Most files in flight that were allowed, and by whom.
    pub(super) most: u32,
    pub(super) ceiling: Ceiling,
    pub(super) left_out: usize,
    pub(super) excluded: &'a [(Settings, String)],
}

impl Display for Basis<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.choice(f)?;
        self.against_current(f)?;
        f.write_str(match self.verdict {
            Verdict::Limited => "; but something other than the settings held the rate down",
            Verdict::Indistinguishable => "; the measurements do not prove all of this",
            Verdict::NotSteady => "; but most trials had not become steady: give a longer --window",
            Verdict::StillRising | Verdict::Clear => "",
        })?;
        if let Some(limit) = self.limited_by {
            write!(f, ": {}", words::limited_by(limit))?;
        }
        if self.verdict == Verdict::Indistinguishable && !self.has_seen_more {
            f.write_str(
                "; settings with more streams were not compared with these: that takes a larger --budget",
            )?;
        }
        if self.verdict == Verdict::StillRising {
            self.still_rising(f)?;
        }
        if !self.keeps_its_promise {
            f.write_str(
                "; held for the soak, it carried less than its shorter trials had promised",
            )?;
        }
        if let Some(streams) = self.range.throttled_from {
            let most = self.range.streams_tried;
            write!(
                f,
                "; throttling began at {streams} streams, and more than {most} were not tried"
            )?;
        }
        if differ(self.same_settings_twice) {
            f.write_str("; the same settings measured twice differed, so trials vary more than their intervals suggest")?;
        }
        if self.range.left_out > 0 {
            let candidates = counted(self.range.left_out, "candidate");
            write!(f, "; the budget left {candidates} near the knee untried")?;
        }
        if let [(settings, why), others @ ..] = self.range.excluded {
            let are = if others.is_empty() { "is" } else { "are" };
            write!(
                f,
                "; {} of the candidates {are} not possible, such as {}: {why}",
                self.range.excluded.len(),
                words::settings(*settings)
            )?;
        }
        let Some(smallest) = self.smallest else { return Ok(()) };
        write!(
            f,
            " ({} can show differences of {} or more)",
            counted(self.blocks, "block"),
            words::percent(smallest)
        )
    }
}

impl Basis<'_> {
    fn choice(&self, f: &mut Formatter<'_>) -> Result {
        let (leader, what) = (words::settings(self.leader), self.objective);
        match (self.chosen == self.leader, self.shown_of_confirmed) {
            (true, true) => write!(
                f,
                "the highest {what}, and nothing cheaper is shown to come within 5 % of it",
            ),
            (true, false) => {
                write!(
                    f,
                    "the highest {what} of what was compared, and nothing cheaper came near it"
                )
            }
            (false, true) if self.within_margin_shown => write!(
                f,
                "the cheapest settings shown to be within 5 % of the highest {what} ({leader})"
            ),
            (false, true) => write!(
                f,
                "the cheapest settings shown to be within 5 % of all that were confirmed, near the highest {what} ({leader})"
            ),
            (false, false) => {
                write!(f, "the cheapest settings that came near the highest {what} ({leader})")
            }
        }
    }

    fn still_rising(&self, f: &mut Formatter<'_>) -> Result {
        let Range { most, ceiling, .. } = self.range;
        write!(f, "; but it is still rising at {most} files in flight, the most ")?;
        match ceiling {
            Ceiling::Asked => write!(
                f,
                "that were allowed: try --max-concurrency {}",
                most.saturating_mul(4)
            ),
            Ceiling::Endpoint => f.write_str("transfers that the endpoint allows a project"),
            Ceiling::Caps => f.write_str("that --max-bytes leaves room for: give a larger one"),
            Ceiling::Machine => f.write_str(
                "that this machine has memory and open files for: try a larger one, or a higher ulimit -n",
            ),
        }
    }

    fn against_current(&self, f: &mut Formatter<'_>) -> Result {
        let current = words::settings(self.current);
        match self.against_current {
            _ if self.chosen == self.current => f.write_str("; it is what is set now"),
            Some(comparison) => {
                write!(f, "; {:.2} times the current default ({current})", comparison.ratio)
            }
            None => write!(f, "; not compared with the current default ({current})"),
        }
    }
}
