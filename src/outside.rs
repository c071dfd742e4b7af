//! Files that the user names: somebody else may have made them. Only regular files are opened, and what is read
//! of one is bounded: a document up to a stated size, everything longer line by line.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use crate::units::{ByteSize, MIB};

/// The most that is read of a document: a result, a plan, what Globus or iperf3 says in JSON.
pub const DOCUMENT_MAX: ByteSize = ByteSize(64 * MIB);

/// The most that is read of a file of settings, in TOML or PEM.
pub const SETTINGS_MAX: ByteSize = ByteSize(4 * MIB);

/// A line may hold a key of 1,024 bytes, all of them escaped, and more beside it.
const LINE_MAX: ByteSize = ByteSize(64 << 10);

/// Opens a regular file. Anything else could keep a reader waiting, never end, or act on being opened.
///
/// # Errors
/// If it is none, or cannot be opened.
pub fn open(path: &Path) -> io::Result<File> {
    is_regular(&fs::metadata(path)?)?;
    // It may have been replaced since: opening a pipe must not wait for somebody to write.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    is_regular(&file.metadata()?)?;
    Ok(file)
}

fn is_regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "it is a directory"));
    }
    let what = match () {
        () if kind.is_fifo() => "it is a pipe, not a file: save what comes out of it and name that",
        () if kind.is_socket() => "it is a socket, not a file",
        () => "it is a device, not a file",
    };
    Err(io::Error::new(ErrorKind::InvalidInput, what))
}

/// All of a file that has at most so many bytes.
///
/// # Errors
/// If it has more, is no regular file, or cannot be read.
pub fn bytes(path: &Path, most: ByteSize) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    match file.metadata()?.len() > most.0 {
        true => Err(too_large(most)),
        false => read(file, most),
    }
}

/// The same as text.
///
/// # Errors
/// As for [`bytes()`], or if it is neither UTF-8 nor UTF-16 with a byte order mark.
pub fn text(path: &Path, most: ByteSize) -> io::Result<String> {
    let not_text = || io::Error::new(ErrorKind::InvalidData, "it is not text in UTF-8 or UTF-16");
    decoded(bytes(path, most)?).ok_or_else(not_text)
}

/// Text as programs and shells write it: PowerShell's `>` makes UTF-16 with a byte order mark.
fn decoded(bytes: Vec<u8>) -> Option<String> {
    match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes).ok(),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
    String::from_utf16(&units).ok().filter(|_| rest.is_empty())
}

/// All of what has at most so many bytes. Files can grow while they are read, and some have no size of their own.
///
/// # Errors
/// If it has more, or cannot be read.
pub fn read(from: impl Read, most: ByteSize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.0 + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most.0 {
        true => Err(too_large(most)),
        false => Ok(bytes),
    }
}

fn too_large(most: ByteSize) -> io::Error {
    let message = format!("it has more than {most}, the most that is read of such a file");
    io::Error::new(ErrorKind::FileTooLarge, message)
}

/// The lines of a text, one in memory at a time.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    read_bytes: u64,
}

/// One line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1.
    pub number: u64,
    /// What it says.
    pub text: &'a str,
    /// Whether it has an end: the last one of a file that is still written may have none.
    pub is_ended: bool,
}

/// The lines of a file.
///
/// # Errors
/// If it is no regular file, or cannot be opened.
pub fn lines(path: &Path) -> io::Result<Lines<BufReader<File>>> {
    open(path).map(|file| Lines::of(BufReader::new(file)))
}

