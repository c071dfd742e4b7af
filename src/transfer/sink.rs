//! Where downloaded bytes go: nowhere, or into a file that gets its name when it is whole.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::clock;
use crate::dataset::{BLOCK_BYTES, SourceError};
use crate::error::{Error, Result};
use crate::measure::Waits;

/// Where downloads go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// The bytes are counted and forgotten.
    Discard,
    /// Files below this directory.
    Directory(PathBuf),
}

/// Where the bytes of one download go.
#[derive(Debug)]
pub(super) enum Destination {
    Discard,
    File(PartialFile),
}

/// A file under a temporary name; it is removed unless [`Destination::finish`] is reached.
#[derive(Debug)]
pub(super) struct PartialFile {
    file: Arc<File>,
    temporary: PathBuf,
    name: PathBuf,
}

/// Makes the directory of `--to` and sees that it is empty: nothing may be overwritten.
///
/// # Errors
/// If it cannot be made or read, or holds something.
pub fn check_destination(directory: &Path) -> Result<()> {
    let fail = |error: io::Error| {
        Error::environment(format!("cannot use {}: {error}", directory.display()))
            .hint("choose another directory with --to DIR")
    };
    std::fs::create_dir_all(directory).map_err(fail)?;
    if std::fs::read_dir(directory).map_err(fail)?.next().is_some() {
        return Err(Error::environment(format!("{} is not empty", directory.display()))
            .hint("choose an empty or a new directory, so that no file is overwritten"));
    }
    Ok(())
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
            Self::Directory(root) => {
                let name = below(root, path)?;
                let _waiting = waits.begin();
                blocking(move || PartialFile::create(name, size_bytes)).await.map(Destination::File)
            }
        }
    }
}

impl Destination {
    /// Takes the bytes from `offset` on, in order.
    pub(super) fn writer(&self, offset: u64, waits: &Arc<Waits>) -> Writer<'_> {
        let partial = match self {
            Self::Discard => None,
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
        blocking(move || partial.rename()).await
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
        let (file, name) = (Arc::clone(&partial.file), partial.name.clone());
        let (batch, offset) = (std::mem::take(&mut self.gathered), self.offset);
        self.offset += self.gathered_bytes as u64;
        self.gathered_bytes = 0;
        let write = move || write_all(&file, &batch, offset).map_err(|error| failed(&name, &error));
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
    fn create(name: PathBuf, size_bytes: u64) -> Result<Self, SourceError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary =
            name.with_file_name(format!(".tidegate-{}-{number}.part", std::process::id()));
        let create = || {
            if let Some(parent) = name.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let file = File::create_new(&temporary)?;
            let partial =
                Self { file: Arc::new(file), temporary: temporary.clone(), name: name.clone() };
            reserve(&partial.file, size_bytes)?;
            Ok(partial)
        };
        create().map_err(|error: io::Error| failed(&name, &error))
    }

    fn rename(self) -> Result<(), SourceError> {
        std::fs::rename(&self.temporary, &self.name).map_err(|error| failed(&self.name, &error))
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
        // After a rename there is nothing left under this name.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// The path of an object below the destination. A key can name any place: only those below are taken.
pub(crate) fn below(root: &Path, path: &str) -> Result<PathBuf, SourceError> {
    let is_plain = |component| matches!(component, Component::Normal(_));
    let rebuilt: PathBuf = Path::new(path).components().collect();
    let plain =
        rebuilt.components().all(is_plain) && rebuilt.as_os_str() == path && !path.is_empty();
    match plain {
        true => Ok(root.join(path)),
        false => {
            Err(SourceError(format!("`{path}` cannot be the name of a file below a directory")))
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> SourceError {
    SourceError(format!("cannot write {}: {error}", path.display()))
}

/// On a thread that may block; in simulated time nothing may be waited for, and nobody minds.
async fn blocking<T: Send + 'static>(
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
    use super::*;

    #[test]
    fn a_key_that_leads_out_of_the_directory_is_refused() {
        let root = Path::new("/data");
        for bad in ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/", "", ".."] {
            assert!(below(root, bad).is_err(), "{bad} was taken");
        }
        assert_eq!(below(root, "a/b c+%#é"), Ok(PathBuf::from("/data/a/b c+%#é")));
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
        let sink = Sink::Directory(directory.path().into());
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
        let path = directory.path().join("a");
        std::fs::write(&path, "").unwrap();
        // Open for reading only.
        let file = Arc::new(File::open(&path).unwrap());
        let partial = PartialFile { file, temporary: path.clone(), name: path };
        let destination = Destination::File(partial);
        let mut writer = destination.writer(0, &Arc::default());
        writer.write(Bytes::from_static(b"data")).await.unwrap();
        assert!(writer.finish().await.unwrap_err().0.contains("cannot write"));
    }

    #[tokio::test]
    async fn a_file_has_its_name_only_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let sink = Sink::Directory(directory.path().into());
        let destination = sink.open("a/b", 4, &Arc::default()).await.unwrap();
        write(&destination, 0, [b"da", b"ta"]).await;
        assert!(!directory.path().join("a/b").exists());
        destination.finish(&Arc::default()).await.unwrap();
        assert_eq!(std::fs::read(directory.path().join("a/b")).unwrap(), b"data");
    }

    #[tokio::test]
    async fn a_download_that_is_given_up_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let sink = Sink::Directory(directory.path().into());
        let destination = sink.open("a", 4, &Arc::default()).await.unwrap();
        write(&destination, 0, [b"da"]).await;
        drop(destination);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_with_files_is_no_destination() {
        let directory = tempfile::tempdir().unwrap();
        assert!(check_destination(directory.path()).is_ok());
        std::fs::write(directory.path().join("mine"), "precious").unwrap();
        assert!(check_destination(directory.path()).is_err());
    }
}
