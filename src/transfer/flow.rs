//! Which way the files of a job go: up, down, or some up and the rest down.

use std::str::FromStr;

use crate::result::{Direction, Traffic};

/// Which way files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the bucket.
    Up,
    /// From the bucket.
    Down,
    /// Each file one way or the other.
    Mixed(Mix),
}

/// Of `up + down` files in a row so many go up and so many down, evenly spread. With files of one
/// size these are also the shares of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    up: u32,
    down: u32,
}

/// A file's place in a mixed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which way it goes.
    pub direction: Direction,
    /// Files before it that go the same way.
    pub number: u64,
}

impl Flow {
    /// Where the file at `index` goes, as how many-th.
    pub fn place(self, index: u64) -> Place {
        match self {
            Self::Up => Place { direction: Direction::Up, number: index },
            Self::Down => Place { direction: Direction::Down, number: index },
            Self::Mixed(mix) => mix.place(index),
        }
    }

    /// In the words of the result.
    pub fn traffic(self) -> Traffic {
        match self {
            Self::Up => Traffic::Up,
            Self::Down => Traffic::Down,
            Self::Mixed(_) => Traffic::Mixed,
        }
    }
}

impl From<Direction> for Flow {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}

impl Mix {
    /// Share of the files that go up.
    pub fn up_share(self) -> f64 {
        f64::from(self.up) / (f64::from(self.up) + f64::from(self.down))
    }

    /// Files among the first `count` that go up: the line of Bresenham, "Algorithm for computer
    /// control of a digital plotter", IBM Systems Journal 4 (1965).
    fn up_among(self, count: u64) -> u64 {
        let of = u128::from(self.up) + u128::from(self.down);
        (u128::from(count) * u128::from(self.up) / of) as u64
    }

    fn place(self, index: u64) -> Place {
        let up = self.up_among(index);
        match self.up_among(index + 1) > up {
            true => Place { direction: Direction::Up, number: up },
            false => Place { direction: Direction::Down, number: index - up },
        }
    }
}

impl Default for Mix {
    /// As many up as down.
    fn default() -> Self {
        Self { up: 50, down: 50 }
    }
}

impl FromStr for Mix {
    type Err = &'static str;

    /// `70:30`: files up, files down.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = "write UP:DOWN, such as 70:30 for 70 files up and 30 down of each 100";
        let (up, down) = text.split_once(':').ok_or(wanted)?;
        let share = |text: &str| text.parse::<u32>().ok().filter(|share| *share > 0).ok_or(wanted);
        Ok(Self { up: share(up)?, down: share(down)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mix_is_read_from_a_command_line() {
        let mix: Mix = "70:30".parse().unwrap();
        assert_eq!((mix, mix.up_share()), (Mix { up: 70, down: 30 }, 0.7));
        for bad in ["70", "70:", "0:1", "1:0", "-1:2", "0.7:0.3", "up:down"] {
            assert!(bad.parse::<Mix>().is_err(), "{bad} was taken");
        }
    }

    proptest! {
        #[test]
        fn the_first_files_are_mixed_as_all_are(up in 1_u32..100, down in 1_u32..100, count in 1_u64..5000) {
            let mix = Mix { up, down };
            let places = (0..count).map(|index| mix.place(index));
            let ups = places.filter(|place| place.direction == Direction::Up).count() as f64;
            prop_assert!((ups - count as f64 * mix.up_share()).abs() < 1.0);
        }

        #[test]
        fn files_of_each_way_are_numbered_without_a_gap(up in 1_u32..100, down in 1_u32..100) {
            let (mut next_up, mut next_down) = (0, 0);
            for index in 0..1000 {
                let place = Mix { up, down }.place(index);
                let next = if place.direction == Direction::Up { &mut next_up } else { &mut next_down };
                prop_assert_eq!(place.number, *next);
                *next += 1;
            }
        }
    }
}
