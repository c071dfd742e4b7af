//! The shared files, as the AWS CLI reads them: Python's configparser, and properties below properties.
//!
//! The SDK's parser wants properties at the margin and no comments below a property, and gives up all profiles for
//! one such line. So each line is written as it wants it, or refused by its number. Sources:
//! <https://docs.python.org/3/library/configparser.html#supported-ini-file-structure>, botocore's `configloader.py`.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_runtime::env_config::section::EnvConfigSections;
use aws_runtime::env_config::source;
use aws_types::os_shim_internal::{Env, Fs};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::variables::Variables;
use crate::error::{Error, Result};
use crate::outside::{self, SETTINGS_MAX};

/// The SDK knows no other names; a profile may have spaces in its own.
const NOT_OF_A_NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'-')
    .remove(b'/')
    .remove(b'.')
    .remove(b'@')
    .remove(b':')
    .remove(b'+');

/// A line that begins so says nothing.
const COMMENT: [char; 2] = ['#', ';'];

/// Where the files are; `None` without a directory of the user.
pub(super) struct Files {
    config: Option<PathBuf>,
    credentials: Option<PathBuf>,
}

impl Files {
    /// Where the variables say, else below the user's directory.
    pub(super) fn of(variables: &Variables) -> Self {
        let below_home = |name| variables.home().map(|home| home.join(".aws").join(name));
        Self {
            config: variables.path("AWS_CONFIG_FILE").or_else(|| below_home("config")),
            credentials: variables
                .path("AWS_SHARED_CREDENTIALS_FILE")
                .or_else(|| below_home("credentials")),
        }
    }

    /// What they hold, with this profile as the one that counts. A file that is not there holds nothing.
    pub(super) fn sections(&self, profile: &str) -> Result<EnvConfigSections> {
        use EnvConfigFileKind::{Config, Credentials};
        let config = read(self.config.as_deref(), Config)?;
        let contents = EnvConfigFiles::builder()
            .with_contents(Config, config.clone())
            .with_contents(Credentials, read(self.credentials.as_deref(), Credentials)?)
            .build();
        let unread = |why: String| Error::environment(format!("{self} cannot be read: {why}"));
        // What is in memory is not waited for.
        let (no_variables, no_files) = (Env::from_slice(&[]), Fs::from_slice(&[]));
        let loading = source::load(&no_variables, &no_files, &contents);
        let mut source =
            futures::executor::block_on(loading).map_err(|error| unread(error.to_string()))?;
        source.profile = encoded(profile).into();
        let sections =
            EnvConfigSections::parse(source).map_err(|error| unread(error.to_string()))?;
        match missing_services(&sections, &config) {
            Some(missing) => Err(Error::environment(format!(
                "the profile `{profile}` names its services, and there is no section {missing}"
            ))
            .hint(format!("add the section to the first of {self}"))),
            None => Ok(sections),
        }
    }
}

/// The header of the services section that the profile names and the file does not have: the endpoint would be another
/// than the one that is meant.
fn missing_services(sections: &EnvConfigSections, config: &str) -> Option<String> {
    let name = sections.get("services").filter(|name| !name.is_empty())?;
    let header = format!("[services {name}]");
    (!config.lines().any(|line| line == header)).then_some(header)
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = [&self.config, &self.credentials]
            .map(|file| file.as_deref().unwrap_or(Path::new("~/.aws")).display().to_string());
        f.write_str(&shown.join(" and "))
    }
}

fn read(file: Option<&Path>, kind: EnvConfigFileKind) -> Result<String> {
    let Some(file) = file else { return Ok(String::new()) };
    let unusable = |why: String| {
        Error::environment(format!("the AWS file {} cannot be read: {why}", file.display())).hint(
            "correct it, or name another with AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE; /dev/null stands for none",
        )
    };
    // Not only regular files: a shell may hand over a key in a pipe.
    let bytes = match File::open(file).and_then(|file| outside::read(file, SETTINGS_MAX)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        read => read.map_err(|error| unusable(error.to_string()))?,
    };
    let text = String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8 text".into()))?;
    as_the_sdk_wants(&text, kind)
        .map_err(|Wrong { line, why }| unusable(format!("line {line} {why}")))
}

/// A line that nobody can read. What it says is not repeated: it may be a secret.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    line: usize,
    why: &'static str,
}

