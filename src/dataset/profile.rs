//! Named synthetic datasets with the file sizes and counts of real ones.
//!
//! A dataset is a sequence of groups (a leaf directory, a sample), each with the same kinds of files.
//! Sizes follow from the number of the group: they spread evenly over their range in [`CYCLE_GROUPS`]
//! groups, then repeat, so that the mean over a cycle is exactly the one stated, and one cycle tells
//! the size of any number of files.

/// Groups after which the sizes repeat.
const CYCLE_GROUPS: u64 = 1000;

/// Coprime to [`CYCLE_GROUPS`] and near its golden section: neighbours get sizes far apart.
const STRIDE: u64 = 617;

/// A named dataset.
#[derive(Debug)]
pub struct Profile {
    /// Name on the command line.
    pub name: &'static str,
    /// One line: what it is, with its source or the word ASSUMPTION.
    pub about: &'static str,
    /// Files, unless the user wants more or fewer.
    pub(super) files: u64,
    /// How the paths of a group begin.
    stem: fn(u64) -> String,
    /// The files of a group.
    kinds: &'static [Kind],
}

/// A kind of file.
#[derive(Debug)]
struct Kind {
    /// How its path ends.
    suffix: &'static str,
    size: Size,
}

/// How large the files of a kind are, in bytes.
#[derive(Debug)]
enum Size {
    Exactly(u64),
    /// Evenly spread within 20 % of the mean. ASSUMPTION wherever only a mean is known.
    Around(u64),
    Between(u64, u64),
    /// From 1 KiB to 1 MiB, as many in each octave, evenly spread within it.
    TenOctavesFromKib,
}

impl Profile {
    /// The profile of that name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// Path of the file at `index`.
    pub(super) fn path(&self, index: u64) -> String {
        let kinds = self.kinds.len() as u64;
        let kind = &self.kinds[(index % kinds) as usize];
        (self.stem)(index / kinds) + kind.suffix
    }

    /// Sizes of the files of one cycle, in order of index.
    pub(super) fn cycle_sizes(&self) -> impl Iterator<Item = u64> {
        (0..CYCLE_GROUPS).flat_map(|group| self.kinds.iter().map(move |kind| kind.size.of(group)))
    }
}

impl Size {
    /// The size in a group. The group's rank among those of its cycle says where in the range.
    fn of(&self, group: u64) -> u64 {
        let rank = group * STRIDE % CYCLE_GROUPS;
        let between =
            |low: u64, high: u64| low + (high - low) * (2 * rank + 1) / (2 * CYCLE_GROUPS);
        match *self {
            Self::Exactly(bytes) => bytes,
            Self::Around(mean) => between(mean - mean / 5, mean + mean / 5),
            Self::Between(low, high) => between(low, high),
            Self::TenOctavesFromKib => {
                let (octave, within) = (rank * 10 / CYCLE_GROUPS, rank * 10 % CYCLE_GROUPS);
                (1024 << octave) * (CYCLE_GROUPS + within) / CYCLE_GROUPS
            }
        }
    }
}

const KB: u64 = 1_000;
const MB: u64 = 1_000 * KB;
const GB: u64 = 1_000 * MB;

const fn exactly(suffix: &'static str, bytes: u64) -> Kind {
    Kind { suffix, size: Size::Exactly(bytes) }
}

