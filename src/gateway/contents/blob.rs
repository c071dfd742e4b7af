//! A file with the bytes of one piece, which removes itself unless an object holds it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A file with the bytes of one piece. When the last user of a blob is gone, so is the file, unless
/// a recorded object holds it: an upload that is aborted, replaced or cut off leaves nothing behind,
/// and a GET can finish reading an object that was deleted meanwhile.
#[derive(Debug)]
pub struct Blob {
    path: PathBuf,
    held: AtomicBool,
}

impl Blob {
    /// A blob at `path` that no object holds yet.
    pub fn unheld(path: PathBuf) -> Self {
        Self { path, held: AtomicBool::new(false) }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, unique in the directory.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether a recorded object holds it.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// A second blob with the same bytes, in no time and no space.
    pub fn copy(&self) -> io::Result<Self> {
        let path = self.path.with_file_name(fresh_name());
        std::fs::hard_link(&self.path, &path)?;
        Ok(Self::unheld(path))
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if !self.held.load(Ordering::Relaxed)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// A name that no other file has.
pub fn fresh_name() -> String {
    format!("{:032x}", fastrand::u128(..))
}
