//! Rules of Storj's that AWS S3 does not have: what a client that was made for AWS should know of its answers.

/// Why an error is one that AWS S3 would not have answered with, if it is.
pub fn not_of_aws(operation: &str, status: u16, code: &str) -> Option<&'static str> {
    Some(match (operation, status, code) {
        (_, 429, _) => "more than Storj allows at a time or in a second; AWS has other limits",
        ("DeleteObjects", _, "MissingContentMD5") => {
            "Storj wants a Content-MD5; AWS takes another checksum instead"
        }
        ("PutObject" | "UploadPart", 400, "InvalidRequest") => {
            "most often a checksum in a trailer, which Storj does not take: compute it only when required"
        }
        ("PutObject" | "UploadPart", 411, _) => "Storj wants a Content-Length",
        ("CompleteMultipartUpload" | "ListParts", 500, "InternalError") => {
            "the upload was begun, or has a part, under another key"
        }
        ("GetObject" | "HeadObject", 416, "InvalidPartNumber") => {
            "Storj does not know where the parts of an object begin"
        }
        (_, _, "XMinioInvalidResourceName" | "XMinioInvalidObjectName") => {
            "no component of a key may be `.` or `..`, nor a key only `/`"
        }
        (_, _, "InvalidStorageClass") => "Storj has one storage class, STANDARD",
        (_, 501, _) => "Storj does not have this",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_answers_as_well_is_not_named() {
        for (operation, status, code) in [
            ("GetObject", 404, "NoSuchKey"),
            ("GetObject", 412, "PreconditionFailed"),
            ("PutObject", 400, "BadDigest"),
            ("CompleteMultipartUpload", 400, "EntityTooSmall"),
            ("GetObject", 403, "SignatureDoesNotMatch"),
        ] {
            assert_eq!(not_of_aws(operation, status, code), None, "{operation} {code}");
        }
        assert!(not_of_aws("GetObject", 429, "SlowDown").is_some());
        assert!(not_of_aws("Other", 501, "NotImplemented").is_some());
    }
}
