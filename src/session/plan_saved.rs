//! A plan on disk, beside the runs that it rests on.

use std::path::{Path, PathBuf};

use super::record::{command, new_id, now_rfc3339};
use crate::error::{Error, Result};
use crate::plan::Plan;

/// The name of the document in a plan's directory.
const PLAN: &str = "plan.json";

/// Dates a plan, and writes it with its report into a directory of its own below `results`.
///
/// # Errors
/// If a file cannot be written or a chart cannot be drawn.
pub fn save_plan(plan: Plan, results: &Path) -> Result<(Plan, PathBuf)> {
    let plan = Plan { made: now_rfc3339(), command: command(), ..plan };
    let directory = results.join(format!("plan-{}", new_id()));
    let cannot = |error: &dyn std::fmt::Display| {
        Error::environment(format!("cannot write the plan to {}: {error}", directory.display()))
            .hint("choose another directory with --results DIR")
    };
    std::fs::create_dir_all(&directory).map_err(|error| cannot(&error))?;
    let json = serde_json::to_string_pretty(&plan).map_err(|error| cannot(&error))?;
    std::fs::write(directory.join(PLAN), json + "\n").map_err(|error| cannot(&error))?;
    crate::report::write_plan(&plan, &directory)?;
    Ok((plan, directory))
}
