//! The body of an answer: counts payload as it is delivered, ends what is no payload and too long, and
//! brings the connection back at its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::Pool;
use super::connect::Origin;
use super::connection::HttpConnection;
use crate::measure::Probe;

/// Bytes of an XML document that says yes, which the SDK keeps in memory whole. The longest is a listing:
/// 1,000 keys of 1,024 bytes, each of which URL encoding makes three, and some 500 bytes beside each key
/// are 3.6 MB; a server that wraps and escapes more has room for four times as much.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;

/// Bytes of an answer that says no. S3's are shorter than 2 KiB; pages of proxies that explain themselves
/// are some tens of KiB.
const EXPLANATION_BYTES_MAX: u64 = 256 << 10;

/// What is done about the bytes of a body.
#[derive(Debug)]
pub(super) enum Bound {
    /// They are payload: whoever reads knows how many are to come, and the probe is told of each frame.
    Payload(Arc<Probe>),
    /// So many may come.
    Bytes { max: u64, came: u64 },
}

impl Bound {
    /// Of an answer that says yes.
    pub(super) fn document() -> Self {
        Self::Bytes { max: DOCUMENT_BYTES_MAX, came: 0 }
    }

    /// Of an answer that says no.
    pub(super) fn explanation() -> Self {
        Self::Bytes { max: EXPLANATION_BYTES_MAX, came: 0 }
    }

    fn pass(&mut self, bytes: u64) -> Result<(), TooLong> {
        match self {
            Self::Payload(probe) => probe.payload_received(bytes),
            Self::Bytes { max, came } => {
                *came = came.saturating_add(bytes);
                if came > max {
                    return Err(TooLong { max_bytes: *max });
                }
            }
        }
        Ok(())
    }
}

/// An answer that does not end where any such answer does.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the answer is longer than {max_bytes} bytes, and is read no further")]
pub(in crate::store::s3) struct TooLong {
    max_bytes: u64,
}

/// Why a body does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the connection broke")]
    Broke(#[from] hyper::Error),
    #[error("it is too long")]
    TooLong(#[from] TooLong),
}

/// A body on its way down.
#[derive(Debug)]
pub(super) struct Answer {
    incoming: Incoming,
    bound: Bound,
    lease: Option<Lease>,
}

/// A connection that goes back to its pool when the answer has ended; it is closed if this never comes.
#[derive(Debug)]
struct Lease {
    connection: HttpConnection,
    pool: Arc<Pool>,
    origin: Origin,
}

impl Answer {
    pub(super) fn new(
        incoming: Incoming,
        bound: Bound,
        connection: HttpConnection,
        (pool, origin): (Arc<Pool>, Origin),
    ) -> Self {
        let lease = Some(Lease { connection, pool, origin });
        let mut answer = Self { incoming, bound, lease };
        // Nobody polls a body that is empty from the start.
        answer.return_if_ended();
        answer
    }

    fn return_if_ended(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.pool.put(lease.origin, lease.connection);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(lease) = &mut self.lease {
            lease.connection.turn(context);
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                if let Err(too_long) = self.bound.pass(bytes as u64) {
                    self.lease = None;
                    return Poll::Ready(Some(Err(too_long.into())));
                }
                self.return_if_ended();
            }
            Some(Err(_)) => self.lease = None,
            // Only here does a body in chunks say that it has ended.
            None => self.give_back(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
