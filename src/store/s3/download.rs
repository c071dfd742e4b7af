//! The body of a GetObject as a stream that ends, fails or stalls, but never hangs.

use std::pin::Pin;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::stream::{LocalBoxStream, Stream, StreamExt};

use super::error::Call;
use super::watchdog::{Patience, StallLimit};
use crate::measure::FailureClass;
use crate::store::StoreError;

/// The bytes of an answer. The time limit runs only while the reader waits for the network.
pub(super) fn bytes(
    body: ByteStream,
    key: &str,
    limit: StallLimit,
) -> LocalBoxStream<'static, Result<Bytes, StoreError>> {
    let patience = Patience::new(limit);
    Reading { body, key: key.to_owned(), limit, patience }.boxed_local()
}

struct Reading {
    body: ByteStream,
    key: String,
    limit: StallLimit,
    /// One timer serves for all bytes: to set one for each would cost more than the rest of the way.
    patience: Patience,
}

impl Stream for Reading {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { body, key, limit, patience } = &mut *self;
        let call = Call { operation: "GetObject", subject: key };
        if let Poll::Ready(next) = Pin::new(body).poll_next(context) {
            if let Some(Ok(bytes)) = &next {
                patience.moved(bytes.len() as u64);
            }
            let broke = |error| call.broke(FailureClass::Connection, &error);
            return Poll::Ready(next.map(|bytes| bytes.map_err(broke)));
        }
        patience.poll_exhausted(context).map(|_| Some(Err(call.stalled(*limit))))
    }
}
