//! The body of a GetObject as a stream that ends, fails or stalls, but never hangs.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, ByteStreamError};
use bytes::Bytes;
use futures::stream::{self, LocalBoxStream, StreamExt};

use super::error::Call;
use super::watchdog::{Patience, Stalled};
use crate::measure::FailureClass;
use crate::store::StoreError;

/// The bytes of an answer. The time limit runs only while the reader waits for the network.
pub(super) fn bytes(
    body: ByteStream,
    key: &str,
    stall_timeout: Duration,
) -> LocalBoxStream<'static, Result<Bytes, StoreError>> {
    let reading = Reading { body, key: key.to_owned(), patience: Patience::new(stall_timeout) };
    stream::try_unfold(reading, move |mut reading| async move {
        let next = reading.next().await;
        let call = Call { operation: "GetObject", subject: &reading.key };
        match next {
            Ok(Some(Ok(bytes))) => Ok(Some((bytes, reading))),
            Ok(Some(Err(error))) => Err(call.broke(FailureClass::Connection, &error)),
            Ok(None) => Ok(None),
            Err(Stalled) => Err(call.stalled(stall_timeout)),
        }
    })
    .boxed_local()
}

struct Reading {
    body: ByteStream,
    key: String,
    patience: Patience,
}

impl Reading {
    /// The next bytes. One timer serves for all of them: to set one for each would cost more than the
    /// rest of the way.
    async fn next(&mut self) -> Result<Option<Result<Bytes, ByteStreamError>>, Stalled> {
        let (mut next, patience) = (pin!(self.body.next()), &mut self.patience);
        poll_fn(|context| {
            if let Poll::Ready(bytes) = next.as_mut().poll(context) {
                patience.renew();
                return Poll::Ready(Ok(bytes));
            }
            patience.poll_exhausted(context).map(Err)
        })
        .await
    }
}
