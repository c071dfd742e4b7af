//! A socket that knows where the body of the request under way begins, and counts what is taken of it.
//!
//! It lies directly under hyper (above TLS), so a byte counts when the socket takes it, not when
//! hyper asks the payload for it: a throttled part has put only some of its bytes on the wire. TLS
//! and the kernel's send buffer may still hold what was counted last.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::Timer;
use crate::measure::{Probe, SocketWatch};
use crate::pace::Pace;
use crate::store::s3::proof::Layout;

/// Length of the empty line that ends a request's head, with the line end before it: `\r\n\r\n`.
const HEAD_END_BYTES: u8 = 4;

/// How far the request under way has got; shared by the connection's owner and its socket.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<Progress>);

#[derive(Debug, Default)]
enum Progress {
    /// Nothing is to be sent: the last request has gone out whole, or there was none.
    #[default]
    Sent,
    /// `matched` bytes of the head's end have just passed.
    Head { observed: Observed, body_bytes: u64, matched: u8 },
    /// `left_bytes` of the body are still to pass, after `sent_bytes`.
    Body { observed: Observed, sent_bytes: u64, left_bytes: u64 },
}

impl Meter {
    /// A request with a body of known length is about to be written.
    pub(super) fn expect(&self, observed: &Observed, body_bytes: u64) {
        *self.lock() = Progress::Head { observed: observed.clone(), body_bytes, matched: 0 };
    }

    /// Whether the last request has gone out whole.
    pub(super) fn all_sent(&self) -> bool {
        matches!(*self.lock(), Progress::Sent)
    }

