//! Objects that somebody else stored: their bytes are known by their ETags, where these are MD5s.
//!
//! The ETag of one PutObject is the MD5 of its bytes, that of a multipart upload the MD5 of its parts'
//! MD5s, `-` and their number: on AWS unless the object is encrypted with keys of a customer or of KMS
//! (AWS, "Checking object integrity", docs.aws.amazon.com/AmazonS3/latest/userguide), on Storj always
//! (`storj/gateway-st` miniogw). Other servers may have other ETags, and only a match proves that they
//! do not: it cannot be chance. So an ETag that is not reproduced means corruption only when another of
//! the same form was reproduced before in the same job, and the store itself told the part size.
//! Otherwise the object is unverifiable, and nobody is called corrupt. All parts but the last are taken to be
//! as large as the first (ASSUMPTION): one put together from unequal parts whose number fits would be called
//! corrupt in the store.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use md5::{Digest, Md5};

use crate::store::{FirstPart, Part};

/// An MD5 as a number.
type Sum = u128;

/// What the bytes of an object are expected to hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// As the store gave it.
    pub(super) etag: String,
    sum: Sum,
    form: Form,
    /// Whether the store told the part size, and not the user.
    is_told: bool,
}

/// What an ETag is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The MD5 of all bytes.
    Whole,
    /// The MD5 of the MD5s of parts of this size.
    Parts { size_bytes: u64 },
}

/// What a whole reading of an object shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its bytes are those that were stored.
    Right,
    /// They are not: they hash to this.
    Wrong(Sum),
    /// Its ETag is perhaps no MD5, or that of other parts.
    NotKnown,
}

/// The ETag of an upload of these parts, if theirs are MD5s; quotes excluded.
pub(super) fn of_parts(parts: &[Part]) -> Option<String> {
    let mut sums = Md5::new();
    for part in parts {
        sums.update(sum(part.etag.trim_matches('"'))?.to_be_bytes());
    }
    let sum = Sum::from_be_bytes(sums.finalize().into());
    Some(format!("{sum:032x}-{}", parts.len()))
}

/// An MD5 in hexadecimal.
fn sum(text: &str) -> Option<Sum> {
    let is_md5 = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    Sum::from_str_radix(text, 16).ok().filter(|_| is_md5)
}

impl Known {
    /// What is known of an object of so many bytes; `part_size_bytes` is what the user says of objects
    /// whose store does not tell. `None` if its ETag cannot be the MD5 of anything known.
    pub(super) fn of(
        first: &FirstPart,
        size_bytes: u64,
        part_size_bytes: Option<u64>,
    ) -> Option<Self> {
        let etag = first.etag.as_deref().filter(|_| !first.is_encrypted_with_keys)?;
        let unquoted = etag.strip_prefix('"')?.strip_suffix('"')?;
        let (sum, parts) = match unquoted.split_once('-') {
            None => (unquoted, None),
            Some((sum, parts)) => (sum, Some(parts.parse::<u32>().ok()?)),
        };
        let sum = self::sum(sum)?;
        let (form, is_told) = match parts {
            None => (Form::Whole, true),
            Some(1) => (Form::Parts { size_bytes }, true),
            Some(parts) => {
                let told = first.size_bytes.filter(|_| first.parts == Some(parts));
                let size = told.or(part_size_bytes).filter(|size| *size > 0)?;
                if size_bytes.div_ceil(size) != u64::from(parts) {
                    return None;
                }
                (Form::Parts { size_bytes: size }, told.is_some())
            }
        };
        Some(Self { etag: etag.to_owned(), sum, form, is_told })
    }

    /// Hashes bytes as this ETag was made.
    pub(super) fn hashing(&self) -> Hashing {
        let part_size_bytes = match self.form {
            Form::Whole => None,
            Form::Parts { size_bytes } => Some(size_bytes),
        };
        Hashing { part_size_bytes, in_part: 0, part: Md5::new(), parts: Md5::new() }
    }
}

