//! A plan in Markdown.

use super::super::markdown::Page;
use super::facts;
use crate::plan::Plan;

/// Everything about a plan.
pub fn markdown(plan: &Plan) -> String {
    let mut page = Page::default();
    page.heading(1, &format!("Plan: {}", plan.dataset.name));
    page.facts(&facts::answer(plan));
    page.heading(2, "What to do");
    page.list(&plan.advice);
    page.list(
        &plan.warnings.iter().map(|warning| format!("Careful: {warning}")).collect::<Vec<_>>(),
    );
    page.heading(2, "Numbers");
    page.table(&facts::by_nodes(plan));
    page.table(&facts::by_file_size(plan));
    page.table(&facts::scorecard(plan));
    if let Some(tasks) = facts::tasks(plan) {
        page.table(&tasks);
    }
    page.list(&facts::tasks_say(plan));
    page.heading(2, "What it rests on");
    page.list(&plan.runs);
    page.list(&plan.assumptions);
    page.into_string()
}
