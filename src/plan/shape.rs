//! What is to be moved, as far as time and money depend on it: how many files of which size.

use std::collections::BTreeMap;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::result::{SizeClass, SizeClasses};
use crate::units::ByteSize;

/// A dataset with more sizes than this is told by as many classes.
const CLASSES_MAX: usize = 64;

/// So many sizes are told apart while files are counted.
const SIZES_MAX: usize = 200_000;

/// Files looked at when a dataset repeats itself (synthetic ones do after 4,000 at most).
const FILES_LOOKED_AT: u64 = 8_000;

/// A dataset's files by size, smallest first. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape(Vec<SizeClass>);

impl Shape {
    /// Files of these sizes.
    ///
    /// # Errors
    /// If there are none.
    pub fn of_sizes(sizes: impl IntoIterator<Item = u64>) -> Result<Self> {
        let mut all = Sizes::default();
        sizes.into_iter().for_each(|size| all.add(size));
        all.shape()
    }

    /// `files` files of the same size.
    pub fn equal(files: f64, bytes: f64) -> Self {
        Self(vec![SizeClass { file_bytes: bytes / files, files }])
    }

    /// The files of a dataset; one that repeats itself is looked at once and scaled.
    ///
    /// # Errors
    /// If it has none.
    pub fn of(dataset: &Dataset) -> Result<Self> {
        let (files, bytes) = (dataset.files(), dataset.bytes());
        let looked_at = match dataset {
            Dataset::Synthetic(_) => files.min(FILES_LOOKED_AT),
            Dataset::Directory { .. } | Dataset::Objects(_) => files,
        };
        let sizes = (0..looked_at).map(|index| dataset.file(index).size_bytes);
        let shape = Self::of_sizes(sizes)?;
        Ok(if looked_at < files { shape.scaled(bytes as f64 / shape.bytes()) } else { shape })
    }

    /// The same mix with `factor` times as many files.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let class = |class: &SizeClass| SizeClass { files: class.files * factor, ..*class };
        Self(self.0.iter().map(class).collect())
    }

    /// The same bytes in files of at least `least_bytes`: smaller ones are bundled.
    #[must_use]
    pub fn bundled(&self, least_bytes: f64) -> Self {
        let bundle = |class: &SizeClass| match class.file_bytes < least_bytes {
            true => SizeClass {
                file_bytes: least_bytes,
                files: (class.files * class.file_bytes / least_bytes).max(f64::MIN_POSITIVE),
            },
            false => *class,
        };
        Self(self.0.iter().map(bundle).collect())
    }

    /// Files by size.
    pub fn classes(&self) -> &[SizeClass] {
        &self.0
    }

    /// Number of files.
    pub fn files(&self) -> f64 {
        self.0.iter().map(|class| class.files).sum()
    }

    /// Sum of all sizes.
    pub fn bytes(&self) -> f64 {
        self.0.iter().map(|class| class.files * class.file_bytes).sum()
    }

    /// Mean size of a file.
    pub fn mean_bytes(&self) -> f64 {
        self.bytes() / self.files()
    }

    /// Size of the largest file.
    pub fn largest_bytes(&self) -> f64 {
        self.0.iter().map(|class| class.file_bytes).fold(0.0, f64::max)
    }

    /// Whether all files take about as long: sizes differ by less than 5 % (standard deviation).
    pub fn is_of_one_size(&self) -> bool {
        let mean = self.mean_bytes();
        let square = |class: &SizeClass| class.files * (class.file_bytes - mean).powi(2);
        let variance = self.0.iter().map(square).sum::<f64>() / self.files();
        variance.sqrt() < 0.05 * mean
    }

    /// Files in an order in which every stretch has about the mix of the whole: `wanted` of them, or all.
    /// Another `offset` from 0 to 1 is another order.
    pub fn sample(&self, wanted: usize, offset: f64) -> Vec<f64> {
        let all = self.files();
        let count = (all.round().max(1.0)).min(wanted as f64) as usize;
        // The golden section spreads the places of neighbours over all classes.
        let place =
            |index: usize| (0.5 + offset + index as f64 * 0.618_033_988_749_895).fract() * all;
        (0..count).map(|index| self.size_at(place(index))).collect()
    }

    /// Size of the file at a place from 0 to the number of files, in order of size.
    fn size_at(&self, place: f64) -> f64 {
        let mut below = 0.0;
        let class = self.0.iter().find(|class| {
            below += class.files;
            place < below
        });
        class.or(self.0.last()).map_or(0.0, |class| class.file_bytes)
    }
}

/// As a run has noted it.
impl From<&SizeClasses> for Shape {
    fn from(noted: &SizeClasses) -> Self {
        Self(noted.0.clone())
    }
}

/// As a run notes it.
impl From<Shape> for SizeClasses {
    fn from(shape: Shape) -> Self {
        Self(shape.0)
    }
}

/// Files by size while they are counted. Memory is bounded however many there are: above [`SIZES_MAX`] sizes those
/// are put together that differ by less than a thousandth.
#[derive(Default)]
struct Sizes(BTreeMap<u64, Bundle>);

