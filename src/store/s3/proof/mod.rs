//! What goes with the payload of a request: its signature and its checksum, in the head or while it is sent.

mod chain;
mod chunks;
mod head;
mod layout;
mod sum;

use std::sync::{Arc, OnceLock};

use aws_credential_types::Credentials;
use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::interceptors::{
    BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_types::body::SdkBody;

use super::http_client::Carries;
use crate::dataset::{Payload, SourceError};
use crate::store::{InHead, Proof};
use chain::{Chain, Signer};
use chunks::{Chunks, Trailing, trailer_bytes};
pub(super) use layout::Layout;
use sum::Sum;

/// What is signed in place of the digest of a payload in chunks.
const IN_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const IN_CHUNKS_WITH_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// How the payloads of a store go out.
#[derive(Clone, Debug)]
pub(super) struct Prover {
    proof: Proof,
    /// `None` where requests are not signed.
    signer: Option<Signer>,
}

/// A payload on its way out.
pub(super) struct Outgoing {
    pub(super) body: SdkBody,
    /// Of the body.
    pub(super) length: u64,
    pub(super) carries: Carries,
    pub(super) beside: Beside,
    /// The checksum that a store may keep, when it is known.
    pub(super) checksum: Arc<OnceLock<String>>,
}

/// What a request with a payload has in its head.
#[derive(Clone)]
pub(super) struct Beside {
    headers: Vec<(&'static str, String)>,
    signed: PayloadSigningOverride,
    /// Whoever signs the chunks learns the head's signature.
    chain: Option<(Signer, Arc<OnceLock<Chain>>)>,
}

impl Prover {
    pub(super) fn new(proof: Proof, key: Option<&Credentials>, region: &str) -> Self {
        let signer = key.map(|key| Signer { key: key.clone(), region: region.to_owned() });
        Self { proof, signer }
    }

    /// The proof that goes with what is uploaded.
    pub(super) fn proof(&self) -> Proof {
        self.proof
    }

    /// The payload as it goes out.
    ///
    /// # Errors
    /// If its bytes cannot be had, where they are needed before.
    pub(super) async fn outgoing(&self, payload: Payload) -> Result<Outgoing, SourceError> {
        match self.proof {
            Proof::Head { is_signed, says } => self.behind_head(payload, is_signed, says).await,
            Proof::Chunks { trailer } => {
                let signer = self.signer.clone();
                let signer =
                    signer.ok_or_else(|| SourceError("there is no key to sign chunks".into()))?;
                let checksum = Arc::<OnceLock<String>>::default();
                let trailing = trailer.map(|algorithm| Trailing {
                    algorithm,
                    sum: Sum::of(algorithm),
                    told: Arc::clone(&checksum),
                });
                Ok(in_chunks(payload, trailing, signer, checksum))
            }
        }
    }

    async fn behind_head(
        &self,
        payload: Payload,
        is_signed: bool,
        says: InHead,
    ) -> Result<Outgoing, SourceError> {
        let mut headers = Vec::new();
        let mut signed = PayloadSigningOverride::UnsignedPayload;
        let checksum = Arc::<OnceLock<String>>::default();
        let payload = match self.proof.reads_ahead() {
            false => payload,
            true => {
                let ahead = head::read(payload, is_signed, says).await?;
                signed = ahead.sha256.map_or(signed, PayloadSigningOverride::Precomputed);
                match (says, ahead.checksum) {
                    (InHead::Md5, Some(sum)) => headers.push(("content-md5", sum)),
                    (InHead::Checksum(algorithm), Some(sum)) => {
                        headers.push((algorithm.header(), sum.clone()));
                        let _ = checksum.set(sum);
                    }
                    _ => {}
                }
                ahead.payload
            }
        };
        let beside = Beside { headers, signed, chain: None };
        let (length, carries) = (payload.len(), Carries::Up);
        Ok(Outgoing { body: SdkBody::from_body_1_x(payload), length, carries, beside, checksum })
    }
}

fn in_chunks(
    payload: Payload,
    trailing: Option<Trailing>,
    signer: Signer,
    checksum: Arc<OnceLock<String>>,
) -> Outgoing {
    let mut headers = vec![
        ("content-encoding", "aws-chunked".to_owned()),
        ("x-amz-decoded-content-length", payload.len().to_string()),
    ];
    let trailer = trailing.as_ref().map(|trailing| trailing.algorithm);
    headers.extend(trailer.map(|algorithm| ("x-amz-trailer", algorithm.header().to_owned())));
    let signed = if trailer.is_some() { IN_CHUNKS_WITH_TRAILER } else { IN_CHUNKS };
    let layout = Layout::new(payload.len(), trailer.map_or(0, trailer_bytes));
    let chain = Arc::<OnceLock<Chain>>::default();
    let body = Chunks::new(payload, layout, trailing, Arc::clone(&chain));
    Outgoing {
        body: SdkBody::from_body_1_x(body),
        length: layout.body_bytes(),
        carries: Carries::UpInChunks(layout),
        beside: Beside {
            headers,
            signed: PayloadSigningOverride::Precomputed(signed.into()),
            chain: Some((signer, chain)),
        },
        checksum,
    }
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beside").field("headers", &self.headers).finish_non_exhaustive()
    }
}

impl Intercept for Beside {
    fn name(&self) -> &'static str {
        "Beside"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        for (name, value) in &self.headers {
            headers.insert(*name, value.clone());
        }
        config.interceptor_state().store_put(self.signed.clone());
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some((signer, chain)) = &self.chain
            && let Some(begun) = Chain::after(context.request(), signer)
        {
            let _ = chain.set(begun);
        }
        Ok(())
    }
}
