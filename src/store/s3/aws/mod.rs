//! What AWS's environment variables and shared files say: endpoint, region, certificates and key, in the order of
//! precedence of the AWS CLI
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>). No other host is asked.
//!
//! The parser is the SDK's own. `aws-config` around it reads the variables by itself, with line ends and all, and
//! hands them to requests that cannot carry them.

mod files;
mod key;
mod variables;

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

use aws_credential_types::Credentials as Key;
use aws_runtime::env_config::EnvConfigValue;
use aws_runtime::env_config::section::EnvConfigSections;
use aws_types::origin::Origin;

use crate::error::{Error, Result};
use files::Files;
use variables::Variables;

/// Always there, even if no file has it.
const DEFAULT: &str = "default";

/// What the variables and the files say.
#[derive(Clone)]
pub struct Aws {
    variables: Variables,
    sections: EnvConfigSections,
    /// The profile that counts.
    profile: String,
    /// It is named on the command line: then its key is meant, even if the environment has one.
    is_asked_for: bool,
}

/// Something that was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub value: String,
    /// In words.
    pub from: String,
}

impl Aws {
    /// The profile that the command line names.
    pub fn named(&self) -> Option<&str> {
        self.is_asked_for.then_some(self.profile.as_str())
    }

    /// Reads variables and files; `profile` is the one that the command line names.
    ///
    /// # Errors
    /// If a variable or a file cannot be used, or there is no such profile.
    pub fn load(profile: Option<&str>) -> Result<Self> {
        Self::of(|name| std::env::var_os(name), profile)
    }

    pub(crate) fn of(
        variable: impl Fn(&str) -> Option<OsString>,
        profile: Option<&str>,
    ) -> Result<Self> {
        let variables = Variables::read(variable)?;
        let named = profile.or_else(|| variables.first(["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]));
        let name = named.unwrap_or(DEFAULT).to_owned();
        let files = Files::of(&variables);
        let sections = files.sections(&name)?;
        if name != DEFAULT && sections.get_profile(sections.selected_profile()).is_none() {
            return Err(Error::environment(format!(
                "there is no profile `{}`",
                name.escape_debug()
            ))
            .hint(format!("profiles are in {files}; in the first a section is [profile NAME]")));
        }
        let is_asked_for = profile.is_some();
        Ok(Self { variables, sections, profile: name, is_asked_for })
    }

    /// Base URL of S3, if one is configured.
    ///
    /// # Errors
    /// If it is not clear whether configured ones are to be ignored.
    pub fn endpoint(&self) -> Result<Option<Found>> {
        if self.ignores_configured_endpoints()? {
            return Ok(None);
        }
        let wanted =
            EnvConfigValue::new().env("AWS_ENDPOINT_URL").profile("endpoint_url").service_id("s3");
        let as_it_is = |value: &str| Ok::<_, Infallible>(value.trim().to_owned());
        let found = wanted.validate_and_return_origin(
            &self.variables.env(),
            Some(&self.sections),
            as_it_is,
        );
        let Ok((Some(value), origin)) = found else { return Ok(None) };
        let from = self.words_for(origin);
        Ok((!value.is_empty()).then_some(Found { value, from }))
    }

    fn words_for(&self, origin: Origin) -> String {
        let profile = &self.profile;
        match origin {
            _ if origin == Origin::service_environment_variable() => "AWS_ENDPOINT_URL_S3".into(),
            _ if origin == Origin::shared_environment_variable() => "AWS_ENDPOINT_URL".into(),
            _ if origin == Origin::service_profile_file() => {
                format!("the services section of the profile `{profile}`")
            }
            _ => format!("endpoint_url of the profile `{profile}`"),
        }
    }

    fn ignores_configured_endpoints(&self) -> Result<bool> {
        const VARIABLE: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
        let said = self.variables.first([VARIABLE]);
        match said.or_else(|| self.of_profile("ignore_configured_endpoint_urls")) {
            None => Ok(false),
            Some(yes) if yes.eq_ignore_ascii_case("true") => Ok(true),
            Some(no) if no.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(Error::environment(format!("{VARIABLE} is neither true nor false"))
                .hint("set it to true or false, or name the endpoint with --endpoint")),
        }
    }

    /// Signing region, if one is configured.
    pub fn region(&self) -> Option<&str> {
        self.variables
            .first(["AWS_REGION", "AWS_DEFAULT_REGION"])
            .or_else(|| self.of_profile("region"))
    }

    /// More certificate authorities, if some are configured.
    pub fn ca_bundle(&self) -> Option<PathBuf> {
        let file = self.variables.first(["AWS_CA_BUNDLE"]).or_else(|| self.of_profile("ca_bundle"));
        file.map(PathBuf::from)
    }

    /// The key to sign with: of the environment, unless the command line names a profile; else the profile's.
    pub(super) async fn key(&self) -> Result<Key> {
        let of_environment = match self.is_asked_for {
            true => None,
            false => key::of_environment(&self.variables)?,
        };
        match of_environment {
            Some(key) => Ok(key),
            None => key::of_profile(&self.sections, &self.profile).await,
        }
    }

    /// A property of the profile that is not empty.
    fn of_profile(&self, property: &str) -> Option<&str> {
        self.sections.get(property).map(str::trim).filter(|value| !value.is_empty())
    }
}

/// Without what may be secret.
impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws").field("profile", &self.profile).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
