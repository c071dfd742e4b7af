//! What a head says of a payload: the payload is read for it before the first byte is sent.

use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use super::sum::Sum;
use crate::dataset::{Payload, SourceError};
use crate::store::{Algorithm, InHead};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A payload that was read, and what was found.
pub(super) struct Ahead {
    /// The same blocks once more: they are shared, not copied.
    pub(super) payload: Payload,
    /// SHA-256, in hexadecimal.
    pub(super) sha256: Option<String>,
    /// The checksum, as its header has it.
    pub(super) checksum: Option<String>,
}

/// Reads a payload to its end. Others of the thread have their turn after each block.
///
/// # Errors
/// If its bytes cannot be had.
pub(super) async fn read(
    mut payload: Payload,
    is_signed: bool,
    says: InHead,
) -> Result<Ahead, SourceError> {
    let mut signed = is_signed.then(Sha256::new);
    let of_the_signature = is_signed && says == InHead::Checksum(Algorithm::Sha256);
    let mut sum = match says {
        InHead::Nothing => None,
        InHead::Checksum(_) if of_the_signature => None,
        InHead::Checksum(algorithm) => Some(Sum::of(algorithm)),
        InHead::Md5 => Some(Sum::md5()),
    };
    let mut blocks = Vec::new();
    while let Some(frame) = payload.frame().await {
        let Ok(block) = frame?.into_data() else { continue };
        if let Some(signed) = &mut signed {
            signed.update(&block);
        }
        if let Some(sum) = &mut sum {
            sum.update(&block);
        }
        blocks.push(block);
        tokio::task::yield_now().await;
    }
    let digest = signed.map(Sha256::finalize);
    let of_the_signature = digest.filter(|_| of_the_signature).map(|digest| BASE64.encode(digest));
    Ok(Ahead {
        payload: Payload::from(blocks),
        sha256: digest.map(hex::encode),
        checksum: sum.map(Sum::finish).or(of_the_signature),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const ABC_SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    async fn read_abc(is_signed: bool, says: InHead) -> (Option<String>, Option<String>) {
        let blocks = vec![Bytes::from_static(b"a"), Bytes::from_static(b"bc")];
        let addresses: Vec<_> = blocks.iter().map(|block| block.as_ptr()).collect();
        let ahead = read(Payload::from(blocks), is_signed, says).await.unwrap();
        let mut payload = ahead.payload;
        assert_eq!(payload.len(), 3);
        for address in addresses {
            let block = payload.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(block.as_ptr(), address, "a block was copied");
        }
        (ahead.sha256, ahead.checksum)
    }

    #[tokio::test]
    async fn a_payload_is_read_once_for_all_digests_and_sent_from_where_it_lies() {
        let sha256 = InHead::Checksum(Algorithm::Sha256);
        let in_base64 = Some("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=".to_owned());
        let signed = Some(ABC_SHA256.to_owned());
        assert_eq!(read_abc(true, InHead::Nothing).await, (signed.clone(), None));
        assert_eq!(read_abc(true, sha256).await, (signed.clone(), in_base64.clone()));
        assert_eq!(read_abc(false, sha256).await, (None, in_base64));
        let md5 = Some("kAFQmDzST7DWlj99KOF/cg==".to_owned());
        assert_eq!(read_abc(true, InHead::Md5).await, (signed, md5));
    }
}
