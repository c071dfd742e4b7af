//! What a client did, request by request, to be done again.
//!
//! A step waits for other steps and then for the client's own time, never for a time of day: how long an answer takes
//! is the server's, and may be another the next time.

use std::ops::Range;
use std::time::Duration;

use crate::dataset::FileSpec;
use crate::result::Direction;

/// Requests, and what each of them waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What the requests are about; they name it by its place here.
    pub objects: Vec<Scripted>,
    /// The object of each multipart upload; requests name uploads by their place here.
    pub uploads: Vec<usize>,
    /// In the order in which they were begun.
    pub steps: Vec<Step>,
}

/// An object. Of one that has neither size only its name is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scripted {
    /// Bytes that the script uploads to it; the last time counts.
    pub uploaded_bytes: Option<u64>,
    /// Bytes that it must have before the script begins, because it is downloaded.
    pub prepared_bytes: Option<u64>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is asked for.
    pub act: Act,
    /// The steps that must be over before, by their place; all of them come earlier.
    pub after: Vec<usize>,
    /// The client's own time from the last of them, or from the beginning, to this request.
    pub pause: Duration,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// PutObject.
    Put {
        /// Its place.
        object: usize,
        /// Bytes.
        bytes: u64,
    },
    /// CreateMultipartUpload.
    Create {
        /// Its place.
        upload: usize,
    },
    /// UploadPart.
    Part {
        /// Of which upload.
        upload: usize,
        /// From 1.
        number: u32,
        /// Bytes.
        bytes: u64,
    },
    /// CompleteMultipartUpload, of all parts that have arrived.
    Complete {
        /// Its place.
        upload: usize,
    },
    /// GetObject.
    Get {
        /// Its place.
        object: usize,
        /// The bytes to come.
        bytes: Range<u64>,
        /// Whether they are asked for by a range.
        ranged: bool,
    },
    /// HeadObject.
    Head {
        /// Its place.
        object: usize,
    },
    /// ListObjectsV2, one page.
    List,
    /// GetBucketLocation.
    Locate,
}

/// Files larger than this are put in parts before they are downloaded (S3's limit for a PutObject).
const PUT_MAX_BYTES: u64 = 5 << 30;

/// Parts of what is prepared: whole segments of Storj, so that it is stored like an object in one piece.
const PREPARED_PART_BYTES: u64 = 1 << 30;

/// Files that are prepared at a time.
const PREPARED_AT_A_TIME: usize = 4;

impl Script {
    /// The key of an object below a prefix.
    pub fn key(prefix: &str, object: usize) -> String {
        format!("{prefix}replay/{object:07}")
    }

    /// Up if anything is uploaded. What is then downloaded beside it is no part of the goodput.
    pub fn direction(&self) -> Direction {
        let uploads = self.objects.iter().any(|object| object.uploaded_bytes.is_some());
        if uploads { Direction::Up } else { Direction::Down }
    }

    /// Bytes of an object on their way in the script's direction, if it goes that way.
    pub(super) fn moved_bytes(&self, object: usize) -> Option<u64> {
        let Scripted { uploaded_bytes, prepared_bytes } = self.objects[object];
        match self.direction() {
            Direction::Up => uploaded_bytes,
            Direction::Down => prepared_bytes,
        }
    }

    /// The files that go in the script's direction.
    pub fn files(&self) -> Vec<FileSpec> {
        let file = |object| {
            let size_bytes = self.moved_bytes(object)?;
            Some(FileSpec { path: Self::key("", object), size_bytes })
        };
        (0..self.objects.len()).filter_map(file).collect()
    }

    /// Uploads what this script downloads and has not uploaded before.
    pub fn preparation(&self) -> Option<Self> {
        let objects: Vec<Scripted> = self
            .objects
            .iter()
            .map(|object| Scripted { uploaded_bytes: object.prepared_bytes, prepared_bytes: None })
            .collect();
        let mut first = Self { objects, ..Self::default() };
        let mut ends = Vec::new();
        for object in 0..self.objects.len() {
            if let Some(bytes) = self.objects[object].prepared_bytes {
                let after = ends.len().checked_sub(PREPARED_AT_A_TIME).map(|turn| ends[turn]);
                ends.push(first.upload(object, bytes, after));
            }
        }
        (!ends.is_empty()).then_some(first)
    }

    /// Adds the upload of an object; its last step.
    fn upload(&mut self, object: usize, bytes: u64, after: Option<usize>) -> usize {
        if bytes <= PUT_MAX_BYTES {
            return self.add(Act::Put { object, bytes }, after);
        }
        let upload = self.uploads.len();
        self.uploads.push(object);
        let mut last = self.add(Act::Create { upload }, after);
        let parts = bytes.div_ceil(PREPARED_PART_BYTES);
        for part in 0..parts {
            let bytes = PREPARED_PART_BYTES.min(bytes - part * PREPARED_PART_BYTES);
            last = self.add(Act::Part { upload, number: part as u32 + 1, bytes }, Some(last));
        }
        self.add(Act::Complete { upload }, Some(last))
    }

    fn add(&mut self, act: Act, after: Option<usize>) -> usize {
        let after = after.into_iter().collect();
        self.steps.push(Step { act, after, pause: Duration::ZERO });
        self.steps.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downloaded(sizes: &[u64]) -> Script {
        let object = |bytes: &u64| Scripted { uploaded_bytes: None, prepared_bytes: Some(*bytes) };
        Script { objects: sizes.iter().map(object).collect(), ..Script::default() }
    }

    #[test]
    fn what_is_downloaded_is_uploaded_first_four_files_at_a_time() {
        let first = downloaded(&[5; 6]).preparation().unwrap();
        assert_eq!(first.direction(), Direction::Up);
        assert_eq!(first.files(), downloaded(&[5; 6]).files());
        let after: Vec<&[usize]> = first.steps.iter().map(|step| &step.after[..]).collect();
        assert_eq!(after, [&[][..], &[], &[], &[], &[0], &[1]]);
        assert_eq!(Script::default().preparation(), None);
    }

    #[test]
    fn what_no_put_can_hold_is_prepared_in_parts() {
        let bytes = PUT_MAX_BYTES + 1;
        let first = downloaded(&[bytes]).preparation().unwrap();
        let parts = first.steps.iter().filter_map(|step| match step.act {
            Act::Part { bytes, .. } => Some(bytes),
            _ => None,
        });
        assert_eq!(parts.clone().count(), 6);
        assert_eq!(parts.sum::<u64>(), bytes);
        assert!(matches!(first.steps.last().unwrap().act, Act::Complete { upload: 0 }));
    }
}
