//! Where downloaded bytes go: nowhere, or into a file that gets its name when it is whole.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

use bytes::Bytes;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::folder::{Folder, Place};
use crate::clock;
use crate::dataset::{BLOCK_BYTES, SourceError};
use crate::measure::Waits;

/// Where downloads go.
#[derive(Clone, Debug)]
pub enum Sink {
    /// The bytes are counted and forgotten.
    Discard,
    /// Files in this directory.
    Directory(Arc<Folder>),
}

/// Where the bytes of one download go.
#[derive(Debug)]
pub(super) enum Destination {
    Discard,
    File(PartialFile),
    /// The file is there already.
    Whole(Arc<Folder>),
}

/// A file without a name; it is removed unless [`Destination::finish`] is reached.
#[derive(Debug)]
pub(super) struct PartialFile {
    folder: Arc<Folder>,
    file: Arc<File>,
    number: String,
    path: String,
}

impl Sink {
    pub(super) async fn open(
        &self,
        path: &str,
        size_bytes: u64,
        waits: &Arc<Waits>,
    ) -> Result<Destination, SourceError> {
        match self {
            Self::Discard => Ok(Destination::Discard),
            Self::Directory(folder) => {
                let (folder, path) = (Arc::clone(folder), path.to_owned());
                let _waiting = waits.begin();
                blocking(move || PartialFile::begin(folder, path, size_bytes)).await
            }
        }
    }
}

impl Destination {
    /// Takes the bytes from `offset` on, in order.
    pub(super) fn writer(&self, offset: u64, waits: &Arc<Waits>) -> Writer<'_> {
        let partial = match self {
            Self::Discard | Self::Whole(_) => None,
            Self::File(partial) => Some(partial),
        };
        Writer {
            partial,
            offset,
            gathered: Vec::new(),
            gathered_bytes: 0,
            writing: None,
            waits: Arc::clone(waits),
        }
    }

    pub(super) async fn finish(self, waits: &Arc<Waits>) -> Result<(), SourceError> {
        let Self::File(partial) = self else { return Ok(()) };
        let _waiting = waits.begin();
        blocking(move || partial.name()).await
    }
}

/// Bytes that are written together, on a thread that may block. Two batches are in memory: one is
/// received while the other is written.
const BATCH_BYTES: usize = 2 * BLOCK_BYTES;

/// A stretch of a file, written in order while more of it is received.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    /// Nothing is written without one.
    partial: Option<&'a PartialFile>,
    /// Where the gathered bytes go.
    offset: u64,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    writing: Option<JoinHandle<Result<(), SourceError>>>,
    waits: Arc<Waits>,
}

impl Writer<'_> {
    /// Takes the next bytes. An error may be of those before.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), SourceError> {
        if self.partial.is_none() || bytes.is_empty() {
            return Ok(());
        }
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        match self.gathered_bytes >= BATCH_BYTES {
            true => self.begin_to_write().await,
            false => Ok(()),
        }
    }

    /// Writes the rest; nothing is being written any more after this.
    pub(super) async fn finish(mut self) -> Result<(), SourceError> {
        let begun = self.begin_to_write().await;
        begun.and(self.written().await)
    }

    /// Once the batch before is written.
    async fn begin_to_write(&mut self) -> Result<(), SourceError> {
        self.written().await?;
        let Some(partial) = self.partial.filter(|_| !self.gathered.is_empty()) else {
            return Ok(());
        };
        let (folder, path) = (Arc::clone(&partial.folder), partial.path.clone());
        let file = Arc::clone(&partial.file);
        let (batch, offset) = (std::mem::take(&mut self.gathered), self.offset);
        self.offset += self.gathered_bytes as u64;
        self.gathered_bytes = 0;
        let write =
            move || write_all(&file, &batch, offset).map_err(|error| folder.failed(&path, &error));
        if clock::is_simulated() {
            return write();
        }
        self.writing = Some(spawn_blocking(write));
        Ok(())
    }

    /// Waits for the batch that is being written, and counts that.
    async fn written(&mut self) -> Result<(), SourceError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let _waiting = self.waits.begin();
        writing.await.unwrap_or_else(thread_lost)
    }
}

