//! Why a server's certificate was not believed, and what to do about it.

use std::time::{Duration, SystemTime};

use rustls::CertificateError;
use rustls_pki_types::UnixTime;

use crate::clock;

/// Names of a certificate that are repeated in a sentence.
const NAMES_SHOWN: usize = 3;

/// A certificate that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's certificate is refused: {why}")]
pub(in crate::store::s3) struct BadCertificate {
    why: String,
    /// What to do next.
    pub(in crate::store::s3) next_step: String,
}

impl BadCertificate {
    /// In the words of an administrator.
    pub(super) fn of(error: &CertificateError) -> Self {
        use CertificateError as Why;
        let (why, next_step) = match error {
            Why::Expired => ("it has expired".to_owned(), RENEW.to_owned()),
            Why::ExpiredContext { not_after, .. } => {
                (format!("it expired on {}", date(*not_after)), RENEW.to_owned())
            }
            Why::NotValidYet => ("it is not valid yet".to_owned(), CLOCK.to_owned()),
            Why::NotValidYetContext { not_before, .. } => {
                (format!("it is not valid before {}", date(*not_before)), CLOCK.to_owned())
            }
            Why::NotValidForNameContext { expected, presented } => {
                other_name(&expected.to_str(), presented)
            }
            Why::NotValidForName => other_name("this host", &[]),
            Why::UnknownIssuer => {
                ("this machine does not know its authority".to_owned(), NAME_AUTHORITY.to_owned())
            }
            Why::BadSignature => (
                "it was not signed by the authority that is known by that name".to_owned(),
                "get the authority's present certificate for --ca-bundle FILE".to_owned(),
            ),
            Why::InvalidPurpose | Why::InvalidPurposeContext { .. } => (
                "it was not made for servers".to_owned(),
                "have one made whose extendedKeyUsage is serverAuth".to_owned(),
            ),
            other if is_of_an_authority(other) => (
                "it is that of an authority (CA:TRUE) and not in the CA bundle".to_owned(),
                "name a file with this very certificate with --ca-bundle FILE".to_owned(),
            ),
            other => (
                other.to_string(),
                "have another certificate made for the endpoint: this one cannot be used"
                    .to_owned(),
            ),
        };
        Self { why, next_step }
    }
}

const RENEW: &str =
    "have the endpoint's certificate renewed, and see that this machine's clock is right";
const CLOCK: &str = "see that this machine's clock is right";
const NAME_AUTHORITY: &str = "name a file with the certificate of the endpoint's authority, or with the endpoint's own, with --ca-bundle FILE";

/// webpki refuses a server's certificate that could sign others.
pub(super) fn is_of_an_authority(error: &CertificateError) -> bool {
    let CertificateError::Other(error) = error else { return false };
    error.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity)
}

fn other_name(expected: &str, presented: &[String]) -> (String, String) {
    if presented.is_empty() {
        // RFC 9525, 6.3: the common name is not looked at.
        let next_step = format!("have one made with a subjectAltName for {expected}");
        return ("it names no host: it has no subjectAltName".to_owned(), next_step);
    }
    // They come as `DnsName("host")`.
    let plain = |name: &String| name.split('"').nth(1).unwrap_or(name).to_owned();
    let mut names: Vec<_> = presented.iter().take(NAMES_SHOWN).map(plain).collect();
    if presented.len() > NAMES_SHOWN {
        names.push(format!("{} more", presented.len() - NAMES_SHOWN));
    }
    (
        format!("it is for {}, not for {expected}", names.join(", ")),
        "give --endpoint a name that the certificate is for".to_owned(),
    )
}

fn date(at: UnixTime) -> String {
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at.as_secs()));
    at.and_then(clock::rfc3339).unwrap_or_else(|| "a day".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::OtherError;
    use rustls_pki_types::ServerName;
    use std::sync::Arc;

    fn says(error: CertificateError) -> (String, String) {
        let bad = BadCertificate::of(&error);
        (bad.to_string(), bad.next_step)
    }

    #[test]
    fn each_reason_has_a_next_step_of_its_own() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let expected: ServerName<'static> = "s3.example".try_into().unwrap();
        let named = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: expected.clone(),
            presented: presented.iter().map(|name| format!("DnsName({name:?})")).collect(),
        };
        let authority = OtherError(Arc::new(webpki::Error::CaUsedAsEndEntity));
        let cases = [
            (
                CertificateError::ExpiredContext { time: at(9), not_after: at(0) },
                "expired on 1970-01-01T00:00:00Z",
                "renewed",
            ),
            (
                CertificateError::NotValidYetContext { time: at(0), not_before: at(u64::MAX) },
                "not valid before a day",
                "clock",
            ),
            (named(&[]), "no subjectAltName", "a subjectAltName for s3.example"),
            (
                named(&["a.example", "b.example", "c.example", "d.example"]),
                "for a.example, b.example, c.example, 1 more, not for s3.example",
                "--endpoint",
            ),
            (CertificateError::UnknownIssuer, "does not know its authority", "--ca-bundle"),
            (CertificateError::Other(authority), "CA:TRUE", "this very certificate"),
            (CertificateError::InvalidPurpose, "for servers", "serverAuth"),
        ];
        for (error, why, next_step) in cases {
            let said = says(error);
            assert!(said.0.contains(why), "{said:?}");
            assert!(said.1.contains(next_step), "{said:?}");
        }
    }
}
