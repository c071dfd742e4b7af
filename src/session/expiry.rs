//! What lies at Storj dies by itself: a host that is lost for good leaves no bill.
//!
//! Storj removes objects and uploads that carry `X-Amz-Meta-Object-Expires` when their time is over
//! (`storj/gateway-st` miniogw/multipart.go; storj/docs, S3 compatibility). Others take it for metadata like any.

use std::str::FromStr;
use std::time::Duration;

use http::Uri;

use crate::error::{Error, Result};
use crate::words;

/// Of Storj's hosted gateways (storj/docs, `dcs/api/s3/s3-compatible-gateway`).
const STORJ_DOMAIN: &str = "storjshare.io";

/// Unless the user says otherwise: longer than any search.
const DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// With less a run that takes its time would lose its objects.
const LEAST: Duration = Duration::from_secs(3600);

/// When objects that a run does not keep remove themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// After a day at Storj's hosted gateways; elsewhere nobody would know what is meant.
    #[default]
    AtStorj,
    /// After so long, whatever the endpoint is.
    After(Duration),
    /// Never.
    Never,
}

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write a time of 1h or more, such as 24h, or none";
        match text {
            "none" => Ok(Self::Never),
            text => match humantime::parse_duration(text) {
                Ok(time) if time >= LEAST => Ok(Self::After(time)),
                Ok(_) | Err(_) => Err(example.into()),
            },
        }
    }
}

impl Expiry {
    /// How long objects at this endpoint are kept at most.
    pub(super) fn at(self, endpoint: &str) -> Option<Duration> {
        match self {
            Self::AtStorj => is_storj(endpoint).then_some(DEFAULT),
            Self::After(time) => Some(time),
            Self::Never => None,
        }
    }
}

/// Sees that objects that remove themselves after `kept` outlive work that may take so long.
pub(super) fn outlives(kept: Option<Duration>, lasts: Duration) -> Result<()> {
    match kept.filter(|kept| *kept <= lasts) {
        None => Ok(()),
        Some(kept) => {
            let [lasts, kept] = [lasts, kept].map(words::as_set);
            Err(Error::environment(format!(
                "this may take {lasts}, but its objects would expire after {kept}"
            ))
            .hint("give a longer --expire, or `--expire none`"))
        }
    }
}

/// Whether it is one of Storj's hosted gateways.
pub(super) fn is_storj(endpoint: &str) -> bool {
    let host = endpoint.parse::<Uri>().ok().and_then(|url| Some(url.host()?.to_ascii_lowercase()));
    host.is_some_and(|host| {
        host.strip_suffix(STORJ_DOMAIN).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_storj_is_asked_to_remove_objects_unless_the_user_says_so() {
        let storj = "https://gateway.eu1.storjshare.io";
        assert_eq!(Expiry::default().at(storj), Some(DEFAULT));
        assert_eq!(Expiry::default().at("https://GATEWAY.STORJSHARE.IO:443"), Some(DEFAULT));
        for other in ["https://s3.example.org", "https://notstorjshare.io", "http://127.0.0.1:1"] {
            assert_eq!(Expiry::default().at(other), None, "{other}");
            assert_eq!("48h".parse::<Expiry>().unwrap().at(other), Some(2 * DEFAULT));
        }
        assert_eq!("none".parse::<Expiry>().unwrap().at(storj), None);
    }

    #[test]
    fn a_time_that_is_too_short_is_refused() {
        for text in ["1m", "0s", "", "soon", "-24h"] {
            assert!(text.parse::<Expiry>().is_err(), "{text}");
        }
    }

    #[test]
    fn objects_outlive_the_work() {
        assert!(outlives(Some(DEFAULT), DEFAULT / 2).is_ok());
        assert!(outlives(Some(DEFAULT), DEFAULT).is_err());
        assert!(outlives(None, 100 * DEFAULT).is_ok());
    }
}
