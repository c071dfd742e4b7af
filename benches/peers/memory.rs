//! The highest memory of a tidegate that moves 64 files at a time in parts of 64 MiB.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::measure;
use crate::peer::{self, Peer};
use crate::stage::Stage;
use crate::task::{Data, Direction, Security, Task};

const MOVERS: u64 = 64;
const FILE_BYTES: u64 = 128 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    SyntheticUp,
    SyntheticDown,
    FilesUp,
}

impl Case {
    pub const ALL: [Self; 3] = [Self::SyntheticUp, Self::SyntheticDown, Self::FilesUp];

    pub fn title(self) -> &'static str {
        match self {
            Self::SyntheticUp => "synthetic data up",
            Self::SyntheticDown => "synthetic data up, then down",
            Self::FilesUp => "files up",
        }
    }
}

/// The highest of all rounds.
#[derive(Default)]
pub struct Peaks {
    rss_peak_bytes: [u64; Case::ALL.len()],
}

impl Peaks {
    pub fn measure(&mut self, stage: &Stage) -> Result<()> {
        for case in Case::ALL {
            let used = measure::run(&mut command(case, stage)?)?.rss_peak_bytes;
            let peak = &mut self.rss_peak_bytes[case as usize];
            *peak = used.max(*peak);
        }
        Ok(())
    }

    pub fn mib(&self, case: Case) -> f64 {
        self.rss_peak_bytes[case as usize] as f64 / f64::from(1 << 20)
    }
}

fn command(case: Case, stage: &Stage) -> Result<Command> {
    let place = stage.place(Task {
        security: Security::Plain,
        data: Data::Synthetic,
        direction: Direction::Up,
    });
    let mut command = Peer::Tidegate.start(&place)?;
    peer::tidegate_run(&mut command, &place, MOVERS);
    let (files, size) = (MOVERS.to_string(), (MOVERS * FILE_BYTES).to_string());
    let synthetic = ["--dataset", "climate", "--size", &size, "--files", &files];
    match case {
        Case::SyntheticUp => command.args(synthetic),
        Case::SyntheticDown => command.args(synthetic).args(["--direction", "down"]),
        Case::FilesUp => command.args(["--no-verify", "--from"]).arg(sparse_files(stage)?),
    };
    Ok(command)
}

/// Holes are read like bytes and take no room.
fn sparse_files(stage: &Stage) -> Result<PathBuf> {
    let directory = stage.path("sparse");
    fs::create_dir_all(&directory)?;
    for number in 0..MOVERS {
        File::create(directory.join(number.to_string()))?.set_len(FILE_BYTES)?;
    }
    Ok(directory)
}
