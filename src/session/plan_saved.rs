//! A plan on disk, beside the runs that it rests on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::marker::compact_now;
use super::record::{command, now_rfc3339};
use crate::error::{Error, Result};
use crate::outside::{self, DOCUMENT_MAX};
use crate::plan::{Plan, SCHEMA};
use crate::result::RESULT;

/// The name of the document in a plan's directory.
const PLAN: &str = "plan.json";

/// Dates a plan, and writes it with its report into a directory of its own below `results`.
///
/// # Errors
/// If a file cannot be written or a chart cannot be drawn.
pub fn save_plan(plan: Plan, results: &Path) -> Result<(Plan, PathBuf)> {
    let plan = Plan { made: now_rfc3339(), command: command(), ..plan };
    let directory = results.join(format!("plan-{}-{:04x}", compact_now(), fastrand::u16(..)));
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

/// Reads a plan by its directory or by its `plan.json`; `None` if there is another thing, or nothing.
///
/// # Errors
/// If it cannot be read, or another version wrote it.
pub fn load_plan(path: &Path) -> Result<Option<Plan>> {
    #[derive(serde::Deserialize)]
    struct Any {
        schema: Option<String>,
    }
    let file = match path.is_dir() && !path.join(RESULT).is_file() {
        true => path.join(PLAN),
        false => path.to_owned(),
    };
    let cannot = |why: &dyn std::fmt::Display| {
        Error::environment(format!("cannot read the plan {}: {why}", file.display()))
            .hint("make it again: its command is in it")
    };
    let text = match outside::text(&file, DOCUMENT_MAX) {
        Ok(text) => text,
        Err(error) if file.ends_with(PLAN) && error.kind() != ErrorKind::NotFound => {
            return Err(cannot(&error));
        }
        Err(_) => return Ok(None),
    };
    let schema = serde_json::from_str::<Any>(&text).ok().and_then(|any| any.schema);
    match schema.as_deref() {
        Some(SCHEMA) => {
            let plan: Plan = serde_json::from_str(&text).map_err(|error| cannot(&error))?;
            match plan.forecasts.is_empty() {
                true => Err(cannot(&"there is no forecast in it")),
                false => Ok(Some(plan)),
            }
        }
        Some(other) if other.starts_with("tidegate.plan/") => {
            Err(cannot(&format!("another version wrote it ({other})")))
        }
        _ => Ok(None),
    }
}
