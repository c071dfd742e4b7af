//! Where downloaded bytes go: nowhere, or into a file that gets its name when it is whole.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::dataset::SourceError;
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
    let fail = |error: std::io::Error| {
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
    ) -> Result<Destination, SourceError> {
        match self {
            Self::Discard => Ok(Destination::Discard),
            Self::Directory(root) => {
                let name = below(root, path)?;
                blocking(move || PartialFile::create(name, size_bytes)).await.map(Destination::File)
            }
        }
    }
}

impl Destination {
    /// Writes, and counts how long that kept the mover waiting.
    pub(super) async fn write(
        &self,
        offset: u64,
        bytes: Bytes,
        waits: &Arc<Waits>,
    ) -> Result<(), SourceError> {
        let Self::File(partial) = self else { return Ok(()) };
        let _waiting = waits.begin();
        let (file, name) = (Arc::clone(&partial.file), partial.name.clone());
        blocking(move || file.write_all_at(&bytes, offset).map_err(|error| failed(&name, &error)))
            .await
    }

    pub(super) async fn finish(self) -> Result<(), SourceError> {
        let Self::File(partial) = self else { return Ok(()) };
        blocking(move || partial.rename()).await
    }
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
        create().map_err(|error: std::io::Error| failed(&name, &error))
    }

    fn rename(self) -> Result<(), SourceError> {
        std::fs::rename(&self.temporary, &self.name).map_err(|error| failed(&self.name, &error))
    }
}

/// Asks for the space at the start, so that a full disk is known before hours of transfer. A file
/// system that cannot reserve says so, and then the writes will tell.
fn reserve(file: &File, size_bytes: u64) -> std::io::Result<()> {
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
fn below(root: &Path, path: &str) -> Result<PathBuf, SourceError> {
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

fn failed(path: &Path, error: &std::io::Error) -> SourceError {
    SourceError(format!("cannot write {}: {error}", path.display()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let lost = |_| Err(SourceError("the writing thread was lost".into()));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(lost)
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

    #[tokio::test]
    async fn a_file_has_its_name_only_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let sink = Sink::Directory(directory.path().into());
        let destination = sink.open("a/b", 4).await.unwrap();
        destination.write(0, Bytes::from_static(b"data"), &Arc::default()).await.unwrap();
        assert!(!directory.path().join("a/b").exists());
        destination.finish().await.unwrap();
        assert_eq!(std::fs::read(directory.path().join("a/b")).unwrap(), b"data");
    }

    #[tokio::test]
    async fn a_download_that_is_given_up_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let sink = Sink::Directory(directory.path().into());
        let destination = sink.open("a", 4).await.unwrap();
        destination.write(0, Bytes::from_static(b"da"), &Arc::default()).await.unwrap();
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
