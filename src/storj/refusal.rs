//! Why Storj says no.

/// Why a request is refused. The texts are those of Storj's answers; programs look at the variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no bucket of this name.
    #[error("The specified bucket does not exist")]
    NoSuchBucket,
    /// CreateBucket of a bucket that exists.
    #[error(
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
         Please select a different name and try again."
    )]
    BucketAlreadyExists,
    /// DeleteBucket of a bucket with objects or open uploads.
    #[error("The bucket you tried to delete is not empty")]
    BucketNotEmpty,
    /// There is no object of this key; also a second Complete of the same upload.
    #[error("The specified key does not exist.")]
    NoSuchKey,
    /// There is no such version of the object.
    #[error("The specified version does not exist.")]
    NoSuchVersion,
    /// The upload is unknown, complete or aborted.
    #[error(
        "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been \
         aborted or completed."
    )]
    NoSuchUpload,
    /// A part number outside 1 to 10,000.
    #[error("Part number must be an integer between 1 and 10000, inclusive")]
    InvalidPartNumber,
    /// The parts of a Complete are not exactly the uploaded ones.
    #[error(
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
         specified entity tag may not match the part's entity tag."
    )]
    InvalidPart,
    /// The parts of a Complete are not in ascending order.
    #[error(
        "The list of parts was not in ascending order. The parts list must be specified in order by part number."
    )]
    InvalidPartOrder,
    /// A Complete without parts.
    #[error(
        "The XML you provided was not well-formed or did not validate against our published schema."
    )]
    NoPartsListed,
    /// A part other than the last is smaller than 5 MiB.
    #[error("Your proposed upload is smaller than the minimum allowed object size.")]
    EntityTooSmall,
    /// A part is larger than 5 GiB.
    #[error("Your proposed upload exceeds the maximum allowed object size.")]
    EntityTooLarge,
    /// The object exists and the request asked that it should not.
    #[error("At least one of the pre-conditions you specified did not hold")]
    PreconditionFailed,
    /// A part of the upload was sent under another key, with which its ETag is encrypted.
    #[error(
        "We encountered an internal error, please try again.: cause(uplink: decryption failed, check encryption \
         key: cipher: message authentication failed)"
    )]
    Undecryptable,
}