/// All profiles.
///
/// The ESnet trees are those at <https://fasterdata.es.net/performance-testing/DTNs/>, whose sizes
/// are decimal. Directory and file names of the other profiles are made up.
pub const PROFILES: &[Profile] = &[
    Profile {
        name: "esnet-5MB",
        about: "ESnet's 5MB-in-tiny-files: 1,875 files of 1, 2 and 5 kB (fasterdata.es.net)",
        files: ESNET_FILES,
        stem: esnet_leaf,
        kinds: &[exactly("-1KB.dat", KB), exactly("-2KB.dat", 2 * KB), exactly("-5KB.dat", 5 * KB)],
    },
    Profile {
        name: "esnet-5GB",
        about: "ESnet's 5GB-in-small-files: 1,875 files of 1, 2 and 5 MB (fasterdata.es.net)",
        files: ESNET_FILES,
        stem: esnet_leaf,
        kinds: &[exactly("-1MB.dat", MB), exactly("-2MB.dat", 2 * MB), exactly("-5MB.dat", 5 * MB)],
    },
    Profile {
        name: "esnet-50GB",
        about: "ESnet's 50GB-in-medium-files: 1,875 files of 10, 20 and 50 MB (fasterdata.es.net)",
        files: ESNET_FILES,
        stem: esnet_leaf,
        kinds: &[
            exactly("-10MB.dat", 10 * MB),
            exactly("-20MB.dat", 20 * MB),
            exactly("-50MB.dat", 50 * MB),
        ],
    },
    Profile {
        name: "esnet-500GB",
        about: "ESnet's 500GB-in-large-files: 1,875 files of 100, 200 and 500 MB (fasterdata.es.net)",
        files: ESNET_FILES,
        stem: esnet_leaf,
        kinds: &[
            exactly("-100MB.dat", 100 * MB),
            exactly("-200MB.dat", 200 * MB),
            exactly("-500MB.dat", 500 * MB),
        ],
    },
    Profile {
        name: "climate",
        about: "model output, 252 MB on average: 7.3 PB in 29 million files (arXiv:2404.19717); \
                spread +-20 %: ASSUMPTION",
        files: 4_000,
        stem: |group| format!("model-{:03}/output-{group:06}", group / 100),
        kinds: &[Kind { suffix: ".nc", size: Size::Around(252 * MB) }],
    },
    Profile {
        name: "genomics",
        about: "30x human genomes: BAM 80-90 GB (genomeweb.com/blog/few-things-consider); \
                index 9 MB, two FASTQ.gz of 15-50 GB each: ASSUMPTION",
        files: 40,
        stem: |group| format!("sample-{group:05}/sample-{group:05}"),
        kinds: &[
            Kind { suffix: ".bam", size: Size::Between(80 * GB, 90 * GB) },
            Kind { suffix: ".bam.bai", size: Size::Around(9 * MB) },
            Kind { suffix: "_R1.fastq.gz", size: Size::Between(15 * GB, 50 * GB) },
            Kind { suffix: "_R2.fastq.gz", size: Size::Between(15 * GB, 50 * GB) },
        ],
    },
    Profile {
        name: "cryo-em",
        about: "compressed electron microscope movies, 600 MB on average, +-20 %: ASSUMPTION",
        files: 5_000,
        stem: |group| format!("grid-{:02}/movie-{group:06}", group / 500),
        kinds: &[Kind { suffix: ".tiff", size: Size::Around(600 * MB) }],
    },
    Profile {
        name: "detector",
        about: "detector data, 1.79 GB on average: ATLAS DATA on tape at RAL in 2011 \
                (gridpp-storage.blogspot.com/2011/02); spread +-20 %: ASSUMPTION",
        files: 1_000,
        stem: |group| format!("run-{:04}/data-{group:06}", group / 100),
        kinds: &[Kind { suffix: ".root", size: Size::Around(1_790 * MB) }],
    },
    Profile {
        name: "many-small",
        about: "100,000 files from 1 KiB to 1 MiB, as many in each octave: ASSUMPTION",
        files: 100_000,
        stem: |group| format!("{:04}/{group:08}", group / 1_000),
        kinds: &[Kind { suffix: ".dat", size: Size::TenOctavesFromKib }],
    },
    Profile {
        name: "equal",
        about: "1,000 files of 1 GB each, or of another size by --files and --size: ASSUMPTION",
        files: 1_000,
        stem: |group| format!("{:04}/{group:08}", group / 1_000),
        kinds: &[exactly(".dat", GB)],
    },
];

