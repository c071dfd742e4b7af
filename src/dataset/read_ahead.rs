//! A range of a file on its way to a store, read without blocking the thread.
//!
//! What the system has in memory is copied where it is asked for. What it would have to fetch is read
//! on tokio's blocking threads; from the first such block on, one block ahead of what is sent. Either way
//! a file costs four blocks of memory at most, however large it is.
//!
//! The time that a mover waited for a blocking thread is counted in [`Live::source`]: it tells a slow
//! source from a slow network.
//!
//! [`Live::source`]: crate::measure::Live::source

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::task::{JoinHandle, spawn_blocking};

use super::file::{FileReader, OpenFile, joined};
use super::{BLOCK_BYTES, SourceError};
use crate::measure::Waiting;

/// Blocks whose memory may be used again: the one that is sent, and those that may just have been.
const HANDED_OUT: usize = 3;

pub(super) struct ReadAhead {
    reader: FileReader,
    unread: Range<u64>,
    next: Next,
    /// Not all lies in memory: what comes next is asked for before it is needed.
    is_ahead: bool,
    read_cached: ReadCached,
    /// What was handed out last, the oldest first. Its memory is used again once it is sent: new
    /// memory would have to be zeroed, or faulted in page by page, before it is read into.
    handed_out: VecDeque<Bytes>,
}

/// Fills the memory from an offset on, or gives it back.
type ReadCached = fn(&OpenFile, BytesMut, u64) -> Result<Bytes, BytesMut>;

enum Next {
    Unread,
    Ready(Bytes),
    Reading { thread: JoinHandle<Result<Bytes, SourceError>>, waiting: Option<Waiting> },
}

impl ReadAhead {
    /// Nothing is read before the first poll.
    pub(super) fn new(reader: FileReader, range: Range<u64>) -> Self {
        Self {
            reader,
            unread: range,
            next: Next::Unread,
            is_ahead: false,
            read_cached: OpenFile::read_cached,
            handed_out: VecDeque::new(),
        }
    }

