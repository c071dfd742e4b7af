//! A secret is planted in each place where a user may leave one by mistake, nothing listens that it could reach, and no
//! verb tells it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::secrets::{CANARY, assert_no_canary, assert_no_canary_below};
use crate::support::servers::text;
use crate::support::tidegate::{Finished, Tidegate};

/// Where nobody listens.
const DEAD: &str = "http://127.0.0.1:1";

/// All verbs with what they ask for, and whether that is of an endpoint.
const VERBS: [(&str, bool, &[&str]); 11] = [
    ("run", true, &["--size", "1MB", "--files", "1"]),
    ("tune", true, &["--yes"]),
    ("plan", true, &["--budget", "1s"]),
    ("check", true, &[]),
    ("clean", true, &[]),
    ("observe", true, &["--for", "100ms"]),
    ("serve", false, &["--until-stdin-closes", "--listen", "127.0.0.1:0"]),
    ("report", false, &["absent"]),
    ("compare", false, &["absent", "absent"]),
    ("completions", false, &["bash"]),
    ("man", false, &["run"]),
];

/// A mistake.
struct Planted {
    what: &'static str,
    variables: Vec<(&'static str, String)>,
    /// Of the verbs that reach an endpoint.
    target: String,
    options: Vec<String>,
    /// Of `serve`.
    upstream: Option<String>,
    /// What the profile wants to be run for its key.
    process: Option<String>,
}

impl Planted {
    fn new(what: &'static str) -> Self {
        let (variables, options) = (vec![("AWS_ENDPOINT_URL", DEAD.to_owned())], Vec::new());
        let target = "s3://bucket/p".into();
        Self { what, variables, target, options, upstream: None, process: None }
    }

    fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// The whole of a verb's arguments; the target of `plan` is an option.
    fn arguments(&self, verb: &str, is_of_an_endpoint: bool, own: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        match (verb, is_of_an_endpoint) {
            ("plan", _) => all.extend(["--measure".into(), self.target.clone()]),
            (_, true) => all.push(self.target.clone()),
            (_, false) => {}
        }
        all.extend(own.iter().map(|argument| (*argument).to_owned()));
        if is_of_an_endpoint {
            all.extend(self.options.iter().cloned());
        }
        if let Some(upstream) = self.upstream.as_ref().filter(|_| verb == "serve") {
            all.extend(["--upstream".into(), upstream.clone()]);
        }
        all
    }

