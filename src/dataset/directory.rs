//! A real directory as a dataset: what can be moved, and what cannot, by name.
//!
//! One thing that cannot be moved does not stop the rest: it is listed with a reason. Files are not
//! opened here, which would double the work on millions of them: one that cannot be read is reported
//! when its turn comes.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, FileType, ReadDir};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::FileSpec;
use crate::error::{Error, Result};
use crate::result::Symlinks;
use crate::units::counted;

/// Longest object key in bytes of UTF-8. A prefix counts too, but is not known here.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>.
const KEY_MAX_BYTES: usize = 1024;

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Scan {
    /// Regular files, in order of path.
    pub files: Vec<FileSpec>,
    /// What cannot be moved, in order of path.
    pub skipped: Vec<Skipped>,
    /// Symbolic links that were ignored.
    pub links_ignored: u64,
}

/// Something in a directory that cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, lossy where it is not UTF-8.
    pub path: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// Lists a directory and all below it. A directory is gone into through symbolic links once: links that lead to
/// where they lie would never end, and those that lead to each other hardly.
///
/// # Errors
/// If the directory itself cannot be read or holds no file.
pub fn scan(root: &Path, symlinks: Symlinks) -> Result<Scan> {
    let listed = fs::canonicalize(root).and_then(|place| Ok((fs::read_dir(&place)?, place)));
    let (listed, place) = listed.map_err(|error| {
        Error::environment(format!("`{}` cannot be listed: {error}", root.display()))
            .hint("name a directory that you may read")
    })?;
    let mut walk = Walk { symlinks, ..Walk::default() };
    walk.add_all(listed, &Directory { place, path: String::new() });
    while let Some(directory) = walk.directories.pop() {
        match fs::read_dir(&directory.place) {
            Ok(listed) => walk.add_all(listed, &directory),
            Err(error) => walk.skip(directory.path, not_listed(&error)),
        }
    }
    let mut scan = walk.scan;
    if scan.files.is_empty() {
        return Err(nothing_to_move(root, &scan));
    }
    scan.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    scan.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scan)
}

/// A scan under way.
#[derive(Default)]
struct Walk {
    scan: Scan,
    symlinks: Symlinks,
    /// Still to be listed. A stack instead of recursion: a tree may be deep.
    directories: Vec<Directory>,
    /// Directories that were gone into through links.
    linked: BTreeSet<PathBuf>,
}

struct Directory {
    /// Without links in it.
    place: PathBuf,
    /// Within the dataset.
    path: String,
}

impl Walk {
    /// Adds the entries of a directory; the root's path is empty.
    fn add_all(&mut self, listed: ReadDir, directory: &Directory) {
        for entry in listed {
            match entry {
                Ok(entry) => self.add(&entry, directory),
                Err(error) => {
                    let path = &directory.path;
                    let path = if path.is_empty() { "." } else { path };
                    self.skip(path.to_owned(), not_listed(&error));
                }
            }
        }
    }

    fn add(&mut self, entry: &DirEntry, parent: &Directory) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = match parent.path.as_str() {
            "" => name.into(),
            parent => format!("{parent}/{name}"),
        };
        match examine(entry, &path, self.symlinks) {
            Ok(Kind::Directory) => {
                self.directories.push(Directory { place: entry.path(), path });
            }
            Ok(Kind::LinkedDirectory { place }) => match self.go_through(&place, parent) {
                Ok(()) => self.directories.push(Directory { place, path }),
                Err(reason) => self.skip(path, reason.into()),
            },
            Ok(Kind::File { size_bytes }) => self.scan.files.push(FileSpec { path, size_bytes }),
            Ok(Kind::IgnoredLink) => self.scan.links_ignored += 1,
            Err(reason) => self.skip(path, reason),
        }
    }

    /// Notes that a link in `parent` is followed to a directory, or says why it is not.
    fn go_through(&mut self, place: &Path, parent: &Directory) -> Result<(), &'static str> {
        if parent.place.starts_with(place) {
            return Err("it is a symbolic link to a directory that it lies in");
        }
        match self.linked.insert(place.to_owned()) {
            true => Ok(()),
            false => Err("it is a symbolic link to a directory that another link has led to"),
        }
    }

    fn skip(&mut self, path: String, reason: String) {
        self.scan.skipped.push(Skipped { path, reason });
    }
}

/// What can be gone into or moved.
enum Kind {
    Directory,
    LinkedDirectory { place: PathBuf },
    File { size_bytes: u64 },
    IgnoredLink,
}

