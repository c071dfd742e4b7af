//! A file with the bytes of one piece, which removes itself unless an object holds it.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::folder::Folder;

/// The name of a blob. It is a number, so that what a record names can lie nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobName(u128);

impl BlobName {
    /// A name that no other file has.
    pub fn fresh() -> Self {
        Self(fastrand::u128(..))
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for BlobName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_ours = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_ours) {
            return Err("a blob is not named by 32 hexadecimal digits");
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| "a blob's name is no number")
    }
}

impl TryFrom<String> for BlobName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BlobName> for String {
    fn from(name: BlobName) -> Self {
        name.to_string()
    }
}

/// A file with the bytes of one piece. When the last user of a blob is gone, so is the file, unless
/// a recorded object holds it: an upload that is aborted, replaced or cut off leaves nothing behind,
/// and a GET can finish reading an object that was deleted meanwhile.
#[derive(Debug)]
pub struct Blob {
    folder: Arc<Folder>,
    name: BlobName,
    held: AtomicBool,
}

impl Blob {
    /// A blob in `folder` that no object holds yet.
    pub fn unheld(folder: Arc<Folder>, name: BlobName) -> Self {
        Self { folder, name, held: AtomicBool::new(false) }
    }

    /// A new blob, and the file to write it.
    pub fn create(folder: Arc<Folder>) -> io::Result<(Self, File)> {
        let name = BlobName::fresh();
        let file = folder.create(&name.to_string())?;
        Ok((Self::unheld(folder, name), file))
    }

    /// Its name, unique in the directory.
    pub fn name(&self) -> BlobName {
        self.name
    }

    /// Its file, for reading.
    pub fn open(&self) -> io::Result<File> {
        self.folder.read(OsStr::new(&self.name.to_string()))
    }

    /// Whether a recorded object holds it.
    pub fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// A second blob with the same bytes, in no time and no space.
    pub fn copy(&self) -> io::Result<Self> {
        let name = BlobName::fresh();
        self.folder.link(&self.name.to_string(), &name.to_string())?;
        Ok(Self::unheld(Arc::clone(&self.folder), name))
    }

    /// Moves it out of the directory: it is a blob no more.
    pub fn move_to(&self, folder: &Folder, name: &str) -> io::Result<()> {
        self.folder.rename(OsStr::new(&self.name.to_string()), folder, name)?;
        // Its old name is gone already.
        self.hold(true);
        Ok(())
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        if !self.held.load(Ordering::Relaxed)
            && let Err(error) = self.folder.remove(OsStr::new(&self.name.to_string()))
        {
            tracing::warn!("cannot remove the blob {}: {error}", self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_name_of_ours_is_no_blob() {
        let digits = "0".repeat(32);
        assert!(digits.parse::<BlobName>().is_ok());
        for bad in ["", "/etc/passwd", "../buckets/b/k.json", &"0".repeat(33), &"A".repeat(32)] {
            assert!(bad.parse::<BlobName>().is_err(), "{bad} was taken for a blob");
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_back(number: u128) {
            prop_assert_eq!(BlobName(number).to_string().parse(), Ok(BlobName(number)));
        }
    }
}
