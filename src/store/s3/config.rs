//! Which endpoint, which bucket, with which key, over which sockets.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use super::credentials::{self, Credentials};
use super::http_client::{Bind, Binds, Route, Sockets, Trust, client_config};
use super::proxy::Way;
use crate::error::{Error, Result};
use crate::pace::Pace;
use crate::result::PayloadSigning;
use crate::store::Proof;

/// Longest time without progress before an attempt counts as dead. ASSUMPTION: no gateway that works
/// is silent for a minute, also while it completes a large upload.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// What the user says about an S3 target.
#[derive(Clone, Debug)]
pub struct Config {
    /// URL, or a host, which means `https` unless it is this machine.
    pub endpoint: String,
    /// Where that is from, in words, if a user who did not type it has to be told.
    pub endpoint_from: Option<String>,
    /// The bucket. It goes into the path, never into the host name.
    pub bucket: String,
    /// Signing region; Storj accepts any.
    pub region: String,
    /// Where the key comes from.
    pub credentials: Credentials,
    /// PEM file with certificate authorities to trust beside the system's.
    pub ca_bundle: Option<PathBuf>,
    /// Accept any certificate, and requests in clear text to other machines.
    pub insecure: bool,
    /// What connections leave by, in turn; none leaves it to the system.
    pub binds: Vec<Bind>,
    /// What goes with the payload of uploads.
    pub proof: Proof,
    /// Longest time without progress in an attempt.
    pub stall_timeout: Duration,
    /// SO_SNDBUF; `None` is [`LOOPBACK_SEND_BUFFER_BYTES`](super::LOOPBACK_SEND_BUFFER_BYTES) on this
    /// machine and leaves it to the kernel elsewhere.
    pub send_buffer_bytes: Option<u32>,
    /// SO_RCVBUF; `None` leaves it to the kernel.
    pub receive_buffer_bytes: Option<u32>,
    /// What the sockets of all threads together may carry, in bytes; TLS comes on top of it.
    pub pace: Option<Arc<Pace>>,
}

/// All that is needed to connect: no file is read and no name is asked for after this.
#[derive(Clone, Debug)]
pub struct Connection {
    pub(super) endpoint: String,
    pub(super) bucket: String,
    pub(super) region: String,
    /// `None`: requests are not signed.
    pub(super) key: Option<aws_credential_types::Credentials>,
    pub(super) sockets: Sockets,
    pub(super) trust: Trust,
    pub(super) proof: Proof,
    pub(super) stall_timeout: Duration,
    /// What is written removes itself after so long, where the server knows how.
    pub(super) expire_after: Option<Duration>,
    /// An object is written only where none is (`If-None-Match: *`).
    pub(super) only_new: bool,
}

impl Config {
    /// A target with the defaults for all else; its requests are not signed.
    pub fn new(endpoint: &str, bucket: &str, region: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            endpoint_from: None,
            bucket: bucket.to_owned(),
            region: region.to_owned(),
            credentials: Credentials::Anonymous,
            ca_bundle: None,
            insecure: false,
            binds: Vec::new(),
            proof: Proof::default(),
            stall_timeout: STALL_TIMEOUT,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            pace: None,
        }
    }

    /// Finds the key and the certificate authorities. Nothing is sent to the endpoint.
    ///
    /// # Errors
    /// If the endpoint is no URL or would be asked in clear text, the region cannot be signed for, there is no
    /// key, the CA bundle cannot be read, or connections cannot leave by what is named.
    pub async fn resolve(self) -> Result<Connection> {
        refuse_region(&self.region)?;
        let from = |error: Error| match &self.endpoint_from {
            Some(from) => error.followed_by_note(&format!("it is from {from}")),
            None => error,
        };
        let endpoint = endpoint_url(&self.endpoint).map_err(from)?;
        if !self.insecure {
            refuse_clear_text(&endpoint).map_err(from)?;
        }
        self.binds.iter().try_for_each(Bind::check)?;
        let way = match is_this_machine(&endpoint) {
            true => Way::Direct,
            false => Way::to(&endpoint, |name| std::env::var(name).ok())?,
        };
        let trust = match self.insecure {
            true => Trust::Anybody,
            false => Trust::Authorities { ca_bundle: self.ca_bundle },
        };
        let tls = match endpoint.scheme() {
            "https" => Some(Arc::new(client_config(&trust)?)),
            _ => None,
        };
        let key = credentials::resolve(self.credentials).await?;
        if key.is_none() {
            refuse_payload_signatures(self.proof)?;
        }
        let sockets = Sockets {
            send_buffer_bytes: self.send_buffer_bytes,
            receive_buffer_bytes: self.receive_buffer_bytes,
            pace: self.pace,
            tls,
            route: Arc::new(Route::new(way, Binds::new(self.binds))),
        };
        Ok(Connection {
            endpoint: text_of(&endpoint),
            bucket: self.bucket,
            region: self.region,
            key,
            sockets,
            trust,
            proof: self.proof,
            stall_timeout: self.stall_timeout,
            expire_after: None,
            only_new: false,
        })
    }
}

