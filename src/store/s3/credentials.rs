//! Where the key comes from: the environment, then the shared AWS files. No other host is asked.

use std::fmt;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{self, ProfileFileCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials as Key;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::error::{Error, Result};

/// How requests are signed.
#[derive(Clone)]
pub enum Credentials {
    /// With the key that the standard AWS chain finds: environment variables, then profile files.
    Chain,
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
            Self::Chain => "Chain",
            Self::Static { .. } => "Static(not shown)",
            Self::Anonymous => "Anonymous",
        })
    }
}

/// Finds the key; `None` means that requests are not signed.
///
/// A key that expires is not renewed: a run that outlives it ends with the server's ExpiredToken.
pub(super) async fn resolve(
    credentials: Credentials,
    profile: Option<&str>,
) -> Result<Option<Key>> {
    match credentials {
        Credentials::Anonymous => Ok(None),
        Credentials::Static { access_key, secret_key } => {
            Ok(Some(Key::new(access_key, secret_key, None, None, "given")))
        }
        Credentials::Chain => find(profile).await.map(Some),
    }
}

/// A profile that is named on the command line is meant, even if the environment has a key
/// (as in the AWS command line).
async fn find(profile: Option<&str>) -> Result<Key> {
    let found = match profile {
        Some(name) => {
            let files = profile_files().profile_name(name).build();
            files.provide_credentials().await
        }
        None => {
            let files = profile_files().build();
            let environment = EnvironmentVariableCredentialsProvider::new();
            let chain = CredentialsProviderChain::first_try("environment", environment)
                .or_else("profile", files);
            chain.provide_credentials().await
        }
    };
    found.map_err(|error| not_found(profile, &error))
}

/// A profile may name a source on the network; Storj's keys have none, and no other host is asked.
fn profile_files() -> profile::credentials::Builder {
    let offline = http_client_fn(|_, _| SharedHttpConnector::new(Offline));
    let config = ProviderConfig::without_region().with_http_client(offline);
    ProfileFileCredentialsProvider::builder().configure(&config)
}

/// An HTTP client that refuses.
#[derive(Debug)]
struct Offline;

impl HttpConnector for Offline {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let refusal = "credentials are taken from the environment and from files only";
        HttpConnectorFuture::ready(Err(ConnectorError::user(refusal.into())))
    }
}

fn not_found(profile: Option<&str>, error: &CredentialsError) -> Error {
    let message = match (profile, error) {
        (None, CredentialsError::CredentialsNotLoaded(_)) => "no credentials found".to_owned(),
        (Some(name), CredentialsError::CredentialsNotLoaded(_)) => {
            format!("no credentials found in the profile `{name}`")
        }
        (_, error) => format!("no usable credentials: {}", super::error::root_cause(error)),
    };
    Error::environment(message).hint(
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile NAME, or --no-sign-request",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    /// Finds a key in a process of its own, whose environment is `variables` and nothing else, and
    /// says which: the environment of this process belongs to all tests.
    fn found_with(variables: &[(&str, &str)], files: &Path) -> String {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture"])
            .arg("store::s3::credentials::tests::say_what_is_found")
            .env_clear()
            .env("AWS_SHARED_CREDENTIALS_FILE", files.join("credentials"))
            .env("AWS_CONFIG_FILE", files.join("config"))
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let said = text.lines().find_map(|line| line.split_once("found: "));
        said.unwrap_or_else(|| panic!("nothing was said: {text}")).1.to_owned()
    }

    #[tokio::test]
    #[ignore = "is run as a child by the tests beside it"]
    async fn say_what_is_found() {
        let profile = std::env::var("TIDEGATE_TEST_PROFILE").ok();
        match resolve(Credentials::Chain, profile.as_deref()).await {
            Ok(key) => println!("found: {}", key.unwrap().access_key_id()),
            Err(error) => println!("found: {}", error.to_string().replace('\n', " ")),
        }
    }

    fn files() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let profiles = "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n\
             [lab]\naws_access_key_id = LAB\naws_secret_access_key = s\n";
        std::fs::write(directory.path().join("credentials"), profiles).unwrap();
        directory
    }

    const IN_ENVIRONMENT: [(&str, &str); 2] =
        [("AWS_ACCESS_KEY_ID", "ENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "s")];

    #[test]
    fn the_environment_comes_before_the_files() {
        let files = files();
        assert_eq!(found_with(&IN_ENVIRONMENT, files.path()), "ENVIRONMENT");
        assert_eq!(found_with(&[], files.path()), "DEFAULT");
        assert_eq!(found_with(&[("AWS_PROFILE", "lab")], files.path()), "LAB");
    }

    #[test]
    fn a_named_profile_comes_before_the_environment() {
        let variables = [&IN_ENVIRONMENT[..], &[("TIDEGATE_TEST_PROFILE", "lab")]].concat();
        assert_eq!(found_with(&variables, files().path()), "LAB");
    }

    #[test]
    fn without_a_key_the_error_says_what_to_set() {
        let nothing = tempfile::tempdir().unwrap();
        let said = found_with(&[], nothing.path());
        assert!(said.starts_with("no credentials found"), "{said}");
        assert!(said.contains("AWS_ACCESS_KEY_ID") && said.contains("--no-sign-request"), "{said}");
        let said = found_with(&[("TIDEGATE_TEST_PROFILE", "gone")], files().path());
        assert!(said.contains("`gone`"), "{said}");
    }

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
