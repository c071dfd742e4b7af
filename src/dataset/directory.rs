//! A real directory as a dataset: what can be moved, and what cannot, by name.
//!
//! One thing that cannot be moved does not stop the rest: it is listed with a reason. Files are not
//! opened here, which would double the work on millions of them: one that cannot be read is reported
//! when its turn comes.

use std::fs::{self, DirEntry, FileType, ReadDir};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::FileSpec;
use crate::error::{Error, Result};

/// Longest object key in bytes of UTF-8. A prefix counts too, but is not known here.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>.
const KEY_MAX_BYTES: usize = 1024;

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Scan {
    /// Regular files, in order of path.
    pub files: Vec<FileSpec>,
    /// What will not be moved, in order of path.
    pub skipped: Vec<Skipped>,
}

/// Something in a directory that cannot be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, lossy where it is not UTF-8.
    pub path: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// Lists a directory and all below it, without following symbolic links.
///
/// # Errors
/// If the directory itself cannot be read or holds no file.
pub fn scan(root: &Path) -> Result<Scan> {
    let listed = fs::read_dir(root).map_err(|error| {
        Error::environment(format!("`{}` cannot be listed: {error}", root.display()))
            .hint("name a directory that you may read")
    })?;
    let mut walk = Walk::default();
    walk.add_all(listed, "");
    while let Some(Directory { place, path }) = walk.directories.pop() {
        match fs::read_dir(place) {
            Ok(listed) => walk.add_all(listed, &path),
            Err(error) => walk.skip(path, not_listed(&error)),
        }
    }
    let mut scan = walk.scan;
    if scan.files.is_empty() {
        return Err(nothing_to_move(root, &scan.skipped));
    }
    scan.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    scan.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scan)
}

/// A scan under way.
#[derive(Default)]
struct Walk {
    scan: Scan,
    /// Still to be listed. A stack instead of recursion: a tree may be deep.
    directories: Vec<Directory>,
}

struct Directory {
    place: PathBuf,
    /// Within the dataset.
    path: String,
}

impl Walk {
    /// Adds the entries of the directory `path`; the root's is empty.
    fn add_all(&mut self, listed: ReadDir, path: &str) {
        for entry in listed {
            match entry {
                Ok(entry) => self.add(&entry, path),
                Err(error) => {
                    let path = if path.is_empty() { "." } else { path };
                    self.skip(path.to_owned(), not_listed(&error));
                }
            }
        }
    }

    fn add(&mut self, entry: &DirEntry, parent: &str) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = if parent.is_empty() { name.into() } else { format!("{parent}/{name}") };
        match examine(entry, &path) {
            Ok(Kind::Directory) => {
                self.directories.push(Directory { place: entry.path(), path });
            }
            Ok(Kind::File { size_bytes }) => self.scan.files.push(FileSpec { path, size_bytes }),
            Err(reason) => self.skip(path, reason),
        }
    }

    fn skip(&mut self, path: String, reason: String) {
        self.scan.skipped.push(Skipped { path, reason });
    }
}

/// What can be gone into or moved.
enum Kind {
    Directory,
    File { size_bytes: u64 },
}

/// What an entry is, or why it cannot be moved.
fn examine(entry: &DirEntry, path: &str) -> Result<Kind, String> {
    if entry.file_name().to_str().is_none() {
        return Err("its name is not UTF-8, as an object key must be".into());
    }
    // Neither of the two calls follows a symbolic link.
    let kind = entry.file_type().map_err(|error| not_examined(&error))?;
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
    let metadata = entry.metadata().map_err(|error| not_examined(&error))?;
    Ok(Kind::File { size_bytes: metadata.len() })
}

fn kind_name(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_fifo() => "a named pipe",
        _ => "a device",
    }
}

fn not_listed(error: &io::Error) -> String {
    format!("it cannot be listed: {error}")
}

fn not_examined(error: &io::Error) -> String {
    format!("it cannot be examined: {error}")
}

