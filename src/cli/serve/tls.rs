//! With which certificate `serve` speaks TLS, and how others come to trust one that it made itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use rustls_pki_types::{IpAddr as NamedAddress, ServerName};

use tidegate::error::Result;
use tidegate::gateway::{Certificate, Origin, OwnCertificate};
use tidegate::report::shell_word;

/// Options of `serve` for TLS.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Serve TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Serve TLS with a certificate and an authority that are made in this directory if they are not there; says how to
    /// make a Globus S3 connector trust them.
    #[arg(long, value_name = "DIR", conflicts_with = "tls_cert")]
    tls_own: Option<PathBuf>,

    /// Name or address for which that certificate is made, besides `localhost` and the address of --listen; can be
    /// repeated.
    #[arg(long = "tls-name", value_name = "HOST", requires = "tls_own", value_parser = name)]
    tls_names: Vec<ServerName<'static>>,
}

fn name(text: &str) -> std::result::Result<ServerName<'static>, &'static str> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| "write the name of a host or an address, such as dtn1.example.org")
}

/// With what TLS is spoken.
#[derive(Debug)]
pub(super) enum Tls {
    /// A certificate of the user's.
    Given(Certificate),
    /// One that was made here.
    Own(OwnCertificate),
}

impl Tls {
    pub(super) fn certificate(&self) -> Certificate {
        match self {
            Self::Given(certificate) => certificate.clone(),
            Self::Own(own) => own.certificate(),
        }
    }

    /// Whom a client must trust that knows only those who are known to all.
    pub(super) fn authority(&self) -> Option<PathBuf> {
        match self {
            Self::Given(_) => None,
            Self::Own(own) => Some(own.authority()),
        }
    }
}

impl TlsArgs {
    /// What was asked for, if anything was; a certificate of our own is made if it is not there.
    ///
    /// # Errors
    /// As for [`OwnCertificate::open`].
    pub(super) fn resolve(self, listen: IpAddr) -> Result<Option<Tls>> {
        if let Some(directory) = &self.tls_own {
            let own = OwnCertificate::open(directory, covered(self.tls_names, listen))?;
            return Ok(Some(Tls::Own(own)));
        }
        let given = self.tls_cert.zip(self.tls_key);
        Ok(given.map(|(chain, key)| Tls::Given(Certificate { chain, key })))
    }
}

