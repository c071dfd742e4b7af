//! A plan in some lines for a terminal.

use super::super::facts::Table;
use super::facts;
use crate::escape;
use crate::plan::Plan;

/// The answer, a row for each number of DTNs, what it takes and costs, and what to do.
pub fn text(plan: &Plan) -> String {
    let mut lines = Lines::default();
    facts::answer(plan).into_iter().for_each(|(name, value)| lines.add(name, &value));
    if plan.forecasts.len() > 1 || plan.simulated.is_some() {
        lines.table(&facts::by_nodes(plan));
    }
    if let Some(tasks) = facts::tasks(plan) {
        lines.table(&tasks);
    }
    facts::tasks_say(plan).iter().for_each(|said| lines.add("Globus", said));
    plan.advice.iter().for_each(|advice| lines.add("advice", advice));
    plan.warnings.iter().for_each(|warning| lines.add("warning", warning));
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, label: &str, what: &str) {
        self.0.push_str(&format!("{label:<12} {}\n", escape::line(what)));
    }

    fn table(&mut self, table: &Table) {
        let columns: Vec<String> = table.columns.iter().map(|name| (*name).to_owned()).collect();
        let rows: Vec<&Vec<String>> = std::iter::once(&columns).chain(&table.rows).collect();
        let width = |column: usize| {
            let lengths = rows.iter().filter_map(|row| row.get(column));
            lengths.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns.len()).map(width).collect();
        self.0.push_str(&format!("\n{}:\n", table.caption));
        for row in rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            self.0.push_str(&format!("  {}\n", escape::line(line.trim_end())));
        }
        self.0.push('\n');
    }
}
