//! A key, a password or a signature in a URL is refused before any message repeats it, and before it is saved as part
//! of a command.

use std::ffi::OsString;

use tidegate::error::{Error, Result};

/// Looks through the whole command line: a secret may stand where no URL belongs.
pub(super) fn refuse_secrets(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    match arguments.any(|argument| holds_a_secret(&argument.to_string_lossy())) {
        false => Ok(()),
        true => Err(Error::environment(
            "a URL on the command line contains a key, a password or a signature",
        )
        .hint(
            "keys come from the environment or from --profile; a target is written s3://bucket/prefix",
        )),
    }
}

fn holds_a_secret(argument: &str) -> bool {
    argument.match_indices("://").any(|(at, _)| {
        let (before, rest) = (&argument[..at], &argument[at + 3..]);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // A password may have a slash in it: what is before that is no port then.
        let is_no_port = |port: &str| {
            before.ends_with("s3")
                || !port.ends_with(']') && !port.bytes().all(|byte| byte.is_ascii_digit())
        };
        authority.contains('@')
            || authority.rsplit_once(':').is_some_and(|(_, port)| is_no_port(port))
            || rest.contains("X-Amz-")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_url_is_refused_wherever_it_stands_and_not_repeated() {
        for argument in [
            "s3://KEY:5ecret@bucket/p",
            "s3://KEY:5ec/ret@bucket",
            "https://user:5ecret@host",
            "--no-such-option=https://user:5ec/ret@host/path",
            "https://user@host",
            "https://host/key?X-Amz-Signature=5ecret",
        ] {
            let arguments = ["tidegate", argument, "run"].map(OsString::from);
            let error = refuse_secrets(arguments.into_iter()).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(!error.to_string().contains("5ec"), "{error}");
        }
    }

    #[test]
    fn what_holds_no_secret_passes() {
        for argument in [
            "s3://bucket/who@where/12:30",
            "https://gateway.storjshare.io:7777",
            "http://[::1]",
            "http://[::1]:9000/",
            "--endpoint=http://127.0.0.1:1",
            "user@host:file",
            "/data/a:b@c",
        ] {
            assert!(!holds_a_secret(argument), "{argument}");
        }
    }
}