/// The MD5 of bytes, or of their parts' MD5s.
pub(super) struct Hashing {
    /// `None`: there are no parts.
    part_size_bytes: Option<u64>,
    /// Bytes of the part that is being hashed.
    in_part: u64,
    part: Md5,
    /// Over the MD5s of the parts before.
    parts: Md5,
}

impl Hashing {
    /// Adds the next bytes.
    pub(super) fn add(&mut self, mut bytes: &[u8]) {
        let Some(part_size_bytes) = self.part_size_bytes else { return self.part.update(bytes) };
        while !bytes.is_empty() {
            let left = usize::try_from(part_size_bytes - self.in_part).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(left.min(bytes.len()));
            self.part.update(now);
            self.in_part += now.len() as u64;
            bytes = later;
            if self.in_part == part_size_bytes {
                self.parts.update(self.part.finalize_reset());
                self.in_part = 0;
            }
        }
    }

    fn sum(mut self) -> Sum {
        let sum = match self.part_size_bytes {
            None => self.part.finalize(),
            Some(_) => {
                if self.in_part > 0 {
                    self.parts.update(self.part.finalize());
                }
                self.parts.finalize()
            }
        };
        Sum::from_be_bytes(sum.into())
    }
}

/// The forms of ETags that were reproduced in a job: they are MD5s.
#[derive(Debug, Default)]
pub(super) struct Reproduced {
    whole: AtomicBool,
    parts: AtomicBool,
    /// Files whose bytes do not give an ETag of this form, which nothing had proven yet to be an MD5.
    doubted: Mutex<Vec<(Form, String)>>,
}

impl Reproduced {
    fn proven(&self, form: Form) -> &AtomicBool {
        match form {
            Form::Whole => &self.whole,
            Form::Parts { .. } => &self.parts,
        }
    }

    /// Remembers a file that could not be judged, in case that what comes later proves it wrong: which object comes
    /// first is the store's choice.
    pub(super) fn doubt(&self, known: &Known, path: &str) {
        if known.is_told {
            self.doubted().push((known.form, path.to_owned()));
        }
    }

    /// The doubted files that are wrong, by what is known now.
    pub(super) fn wrong_after_all(&self) -> Vec<String> {
        let doubted = self.doubted();
        let wrong = doubted.iter().filter(|(form, _)| self.proven(*form).load(Relaxed));
        wrong.map(|(_, path)| path.clone()).collect()
    }

