//! Synthetic bytes: deterministic from an object's key and the offset, verifiable without a copy kept.
//!
//! All objects are cut from one ring of random bytes, made once, if at all. An object's key says where
//! on the ring it starts; from there its bytes run round and round. Nothing is drawn or copied while a
//! trial runs, and to verify is to compare memory.
//!
//! What [`Pattern::matches`] finds: any byte that is not the right one; bytes of another offset,
//! unless the distance is a multiple of `RING_BYTES`; bytes of another key, unless both start at
//! the same place (one pair in 16.8 million). `RING_BYTES` is a prime near 16 MiB, so that no two
//! parts of whole mebibytes look alike within the 10,000 parts an object can have.
//!
//! The bytes do not compress within a window below 16 MiB, but a store that removes duplicates by
//! content would find many: do not measure such a store with them.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::BLOCK_BYTES;

/// Bytes on the ring: the largest prime below 2^24.
const RING_BYTES: usize = 16_777_213;

/// The shared random bytes from which every synthetic object is cut.
#[derive(Clone)]
pub struct Pattern {
    seed: u64,
    /// Made when the first byte is asked for: whoever moves files has no use for it.
    ring: Arc<OnceLock<Bytes>>,
}

impl Pattern {
    /// The same seed gives the same bytes on every machine.
    pub fn new(seed: u64) -> Self {
        Self { seed, ring: Arc::default() }
    }

    /// Makes the shared bytes now, which takes some 10 ms and 16 MiB, and not while data moves.
    pub fn prepare(&self) {
        self.ring();
    }

    /// What begins at `offset` of the object `key`.
    pub(super) fn stretch(&self, key: &str, offset: u64) -> Stretch {
        Stretch { pattern: self.clone(), position: self.position(key, offset) }
    }

    /// Whether `bytes` are those of the object `key` at `offset`.
    pub fn matches(&self, key: &str, offset: u64, bytes: &[u8]) -> bool {
        let (ring, mut position) = (self.ring(), self.position(key, offset));
        bytes.chunks(BLOCK_BYTES).all(|block| {
            let expected = &ring[position..position + block.len()];
            position = (position + block.len()) % RING_BYTES;
            block == expected
        })
    }

    fn ring(&self) -> &Bytes {
        self.ring.get_or_init(|| ring(self.seed))
    }

