//! Bodies on their way: held back by the model of the link, and counted for the log.
//!
//! A body is held back frame by frame, so its frames must be quanta (at most
//! [`crate::storj::QUANTUM_BYTES`]): hyper's read buffer and the blocks of our own answers are.
//! Every frame is paid for before it is passed on, the last one included; otherwise the last quantum
//! would be free.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};

use super::log::Traffic;
use super::seat::{Patience, Seat};
use super::under_way::UnderWay;
use crate::clock::{Instant, now};
use crate::storj::Flow;

/// Waits in real time, and not at all for nothing.
#[allow(clippy::disallowed_methods, reason = "a body of hyper must be Send; `clock::Sleep` is not")]
pub async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// Waits in real time until then.
pub async fn pause_until(due: Instant) {
    pause(due.since(now())).await;
}

/// `body`, not faster than its flow allows.
pub fn paced<B>(body: B, flow: Flow) -> impl Body<Data = Bytes, Error = B::Error> + Send
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Send,
{
    let frames = stream::unfold((body, flow), |(mut body, mut flow)| async move {
        let frame = body.frame().await?;
        if let Ok(frame) = &frame
            && let Some(data) = frame.data_ref()
        {
            let bytes = data.len() as u64;
            pause_until(flow.pause(now(), bytes)).await;
            pause_until(flow.carry(now(), bytes)).await;
        }
        Some((frame, (body, flow)))
    });
    StreamBody::new(Box::pin(frames.fuse()))
}

/// The body of a request, counted as it comes in.
pub struct Received<B> {
    body: B,
    traffic: Arc<Traffic>,
    seat: Arc<Seat>,
    patience: Patience,
}

impl<B> Received<B> {
    /// Counts `body` into `traffic`, and says at the connection's seat how long it is waited for.
    pub fn new(body: B, traffic: Arc<Traffic>, seat: Arc<Seat>) -> Self
    where
        B: Body,
    {
        traffic.ended.store(body.is_end_stream(), Ordering::Relaxed);
        Self { body, traffic, seat, patience: Patience::with_a_sender() }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Received<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
            this.seat.awaits_sender(&mut this.patience);
            return Poll::Pending;
        };
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        this.seat.has_sender(&mut this.patience, bytes.map_or(0, Bytes::len));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.traffic.bytes_in.fetch_add(bytes, Ordering::Relaxed);
            }
            Some(Err(_)) => self.traffic.client_gone.store(true, Ordering::Relaxed),
            None => {}
        }
        if frame.is_none() || self.body.is_end_stream() {
            self.traffic.ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, counted as it goes out. The request is under way until it is dropped.
pub struct Sent<B> {
    body: B,
    /// Bytes to come, if they were announced: hyper stops asking when it has them.
    announced: Option<u64>,
    under_way: UnderWay,
}

impl<B> Sent<B> {
    /// Counts `body`, of which so many bytes are announced, into `under_way`.
    pub fn new(body: B, announced: Option<u64>, under_way: UnderWay) -> Self {
        Self { body, announced, under_way }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sent<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                self.under_way.sends(frame.data_ref().map_or(0, Bytes::len) as u64);
                if self.announced == Some(self.under_way.counted.bytes_out) {
                    self.under_way.sent();
                }
            }
            Some(Err(_)) => {}
            None => self.under_way.sent(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
