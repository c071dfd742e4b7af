//! `credential_process`: a program of the user's that prints a key
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>).

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Key;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::checked;
use crate::clock;
use crate::error::{Error, Result};
use crate::words;

/// Longest time for a key. ASSUMPTION: who is asked for a code types it within a minute.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Longest answer. A key with its token takes some kilobytes.
const ANSWER_MAX_BYTES: u64 = 64 << 10;

/// What the program prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// Runs the program of the profile `name`. Neither the command nor what it says is repeated: both may hold secrets.
pub(super) async fn key(command: &str, name: &str) -> Result<Key> {
    let answer = match run(command, clock::sleep(TIME_MAX)).await {
        Ok(answer) => answer,
        Err(why) => {
            return Err(Error::environment(format!(
                "the credential_process of the profile `{name}` {why}"
            ))
            .hint("run its command in a shell to see what it says"));
        }
    };
    read(&answer, name)
}

/// What a command prints; it and all that it started are ended when it takes too long, or nobody waits any more.
async fn run(command: &str, too_long: impl Future<Output = ()>) -> Result<Vec<u8>, String> {
    let child = Command::new("sh")
        .args(["-c", command])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut running = Running(child.map_err(|error| format!("does not start: {error}"))?);
    tokio::select! {
        biased;
        answer = answer_of(&mut running.0) => answer,
        () = too_long => {
            Err(format!("gave no key within {}", words::as_set(TIME_MAX)))
        }
    }
}

/// A process that nobody may wait for: when it is given up, also by the user, it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended has no id.
        if let Some(id) = self.0.id().and_then(|id| id.try_into().ok()) {
            end_with_its_children(id);
        }
    }
}

async fn answer_of(child: &mut Child) -> Result<Vec<u8>, String> {
    let mut answer = Vec::new();
    if let Some(out) = child.stdout.take() {
        let read = out.take(ANSWER_MAX_BYTES).read_to_end(&mut answer).await;
        read.map_err(|error| format!("cannot be read: {error}"))?;
    }
    let status = child.wait().await.map_err(|error| format!("cannot be waited for: {error}"))?;
    if status.success() { Ok(answer) } else { Err(format!("failed: {status}")) }
}

/// Each is stopped before its children are listed, so that none is born meanwhile. They keep the terminal's process
/// group, from which they may ask the user; systems other than Linux do not list children: there it ends alone.
fn end_with_its_children(id: i32) {
    let (mut all, mut next) = (vec![id], 0);
    while let Some(parent) = all.get(next).copied() {
        signal(parent, Signal::STOP);
        let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten();
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children"));
            let children = children.unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
        next += 1;
    }
    all.into_iter().for_each(|process| signal(process, Signal::KILL));
}

/// One that has ended meanwhile needs none.
fn signal(process: i32, signal: Signal) {
    if let Some(process) = Pid::from_raw(process) {
        let _ = kill_process(process, signal);
    }
}

fn read(answer: &[u8], name: &str) -> Result<Key> {
    let wrong = |what: &str| {
        Error::environment(format!("the credential_process of the profile `{name}` {what}"))
            .hint("it has to print JSON of Version 1 with AccessKeyId and SecretAccessKey")
    };
    let answer: Answer =
        serde_json::from_slice(answer).map_err(|_| wrong("does not print a key"))?;
    if answer.version != 1 {
        return Err(wrong("prints another version than 1"));
    }
    let end = |text: String| {
        clock::read_rfc3339(&text).ok_or_else(|| wrong("prints an Expiration that is no date"))
    };
    let ends = answer.expiration.map(end).transpose()?;
    if ends.is_some_and(|ends| ends <= SystemTime::now()) {
        return Err(wrong("prints a key whose time is over"));
    }
    let pair = [answer.access_key_id.as_str(), answer.secret_access_key.as_str()];
    let source = format!("the credential_process of `{name}`");
    checked(pair, answer.session_token.as_deref(), ends, &source)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn run_to_its_end(command: &str) -> Result<Vec<u8>, String> {
        run(command, clock::sleep(HOUR)).await
    }

    #[tokio::test]
    async fn the_key_that_a_program_prints_is_taken() {
        let json = r#"{"Version":1,"AccessKeyId":"ID","SecretAccessKey":"s","SessionToken":"t","Expiration":"2999-01-01T00:00:00Z"}"#;
        let key = key(&format!("printf '%s' '{json}'"), "lab").await.unwrap();
        assert_eq!((key.access_key_id(), key.session_token()), ("ID", Some("t")));
        assert!(key.expiry().is_some());
    }

    #[tokio::test]
    async fn what_a_program_says_or_is_given_is_not_repeated() {
        for command in [
            "echo 5ecret",
            "echo 5ecret >&2; exit 3",
            r#"echo '{"Version":"5ecret"}'"#,
            r#"echo '{"Version":1,"AccessKeyId":"5ecret","SecretAccessKey":"5ecret 5ecret"}'"#,
            r#"echo '{"Version":1,"AccessKeyId":"5ecret","SecretAccessKey":"5ecret","Expiration":"5ecret"}'"#,
            r#"echo '{"Version":1,"AccessKeyId":"5ecret","SecretAccessKey":"5ecret","Expiration":"1999-01-01T00:00:00Z"}'"#,
        ] {
            let error = key(command, "lab").await.unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let said = error.to_string();
            assert!(said.contains("`lab`") && said.contains("hint: "), "{said}");
            assert!(!said.contains("5ecret"), "{said}");
        }
    }

    #[tokio::test]
    async fn a_long_answer_is_read_up_to_its_bound() {
        let answer = run_to_its_end("head -c 200000 /dev/zero || true").await.unwrap();
        assert_eq!(answer.len() as u64, ANSWER_MAX_BYTES);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_its_children() {
        let (why, child) = hang(Way::TooLong).await;
        assert!(why.unwrap().contains("within 1m"));
        ended(&child).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_that_nobody_waits_for_is_ended_with_its_children() {
        let (why, child) = hang(Way::GivenUp).await;
        assert_eq!(why, None);
        ended(&child).await;
    }

    /// How a program that hangs comes to its end.
    #[cfg(target_os = "linux")]
    enum Way {
        TooLong,
        GivenUp,
    }

    /// Runs a program whose child hangs, and ends it as soon as that runs. What is said of it, and the child's process.
    #[cfg(target_os = "linux")]
    async fn hang(way: Way) -> (Option<String>, String) {
        let directory = tempfile::tempdir().unwrap();
        let started = directory.path().join("child");
        let command = format!(
            "sh -c 'sleep 100000 & echo $! > {0}.tmp; mv {0}.tmp {0}; wait' & wait",
            started.display()
        );
        let is_started = async || {
            while !started.exists() {
                clock::sleep(Duration::from_millis(5)).await;
            }
        };
        let why = match way {
            Way::TooLong => Some(run(&command, is_started()).await.unwrap_err()),
            Way::GivenUp => tokio::select! {
                _ = run(&command, clock::sleep(HOUR)) => panic!("it hangs"),
                () = is_started() => None,
            },
        };
        (why, std::fs::read_to_string(&started).unwrap())
    }

    #[cfg(target_os = "linux")]
    async fn ended(process: &str) {
        let stat = format!("/proc/{}/stat", process.trim());
        let is_alive = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        while is_alive() {
            clock::sleep(Duration::from_millis(5)).await;
        }
    }
}
