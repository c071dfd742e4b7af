//! The directory in which objects outlive the process.
//!
//! ```text
//! DIR/tidegate.lock                 locked by the process that serves from DIR
//! DIR/blobs/<random number>         the bytes of one PutObject or UploadPart, or a record that is written
//! DIR/buckets/<bucket>/<hash>.json  the record of one object; the hash is the SHA-256 of its key
//! ```
//! What a client was told is done is on disk: the bytes and the record are, before the record gets its name,
//! and that name is, before the answer. A blob without a record is the rest of an upload that never ended:
//! it goes when DIR is opened.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::Content;
use super::blob::{Blob, BlobName};
use super::folder::Folder;
use super::record::{Record, former_record_name, record_name};
use crate::error::{Error, Result};
use crate::storj::{Buckets, Object, Overwrite};

const LOCK: &str = "tidegate.lock";

/// The directory in which objects outlive the process.
#[derive(Debug)]
pub struct Archive {
    blobs: Arc<Folder>,
    buckets: Folder,
    /// Locked while it is open.
    _lock: File,
}

/// The record of an object, all of it on disk, but not yet under its name.
#[derive(Debug)]
pub struct Staged {
    written: Blob,
    bucket: Folder,
    name: String,
}

impl Staged {
    /// Gives the record its name, from which time on the object holds its blobs.
    pub fn commit(&self, object: &Object<Content>) -> io::Result<()> {
        self.written.move_to(&self.bucket, &self.name)?;
        hold(object, true);
        Ok(())
    }
}

/// What the records of a directory lead to.
#[derive(Default)]
struct Found {
    blobs: HashSet<BlobName>,
    left_out: usize,
}

impl Found {
    /// Names what cannot be used, which stays as it is.
    fn leave_out(&mut self, bucket: &OsStr, name: &OsStr, error: &io::Error) {
        self.left_out += 1;
        tracing::warn!("left out buckets/{}/{}: {error}", shown(bucket), shown(name));
    }
}

/// Without anything that a terminal would obey.
fn shown(name: &OsStr) -> String {
    name.to_string_lossy().escape_debug().to_string()
}

impl Archive {
    /// Opens a directory and puts its objects into `buckets`.
    ///
    /// # Errors
    /// If it cannot be used, or another process serves from it.
    pub fn open(directory: &Path, buckets: &mut Buckets<Content>) -> Result<Self> {
        let cannot_use = |error: io::Error| cannot_use(directory, &error);
        let folder = Folder::open(directory).map_err(cannot_use)?;
        let lock = lock(&folder, directory)?;
        let open = || -> io::Result<Self> {
            let blobs = Arc::new(folder.folder("blobs")?);
            Ok(Self { blobs, buckets: folder.folder("buckets")?, _lock: lock })
        };
        let archive = open().map_err(cannot_use)?;
        archive.load(buckets).map_err(cannot_use)?;
        Ok(archive)
    }

    fn load(&self, buckets: &mut Buckets<Content>) -> io::Result<()> {
        let mut found = Found::default();
        for name in self.buckets.names()? {
            if let Err(error) = self.load_bucket(&name, buckets, &mut found) {
                found.leave_out(&name, OsStr::new(""), &error);
            }
        }
        let stray = self.blobs_except(&found.blobs)?;
        if found.left_out == 0 {
            return stray.iter().try_for_each(|name| self.blobs.remove(name));
        }
        // They may belong to what was left out.
        tracing::warn!("kept {} blobs that no record in use names", stray.len());
        Ok(())
    }

    fn load_bucket(
        &self,
        name: &OsStr,
        buckets: &mut Buckets<Content>,
        found: &mut Found,
    ) -> io::Result<()> {
        let folder = self.buckets.existing(name)?;
        let bucket = name.to_str().ok_or_else(|| io::Error::other("it is no bucket's name"))?;
        let created = folder.modified()?;
        buckets.create(bucket, created).map_err(io::Error::other)?;
        for file in folder.names()? {
            match self.load_record(&folder, &file, found) {
                Ok((key, object)) => {
                    let bucket = buckets.bucket(bucket, created).map_err(io::Error::other)?;
                    bucket.put(&key, object, Overwrite::Allowed).map_err(io::Error::other)?;
                }
                Err(error) => found.leave_out(name, &file, &error),
            }
        }
        Ok(())
    }