    fn doubted(&self) -> MutexGuard<'_, Vec<(Form, String)>> {
        self.doubted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a reading shows, which came to its end.
    pub(super) fn judge(&self, known: &Known, hashing: Hashing) -> Verdict {
        let proven = self.proven(known.form);
        match hashing.sum() {
            sum if sum == known.sum => {
                proven.store(true, Relaxed);
                Verdict::Right
            }
            sum if known.is_told && proven.load(Relaxed) => Verdict::Wrong(sum),
            _ => Verdict::NotKnown,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storj::Tag;

    fn first(etag: &str, parts: Option<u32>, size_bytes: u64) -> FirstPart {
        let etag = Some(format!("\"{etag}\""));
        FirstPart { etag, parts, size_bytes: Some(size_bytes), is_encrypted_with_keys: false }
    }

    fn md5(bytes: &[u8]) -> Tag {
        Tag::Md5(Md5::digest(bytes).into())
    }

    fn etag_of_parts(bytes: &[u8], size: usize) -> String {
        Tag::of_parts(&bytes.chunks(size).map(md5).collect::<Vec<_>>())
    }

    fn judge(reproduced: &Reproduced, known: &Known, bytes: &[u8]) -> Verdict {
        let mut hashing = known.hashing();
        bytes.chunks(7).for_each(|bytes| hashing.add(bytes));
        reproduced.judge(known, hashing)
    }

    proptest! {
        #[test]
        fn an_etag_is_reproduced_from_the_bytes_and_every_flip_is_seen(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            size in 1_usize..60,
            at: prop::sample::Index,
            bit in 0_u8..8,
        ) {
            let count = bytes.len().div_ceil(size) as u32;
            let length = bytes.len() as u64;
            let in_parts = first(&etag_of_parts(&bytes, size), Some(count), size as u64);
            let whole = first(&md5(&bytes).to_string(), None, length);
            for known in [in_parts, whole].map(|first| Known::of(&first, length, None).unwrap()) {
                let reproduced = Reproduced::default();
                prop_assert_eq!(judge(&reproduced, &known, &bytes), Verdict::Right);
                let mut flipped = bytes.clone();
                flipped[at.index(bytes.len())] ^= 1 << bit;
                let seen = judge(&reproduced, &known, &flipped);
                prop_assert!(matches!(seen, Verdict::Wrong(_)), "{:?}", seen);
            }
        }
    }

    #[test]
    fn a_file_that_was_doubted_is_wrong_once_another_proves_what_its_etag_is() {
        let reproduced = Reproduced::default();
        let known = |bytes: &[u8]| {
            Known::of(&first(&md5(bytes).to_string(), None, 4), bytes.len() as u64, None).unwrap()
        };
        assert_eq!(judge(&reproduced, &known(b"data"), b"atad"), Verdict::NotKnown);
        reproduced.doubt(&known(b"data"), "a");
        assert!(reproduced.wrong_after_all().is_empty());
        assert_eq!(judge(&reproduced, &known(b"more"), b"more"), Verdict::Right);
        assert_eq!(reproduced.wrong_after_all(), ["a"]);
    }

    #[test]
    fn an_etag_of_another_kind_accuses_nobody() {
        let reproduced = Reproduced::default();
        let other = Known::of(&first(&"0".repeat(32), None, 4), 4, None).unwrap();
        assert_eq!(judge(&reproduced, &other, b"data"), Verdict::NotKnown);
        // One form proves nothing of the other.
        let parts = first(&etag_of_parts(b"data", 2), Some(2), 2);
        let parts = Known::of(&parts, 4, None).unwrap();
        assert_eq!(judge(&reproduced, &parts, b"data"), Verdict::Right);
        assert_eq!(judge(&reproduced, &other, b"data"), Verdict::NotKnown);
    }

    #[test]
    fn a_part_size_that_the_user_says_can_verify_and_cannot_accuse() {
        let reproduced = Reproduced::default();
        // Storj answers with the size of the whole object and no number of parts.
        let known = |etag: &str, size| Known::of(&first(etag, None, 5), 5, Some(size));
        let etag = etag_of_parts(b"bytes", 3);
        let right = known(&etag, 3).unwrap();
        assert_eq!(judge(&reproduced, &right, b"bytes"), Verdict::Right);
        let another = known(&etag, 4).unwrap();
        assert_eq!(judge(&reproduced, &another, b"bytes"), Verdict::NotKnown);
        assert_eq!(known(&etag, 2), None, "there would be three parts");
        assert_eq!(Known::of(&first(&etag, None, 5), 5, None), None, "nobody says");
    }

    #[test]
    fn what_is_no_md5_is_not_taken_for_one() {
        let known = |first: &FirstPart| Known::of(first, 4, Some(2));
        let md5 = md5(b"data").to_string();
        assert!(known(&first(&md5, None, 4)).is_some());
        for other in ["discarded-0000000000000001", "", "-2", "+0", &md5[1..], &format!("{md5}-x")]
        {
            assert_eq!(known(&first(other, Some(2), 2)), None, "{other}");
        }
        let signed = format!("+{}", &md5[1..]);
        assert_eq!(known(&first(&signed, None, 4)), None);
        let encrypted = FirstPart { is_encrypted_with_keys: true, ..first(&md5, None, 4) };
        assert_eq!(known(&encrypted), None);
        assert_eq!(known(&FirstPart { etag: None, ..first("", None, 4) }), None);
    }
}
