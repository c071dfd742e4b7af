//! The directory that downloads go to. It may lie where others write too, and keys can name any place:
//! only new files get names in it, nothing that is there is overwritten, and no link is followed.
//!
//! A file is made under a number in a directory of our own, which no key may name. It gets its name when it is
//! whole and on disk, by a rename that replaces nothing (renameat2(2), RENAME_NOREPLACE; where the file system has
//! no such rename by link(2), which never replaces).

use std::collections::BTreeSet;
use std::fs::{DirEntry, File};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, flock, fstat, fsync,
    linkat, mkdirat, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::Dealt;
use crate::dataset::SourceError;
use crate::error::{Error, Result};

/// Where files are until they are whole, below the directory.
pub(super) const PARTIAL: &str = ".tidegate-partial";

/// What follows that for a DTN among others.
const OF_ONE: &str = "-dtn";

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What becomes of files that are there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There may be none.
    Refused,
    /// Those that are whole are taken.
    Taken,
}

/// The directory, ready to be written to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    found: Found,
    root: OwnedFd,
    partial: OwnedFd,
    /// Its name.
    partial_name: String,
    /// Files that were begun: their numbers.
    begun: AtomicU64,
    /// Directories that have got new names, relative to the root.
    grown: Mutex<BTreeSet<String>>,
}

/// What lies at the place of a file that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Free,
    /// A file that has all bytes.
    Whole,
}

impl Folder {
    /// Makes the directory, if there is none, and what is needed in it.
    ///
    /// # Errors
    /// If it cannot be made or written, another run writes to it, or it holds what it may not.
    pub fn open(path: &Path, found: Found) -> Result<Arc<Self>> {
        Self::open_among(path, found, Dealt::default())
    }

    /// The same for one of several DTNs, which may all write to the same directory.
    ///
    /// # Errors
    /// As for [`Folder::open`].
    pub fn open_among(path: &Path, found: Found, dealt: Dealt) -> Result<Arc<Self>> {
        let fail = |error: io::Error| {
            Error::environment(format!("cannot use {}: {error}", path.display()))
                .hint("choose another directory with --to DIR")
        };
        std::fs::create_dir_all(path).map_err(fail)?;
        let of_others = format!("{PARTIAL}{OF_ONE}");
        let is_of_others = |entry: io::Result<DirEntry>| {
            let name = entry.map(|entry| entry.file_name());
            dealt.of > 1 && name.is_ok_and(|name| name.to_string_lossy().starts_with(&of_others))
        };
        let is_empty = std::fs::read_dir(path).map_err(fail)?.all(is_of_others);
        if !is_empty && found == Found::Refused {
            return Err(Error::environment(format!("{} is not empty", path.display())).hint(
                "choose an empty or a new directory, so that no file is overwritten, or add --resume to keep \
                 what is whole and download the rest",
            ));
        }
        let name = match dealt {
            Dealt { of: 1, .. } => PARTIAL.to_owned(),
            Dealt { rank, .. } => format!("{of_others}{}", rank + 1),
        };
        Self::prepare(path, found, name).map(Arc::new).map_err(fail)
    }

    fn prepare(path: &Path, found: Found, partial_name: String) -> io::Result<Self> {
        // The user named it: it may well be a link.
        let root = openat(CWD, path, DIRECTORY.difference(OFlags::NOFOLLOW), Mode::empty())?;
        match mkdirat(&root, &*partial_name, Mode::RWXU) {
            Err(Errno::EXIST) if found == Found::Taken => {}
            made => made?,
        }
        let partial = openat(&root, &*partial_name, DIRECTORY, Mode::empty())?;
        let (owner, mode) = (fstat(&partial)?.st_uid, fstat(&partial)?.st_mode);
        if owner != rustix::process::geteuid().as_raw() || mode & 0o022 != 0 {
            let message = format!("`{partial_name}` in it belongs to somebody else");
            return Err(io::Error::new(ErrorKind::PermissionDenied, message));
        }
        // Some file systems have no locks.
        if flock(&partial, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Err(io::Error::other("another run downloads into it"));
        }
        remove_unfinished(&partial)?;
        let (path, begun, grown) = (path.to_owned(), AtomicU64::new(0), Mutex::default());
        Ok(Self { path, found, root, partial, partial_name, begun, grown })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes an empty directory, as an object says that only stands for one.
    ///
    /// # Errors
    /// If its path is none, or something else is there.
    pub fn make_directory(&self, path: &str) -> Result<(), SourceError> {
        let name = path.strip_suffix('/').unwrap_or(path);
        check_name(name)?;
        self.enter(name).map_err(|error| self.failed(name, &error))?;
        self.has_grown(parent_of(name));
        Ok(())
    }

    /// Everything that got its name has it still after a power failure.
    ///
    /// # Errors
    /// If the system does not say so.
    pub fn sync(&self) -> Result<()> {
        let grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        let sync = |directory: &String| Ok(fsync(self.enter(directory)?)?);
        grown.iter().try_for_each(sync).map_err(|error: io::Error| {
            let message = format!("{} may not be on disk yet: {error}", self.path.display());
            Error::environment(message).hint("check its disk, and download again")
        })
    }

    /// What is at the place of a file of so many bytes. Anything but a whole file is in the way.
    pub(super) fn look(&self, path: &str, size_bytes: u64) -> Result<Place, SourceError> {
        check_name(path)?;
        let look = || {
            let (parent, name) = (self.enter(parent_of(path))?, name_of(path));
            let there = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => return Ok(Place::Free),
                there => there?,
            };
            let is_file = FileType::from_raw_mode(there.st_mode) == FileType::RegularFile;
            match self.found {
                Found::Refused => Err(in_the_way("something is there already")),
                Found::Taken if !is_file => Err(in_the_way("what is there is no file")),
                Found::Taken if u64::try_from(there.st_size) != Ok(size_bytes) => {
                    let theirs = there.st_size;
                    Err(in_the_way(&format!(
                        "a file of {theirs} bytes, not {size_bytes}, is there"
                    )))
                }
                Found::Taken => Ok(Place::Whole),
            }
        };
        look().map_err(|error| self.failed(path, &error))
    }

