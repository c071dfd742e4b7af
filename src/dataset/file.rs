//! Real files, read without blocking the thread.
//!
//! A file that changes while it is moved would arrive as a mixture that never existed. Reads that end
//! early and [`FileReader::unchanged`] find this, the latter as finely as the file system keeps the
//! time of change (often some milliseconds).

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::{JoinError, spawn_blocking};

use super::{BLOCK_BYTES, SourceError};
use crate::measure::Live;
use crate::outside;

/// A file that is read without blocking the thread.
#[derive(Clone, Debug)]
pub struct FileReader {
    pub(super) file: Arc<OpenFile>,
    pub(super) live: Arc<Live>,
}

impl FileReader {
    /// Opens a file and notes its size and time of change.
    ///
    /// # Errors
    /// If it cannot be opened, or is not `size_bytes` long any more.
    pub async fn open(path: &Path, size_bytes: u64, live: &Arc<Live>) -> Result<Self, SourceError> {
        let owned = path.to_owned();
        let _waiting = live.source.begin();
        let opened = spawn_blocking(move || OpenFile::open(owned, size_bytes)).await;
        Ok(Self { file: Arc::new(joined(opened, path)?), live: Arc::clone(live) })
    }

    /// A range of the file, read whole into memory before it is sent.
    ///
    /// # Errors
    /// If the file cannot be read or is too short.
    pub async fn fill(&self, range: Range<u64>) -> Result<Bytes, SourceError> {
        let len_bytes = range.end.saturating_sub(range.start) as usize;
        let read = move |file: &OpenFile| file.read(BytesMut::zeroed(len_bytes), range.start);
        let bytes = self.waited_for(read).await?;
        self.count_read(&bytes);
        Ok(bytes)
    }

    /// Whether the file holds `bytes` at `offset`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn matches(&self, offset: u64, bytes: Bytes) -> Result<bool, SourceError> {
        self.waited_for(move |file| file.holds(offset, &bytes)).await
    }

    /// Whether size and time of change are still those of the opening, and no other file has taken
    /// its place.
    ///
    /// # Errors
    /// Says what changed.
    pub async fn unchanged(&self) -> Result<(), SourceError> {
        self.waited_for(OpenFile::unchanged).await
    }

    pub(super) fn count_read(&self, bytes: &Bytes) {
        Live::add(&self.live.source_read_bytes, bytes.len() as u64);
    }

    /// Reads on a blocking thread and counts the time until the data is here.
    async fn waited_for<T: Send + 'static>(
        &self,
        read: impl FnOnce(&OpenFile) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let file = Arc::clone(&self.file);
        let _waiting = self.live.source.begin();
        joined(spawn_blocking(move || read(&file)).await, &self.file.path)
    }
}

/// What came of a task on a blocking thread; it is broken off when the program ends.
pub(super) fn joined<T>(
    done: Result<Result<T, SourceError>, JoinError>,
    path: &Path,
) -> Result<T, SourceError> {
    done.unwrap_or_else(|error| Err(cannot_be_read(path, &error)))
}

fn cannot_be_read(path: &Path, why: &dyn std::error::Error) -> SourceError {
    SourceError(format!("`{}` cannot be read: {why}", path.display()))
}

/// A file and what it was when it was opened. All its methods block, but for
/// [`read_cached`](Self::read_cached).
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    pub(super) path: PathBuf,
    version: Version,
}

