//! The body of a GetObject as a stream that ends, fails or stalls, but never hangs.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::stream::{LocalBoxStream, Stream, StreamExt};

use super::error::Call;
use super::watchdog::Patience;
use crate::measure::FailureClass;
use crate::store::StoreError;

/// The bytes of an answer. The time limit runs only while the reader waits for the network.
pub(super) fn bytes(
    body: ByteStream,
    key: &str,
    stall_timeout: Duration,
) -> LocalBoxStream<'static, Result<Bytes, StoreError>> {
    let patience = Patience::new(stall_timeout);
    Reading { body, key: key.to_owned(), stall_timeout, patience }.boxed_local()
}

struct Reading {
    body: ByteStream,
    key: String,
    stall_timeout: Duration,
    /// One timer serves for all bytes: to set one for each would cost more than the rest of the way.
    patience: Patience,
}

impl Stream for Reading {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { body, key, stall_timeout, patience } = &mut *self;
        let call = Call { operation: "GetObject", subject: key };
        if let Poll::Ready(next) = Pin::new(body).poll_next(context) {
            patience.renew();
            let broke = |error| call.broke(FailureClass::Connection, &error);
            return Poll::Ready(next.map(|bytes| bytes.map_err(broke)));
        }
        patience.poll_exhausted(context).map(|_| Some(Err(call.stalled(*stall_timeout))))
    }
}
