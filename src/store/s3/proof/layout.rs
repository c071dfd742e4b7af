//! How long a body in signed chunks is, and where in it the payload lies.
//!
//! `10000;chunk-signature=<64 hex>\r\n<65536 bytes>\r\n`, again and again, the last chunk of payload shorter, then one
//! of 0 bytes, what trails, and an empty line.

/// What the SDKs put into a chunk (aws-runtime `content_encoding.rs`, minio-go `payloadChunkSize`). S3 wants at least
/// 8 KiB, Storj takes at most 1 MiB (`storj/minio` cmd/streaming-signature-v4.go).
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// `;chunk-signature=`, the signature, and a line end.
const LINE_BYTES_WITHOUT_SIZE: u64 = 17 + 64 + 2;
const LINE_END_BYTES: u64 = 2;

/// Of one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::s3) struct Layout {
    payload_bytes: u64,
    /// What follows the last chunk, without the empty line.
    trailer_bytes: u64,
}

impl Layout {
    pub(super) fn new(payload_bytes: u64, trailer_bytes: u64) -> Self {
        Self { payload_bytes, trailer_bytes }
    }

    /// Bytes of the body.
    pub(super) fn body_bytes(self) -> u64 {
        let chunk = CHUNK_BYTES as u64;
        let last = match self.payload_bytes % chunk {
            0 => 0,
            bytes => framed(bytes),
        };
        self.payload_bytes / chunk * framed(chunk) + last + framed(0) + self.trailer_bytes
    }

    /// How many bytes of the payload are among the first `sent_bytes` of the body.
    pub(in crate::store::s3) fn payload_within(self, sent_bytes: u64) -> u64 {
        let chunk = CHUNK_BYTES as u64;
        let whole_chunks = (sent_bytes / framed(chunk)).min(self.payload_bytes / chunk);
        let whole_bytes = whole_chunks * chunk;
        let next = (self.payload_bytes - whole_bytes).min(chunk);
        let of_next = sent_bytes - whole_chunks * framed(chunk);
        whole_bytes + of_next.saturating_sub(line_bytes(next)).min(next)
    }
}

/// A chunk with what encloses it.
fn framed(chunk_bytes: u64) -> u64 {
    line_bytes(chunk_bytes) + chunk_bytes + LINE_END_BYTES
}

fn line_bytes(chunk_bytes: u64) -> u64 {
    let digits = chunk_bytes.max(1).ilog2() / 4 + 1;
    u64::from(digits) + LINE_BYTES_WITHOUT_SIZE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHUNK: u64 = CHUNK_BYTES as u64;

    /// Whether each byte of the body is one of the payload.
    fn drawn(layout: Layout) -> Vec<bool> {
        let mut body = Vec::new();
        let mut left = layout.payload_bytes;
        loop {
            let chunk = left.min(CHUNK);
            body.extend(vec![false; format!("{chunk:x};chunk-signature=\r\n").len() + 64]);
            body.extend(vec![true; chunk as usize]);
            if chunk > 0 {
                body.extend([false; 2]);
            }
            left -= chunk;
            if chunk == 0 {
                body.extend(vec![false; layout.trailer_bytes as usize + 2]);
                return body;
            }
        }
    }

    proptest! {
        #[test]
        fn the_length_and_the_payload_in_any_beginning_are_those_of_the_body(
            payload in prop_oneof![
                Just(0), Just(CHUNK), Just(2 * CHUNK), 1..40_u64, CHUNK - 3..CHUNK + 3, 1..4 * CHUNK,
            ],
            trailer in 0..120_u64,
            cut in 0.0..1.0_f64,
        ) {
            let layout = Layout::new(payload, trailer);
            let body = drawn(layout);
            prop_assert_eq!(layout.body_bytes(), body.len() as u64);
            let near_ends = [0, 87, 88, 89, 65_623, 65_624, 65_625, 65_626, 65_627, body.len()];
            for sent in near_ends.into_iter().chain([(body.len() as f64 * cut) as usize]) {
                let sent = sent.min(body.len());
                let within = body[..sent].iter().filter(|is_payload| **is_payload).count() as u64;
                prop_assert_eq!(layout.payload_within(sent as u64), within, "of {}", sent);
            }
        }
    }
}