impl OpenFile {
    fn open(path: PathBuf, size_bytes: u64) -> Result<Self, SourceError> {
        let opened = outside::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| cannot_be_read(&path, &error))?;
        let version = Version::of(&metadata);
        if version.size_bytes != size_bytes {
            let now_bytes = version.size_bytes;
            return Err(SourceError(format!(
                "`{}` changed after it was listed: it was {size_bytes} bytes long and now is {now_bytes}",
                path.display()
            )));
        }
        Ok(Self { file, path, version })
    }

    /// Fills `memory` with what begins at `start`.
    pub(super) fn read(&self, mut memory: BytesMut, start: u64) -> Result<Bytes, SourceError> {
        self.read_exact(&mut memory, start)?;
        Ok(memory.freeze())
    }

    /// The same if the system has all of it in memory and says so (`RWF_NOWAIT` in preadv2(2), which
    /// not every file system knows). Gives back the memory if not, nor tells why.
    #[cfg(target_os = "linux")]
    pub(super) fn read_cached(&self, mut memory: BytesMut, start: u64) -> Result<Bytes, BytesMut> {
        use rustix::io::{ReadWriteFlags, preadv2};

        let buffer = &mut [io::IoSliceMut::new(&mut memory)];
        let read = preadv2(&self.file, buffer, start, ReadWriteFlags::NOWAIT);
        if read == Ok(memory.len()) { Ok(memory.freeze()) } else { Err(memory) }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn read_cached(&self, memory: BytesMut, _: u64) -> Result<Bytes, BytesMut> {
        Err(memory)
    }

    fn holds(&self, offset: u64, bytes: &[u8]) -> Result<bool, SourceError> {
        if offset + bytes.len() as u64 > self.version.size_bytes {
            return Ok(false);
        }
        let mut buffer = vec![0; BLOCK_BYTES.min(bytes.len())];
        let mut start = offset;
        for expected in bytes.chunks(BLOCK_BYTES) {
            let block = &mut buffer[..expected.len()];
            self.read_exact(block, start)?;
            if block != expected {
                return Ok(false);
            }
            start += expected.len() as u64;
        }
        Ok(true)
    }

    fn read_exact(&self, block: &mut [u8], start: u64) -> Result<(), SourceError> {
        self.file.read_exact_at(block, start).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let end = start + block.len() as u64;
                self.changed(&format!("it ends before byte {end}"))
            }
            _ => cannot_be_read(&self.path, &error),
        })
    }

    /// Looks at the path, not at the open file, so that a file put in its place is found too.
    fn unchanged(&self) -> Result<(), SourceError> {
        let metadata =
            fs::metadata(&self.path).map_err(|error| cannot_be_read(&self.path, &error))?;
        let (was, is) = (self.version, Version::of(&metadata));
        if was.inode != is.inode {
            return Err(self.changed("another file has taken its place"));
        }
        if was.size_bytes != is.size_bytes {
            let (was, is) = (was.size_bytes, is.size_bytes);
            return Err(self.changed(&format!("it was {was} bytes long and now is {is}")));
        }
        if was.modified != is.modified {
            return Err(self.changed("it was written to"));
        }
        Ok(())
    }

    fn changed(&self, how: &str) -> SourceError {
        SourceError(format!("`{}` changed while it was read: {how}", self.path.display()))
    }
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug)]
struct Version {
    size_bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    inode: u64,
}

