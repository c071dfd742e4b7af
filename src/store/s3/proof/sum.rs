//! One digest of a payload, computed block by block.

use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};

use crate::store::Algorithm;

/// A checksum under way.
pub(super) enum Sum {
    /// One that the SDK knows.
    Kept(Box<dyn HttpChecksum>),
    /// One that it knows no longer.
    Md5(Md5),
}

impl Sum {
    /// Of no bytes yet.
    pub(super) fn of(algorithm: Algorithm) -> Self {
        let known = match algorithm {
            Algorithm::Crc32 => ChecksumAlgorithm::Crc32,
            Algorithm::Crc32c => ChecksumAlgorithm::Crc32c,
            Algorithm::Crc64Nvme => ChecksumAlgorithm::Crc64Nvme,
            Algorithm::Sha1 => ChecksumAlgorithm::Sha1,
            Algorithm::Sha256 => ChecksumAlgorithm::Sha256,
        };
        Self::Kept(known.into_impl())
    }

    /// Of no bytes yet.
    pub(super) fn md5() -> Self {
        Self::Md5(Md5::new())
    }

    /// These bytes follow.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Kept(sum) => sum.update(bytes),
            Self::Md5(sum) => sum.update(bytes),
        }
    }

    /// Of all bytes, as a header has it.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Kept(sum) => BASE64.encode(sum.finalize()),
            Self::Md5(sum) => BASE64.encode(sum.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mut sum: Sum) -> String {
        sum.update(b"1234");
        sum.update(b"56789");
        sum.finish()
    }

    /// Check values: the catalogue of CRCs (reveng.sourceforge.io) for the CRCs, coreutils for the others; in base64.
    #[test]
    fn digests_are_the_published_ones_however_the_bytes_come() {
        for (algorithm, check) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            assert_eq!(of(Sum::of(algorithm)), check, "{algorithm:?}");
        }
        assert_eq!(of(Sum::md5()), "JfnnlDI7RTiF9RgfG2JNCw==");
    }
}
