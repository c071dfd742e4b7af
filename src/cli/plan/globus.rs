//! What a plan is told of Globus.

use std::path::PathBuf;
use std::time::Duration;

use super::question::read;
use crate::cli::options::time;
use tidegate::error::Result;
use tidegate::plan::{self, Event, Iperf3, Startup, Task};

/// What Globus adds, and what it took.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Globus")]
pub(super) struct Globus {
    /// Time that Globus adds to each task [default: 5.9s, from published tasks of one small file]
    #[arg(long, value_name = "TIME", value_parser = time)]
    globus_startup: Option<Duration>,
    /// Time that Globus adds to each file of a worker [default: 0s; no figure is published]
    #[arg(long, value_name = "TIME", value_parser = time)]
    globus_per_file: Option<Duration>,
    /// Real task to compare with: the output of `globus task show TASK_ID -F json`; can be repeated
    #[arg(long, value_name = "FILE")]
    globus_task: Vec<PathBuf>,
    /// Its events: the output of `globus task event-list TASK_ID -F json`
    #[arg(long, value_name = "FILE")]
    globus_events: Vec<PathBuf>,
    /// Test between the two DTNs: the output of `iperf3 --client HOST --json`
    #[arg(long, value_name = "FILE")]
    iperf3: Option<PathBuf>,
}

/// What the files say.
pub(super) struct Told {
    pub(super) tasks: Vec<Task>,
    pub(super) events: Vec<Event>,
    pub(super) iperf3: Option<Iperf3>,
}

impl Globus {
    /// What it adds.
    pub(super) fn startup(&self) -> Startup {
        let published = Startup::default();
        let seconds =
            |time: Option<Duration>, default| time.map_or(default, |time| time.as_secs_f64());
        Startup {
            startup_s: seconds(self.globus_startup, published.startup_s),
            per_file_s: seconds(self.globus_per_file, published.per_file_s),
        }
    }

    /// Reads its files.
    pub(super) fn read(&self) -> Result<Told> {
        let tasks = self.globus_task.iter().map(|file| read(file, Task::read));
        let events = self.globus_events.iter().map(|file| read(file, plan::events));
        Ok(Told {
            tasks: tasks.collect::<Result<_>>()?,
            events: events.collect::<Result<Vec<_>>>()?.concat(),
            iperf3: self.iperf3.as_ref().map(|file| read(file, Iperf3::read)).transpose()?,
        })
    }
}
