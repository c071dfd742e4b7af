//! A recommendation in the words of GCS, rclone, the AWS CLI and s5cmd.

use super::gcs::GcsOptions;
use super::globus::globus_commands;
use crate::result::{Command, ForGcs, Settings};
use crate::transfer::GetMode;
use crate::units::MIB;

/// What the settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Uploads.
    Up,
    /// Downloads, each file in one piece or in ranges.
    Down(GetMode),
}

/// What to type for a program.
type Text = fn(Settings, Way) -> String;

/// The programs that can have the settings as they are: name, what is set, and how.
const PROGRAMS: [(&str, &str, Text); 3] =
    [("rclone", "flags", rclone), ("AWS CLI", "configuration", aws), ("s5cmd", "flags", s5cmd)];

/// What sets a recommendation for one way: in Globus, if there is a number for it, and in the other programs.
pub fn commands(
    settings: Settings,
    gcs: Option<&ForGcs>,
    options: &GcsOptions,
    way: Way,
) -> Vec<Command> {
    let gcs = gcs.into_iter().flat_map(|found| globus_commands(found, options));
    let others = PROGRAMS.iter();
    let others =
        others.map(|(program, purpose, text)| Command::new(program, purpose, text(settings, way)));
    gcs.chain(others).collect()
}

/// Flags of rclone. Without streams of its own a file is fetched by one GetObject.
fn rclone(settings: Settings, way: Way) -> String {
    let (part_mib, parts) = (part_mib(settings), settings.parts_in_flight);
    let of_way = match way {
        Way::Up => format!(
            "--s3-chunk-size {part_mib}Mi --s3-upload-cutoff {part_mib}Mi --s3-upload-concurrency {parts}"
        ),
        Way::Down(GetMode::Whole) => "--multi-thread-streams 0".into(),
        Way::Down(GetMode::Ranged) => format!(
            "--multi-thread-streams {parts} --multi-thread-chunk-size {part_mib}Mi --multi-thread-cutoff {part_mib}Mi"
        ),
    };
    format!("--transfers {} {of_way}", settings.concurrency)
}

/// No object is larger (S3), so that none is fetched in ranges.
const LARGEST_OBJECT: &str = "5TB";

/// The AWS CLI's configuration, which is one for both ways. Where it validates checksums of answers only
/// when they are required, it fetches by the chunk size whatever the threshold is (awscli 1.46.3,
/// `s3transfer/download.py`).
fn aws(settings: Settings, way: Way) -> String {
    let part = match way {
        Way::Down(GetMode::Whole) => LARGEST_OBJECT.into(),
        Way::Up | Way::Down(GetMode::Ranged) => format!("{}MB", part_mib(settings)),
    };
    let set = "aws configure set default.s3";
    format!(
        "{set}.multipart_chunksize {part}\n{set}.multipart_threshold {part}\n{set}.max_concurrent_requests {}",
        settings.streams()
    )
}

/// A command of s5cmd, which fetches in ranges always: one after the other where files are to be whole.
fn s5cmd(settings: Settings, way: Way) -> String {
    let (files, part_mib) = (settings.concurrency, part_mib(settings));
    let parts = match way {
        Way::Down(GetMode::Whole) => 1,
        Way::Up | Way::Down(GetMode::Ranged) => settings.parts_in_flight,
    };
    format!("s5cmd --numworkers {files} cp --concurrency {parts} --part-size {part_mib}")
}

fn part_mib(settings: Settings) -> u64 {
    settings.part_size_bytes / MIB
}