/// What an entry is, or why it cannot be moved.
fn examine(entry: &DirEntry, path: &str, symlinks: Symlinks) -> Result<Kind, String> {
    if entry.file_name().to_str().is_none() {
        return Err("its name is not UTF-8, as an object key must be".into());
    }
    // Follows no symbolic link.
    let own_kind = entry.file_type().map_err(|error| not_examined(&error))?;
    let metadata = match (own_kind.is_symlink(), symlinks) {
        (true, Symlinks::Ignore) => return Ok(Kind::IgnoredLink),
        (true, Symlinks::Copy) => {
            fs::metadata(entry.path()).map_err(|error| leads_nowhere(&error))?
        }
        (false, _) => entry.metadata().map_err(|error| not_examined(&error))?,
    };
    let kind = metadata.file_type();
    if own_kind.is_symlink() && kind.is_dir() {
        let place = fs::canonicalize(entry.path()).map_err(|error| leads_nowhere(&error))?;
        return Ok(Kind::LinkedDirectory { place });
    }
    if kind.is_dir() {
        return Ok(Kind::Directory);
    }
    if !kind.is_file() {
        return Err(format!("it is {}, not a regular file", kind_name(kind)));
    }
    if path.len() > KEY_MAX_BYTES {
        let len = path.len();
        return Err(format!("its path has {len} bytes, an object key at most {KEY_MAX_BYTES}"));
    }
    Ok(Kind::File { size_bytes: metadata.len() })
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_socket() => "a socket",
        kind if kind.is_fifo() => "a named pipe",
        _ => "a device",
    }
}

fn not_listed(error: &io::Error) -> String {
    format!("it cannot be listed: {error}")
}

fn leads_nowhere(error: &io::Error) -> String {
    format!("it is a symbolic link that leads nowhere: {error}")
}

fn not_examined(error: &io::Error) -> String {
    format!("it cannot be examined: {error}")
}

