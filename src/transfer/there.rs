//! A file that is there before its download: one of a run that was cut off.

use std::io::Read;
use std::sync::Arc;

use super::control::Control;
use super::etag::{Hashing, Verdict};
use super::folder::Folder;
use super::mover::{Came, FileError, Mover};
use super::sink::blocking;
use crate::dataset::{BLOCK_BYTES, FileSpec, SourceError};
use crate::measure::Live;
use crate::result::FileFailure;
use crate::store::Store;

/// What is said of a file that is not what its object is.
const OTHER_BYTES: &str = "a file of the same size and with other bytes is there: move it away";

impl Control {
    /// Files that were taken as they are, and that what came later proved wrong.
    pub fn wrong_after_all(&self) -> Vec<FileFailure> {
        let wrong = self.reproduced.wrong_after_all().into_iter();
        wrong.map(|path| FileFailure { reason: format!("{path}: {OTHER_BYTES}"), path }).collect()
    }
}

impl<S: Store> Mover<'_, S> {
    /// Takes a file that has all bytes of its object: files get their names when they are whole. Where downloads are
    /// compared with their ETags, it is too.
    pub(super) async fn take_as_it_is(
        &self,
        folder: Arc<Folder>,
        key: &str,
        file: &FileSpec,
    ) -> Result<Came, FileError> {
        let known = match self.worker.job.compares_etags() {
            true => self.known(key, file.size_bytes).await?,
            false => None,
        };
        let Some(known) = known else { return Ok(Came::Before) };
        let _waiting = self.worker.control.live.destination.begin();
        let hashing = hashed(folder, file.path.clone(), known.hashing()).await?;
        match self.worker.control.reproduced.judge(&known, hashing) {
            Verdict::Right => Live::add(&self.worker.control.live.files_there_verified, 1),
            Verdict::NotKnown => self.worker.control.reproduced.doubt(&known, &file.path),
            Verdict::Wrong(_) => {
                return Err(FileError::Failed(format!("{}: {OTHER_BYTES}", file.path)));
            }
        }
        Ok(Came::Before)
    }
}

async fn hashed(
    folder: Arc<Folder>,
    path: String,
    mut hashing: Hashing,
) -> Result<Hashing, SourceError> {
    blocking(move || {
        let mut read = || {
            let (mut file, mut block) = (folder.read(&path)?, vec![0; BLOCK_BYTES]);
            loop {
                match file.read(&mut block)? {
                    0 => return Ok(()),
                    bytes => hashing.add(&block[..bytes]),
                }
            }
        };
        read()
            .map_err(|error: std::io::Error| SourceError(format!("cannot read {path}: {error}")))?;
        Ok(hashing)
    })
    .await
}
