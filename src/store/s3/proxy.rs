//! The proxy that the environment names: connections to an `https` endpoint go through it, as those of other
//! programs do.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::error::{Error, Result};

/// How connections get to an endpoint.
#[derive(Clone, Debug, Default)]
pub(in crate::store::s3) enum Way {
    /// Directly, as far as the environment says.
    #[default]
    Direct,
    /// Through a tunnel.
    Through(Proxy),
    /// Directly, though this variable names a proxy: one for clear text would see the requests.
    PastProxy(&'static str),
}

/// An HTTP proxy that makes tunnels (CONNECT; RFC 9110, 9.3.6).
#[derive(Clone)]
pub(in crate::store::s3) struct Proxy {
    /// Its name, IPv6 without brackets.
    pub(in crate::store::s3) host: String,
    pub(in crate::store::s3) port: u16,
    /// `Proxy-Authorization`: user and password of its URL.
    pub(in crate::store::s3) authorization: Option<HeaderValue>,
    variable: &'static str,
}

impl Way {
    /// To this endpoint. The variables are those of curl(1) and of Python's `urllib.request.getproxies`, which the
    /// AWS CLI goes by.
    ///
    /// # Errors
    /// If the variable names something else than an HTTP proxy.
    pub(super) fn to(endpoint: &Url, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let is_https = endpoint.scheme() == "https";
        let names = match is_https {
            true => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            false => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let named = names.into_iter().find_map(|name| Some((name, set(name)?)));
        let Some((name, value)) = named else { return Ok(Self::Direct) };
        let exceptions = ["no_proxy", "NO_PROXY"].into_iter().find_map(set).unwrap_or_default();
        let is_excepted = exceptions.split(',').any(|entry| covers(entry.trim(), endpoint));
        match (is_excepted, is_https) {
            (true, _) => Ok(Self::Direct),
            (false, true) => Proxy::parse(name, value.trim()).map(Self::Through),
            (false, false) => Ok(Self::PastProxy(name)),
        }
    }

    /// What connections go through, if anything.
    pub(in crate::store::s3) fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::Through(proxy) => Some(proxy),
            Self::Direct | Self::PastProxy(_) => None,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("connections go to the endpoint directly"),
            Self::Through(proxy) => {
                write!(f, "connections go through {proxy}: what it carries is measured")
            }
            Self::PastProxy(variable) => write!(
                f,
                "{variable} names a proxy, which is not used: requests in clear text go to the endpoint directly"
            ),
        }
    }
}

impl Proxy {
    /// curl's and Python's form: a URL, or host and port alone.
    fn parse(variable: &'static str, value: &str) -> Result<Self> {
        // Not repeated in the message: there may be a password in it.
        let unusable = || {
            Error::environment(format!("{variable} names something else than an HTTP proxy"))
                .hint("write it like http://proxy.example:3128, or take the endpoint's host into NO_PROXY")
        };
        let with_scheme = match value.contains("://") {
            true => value.to_owned(),
            false => format!("http://{value}"),
        };
        let url = Url::parse(&with_scheme).map_err(|_| unusable())?;
        let host = url.host_str().filter(|_| url.scheme() == "http").ok_or_else(unusable)?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(80),
            authorization: authorization(&url),
            variable,
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {}:{} ({})", self.host, self.port, self.variable)
    }
}

