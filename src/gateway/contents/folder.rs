//! A directory by its descriptor: nobody can put another one in its place while we use it, and no link in it
//! leads out of it.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// What is made here is for its user alone.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A directory of this user.
#[derive(Debug)]
pub struct Folder(File);

impl Folder {
    /// Opens a directory, and makes it if it is missing. Its own path may lead through links.
    pub fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::of(rustix::fs::open(path, flags, Mode::empty())?)
    }

    fn of(descriptor: OwnedFd) -> io::Result<Self> {
        must_be_ours(&rustix::fs::fstat(&descriptor)?)?;
        Ok(Self(descriptor.into()))
    }

    /// The directory of this name in it, which is made if it is missing.
    pub fn folder(&self, name: &str) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.existing(OsStr::new(name))
    }

    /// The directory of this name in it.
    pub fn existing(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Self::of(rustix::fs::openat(&self.0, name, flags, Mode::empty())?)
    }

    /// Makes a file that is not there yet.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, FILE_MODE)?.into())
    }

    /// Opens a file of this user's, which is made if it is missing and left as it is if it is not.
    pub fn touch(&self, name: &str) -> io::Result<File> {
        self.file(OsStr::new(name), OFlags::RDWR | OFlags::CREATE)
    }

    /// Opens a file of this user's for reading.
    pub fn read(&self, name: &OsStr) -> io::Result<File> {
        self.file(name, OFlags::RDONLY)
    }

    fn file(&self, name: &OsStr, flags: OFlags) -> io::Result<File> {
        // To open a pipe must not wait for its other end.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.0, name, flags, FILE_MODE) {
            Err(Errno::LOOP) => return Err(not_a_file()),
            opened => opened?,
        };
        must_be_our_file(&rustix::fs::fstat(&file)?)?;
        Ok(file.into())
    }

    /// The size of a file of this user's.
    pub fn size_bytes(&self, name: &str) -> io::Result<u64> {
        let stat = rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?;
        must_be_our_file(&stat)?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Moves a file to another name in another directory, in one step.
    pub fn rename(&self, name: &OsStr, to: &Self, new_name: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, name, &to.0, new_name)?)
    }

    /// Gives a file a second name.
    pub fn link(&self, name: &str, new_name: &str) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.0, name, &self.0, new_name, AtFlags::empty())?)
    }

    /// Removes a file.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    pub fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// What it holds.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let name = CString::from(entry?.file_name());
            if !matches!(name.as_bytes(), b"." | b"..") {
                names.push(OsStr::from_bytes(name.as_bytes()).to_owned());
            }
        }
        Ok(names)
    }

    /// When something was last made or removed in it.
    pub fn modified(&self) -> io::Result<SystemTime> {
        self.0.metadata()?.modified()
    }

    /// Returns when the names in it are on disk (`fsync(2)`: those of files are not with the files).
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

fn must_be_our_file(stat: &Stat) -> io::Result<()> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_a_file());
    }
    must_be_ours(stat)
}

fn must_be_ours(stat: &Stat) -> io::Result<()> {
    if stat.st_uid == geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::other(format!("it belongs to another user (number {})", stat.st_uid)))
}

fn not_a_file() -> io::Error {
    io::Error::other("it is no plain file, but a link or something else")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_neither_read_nor_written_nor_entered() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("inside");
        let outside = directory.path().join("outside");
        std::fs::create_dir_all(outside.join("folder")).unwrap();
        std::fs::write(outside.join("file"), "theirs").unwrap();
        let folder = Folder::open(&inside).unwrap();
        symlink(outside.join("file"), inside.join("file")).unwrap();
        symlink(outside.join("folder"), inside.join("folder")).unwrap();

        assert!(folder.read(OsStr::new("file")).is_err());
        assert!(folder.touch("file").is_err());
        assert!(folder.create("file").is_err());
        assert!(folder.size_bytes("file").is_err());
        assert!(folder.folder("folder").is_err());
        assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"theirs");
    }

    #[test]
    fn a_pipe_is_no_file_and_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        rustix::fs::mkfifoat(&folder.0, "pipe", FILE_MODE).unwrap();
        assert!(folder.read(OsStr::new("pipe")).is_err());
    }

    #[test]
    fn a_directory_of_another_user_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        // Only root can give it away, and it belongs to root only where root runs the tests.
        if rustix::fs::chown(directory.path(), Some(rustix::fs::Uid::from_raw(12_345)), None)
            .is_err()
        {
            return;
        }
        let error = Folder::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains("another user"), "{error}");
    }
}
