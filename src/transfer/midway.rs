//! How much is left of the first files of movers that are found midway.
//!
//! Parts of one size that begin together end together, and a file's first and last requests would be seen
//! only in trials that last as long as files. So a mover first moves the rest of a part, then the rest of a
//! file, and whole files from then on. The rests are drawn by chance and not spread evenly: movers that keep out of
//! each other's way carry more than they do in the long run.

/// The rests of one mover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Midway {
    part_left: f64,
    file_left: f64,
}

impl Midway {
    /// Of the mover with this number.
    pub(super) fn new(number: u32, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ u64::from(number) << 32);
        let (part_left, file_left) = (random.f64(), random.f64());
        Self { part_left, file_left }
    }

    /// Bytes that are moved of a file in a mover's first turn, its second, and so on.
    pub(super) fn bytes(self, turn: u32, file_bytes: u64, part_bytes: u64) -> u64 {
        let rest = |share: f64, of: u64| ((share * of as f64).ceil() as u64).clamp(of.min(1), of);
        match turn {
            0 => rest(self.part_left, file_bytes.min(part_bytes)),
            1 => rest(self.file_left, file_bytes),
            _ => file_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_third_of_the_movers_have_a_third_of_a_part_left_or_less() {
        let rests = (0..6000).map(|number| Midway::new(number, 1).bytes(0, 900, 300));
        let early = rests.filter(|rest| *rest <= 100).count();
        assert!((1850..=2150).contains(&early), "{early} of 6000");
    }

    proptest! {
        #[test]
        fn a_rest_is_never_more_than_the_file_and_nothing_only_of_nothing(
            number in 0_u32..1000, seed: u64, turn in 0_u32..4, file in 0_u64..1000, part in 1_u64..1000,
        ) {
            let bytes = Midway::new(number, seed).bytes(turn, file, part);
            prop_assert!(bytes <= file && (bytes > 0) == (file > 0));
            prop_assert!(turn > 0 || bytes <= part);
            prop_assert!(turn < 2 || bytes == file);
        }
    }
}