impl Version {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            inode: metadata.ino(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use http_body::Body;
    use http_body_util::BodyExt;
    use proptest::prelude::*;
    use tempfile::NamedTempFile;
    use tokio::runtime::{self, Runtime};

    use super::*;
    use crate::dataset::Payload;

    pub(in crate::dataset) const BLOCK: u64 = BLOCK_BYTES as u64;

    pub(in crate::dataset) fn runtime() -> Runtime {
        runtime::Builder::new_current_thread().build().expect("a runtime can be made")
    }

    /// Bytes of which no two blocks are alike.
    pub(in crate::dataset) fn content(len: u64) -> Vec<u8> {
        (0..len).map(|i| (i ^ (i / 251)) as u8).collect()
    }

    pub(in crate::dataset) fn file_of(bytes: &[u8]) -> NamedTempFile {
        let file = NamedTempFile::new().expect("a file can be made");
        fs::write(&file, bytes).expect("the file can be written");
        file
    }

    fn set_len(file: &NamedTempFile, len: u64) {
        file.as_file().set_len(len).expect("the file can be resized");
    }

    pub(in crate::dataset) async fn open(file: &NamedTempFile) -> FileReader {
        let size_bytes = file.as_file().metadata().expect("the file is there").len();
        FileReader::open(file.path(), size_bytes, &Arc::default()).await.expect("it opens")
    }

    async fn frames(payload: &mut Payload) -> Result<Vec<Bytes>, SourceError> {
        let mut frames = Vec::new();
        while let Some(frame) = payload.frame().await {
            frames.push(frame?.into_data().expect("there are no trailers"));
        }
        assert!(payload.is_empty());
        Ok(frames)
    }

    fn assert_names<T>(result: Result<T, SourceError>, file: &NamedTempFile, how: &str) {
        let message = result.map(|_| ()).expect_err("the file has changed").to_string();
        let path = file.path().display().to_string();
        assert!(message.contains(&path) && message.contains(how), "{message}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn streamed_or_filled_a_range_holds_the_bytes_of_the_file(
            len in 0..6 * BLOCK,
            cut in any::<[prop::sample::Index; 2]>(),
        ) {
            let bytes = content(len);
            let file = file_of(&bytes);
            let mut cut = cut.map(|cut| cut.index(bytes.len() + 1));
            cut.sort_unstable();
            let [start, end] = cut.map(|cut| cut as u64);
            let (streamed, filled) = runtime().block_on(async {
                let reader = open(&file).await;
                let bytes = reader.fill(start..end).await.expect("the file is as it was");
                let mut filled = Payload::from(vec![bytes]);
                let mut streamed = reader.stream(start..end);
                assert_eq!((filled.len(), streamed.len()), (end - start, end - start));
                (frames(&mut streamed).await, frames(&mut filled).await)
            });
            let streamed = streamed.expect("the file is as it was");
            prop_assert!(streamed.iter().all(|block| block.len() <= BLOCK_BYTES));
            prop_assert!(streamed.concat() == bytes[cut[0]..cut[1]]);
            prop_assert!(filled.expect("it is in memory").concat() == bytes[cut[0]..cut[1]]);
        }

        #[test]
        fn a_byte_that_differs_from_the_file_is_found(
            offset in 0_u64..1000,
            len in 1..2 * BLOCK,
            at in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let bytes = content(offset + len);
            let file = file_of(&bytes);
            let right = Bytes::from(bytes).slice(offset as usize..);
            let mut wrong = right.to_vec();
            wrong[at.index(right.len())] ^= flip;
            let (right, wrong) = runtime().block_on(async {
                let reader = open(&file).await;
                (reader.matches(offset, right).await, reader.matches(offset, wrong.into()).await)
            });
            prop_assert_eq!((right, wrong), (Ok(true), Ok(false)));
        }
    }

    #[tokio::test]
    async fn bytes_beyond_the_end_of_the_file_do_not_match() {
        let file = file_of(b"abc");
        let reader = open(&file).await;
        assert_eq!(reader.matches(1, Bytes::from_static(b"bc")).await, Ok(true));
        assert_eq!(reader.matches(1, Bytes::from_static(b"bcd")).await, Ok(false));
    }

    #[tokio::test]
    async fn a_file_that_changed_since_it_was_listed_is_not_opened() {
        let file = file_of(b"0123456789");
        let opened = FileReader::open(file.path(), 9, &Arc::default()).await;
        assert_names(opened, &file, "it was 9 bytes long and now is 10");
    }

    #[tokio::test]
    async fn a_missing_file_is_reported_by_name() {
        let missing = Path::new("/no/such/file");
        let opened = FileReader::open(missing, 1, &Arc::default()).await;
        let message = opened.expect_err("there is no such file").to_string();
        assert!(message.starts_with("`/no/such/file` cannot be read: "), "{message}");
    }

    #[tokio::test]
    async fn a_truncated_file_is_reported_by_name() {
        let file = file_of(&content(8 * BLOCK));
        let reader = open(&file).await;
        set_len(&file, 5 * BLOCK + 1);
        let ends_before = |byte| format!("it ends before byte {byte}");
        let streamed = frames(&mut reader.stream(0..8 * BLOCK)).await;
        assert_names(streamed, &file, &ends_before(6 * BLOCK));
        assert_names(reader.fill(0..8 * BLOCK).await, &file, &ends_before(8 * BLOCK));
        let zeros = Bytes::from(vec![0; BLOCK_BYTES]);
        assert_names(reader.matches(5 * BLOCK, zeros).await, &file, &ends_before(6 * BLOCK));
        assert_names(reader.unchanged().await, &file, "now is");
    }

    #[tokio::test]
    async fn nothing_comes_after_an_error() {
        let file = file_of(&content(8 * BLOCK));
        let mut payload = open(&file).await.stream(0..8 * BLOCK);
        set_len(&file, BLOCK);
        assert!(frames(&mut payload).await.is_err());
        assert!(payload.is_end_stream());
        assert!(payload.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_file_that_grew_is_reported_by_name() {
        let file = file_of(b"abc");
        let reader = open(&file).await;
        assert_eq!(reader.unchanged().await, Ok(()));
        set_len(&file, 4);
        assert_names(reader.unchanged().await, &file, "it was 3 bytes long and now is 4");
    }

    #[tokio::test]
    async fn a_file_rewritten_at_the_same_size_is_reported_by_name() {
        let file = file_of(b"abc");
        let reader = open(&file).await;
        let metadata = file.as_file().metadata().expect("the file is there");
        let modified = metadata.modified().expect("the system keeps times of change");
        fs::write(&file, b"xyz").expect("the file can be written");
        // A tick of the file system's clock may be longer than this test.
        let later = modified + Duration::from_nanos(1000);
        file.as_file().set_modified(later).expect("the time can be set");
        assert_names(reader.unchanged().await, &file, "it was written to");
    }

    #[tokio::test]
    async fn a_file_that_was_replaced_or_removed_is_reported_by_name() {
        let file = file_of(b"abc");
        let reader = open(&file).await;
        let other = file_of(b"abc");
        fs::rename(other.path(), file.path()).expect("the file can be replaced");
        assert_names(reader.unchanged().await, &file, "another file has taken its place");
        fs::remove_file(file.path()).expect("the file can be removed");
        assert_names(reader.unchanged().await, &file, "cannot be read");
    }
}
