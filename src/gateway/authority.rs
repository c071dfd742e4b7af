//! A certificate and the authority that signed it, made once: for a client that speaks only TLS and trusts only its
//! machine's store.
//!
//! The authority signs this one certificate, and its key is never written: whoever trusts it trusts nothing else.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::{Date, Duration, OffsetDateTime};

use super::tls::Certificate;
use crate::clock;
use crate::error::{Error, Result};
use crate::outside::{self, SETTINGS_MAX};

/// A test takes hours or days, and trust that nobody takes back should end by itself.
const GOOD_FOR: Duration = Duration::days(90);

/// The clock of another machine may be behind by so much.
const BACKDATED: Duration = Duration::hours(1);

const AUTHORITY: &str = "authority.crt";
const CHAIN: &str = "server.crt";
const KEY: &str = "server.key";

/// For its user alone, which OpenSSH, too, asks of private keys.
const KEY_MODE: u32 = 0o600;

/// A certificate for some names and the authority that signed it, in a directory.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    directory: PathBuf,
    names: Vec<ServerName<'static>>,
    origin: Origin,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was made now.
    Made {
        /// The last day on which it is good.
        good_until: Date,
    },
    /// It was there, and is good.
    Found,
}

impl OwnCertificate {
    /// The one that is in the directory, or a new one where there is none: nothing is overwritten.
    ///
    /// # Errors
    /// If it cannot be written or read, has expired, does not cover a name, or others can read its key.
    pub fn open(directory: &Path, names: Vec<ServerName<'static>>) -> Result<Self> {
        let is_there = |name: &&str| directory.join(name).symlink_metadata().is_ok();
        let there: Vec<&str> = [AUTHORITY, CHAIN, KEY].into_iter().filter(is_there).collect();
        let mut own = Self { directory: directory.to_owned(), names, origin: Origin::Found };
        match there[..] {
            [] => {
                let good_until = own.make(clock::date())?;
                own.origin = Origin::Made { good_until };
            }
            [_, _, _] => own.check(clock::calendar())?,
            _ => {
                return Err(own.error(&format!("has only {}", there.join(" and "))));
            }
        }
        Ok(own)
    }

    /// What a gateway serves with.
    pub fn certificate(&self) -> Certificate {
        Certificate { chain: self.directory.join(CHAIN), key: self.directory.join(KEY) }
    }

    /// The certificate of the authority, for a store of those that are trusted.
    pub fn authority(&self) -> PathBuf {
        self.directory.join(AUTHORITY)
    }

    /// All of its files.
    pub fn files(&self) -> [PathBuf; 3] {
        [AUTHORITY, CHAIN, KEY].map(|name| self.directory.join(name))
    }

    /// What it was asked to cover.
    pub fn names(&self) -> &[ServerName<'static>] {
        &self.names
    }

    /// Whether it was made now.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    fn make(&self, now: OffsetDateTime) -> Result<Date> {
        let cannot_make = |error: &dyn std::fmt::Display| {
            let directory = self.directory.display();
            Error::environment(format!("cannot make a certificate in {directory}: {error}"))
                .hint("name a directory that you may write to with --tls-own")
        };
        let until = now + GOOD_FOR;
        let signed = sign(&self.names, now, until).map_err(|error| cannot_make(&error))?;
        let write = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            write_new(&self.directory.join(KEY), KEY_MODE, &signed.key)?;
            write_new(&self.directory.join(CHAIN), 0o644, &signed.chain)?;
            write_new(&self.directory.join(AUTHORITY), 0o644, &signed.authority)
        };
        write().map_err(|error: io::Error| cannot_make(&error))?;
        Ok(until.date())
    }

    /// Sees that whoever trusts the authority will believe the certificate for each name, and that the key is a secret.
    fn check(&self, now: SystemTime) -> Result<()> {
        let key = self.directory.join(KEY);
        let unreadable =
            |error: &dyn std::fmt::Display| self.error(&format!("cannot be read: {error}"));
        let mode = fs::metadata(&key).map_err(|error| unreadable(&error))?.permissions().mode();
        if mode & !KEY_MODE & 0o777 != 0 {
            let key = key.display();
            return Err(Error::environment(format!("others may use the private key {key}"))
                .hint("`chmod 600` it if nobody has read it, or make another certificate: name a new directory with --tls-own"));
        }
        let read = |name: &str| -> Result<Vec<CertificateDer<'static>>> {
            let pem = outside::bytes(&self.directory.join(name), SETTINGS_MAX)
                .map_err(|error| unreadable(&error))?;
            let all = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
            all.map_err(|error| unreadable(&error))
        };
        let (authority, chain) = (read(AUTHORITY)?, read(CHAIN)?);
        for name in &self.names {
            believe(&authority, &chain, name, now).map_err(|error| match error {
                rustls::Error::InvalidCertificate(why) => self.error(&fault(&why, name)),
                other => self.error(&format!("cannot be used: {other}")),
            })?;
        }
        Ok(())
    }

    fn error(&self, fault: &str) -> Error {
        let directory = self.directory.display();
        Error::environment(format!("the certificate in {directory} {fault}"))
            .hint("name a new directory with --tls-own, and trust the authority there instead of this one")
    }
}

