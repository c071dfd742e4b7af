//! What is measured: a direction, where the bytes come from or go to, with or without TLS.

use tidegate::units::MIB;

use crate::peer::Peer;

/// Files, each with one part in flight.
pub const FILES: u64 = 16;

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
            [(Synthetic, Up), (Synthetic, Down), (Files, Up), (Files, Down)]
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
        }
    }

    /// Enough that what a process does once (start, draw its report) is a small part of it where tidegate
    /// has a goal, and little enough for slow peers.
    pub fn file_bytes(self) -> u64 {
        let mib = match (self.data, self.security) {
            (Data::Synthetic, Security::Plain) => 2048,
            (Data::Synthetic, Security::Tls) => 512,
            (Data::Files, _) => 256,
        };
        mib * MIB
    }

    pub fn bytes(self) -> u64 {
        FILES * self.file_bytes()
    }

    pub fn title(self) -> String {
        let what = match (self.data, self.direction) {
            (Data::Synthetic, Direction::Up) => "Synthetic data up",
            (Data::Synthetic, Direction::Down) => "Down, bytes discarded",
            (Data::Files, Direction::Up) => "Files up",
            (Data::Files, Direction::Down) => "Down to files",
        };
        match self.security {
            Security::Plain => format!("{what}, HTTP"),
            Security::Tls => format!("{what}, TLS 1.3"),
        }
    }
}
