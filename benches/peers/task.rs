//! What is measured: a direction, where the bytes come from or go to, with or without TLS.

use tidegate::units::MIB;

use crate::peer::Peer;

/// Files in flight, each with one part; of large ones there are no more.
pub const FILES: u64 = 16;

/// Of small ones, enough that what a process does once weighs little.
pub const SMALL_FILES: u64 = 20_000;

/// Storj's segment size.
pub const PART_BYTES: u64 = 64 * MIB;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Data {
    /// From memory, to nowhere.
    Synthetic,
    /// From and to a file system.
    Files,
    /// Objects of 4 KiB from memory, to nowhere: what a request costs.
    Small,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Security {
    Plain,
    Tls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    pub security: Security,
    pub data: Data,
    pub direction: Direction,
}

impl Task {
    pub fn all() -> impl Iterator<Item = Self> {
        use {Data::*, Direction::*, Security::*};
        [Plain, Tls].into_iter().flat_map(move |security| {
            [
                (Synthetic, Up),
                (Synthetic, Down),
                (Files, Up),
                (Files, Down),
                (Small, Up),
                (Small, Down),
            ]
            .map(|(data, direction)| Self { security, data, direction })
        })
    }

    pub fn writes_files(self) -> bool {
        self.data == Data::Files && self.direction == Direction::Down
    }

    pub fn peers(self) -> &'static [Peer] {
        match self.data {
            Data::Synthetic => &[Peer::Tidegate, Peer::RawHyper, Peer::Warp],
            Data::Files => &[Peer::Tidegate, Peer::Rclone, Peer::S5cmd, Peer::Aws],
            Data::Small => &[Peer::Tidegate, Peer::Warp],
        }
    }

    /// Enough that what a process does once (start, draw its report) is a small part of it where tidegate
    /// has a goal, and little enough for slow peers.
    pub fn file_bytes(self) -> u64 {
        match (self.data, self.security) {
            (Data::Synthetic, Security::Plain) => 2048 * MIB,
            (Data::Synthetic, Security::Tls) => 512 * MIB,
            (Data::Files, _) => 256 * MIB,
            (Data::Small, _) => 4096,
        }
    }

    pub fn files(self) -> u64 {
        match self.data {
            Data::Synthetic | Data::Files => FILES,
            Data::Small => SMALL_FILES,
        }
    }

    pub fn bytes(self) -> u64 {
        self.files() * self.file_bytes()
    }

    pub fn title(self) -> String {
        let what = match (self.data, self.direction) {
            (Data::Synthetic, Direction::Up) => "Synthetic data up",
            (Data::Synthetic, Direction::Down) => "Down, bytes discarded",
            (Data::Files, Direction::Up) => "Files up",
            (Data::Files, Direction::Down) => "Down to files",
            (Data::Small, Direction::Up) => "Objects of 4 KiB up",
            (Data::Small, Direction::Down) => "Objects of 4 KiB down, bytes discarded",
        };
        match self.security {
            Security::Plain => format!("{what}, HTTP"),
            Security::Tls => format!("{what}, TLS 1.3"),
        }
    }
}
