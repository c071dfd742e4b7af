//! What is known about an object, as it stands in its file.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Content;
use super::blob::{Blob, BlobName};
use super::folder::Folder;
use crate::storj::{Attributes, Object, Piece};

/// 10,000 parts take less than a mebibyte.
const LARGEST_BYTES: u64 = 16 << 20;
/// The end of the year 9999, the last that a date in an answer can name.
const LAST_MODIFIED_US: u64 = 253_402_300_799_000_000;

/// What is known about an object, as it stands in its file.
#[derive(Serialize, Deserialize)]
pub struct Record {
    pub key: String,
    etag: String,
    modified_us: u64,
    #[serde(flatten)]
    attributes: Attributes,
    pub pieces: Vec<RecordedPiece>,
}

#[derive(Serialize, Deserialize)]
pub struct RecordedPiece {
    pub blob: BlobName,
    pub size_bytes: u64,
}

impl Record {
    /// What is known about this object.
    pub fn of(key: &str, object: &Object<Content>) -> Self {
        let since_epoch = object.modified.duration_since(SystemTime::UNIX_EPOCH);
        let pieces = object.pieces.iter().filter_map(|piece| match &piece.content {
            Content::File(blob) => {
                Some(RecordedPiece { blob: blob.name(), size_bytes: piece.size_bytes })
            }
            _ => None,
        });
        Self {
            key: key.to_owned(),
            etag: object.etag.clone(),
            modified_us: since_epoch.map_or(0, |time| time.as_micros() as u64),
            attributes: object.attributes.clone(),
            pieces: pieces.collect(),
        }
    }

    /// Reads one; it may be torn, or not be a record at all.
    pub fn read(file: impl Read) -> io::Result<Self> {
        let mut text = Vec::new();
        file.take(LARGEST_BYTES).read_to_end(&mut text)?;
        let record: Self = serde_json::from_slice(&text)?;
        if record.modified_us > LAST_MODIFIED_US {
            return Err(io::Error::other("its date is none"));
        }
        Ok(record)
    }

    /// The object, which holds its blobs.
    pub fn into_object(self, blobs: &Arc<Folder>) -> Object<Content> {
        let piece = |piece: RecordedPiece| {
            let blob = Blob::unheld(Arc::clone(blobs), piece.blob);
            blob.hold(true);
            Piece { size_bytes: piece.size_bytes, content: Content::File(Arc::new(blob)) }
        };
        Object {
            etag: self.etag,
            modified: SystemTime::UNIX_EPOCH + Duration::from_micros(self.modified_us),
            attributes: self.attributes,
            pieces: self.pieces.into_iter().map(piece).collect(),
        }
    }
}

/// The name of a key's record: no two keys have the same, whoever chooses them.
pub fn record_name(key: &str) -> String {
    name_of(&Sha256::digest(key))
}

/// The name that records had before, by the MD5 of the key: two keys with the same can be made.
pub fn former_record_name(key: &str) -> String {
    name_of(&Md5::digest(key))
}

fn name_of(digest: &[u8]) -> String {
    hex::encode(digest) + ".json"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two keys with one MD5 (Marc Stevens, 2024: x.com/realhashbreaker/status/1770161965006008570).
    #[test]
    fn two_keys_with_one_md5_have_records_of_their_own() {
        let first = "TEXTCOLLBYfGiJUETHQ4hAcKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak";
        let second = first.replace("hAcK", "hEcK");
        assert_eq!(former_record_name(first), former_record_name(&second));
        assert_ne!(record_name(first), record_name(&second));
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        let good = r#"{"key":"k","etag":"e","modified_us":1,"content_type":null,"metadata":{},
            "pieces":[{"blob":"00000000000000000000000000000001","size_bytes":1}]}"#;
        assert!(Record::read(good.as_bytes()).is_ok());
        for bad in [
            "",
            "{}",
            &good[..good.len() - 1],
            &good.replace("00000000000000000000000000000001", "/etc/passwd"),
            &good.replace("\"modified_us\":1", "\"modified_us\":18446744073709551615"),
        ] {
            assert!(Record::read(bad.as_bytes()).is_err(), "{bad} was taken for a record");
        }
    }
}
