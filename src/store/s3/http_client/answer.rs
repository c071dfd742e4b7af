//! The body of an answer: counts payload as it is delivered and brings the connection back at its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::connect::Origin;
use super::connection::HttpConnection;
use super::pool::Pool;
use crate::measure::Probe;

/// A body on its way down.
#[derive(Debug)]
pub(super) struct Answer {
    incoming: Incoming,
    /// Told of each frame, if the body is payload.
    probe: Option<Arc<Probe>>,
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
        probe: Option<Arc<Probe>>,
        connection: HttpConnection,
        (pool, origin): (Arc<Pool>, Origin),
    ) -> Self {
        let lease = Some(Lease { connection, pool, origin });
        let mut answer = Self { incoming, probe, lease };
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
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(lease) = &mut self.lease {
            lease.connection.turn(context);
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(probe), Some(bytes)) = (&self.probe, frame.data_ref()) {
                    probe.payload_passed(bytes.len() as u64);
                }
                self.return_if_ended();
            }
            Some(Err(_)) => self.lease = None,
            // Only here does a body in chunks say that it has ended.
            None => self.give_back(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
