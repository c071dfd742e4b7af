//! The body of a GetObject as a stream that ends, fails or stalls, but never hangs.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::stream::{self, LocalBoxStream, StreamExt};
use tokio::time::timeout;

use super::error::Call;
use crate::measure::FailureClass;
use crate::store::StoreError;

/// The bytes of an answer. The time limit runs only while the reader waits for the network.
pub(super) fn bytes(
    body: ByteStream,
    key: &str,
    stall_timeout: Duration,
) -> LocalBoxStream<'static, Result<Bytes, StoreError>> {
    let key = key.to_owned();
    stream::try_unfold((body, key), move |(mut body, key)| async move {
        let call = Call { operation: "GetObject", subject: &key };
        match timeout(stall_timeout, body.next()).await {
            Ok(Some(Ok(bytes))) => Ok(Some((bytes, (body, key)))),
            Ok(Some(Err(error))) => Err(call.broke(FailureClass::Connection, &error)),
            Ok(None) => Ok(None),
            Err(_) => Err(call.stalled(stall_timeout)),
        }
    })
    .boxed_local()
}
