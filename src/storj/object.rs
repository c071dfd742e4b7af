//! Objects: pieces of content in order, and what is known about the whole.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The bytes of one PutObject or one part. `C` is where they are: Storj's rules do not ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<C> {
    /// Number of bytes.
    pub size_bytes: u64,
    /// Where they are.
    pub content: C,
}

/// What a client says about an object when it begins to upload it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    #[serde(default)]
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    #[serde(default)]
    pub content_disposition: Option<String>,
    /// `Content-Encoding`, without what was only for the way.
    #[serde(default)]
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    #[serde(default)]
    pub content_language: Option<String>,
    /// `Expires`, which is for caches: the object stays.
    #[serde(default)]
    pub expires: Option<String>,
    /// `x-amz-meta-*`, without the prefix.
    pub metadata: BTreeMap<String, String>,
    /// Its tags, name and value.
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// When Storj deletes it, if ever (`x-amz-meta-object-expires`).
    #[serde(default)]
    pub delete_at: Option<SystemTime>,
}

/// A complete object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<C> {
    /// Unquoted.
    pub etag: String,
    /// When it became visible.
    pub modified: SystemTime,
    /// What its client said about it.
    pub attributes: Attributes,
    /// Its content, in order.
    pub pieces: Vec<Piece<C>>,
}

impl<C> Object<C> {
    /// Number of bytes.
    pub fn size_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.size_bytes).sum()
    }
}
