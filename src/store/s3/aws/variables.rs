//! The environment variables of AWS. They are read here and nowhere else.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use aws_types::os_shim_internal::Env;

use crate::error::{Error, Result};

/// All that count.
const NAMES: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CA_BUNDLE",
    "HOME",
];

/// Their values without spaces and line ends around them, which secrets from files bring along. One that is empty is
/// as if not set (boto/botocore#3110).
#[derive(Clone)]
pub(super) struct Variables(HashMap<String, String>);

impl Variables {
    /// Reads them all.
    ///
    /// # Errors
    /// If one cannot be used. It is named, its value is not: it may be a secret.
    pub(super) fn read(value_of: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let mut all = HashMap::new();
        for name in NAMES {
            let Some(value) = value_of(name) else { continue };
            let text = value.to_str().ok_or_else(|| unusable(name, "is not UTF-8 text"))?.trim();
            if text.chars().any(char::is_control) {
                return Err(unusable(name, "holds a line end or another control character"));
            }
            if !text.is_empty() {
                all.insert(name.to_owned(), text.to_owned());
            }
        }
        Ok(Self(all))
    }

    /// The first that is set.
    pub(super) fn first<const N: usize>(&self, names: [&str; N]) -> Option<&str> {
        names.iter().find_map(|name| self.0.get(*name)).map(String::as_str)
    }

    /// A path, of which `~` is the user's directory.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        let text = self.first([name])?;
        Some(match text.strip_prefix("~/").zip(self.home()) {
            Some((rest, home)) => home.join(rest),
            None => PathBuf::from(text),
        })
    }

    /// The user's directory.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.first(["HOME"]).map(PathBuf::from)
    }

    /// As the SDK takes them.
    pub(super) fn env(&self) -> Env {
        Env::from(self.0.clone())
    }
}

fn unusable(name: &str, why: &str) -> Error {
    Error::environment(format!("the environment variable {name} {why}"))
        .hint(format!("set {name} anew, or unset it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStringExt;

    fn read(name: &str, value: &str) -> Result<Variables> {
        Variables::read(|one| (one == name).then(|| value.into()))
    }

    proptest! {
        #[test]
        fn what_is_around_a_value_is_not_of_it(
            before in "[ \t\r\n]{0,3}", value in "[!-~]{0,9}", after in "[ \t\r\n]{0,3}",
        ) {
            for name in NAMES {
                let read = read(name, &format!("{before}{value}{after}")).unwrap();
                let expected = Some(value.as_str()).filter(|value| !value.is_empty());
                prop_assert_eq!(read.first([name]), expected);
            }
        }

        #[test]
        fn a_control_character_within_a_value_is_refused_by_the_name_of_the_variable(
            control in "[\u{0}-\u{1f}\u{7f}-\u{9f}]",
        ) {
            for name in NAMES {
                let error = read(name, &format!("5ecret{control}5ecret")).err().unwrap();
                prop_assert_eq!(error.exit_code(), 2);
                let said = error.to_string();
                prop_assert!(said.contains(name) && !said.contains("5ecret"), "{}", said);
            }
        }
    }

    #[test]
    fn a_value_that_is_not_utf8_is_refused_by_the_name_of_the_variable() {
        let latin1 = || Some(OsString::from_vec(vec![b'k', 0xe9]));
        let error = Variables::read(|name| latin1().filter(|_| name == "AWS_PROFILE")).err();
        assert!(error.unwrap().to_string().contains("AWS_PROFILE is not UTF-8"));
    }
}
