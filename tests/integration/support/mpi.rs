//! Launchers of MPI, and a tidegate that was built for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Pid;

use super::tools;

/// A launcher and what it starts.
pub struct Mpi {
    launcher: PathBuf,
    options: &'static [&'static str],
    tidegate: PathBuf,
}

impl Mpi {
    /// Open MPI and MPICH, as far as this machine has them.
    pub fn all() -> Vec<Self> {
        let kinds: [(&str, &str, &[&str]); 2] = [
            ("mpirun.openmpi", "tidegate-openmpi", &["--oversubscribe"]),
            ("mpirun.mpich", "tidegate-mpich", &[]),
        ];
        let found = kinds.into_iter().filter_map(|(launcher, tidegate, options)| {
            let (launcher, tidegate) = (tools::find(launcher)?, tools::find(tidegate)?);
            Some(Self { launcher, options, tidegate })
        });
        found.collect()
    }

    /// The program that is started.
    pub fn tidegate(&self) -> &Path {
        &self.tidegate
    }

    /// The launcher of so many, without what it starts.
    pub fn launcher(&self, dtns: u32) -> Command {
        let mut launcher = Command::new(&self.launcher);
        launcher.arg("-n").arg(dtns.to_string()).args(self.options);
        // Containers have no other user.
        launcher.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        launcher
    }
}

/// The process of this rank among those that have `argument` on their command line.
pub fn process_of(rank: u32, argument: &str) -> Option<Pid> {
    let of_rank = [format!("OMPI_COMM_WORLD_RANK={rank}"), format!("PMI_RANK={rank}")];
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let number: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some(number)
    });
    let is_it = |number: &i32| {
        let read = |name: &str| fs::read(format!("/proc/{number}/{name}")).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        let has =
            |of: &[u8], text: &str| of.split(|byte| *byte == 0).any(|one| one == text.as_bytes());
        has(&line, argument) && of_rank.iter().any(|name| has(&environment, name))
    };
    processes.into_iter().find(is_it).and_then(Pid::from_raw)
}