    /// A new file without a name.
    pub(super) fn begin(&self) -> io::Result<(File, String)> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed).to_string();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.partial, &number, flags, Mode::from_raw_mode(0o666))?;
        Ok((file.into(), number))
    }

    /// Gives a file its name, where there is nothing yet.
    pub(super) fn name(&self, number: &str, path: &str) -> io::Result<()> {
        let (parent, name) = (self.enter(parent_of(path))?, name_of(path));
        let renamed = renameat_with(&self.partial, number, &parent, name, RenameFlags::NOREPLACE);
        match renamed {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                linkat(&self.partial, number, &parent, name, AtFlags::empty())?;
            }
            Err(Errno::EXIST) => return Err(in_the_way("something is there by now")),
            renamed => renamed?,
        }
        self.has_grown(parent_of(path));
        Ok(())
    }

    /// Removes what was begun, unless it got its name.
    pub(super) fn give_up(&self, number: &str) {
        let _ = unlinkat(&self.partial, number, AtFlags::empty());
    }

    /// An existing file, to be read.
    pub(super) fn read(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(self.enter(parent_of(path))?, name_of(path), flags, Mode::empty())?.into())
    }

    pub(super) fn failed(&self, path: &str, error: &io::Error) -> SourceError {
        SourceError(format!("cannot write {}: {error}", self.path.join(path).display()))
    }

    /// A directory below the root, made where it is missing.
    fn enter(&self, directory: &str) -> io::Result<OwnedFd> {
        let mut at = openat(&self.root, ".", DIRECTORY, Mode::empty())?;
        for name in directory.split('/').filter(|name| !name.is_empty()) {
            match mkdirat(&at, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            at = match openat(&at, name, DIRECTORY, Mode::empty()) {
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    return Err(in_the_way(&format!("`{name}` is there and is no directory")));
                }
                entered => entered?,
            };
        }
        Ok(at)
    }

    /// Notes that a directory has a new name in it, and perhaps those above it.
    fn has_grown(&self, directory: &str) {
        let mut grown = self.grown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut directory = directory;
        while grown.insert(directory.to_owned()) && !directory.is_empty() {
            directory = parent_of(directory);
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is not ours in it keeps it.
        let _ = unlinkat(&self.root, &*self.partial_name, AtFlags::REMOVEDIR);
    }
}

/// What a run that was killed had not finished.
fn remove_unfinished(partial: &OwnedFd) -> io::Result<()> {
    for entry in Dir::read_from(partial)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes().iter().all(u8::is_ascii_digit) {
            unlinkat(partial, name, AtFlags::empty())?;
        }
    }
    Ok(())
}

/// Sees that a key can be the name of a file below a directory: it can name any place.
pub(crate) fn check_name(path: &str) -> Result<(), SourceError> {
    let fail = |why: &str| {
        Err(SourceError(format!("`{path}` cannot be the name of a file below a directory{why}")))
    };
    let is_plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    let mut names = path.split('/');
    match names.clone().next() {
        _ if !names.all(is_plain) => fail(""),
        // Some file systems do not tell capitals apart.
        Some(first) if is_for_unfinished(&first.to_ascii_lowercase()) => {
            fail(": it would lie among unfinished files")
        }
        _ => Ok(()),
    }
}

/// Whether unfinished files are below this name, of whichever DTN.
fn is_for_unfinished(name: &str) -> bool {
    name.strip_prefix(PARTIAL).is_some_and(|rest| rest.is_empty() || rest.starts_with(OF_ONE))
}

fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn in_the_way(what: &str) -> io::Error {
    io::Error::new(ErrorKind::AlreadyExists, what.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    fn folder(found: Found) -> (tempfile::TempDir, Arc<Folder>) {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path(), found).unwrap();
        (directory, folder)
    }

    fn write(folder: &Folder, path: &str, content: &str) -> io::Result<()> {
        let (mut file, number) = folder.begin()?;
        file.write_all(content.as_bytes())?;
        let named = folder.name(&number, path);
        folder.give_up(&number);
        named
    }

    #[test]
    fn a_key_that_leads_out_of_the_directory_is_refused() {
        for bad in
            ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/", "", "..", "a\0b", "a/./b"]
        {
            assert!(check_name(bad).is_err(), "{bad} was taken");
        }
        assert!(check_name("a/b c+%#é").is_ok());
    }

    #[test]
    fn no_key_names_an_unfinished_file() {
        let (directory, folder) = folder(Found::Refused);
        let (_, number) = folder.begin().unwrap();
        for key in
            [format!("{PARTIAL}/{number}"), format!("{}/0", PARTIAL.to_uppercase()), PARTIAL.into()]
        {
            assert!(folder.look(&key, 0).unwrap_err().0.contains("unfinished"), "{key}");
        }
        assert!(folder.look(&format!("a/{PARTIAL}/0"), 0).is_ok());
        folder.give_up(&number);
        drop(folder);
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "only `a`, which is an empty directory: {left:?}");
    }

    #[test]
    fn what_appears_meanwhile_is_not_overwritten() {
        let (directory, folder) = folder(Found::Refused);
        let (_, number) = folder.begin().unwrap();
        assert_eq!(folder.look("a", 0), Ok(Place::Free));
        std::fs::write(directory.path().join("a"), "precious").unwrap();
        assert_eq!(folder.name(&number, "a").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(folder.look("a", 0).is_err());
        assert_eq!(std::fs::read(directory.path().join("a")).unwrap(), b"precious");
    }

    #[test]
    fn planted_links_are_not_followed() {
        let elsewhere = tempfile::tempdir().unwrap();
        let (directory, folder) = folder(Found::Taken);
        symlink(elsewhere.path(), directory.path().join("way")).unwrap();
        symlink(elsewhere.path().join("made"), directory.path().join("link")).unwrap();
        for path in ["way/a", "way/a/b", "link"] {
            assert!(folder.look(path, 0).is_err(), "{path}");
            assert!(write(&folder, path, "data").is_err(), "{path}");
        }
        assert!(folder.make_directory("way/").is_err());
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_planted_place_for_unfinished_files_is_refused() {
        let (elsewhere, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(elsewhere.path(), directory.path().join(PARTIAL)).unwrap();
        for found in [Found::Refused, Found::Taken] {
            assert!(Folder::open(directory.path(), found).is_err());
        }
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_key_and_another_below_it_are_one_failure() {
        let (directory, folder) = folder(Found::Refused);
        for (first, second) in [("a", "a/b"), ("c/d", "c")] {
            write(&folder, first, "data").unwrap();
            let error = folder.look(second, 4).unwrap_err().0;
            assert!(error.contains("is there"), "{error}");
            assert!(write(&folder, second, "data").is_err());
            assert_eq!(std::fs::read(directory.path().join(first)).unwrap(), b"data");
        }
    }

    #[test]
    fn a_directory_with_files_is_used_only_to_go_on() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("mine"), "precious").unwrap();
        let refused = Folder::open(directory.path(), Found::Refused).unwrap_err();
        assert!(
            refused.to_string().contains("is not empty")
                && refused.to_string().contains("--resume")
        );
        let folder = Folder::open(directory.path(), Found::Taken).unwrap();
        assert_eq!(folder.look("mine", 8), Ok(Place::Whole));
        assert!(folder.look("mine", 9).unwrap_err().0.contains("a file of 8 bytes, not 9"));
        assert_eq!(folder.look("other", 8), Ok(Place::Free));
        let second = Folder::open(directory.path(), Found::Taken).unwrap_err().to_string();
        assert!(second.contains("another run downloads into it"), "{second}");
    }

    #[test]
    fn what_a_killed_run_had_not_finished_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let partial = directory.path().join(PARTIAL);
        std::fs::create_dir(&partial).unwrap();
        rustix::fs::chmod(&partial, Mode::RWXU).unwrap();
        for name in ["0", "17", "mine"] {
            std::fs::write(partial.join(name), "half").unwrap();
        }
        drop(Folder::open(directory.path(), Found::Taken).unwrap());
        let left: Vec<_> =
            std::fs::read_dir(&partial).unwrap().map(|one| one.unwrap().file_name()).collect();
        assert_eq!(left, ["mine"]);
    }

    #[test]
    fn every_directory_with_a_new_name_is_synced() {
        let (_directory, folder) = folder(Found::Refused);
        write(&folder, "a/b/c", "data").unwrap();
        folder.make_directory("d/e/").unwrap();
        let grown: Vec<String> = folder.grown.lock().unwrap().iter().cloned().collect();
        assert_eq!(grown, ["", "a", "a/b", "d"]);
        folder.sync().unwrap();
    }

    proptest! {
        #[test]
        fn a_name_that_is_taken_leads_nowhere_else(path in "[a./\0]{0,12}") {
            if check_name(&path).is_ok() {
                let joined = Path::new("/data").join(&path);
                prop_assert!(joined.strip_prefix("/data").is_ok_and(|below| below.to_str() == Some(&path)));
                prop_assert!(joined.components().all(|part| part != std::path::Component::ParentDir));
            }
        }
    }
}
