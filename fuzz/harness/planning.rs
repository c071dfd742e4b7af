//! Files that a plan is made from, and the plan.

use super::text;
use crate::plan::{Gridftp, Iperf3, OwnFit, Plan, Task, events};
use crate::report::{self, Format};
use crate::result::SizeClasses;
use crate::session::load_plan;

/// A manifest in CSV: what it holds can be written into a plan and read again.
pub fn manifest(input: &[u8]) {
    let Ok(shape) = crate::plan::manifest(input) else { return };
    assert!(shape.files() >= 1.0 && shape.bytes() > 0.0, "{shape:?}");
    // No plan is made for more.
    if shape.bytes() <= 1e18 {
        let sizes = SizeClasses::from(shape);
        let written = serde_json::to_string(&sizes).expect("what was read can be written");
        assert_eq!(serde_json::from_str::<SizeClasses>(&written).ok(), Some(sizes));
    }
}

/// What iperf3 prints: what is read says how much parallelism there is to set.
pub fn iperf3(input: &[u8]) {
    let Ok(test) = Iperf3::read(&text(input)) else { return };
    assert!(test.stream_bytes_per_second.is_finite(), "{test:?}");
    let leg = Gridftp::of(Some(test), 600e6);
    let _ = (leg.sentence(), test.warning());
    assert!(matches!(leg.parallelism, Some(1..=8)), "{leg:?}");
}

/// What Globus says of tasks and their events, each behind an empty line.
pub fn globus_task(input: &[u8]) {
    let text = text(input);
    let tasks: Vec<Task> = text.split("\n\n").filter_map(|one| Task::read(one).ok()).collect();
    for task in &tasks {
        assert!(task.seconds > 0.0 && task.bytes > 0 && task.files > 0, "{task:?}");
    }
    let _ = OwnFit::of(&tasks);
    for one in text.split("\n\n") {
        let _ = events(one);
    }
}

/// A plan: what is read can be reported, and written and read again.
pub fn plan(input: &[u8]) {
    let directory = tempfile::tempdir().expect("there is room for a few files");
    let file = directory.path().join("plan.json");
    std::fs::write(&file, input).expect("it can be written");
    let Ok(Some(plan)) = load_plan(&file) else { return };
    let written = serde_json::to_vec(&plan).expect("what was read can be written");
    assert!(serde_json::from_slice::<Plan>(&written).is_ok(), "and read again");
    for format in [Format::Text, Format::Md, Format::Csv, Format::Html] {
        let _ = report::render(&plan, format);
    }
}
