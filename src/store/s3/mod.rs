//! An S3 endpoint through aws-sdk-s3 over our own HTTP client.