fn nothing_to_move(root: &Path, scan: &Scan) -> Error {
    let error =
        Error::environment(format!("`{}` contains no file that can be moved", root.display()));
    match scan.skipped.as_slice() {
        [] if scan.links_ignored > 0 => error.hint(format!(
            "{} ignored, as Globus does; --recursive-symlinks copy follows them",
            counted(scan.links_ignored, "symbolic link")
        )),
        [] => error.hint("name a directory with files in it"),
        [first, ..] => error.hint(format!(
            "skipped {}; the first is `{}`: {}",
            counted(scan.skipped.len(), "file"),
            first.path,
            first.reason
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    /// Makes files of these sizes, and the directories they need.
    fn tree<P: AsRef<Path>>(files: impl IntoIterator<Item = (P, usize)>) -> TempDir {
        let root = TempDir::new().expect("a directory can be made");
        for (path, size) in files {
            let place = root.path().join(path);
            fs::create_dir_all(place.parent().expect("it is below the root"))
                .expect("a directory can be made");
            fs::write(place, vec![0; size]).expect("a file can be written");
        }
        root
    }

    fn ignoring(root: &Path) -> Result<Scan> {
        scan(root, Symlinks::Ignore)
    }

    fn sizes(scan: &Scan) -> Vec<(&str, u64)> {
        scan.files.iter().map(|file| (file.path.as_str(), file.size_bytes)).collect()
    }

    #[test]
    fn files_come_in_order_of_path_with_their_sizes() {
        let root = tree([("b/c/d", 3), ("b.txt", 2), ("a", 1), ("b/empty", 0), ("é ü/x y", 4)]);
        let scan = ignoring(root.path()).expect("there are files");
        let expected = [("a", 1), ("b.txt", 2), ("b/c/d", 3), ("b/empty", 0), ("é ü/x y", 4)];
        assert_eq!(sizes(&scan), expected);
        assert_eq!(scan.skipped, []);
    }

    #[test]
    fn what_cannot_be_moved_is_skipped_by_name_and_the_rest_goes_on() {
        let latin1 = OsStr::from_bytes(b"caf\xe9");
        let root = tree([(Path::new("d/good"), 1), (Path::new(latin1), 2)]);
        let place = |name: &str| root.path().join(name);
        let _socket = UnixListener::bind(place("socket")).expect("a socket can be made");

        let scan = ignoring(root.path()).expect("there is a file");
        assert_eq!(sizes(&scan), [("d/good", 1)]);
        let skipped: Vec<(&str, &str)> =
            scan.skipped.iter().map(|skip| (skip.path.as_str(), skip.reason.as_str())).collect();
        assert_eq!(
            skipped,
            [
                ("caf\u{fffd}", "its name is not UTF-8, as an object key must be"),
                ("socket", "it is a socket, not a regular file"),
            ]
        );
    }

    /// A tree with links to a file, to a directory beside it, to where it lies, and to nothing.
    fn linked_tree() -> TempDir {
        let root = tree([("d/good", 1), ("other/file", 2)]);
        let link = |to: &str, name: &str| {
            symlink(to, root.path().join(name)).expect("a link can be made");
        };
        link("good", "d/link");
        link("nowhere", "dangling");
        link("..", "d/up");
        link("../other", "d/other");
        root
    }

    #[test]
    fn symbolic_links_are_ignored_and_counted_as_globus_does() {
        let root = linked_tree();
        let scan = ignoring(root.path()).expect("there are files");
        assert_eq!(sizes(&scan), [("d/good", 1), ("other/file", 2)]);
        assert_eq!((scan.links_ignored, scan.skipped), (4, vec![]));
    }

    #[test]
    fn links_that_are_followed_stand_for_what_they_lead_to() {
        let root = linked_tree();
        let scan = scan(root.path(), Symlinks::Copy).expect("there are files");
        let expected = [("d/good", 1), ("d/link", 1), ("d/other/file", 2), ("other/file", 2)];
        assert_eq!(sizes(&scan), expected);
        let skipped: Vec<&str> = scan.skipped.iter().map(|skip| skip.path.as_str()).collect();
        assert_eq!(skipped, ["d/up", "dangling"]);
        assert_eq!(scan.links_ignored, 0);
    }

    #[test]
    fn links_that_lead_to_each_other_come_to_an_end() {
        let root = tree([("file", 1)]);
        for level in 0..40 {
            let directory = root.path().join(format!("{level:02}"));
            fs::create_dir(&directory).expect("a directory can be made");
            for link in ["a", "b"] {
                let next = format!("../{:02}", (level + 1) % 40);
                symlink(next, directory.join(link)).expect("a link can be made");
            }
        }
        let scan = scan(root.path(), Symlinks::Copy).expect("there is a file");
        assert_eq!(sizes(&scan), [("file", 1)]);
        assert!(!scan.skipped.is_empty());
    }

    #[test]
    fn a_path_longer_than_a_key_is_skipped() {
        let directory = format!("{0}/{0}/{0}/{0}/", "d".repeat(200));
        let path = |len: usize| directory.clone() + &"f".repeat(len - directory.len());
        let root = tree([(path(KEY_MAX_BYTES), 1), (path(KEY_MAX_BYTES + 1), 1)]);
        let scan = ignoring(root.path()).expect("there is a file");
        assert_eq!(sizes(&scan), [(path(1024).as_str(), 1)]);
        assert_eq!(scan.skipped[0].reason, "its path has 1025 bytes, an object key at most 1024");
    }

    #[test]
    fn a_directory_behind_a_link_can_be_the_root() {
        let root = tree([("d/file", 1)]);
        symlink("d", root.path().join("link")).expect("a link can be made");
        let scan = ignoring(&root.path().join("link")).expect("there is a file");
        assert_eq!(sizes(&scan), [("file", 1)]);
    }

    #[test]
    fn a_root_that_is_missing_or_a_file_is_an_error_with_a_hint() {
        let root = tree([("file", 1)]);
        for name in ["missing", "file"] {
            let place = root.path().join(name);
            let error = ignoring(&place).expect_err("it is no directory").to_string();
            let beginning = format!("`{}` cannot be listed: ", place.display());
            assert!(error.starts_with(&beginning) && error.contains("hint"), "{error}");
        }
    }

    #[test]
    fn a_directory_without_files_is_an_error_that_tells_what_was_skipped() {
        let root = TempDir::new().expect("a directory can be made");
        fs::create_dir(root.path().join("empty")).expect("a directory can be made");
        let error = ignoring(root.path()).expect_err("there is no file").to_string();
        assert!(error.contains("contains no file") && error.contains("hint"), "{error}");

        symlink("nowhere", root.path().join("dangling")).expect("a link can be made");
        let error = ignoring(root.path()).expect_err("there is no file").to_string();
        assert!(error.contains("1 symbolic link ignored"), "{error}");
        let error = scan(root.path(), Symlinks::Copy).expect_err("there is no file").to_string();
        assert!(error.contains("`dangling`: it is a symbolic link"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn a_scan_finds_every_file_of_a_tree(
            files in prop::collection::btree_map("([d-f]/){0,4}[a-c]{1,3}", 0_usize..100, 1..30),
        ) {
            let root = tree(files.clone());
            let scan = ignoring(root.path()).expect("there are files");
            let expected: Vec<(&str, u64)> =
                files.iter().map(|(path, size)| (path.as_str(), *size as u64)).collect();
            prop_assert_eq!(sizes(&scan), expected);
        }
    }
}