/// Files of about one size.
#[derive(Clone, Copy, Default)]
struct Bundle {
    files: u64,
    bytes: u128,
}

impl Sizes {
    fn add(&mut self, size: u64) {
        let counted = self.0.len() < SIZES_MAX || self.0.contains_key(&size);
        self.put(
            if counted { size } else { rounded(size) },
            Bundle { files: 1, bytes: size.into() },
        );
        if self.0.len() > SIZES_MAX {
            let fine = std::mem::take(&mut self.0);
            fine.into_iter().for_each(|(size, bundle)| self.put(rounded(size), bundle));
        }
    }

    fn put(&mut self, size: u64, bundle: Bundle) {
        let all = self.0.entry(size).or_default();
        all.files += bundle.files;
        all.bytes += bundle.bytes;
    }

    fn shape(self) -> Result<Shape> {
        if self.0.is_empty() {
            return Err(Error::environment("the dataset has no files to plan for")
                .hint("name a profile, a directory or a manifest with files in it"));
        }
        let class = |Bundle { files, bytes }| SizeClass {
            file_bytes: bytes as f64 / files as f64,
            files: files as f64,
        };
        Ok(Shape(merged(self.0.into_values().map(class).collect())))
    }
}

/// To ten binary digits: there are fewer than 60,000 such numbers.
fn rounded(size: u64) -> u64 {
    let low = 54_u32.saturating_sub(size.leading_zeros());
    size >> low << low
}

/// Neighbours are put together until few classes are left; files and bytes stay the same.
fn merged(mut classes: Vec<SizeClass>) -> Vec<SizeClass> {
    if classes.len() <= CLASSES_MAX {
        return classes;
    }
    let (small, large) = (classes[0].file_bytes.max(1.0), classes[classes.len() - 1].file_bytes);
    let step = (large / small).ln() / CLASSES_MAX as f64;
    let bin = |class: &SizeClass| ((class.file_bytes.max(1.0) / small).ln() / step) as usize;
    let mut bins = BTreeMap::<usize, SizeClass>::new();
    for class in classes.drain(..) {
        let all = bins.entry(bin(&class)).or_insert(SizeClass { file_bytes: 0.0, files: 0.0 });
        let bytes = all.file_bytes * all.files + class.file_bytes * class.files;
        all.files += class.files;
        all.file_bytes = bytes / all.files;
    }
    bins.into_values().collect()
}

/// A shape in a few words.
impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = |bytes: f64| ByteSize(bytes.round() as u64);
        write!(
            f,
            "{} in {:.0} files, {} on average, the largest {}",
            size(self.bytes()),
            self.files(),
            size(self.mean_bytes()),
            size(self.largest_bytes())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Scale, Synthetic};
    use proptest::prelude::*;

    #[test]
    fn millions_of_sizes_are_counted_in_bounded_memory() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut sizes, mut bytes) = (Sizes::default(), 0_u128);
        for _ in 0..3 * SIZES_MAX {
            let digits = random.u32(1..50);
            let size = random.u64(..1 << digits);
            bytes += u128::from(size);
            sizes.add(size);
            assert!(sizes.0.len() <= SIZES_MAX);
        }
        let shape = sizes.shape().unwrap();
        assert_eq!(shape.files(), 3.0 * SIZES_MAX as f64);
        assert!((shape.bytes() / bytes as f64 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_scaled_profile_has_its_bytes_and_files() {
        let scale = Scale { size: Some(ByteSize(500_000_000_000_000)), files: None };
        let dataset = Dataset::Synthetic(Synthetic::new("climate", scale).unwrap());
        let shape = Shape::of(&dataset).unwrap();
        assert!((shape.bytes() / 5e14 - 1.0).abs() < 1e-9);
        assert!((shape.files() / dataset.files() as f64 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_sample_has_the_mix_of_the_whole() {
        let shape = Shape::of_sizes([1, 1, 1, 9].repeat(1000)).unwrap();
        let large = shape.sample(100, 0.0).into_iter().filter(|size| *size == 9.0).count();
        assert!((23..=27).contains(&large), "{large} of 100");
    }

    #[test]
    fn bundling_keeps_the_bytes() {
        let shape = Shape::of_sizes([1_000, 5_000, 10_000_000]).unwrap();
        let bundled = shape.bundled(1e6);
        assert!((bundled.bytes() - shape.bytes()).abs() < 1.0);
        assert!(bundled.files() < 1.1);
    }

    proptest! {
        #[test]
        fn classes_keep_files_and_bytes(sizes in prop::collection::vec(0_u64..1 << 40, 1..500)) {
            let shape = Shape::of_sizes(sizes.clone()).unwrap();
            let bytes = sizes.iter().sum::<u64>() as f64;
            prop_assert!(shape.classes().len() <= CLASSES_MAX + 1);
            prop_assert!((shape.files() - sizes.len() as f64).abs() < 1e-6);
            prop_assert!((shape.bytes() - bytes).abs() <= 1e-9 * bytes.max(1.0));
        }
    }
}
