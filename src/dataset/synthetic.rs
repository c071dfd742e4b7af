//! A profile at the scale a user asks for: files by index, without a list.

use super::FileSpec;
use super::profile::{PROFILES, Profile};
use crate::error::{Error, Result};
use crate::units::ByteSize;

/// How much of a profile to make. Without either, the profile's own number of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    /// Bytes in all. Alone: as many files as it takes, the last one cut to fit. With `files`: every
    /// file grows or shrinks in proportion.
    pub size: Option<ByteSize>,
    /// Number of files: the first of the profile. Beyond its own number it goes on by the same rule.
    pub files: Option<u64>,
}

/// A profile, scaled.
#[derive(Clone, Debug)]
pub struct Synthetic {
    profile: &'static Profile,
    files: u64,
    bytes: u64,
    largest_bytes: u64,
    cycle: Vec<u64>,
    fit: Fit,
}

/// What makes the total exact.
#[derive(Clone, Copy, Debug)]
enum Fit {
    /// Sizes are those of the cycle.
    Natural,
    /// The last file has this many bytes.
    LastHas(u64),
    /// So many files, from the first, have one byte more than in the cycle.
    OneMore(u64),
}

impl Synthetic {
    /// The profile `name` at this scale.
    ///
    /// # Errors
    /// If there is no such profile (the message lists them), or the scale is zero or more than 16 EiB.
    pub fn new(name: &str, scale: Scale) -> Result<Self> {
        let profile = Profile::named(name).ok_or_else(|| unknown(name))?;
        if scale.files == Some(0) || scale.size == Some(ByteSize(0)) {
            return Err(Error::environment(format!(
                "the dataset `{name}` is empty: nothing can be moved"
            ))
            .hint("ask for at least one file and one byte"));
        }
        let cycle: Vec<u64> = profile.cycle_sizes().collect();
        match (scale.files, scale.size) {
            (None, Some(size)) => Ok(Self::of_size(profile, cycle, size.0)),
            (files, size) => {
                let files = files.unwrap_or(profile.files);
                let natural_bytes = total(&cycle, files).ok_or_else(|| too_large(files))?;
                Ok(match size {
                    None => Self::build(profile, cycle, files, natural_bytes, Fit::Natural),
                    Some(size) => Self::scaled(profile, &cycle, files, natural_bytes, size.0),
                })
            }
        }
    }

    /// A file of each of these sizes, in this order.
    ///
    /// # Errors
    /// If there are none, or they are empty.
    pub fn of_sizes(sizes: Vec<u64>) -> Result<Self> {
        let files = sizes.len() as u64;
        match sizes.iter().try_fold(0_u64, |sum, size| sum.checked_add(*size)) {
            None => Err(too_large(files)),
            Some(0) => Err(Error::environment("the dataset is empty: nothing can be moved")
                .hint("ask for at least one file and one byte")),
            Some(bytes) => {
                let profile = Profile::named("equal").expect("it is among the profiles");
                Ok(Self::build(profile, sizes, files, bytes, Fit::Natural))
            }
        }
    }

    /// As many files as give `bytes`, the last one cut.
    fn of_size(profile: &'static Profile, cycle: Vec<u64>, bytes: u64) -> Self {
        let cycle_bytes: u64 = cycle.iter().sum();
        // At least one byte is left for the last file.
        let whole_cycles = (bytes - 1) / cycle_bytes;
        let mut left_bytes = bytes - whole_cycles * cycle_bytes;
        let mut files = whole_cycles * cycle.len() as u64 + 1;
        for size in &cycle {
            if left_bytes <= *size {
                break;
            }
            left_bytes -= size;
            files += 1;
        }
        Self::build(profile, cycle, files, bytes, Fit::LastHas(left_bytes))
    }

    /// `files` files whose sizes are in proportion to the profile's and give `bytes`.
    fn scaled(
        profile: &'static Profile,
        cycle: &[u64],
        files: u64,
        natural_bytes: u64,
        bytes: u64,
    ) -> Self {
        let scale = |size: &u64| {
            let scaled = u128::from(*size) * u128::from(bytes) / u128::from(natural_bytes);
            // No file is larger than all together: only sizes of the cycle beyond the last file,
            // for which nobody asks, do not fit.
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        let cycle: Vec<u64> = cycle.iter().map(scale).collect();
        let rounded_bytes = total(&cycle, files).expect("rounded down, they are at most `bytes`");
        // Each file lost less than one byte, so that there are enough files to give them back to.
        Self::build(profile, cycle, files, bytes, Fit::OneMore(bytes - rounded_bytes))
    }

    fn build(profile: &'static Profile, cycle: Vec<u64>, files: u64, bytes: u64, fit: Fit) -> Self {
        let mut synthetic = Self { profile, files, bytes, largest_bytes: 0, cycle, fit };
        // Later cycles hold nothing larger than the first.
        let first_cycle = 0..files.min(synthetic.cycle.len() as u64);
        synthetic.largest_bytes = first_cycle.map(|i| synthetic.size_bytes(i)).max().unwrap_or(0);
        synthetic
    }

    /// Number of files.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// The file at `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Synthetic::files`].
    pub fn file(&self, index: u64) -> FileSpec {
        assert!(index < self.files, "file {index} of {}", self.files);
        FileSpec { path: self.profile.path(index), size_bytes: self.size_bytes(index) }
    }

    /// Sum of all sizes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Size of the largest file.
    pub fn largest_bytes(&self) -> u64 {
        self.largest_bytes
    }

    fn size_bytes(&self, index: u64) -> u64 {
        let in_cycle = self.cycle[(index % self.cycle.len() as u64) as usize];
        match self.fit {
            Fit::LastHas(bytes) if index + 1 == self.files => bytes,
            Fit::OneMore(files) if index < files => in_cycle + 1,
            _ => in_cycle,
        }
    }
}

/// Bytes of the first `files` files; `None` if they are more than a `u64` holds.
fn total(cycle: &[u64], files: u64) -> Option<u64> {
    let len = cycle.len() as u64;
    let sum = |sizes: &[u64]| sizes.iter().map(|size| u128::from(*size)).sum::<u128>();
    let rest = &cycle[..(files % len) as usize];
    u64::try_from(sum(cycle) * u128::from(files / len) + sum(rest)).ok()
}

fn unknown(name: &str) -> Error {
    let names: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
    Error::environment(format!("there is no dataset named `{name}`"))
        .hint(format!("choose one of: {}", names.join(", ")))
}

fn too_large(files: u64) -> Error {
    Error::environment(format!("{files} files would be more than 16 EiB"))
        .hint("ask for fewer files")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_profile() -> impl Strategy<Value = &'static str> {
        (0..PROFILES.len()).prop_map(|i| PROFILES[i].name)
    }