impl<R: BufRead> Lines<R> {
    /// Of this input.
    pub fn of(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0, read_bytes: 0 }
    }

    /// What was read so far.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read, is too long, or is no text.
    #[expect(clippy::should_implement_trait, reason = "a line lives until the next is read")]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut bounded = (&mut self.input).take(LINE_MAX.0 + 1);
        let bytes = bounded.read_until(b'\n', &mut self.line)? as u64;
        if bytes == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.read_bytes += bytes;
        let number = self.number;
        let wrong =
            |why: &str| io::Error::new(ErrorKind::InvalidData, format!("its line {number} {why}"));
        let is_ended = self.line.pop_if(|byte| *byte == b'\n').is_some();
        if !is_ended && bytes > LINE_MAX.0 {
            return Err(wrong(&format!("has more than {LINE_MAX}")));
        }
        self.line.pop_if(|byte| is_ended && *byte == b'\r');
        let text = std::str::from_utf8(&self.line).map_err(|_| wrong("is not text in UTF-8"))?;
        Ok(Some(Line { number, text, is_ended }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Endless input that counts what was taken of it.
    struct Endless {
        byte: u8,
        taken: u64,
    }

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(self.byte);
            self.taken += buffer.len() as u64;
            Ok(buffer.len())
        }
    }

    #[test]
    fn a_file_that_never_ends_is_read_up_to_the_stated_size() {
        let mut endless = Endless { byte: b'a', taken: 0 };
        let error = read(&mut endless, ByteSize(1 << 20)).unwrap_err().to_string();
        assert!(error.contains("more than 1 MiB"), "{error}");
        assert_eq!(endless.taken, (1 << 20) + 1);
    }

    #[test]
    fn a_line_that_never_ends_is_named_and_not_kept() {
        let mut endless = Endless { byte: b'a', taken: 0 };
        let mut lines = Lines::of(BufReader::new(&mut endless));
        let error = lines.next().unwrap_err().to_string();
        assert!(error.contains("line 1 has more than 64 KiB"), "{error}");
        assert!(endless.taken < 4 * LINE_MAX.0);
    }

    #[test]
    fn what_is_larger_than_is_read_is_refused_before_it_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sparse");
        File::create(&path).unwrap().set_len(2_000_000_000).unwrap();
        let error = text(&path, DOCUMENT_MAX).unwrap_err().to_string();
        assert!(error.contains("more than 64 MiB"), "{error}");
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let made = rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR);
        made.unwrap();
        for (path, said) in [
            (pipe.as_path(), "a pipe"),
            (directory.path(), "a directory"),
            ("/dev/zero".as_ref(), "a device"),
        ] {
            let error = open(path).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("latin-1");
        fs::write(&path, b"caf\xe9\n").unwrap();
        assert!(text(&path, SETTINGS_MAX).unwrap_err().to_string().contains("not text"));
        let error = lines(&path).unwrap().next().unwrap_err().to_string();
        assert!(error.contains("line 1 is not text"), "{error}");
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text(text in "[a\r\n]{0,40}") {
            let mut lines = Lines::of(text.as_bytes());
            let mut found = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                prop_assert_eq!(line.number, found.len() as u64 + 1);
                prop_assert!(line.is_ended || line.number == text.split_inclusive('\n').count() as u64);
                found.push(line.text.to_owned());
            }
            prop_assert_eq!(found, text.lines().collect::<Vec<_>>());
            prop_assert_eq!(lines.read_bytes(), text.len() as u64);
        }
    }

    proptest! {
        #[test]
        fn text_is_read_in_each_encoding_that_names_itself(text in "[^\u{feff}]{0,20}") {
            let units = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
                ["\u{feff}", &text].concat().encode_utf16().flat_map(bytes).collect()
            };
            let marked = format!("\u{feff}{text}").into_bytes();
            for bytes in [text.clone().into_bytes(), marked, units(u16::to_le_bytes), units(u16::to_be_bytes)] {
                prop_assert_eq!(decoded(bytes), Some(text.clone()));
            }
        }
    }

    #[test]
    fn what_is_no_text_is_not_read() {
        for bytes in [&b"\x80"[..], b"\xff\xfea", b"\xff\xfe\x00\xd8"] {
            assert_eq!(decoded(bytes.to_vec()), None, "{bytes:?}");
        }
    }
}