    /// The socket took the first `taken` bytes of these slices.
    fn taken(&self, slices: &[IoSlice<'_>], mut taken: usize) {
        let mut progress = self.lock();
        for slice in slices {
            let length = slice.len().min(taken);
            progress.advance(&slice[..length]);
            taken -= length;
            if taken == 0 {
                break;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn advance(&mut self, bytes: &[u8]) {
        match self {
            Self::Sent => {}
            Self::Head { observed, body_bytes, matched } => {
                let Some(body_start) = end_of_head(matched, bytes) else { return };
                let (sent_bytes, left_bytes) = (0, *body_bytes);
                *self = Self::Body { observed: observed.clone(), sent_bytes, left_bytes };
                self.advance(&bytes[body_start..]);
            }
            Self::Body { observed, sent_bytes, left_bytes } => {
                let length = bytes.len() as u64;
                let payload = payload_of(observed.carries, *sent_bytes, length);
                if payload > 0 {
                    observed.probe.payload_sent(payload);
                }
                *sent_bytes += length;
                *left_bytes = left_bytes.saturating_sub(length);
                if *left_bytes == 0 {
                    observed.probe.request_sent();
                    *self = Self::Sent;
                }
            }
        }
    }
}

/// How much of the next `length` bytes of a body is payload.
fn payload_of(carries: Carries, sent_bytes: u64, length: u64) -> u64 {
    match carries {
        Carries::Up => length,
        Carries::UpInChunks(layout) => {
            layout.payload_within(sent_bytes + length) - layout.payload_within(sent_bytes)
        }
        Carries::Down | Carries::Nothing => 0,
    }
}

/// Where the body begins in `bytes`; `matched` carries a half-seen end from one write to the next.
fn end_of_head(matched: &mut u8, bytes: &[u8]) -> Option<usize> {
    for (index, byte) in bytes.iter().enumerate() {
        *matched = match (byte, *matched) {
            (b'\r', 0 | 2) | (b'\n', 1 | 3) => *matched + 1,
            (b'\r', _) => 1,
            _ => 0,
        };
        if *matched == HEAD_END_BYTES {
            return Some(index + 1);
        }
    }
    None
}

/// Bytes that a stream may move at once under a cap: less at a time costs more, more is less even.
const PIECE_BYTES: usize = 64 << 10;

/// Holds one direction of a socket to a pace that it shares with all others.
#[derive(Debug)]
struct Brake {
    pace: Arc<Pace>,
    timer: Timer,
    holds: bool,
}

impl Brake {
    fn new(pace: &Arc<Pace>) -> Self {
        Self { pace: Arc::clone(pace), timer: Timer::over(), holds: false }
    }

    fn poll_released(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.holds {
            ready!(self.timer.poll_over(context));
            self.holds = false;
        }
        Poll::Ready(())
    }

    fn passed(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let wait = self.pace.take(bytes as u64);
        if !wait.is_zero() {
            self.timer.set(wait);
            self.holds = true;
        }
    }
}

/// The first bytes of these slices.
fn piece<'a>(slices: &'a [IoSlice<'_>]) -> &'a [u8] {
    let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
    &first[..first.len().min(PIECE_BYTES)]
}

/// What the socket can still do.
#[derive(Debug, PartialEq, Eq)]
enum Writing {
    Open,
    /// The other side takes no more. Its answer may lie in the receive buffer.
    Refused,
}

/// A socket, or TLS over one, under a [`Meter`].
#[derive(Debug)]
pub(super) struct Metered<IO> {
    io: IO,
    meter: Arc<Meter>,
    socket: Arc<SocketWatch>,
    writing: Writing,
    /// Of reading and of writing, if there is a cap.
    brakes: Option<[Brake; 2]>,
}

impl<IO> Drop for Metered<IO> {
    /// Before `io` is dropped, and the socket with it.
    fn drop(&mut self) {
        self.socket.closes();
    }
}

impl<IO> Metered<IO> {
    pub(super) fn new(
        io: IO,
        meter: Arc<Meter>,
        socket: Arc<SocketWatch>,
        pace: Option<&Arc<Pace>>,
    ) -> Self {
        let brakes = pace.map(|pace| [Brake::new(pace), Brake::new(pace)]);
        Self { io, meter, socket, writing: Writing::Open, brakes }
    }

    /// Hides that the other side closed while we were writing.
    ///
    /// A server may answer (429, say) and close before it has read the whole body. An error from
    /// here would make hyper give up before it reads that answer. So writing only stops, and the
    /// reading side, woken, finds the answer or the end.
    fn unless_refused<T>(
        &mut self,
        context: &Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Poll::Ready(Err(error)) = &result else { return result };
        if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) {
            return result;
        }
        if self.writing == Writing::Open {
            self.writing = Writing::Refused;
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Metered<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, brakes, .. } = &mut *self;
        let Some([brake, _]) = brakes else {
            return Pin::new(io).poll_read(context, buffer);
        };
        ready!(brake.poll_released(context));
        let before = buffer.filled().len();
        let result = Pin::new(io).poll_read(context, buffer);
        brake.passed(buffer.filled().len() - before);
        result
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.writing == Writing::Refused {
            return Poll::Pending;
        }
        let Self { io, brakes, .. } = &mut *self;
        let result = match brakes {
            None => Pin::new(io).poll_write_vectored(context, slices),
            Some([_, brake]) => {
                ready!(brake.poll_released(context));
                let result = Pin::new(io).poll_write(context, piece(slices));
                if let Poll::Ready(Ok(taken)) = result {
                    brake.passed(taken);
                }
                result
            }
        };
        if let Poll::Ready(Ok(taken)) = result {
            self.meter.taken(slices, taken);
        }
        self.unless_refused(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writing == Writing::Refused {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.io).poll_flush(context);
        self.unless_refused(context, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Which body of an exchange is payload. XML in either direction is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::s3) enum Carries {
    /// Neither.
    Nothing,
    /// The request's: PutObject, UploadPart.
    Up,
    /// The same, in signed chunks, whose lines are no payload.
    UpInChunks(Layout),
    /// The answer's: GetObject.
    Down,
}

/// What travels in a request's extensions: the probe of an attempt and what it counts.
#[derive(Clone, Debug)]
pub(in crate::store::s3) struct Observed {
    /// Told what happens.
    pub(in crate::store::s3) probe: Arc<Probe>,
    /// What counts as payload.
    pub(in crate::store::s3) carries: Carries,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::measure::{Live, Probe};
    use proptest::prelude::*;

    fn observed(carries: Carries) -> Observed {
        Observed { probe: Probe::begin(&Arc::default(), clock::now()), carries }
    }

    /// Writes `request` in pieces that end at `cuts`.
    fn write_in_pieces(meter: &Meter, request: &[u8], mut cuts: Vec<usize>) {
        cuts.push(request.len());
        cuts.sort_unstable();
        let mut start = 0;
        for end in cuts {
            let piece = &request[start..end];
            meter.taken(&[IoSlice::new(piece)], piece.len());
            start = end;
        }
    }

    proptest! {
        #[test]
        fn payload_is_what_follows_the_head_however_the_writes_are_cut(
            header in "[a-z\r]{0,20}",
            body in proptest::collection::vec(any::<u8>(), 0..100),
            cuts in proptest::collection::vec(0..60_usize, 0..6),
        ) {
            let mut request = format!("PUT / HTTP/1.1\r\nx: {header}\r\n\r\n").into_bytes();
            request.extend_from_slice(&body);
            let cuts = cuts.into_iter().map(|cut| cut.min(request.len())).collect();

            let (meter, observed) = (Meter::default(), observed(Carries::Up));
            meter.expect(&observed, body.len() as u64);
            prop_assert!(!meter.all_sent());
            write_in_pieces(&meter, &request, cuts);

            prop_assert_eq!(observed.probe.payload_bytes(), body.len() as u64);
            prop_assert!(meter.all_sent());
            prop_assert!(observed.probe.sent_at().is_some());
        }
    }

    #[test]
    fn a_request_is_not_sent_before_its_last_byte() {
        let (meter, observed) = (Meter::default(), observed(Carries::Up));
        meter.expect(&observed, 3);
        write_in_pieces(&meter, b"PUT / HTTP/1.1\r\n\r\nab", vec![]);
        assert!(!meter.all_sent());
        assert_eq!((observed.probe.payload_bytes(), observed.probe.sent_at()), (2, None));
    }

    #[test]
    fn only_bytes_that_the_socket_took_count() {
        let (meter, observed) = (Meter::default(), observed(Carries::Up));
        meter.expect(&observed, 8);
        let slices = [IoSlice::new(b"PUT\r\n\r\n"), IoSlice::new(b"1234"), IoSlice::new(b"5678")];
        meter.taken(&slices, 7 + 5);
        assert_eq!(observed.probe.payload_bytes(), 5);
    }

    #[test]
    fn a_body_that_is_no_payload_is_not_counted() {
        let live = Arc::new(Live::default());
        let probe = Probe::begin(&live, clock::now());
        let observed = Observed { probe, carries: Carries::Nothing };
        let meter = Meter::default();
        meter.expect(&observed, 3);
        write_in_pieces(&meter, b"POST / HTTP/1.1\r\n\r\nxml", vec![]);
        assert!(meter.all_sent());
        assert_eq!(live.wire_bytes(), 0);
    }
}
