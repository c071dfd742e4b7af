//! A plan as something to read: what [`facts`] says, in each form.

mod facts;
mod html;
mod markdown;
mod text;

use std::path::Path;

use super::{Format, PAGE, chart, write, write_chart};
use crate::csv;
use crate::error::{Error, Result};
use crate::plan::Plan;

/// A plan in a format.
///
/// # Errors
/// If a chart cannot be drawn.
pub fn plan(plan: &Plan, format: Format) -> Result<String> {
    match format {
        Format::Text => Ok(text::text(plan)),
        Format::Md => Ok(markdown::markdown(plan)),
        Format::Html => html::page(plan),
        Format::Csv => {
            let table = facts::by_nodes(plan);
            Ok(csv::row(&table.columns) + &table.rows.iter().map(csv::row).collect::<String>())
        }
        Format::Json => {
            let json = serde_json::to_string_pretty(plan);
            json.map_err(|error| Error::environment(format!("no JSON: {error}")))
        }
    }
}

/// Writes `report.html` and the charts of a plan into a directory, which exists.
///
/// # Errors
/// If a file cannot be written or a chart cannot be drawn.
pub fn write_plan(plan: &Plan, directory: &Path) -> Result<()> {
    write_plan_charts(plan, directory)?;
    write(&directory.join(PAGE), &html::page(plan)?)
}

/// Writes the charts of a plan into a directory, which exists.
///
/// # Errors
/// If a file cannot be written or a chart cannot be drawn.
pub fn write_plan_charts(plan: &Plan, directory: &Path) -> Result<()> {
    chart::plan::all(plan)
        .into_iter()
        .try_for_each(|(name, chart)| write_chart(name, &chart, directory))
}