impl Connection {
    /// The same, for objects that must not replace any.
    pub(in crate::store) fn only_new(&self) -> Self {
        Self { only_new: true, ..self.clone() }
    }

    /// Objects and uploads that are begun from now on ask Storj to remove them after so long.
    pub fn expire_after(&mut self, time: Option<Duration>) {
        self.expire_after = time;
    }

    /// The endpoint's URL, with its scheme.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// A sentence if the environment names a proxy: what becomes of it.
    pub fn proxy(&self) -> Option<String> {
        match &self.sockets.route.way {
            Way::Direct => None,
            way => Some(way.to_string()),
        }
    }
}

/// Of a request that is not signed the payload is not signed either.
fn refuse_payload_signatures(proof: Proof) -> Result<()> {
    match proof.payload() {
        PayloadSigning::Unsigned => Ok(()),
        signed @ (PayloadSigning::Signed | PayloadSigning::Streaming) => {
            let message = format!("--payload {} needs a key to sign with", signed.name());
            Err(Error::environment(message)
                .hint("leave --no-sign-request out, or give --payload unsigned"))
        }
    }
}

/// It goes into the header that signs a request.
fn refuse_region(region: &str) -> Result<()> {
    match !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => {
            Err(Error::environment("the region is empty, or holds a character that no region has")
                .hint("give one with --region, such as us-east-1; Storj accepts any"))
        }
    }
}

fn endpoint_url(text: &str) -> Result<Url> {
    let invalid = || {
        // What follows a question mark may be a signature.
        let shown = text.split('?').next().unwrap_or_default();
        Error::environment(format!("`{shown}` is not the URL of an S3 endpoint"))
            .hint("write it like https://gateway.storjshare.io")
    };
    let text = text.trim().trim_end_matches('/');
    if text.contains('@') {
        // Not repeated in the message: a password is in it.
        return Err(Error::environment("the endpoint's URL holds a user or a password")
            .hint("keys come from the environment or from --profile"));
    }
    let (scheme, authority) = match text.split_once("://") {
        Some((scheme, authority)) => (Some(scheme), authority),
        None => (None, text),
    };
    // The URLs of browsers may have more slashes, and an empty port: here they are slips.
    if authority.starts_with(['/', '\\']) || authority.ends_with(':') {
        return Err(invalid());
    }
    let scheme = scheme.unwrap_or("https");
    let mut url = Url::parse(&format!("{scheme}://{authority}")).map_err(|_| invalid())?;
    if !text.contains("://") && is_this_machine(&url) {
        url = Url::parse(&format!("http://{authority}")).map_err(|_| invalid())?;
    }
    let is_an_origin = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        "http" | "https" if is_an_origin => Ok(url),
        _ => Err(invalid()),
    }
}

/// As it is shown and saved: without the slash of an empty path.
fn text_of(endpoint: &Url) -> String {
    endpoint.as_str().trim_end_matches('/').to_owned()
}

/// Objects, and the names of all of them, are for the endpoint's eyes only. Within this machine nobody
/// listens.
fn refuse_clear_text(endpoint: &Url) -> Result<()> {
    if endpoint.scheme() == "https" || is_this_machine(endpoint) {
        return Ok(());
    }
    let message =
        format!("{} would get all data in clear text over the network", text_of(endpoint));
    Err(Error::environment(message)
        .hint("name it with https://, or insist with --insecure, which the report will say"))
}

/// What Debian's and Red Hat's /etc/hosts call the loopback addresses.
const NAMES_OF_THIS_MACHINE: [&str; 6] = [
    "localhost",
    "localhost.localdomain",
    "localhost6",
    "localhost6.localdomain6",
    "ip6-localhost",
    "ip6-loopback",
];

