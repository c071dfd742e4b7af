//! A plan as a page complete in itself, with the same style as that of a run.

use super::super::chart;
use super::super::facts::Table;
use super::super::html::markup::{self, Markup, element};
use super::super::html::{document, figure};
use super::facts;
use crate::error::Result;
use crate::plan::Plan;

/// The whole page.
pub fn page(plan: &Plan) -> Result<String> {
    let title = format!("Plan: {}", plan.dataset.name);
    Ok(document(&title, section(plan)?))
}

/// Everything about a plan, from `<h2>` down.
fn section(plan: &Plan) -> Result<Markup> {
    let charts = chart::plan::all(plan).into_iter().map(|(_, chart)| figure(&chart));
    let charts: Markup = charts.collect::<Result<_>>()?;
    let tables = [
        Some(facts::by_nodes(plan)),
        Some(facts::by_file_size(plan)),
        Some(facts::scorecard(plan)),
        facts::tasks(plan),
    ];
    let tables: Markup =
        tables.iter().flatten().map(|table: &Table| markup::table(table)).collect();
    Ok([
        element("h2", "The answer"),
        markup::definitions(facts::answer(plan)),
        element("h2", "What to do"),
        markup::list(plan.advice.iter().cloned()),
        list("Careful", &plan.warnings),
        element("h2", "Charts"),
        charts,
        element("h2", "Numbers"),
        tables,
        list("Globus's own tasks", &facts::tasks_say(plan)),
        list("Runs that it rests on", &plan.runs),
        list("Assumptions", &plan.assumptions),
    ]
    .into())
}

fn list(title: &'static str, items: &[String]) -> Markup {
    match items {
        [] => Markup::default(),
        items => [element("h2", title), markup::list(items.iter().cloned())].into(),
    }
}
