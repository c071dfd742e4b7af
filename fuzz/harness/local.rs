//! Files of this machine that others may have written.

use std::fs;

use super::{halves, text};
use crate::session::{JOURNAL, open_uploads};
use crate::store::s3::Aws;

/// AWS's config file and, behind a line of three dashes, its credentials file. Only what they say is read: a program
/// that they name is not run.
pub fn aws_files(input: &[u8]) {
    let directory = tempfile::tempdir().expect("there is room for a few files");
    let (config, credentials) = halves(input, b"\n---\n");
    let file = |name, bytes| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).expect("it can be written");
        path.into_os_string()
    };
    let (config, credentials) = (file("config", config), file("credentials", credentials));
    let variable = |name: &str| match name {
        "AWS_CONFIG_FILE" => Some(config.clone()),
        "AWS_SHARED_CREDENTIALS_FILE" => Some(credentials.clone()),
        _ => None,
    };
    for profile in [None, Some("lab")] {
        let Ok(aws) = Aws::of(variable, profile) else { continue };
        let _ = (aws.endpoint(), aws.ca_bundle());
        assert!(aws.region().is_none_or(|region| !region.trim().is_empty()));
    }
}

/// The journal of a run: a line begins one upload at most.
pub fn journal(input: &[u8]) {
    let directory = tempfile::tempdir().expect("there is room for a few files");
    fs::write(directory.path().join(JOURNAL), input).expect("it can be written");
    let Ok(open) = open_uploads(directory.path()) else { return };
    assert!(open.len() <= text(input).lines().count(), "{open:?}");
}
