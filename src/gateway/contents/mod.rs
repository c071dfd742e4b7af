//! What becomes of the bytes: discarded, kept in memory, or kept in a directory.

mod archive;
mod blob;
mod folder;
mod read;
mod receive;
mod record;

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use archive::{Archive, Staged};
use blob::Blob;
use record::Record;

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
    Directory(Arc<Archive>),
}

/// The record of an object, written but for its name, where records are kept.
pub struct Recorded(Option<Staged>);

impl Recorded {
    /// Lets a later process find the object.
    pub fn commit(&self, object: &Object<Content>) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |staged| staged.commit(object))
    }
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
            Retain::Directory(path) => Self::Directory(Arc::new(Archive::open(path, buckets)?)),
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

    /// Returns when what became of buckets outlasts this process.
    pub async fn settle_buckets(&self) -> io::Result<()> {
        match self {
            Self::Directory(archive) => {
                let archive = Arc::clone(archive);
                blocking(move || archive.settle_buckets()).await
            }
            Self::Discard(_) | Self::Memory => Ok(()),
        }
    }

    /// Writes what a later process must know of an object.
    pub async fn stage(
        &self,
        bucket: &str,
        key: &str,
        object: &Object<Content>,
    ) -> io::Result<Recorded> {
        let Self::Directory(archive) = self else { return Ok(Recorded(None)) };
        let (archive, bucket) = (Arc::clone(archive), bucket.to_owned());
        let record = Record::of(key, object);
        let staged = blocking(move || archive.stage(&bucket, &record)).await?;
        Ok(Recorded(Some(staged)))
    }

    /// Notes that an object does not exist any more.
    pub fn erase(&self, bucket: &str, key: &str) -> io::Result<()> {
        match self {
            Self::Directory(archive) => archive.erase(bucket, key),
            Self::Discard(_) | Self::Memory => Ok(()),
        }
    }

    /// Returns when what came to a bucket and what went from it has done so for later processes, too. It goes on
    /// if nobody waits for it any more.
    pub async fn settle(&self, bucket: &str, gone: Vec<Arc<Object<Content>>>) -> io::Result<()> {
        let Self::Directory(archive) = self else { return Ok(()) };
        let (archive, bucket) = (Arc::clone(archive), bucket.to_owned());
        blocking(move || archive.settle(&bucket, &gone)).await
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

/// Waits for a disk where that stops nobody else.
async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(act).await.map_err(io::Error::other)?
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
