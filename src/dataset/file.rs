//! Real files, read in order without blocking the thread.
//!
//! Reads happen on tokio's blocking threads. [`FileReader::stream`] reads a batch of blocks while the
//! batch before is sent, so that a file costs six blocks of memory, however large it is. The time
//! that the mover waited all the same is counted in [`Live::source`]: it tells a slow source from a slow
//! network.
//!
//! A file that changes while it is moved would arrive as a mixture that never existed. Reads that end
//! early and [`FileReader::unchanged`] find this, the latter as finely as the file system keeps the
//! time of change (often some milliseconds).

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use bytes::{Bytes, BytesMut};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::payload::{BLOCK_BYTES, Payload, Source, SourceError};
use crate::measure::{Live, Waiting};

/// Blocks read at a time. Three batches are in memory at most: one is read, one is ready, and one is
/// being sent.
const BATCH_BLOCKS: usize = 2;

/// A file that is read in order, block by block, without blocking the thread.
#[derive(Clone, Debug)]
pub struct FileReader {
    file: Arc<OpenFile>,
    live: Arc<Live>,
}

impl FileReader {
    /// Opens a file and notes its size and time of change.
    ///
    /// # Errors
    /// If it cannot be opened, or is not `size_bytes` long any more.
    pub async fn open(path: &Path, size_bytes: u64, live: &Arc<Live>) -> Result<Self, SourceError> {
        let owned = path.to_owned();
        let opened = spawn_blocking(move || OpenFile::open(owned, size_bytes)).await;
        Ok(Self { file: Arc::new(joined(opened, path)?), live: Arc::clone(live) })
    }

    /// A range of the file, read while it is sent: a bounded number of blocks is in memory.
    pub fn stream(&self, range: Range<u64>) -> Payload {
        let len_bytes = range.end.saturating_sub(range.start);
        Payload::new(Source::File(ReadAhead::new(self.clone(), range)), len_bytes)
    }

    /// A range of the file, read whole into memory before it is sent.
    ///
    /// # Errors
    /// If the file cannot be read or is too short.
    pub async fn fill(&self, range: Range<u64>) -> Result<Vec<Bytes>, SourceError> {
        let blocks = self.waited_for(move |file| file.read_blocks(range, Vec::new())).await?;
        self.count_read(&blocks);
        Ok(blocks)
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
        let file = Arc::clone(&self.file);
        joined(spawn_blocking(move || file.unchanged()).await, &self.file.path)
    }