    fn assert_untold(&self, verb: &str, is_of_an_endpoint: bool, own: &[&str]) {
        let shell = WatchedShell::new();
        let mut tidegate = Tidegate::embedded()
            .with_secret(&format!("{CANARY}-secret"))
            .with_variable("PATH", &shell.path());
        for (name, value) in &self.variables {
            tidegate = tidegate.with_variable(name, value);
        }
        let arguments = self.arguments(verb, is_of_an_endpoint, own);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let has_results = matches!(verb, "run" | "tune" | "plan");
        let Finished { code, stdout, stderr } = match has_results {
            true => tidegate.run(verb, &arguments),
            false => tidegate.run_plain(verb, &arguments),
        };
        let what = format!("{verb} with {}", self.what);
        assert!(matches!(code, 0..=2), "{what} ended with {code}: {stderr}");
        assert_no_canary(&what, stdout.as_bytes());
        assert_no_canary(&what, stderr.as_bytes());
        tidegate.runs().iter().for_each(|run| assert_no_canary_below(run));
        let process = self.process.iter().filter(|_| is_of_an_endpoint);
        let by_the_user: Vec<String> = process.map(|process| format!("-c {process}")).collect();
        assert_eq!(shell.started(), by_the_user, "the processes of {what}");
    }
}

/// Writes down with what it is started, for this is what the process list shows. No verb of an endpoint starts
/// another program than this one; `no_process_shows_a_secret_in_its_command_line` looks at the embedded gateway.
struct WatchedShell(tempfile::TempDir);

impl WatchedShell {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\nexec /bin/sh \"$@\"\n",
            text(&directory.path().join("started"))
        );
        let shell = file(directory.path(), "sh", script.as_bytes());
        fs::set_permissions(shell, fs::Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    fn path(&self) -> String {
        format!("{}:{}", text(self.0.path()), std::env::var("PATH").unwrap())
    }

    fn started(&self) -> Vec<String> {
        let started = fs::read_to_string(self.0.path().join("started")).unwrap_or_default();
        started.lines().map(str::to_owned).collect()
    }
}

/// A file of AWS that holds the secret.
fn file(directory: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// In variables.
fn in_variables() -> Vec<Planted> {
    let secret = |rest: &str| format!("{CANARY}{rest}");
    vec![
        Planted::new("a key that no server knows"),
        Planted::new("a line end in the access key").variable("AWS_ACCESS_KEY_ID", secret("\n1")),
        Planted::new("a line end in the secret").variable("AWS_SECRET_ACCESS_KEY", secret("\r1")),
        Planted::new("an escape in the token").variable("AWS_SESSION_TOKEN", secret("\u{1b}[m")),
        Planted::new("a secret that is not ASCII")
            .variable("AWS_SECRET_ACCESS_KEY", secret("\u{e9}")),
        Planted::new("a line end after the secret").variable("AWS_SECRET_ACCESS_KEY", secret("\n")),
        Planted::new("empty variables")
            .variable("AWS_PROFILE", "")
            .variable("AWS_CA_BUNDLE", "")
            .variable("AWS_ENDPOINT_URL_S3", ""),
        Planted::new("a password in an endpoint's variable")
            .variable("AWS_ENDPOINT_URL_S3", format!("https://user:{CANARY}@127.0.0.1:1")),
        Planted::new("a signature in an endpoint's variable")
            .variable("AWS_ENDPOINT_URL_S3", format!("https://h/?X-Amz-Signature={CANARY}")),
        Planted::new("a secret where the access key belongs and none where it belongs")
            .variable("AWS_ACCESS_KEY_ID", CANARY)
            .variable("AWS_SECRET_ACCESS_KEY", ""),
    ]
}

/// In the shared files, whose profile alone counts.
fn in_files(directory: &Path) -> Vec<Planted> {
    let of_profile = |what: &'static str, number: usize, config: &str| {
        let config = file(directory, &format!("config-{number}"), config.as_bytes());
        Planted::new(what)
            .variable("AWS_CONFIG_FILE", text(&config))
            .variable("AWS_ACCESS_KEY_ID", "")
            .variable("AWS_ENDPOINT_URL", "")
    };
    let credentials = file(directory, "credentials", format!("{CANARY}\u{e9}").as_bytes());
    let utf16 = [&b"\xff\xfe"[..], CANARY.as_bytes(), b"\xff"].concat();
    let utf16 = file(directory, "utf16", &utf16);
    let dead = format!("[default]\nendpoint_url = {DEAD}\n");
    let cases = [
        (
            "a key over two lines",
            format!("{dead}aws_access_key_id = A\naws_secret_access_key = {CANARY}\n  {CANARY}\n"),
        ),
        (
            "a password in a profile's endpoint",
            format!("[default]\nendpoint_url = https://u:{CANARY}@h\n"),
        ),
        (
            "a password in an endpoint of services",
            format!(
                "[default]\nservices = s\n[services s]\ns3 =\n  endpoint_url = https://u:{CANARY}@h\n"
            ),
        ),
        ("half a profile", format!("{dead}aws_secret_access_key = {CANARY}\n")),
        ("a sign-in", format!("{dead}sso_session = {CANARY}\nsso_start_url = https://{CANARY}\n")),
        ("a role", format!("{dead}role_arn = {CANARY}\nsource_profile = {CANARY}\n")),
        ("a console session", format!("{dead}login_session = {CANARY}\n")),
        ("a line that is none", format!("{dead}{CANARY}\n")),
        (
            "a region that is none",
            format!(
                "{dead}region = {CANARY} x\naws_access_key_id = A\naws_secret_access_key = {CANARY}\n"
            ),
        ),
    ];
    let mut all: Vec<Planted> = Vec::new();
    for (number, (what, config)) in cases.iter().enumerate() {
        all.push(of_profile(what, number, config));
    }
    let processes = [
        (
            "a process that says its key and fails",
            format!("echo {CANARY}; echo {CANARY} >&2; exit 3"),
        ),
        ("a process that prints no key", format!("echo '{{\"Version\":\"{CANARY}\"}}'")),
    ];
    for (number, (what, process)) in (cases.len()..).zip(processes) {
        let config = format!("{dead}credential_process = {process}\n");
        all.push(Planted { process: Some(process), ..of_profile(what, number, &config) });
    }
    all.push(
        Planted::new("a credentials file without sections")
            .variable("AWS_SHARED_CREDENTIALS_FILE", text(&credentials)),
    );
    all.push(
        Planted::new("a credentials file of another encoding")
            .variable("AWS_SHARED_CREDENTIALS_FILE", text(&utf16)),
    );
    all
}

/// On the command line: the target, the endpoint, the server behind.
fn in_urls() -> Vec<Planted> {
    let target = |url: String| Planted { target: url, ..Planted::new("a secret in the target") };
    let option = |option: &str, url: String| Planted {
        options: vec![option.to_owned(), url],
        ..Planted::new("a password in an option")
    };
    vec![
        target(format!("s3://KEY:{CANARY}@bucket/p")),
        target(format!("s3://KEY:{CANARY}/x@bucket/p")),
        target(format!("https://user:{CANARY}@127.0.0.1/bucket")),
        target(format!("https://127.0.0.1/bucket/key?X-Amz-Signature={CANARY}")),
        option("--endpoint", format!("https://user:{CANARY}@127.0.0.1:1")),
        option("--endpoint", format!("user:{CANARY}@127.0.0.1:1")),
        Planted {
            options: vec![format!("--no-such-option=https://user:{CANARY}@127.0.0.1:1")],
            ..Planted::new("a password in an option that does not exist")
        },
        Planted {
            upstream: Some(format!("user:{CANARY}@127.0.0.1:1")),
            ..Planted::new("a password in an upstream without a scheme")
        },
        Planted {
            upstream: Some(format!("http://user:{CANARY}@127.0.0.1:1")),
            ..Planted::new("a password in an upstream")
        },
    ]
}

#[test]
fn the_shell_of_these_tests_writes_down_what_the_process_list_shows() {
    let shell = WatchedShell::new();
    let started = Command::new(shell.0.path().join("sh")).args(["-c", "exit 3"]).status();
    assert_eq!(started.unwrap().code(), Some(3));
    assert_eq!(shell.started(), ["-c exit 3"]);
}

#[test]
fn no_verb_tells_a_secret_that_is_where_it_does_not_belong() {
    let directory = tempfile::tempdir().unwrap();
    let planted = in_variables().into_iter().chain(in_files(directory.path())).chain(in_urls());
    for planted in planted {
        for (verb, is_of_an_endpoint, own) in VERBS {
            planted.assert_untold(verb, is_of_an_endpoint, own);
        }
    }
}

#[test]
fn no_help_shows_what_a_variable_holds() {
    let names = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_CA_BUNDLE"];
    let keys =
        ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "TIDEGATE_ACCESS_KEY", "TIDEGATE_SECRET_KEY"];
    let mut tidegate = Tidegate::embedded().with_secret(CANARY);
    for name in names.into_iter().chain(keys) {
        tidegate = tidegate.with_variable(name, CANARY);
    }
    for (verb, ..) in VERBS {
        let help = tidegate.run_plain(verb, &["--help"]);
        assert_eq!(help.code, 0, "{}", help.stderr);
        assert_no_canary(verb, help.stdout.as_bytes());
    }
}

#[test]
fn a_url_with_a_key_where_a_verb_belongs_is_not_repeated() {
    let refused = Tidegate::embedded().run_plain(&format!("s3://KEY:{CANARY}@bucket"), &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{}", refused.stderr);
    assert_no_canary("a verb", refused.stderr.as_bytes());
}

#[test]
fn objects_that_are_named_with_a_key_are_refused_without_repeating_it() {
    let objects = format!("KEY:{CANARY}@bucket/p/");
    let options = ["--direction", "down", "--objects", &objects];
    let Finished { code, stdout, stderr } = Tidegate::embedded().run("tune", &options);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("--objects: ") && stderr.contains("--profile"), "{stderr}");
    assert_no_canary("tune --objects", stderr.as_bytes());
}
