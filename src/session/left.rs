//! What a run may leave in the bucket when its clean-up was refused, and the command that removes it.

use super::target::{Open, TargetOptions};
use crate::error::{Error, Result};
use crate::report::shell_word;
use crate::result::TargetKind;
use crate::store::s3::Credentials;

/// A clean-up that did not end well: says where something may be left, and how it is removed.
pub(super) fn told(
    cleaned: Result<()>,
    (options, open): (&TargetOptions, &Open),
    prefix: &str,
    run: &str,
) -> Result<()> {
    let Err(error) = cleaned else { return Ok(()) };
    if open.result.kind != TargetKind::Endpoint {
        // It ends with the run, and all that is in it.
        return Err(error);
    }
    let place = format!("s3://{}/{prefix}", open.result.bucket);
    let endpoint = &open.result.endpoint;
    let message = format!(
        "not all could be removed: objects or uploads of run {run} may be left below {place} at {endpoint}: {}",
        error.message()
    );
    let first = error.next_step().map_or(String::new(), |step| format!("{step}; then "));
    let command = command(options, open, run);
    Err(Error::environment(message).hint(format!("{first}remove them: {command}")))
}

/// `clean` of this run, reached as the run was.
fn command(options: &TargetOptions, open: &Open, run: &str) -> String {
    let target = format!("s3://{}/{}", open.result.bucket, open.prefix);
    let mut words = ["tidegate", "clean"].map(str::to_owned).to_vec();
    words.extend([target, "--run".into(), run.to_owned()]);
    words.extend(["--endpoint".into(), open.result.endpoint.clone()]);
    words.extend(["--region".into(), options.region.clone()]);
    if let Credentials::Configured(aws) = &options.credentials {
        words.extend(
            aws.named().into_iter().flat_map(|name| ["--profile", name]).map(str::to_owned),
        );
    }
    let bundle = options.ca_bundle.iter();
    words.extend(bundle.flat_map(|file| ["--ca-bundle".into(), file.display().to_string()]));
    words.extend(options.insecure.then(|| "--insecure".to_owned()));
    if let Credentials::Anonymous = options.credentials {
        words.push("--no-sign-request".into());
    }
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}