/// Without the password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// RFC 7617.
fn authorization(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let pair = [user, password].join(&b':');
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether an entry of NO_PROXY is about this endpoint: a host, a domain, with a port or without.
fn covers(entry: &str, endpoint: &Url) -> bool {
    let host = endpoint.host_str().unwrap_or_default();
    let port = endpoint.port_or_known_default().map(|port| port.to_string());
    let name = match entry.rsplit_once(':') {
        Some((name, digits)) if port.as_deref() == Some(digits) => name,
        _ => entry,
    };
    let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
    match endpoint.host() {
        _ if entry == "*" => true,
        None => false,
        _ if name.is_empty() => false,
        Some(Host::Domain(_)) => {
            host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'))
        }
        Some(Host::Ipv4(address)) => name.parse() == Ok(IpAddr::from(address)),
        Some(Host::Ipv6(address)) => {
            name.trim_matches(['[', ']']).parse() == Ok(IpAddr::from(address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(endpoint: &str, variables: &[(&str, &str)]) -> Result<Way> {
        let variable = |asked: &str| {
            let found = variables.iter().find(|(name, _)| *name == asked);
            found.map(|(_, value)| (*value).to_owned())
        };
        Way::to(&endpoint.parse().unwrap(), variable)
    }

    const PROXY: &str = "http://proxy.example:3128";

    #[test]
    fn an_https_endpoint_is_reached_through_the_proxy_that_the_environment_names() {
        for (name, value, address) in [
            ("HTTPS_PROXY", PROXY, "proxy.example:3128"),
            ("https_proxy", "proxy.example:3128", "proxy.example:3128"),
            ("all_proxy", "http://[fd00::1]:8080/", "fd00::1:8080"),
            ("ALL_PROXY", "HTTP://Proxy.Example", "proxy.example:80"),
        ] {
            let says = way("https://s3.example", &[(name, value)]).unwrap().to_string();
            assert!(says.contains(&format!("through the proxy {address} ({name})")), "{says}");
        }
        for none in [&[][..], &[("HTTP_PROXY", PROXY)], &[("HTTPS_PROXY", " ")]] {
            assert!(matches!(way("https://s3.example", none).unwrap(), Way::Direct), "{none:?}");
        }
    }

    #[test]
    fn a_proxy_for_clear_text_is_not_used_and_named() {
        let says = way("http://s3.example", &[("HTTP_PROXY", PROXY)]).unwrap().to_string();
        assert!(says.starts_with("HTTP_PROXY names a proxy, which is not used"), "{says}");
    }

    #[test]
    fn what_no_proxy_covers_is_reached_directly() {
        let is_direct = |endpoint: &str, entries| {
            let variables = [("HTTPS_PROXY", PROXY), ("NO_PROXY", entries)];
            matches!(way(endpoint, &variables).unwrap(), Way::Direct)
        };
        for entries in ["*", "s3.example", "a, .example", "*.example", "EXAMPLE", "s3.example:443"]
        {
            assert!(is_direct("https://s3.example", entries), "{entries}");
        }
        for entries in ["", ",", "3.example", "other.example", "s3.example:8443", "10.0.0.7"] {
            assert!(!is_direct("https://s3.example", entries), "{entries}");
        }
        assert!(is_direct("https://10.0.0.7:9000", "10.0.0.7"));
        assert!(is_direct("https://[fd00::7]", "[fd00::7]:443"));
    }

    #[test]
    fn user_and_password_go_to_the_proxy_and_nowhere_else() {
        let proxy = "http://us%40er:5ecret@proxy.example:3128";
        let way = way("https://s3.example", &[("HTTPS_PROXY", proxy)]).unwrap();
        let shown = format!("{way} {way:?}");
        assert!(!shown.contains("5ecret") && !shown.contains("us%40er"), "{shown}");
        let Way::Through(proxy) = way else { panic!("{way}") };
        assert_eq!(proxy.authorization.unwrap(), "Basic dXNAZXI6NWVjcmV0");
    }

    #[test]
    fn what_is_no_http_proxy_is_refused_without_repeating_it() {
        for value in ["socks5://user:5ecret@host", "https://user:5ecret@host", "http://", "a b"] {
            let error =
                way("https://s3.example", &[("HTTPS_PROXY", value)]).unwrap_err().to_string();
            assert!(error.contains("HTTPS_PROXY") && !error.contains("5ecret"), "{error}");
            assert!(error.contains("NO_PROXY"), "{error}");
        }
    }
}