/// The property that an indented line goes on with.
struct Property {
    indentation: usize,
    /// What is below it are properties, too.
    is_empty: bool,
}

/// Line for line the same.
fn as_the_sdk_wants(text: &str, kind: EnvConfigFileKind) -> Result<String, Wrong> {
    let (mut written, mut is_in_section) = (String::new(), false);
    let mut property: Option<Property> = None;
    for (line, content) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let wrong = |why| Wrong { line, why };
        let indentation = content.len() - content.trim_start().len();
        let content = content.trim();
        if content.is_empty() || content.starts_with(COMMENT) {
            // A line of its own all the same.
        } else if let Some(of) = property.as_ref().filter(|of| indentation > of.indentation) {
            let below = if of.is_empty { below_a_property(content) } else { Some(content.into()) };
            written += "  ";
            written += &below.ok_or(wrong("is below a property and is no `name = value`"))?;
        } else if let Some(header) = content.strip_prefix('[') {
            let (name, _) = header.split_once(']').ok_or(wrong("has a `[` without its `]`"))?;
            written += &section(name.trim(), kind);
            (is_in_section, property) = (true, None);
        } else if !is_in_section {
            return Err(wrong("comes before the first [section]"));
        } else {
            let (name, value) = content
                .split_once(['=', ':'])
                .filter(|(name, _)| !name.is_empty())
                .ok_or(wrong("is neither a [section] nor `name = value`"))?;
            let value = value.trim();
            let is_empty = value.is_empty() || value.starts_with(COMMENT);
            property = Some(Property { indentation, is_empty });
            written += &match name.trim() {
                "services" => format!("services = {}", encoded(value)),
                name => format!("{} = {value}", encoded(name)),
            };
        }
        written.push('\n');
    }
    Ok(written)
}

/// A property of a property.
fn below_a_property(content: &str) -> Option<String> {
    let (name, value) = content.split_once('=')?;
    let name = name.trim();
    (!name.is_empty()).then(|| format!("{} = {}", encoded(name), value.trim()))
}

/// `[profile "my lab"]` has the name `my lab`; sections of a credentials file are names as a whole.
fn section(header: &str, kind: EnvConfigFileKind) -> String {
    let words = header.split_once([' ', '\t']);
    match (kind, words) {
        (EnvConfigFileKind::Config, Some((prefix, name))) => {
            let name = name.trim();
            let quoted = ['"', '\''].into_iter().find_map(|quote| {
                name.strip_prefix(quote).and_then(|name| name.strip_suffix(quote))
            });
            format!("[{} {}]", encoded(prefix), encoded(quoted.unwrap_or(name)))
        }
        _ => format!("[{}]", encoded(header)),
    }
}

/// A name that the SDK knows as one.
fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NOT_OF_A_NAME).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wanted(text: &str) -> Result<String, Wrong> {
        as_the_sdk_wants(text, EnvConfigFileKind::Config)
    }

    #[test]
    fn a_line_stays_at_its_number_and_is_written_for_the_sdk() {
        let text = "\u{feff}# mine\n[profile \"my lab\"] # of 2026\n    region = eu1\n\n    s3 =\n\
                    \t\t\t\t\t# fast\n        max_queue_size = 9\n    output: json\n[default]\nservices = a b\n";
        let expected = "\n[profile my%20lab]\nregion = eu1\n\ns3 = \n\n  max_queue_size = 9\noutput = json\n\
                        [default]\nservices = a%20b\n";
        assert_eq!(wanted(text).unwrap(), expected);
    }

    #[test]
    fn a_line_that_nobody_can_read_is_named_by_its_number() {
        for (text, line) in [
            ("region = eu1\n", 1),
            ("[default]\nwhat is this\n", 2),
            ("[default\n", 1),
            ("[default]\n= x\n", 2),
            ("[default]\n\ns3 =\n  # a comment\n  no property\n", 5),
        ] {
            assert_eq!(wanted(text).unwrap_err().line, line, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_not_refused_here_is_read_by_the_sdk(
            lines in prop::collection::vec("[ \t]{0,3}[\\[\\]=:#; a-c\u{e9}\"']{0,8}", 0..12),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let config = directory.path().join("config");
            std::fs::write(&config, lines.join("\n")).unwrap();
            let files = Files { config: Some(config), credentials: None };
            if let Err(error) = files.sections("default") {
                prop_assert!(error.to_string().contains("cannot be read: line "), "{}", error);
            }
        }
    }
}
