//! A command that runs beside the gateway: `tidegate serve -- COMMAND`.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use tokio::process::{Child, Command};

use tidegate::error::{Error, Result};
use tidegate::gateway::{Gateway, Keys};

/// What an open gateway's clients sign with: SDKs insist on keys, and it accepts any.
const ANY_KEYS: [&str; 2] = ["any-access-key", "any-secret-key"];
/// What a shell adds to the number of the signal that ended a command.
const BY_SIGNAL: i32 = 128;

/// Starts the command. The AWS SDKs and the AWS CLI find the gateway, its keys and the authority of its certificate in
/// its environment.
///
/// # Errors
/// If it cannot be started.
pub fn start(
    command: &[OsString],
    gateway: &Gateway,
    keys: Option<&Keys>,
    authority: Option<&Path>,
) -> Result<Child> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::environment("no command is named behind --"));
    };
    let [access_key, secret_key] =
        keys.map_or(ANY_KEYS, |keys| [&keys.access_key, &keys.secret_key]);
    Command::new(program)
        .args(arguments)
        .env("AWS_ENDPOINT_URL", endpoint(gateway))
        .env("AWS_ACCESS_KEY_ID", access_key)
        .env("AWS_SECRET_ACCESS_KEY", secret_key)
        .env("AWS_REGION", "us-east-1")
        .envs(authority.map(|file| ("AWS_CA_BUNDLE", file)))
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            let program = program.to_string_lossy();
            Error::environment(format!("cannot start {program}: {error}"))
                .hint("name a program and its arguments behind --")
        })
}

/// Where this machine reaches the gateway.
fn endpoint(gateway: &Gateway) -> String {
    let address = gateway.address();
    let here = match address.ip() {
        ip if !ip.is_unspecified() => return gateway.url(),
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    gateway.url().replace(&address.ip().to_string(), &here.to_string())
}

/// The exit code that says how the command ended, as a shell would.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal)).unwrap_or(1)
}
