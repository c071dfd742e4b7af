//! Why Storj says no.

/// Why a request is refused. The texts are for people; programs look at the variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no bucket of this name.
    #[error("the bucket does not exist")]
    NoSuchBucket,
    /// CreateBucket of a bucket that exists.
    #[error("the bucket exists already")]
    BucketAlreadyExists,
    /// DeleteBucket of a bucket with objects or open uploads.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// There is no object of this key; also a second Complete of the same upload.
    #[error("the key does not exist")]
    NoSuchKey,
    /// The upload is unknown, complete, aborted, or of another key.
    #[error(
        "the multipart upload does not exist: its id may be wrong, or it was completed or aborted"
    )]
    NoSuchUpload,
    /// A part number outside 1 to 10,000.
    #[error("part numbers are 1 to 10000")]
    InvalidPartNumber,
    /// The parts of a Complete are not exactly the uploaded ones.
    #[error("the parts listed are not exactly the parts that were uploaded")]
    InvalidPart,
    /// The parts of a Complete are not in ascending order.
    #[error("the parts listed are not in ascending order")]
    InvalidPartOrder,
    /// A Complete without parts.
    #[error("no parts are listed")]
    NoPartsListed,
    /// A part other than the last is smaller than 5 MiB.
    #[error("a part other than the last is smaller than the smallest allowed")]
    EntityTooSmall,
    /// A part is larger than 5 GiB.
    #[error("the part is larger than the largest allowed")]
    EntityTooLarge,
    /// The object exists and the request asked that it should not.
    #[error("a precondition does not hold")]
    PreconditionFailed,
}
