//! The directory in which objects outlive the process.
//!
//! ```text
//! DIR/tidegate.lock                 locked by the process that serves from DIR
//! DIR/blobs/<random name>           the bytes of one PutObject or UploadPart
//! DIR/blobs/<random name>.part      the same, while they arrive
//! DIR/buckets/<bucket>/<hash>.json  the record of one object; the hash is the MD5 of its key
//! ```
//! A blob without a record is the rest of an upload that never ended: it goes when DIR is opened.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::Content;
use super::blob::{Blob, fresh_name};
use crate::error::{Error, Result};
use crate::storj::{Attributes, Buckets, Object, Overwrite, Piece, Tag};

/// The directory in which objects outlive the process.
#[derive(Debug)]
pub struct Archive {
    blobs: PathBuf,
    buckets: PathBuf,
    /// Locked while it is open.
    _lock: File,
}

/// What is known about an object, as it stands in its file.
#[derive(Serialize, Deserialize)]
struct Record {
    key: String,
    etag: String,
    modified_us: u64,
    content_type: Option<String>,
    metadata: BTreeMap<String, String>,
    pieces: Vec<RecordedPiece>,
}

#[derive(Serialize, Deserialize)]
struct RecordedPiece {
    blob: String,
    size_bytes: u64,
}

impl Archive {
    /// Opens a directory and puts its objects into `buckets`.
    ///
    /// # Errors
    /// If it cannot be used, or another process serves from it.
    pub fn open(directory: &Path, buckets: &mut Buckets<Content>) -> Result<Self> {
        let lock = lock(directory)?;
        let archive = Self {
            blobs: directory.join("blobs"),
            buckets: directory.join("buckets"),
            _lock: lock,
        };
        archive.load(buckets).map_err(|error| cannot_use(directory, &error))?;
        Ok(archive)
    }

    fn load(&self, buckets: &mut Buckets<Content>) -> io::Result<()> {
        fs::create_dir_all(&self.blobs)?;
        fs::create_dir_all(&self.buckets)?;
        let mut recorded = HashSet::new();
        for entry in fs::read_dir(&self.buckets)? {
            let entry = entry?;
            let bucket = entry.file_name().to_string_lossy().into_owned();
            let created = entry.metadata()?.modified()?;
            buckets.create(&bucket, created).map_err(io::Error::other)?;
            for file in fs::read_dir(entry.path())? {
                let path = file?.path();
                let record = Record::read(&path)?;
                recorded.extend(record.pieces.iter().map(|piece| piece.blob.clone()));
                let (key, object) = self.object(record);
                buckets
                    .bucket(&bucket, created)
                    .and_then(|bucket| bucket.put(&key, object, Overwrite::Allowed))
                    .map_err(io::Error::other)?;
            }
        }
        self.remove_blobs_except(&recorded)
    }

    fn object(&self, record: Record) -> (String, Object<Content>) {
        let piece = |piece: RecordedPiece| {
            let blob = Blob::unheld(self.blobs.join(piece.blob));
            blob.hold(true);
            Piece { size_bytes: piece.size_bytes, content: Content::File(Arc::new(blob)) }
        };
        let object = Object {
            etag: record.etag,
            modified: SystemTime::UNIX_EPOCH + Duration::from_micros(record.modified_us),
            attributes: Attributes { content_type: record.content_type, metadata: record.metadata },
            pieces: record.pieces.into_iter().map(piece).collect(),
        };
        (record.key, object)
    }

    fn remove_blobs_except(&self, recorded: &HashSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(&self.blobs)? {
            let entry = entry?;
            if !recorded.contains(&*entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Where the bytes of a new blob may be written.
    pub fn unfinished_path(&self) -> PathBuf {
        self.blobs.join(format!("{}.part", fresh_name()))
    }

    /// Gives a blob whose bytes are all there its final name.
    pub fn finish(unfinished: Blob) -> io::Result<Blob> {
        let path = unfinished.path().with_extension("");
        fs::rename(unfinished.path(), &path)?;
        // The old name is gone already: the blob must not remove it.
        unfinished.hold(true);
        Ok(Blob::unheld(path))
    }

    /// Writes the record of an object, from which time on the object holds its blobs.
    pub fn record(&self, bucket: &str, key: &str, object: &Object<Content>) -> io::Result<()> {
        self.record_bucket(bucket)?;
        let path = self.record_path(bucket, key);
        let text = serde_json::to_vec(&Record::of(key, object))?;
        // Not in the bucket's directory, where every file is a record.
        let unfinished = self.unfinished_path();
        if let Err(error) =
            fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, path))
        {
            drop(fs::remove_file(&unfinished));
            return Err(error);
        }
        hold(object, true);
        Ok(())
    }

    /// Removes the record of an object, which from then on does not hold its blobs.
    pub fn erase(&self, bucket: &str, key: &str, object: &Object<Content>) -> io::Result<()> {
        fs::remove_file(self.record_path(bucket, key))?;
        hold(object, false);
        Ok(())
    }

    /// Makes the directory of a bucket.
    pub fn record_bucket(&self, bucket: &str) -> io::Result<()> {
        fs::create_dir_all(self.buckets.join(bucket))
    }

    /// Removes the directory of a bucket, if there is one.
    pub fn erase_bucket(&self, bucket: &str) -> io::Result<()> {
        match fs::remove_dir(self.buckets.join(bucket)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn record_path(&self, bucket: &str, key: &str) -> PathBuf {
        let hash = Tag::Md5(Md5::digest(key).into());
        self.buckets.join(bucket).join(format!("{hash}.json"))
    }
}

/// Says whether a recorded object holds these blobs.
pub fn hold(object: &Object<Content>, held: bool) {
    for piece in &object.pieces {
        if let Content::File(blob) = &piece.content {
            blob.hold(held);
        }
    }
}

impl Record {
    fn of(key: &str, object: &Object<Content>) -> Self {
        let since_epoch = object.modified.duration_since(SystemTime::UNIX_EPOCH);
        let pieces = object.pieces.iter().filter_map(|piece| match &piece.content {
            Content::File(blob) => {
                Some(RecordedPiece { blob: blob.name(), size_bytes: piece.size_bytes })
            }
            _ => None,
        });
        Self {
            key: key.to_owned(),
            etag: object.etag.clone(),
            modified_us: since_epoch.map_or(0, |time| time.as_micros() as u64),
            content_type: object.attributes.content_type.clone(),
            metadata: object.attributes.metadata.clone(),
            pieces: pieces.collect(),
        }
    }

    fn read(path: &Path) -> io::Result<Self> {
        let named = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", path.display()))
        };
        let text = fs::read(path).map_err(|error| named(&error))?;
        serde_json::from_slice(&text).map_err(|error| named(&error))
    }
}

/// Takes the directory for this process. One that holds something else is refused: we remove files.
fn lock(directory: &Path) -> Result<File> {
    let cannot_use = |error: io::Error| cannot_use(directory, &error);
    fs::create_dir_all(directory).map_err(cannot_use)?;
    let path = directory.join("tidegate.lock");
    let ours = path.exists();
    if !ours && fs::read_dir(directory).map_err(cannot_use)?.next().is_some() {
        let message = format!("the directory {} holds something else", directory.display());
        return Err(Error::environment(message).hint("name an empty or a new one with --retain"));
    }
    let file = File::create(&path).map_err(cannot_use)?;
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