    fn count_read(&self, blocks: &[Bytes]) {
        let bytes = blocks.iter().map(|block| block.len() as u64).sum();
        Live::add(&self.live.source_read_bytes, bytes);
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
fn joined<T>(
    done: Result<Result<T, SourceError>, JoinError>,
    path: &Path,
) -> Result<T, SourceError> {
    done.unwrap_or_else(|error| Err(cannot_be_read(path, &error)))
}

fn cannot_be_read(path: &Path, why: &dyn std::error::Error) -> SourceError {
    SourceError(format!("`{}` cannot be read: {why}", path.display()))
}

/// A range of a file on its way: one batch of blocks is read while the one before is sent.
pub(super) struct ReadAhead {
    reader: FileReader,
    unread: Range<u64>,
    reading: Option<JoinHandle<Result<Vec<Bytes>, SourceError>>>,
    ready: vec::IntoIter<Bytes>,
    /// Blocks handed out last, the oldest first. Their memory is used again once it is sent: a new
    /// block would have to be zeroed, or faulted in page by page, before it is read into.
    handed_out: VecDeque<Bytes>,
    waiting: Option<Waiting>,
}

impl ReadAhead {
    /// Nothing is read before the first poll.
    fn new(reader: FileReader, range: Range<u64>) -> Self {
        Self {
            reader,
            unread: range,
            reading: None,
            ready: Vec::new().into_iter(),
            handed_out: VecDeque::new(),
            waiting: None,
        }
    }

    /// The next block; `None` after the last.
    pub(super) fn poll_block(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, SourceError>>> {
        loop {
            self.read_on();
            if let Some(block) = self.ready.next() {
                self.handed_out.push_back(block.clone());
                return Poll::Ready(Some(Ok(block)));
            }
            let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
            let Poll::Ready(done) = Pin::new(reading).poll(context) else {
                self.waiting.get_or_insert_with(|| self.reader.live.source.begin());
                return Poll::Pending;
            };
            (self.reading, self.waiting) = (None, None);
            match joined(done, &self.reader.file.path) {
                Ok(batch) => {
                    self.reader.count_read(&batch);
                    self.ready = batch.into_iter();
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// Begins to read the next batch, unless one is being read or all is.
    fn read_on(&mut self) {
        if self.reading.is_some() || self.unread.is_empty() {
            return;
        }
        let Range { start, end } = self.unread;
        let middle = end.min(start + (BATCH_BLOCKS * BLOCK_BYTES) as u64);
        self.unread = middle..end;
        let (file, spare) = (Arc::clone(&self.reader.file), self.spare_blocks());
        self.reading = Some(spawn_blocking(move || file.read_blocks(start..middle, spare)));
    }

    /// Blocks that were sent.
    fn spare_blocks(&mut self) -> Vec<BytesMut> {
        let mut spare = Vec::with_capacity(BATCH_BLOCKS);
        while spare.len() < BATCH_BLOCKS
            && let Some(oldest) = self.handed_out.pop_front()
        {
            match oldest.try_into_mut() {
                Ok(block) => spare.push(block),
                Err(not_sent_yet) => {
                    self.handed_out.push_front(not_sent_yet);
                    break;
                }
            }
        }
        // What is still being sent is let go of once its sender has done so.
        let too_many = self.handed_out.len().saturating_sub(BATCH_BLOCKS);
        self.handed_out.drain(..too_many);
        spare
    }
}

/// A file and what it was when it was opened. All its methods block.
#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    version: Version,
}

impl OpenFile {
    fn open(path: PathBuf, size_bytes: u64) -> Result<Self, SourceError> {
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
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

    /// Reads into the spare blocks as far as they go.
    fn read_blocks(
        &self,
        range: Range<u64>,
        mut spare: Vec<BytesMut>,
    ) -> Result<Vec<Bytes>, SourceError> {
        let end = range.end;
        let read_block = |start: u64| {
            let len = (end - start).min(BLOCK_BYTES as u64) as usize;
            let mut block = spare.pop().unwrap_or_else(|| BytesMut::zeroed(len));
            block.resize(len, 0);
            self.read_exact(&mut block, start)?;
            Ok(block.freeze())
        };
        range.step_by(BLOCK_BYTES).map(read_block).collect()
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
mod tests {
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::time::Duration;

    use http_body::Body;
    use http_body_util::BodyExt;
    use proptest::prelude::*;
    use tempfile::NamedTempFile;
    use tokio::runtime::{self, Runtime};

    use super::*;

    const BLOCK: u64 = BLOCK_BYTES as u64;

    fn runtime() -> Runtime {
        runtime::Builder::new_current_thread().build().expect("a runtime can be made")
    }

    /// Bytes of which no two blocks are alike.
    fn content(len: u64) -> Vec<u8> {
        (0..len).map(|i| (i ^ (i / 251)) as u8).collect()
    }

    fn file_of(bytes: &[u8]) -> NamedTempFile {
        let file = NamedTempFile::new().expect("a file can be made");
        fs::write(&file, bytes).expect("the file can be written");
        file
    }

    fn set_len(file: &NamedTempFile, len: u64) {
        file.as_file().set_len(len).expect("the file can be resized");
    }

    async fn open(file: &NamedTempFile) -> FileReader {
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
    let blocks = reader.fill(start..end).await.expect("the file is as it was");
                    let mut filled = Payload::from(blocks);
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
    async fn reading_is_at_most_two_batches_ahead() {
        let blocks = 20;
        let file = file_of(&content(blocks * BLOCK));
        let mut read_ahead = ReadAhead::new(open(&file).await, 0..blocks * BLOCK);
        for taken in 1..=blocks {
            let block = poll_fn(|context| read_ahead.poll_block(context)).await;
            assert!(block.is_some_and(|block| block.is_ok()));
            let ahead = read_ahead.unread.start - taken * BLOCK;
            assert!(ahead <= 2 * BATCH_BLOCKS as u64 * BLOCK, "{ahead} bytes ahead");
        }
        assert!(poll_fn(|context| read_ahead.poll_block(context)).await.is_none());
    }

    #[tokio::test]
    async fn the_memory_of_sent_blocks_is_read_into_again() {
        let blocks = 40;
        let bytes = content(blocks * BLOCK);
        let file = file_of(&bytes);
        let mut read_ahead = ReadAhead::new(open(&file).await, 0..blocks * BLOCK);
        let mut places = std::collections::BTreeSet::new();
        // As on a socket: the next block is asked for while the last one is still being sent.
        let (mut being_sent, mut sent) = (Bytes::new(), Vec::new());
        while let Some(block) = poll_fn(|context| read_ahead.poll_block(context)).await {
            sent.extend_from_slice(&being_sent);
            being_sent = block.expect("the file is as it was");
            places.insert(being_sent.as_ptr());
        }
        sent.extend_from_slice(&being_sent);
        assert!(sent == bytes, "no block was overwritten before it was sent");
        assert!(places.len() <= 3 * BATCH_BLOCKS, "{} blocks of memory", places.len());
    }

    #[test]
    fn only_a_wait_for_the_file_counts_as_such() {
        // One blocking thread, kept busy until it is released: the first block cannot be there.
        let runtime = runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .expect("a runtime can be made");
        let file = file_of(&content(2 * BLOCK));
        runtime.block_on(async {
            let reader = open(&file).await;
            let waited = || reader.live.source.total();
            let mut payload = reader.stream(0..2 * BLOCK);
            let (release, released) = mpsc::channel::<()>();
            let busy = spawn_blocking(move || released.recv());
            assert!(futures::poll!(payload.frame()).is_pending());

            std::thread::sleep(Duration::from_millis(2));
            assert!(waited() >= Duration::from_millis(2), "a wait counts while it lasts");
            release.send(()).expect("the thread waits");
            busy.await.expect("the thread ends").expect("it was released");
            assert!(payload.frame().await.is_some_and(|frame| frame.is_ok()));
            let waited_for_first = waited();
            assert!(payload.frame().await.is_some_and(|frame| frame.is_ok()));
            assert_eq!(waited(), waited_for_first, "the second block came with the first");
            assert_eq!(Live::get(&reader.live.source_read_bytes), 2 * BLOCK);
        });
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
        let how = format!("it ends before byte {}", 6 * BLOCK);
        assert_names(frames(&mut reader.stream(0..8 * BLOCK)).await, &file, &how);
        assert_names(reader.fill(0..8 * BLOCK).await, &file, &how);
        let zeros = Bytes::from(vec![0; BLOCK_BYTES]);
        assert_names(reader.matches(5 * BLOCK, zeros).await, &file, &how);
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