    fn make(name: &str, files: Option<u64>, size: Option<u64>) -> Synthetic {
        Synthetic::new(name, Scale { size: size.map(ByteSize), files }).expect("it can be made")
    }

    fn sizes(synthetic: &Synthetic) -> Vec<u64> {
        (0..synthetic.files()).map(|index| synthetic.file(index).size_bytes).collect()
    }

    /// The summary must agree with the files one by one.
    fn assert_adds_up(synthetic: &Synthetic) {
        let sizes = sizes(synthetic);
        assert_eq!(sizes.iter().sum::<u64>(), synthetic.bytes());
        assert_eq!(sizes.iter().max(), Some(&synthetic.largest_bytes()));
    }

    #[test]
    fn esnet_trees_have_the_published_totals() {
        for (name, bytes) in [
            ("esnet-5MB", 5_000_000),
            ("esnet-5GB", 5_000_000_000),
            ("esnet-50GB", 50_000_000_000),
            ("esnet-500GB", 500_000_000_000),
        ] {
            let tree = make(name, None, None);
            assert_eq!((tree.files(), tree.bytes()), (1_875, bytes), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_names_there_are() {
        let error =
            Synthetic::new("esnet", Scale::default()).expect_err("there is none").to_string();
        assert!(error.contains("no dataset named `esnet`"), "{error}");
        assert!(PROFILES.iter().all(|profile| error.contains(profile.name)), "{error}");
    }

    #[test]
    fn a_scale_of_nothing_or_beyond_64_bits_is_refused() {
        let of = |files, size| Synthetic::new("genomics", Scale { files, size });
        assert!(of(Some(0), None).is_err());
        assert!(of(None, Some(ByteSize(0))).is_err());
        assert!(of(Some(u64::MAX), None).is_err());
        assert!(of(Some(u64::MAX), Some(ByteSize(1))).is_err());
        assert!(of(None, Some(ByteSize(u64::MAX))).is_ok());
    }

    #[test]
    fn a_petabyte_of_small_files_is_made_at_once_and_exactly() {
        let bytes = 1_000_000_000_000_000;
        let petabyte = make("many-small", None, Some(bytes));
        assert_eq!(petabyte.bytes(), bytes);
        let last = petabyte.files() - 1;
        let before_last = total(&petabyte.cycle, last).expect("it is less than a petabyte");
        assert_eq!(before_last + petabyte.file(last).size_bytes, bytes);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn a_number_of_files_is_the_first_of_the_profile(name in any_profile(), files in 1_u64..9_000) {
            let few = make(name, Some(files), None);
            let more = make(name, Some(files + 1), None);
            prop_assert_eq!(few.files(), files);
            assert_adds_up(&few);
            prop_assert_eq!(sizes(&few), sizes(&more)[..files as usize].to_vec());
        }

        #[test]
        fn a_size_is_met_exactly_by_whole_files_and_one_cut(
            name in any_profile(),
            files in prop_oneof![Just(3_000), Just(4_000), 1_u64..9_000],
            cut in prop_oneof![Just(0.0), 0.0..1.0],
        ) {
            let whole = make(name, Some(files), None);
            let last = whole.file(files - 1).size_bytes;
            let bytes = whole.bytes() - (last as f64 * cut) as u64;
            let cut = make(name, None, Some(bytes));
            prop_assert_eq!((cut.files(), cut.bytes()), (files, bytes));
            assert_adds_up(&cut);
            let uncut = files as usize - 1;
            prop_assert_eq!(&sizes(&cut)[..uncut], &sizes(&whole)[..uncut]);
        }

        #[test]
        fn files_and_size_are_met_exactly_in_proportion(
            name in any_profile(),
            files in 1_u64..9_000,
            bytes in prop_oneof![1_u64..100_000, 1..1_u64 << 50],
        ) {
            let natural = make(name, Some(files), None);
            let scaled = make(name, Some(files), Some(bytes));
            prop_assert_eq!((scaled.files(), scaled.bytes()), (files, bytes));
            assert_adds_up(&scaled);
            let ratio = bytes as f64 / natural.bytes() as f64;
            for (natural, scaled) in sizes(&natural).into_iter().zip(sizes(&scaled)) {
                prop_assert!((natural as f64 * ratio - scaled as f64).abs() <= 1.001);
            }
        }
    }
}