    /// Where on the ring the byte at `offset` of the object `key` lies.
    fn position(&self, key: &str, offset: u64) -> usize {
        let ring = RING_BYTES as u64;
        let start = SplitMix64::new(self.seed ^ fnv1a(key.as_bytes())).next() % ring;
        ((start + offset % ring) % ring) as usize
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// The ring cut open; its first block follows once more at the end, so that every block is one slice.
fn ring(seed: u64) -> Bytes {
    let mut random = SplitMix64::new(seed);
    let mut ring = Vec::with_capacity(RING_BYTES + BLOCK_BYTES);
    while ring.len() < RING_BYTES {
        ring.extend_from_slice(&random.next().to_le_bytes());
    }
    ring.truncate(RING_BYTES);
    ring.extend_from_within(..BLOCK_BYTES);
    Bytes::from(ring)
}

/// A stretch of the ring, walked block by block.
pub(super) struct Stretch {
    pattern: Pattern,
    position: usize,
}

impl Stretch {
    /// The next block: [`BLOCK_BYTES`], or `left_bytes` if fewer.
    pub(super) fn next_block(&mut self, left_bytes: u64) -> Bytes {
        let len = left_bytes.min(BLOCK_BYTES as u64) as usize;
        let block = self.pattern.ring().slice(self.position..self.position + len);
        self.position = (self.position + len) % RING_BYTES;
        block
    }
}

/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
/// doi:10.1145/2660193.2660195; constants as in <https://prng.di.unimi.it/splitmix64.c>.
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// Sequential seeds give unrelated numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The 64-bit FNV-1a hash. Source: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::dataset::payload::tests::frames;
    use crate::units::MIB;

    static PATTERN: LazyLock<Pattern> = LazyLock::new(|| Pattern::new(7));

    const KEY: &str = "run/a/b/a-b-1MB.dat";

    /// Enough bytes that random ones never agree by chance.
    const ENOUGH_BYTES: u64 = 32;

    fn bytes_of(key: &str, offset: u64, len: u64) -> Vec<u8> {
        frames(PATTERN.payload(key, offset, len)).concat()
    }

    /// The definition, byte by byte.
    fn defined(key: &str, offset: u64, len: u64) -> Vec<u8> {
        let start = PATTERN.position(key, 0) as u64;
        let byte = |i| PATTERN.ring()[((start + i) % RING_BYTES as u64) as usize];
        (offset..offset + len).map(byte).collect()
    }

    #[test]
    fn the_ring_has_a_prime_number_of_bytes() {
        let ring = RING_BYTES as u64;
        assert!((2..=ring.isqrt()).all(|divisor| !ring.is_multiple_of(divisor)));
    }

    #[test]
    fn generator_and_hash_are_the_published_ones() {
        let mut random = SplitMix64(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
        let bytes = bytes_of(KEY, 5, 1000);
        assert!(Pattern::new(7).matches(KEY, 5, &bytes));
        assert!(!Pattern::new(8).matches(KEY, 5, &bytes));
    }

    #[test]
    fn nothing_is_made_before_the_first_byte_is_asked_for() {
        let pattern = Pattern::new(7);
        let payload = pattern.payload(KEY, 0, 1);
        assert!(pattern.ring.get().is_none());
        frames(payload);
        assert!(pattern.ring.get().is_some());
    }

    #[test]
    fn keys_start_all_over_the_ring() {
        let start = |i: u32| PATTERN.position(&format!("run/file-{i}"), 0);
        let starts: HashSet<usize> = (0..10_000).map(start).collect();
        assert!(starts.len() > 9_980, "only {} starts for 10,000 keys", starts.len());
        let quarters: HashSet<usize> = starts.iter().map(|s| s / (RING_BYTES / 4)).collect();
        assert!(quarters.len() >= 4);
    }

    #[test]
    fn every_byte_value_is_equally_frequent() {
        let mut counts = [0_u32; 256];
        for byte in &PATTERN.ring()[..RING_BYTES] {
            counts[usize::from(*byte)] += 1;
        }
        let expected = RING_BYTES as u32 / 256;
        assert!(counts.iter().all(|count| count.abs_diff(expected) < expected / 50));
    }

    proptest! {
        #[test]
        fn a_payload_follows_the_definition(offset in 0..1_u64 << 45, len in 0_u64..600_000) {
            let bytes = bytes_of(KEY, offset, len);
            prop_assert!(bytes == defined(KEY, offset, len));
            prop_assert!(PATTERN.matches(KEY, offset, &bytes));
        }

        #[test]
        fn a_payload_across_the_end_of_the_ring_follows_the_definition(before in 0_u64..300_000) {
            let ring = RING_BYTES as u64;
            let offset = 2 * ring - PATTERN.position(KEY, 0) as u64 - before;
            let bytes = bytes_of(KEY, offset, 300_000);
            prop_assert!(bytes == defined(KEY, offset, 300_000));
            prop_assert!(PATTERN.matches(KEY, offset, &bytes));
        }

        #[test]
        fn frames_are_whole_blocks_but_the_last(offset in 0..1_u64 << 45, len in 1_u64..2_000_000) {
            let sizes: Vec<usize> =
                frames(PATTERN.payload(KEY, offset, len)).iter().map(Bytes::len).collect();
            let (last, others) = sizes.split_last().expect("there is a byte");
            prop_assert!(others.iter().all(|size| *size == BLOCK_BYTES));
            prop_assert!((1..=BLOCK_BYTES).contains(last));
        }

        #[test]
        fn parts_concatenate_to_the_whole(cuts in prop::collection::vec(0_u64..1_000_000, 0..6)) {
            let mut cuts = cuts;
            cuts.extend([0, 1_000_000]);
            cuts.sort_unstable();
            let parts: Vec<Vec<u8>> =
                cuts.windows(2).map(|cut| bytes_of(KEY, cut[0], cut[1] - cut[0])).collect();
            prop_assert!(parts.concat() == bytes_of(KEY, 0, 1_000_000));
        }

        #[test]
        fn a_single_wrong_byte_is_found(
            offset in 0..1_u64 << 45,
            len in 1_u64..600_000,
            at in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let mut bytes = bytes_of(KEY, offset, len);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(!PATTERN.matches(KEY, offset, &bytes));
        }

        #[test]
        fn bytes_shifted_within_the_ring_are_found(
            offset in 0..1_u64 << 45,
            shift in prop_oneof![Just(1), 1..RING_BYTES as u64],
        ) {
            let bytes = bytes_of(KEY, offset + shift, ENOUGH_BYTES);
            prop_assert!(!PATTERN.matches(KEY, offset, &bytes));
        }

        #[test]
        fn bytes_of_another_key_are_found(offset in 0..1_u64 << 45, number in 0_u32..1000) {
            let other = format!("{KEY}-{number}");
            prop_assume!(PATTERN.position(&other, 0) != PATTERN.position(KEY, 0));
            let bytes = bytes_of(&other, offset, ENOUGH_BYTES);
            prop_assert!(!PATTERN.matches(KEY, offset, &bytes));
        }

        #[test]
        fn swapped_parts_are_found(
            part_mib in 1..=5 * 1024_u64,
            part in 0_u64..10_000,
            other in 0_u64..10_000,
        ) {
            prop_assume!(part != other);
            let part_bytes = part_mib * MIB;
            let bytes = bytes_of(KEY, other * part_bytes, ENOUGH_BYTES);
            prop_assert!(!PATTERN.matches(KEY, part * part_bytes, &bytes));
        }
    }
}
