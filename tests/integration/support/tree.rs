//! A directory tree as researchers have them: many small files, awkward names, empty files, a large one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use md5::{Digest, Md5};

/// Names that go wrong when a URL, a signature or a path is encoded carelessly.
const AWKWARD_NAMES: [&str; 12] = [
    "two words.nc",
    "1+1=2.dat",
    "100%.txt",
    "%41.txt",
    "#1 sample?.csv",
    "größe/Ångström-温度.h5",
    "deep/er/and/deeper/still.bin",
    "quote'\"<&>.xml",
    "~tilde*(paren)!@$,;:.log",
    "-starts-with-a-dash",
    ".hidden",
    "back\\slash",
];

/// What the tree is made of.
pub struct Tree {
    /// Files beside the awkward ones and the large one, in directories of a hundred.
    pub small_files: u32,
    /// Bytes of the large one.
    pub large_bytes: u64,
}

/// An empty file's name.
pub const EMPTY: &str = "run 00/sample-00000.dat";

/// The large file's name.
pub const LARGE: &str = "large file.bin";

impl Tree {
    /// Writes it below `root`. Every hundredth small file is empty.
    pub fn write(&self, root: &Path) {
        for (number, name) in (0..).zip(AWKWARD_NAMES) {
            write_file(&root.join(name), 1000 + number, number);
        }
        for number in 0..self.small_files {
            let name = format!("run {:02}/sample-{number:05}.dat", number / 100);
            let bytes = if number % 100 == 0 { 0 } else { u64::from(number) * 37 % 65_536 };
            write_file(&root.join(name), bytes, 1_000_000 + u64::from(number));
        }
        write_file(&root.join(LARGE), self.large_bytes, 7);
    }

    /// How many files that are.
    pub fn files(&self) -> u64 {
        AWKWARD_NAMES.len() as u64 + u64::from(self.small_files) + 1
    }
}

/// Bytes that no two files share.
fn write_file(path: &Path, bytes: u64, seed: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = BufWriter::with_capacity(1 << 20, fs::File::create(path).unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut chunk = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let length = left.min(chunk.len() as u64) as usize;
        random.fill(&mut chunk[..length]);
        file.write_all(&chunk[..length]).unwrap();
        left -= length as u64;
    }
    file.flush().unwrap();
}

/// Every file below `root`: its path within, size and MD5.
pub fn contents(root: &Path) -> BTreeMap<String, (u64, String)> {
    let mut contents = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
                continue;
            }
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            contents.insert(name, digest(&path));
        }
    }
    contents
}

fn digest(path: &Path) -> (u64, String) {
    let mut file = fs::File::open(path).unwrap();
    let mut digest = Md5::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let length = file.read(&mut buffer).unwrap();
        if length == 0 {
            let hash = digest.finalize();
            return (bytes, hash.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        digest.update(&buffer[..length]);
        bytes += length as u64;
    }
}