/// What is wrong with a certificate, after its name.
fn fault(error: &CertificateError, name: &ServerName<'_>) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            let seconds = i64::try_from(not_after.as_secs()).ok();
            let date = seconds.and_then(|since| OffsetDateTime::from_unix_timestamp(since).ok());
            let date = date.map_or_else(String::new, |date| format!(" on {}", date.date()));
            format!("expired{date}")
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("does not cover {}: it is for {}", name.to_str(), presented.join(", "))
        }
        other => format!("cannot be used: {other}"),
    }
}

/// What a client does that trusts the authority.
fn believe(
    authority: &[CertificateDer<'_>],
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    now: SystemTime,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    for one in authority {
        roots.add(one.clone().into_owned())?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(since);
    let Some((server, between)) = chain.split_first() else {
        return Err(rustls::Error::NoCertificatesPresented);
    };
    verifier.verify_server_cert(server, between, name, &[], now).map(drop)
}

/// In PEM.
struct Signed {
    authority: String,
    chain: String,
    key: String,
}

fn sign(
    names: &[ServerName<'_>],
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Signed, rcgen::Error> {
    let common = |name: String| {
        let mut distinguished = DistinguishedName::new();
        distinguished.push(DnType::CommonName, name);
        distinguished
    };
    let names: Vec<String> = names.iter().map(|name| name.to_str().into_owned()).collect();
    let mut authority = CertificateParams::default();
    // Two in one store are told apart by it.
    authority.distinguished_name = common(format!("tidegate serve, made {}", now.unix_timestamp()));
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (authority.not_before, authority.not_after) = (now - BACKDATED, until);
    let authority_key = KeyPair::generate()?;
    let trusted = authority.self_signed(&authority_key)?;

    let mut server = CertificateParams::new(names)?;
    server.distinguished_name = common("tidegate serve".into());
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    (server.not_before, server.not_after) = (now - BACKDATED, until);
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?;
    Ok(Signed { authority: trusted.pem(), chain: certificate.pem(), key: key.serialize_pem() })
}

fn write_new(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(names: &[&str]) -> Vec<ServerName<'static>> {
        names.iter().map(|name| ServerName::try_from((*name).to_owned()).unwrap()).collect()
    }

    fn said(own: Result<OwnCertificate>) -> String {
        own.unwrap_err().to_string()
    }

    #[test]
    fn what_was_made_is_found_again_unchanged_and_has_one_private_key_that_is_a_secret() {
        let here = tempfile::tempdir().unwrap();
        let directory = here.path().join("new/tls");
        let asked = names(&["dtn1.example.org", "127.0.0.1", "::1"]);
        let made = OwnCertificate::open(&directory, asked.clone()).unwrap();
        assert!(matches!(made.origin(), Origin::Made { .. }));
        let read = || made.files().map(|file| fs::read_to_string(file).unwrap());
        let before = read();
        let found = OwnCertificate::open(&directory, asked).unwrap();
        assert_eq!((found.origin(), read()), (Origin::Found, before.clone()));
        assert_eq!(before.concat().matches("PRIVATE KEY-----\n").count(), 2, "its begin and end");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
        let mode = fs::metadata(made.certificate().key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(made.certificate().acceptor().is_ok());
    }

    #[test]
    fn a_certificate_is_believed_for_its_names_while_it_is_good() {
        let here = tempfile::tempdir().unwrap();
        let own = OwnCertificate::open(here.path(), names(&["a.example", "10.0.0.7"])).unwrap();
        let now = SystemTime::now();
        own.check(now).unwrap();
        let day = Duration::from_secs(24 * 3600);
        own.check(now + 89 * day).unwrap();
        let expired = own.check(now + 91 * day).unwrap_err().to_string();
        assert!(expired.contains("expired on 2") && expired.contains("--tls-own"), "{expired}");
        for other in ["b.example", "10.0.0.8"] {
            let error = said(OwnCertificate::open(here.path(), names(&[other])));
            assert!(error.contains(&format!("does not cover {other}")), "{error}");
        }
    }

    #[test]
    fn nothing_is_overwritten_and_half_a_certificate_is_said_to_be_one() {
        let here = tempfile::tempdir().unwrap();
        fs::write(here.path().join(KEY), "mine").unwrap();
        let error = said(OwnCertificate::open(here.path(), names(&["localhost"])));
        assert!(error.contains("has only server.key"), "{error}");
        assert_eq!(fs::read_to_string(here.path().join(KEY)).unwrap(), "mine");
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let here = tempfile::tempdir().unwrap();
        let own = OwnCertificate::open(here.path(), names(&["localhost"])).unwrap();
        fs::set_permissions(own.certificate().key, fs::Permissions::from_mode(0o640)).unwrap();
        let error = said(OwnCertificate::open(here.path(), names(&["localhost"])));
        assert!(error.contains("others may use") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_certificate_of_another_authority_is_refused() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for directory in [&one, &other] {
            OwnCertificate::open(directory.path(), names(&["localhost"])).unwrap();
        }
        fs::copy(other.path().join(AUTHORITY), one.path().join(AUTHORITY)).unwrap();
        let error = said(OwnCertificate::open(one.path(), names(&["localhost"])));
        assert!(error.contains("cannot be used"), "{error}");
    }
}
