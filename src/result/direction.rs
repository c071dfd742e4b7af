//! Which way data goes, on command lines and in documents.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which way the data went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the bucket.
    Up,
    /// From the bucket.
    Down,
}

/// Which way the data of a trial went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// To the bucket.
    Up,
    /// From the bucket.
    Down,
    /// Some files up, the others down, at the same time.
    Mixed,
}

impl From<Direction> for Traffic {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}

impl Traffic {
    /// The direction, if it is one.
    pub fn one_way(self) -> Option<Direction> {
        match self {
            Self::Up => Some(Direction::Up),
            Self::Down => Some(Direction::Down),
            Self::Mixed => None,
        }
    }

    /// `up`, `down` or `mixed`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Mixed => "mixed",
        }
    }
}
