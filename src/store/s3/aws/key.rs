//! The key of the environment or of a profile.

mod process;

use std::time::SystemTime;

use aws_credential_types::Credentials as Key;
use aws_runtime::env_config::section::{EnvConfigSections, Profile};

use super::variables::Variables;
use crate::error::{Error, Result};

/// What to do without a key.
const HINT: &str =
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile NAME, or --no-sign-request";

/// Properties of profiles whose keys only another host can give, and what they mean.
const FROM_ANOTHER_HOST: [(&str, &str); 8] = [
    ("web_identity_token_file", "exchanges a web identity token"),
    ("role_arn", "assumes a role"),
    ("credential_source", "assumes a role"),
    ("sso_session", "signs in with IAM Identity Center"),
    ("sso_start_url", "signs in with IAM Identity Center"),
    ("sso_account_id", "signs in with IAM Identity Center"),
    ("sso_role_name", "signs in with IAM Identity Center"),
    ("login_session", "uses a session of the AWS console"),
];

/// The key that the variables hold, if they hold one.
pub(super) fn of_environment(variables: &Variables) -> Result<Option<Key>> {
    let Some(access_key) = variables.first(["AWS_ACCESS_KEY_ID"]) else { return Ok(None) };
    let secret_key = variables.first(["AWS_SECRET_ACCESS_KEY"]).ok_or_else(|| {
        Error::environment("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not").hint(HINT)
    })?;
    let token = variables.first(["AWS_SESSION_TOKEN"]);
    checked([access_key, secret_key], token, None, "the environment").map(Some)
}

/// The key of the profile that counts, which has this `name`.
pub(super) async fn of_profile(sections: &EnvConfigSections, name: &str) -> Result<Key> {
    let none = || match name {
        super::DEFAULT => Error::environment("no credentials found").hint(HINT),
        _ => Error::environment(format!("no credentials found in the profile `{name}`")).hint(HINT),
    };
    let profile = sections.get_profile(sections.selected_profile()).ok_or_else(none)?;
    let of = |property: &str| profile.get(property).filter(|value| !value.is_empty());
    if let Some(error) = from_another_host(profile, name) {
        return Err(error);
    }
    if let Some(command) = of("credential_process") {
        return process::key(command, name).await;
    }
    let source = format!("the profile `{name}`");
    match (of("aws_access_key_id"), of("aws_secret_access_key")) {
        (Some(access_key), Some(secret_key)) => {
            checked([access_key, secret_key], of("aws_session_token"), None, &source)
        }
        (None, None) => Err(none()),
        (None, Some(_)) => Err(Error::environment(format!("{source} has no aws_access_key_id"))
            .hint("add it, or name another with --profile")),
        (Some(_), None) => {
            Err(Error::environment(format!("{source} has no aws_secret_access_key"))
                .hint("add it, or name another with --profile"))
        }
    }
}

/// Why a profile cannot be used here, and how it can.
fn from_another_host(profile: &Profile, name: &str) -> Option<Error> {
    let (property, does) =
        FROM_ANOTHER_HOST.iter().find(|(property, _)| profile.get(property).is_some())?;
    Some(
        Error::environment(format!(
            "the profile `{name}` {does} ({property}), and tidegate asks no host but the endpoint"
        ))
        .hint(format!(
            "let the AWS CLI ask: give a profile of its own the line `credential_process = aws configure \
             export-credentials --profile {name} --format process`, and name that one with --profile"
        )),
    )
}

/// A key that requests can carry.
///
/// # Errors
/// If a part of it cannot be in a header: it is named, and not repeated.
fn checked(
    [access_key, secret_key]: [&str; 2],
    token: Option<&str>,
    ends: Option<SystemTime>,
    source: &str,
) -> Result<Key> {
    let parts = [
        ("access key", Some(access_key)),
        ("secret key", Some(secret_key)),
        ("session token", token),
    ];
    let is_wrong =
        |text: &str| text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some((part, _)) = parts.iter().find(|(_, text)| text.is_some_and(is_wrong)) {
        let message =
            format!("the {part} of {source} is empty or holds what no key can, such as a space");
        return Err(Error::environment(message).hint("copy it once more, as a whole and alone"));
    }
    Ok(Key::new(access_key, secret_key, token.map(str::to_owned), ends, "tidegate"))
}
