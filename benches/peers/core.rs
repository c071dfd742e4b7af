//! A core for the client and one for the servers, so that neither waits for the other, nor finds its
//! cache full of the other's data: on two cores that is most of the noise.

use std::path::{Path, PathBuf};
use std::process::Command;

use tidegate::measure;

use crate::peer::find;

#[derive(Clone, Copy, Debug)]
pub enum Core {
    Client = 0,
    Servers = 1,
}

impl Core {
    /// Starts a program on this core, where the machine has two and `taskset` (util-linux).
    pub fn command(self, program: &Path) -> Command {
        let Some(taskset) = taskset() else { return Command::new(program) };
        let mut command = Command::new(taskset);
        command.args(["--cpu-list", &(self as u32).to_string()]).arg(program);
        command
    }
}

/// What is done, for the report.
pub fn describe() -> &'static str {
    match taskset() {
        Some(_) => "the client on core 0, the servers on core 1 (`taskset`)",
        None => "client and servers on all cores: noisier than with `taskset` and two cores",
    }
}

fn taskset() -> Option<PathBuf> {
    find("taskset").ok().filter(|_| measure::cores() >= 2)
}
