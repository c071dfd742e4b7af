//! How requests are signed.

use std::fmt;

use aws_credential_types::Credentials as Key;

use super::aws::Aws;
use crate::error::Result;

/// How requests are signed.
#[derive(Clone)]
pub enum Credentials {
    /// With the key that the environment variables or the shared files of AWS name.
    Configured(Box<Aws>),
    /// With this key.
    Static {
        /// Access key id.
        access_key: String,
        /// Secret access key; never printed.
        secret_key: String,
    },
    /// Not at all.
    Anonymous,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configured(_) => "Configured",
            Self::Static { .. } => "Static(not shown)",
            Self::Anonymous => "Anonymous",
        })
    }
}

/// Finds the key; `None` means that requests are not signed.
///
/// A key that expires is not renewed: a run that outlives it ends with the server's ExpiredToken.
pub(super) async fn resolve(credentials: Credentials) -> Result<Option<Key>> {
    match credentials {
        Credentials::Anonymous => Ok(None),
        Credentials::Static { access_key, secret_key } => {
            Ok(Some(Key::new(access_key, secret_key, None, None, "given")))
        }
        Credentials::Configured(aws) => aws.key().await.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_never_printed() {
        let credentials = Credentials::Static {
            access_key: "AKIA".to_owned(),
            secret_key: "hush-hush".to_owned(),
        };
        let config = super::super::Config {
            credentials: credentials.clone(),
            ..super::super::Config::new("localhost:1", "bucket", "us-east-1")
        };
        let connection = config.clone().resolve().await.unwrap();
        let store = super::super::S3Store::connect(&connection);
        let printed = format!("{credentials:?} {config:?} {connection:?} {store:#?}");
        assert!(printed.contains("bucket") && !printed.contains("hush-hush"), "{printed}");
    }
}