    fn load_record(
        &self,
        folder: &Folder,
        file: &OsStr,
        found: &mut Found,
    ) -> io::Result<(String, Object<Content>)> {
        let record = Record::read(folder.read(file)?)?;
        self.must_be_whole(&record)?;
        if !record.pieces.iter().all(|piece| found.blobs.insert(piece.blob)) {
            return Err(io::Error::other("it names a blob of another object"));
        }
        let name = record_name(&record.key);
        if file == OsStr::new(&former_record_name(&record.key)) {
            if folder.read(OsStr::new(&name)).is_ok() {
                return Err(io::Error::other(format!("{name} is of the same key")));
            }
            folder.rename(file, folder, &name)?;
            folder.sync()?;
        } else if file != OsStr::new(&name) {
            return Err(io::Error::other("its name is not that of its key"));
        }
        Ok((record.key.clone(), record.into_object(&self.blobs)))
    }

    /// Whether all bytes of the object are there.
    fn must_be_whole(&self, record: &Record) -> io::Result<()> {
        for piece in &record.pieces {
            let name = piece.blob.to_string();
            let named = |error: io::Error| io::Error::other(format!("its blob {name}: {error}"));
            let size_bytes = self.blobs.size_bytes(&name).map_err(named)?;
            if size_bytes != piece.size_bytes {
                let message = format!("{size_bytes} bytes instead of {}", piece.size_bytes);
                return Err(named(io::Error::other(message)));
            }
        }
        Ok(())
    }

    fn blobs_except(&self, recorded: &HashSet<BlobName>) -> io::Result<Vec<OsString>> {
        let is_recorded = |name: &OsString| {
            let name = name.to_str().and_then(|name| name.parse().ok());
            name.is_some_and(|name| recorded.contains(&name))
        };
        Ok(self.blobs.names()?.into_iter().filter(|name| !is_recorded(name)).collect())
    }

    /// A new blob, and the file to write it.
    pub fn create_blob(&self) -> io::Result<(Blob, File)> {
        Blob::create(Arc::clone(&self.blobs))
    }

    /// Writes the record of an object whose bytes are on disk.
    pub fn stage(&self, bucket: &str, record: &Record) -> io::Result<Staged> {
        let bucket = self.buckets.folder(bucket)?;
        let (written, mut file) = self.create_blob()?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        // The names of the blobs, too.
        self.blobs.sync()?;
        Ok(Staged { written, bucket, name: record_name(&record.key) })
    }

    /// Removes the record of an object, if there is one.
    pub fn erase(&self, bucket: &str, key: &str) -> io::Result<()> {
        let bucket = self.buckets.existing(OsStr::new(bucket))?;
        unless_missing(bucket.remove(OsStr::new(&record_name(key))))
    }

    /// Returns when the records that have come and gone in a bucket have done so on disk. Then the objects that
    /// they were of hold their blobs no longer.
    pub fn settle(&self, bucket: &str, gone: &[Arc<Object<Content>>]) -> io::Result<()> {
        let bucket = self.buckets.existing(OsStr::new(bucket));
        unless_missing(bucket.and_then(|bucket| bucket.sync()))?;
        gone.iter().for_each(|object| hold(object, false));
        Ok(())
    }

    /// Makes the directory of a bucket.
    pub fn record_bucket(&self, bucket: &str) -> io::Result<()> {
        self.buckets.folder(bucket).map(drop)
    }

    /// Removes the directory of a bucket, if there is one.
    pub fn erase_bucket(&self, bucket: &str) -> io::Result<()> {
        unless_missing(self.buckets.remove_folder(bucket))
    }

    /// Returns when the buckets that have gone have done so on disk.
    pub fn settle_buckets(&self) -> io::Result<()> {
        self.buckets.sync()
    }
}

fn unless_missing(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// Says whether a recorded object holds these blobs.
fn hold(object: &Object<Content>, held: bool) {
    for piece in &object.pieces {
        if let Content::File(blob) = &piece.content {
            blob.hold(held);
        }
    }
}

/// Takes the directory for this process. One that holds something else is refused: we remove files.
fn lock(folder: &Folder, directory: &Path) -> Result<File> {
    let cannot_use = |error: io::Error| cannot_use(directory, &error);
    let names = folder.names().map_err(cannot_use)?;
    if !names.is_empty() && !names.iter().any(|name| name == LOCK) {
        let message = format!("the directory {} holds something else", directory.display());
        return Err(Error::environment(message).hint("name an empty or a new one with --retain"));
    }
    let file = folder.touch(LOCK).map_err(cannot_use)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::environment(format!(
            "another process serves from the directory {}",
            directory.display()
        ))
        .hint("end it, or name another directory with --retain")),
        Err(TryLockError::Error(error)) => Err(cannot_use(error)),
    }
}

fn cannot_use(directory: &Path, error: &io::Error) -> Error {
    Error::environment(format!("cannot use the directory {}: {error}", directory.display()))
        .hint("name another one with --retain, or use `--retain memory`")
}
