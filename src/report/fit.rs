//! A fitted link as a page.

use super::page::{Block, Facts, Page, Section};
use super::table::Table;
use super::{Report, json};
use crate::error::Result;
use crate::fit::{Estimate, Fit, Held, Row};
use crate::units::{ByteSize, Rate, counted};
use crate::words;

/// What was measured and what is simulated lie so many times as far apart as chance lets them: worth a word.
const MISFIT: f64 = 1.5;

impl Report for Fit {
    fn brief(&self) -> Vec<Block> {
        vec![
            self.answer().into(),
            self.numbers_table().into(),
            self.sums().into(),
            self.settings_table().into(),
            self.notes().into(),
        ]
    }

    fn page(&self) -> Page {
        let sections = [
            Section::new("The link", [self.numbers_table().into(), self.sums().into()]),
            Section::new("What was measured beside it", [self.settings_table().into()]),
            Section::new("Notes", [self.notes().into()]),
        ];
        let sections = sections.map(Block::Section);
        let blocks = [self.answer().into()].into_iter().chain(sections).collect();
        Page { title: "A fitted link".into(), blocks }
    }

    fn numbers(&self) -> Table {
        Table::numbers(
            &[
                ("parameter", |one: &&Estimate| one.parameter.name().to_owned()),
                ("value", |one| one.value.to_string()),
                ("low_90", |one| end(one, 0)),
                ("high_90", |one| end(one, 1)),
            ],
            &self.parameters,
        )
    }

    fn json(&self) -> Result<String> {
        json(self)
    }
}

impl Fit {
    /// How well it fits, before anything else.
    fn answer(&self) -> Facts {
        let mut facts = Facts::default();
        facts.add("fits", self.how_well());
        if self.misfit > MISFIT {
            facts.add(
                "warning",
                format!(
                    "the measurements differ from this link {:.1} times as much as repeated trials differ from each other: the real link has another shape than the model, and the intervals are wider by that factor",
                    self.misfit
                ),
            );
        }
        facts.add("fitted to", self.runs.join(", "));
        facts.add("else like", &self.like);
        facts
    }

    fn how_well(&self) -> String {
        let rows = counted(self.settings.len() as u64, "setting");
        let missed: Vec<String> = self
            .settings
            .iter()
            .filter(|row| row.missed)
            .map(|row| words::settings(row.settings))
            .collect();
        match (self.is_usable, missed.is_empty()) {
            (false, _) => format!(
                "NOT AT ALL: no link of this model does what was measured at {rows}; do not use this one"
            ),
            (true, true) => format!("all of {rows}, to 5 % or to chance"),
            (true, false) => format!(
                "all but {} of {rows}; do not plan with settings near {}",
                missed.len(),
                missed.join("; ")
            ),
        }
    }

    fn numbers_table(&self) -> Table {
        let row = |one: &Estimate| {
            let said = one.parameter.said(one.value);
            [one.parameter.name().to_owned(), said, self.rests_on(one)]
        };
        let columns = ["number", "value", "90 % interval"];
        let caption = "Each number with an interval that holds in 9 of 10 such fits";
        Table::new(caption, columns, self.parameters.iter().map(row))
    }

    fn rests_on(&self, estimate: &Estimate) -> String {
        let said = |end| estimate.parameter.said(end);
        match (estimate.held, estimate.interval_90) {
            (Held::NotReached, _) => {
                format!("not reached: taken from {}, or what was carried", self.like)
            }
            (Held::Absent, _) => "none was seen".into(),
            (Held::Measured, Some([low, high])) => format!("{} to {}", said(low), said(high)),
            _ => format!("not seen: taken from {}", self.like),
        }
    }

    /// What requests do not tell apart.
    fn sums(&self) -> Facts {
        let told = format!(
            "requests do not tell the terms of a row apart: only their sum was measured. The round trip of {} is taken from {}, as far as the sums allow; the other terms are what is left of them",
            words::milliseconds(self.round_trip_s),
            self.like
        );
        Facts::from([("known as sums", told)])
    }

    fn settings_table(&self) -> Table {
        let columns = ["settings", "way", "files of", "trials", "measured", "simulated", "off", ""];
        let caption =
            "Trials with the same settings and times, and what the fitted link carries with these";
        Table::new(caption, columns, self.settings.iter().map(row))
    }

    fn notes(&self) -> Facts {
        let mut notes = Facts::default();
        notes.add_each("note", self.left_out.iter().chain(&self.taken_for));
        notes
    }
}

fn row(row: &Row) -> [String; 8] {
    let measured = row.measured_bytes_per_second;
    let simulated = row.simulated_bytes_per_second;
    let off = simulated.map(|simulated| simulated / measured.max(f64::MIN_POSITIVE) - 1.0);
    [
        words::settings(row.settings),
        words::direction(row.direction).to_owned(),
        ByteSize(row.mean_file_bytes.round() as u64).to_string(),
        row.trials.to_string(),
        Rate(measured).to_string(),
        simulated.map_or_else(String::new, |rate| Rate(rate).to_string()),
        off.map_or_else(String::new, words::signed_percent),
        if row.missed { "does not fit".into() } else { String::new() },
    ]
}

fn end(estimate: &Estimate, which: usize) -> String {
    estimate.interval_90.map_or_else(String::new, |ends| ends[which].to_string())
}
