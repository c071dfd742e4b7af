//! A manifest of files: CSV (RFC 4180), read row by row.

use std::cell::Cell;
use std::io::{self, Read};

use csv::{ErrorKind, Position, StringRecord};

use super::shape::Shape;
use crate::error::{Error, Result};

/// A path has at most 1,024 bytes as a key, and a row little more: a quote that is never closed makes a row of all that
/// follows.
const ROW_MAX_BYTES: usize = 64 << 10;

/// Reads a manifest: a row `path,size_bytes` for each file, below a header that says so or none.
///
/// # Errors
/// If it cannot be read, a row has not two fields, a size is not a whole number of bytes from 0, or there is no file.
pub fn manifest(input: impl Read) -> Result<Shape> {
    let left = Cell::new(ROW_MAX_BYTES);
    let rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(Bounded { input, left: &left });
    let (mut line, mut stopped) = (0, None);
    let sizes = rows.into_records().map_while(|row| {
        let size = match &row {
            Ok(row) => size_of(row, line == 0).map_err(|why| at(row.position(), &why)),
            Err(error) => Err(unreadable(error, line, left.get() == 0)),
        };
        left.set(ROW_MAX_BYTES);
        line = row.ok().and_then(|row| row.position().map(Position::line)).unwrap_or(line);
        size.map_err(|error| stopped = Some(error)).ok()
    });
    let shape = Shape::of_sizes(sizes.flatten());
    match (stopped, shape) {
        (Some(error), _) => Err(error),
        (None, Err(_)) => Err(Error::environment("the manifest names no file")
            .hint("it has a row `path,size_bytes` for each file, such as `a/b.nc,252000000`")),
        (None, Ok(shape)) if shape.bytes() == 0.0 => {
            Err(Error::environment("all files of the manifest are empty")
                .hint("there are no bytes to plan for"))
        }
        (None, Ok(shape)) => Ok(shape),
    }
}

/// What a row says; a header and an empty row say nothing.
fn size_of(row: &StringRecord, is_first: bool) -> Result<Option<u64>, String> {
    match row.iter().collect::<Vec<_>>().as_slice() {
        [""] => Ok(None),
        [_, "size_bytes"] if is_first => Ok(None),
        [_, size] => size_bytes(size).map(Some),
        [_] => Err("it has no comma".into()),
        fields => {
            Err(format!("it has {} fields: a path with a comma is put in quotes", fields.len()))
        }
    }
}

fn size_bytes(text: &str) -> Result<u64, String> {
    let digits_alone = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits_alone).ok_or_else(|| {
        format!("`{}` is not a number of bytes from 0, in digits alone", text.escape_debug())
    })
}

fn unreadable(error: &csv::Error, line_before: u64, is_too_long: bool) -> Error {
    match error.kind() {
        ErrorKind::Io(_) if is_too_long => {
            wrong(line_before + 1, "its row is longer than 64 KiB: is a quote left open?")
        }
        ErrorKind::Io(error) => Error::environment(format!("the manifest cannot be read: {error}"))
            .hint("name a file that you may read"),
        _ => at(error.position(), "it is not UTF-8 text"),
    }
}

fn at(position: Option<&Position>, why: &str) -> Error {
    wrong(position.map_or(0, Position::line), why)
}

fn wrong(line: u64, why: &str) -> Error {
    Error::environment(format!("line {line} of the manifest cannot be used: {why}"))
        .hint("a row is `path,size_bytes`, such as `a/b.nc,252000000`")
}

/// A reader that ends in an error where a row does not end.
struct Bounded<'a, R> {
    input: R,
    /// Bytes that may be read before the next row ends.
    left: &'a Cell<usize>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left.get());
        if most == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.input.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Shape> {
        manifest(text.as_bytes())
    }

    #[test]
    fn a_manifest_is_read_and_what_is_wrong_in_it_is_named() {
        let shape = read("path,size_bytes\na,1\n\"b,c\",5\nd,5\n").unwrap();
        assert_eq!((shape.files(), shape.bytes()), (3.0, 11.0));
        let shape =
            read("\u{feff}path,size_bytes\n \n\"say \"\"hi\"\"\",\"7\"\r\n\n\"two\nlines\",1");
        let shape = shape.unwrap();
        assert_eq!((shape.files(), shape.bytes()), (2.0, 8.0));
        for (bad, said) in [
            ("a.nc,\"52,000,000\"\n", "line 1 of the manifest cannot be used: `52,000,000`"),
            (
                "a.nc,1\nb.nc,1000,1700000000\n",
                "line 2 of the manifest cannot be used: it has 3 fields",
            ),
            ("a,b.nc,52000000\n", "in quotes"),
            ("\"a\nb\",1\nc,x\n", "line 3"),
            ("a,+5\n", "`+5`"),
            ("\"a,5\nb,6\n", "no comma"),
            ("", "names no file"),
            ("path,size_bytes\n", "names no file"),
            ("path,size_bytes\na,-5\n", "line 2 of the manifest cannot be used: `-5`"),
            ("a,many\n", "line 1"),
            ("just a path\n", "no comma"),
            ("a,0\n", "empty"),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("hint: "), "{bad:?}: {error}");
        }
        let error = manifest(&b"a,1\n\xff\xfe,2\n"[..]).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("UTF-8"), "{error}");
    }

    #[test]
    fn a_row_that_does_not_end_is_read_up_to_its_bound() {
        let endless = Read::chain(&b"a,1\n\"b"[..], io::repeat(b'x'));
        let error = manifest(endless).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("64 KiB"), "{error}");
    }

    #[test]
    fn many_rows_are_no_long_row() {
        let rows = "a/b/c,1\n".repeat(ROW_MAX_BYTES);
        assert_eq!(read(&rows).unwrap().files(), ROW_MAX_BYTES as f64);
    }

    proptest! {
        #[test]
        fn a_manifest_that_a_library_writes_reads_back(
            files in prop::collection::vec((".{0,9}", 1_u64..1 << 50), 1..20),
        ) {
            let mut written = csv::WriterBuilder::new().from_writer(Vec::new());
            written.write_record(["path", "size_bytes"]).unwrap();
            for (path, size) in &files {
                written.write_record([path, &size.to_string()]).unwrap();
            }
            let shape = manifest(written.into_inner().unwrap().as_slice()).unwrap();
            let bytes = files.iter().map(|(_, size)| *size as f64).sum::<f64>();
            prop_assert!((shape.files() - files.len() as f64).abs() < 1e-6);
            prop_assert!((shape.bytes() / bytes - 1.0).abs() < 1e-9);
        }
    }
}
