//! What `tidegate tune` and its peers answer for a link, and what that is worth.

use tidegate::result::{Document, Settings, Verdict};

use crate::Result;
use crate::draw::Link;
use crate::program::{Bench, Cell, Tuned};
use crate::truth::{REFUSED_MAX, Truths};

/// How long the tuner may search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget(pub String);

impl Budget {
    /// The word for what the program takes by itself.
    pub const DEFAULT: &str = "default";

    fn options(&self) -> Vec<&str> {
        match self.0.as_str() {
            Self::DEFAULT => Vec::new(),
            time => vec!["--budget", time],
        }
    }
}

/// An answer for a link.
#[derive(Clone, Debug)]
pub struct Answer {
    pub link: Link,
    /// `tidegate`, or a peer's name.
    pub who: &'static str,
    pub budget: String,
    /// Of the program.
    pub code: Option<i32>,
    pub recommended: Option<Recommended>,
    pub bytes: f64,
    /// The best settings.
    pub best: Cell,
    /// What went wrong.
    pub fault: Option<String>,
}

/// What was recommended.
#[derive(Clone, Copy, Debug)]
pub struct Recommended {
    pub settings: Settings,
    /// Peers have none.
    pub verdict: Option<Verdict>,
    /// The goodput that was told.
    pub told: f64,
    /// What it is in the long run.
    pub worth: Cell,
}

/// How near a told goodput is to be.
const TOLD_WITHIN: f64 = 0.05;

/// What is better by less is not missed.
const MARGIN: f64 = 0.05;

impl Answer {
    /// Asks the tuner.
    pub fn of_tidegate(
        link: &Link,
        bench: &Bench,
        truths: &Truths,
        budget: &Budget,
        more: &[String],
    ) -> Result<Self> {
        let mut options = budget.options();
        options.extend(more.iter().map(String::as_str));
        let tuned = bench.tune(&options, link.number)?;
        let mut answer = Self::nothing(link, bench, truths, "tidegate", &budget.0)?;
        answer.code = tuned.code;
        answer.fault = fault(&tuned);
        let Some(document) = &tuned.document else { return Ok(answer) };
        answer.bytes = document.spent.as_ref().map_or(0.0, |spent| spent.bytes_up as f64);
        answer.recommended = recommended(document, |settings| truths.worth(link, bench, settings))?;
        Ok(answer)
    }

    /// None so far.
    pub fn nothing(
        link: &Link,
        bench: &Bench,
        truths: &Truths,
        who: &'static str,
        budget: &str,
    ) -> Result<Self> {
        let best = truths.of(link, bench)?.best().ok_or("no settings were measured")?;
        Ok(Self {
            link: link.clone(),
            who,
            budget: budget.into(),
            code: None,
            recommended: None,
            bytes: 0.0,
            best,
            fault: None,
        })
    }

    /// max(0, 0.95 best - chosen) / best.
    pub fn excess_regret(&self) -> Option<f64> {
        let share = self.share_of_the_best()?;
        Some((1.0 - MARGIN - share).max(0.0))
    }

    /// Chosen / best.
    pub fn share_of_the_best(&self) -> Option<f64> {
        Some(self.recommended?.worth.goodput / self.best.goodput)
    }

    /// It says "clear", and something is better by more than the margin.
    pub fn is_falsely_clear(&self) -> bool {
        let clear = self.recommended.is_some_and(|one| one.verdict == Some(Verdict::Clear));
        clear && self.excess_regret().is_some_and(|regret| regret > 0.0)
    }

    pub fn tells_the_long_run(&self) -> bool {
        self.recommended
            .is_some_and(|one| (one.told / one.worth.goodput - 1.0).abs() <= TOLD_WITHIN)
    }

    pub fn is_let_in(&self) -> bool {
        self.recommended.is_some_and(|one| one.worth.refused <= REFUSED_MAX)
    }
}

/// Only 0 with a recommendation and 1 without are answers.
fn fault(tuned: &Tuned) -> Option<String> {
    let recommends = tuned.document.as_ref().is_some_and(|one| one.recommendation.is_some());
    match (tuned.code, recommends) {
        (Some(0), true) | (Some(1), false) => None,
        (code, _) => Some(format!("exit code {code:?}: {}", tuned.said)),
    }
}

fn recommended(
    document: &Document,
    worth: impl Fn(Settings) -> Result<Cell>,
) -> Result<Option<Recommended>> {
    let Some(found) = &document.recommendation else { return Ok(None) };
    Ok(Some(Recommended {
        settings: found.settings,
        verdict: Some(found.verdict),
        told: found.goodput_bytes_per_second,
        worth: worth(found.settings)?,
    }))
}