fn nothing_to_move(root: &Path, skipped: &[Skipped]) -> Error {
    let error = Error::environment(format!("`{}` holds no file that can be moved", root.display()));
    match skipped {
        [] => error.hint("name a directory with files in it"),
        [first, ..] => error.hint(format!(
            "{} entries are skipped; the first is `{}`: {}",
            skipped.len(),
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

    fn sizes(scan: &Scan) -> Vec<(&str, u64)> {
        scan.files.iter().map(|file| (file.path.as_str(), file.size_bytes)).collect()
    }

    #[test]
    fn files_come_in_order_of_path_with_their_sizes() {
        let root = tree([("b/c/d", 3), ("b.txt", 2), ("a", 1), ("b/empty", 0), ("é ü/x y", 4)]);
        let scan = scan(root.path()).expect("there are files");
        let expected = [("a", 1), ("b.txt", 2), ("b/c/d", 3), ("b/empty", 0), ("é ü/x y", 4)];
        assert_eq!(sizes(&scan), expected);
        assert_eq!(scan.skipped, []);
    }

    #[test]
    fn what_cannot_be_moved_is_skipped_by_name_and_the_rest_goes_on() {
        let latin1 = OsStr::from_bytes(b"caf\xe9");
        let root = tree([(Path::new("d/good"), 1), (Path::new(latin1), 2)]);
        let place = |name: &str| root.path().join(name);
        symlink("good", place("d/link")).expect("a link can be made");
        symlink("nowhere", place("dangling")).expect("a link can be made");
        symlink("..", place("d/up")).expect("a link can be made");
        let _socket = UnixListener::bind(place("socket")).expect("a socket can be made");

        let scan = scan(root.path()).expect("there is a file");
        assert_eq!(sizes(&scan), [("d/good", 1)]);
        let skipped: Vec<(&str, &str)> =
            scan.skipped.iter().map(|skip| (skip.path.as_str(), skip.reason.as_str())).collect();
        let link = "it is a symbolic link, not a regular file";
        assert_eq!(
            skipped,
            [
                ("caf\u{fffd}", "its name is not UTF-8, as an object key must be"),
                ("d/link", link),
                ("d/up", link),
                ("dangling", link),
                ("socket", "it is a socket, not a regular file"),
            ]
        );
    }

    #[test]
    fn a_path_longer_than_a_key_is_skipped() {
        let directory = format!("{0}/{0}/{0}/{0}/", "d".repeat(200));
        let path = |len: usize| directory.clone() + &"f".repeat(len - directory.len());
        let root = tree([(path(KEY_MAX_BYTES), 1), (path(KEY_MAX_BYTES + 1), 1)]);
        let scan = scan(root.path()).expect("there is a file");
        assert_eq!(sizes(&scan), [(path(1024).as_str(), 1)]);
        assert_eq!(scan.skipped[0].reason, "its path has 1025 bytes, an object key at most 1024");
    }

    #[test]
    fn a_directory_behind_a_link_can_be_the_root() {
        let root = tree([("d/file", 1)]);
        symlink("d", root.path().join("link")).expect("a link can be made");
        let scan = scan(&root.path().join("link")).expect("there is a file");
        assert_eq!(sizes(&scan), [("file", 1)]);
    }

    #[test]
    fn a_root_that_is_missing_or_a_file_is_an_error_with_a_hint() {
        let root = tree([("file", 1)]);
        for name in ["missing", "file"] {
            let place = root.path().join(name);
            let error = scan(&place).expect_err("it is no directory").to_string();
            let beginning = format!("`{}` cannot be listed: ", place.display());
            assert!(error.starts_with(&beginning) && error.contains("hint"), "{error}");
        }
    }

    #[test]
    fn a_directory_without_files_is_an_error_that_tells_what_was_skipped() {
        let root = TempDir::new().expect("a directory can be made");
        fs::create_dir(root.path().join("empty")).expect("a directory can be made");
        let error = scan(root.path()).expect_err("there is no file").to_string();
        assert!(error.contains("holds no file") && error.contains("hint"), "{error}");

        symlink("nowhere", root.path().join("dangling")).expect("a link can be made");
        let error = scan(root.path()).expect_err("there is no file").to_string();
        assert!(error.contains("`dangling`: it is a symbolic link"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn a_scan_finds_every_file_of_a_tree(
            files in prop::collection::btree_map("([d-f]/){0,4}[a-c]{1,3}", 0_usize..100, 1..30),
        ) {
            let root = tree(files.clone());
            let scan = scan(root.path()).expect("there are files");
            let expected: Vec<(&str, u64)> =
                files.iter().map(|(path, size)| (path.as_str(), *size as u64)).collect();
            prop_assert_eq!(sizes(&scan), expected);
        }
    }
}
