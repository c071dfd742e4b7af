//! Where a run goes: `s3://bucket/prefix` at an endpoint, or the embedded gateway.

use std::path::PathBuf;
use std::str::FromStr;

use super::bucket::Bucket;
use super::embedded::Embedded;
use crate::error::{Error, Result};
use crate::result::{Target, TargetKind};
use crate::store::s3::{self, Connection, Credentials};

/// `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl {
    /// The bucket.
    pub bucket: String,
    /// Empty, or ends in `/`.
    pub prefix: String,
}

/// What the command line says about the target.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// The target; `None` is the embedded gateway.
    pub url: Option<TargetUrl>,
    /// Base URL of the S3 endpoint.
    pub endpoint: String,
    /// Signing region.
    pub region: String,
    /// Profile of the AWS configuration files.
    pub profile: Option<String>,
    /// More certificate authorities, PEM.
    pub ca_bundle: Option<PathBuf>,
    /// Any certificate is accepted.
    pub insecure: bool,
    /// Requests are not signed.
    pub no_sign_request: bool,
    /// Link of the embedded gateway, TOML.
    pub model: Option<PathBuf>,
}

/// A target that can be talked to.
pub(super) struct Open {
    pub(super) connection: Connection,
    pub(super) prefix: String,
    pub(super) result: Target,
    /// Lives as long as the run.
    _embedded: Option<Embedded>,
}

impl FromStr for TargetUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write it as s3://bucket/prefix";
        let rest =
            text.strip_prefix("s3://").ok_or(format!("`{text}` is not an S3 URL: {example}"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(format!("`{text}` has no bucket: {example}"));
        }
        let ends = prefix.is_empty() || prefix.ends_with('/');
        let prefix = if ends { prefix.to_owned() } else { format!("{prefix}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }
}

impl TargetOptions {
    /// A bucket that was found to be there.
    pub(super) async fn open_bucket(&self) -> Result<(Open, Bucket)> {
        let open = self.open().await?;
        let bucket = Bucket::open(&open.connection);
        bucket.check().await?;
        Ok((open, bucket))
    }

    /// Resolves credentials, or starts the embedded gateway.
    async fn open(&self) -> Result<Open> {
        match &self.url {
            Some(url) => self.open_endpoint(url).await,
            None => self.open_embedded().await,
        }
    }

    async fn open_endpoint(&self, url: &TargetUrl) -> Result<Open> {
        let credentials = match self.no_sign_request {
            true => Credentials::Anonymous,
            false => Credentials::Chain,
        };
        let config = self.config(&self.endpoint, &url.bucket, credentials);
        let connection = config.resolve().await?;
        let result = Target {
            endpoint: connection.endpoint().to_owned(),
            bucket: url.bucket.clone(),
            kind: TargetKind::Endpoint,
        };
        Ok(Open { connection, prefix: url.prefix.clone(), result, _embedded: None })
    }

    async fn open_embedded(&self) -> Result<Open> {
        let embedded = Embedded::start(self.model.as_deref()).await?;
        let credentials = embedded.credentials();
        let bucket = "demonstration";
        let connection = self.config(embedded.endpoint(), bucket, credentials).resolve().await?;
        let result = Target {
            endpoint: embedded.endpoint().to_owned(),
            bucket: bucket.to_owned(),
            kind: TargetKind::Embedded,
        };
        Ok(Open { connection, prefix: String::new(), result, _embedded: Some(embedded) })
    }

    fn config(&self, endpoint: &str, bucket: &str, credentials: Credentials) -> s3::Config {
        s3::Config {
            profile: self.profile.clone(),
            ca_bundle: self.ca_bundle.clone(),
            insecure: self.insecure,
            credentials,
            ..s3::Config::new(endpoint, bucket, &self.region)
        }
    }
}

impl Open {
    /// For reading existing objects the target needs a prefix or the whole bucket: both are fine.
    pub(super) fn describe(&self) -> String {
        format!("s3://{}/{} at {}", self.result.bucket, self.prefix, self.result.endpoint)
    }
}

/// A target without a bucket cannot be guessed.
pub(crate) fn needs_target(what: &str) -> Error {
    Error::environment(format!("{what} needs a target"))
        .hint("name it as s3://bucket/prefix, with --endpoint URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_always_ends_in_a_slash() {
        let parsed = |text: &str| text.parse::<TargetUrl>().map(|url| (url.bucket, url.prefix));
        assert_eq!(parsed("s3://b/p"), Ok(("b".into(), "p/".into())));
        assert_eq!(parsed("s3://b/p/q/"), Ok(("b".into(), "p/q/".into())));
        assert_eq!(parsed("s3://b"), Ok(("b".into(), String::new())));
    }

    #[test]
    fn a_target_without_a_bucket_is_refused_with_an_example() {
        for bad in ["s3://", "s3:///p", "bucket/prefix", "https://host/bucket"] {
            let error = bad.parse::<TargetUrl>().unwrap_err();
            assert!(error.contains("s3://bucket/prefix"), "{error}");
        }
    }
}