/// The names asked for, the address to listen on, and those of this machine for itself; what the recipe uses is first.
fn covered(asked: Vec<ServerName<'static>>, listen: IpAddr) -> Vec<ServerName<'static>> {
    let of = |address: IpAddr| ServerName::IpAddress(NamedAddress::from(address));
    let listen = (!listen.is_unspecified()).then(|| of(listen.to_canonical()));
    let here = ServerName::try_from("localhost").into_iter();
    let here = here.chain([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(of));
    let mut names = Vec::new();
    for name in asked.into_iter().chain(listen).chain(here) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Where a connector finds the gateway.
fn url(own: &OwnCertificate, port: u16) -> String {
    match own.names().first() {
        Some(ServerName::IpAddress(NamedAddress::V6(address))) => {
            format!("https://[{}]:{port}", Ipv6Addr::from(*address))
        }
        Some(name) => format!("https://{}:{port}", name.to_str()),
        None => format!("https://localhost:{port}"),
    }
}

/// File of a trusted authority on Debian (update-ca-certificates(8)) and on RHEL (update-ca-trust(8)).
const DEBIAN: &str = "/usr/local/share/ca-certificates/tidegate-serve.crt";
const RHEL: &str = "/etc/pki/ca-trust/source/anchors/tidegate-serve.crt";

/// How a Globus S3 connector comes to trust the certificate and to send to this gateway, and how all of that is taken
/// away again. The commands of Globus are those of Storj's guide (storj/docs,
/// `dcs/third-party-tools/globus`) and of jrussell9000/cloudpipe (docs/globus-setup.md at 027e342), whose connector
/// trusts what its host does.
pub(super) fn recipe(own: &OwnCertificate, port: u16, bucket: &str) -> String {
    let word = |path: PathBuf| shell_word(&path.to_string_lossy());
    let (authority, files) = (word(own.authority()), own.files().map(word).join(" "));
    let names: Vec<_> = own.names().iter().map(ServerName::to_str).collect();
    let (names, url, bucket) = (names.join(", "), url(own, port), shell_word(bucket));
    let origin = match own.origin() {
        Origin::Made { good_until } => format!(
            "made a certificate for {names}, good until {good_until}; the key of the authority that signed it was not kept, so that it signs no other"
        ),
        Origin::Found => format!("uses the certificate that is there, for {names}"),
    };
    format!(
        "{origin}
To make each host of an S3 connector trust it:
  sudo cp {authority} {DEBIAN} && sudo update-ca-certificates  # Debian, Ubuntu
  sudo cp {authority} {RHEL} && sudo update-ca-trust  # RHEL, Rocky Linux
To make a second storage gateway for the test (its keys: TIDEGATE_ACCESS_KEY and TIDEGATE_SECRET_KEY, or any where these are not set):
  globus-connect-server storage-gateway create s3 'tidegate test' --domain YOUR_DOMAIN --s3-endpoint {url} --s3-user-credential --bucket {bucket}
  globus-connect-server user-credentials s3-create STORAGE_GATEWAY_ID --globus-identity YOU@YOUR_DOMAIN
  globus-connect-server collection create STORAGE_GATEWAY_ID /{bucket} 'tidegate test'
To take everything away again:
  globus-connect-server collection update COLLECTION_ID --no-delete-protected
  globus-connect-server collection delete COLLECTION_ID
  globus-connect-server user-credentials delete CREDENTIAL_ID
  globus-connect-server storage-gateway delete STORAGE_GATEWAY_ID
  sudo rm {DEBIAN} && sudo update-ca-certificates --fresh  # Debian, Ubuntu
  sudo rm {RHEL} && sudo update-ca-trust  # RHEL, Rocky Linux
  rm {files}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(asked: &[&str], listen: &str) -> Vec<String> {
        let asked = asked.iter().map(|text| name(text).unwrap()).collect();
        let names = covered(asked, listen.parse().unwrap());
        names.iter().map(|name| name.to_str().into_owned()).collect()
    }

    #[test]
    fn a_certificate_covers_what_is_asked_and_this_machine_each_once() {
        let dtn = ["dtn1.example.org", "localhost", "127.0.0.1", "::1"];
        assert_eq!(texts(&["dtn1.example.org"], "0.0.0.0"), dtn);
        assert_eq!(texts(&[], "127.0.0.1"), ["127.0.0.1", "localhost", "::1"]);
        assert_eq!(texts(&[], "10.0.0.7")[0], "10.0.0.7");
        assert!(name("dtn 1").is_err() && name("https://dtn1").is_err());
    }

    #[test]
    fn the_recipe_names_the_first_name_and_the_port() {
        let here = tempfile::tempdir().unwrap();
        let directory = here.path().join("it's");
        let own =
            |names: Vec<ServerName<'static>>| OwnCertificate::open(&directory, names).unwrap();
        let names = covered(vec![name("::1").unwrap()], [0, 0, 0, 0].into());
        let said = recipe(&own(names), 9443, "seen");
        for part in [
            "--s3-endpoint https://[::1]:9443 --s3-user-credential --bucket seen",
            "update-ca-certificates  #",
            "update-ca-trust  #",
            r"it'\''s/authority.crt'",
            "good until 20",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let again = recipe(&own(covered(Vec::new(), [127, 0, 0, 1].into())), 9443, "seen");
        assert!(again.contains("https://127.0.0.1:9443") && again.contains("that is there"));
    }
}