/// Three files in each of `a/a` to `y/y`.
const ESNET_FILES: u64 = 3 * 25 * 25;

/// `a/a/a-a` to `y/y/y-y`, as in `500GB-in-large-files/a/y/a-y-500MB.dat`. What is beyond ESnet's own
/// tree goes on in `tree-2/a/a/a-a`.
fn esnet_leaf(group: u64) -> String {
    let letter = |number: u64| char::from(b'a' + (number % 25) as u8);
    let (outer, inner) = (letter(group / 25), letter(group));
    let leaf = format!("{outer}/{inner}/{outer}-{inner}");
    match group / (25 * 25) {
        0 => leaf,
        tree => format!("tree-{}/{leaf}", tree + 1),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn profile(name: &str) -> &'static Profile {
        Profile::named(name).expect("the profile is there")
    }

    /// Mean size over a cycle of the kinds at these places of a group.
    fn mean(name: &str, kinds: &[usize]) -> f64 {
        let profile = profile(name);
        let of_kinds = |(i, size)| kinds.contains(&(i % profile.kinds.len())).then_some(size);
        let sizes: Vec<u64> = profile.cycle_sizes().enumerate().filter_map(of_kinds).collect();
        sizes.iter().sum::<u64>() as f64 / sizes.len() as f64
    }

    #[test]
    fn names_differ_and_every_profile_says_where_it_is_from() {
        let names: HashSet<&str> = PROFILES.iter().map(|profile| profile.name).collect();
        assert_eq!(names.len(), PROFILES.len());
        for Profile { name, about, .. } in PROFILES {
            let source =
                ["ASSUMPTION", "fasterdata.es.net"].iter().any(|word| about.contains(word));
            assert!(source, "{name}: {about}");
        }
    }

    #[test]
    fn paths_never_repeat() {
        for profile in PROFILES {
            let paths: HashSet<String> = (0..10_000).map(|index| profile.path(index)).collect();
            assert_eq!(paths.len(), 10_000, "{}", profile.name);
        }
    }

    #[test]
    fn esnet_paths_are_those_of_the_real_tree() {
        let large = profile("esnet-500GB");
        assert_eq!(large.path(0), "a/a/a-a-100MB.dat");
        assert_eq!(large.path(3 * 24 + 2), "a/y/a-y-500MB.dat");
        assert_eq!(large.path(ESNET_FILES - 1), "y/y/y-y-500MB.dat");
        assert_eq!(large.path(ESNET_FILES), "tree-2/a/a/a-a-100MB.dat");
    }

    #[test]
    fn means_are_those_stated() {
        assert_eq!(mean("climate", &[0]), 252e6);
        assert_eq!(mean("detector", &[0]), 1790e6);
        assert_eq!(mean("cryo-em", &[0]), 600e6);
        assert_eq!(mean("genomics", &[0]), 85e9);
        assert_eq!(mean("genomics", &[2, 3]), 32.5e9);
    }

    #[test]
    fn sizes_fill_their_range() {
        let range = |name: &str| {
            let sizes: Vec<u64> = profile(name).cycle_sizes().collect();
            (*sizes.iter().min().expect("there are sizes"), *sizes.iter().max().expect("as above"))
        };
        let (low, high) = range("climate");
        assert!(
            (201_600_000..202_000_000).contains(&low) && (302_000_000..302_400_000).contains(&high)
        );
        let (low, high) = range("many-small");
        assert!(low == 1 << 10 && (1_030_000..1 << 20).contains(&high), "{low}..{high}");
    }

    #[test]
    fn small_files_are_as_frequent_in_every_octave() {
        for octave in 10..20 {
            let of_octave = |size: &u64| size.ilog2() == octave;
            assert_eq!(profile("many-small").cycle_sizes().filter(of_octave).count(), 100);
        }
    }
}
