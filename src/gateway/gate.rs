//! Who is let in: [`crate::storj::Limiter`] behind a lock, in real time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use super::asked::Asked;
use crate::clock::now;
use crate::storj::{Admitted, Ask, Limited, Limiter, Limits};

/// The limits of all connections together: a gateway has one project.
#[derive(Debug)]
pub struct Gate {
    limiter: Mutex<Limiter>,
    retry_after: Duration,
}

impl Gate {
    /// Nobody is inside.
    pub fn new(limits: Limits) -> Arc<Self> {
        let retry_after = limits.retry_after;
        Arc::new(Self { limiter: Mutex::new(Limiter::new(limits)), retry_after })
    }

    /// What a refusal asks for.
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// Transfers under way, the most that were at one time, and the most there may be.
    pub fn transfers(&self) -> (u32, u32, Option<u32>) {
        let limiter = self.lock();
        let (now, peak) = limiter.transfers();
        (now, peak, limiter.limits().transfers)
    }

    /// Lets a request in that brings so many bytes.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn enter(self: &Arc<Self>, asked: &Asked, bytes: u64) -> Result<Pass, Limited> {
        let admitted = self.lock().admit(now(), ask(asked, bytes))?;
        Ok(Pass { gate: Arc::clone(self), admitted: Some(admitted) })
    }

    fn lock(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that was let in, until it is dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    admitted: Option<Admitted>,
}

impl Pass {
    /// A GetObject answers with bytes of so many stored segments.
    pub fn reads(&self, segments: usize) {
        self.gate.lock().read(now(), segments);
    }

    /// The request turns out to take so many calls more.
    pub fn also_takes(&self, calls: u32) {
        self.gate.lock().also_takes(now(), calls);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(admitted) = self.admitted.take() {
            self.gate.lock().leave(admitted);
        }
    }
}

/// The bytes of the content that a request announces.
pub fn announced_bytes(headers: &HeaderMap) -> u64 {
    let number = |value: &http::HeaderValue| value.to_str().ok()?.parse().ok();
    // Only what comes in chunks has another length than what it carries.
    let is_in_chunks = headers
        .get("x-amz-content-sha256")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"STREAMING-"));
    let decoded = headers.get("x-amz-decoded-content-length").filter(|_| is_in_chunks);
    let decoded = decoded.and_then(number);
    decoded.or_else(|| headers.get(CONTENT_LENGTH).and_then(number)).unwrap_or(0)
}

fn ask(asked: &Asked, bytes: u64) -> Ask<'_> {
    let bucket = asked.bucket.as_deref().unwrap_or_default();
    let key = asked.key.as_deref().unwrap_or_default();
    match asked.operation {
        "PutObject" => Ask::Put { bucket, key, bytes },
        "UploadPart" => Ask::Part { bytes },
        "GetObject" => Ask::Get,
        "CreateMultipartUpload" => Ask::Create { bucket, key },
        "CompleteMultipartUpload" => Ask::Complete,
        "CopyObject" => Ask::Copy,
        _ => Ask::Other,
    }
}