/// Writes the pieces as one: a call for each of them costs as much as what it writes.
fn write_all(file: &File, pieces: &[Bytes], mut offset: u64) -> io::Result<()> {
    let mut slices: Vec<_> = pieces.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut slices = &mut slices[..];
    while !slices.is_empty() {
        match rustix::io::pwritev(file, slices, offset) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                IoSlice::advance_slices(&mut slices, written);
                offset += written as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl PartialFile {
    /// A new file, unless there is one that is whole. Asked before any byte is moved.
    fn begin(
        folder: Arc<Folder>,
        path: String,
        size_bytes: u64,
    ) -> Result<Destination, SourceError> {
        if folder.look(&path, size_bytes)? == Place::Whole {
            return Ok(Destination::Whole(folder));
        }
        let begun = folder.begin().map_err(|error| folder.failed(&path, &error));
        let (file, number) = begun?;
        let partial = Self { folder, file: Arc::new(file), number, path };
        match reserve(&partial.file, size_bytes) {
            Ok(()) => Ok(Destination::File(partial)),
            Err(error) => Err(partial.folder.failed(&partial.path, &error)),
        }
    }

    /// On disk first: after a power failure a file that has its name is whole.
    fn name(self) -> Result<(), SourceError> {
        let named = self.file.sync_all().and_then(|()| self.folder.name(&self.number, &self.path));
        named.map_err(|error| self.folder.failed(&self.path, &error))
    }
}

/// Asks for the space at the start, so that a full disk is known before hours of transfer. A file
/// system that cannot reserve says so, and then the writes will tell.
fn reserve(file: &File, size_bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    if size_bytes == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, size_bytes) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // After a rename there is nothing left under this number.
        self.folder.give_up(&self.number);
    }
}

/// On a thread that may block; in simulated time nothing may be waited for, and nobody minds.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match clock::is_simulated() {
        true => work(),
        false => spawn_blocking(work).await.unwrap_or_else(thread_lost),
    }
}

fn thread_lost<T>(_: JoinError) -> Result<T, SourceError> {
    Err(SourceError("the writing thread was lost".into()))
}

#[cfg(test)]
mod tests {
    use super::super::folder::Found;
    use super::*;

    fn folder(directory: &tempfile::TempDir) -> Sink {
        Sink::Directory(Folder::open(directory.path(), Found::Refused).unwrap())
    }

    async fn write<const N: usize>(
        destination: &Destination,
        offset: u64,
        pieces: impl IntoIterator<Item = &'static [u8; N]>,
    ) {
        let mut writer = destination.writer(offset, &Arc::default());
        for piece in pieces {
            writer.write(Bytes::from_static(piece)).await.unwrap();
        }
        writer.finish().await.unwrap();
    }

    #[tokio::test]
    async fn ranges_of_many_batches_come_together_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let sink = folder(&directory);
        // Pieces that fill batches unevenly, in two ranges of which the second is written first.
        let content: Vec<u8> = (0..5 * BATCH_BYTES + 7).map(|at| (at ^ (at / 251)) as u8).collect();
        let destination = sink.open("a", content.len() as u64, &Arc::default()).await.unwrap();
        let middle = 2 * BATCH_BYTES + 12_345;
        for range in [middle..content.len(), 0..middle] {
            let mut writer = destination.writer(range.start as u64, &Arc::default());
            for piece in content[range].chunks(77_777) {
                writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
                assert!(writer.gathered_bytes < BATCH_BYTES);
            }
            writer.finish().await.unwrap();
        }
        destination.finish(&Arc::default()).await.unwrap();
        assert!(std::fs::read(directory.path().join("a")).unwrap() == content);
    }

    #[tokio::test]
    async fn a_write_that_fails_is_told_at_the_end_at_the_latest() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("a");
        std::fs::write(&elsewhere, "").unwrap();
        // Open for reading only.
        let file = Arc::new(File::open(&elsewhere).unwrap());
        let folder = Folder::open(&directory.path().join("to"), Found::Refused).unwrap();
        let partial = PartialFile { folder, file, number: "0".into(), path: "a".into() };
        let destination = Destination::File(partial);
        let mut writer = destination.writer(0, &Arc::default());
        writer.write(Bytes::from_static(b"data")).await.unwrap();
        assert!(writer.finish().await.unwrap_err().0.contains("cannot write"));
    }

    #[tokio::test]
    async fn a_file_has_its_name_only_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let sink = folder(&directory);
        let destination = sink.open("a/b", 4, &Arc::default()).await.unwrap();
        write(&destination, 0, [b"da", b"ta"]).await;
        assert!(!directory.path().join("a/b").exists());
        destination.finish(&Arc::default()).await.unwrap();
        assert_eq!(std::fs::read(directory.path().join("a/b")).unwrap(), b"data");
    }

    #[tokio::test]
    async fn a_download_that_is_given_up_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let sink = folder(&directory);
        let destination = sink.open("a", 4, &Arc::default()).await.unwrap();
        write(&destination, 0, [b"da"]).await;
        drop((destination, sink));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
