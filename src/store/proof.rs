//! What goes with the bytes of an upload so that the store can tell that they are the right ones.

use crate::result::{Checksum, PayloadSigning};

/// How the payload of PutObject and UploadPart is signed, and which checksum goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// All of it is in the head: what is said of the payload is known before the first byte of it is sent.
    Head {
        /// Whether the payload's SHA-256 is signed with the head.
        is_signed: bool,
        /// What the head says besides.
        says: InHead,
    },
    /// The payload is signed in chunks while it is sent.
    Chunks {
        /// The checksum that follows it, and is signed as well.
        trailer: Option<Algorithm>,
    },
}

/// A checksum in the head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InHead {
    /// None.
    Nothing,
    /// `x-amz-checksum-*`.
    Checksum(Algorithm),
    /// `Content-MD5`.
    Md5,
}

/// The checksums that S3 keeps with objects (`x-amz-checksum-*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32.
    Crc32,
    /// CRC-32C.
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// A payload cannot be signed while it is sent and have its MD5 in the head, which is sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Content-MD5 is sent before a payload and a streaming signature while it is sent")]
pub struct NoProof;

impl Default for Proof {
    /// None, which costs nothing.
    fn default() -> Self {
        Self::Head { is_signed: false, says: InHead::Nothing }
    }
}

impl Proof {
    /// Signed in this way, with this checksum.
    ///
    /// # Errors
    /// If nobody can send both.
    pub fn of(payload: PayloadSigning, checksum: Checksum) -> Result<Self, NoProof> {
        let says = match checksum {
            Checksum::None => InHead::Nothing,
            Checksum::Crc32 => InHead::Checksum(Algorithm::Crc32),
            Checksum::Crc32c => InHead::Checksum(Algorithm::Crc32c),
            Checksum::Crc64Nvme => InHead::Checksum(Algorithm::Crc64Nvme),
            Checksum::Sha1 => InHead::Checksum(Algorithm::Sha1),
            Checksum::Sha256 => InHead::Checksum(Algorithm::Sha256),
            Checksum::Md5 => InHead::Md5,
        };
        Ok(match (payload, says) {
            (PayloadSigning::Unsigned, says) => Self::Head { is_signed: false, says },
            (PayloadSigning::Signed, says) => Self::Head { is_signed: true, says },
            (PayloadSigning::Streaming, InHead::Nothing) => Self::Chunks { trailer: None },
            (PayloadSigning::Streaming, InHead::Checksum(sum)) => {
                Self::Chunks { trailer: Some(sum) }
            }
            (PayloadSigning::Streaming, InHead::Md5) => return Err(NoProof),
        })
    }

    /// How the payload is signed.
    pub fn payload(self) -> PayloadSigning {
        match self {
            Self::Head { is_signed: false, .. } => PayloadSigning::Unsigned,
            Self::Head { is_signed: true, .. } => PayloadSigning::Signed,
            Self::Chunks { .. } => PayloadSigning::Streaming,
        }
    }

    /// Which checksum goes with it.
    pub fn checksum(self) -> Checksum {
        match self {
            Self::Head { says: InHead::Md5, .. } => Checksum::Md5,
            _ => self.kept().map_or(Checksum::None, Algorithm::option),
        }
    }

    /// The checksum that a store may keep, and want to be told of when an upload begins and ends.
    pub fn kept(self) -> Option<Algorithm> {
        match self {
            Self::Head { says: InHead::Checksum(sum), .. } => Some(sum),
            Self::Head { says: InHead::Nothing | InHead::Md5, .. } => None,
            Self::Chunks { trailer } => trailer,
        }
    }

    /// Whether a payload must be read to its end before its first byte can be sent.
    pub fn reads_ahead(self) -> bool {
        match self {
            Self::Head { is_signed, says } => is_signed || says != InHead::Nothing,
            Self::Chunks { .. } => false,
        }
    }
}

impl Algorithm {
    fn option(self) -> Checksum {
        match self {
            Self::Crc32 => Checksum::Crc32,
            Self::Crc32c => Checksum::Crc32c,
            Self::Crc64Nvme => Checksum::Crc64Nvme,
            Self::Sha1 => Checksum::Sha1,
            Self::Sha256 => Checksum::Sha256,
        }
    }

    /// The header, or the trailer, that it has.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn what_was_asked_for_is_told_again_and_only_md5_cannot_follow_a_payload() {
        for payload in PayloadSigning::value_variants() {
            for checksum in Checksum::value_variants() {
                let (asked, proof) = ((*payload, *checksum), Proof::of(*payload, *checksum));
                let told = proof.map(|proof| (proof.payload(), proof.checksum()));
                let possible = asked != (PayloadSigning::Streaming, Checksum::Md5);
                assert_eq!(told, possible.then_some(asked).ok_or(NoProof));
            }
        }
    }

    #[test]
    fn without_a_word_nothing_goes_with_a_payload() {
        let none = Proof::of(PayloadSigning::default(), Checksum::default());
        assert_eq!(none, Ok(Proof::default()));
        assert!(!Proof::default().reads_ahead());
    }
}
