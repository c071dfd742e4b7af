//! What becomes of the bytes: discarded, kept in memory, or kept in a directory.

mod archive;
mod blob;
mod read;
mod receive;

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use archive::Archive;
use blob::Blob;

use crate::dataset::Pattern;
use crate::error::Result;
use crate::storj::{Buckets, Object, Piece};

/// What becomes of the bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retain {
    /// They are counted; the answer to a GET is made up from the key and the seed.
    Discard,
    /// They are kept until the end of the process.
    Memory,
    /// They are kept in this directory.
    Directory(PathBuf),
}

impl FromStr for Retain {
    type Err = Infallible;

    /// `discard`, `memory`, or a directory.
    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(match text {
            "discard" => Self::Discard,
            "memory" => Self::Memory,
            directory => Self::Directory(directory.into()),
        })
    }
}

/// Where the bytes of a piece are.
#[derive(Clone, Debug)]
pub enum Content {
    /// Nowhere: they are those of the synthetic object of this key.
    Discarded(Arc<str>),
    /// In memory.
    Memory(Arc<[Bytes]>),
    /// In a file.
    File(Arc<Blob>),
}

/// Where new bytes go.
pub enum Contents {
    /// Nowhere.
    Discard(Pattern),
    /// To memory.
    Memory,
    /// To a directory.
    Directory(Archive),
}

impl Contents {
    /// Opens what it needs, and puts the objects of an earlier process into `buckets`.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub fn open(retain: &Retain, seed: u64, buckets: &mut Buckets<Content>) -> Result<Self> {
        Ok(match retain {
            Retain::Discard => {
                let pattern = Pattern::new(seed);
                pattern.prepare();
                Self::Discard(pattern)
            }
            Retain::Memory => Self::Memory,
            Retain::Directory(path) => Self::Directory(Archive::open(path, buckets)?),
        })
    }

    /// Notes that a bucket exists.
    pub fn record_bucket(&self, bucket: &str) -> io::Result<()> {
        match self {
            Self::Directory(archive) => archive.record_bucket(bucket),
            Self::Discard(_) | Self::Memory => Ok(()),
        }
    }

    /// Notes that a bucket does not exist any more.
    pub fn erase_bucket(&self, bucket: &str) -> io::Result<()> {
        match self {
            Self::Directory(archive) => archive.erase_bucket(bucket),
            Self::Discard(_) | Self::Memory => Ok(()),
        }
    }

    /// Notes that an object exists, so that a later process finds it.
    pub fn record(&self, bucket: &str, key: &str, object: &Object<Content>) -> io::Result<()> {
        match self {
            Self::Directory(archive) => archive.record(bucket, key, object),
            Self::Discard(_) | Self::Memory => Ok(()),
        }
    }

    /// Notes that an object does not exist any more.
    pub fn erase(&self, bucket: &str, key: &str, object: &Object<Content>) -> io::Result<()> {
        match self {
            Self::Directory(archive) => archive.erase(bucket, key, object),
            Self::Discard(_) | Self::Memory => Ok(()),
        }
    }

    /// Notes that an object was replaced by one that is recorded under the same key.
    pub fn release(&self, object: &Object<Content>) {
        archive::hold(object, false);
    }

    /// The same bytes for a second object.
    pub fn copy(&self, piece: &Piece<Content>) -> io::Result<Piece<Content>> {
        let content = match &piece.content {
            Content::File(blob) => Content::File(Arc::new(blob.copy()?)),
            content => content.clone(),
        };
        Ok(Piece { size_bytes: piece.size_bytes, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_two_words_or_a_directory() {
        assert_eq!("discard".parse(), Ok(Retain::Discard));
        assert_eq!("memory".parse(), Ok(Retain::Memory));
        assert_eq!("./memory".parse(), Ok(Retain::Directory("./memory".into())));
    }
}