    /// The next block; `None` after the last.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, SourceError>>> {
        if matches!(self.next, Next::Unread) {
            self.read_on();
        }
        let block = match &mut self.next {
            Next::Unread => return Poll::Ready(None),
            Next::Ready(block) => Ok(mem::take(block)),
            Next::Reading { thread, waiting } => match Pin::new(thread).poll(context) {
                Poll::Ready(done) => joined(done, &self.reader.file.path),
                Poll::Pending => {
                    waiting.get_or_insert_with(|| self.reader.live.source.begin());
                    return Poll::Pending;
                }
            },
        };
        self.next = Next::Unread;
        if let Ok(block) = &block {
            self.hand_out(block.clone());
            if self.is_ahead {
                self.read_on();
            }
        }
        Poll::Ready(Some(block))
    }

    /// Reads what comes next if it is in memory, or else begins to. To ask a blocking thread for it
    /// takes as long as to copy it.
    fn read_on(&mut self) {
        let Range { start, end } = self.unread;
        let middle = end.min(start + BLOCK_BYTES as u64);
        if middle == start {
            return;
        }
        self.unread = middle..end;
        let memory = self.memory((middle - start) as usize);
        let file = Arc::clone(&self.reader.file);
        self.next = match (self.read_cached)(&file, memory, start) {
            Ok(block) => Next::Ready(block),
            Err(memory) => {
                self.is_ahead = true;
                let thread = spawn_blocking(move || file.read(memory, start));
                Next::Reading { thread, waiting: None }
            }
        };
    }

    fn hand_out(&mut self, block: Bytes) {
        self.reader.count_read(&block);
        if self.handed_out.len() == HANDED_OUT {
            self.handed_out.pop_front();
        }
        self.handed_out.push_back(block);
    }

    /// Memory of what was sent, if any was.
    fn memory(&mut self, len: usize) -> BytesMut {
        match self.handed_out.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(mut memory)) => {
                memory.resize(len, 0);
                return memory;
            }
            Some(Err(not_sent_yet)) => self.handed_out.push_front(not_sent_yet),
            None => (),
        }
        BytesMut::zeroed(len)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::time::Duration;

    use proptest::prelude::*;
    use tempfile::NamedTempFile;
    use tokio::runtime;

    use super::super::file::tests::{BLOCK, content, file_of, open, runtime};
    use super::*;
    use crate::measure::Live;

    const ALL: ReadCached =
        |file, memory, start| Ok(file.read(memory, start).expect("it is there"));
    const EVERY_THIRD: ReadCached = |file, memory, start| match (start / BLOCK) % 3 {
        0 => ALL(file, memory, start),
        _ => Err(memory),
    };
    const NOTHING: ReadCached = |_, memory, _| Err(memory);
    const CASES: [ReadCached; 4] = [ALL, EVERY_THIRD, NOTHING, OpenFile::read_cached];

    async fn read_ahead(file: &NamedTempFile, read_cached: ReadCached) -> ReadAhead {
        let len = file.as_file().metadata().expect("the file is there").len();
        ReadAhead { read_cached, ..ReadAhead::new(open(file).await, 0..len) }
    }

    async fn next(read_ahead: &mut ReadAhead) -> Option<Bytes> {
        let block = poll_fn(|context| read_ahead.poll_next(context)).await;
        block.map(|block| block.expect("the file is as it was"))
    }

    /// Takes all blocks as a socket does: the next one is asked for while the last is still being sent.
    /// Also returns how many places in memory they had.
    async fn send(mut read_ahead: ReadAhead) -> (Vec<u8>, usize) {
        let (mut being_sent, mut sent) = (Bytes::new(), Vec::new());
        let mut places = BTreeSet::new();
        while let Some(block) = next(&mut read_ahead).await {
            sent.extend_from_slice(&being_sent);
            being_sent = block;
            places.insert(being_sent.as_ptr());
        }
        sent.extend_from_slice(&being_sent);
        (sent, places.len())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn all_blocks_come_in_order_cached_or_not(len in 0..6 * BLOCK, which in 0..CASES.len()) {
            let bytes = content(len);
            let file = file_of(&bytes);
            let read_cached = CASES[which];
            let sent = runtime().block_on(async { send(read_ahead(&file, read_cached).await).await });
            prop_assert!(sent.0 == bytes);
        }
    }

    #[tokio::test]
    async fn the_memory_of_sent_blocks_is_read_into_again() {
        let bytes = content(40 * BLOCK);
        let file = file_of(&bytes);
        for read_cached in CASES {
            let (sent, places) = send(read_ahead(&file, read_cached).await).await;
            assert!(sent == bytes, "no block was overwritten before it was sent");
            assert!(places <= HANDED_OUT + 1, "{places} blocks of memory");
        }
    }

    #[tokio::test]
    async fn at_most_one_block_is_read_ahead() {
        let file = file_of(&content(20 * BLOCK));
        for (read_cached, ahead) in [(ALL, 0), (NOTHING, BLOCK)] {
            let mut read_ahead = read_ahead(&file, read_cached).await;
            for taken in 1..20 {
                next(&mut read_ahead).await.expect("there is more");
                assert_eq!(read_ahead.unread.start - taken * BLOCK, ahead);
            }
        }
    }

    #[test]
    fn only_a_wait_for_the_file_counts_as_such() {
        // One blocking thread, kept busy until it is released: the first block cannot be there.
        let runtime = runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .expect("a runtime can be made");
        let file = file_of(&content(3 * BLOCK));
        runtime.block_on(async {
            let mut read_ahead = read_ahead(&file, EVERY_THIRD).await;
            let live = Arc::clone(&read_ahead.reader.live);
            let waited = || live.source.total();
            let opened = waited();
            next(&mut read_ahead).await.expect("the first block");
            assert_eq!(waited(), opened, "it was in memory");
            let (release, released) = mpsc::channel::<()>();
            let busy = spawn_blocking(move || released.recv());
            let mut second = Box::pin(next(&mut read_ahead));
            assert!(futures::poll!(&mut second).is_pending());

            std::thread::sleep(Duration::from_millis(2));
            assert!(waited() >= opened + Duration::from_millis(2), "a wait counts while it lasts");
            release.send(()).expect("the thread waits");
            busy.await.expect("the thread ends").expect("it was released");
            second.await.expect("the second block");
            assert_eq!(Live::get(&live.source_read_bytes), 2 * BLOCK);
        });
    }
}
