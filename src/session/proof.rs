//! Whether an endpoint takes what is to go with uploads, told before any payload is sent.
//!
//! Storj's gateway (`storj/minio` at af7b2f48) reads a payload in signed chunks only if nothing trails it
//! (cmd/auth-handler.go, verifyPutObjectRequest). It compares `Content-MD5`, the SHA-256 of a signed payload and the
//! signatures of chunks with what came (cmd/object-handlers.go, pkg/hash/reader.go, cmd/streaming-signature-v4.go). No
//! `x-amz-checksum-*` is read anywhere in it.

use super::bucket::Bucket;
use super::target::TargetOptions;
use crate::error::{Error, Result};
use crate::store::{Algorithm, Proof};

/// What becomes of a proof at Storj.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtStorj {
    /// It is compared with what came, or there is nothing to compare.
    Read,
    /// The upload is taken, whatever the checksum says.
    Unread(Algorithm),
    /// The upload is refused.
    Refused(Algorithm),
}

impl AtStorj {
    fn of(proof: Proof) -> Self {
        match (proof, proof.kept()) {
            (_, None) => Self::Read,
            (Proof::Head { .. }, Some(checksum)) => Self::Unread(checksum),
            (Proof::Chunks { .. }, Some(checksum)) => Self::Refused(checksum),
        }
    }

    /// What is to be said of an upload that is taken.
    fn told(self) -> Result<Option<String>> {
        match self {
            Self::Read => Ok(None),
            Self::Unread(checksum) => Ok(Some(format!(
                "Storj does not read {}: its cost is measured, but nothing is checked with it",
                checksum.header()
            ))),
            Self::Refused(checksum) => Err(Error::environment(format!(
                "Storj accepts no checksum in a trailer, where --payload streaming would put {}",
                checksum.header()
            ))
            .hint("give --payload signed or unsigned, or --checksum none")),
        }
    }
}

/// Refuses what Storj would, where the name or the absence of a target says that it is Storj's gateway, or answers as
/// that does.
pub(super) fn refuse_by_name(target: &TargetOptions) -> Result<()> {
    match target.proof {
        Some(proof) if target.is_storj() || target.url.is_none() => {
            AtStorj::of(proof).told().map(drop)
        }
        _ => Ok(()),
    }
}

/// What is to be said of what goes with uploads. Where nothing but its answers tells whether it is Storj, one is asked
/// for.
pub(super) async fn check(target: &TargetOptions, bucket: &Bucket) -> Result<Option<String>> {
    let at_storj = target.proof.map_or(AtStorj::Read, AtStorj::of);
    match at_storj {
        AtStorj::Read => Ok(None),
        AtStorj::Unread(_) | AtStorj::Refused(_) => {
            let is_storj = target.is_storj() || bucket.is_storjs().await?;
            if is_storj { at_storj.told() } else { Ok(None) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Checksum, PayloadSigning};

    fn told(payload: PayloadSigning, checksum: Checksum) -> Result<Option<String>> {
        AtStorj::of(Proof::of(payload, checksum).unwrap()).told()
    }

    #[test]
    fn storj_takes_all_but_what_trails_a_payload_and_reads_no_more_than_md5_and_signatures() {
        use PayloadSigning::{Signed, Streaming, Unsigned};
        for (payload, checksum) in
            [(Unsigned, Checksum::Md5), (Signed, Checksum::None), (Streaming, Checksum::None)]
        {
            assert_eq!(told(payload, checksum).unwrap(), None);
        }
        let unread = told(Unsigned, Checksum::Crc32).unwrap().unwrap();
        assert!(unread.starts_with("Storj does not read x-amz-checksum-crc32:"), "{unread}");
        assert!(told(Signed, Checksum::Sha256).unwrap().is_some());
        let refused = told(Streaming, Checksum::Crc64Nvme).unwrap_err().to_string();
        assert!(refused.contains("x-amz-checksum-crc64nvme"), "{refused}");
        assert!(refused.contains("--checksum none"), "{refused}");
    }
}
