//! Listings that end: a server that shows the same pages again and again is found out.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use super::StoreError;
use crate::escape;
use crate::measure::FailureClass;

/// What is said of a listing that goes round.
pub const DOES_NOT_ADVANCE: &str = "the listing does not advance";

/// Pages in a row that may be empty while others are to follow: a server that looks for keys in a large
/// bucket may answer before it has found one (ASSUMPTION: not so often).
const EMPTY_IN_A_ROW_MAX: u32 = 1000;

/// What a listing has shown so far, by two hashes for each page: a million keys take 16 kB.
///
/// Keys need not rise: Storj lists them in the order of their encrypted names.
#[derive(Debug, Default)]
pub struct Seen {
    hashes: HashSet<u64>,
    hasher: RandomState,
    empty_in_a_row: u32,
}

impl Seen {
    /// Takes note of a page and of where the next one begins.
    ///
    /// # Errors
    /// If one of them was there before, so that asking on would go round for ever.
    pub fn page<'a>(
        &mut self,
        call: &str,
        names: impl Iterator<Item = &'a str>,
        next: &str,
    ) -> Result<(), StoreError> {
        let names: Vec<&str> = names.collect();
        self.empty_in_a_row = if names.is_empty() { self.empty_in_a_row + 1 } else { 0 };
        let is_new = self.hashes.insert(self.hasher.hash_one(next));
        let is_new_page = names.is_empty() || self.hashes.insert(self.hasher.hash_one(&names));
        match is_new && is_new_page && self.empty_in_a_row < EMPTY_IN_A_ROW_MAX {
            true => Ok(()),
            false => {
                let message = format!(
                    "{}: {DOES_NOT_ADVANCE}: the same pages come again and again",
                    escape::line(call)
                );
                Err(StoreError::new(FailureClass::Client, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pages(pages: &[(&[&str], &str)]) -> Result<(), StoreError> {
        let mut seen = Seen::default();
        pages.iter().try_for_each(|(names, next)| seen.page("List p/", names.iter().copied(), next))
    }

    #[test]
    fn a_page_or_a_place_that_comes_again_ends_the_listing() {
        assert!(pages(&[(&["a"], "1"), (&["c"], "2"), (&["b"], "3")]).is_ok());
        assert!(pages(&[(&["a"], "1"), (&["b"], "2"), (&["c"], "1")]).is_err());
        assert!(pages(&[(&["a"], "1"), (&["b"], "2"), (&["a"], "3")]).is_err());
        assert!(pages(&[(&[], "1"), (&[], "2"), (&["a"], "3")]).is_ok());
    }

    #[test]
    fn pages_that_are_always_empty_end_the_listing() {
        let mut seen = Seen::default();
        let refused =
            (0..2000).position(|at| seen.page("List", [].into_iter(), &at.to_string()).is_err());
        assert_eq!(refused, Some(EMPTY_IN_A_ROW_MAX as usize - 1));
    }

    proptest! {
        #[test]
        fn any_listing_that_goes_round_ends_within_one_round_more(
            round in prop::collection::vec(("[ab]{0,2}", "[a-z]{0,8}"), 1..20),
        ) {
            let mut seen = Seen::default();
            let mut endless = round.iter().cycle().take(round.len() + 1);
            let ends = endless.any(|(name, next)| seen.page("List", [&**name].into_iter(), next).is_err());
            prop_assert!(ends);
        }
    }
}
