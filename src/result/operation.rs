//! The S3 operations of a connector, in the words of the document and in S3's.

use serde::{Deserialize, Serialize};

use super::Direction;

/// The S3 operations tidegate uses. Names are those of the result document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// CreateMultipartUpload.
    Create,
    /// UploadPart.
    Part,
    /// CompleteMultipartUpload.
    Complete,
    /// AbortMultipartUpload.
    Abort,
    /// PutObject.
    Put,
    /// GetObject.
    Get,
    /// HeadObject.
    Head,
    /// ListObjectsV2 and ListMultipartUploads.
    List,
    /// DeleteObjects.
    Delete,
    /// GetBucketLocation.
    Location,
}

impl Operation {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Part,
        Self::Complete,
        Self::Abort,
        Self::Put,
        Self::Get,
        Self::Head,
        Self::List,
        Self::Delete,
        Self::Location,
    ];

    /// The name in the result document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Part => "part",
            Self::Complete => "complete",
            Self::Abort => "abort",
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Location => "location",
        }
    }

    /// The one that the result document has under this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// S3's name.
    pub fn s3_name(self) -> &'static str {
        match self {
            Self::Create => "CreateMultipartUpload",
            Self::Part => "UploadPart",
            Self::Complete => "CompleteMultipartUpload",
            Self::Abort => "AbortMultipartUpload",
            Self::Put => "PutObject",
            Self::Get => "GetObject",
            Self::Head => "HeadObject",
            Self::List => "ListObjectsV2",
            Self::Delete => "DeleteObjects",
            Self::Location => "GetBucketLocation",
        }
    }

    /// Which way its payload goes.
    pub fn direction(self) -> Direction {
        match self {
            Self::Get => Direction::Down,
            _ => Direction::Up,
        }
    }

    /// Whether it carries payload.
    pub fn moves_data(self) -> bool {
        matches!(self, Self::Part | Self::Put | Self::Get)
    }
}
