//! Buckets as names of hosts: `bucket.localhost:9100/key` is `localhost:9100/bucket/key`.

use std::str::FromStr;

use http::HeaderMap;
use http::header::HOST;
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// The host name under which each bucket has one of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

impl FromStr for Domain {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        match text.split('.').all(is_label) {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err("not a host name such as gateway.example.org, without a port"),
        }
    }
}

impl Domain {
    /// The bucket that the name of a host stands for, if it does for any.
    pub fn bucket_of<'a>(&self, host: &'a str) -> Option<&'a str> {
        let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
        let split = name.len().checked_sub(self.0.len())?;
        let (before, domain) = name.split_at_checked(split)?;
        let bucket = before.strip_suffix('.').filter(|bucket| !bucket.is_empty())?;
        domain.eq_ignore_ascii_case(&self.0).then_some(bucket)
    }

    /// The bucket that a request's host stands for.
    pub fn bucket_in<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        self.bucket_of(headers.get(HOST)?.to_str().ok()?)
    }
}

impl S3Host for Domain {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let parsed = VirtualHost::new(host);
        Ok(match self.bucket_of(host) {
            Some(bucket) => parsed.with_bucket(bucket),
            None => parsed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_before_the_domain() {
        let domain: Domain = "Gateway.test".parse().unwrap();
        assert_eq!(domain.bucket_of("data.gateway.test"), Some("data"));
        assert_eq!(domain.bucket_of("my.data.GATEWAY.test:9100"), Some("my.data"));
        for without in [
            "gateway.test",
            "gateway.test:80",
            ".gateway.test",
            "127.0.0.1:80",
            "xgateway.test",
            "é",
        ] {
            assert_eq!(domain.bucket_of(without), None, "{without}");
        }
    }

    #[test]
    fn a_domain_is_a_host_name() {
        for bad in ["", "a..b", "host:80", "http://host", "a/b"] {
            assert!(bad.parse::<Domain>().is_err(), "{bad} was read as a domain");
        }
    }
}