fn is_this_machine(endpoint: &Url) -> bool {
    match endpoint.host() {
        Some(Host::Domain(name)) => {
            NAMES_OF_THIS_MACHINE.contains(&name.strip_suffix('.').unwrap_or(name))
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Checksum;

    #[test]
    fn an_endpoint_with_a_password_is_refused_without_repeating_it() {
        let error = endpoint_url("https://user:secret@host").unwrap_err().to_string();
        assert!(error.contains("password") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn an_endpoint_without_scheme_is_https_unless_it_is_this_machine() {
        let cases = [
            ("gateway.storjshare.io", "https://gateway.storjshare.io"),
            ("gateway.storjshare.io:7777", "https://gateway.storjshare.io:7777"),
            ("localhost:9000", "http://localhost:9000"),
            ("127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("[::1]:9000", "http://[::1]:9000"),
            ("http://10.0.0.7:9000/", "http://10.0.0.7:9000"),
            ("https://localhost", "https://localhost"),
            ("HTTPS://Gateway.Example:443", "https://gateway.example"),
        ];
        for (text, url) in cases {
            assert_eq!(text_of(&endpoint_url(text).unwrap()), url, "{text}");
        }
    }

    #[test]
    fn this_machine_is_known_by_any_of_its_names() {
        let same = [
            "HTTP://LOCALHOST:9000",
            "LocalHost:9000",
            "http://localhost.:9000",
            "http://[::ffff:127.0.0.1]",
            "http://[0:0:0:0:0:0:0:1]:9000",
            "http://127.1",
            "ip6-localhost",
            "localhost.localdomain:1",
        ];
        for text in same {
            let url = endpoint_url(text).unwrap();
            assert_eq!(url.scheme(), "http", "{text}");
            assert!(refuse_clear_text(&url).is_ok(), "{text}");
        }
        for text in ["http://[::ffff:10.0.0.7]", "http://0.0.0.0", "http://localhost.example"] {
            assert!(refuse_clear_text(&endpoint_url(text).unwrap()).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_nobody_typed_is_refused_with_where_it_is_from() {
        for endpoint in ["two words", "https://user:secret@host", "http://10.0.0.7"] {
            let endpoint_from = Some("AWS_ENDPOINT_URL".to_owned());
            let config = Config { endpoint_from, ..Config::new(endpoint, "bucket", "us-east-1") };
            let error = config.resolve().await.unwrap_err().to_string();
            assert!(error.contains("it is from AWS_ENDPOINT_URL"), "{error}");
        }
    }

    #[test]
    fn a_signature_in_an_endpoint_is_not_repeated() {
        let error =
            endpoint_url("https://host/key?X-Amz-Signature=5ecret").unwrap_err().to_string();
        assert!(error.contains("https://host/key") && !error.contains("5ecret"), "{error}");
    }

    #[test]
    fn clear_text_is_for_this_machine_only() {
        for good in
            ["https://10.0.0.7", "http://127.0.0.1:9000", "http://[::1]", "http://localhost"]
        {
            assert!(refuse_clear_text(&endpoint_url(good).unwrap()).is_ok(), "{good}");
        }
        for bad in ["http://10.0.0.7:9000", "http://gateway.example", "http://localhost.example"] {
            let error = refuse_clear_text(&endpoint_url(bad).unwrap()).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("--insecure"), "{error}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_an_example() {
        for text in [
            "",
            "https://",
            "ftp://host",
            "https://host/bucket",
            "two words",
            "/path",
            "https:",
            "https:///host",
            "host?x",
            "host#x",
        ] {
            let error = endpoint_url(text).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{text}");
            assert!(error.to_string().contains("https://gateway.storjshare.io"), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn a_region_that_no_header_can_carry_is_refused() {
        for region in ["", "us\neast", "us east", "\u{e9}u"] {
            let error =
                Config::new("https://localhost", "bucket", region).resolve().await.unwrap_err();
            assert!(error.to_string().contains("--region"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_payload_is_not_signed_without_a_key() {
        for payload in [PayloadSigning::Signed, PayloadSigning::Streaming] {
            let proof = Proof::of(payload, Checksum::None).unwrap();
            let config = Config { proof, ..Config::new("https://localhost", "bucket", "r") };
            let error = config.resolve().await.unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("needs a key"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_ca_bundle_that_is_no_pem_file_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bundle.pem");
        std::fs::write(&path, "no certificate").unwrap();
        let config = Config {
            ca_bundle: Some(path),
            credentials: Credentials::Anonymous,
            ..Config::new("https://localhost", "bucket", "us-east-1")
        };
        let error = config.resolve().await.unwrap_err();
        assert!(error.to_string().contains("bundle.pem"), "{error}");
    }
}
