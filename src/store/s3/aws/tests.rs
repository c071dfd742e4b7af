use std::path::Path;

use super::*;

/// Files in a directory of their own, and variables.
struct Case {
    directory: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

fn case(config: &str, credentials: &str) -> Case {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let variables = vec![
        ("AWS_CONFIG_FILE", write("config", config)),
        ("AWS_SHARED_CREDENTIALS_FILE", write("credentials", credentials)),
    ];
    Case { directory, variables }
}

impl Case {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn with_key(self) -> Self {
        self.with("AWS_ACCESS_KEY_ID", "ENVIRONMENT").with("AWS_SECRET_ACCESS_KEY", "s")
    }

    fn load(&self, profile: Option<&str>) -> Result<Aws> {
        let value = |name: &str| self.variables.iter().rev().find(|(one, _)| *one == name);
        Aws::of(|name| value(name).map(|(_, value)| value.into()), profile)
    }

    fn endpoint(&self) -> Option<(String, String)> {
        let found = self.load(None).unwrap().endpoint().unwrap();
        found.map(|Found { value, from }| (value, from))
    }

    /// The id of the key, or the error.
    async fn key(&self, profile: Option<&str>) -> Result<String, String> {
        let aws = self.load(profile).map_err(|error| error.to_string())?;
        let key = aws.key().await.map_err(|error| error.to_string())?;
        Ok(key.access_key_id().to_owned())
    }
}

const KEYS: &str = "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s\n\
                    [lab]\naws_access_key_id = LAB\naws_secret_access_key = s\n";

#[tokio::test]
async fn the_environment_comes_before_the_files() {
    assert_eq!(case("", KEYS).with_key().key(None).await.unwrap(), "ENVIRONMENT");
    assert_eq!(case("", KEYS).key(None).await.unwrap(), "DEFAULT");
    let lab = case("", KEYS).with("AWS_PROFILE", "lab");
    assert_eq!(lab.key(None).await.unwrap(), "LAB");
    let lab = case("", KEYS).with("AWS_PROFILE", " ").with("AWS_DEFAULT_PROFILE", "lab\n");
    assert_eq!(lab.key(None).await.unwrap(), "LAB");
}

#[tokio::test]
async fn a_named_profile_comes_before_the_environment() {
    assert_eq!(case("", KEYS).with_key().key(Some("lab")).await.unwrap(), "LAB");
}

#[tokio::test]
async fn without_a_key_the_error_says_what_to_set() {
    let said = case("", "").key(None).await.unwrap_err();
    assert!(said.starts_with("no credentials found"), "{said}");
    assert!(said.contains("AWS_ACCESS_KEY_ID") && said.contains("--no-sign-request"), "{said}");
    let gone = case("", KEYS).key(Some("gone")).await.unwrap_err();
    assert!(gone.contains("`gone`") && gone.contains("hint: "), "{gone}");
    let half = case("", KEYS).with("AWS_ACCESS_KEY_ID", "A").key(None).await.unwrap_err();
    assert!(half.contains("AWS_SECRET_ACCESS_KEY is not"), "{half}");
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_refused_and_not_repeated() {
    for secret in ["5ecret\n  5ecret", "5ecr\u{e9}t", "5ec ret", "5ecret\u{1}"] {
        let profile =
            format!("[default]\naws_access_key_id = A\naws_secret_access_key = {secret}\n");
        let said = case("", &profile).key(None).await.unwrap_err();
        assert!(said.contains("secret key of the profile `default`"), "{said}");
        assert!(!said.contains("5ec"), "{said}");
    }
}

#[test]
fn the_endpoint_is_found_in_the_order_of_the_aws_cli() {
    let config = "[default]\nendpoint_url = https://profile\nservices = storj\n\
                  [services storj]\ns3 =\n  endpoint_url = https://services\n";
    let only = "[default]\nendpoint_url = https://profile\n";
    let from = |value: &str, from: &str| Some((value.to_owned(), from.to_owned()));
    let all = case(config, "")
        .with("AWS_ENDPOINT_URL", "https://all")
        .with("AWS_ENDPOINT_URL_S3", "https://s3\n");
    assert_eq!(all.endpoint(), from("https://s3", "AWS_ENDPOINT_URL_S3"));
    let all = all.with("AWS_ENDPOINT_URL_S3", "");
    assert_eq!(all.endpoint(), from("https://all", "AWS_ENDPOINT_URL"));
    let services = case(config, "").endpoint();
    assert_eq!(services, from("https://services", "the services section of the profile `default`"));
    let profile = case(only, "").endpoint();
    assert_eq!(profile, from("https://profile", "endpoint_url of the profile `default`"));
    assert_eq!(case("", "").endpoint(), None);
    for case in [case(config, ""), case(only, "").with("AWS_ENDPOINT_URL", "https://all")] {
        let ignored = case.with("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE");
        assert_eq!(ignored.endpoint(), None);
    }
    let missing = case("[default]\nservices = lab\n", "").load(None).unwrap_err().to_string();
    assert!(missing.contains("no section [services lab]"), "{missing}");
    let unclear = case("", "").with("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "perhaps");
    assert!(unclear.load(None).unwrap().endpoint().is_err());
}

#[test]
fn region_and_certificates_are_found_in_the_order_of_the_aws_cli() {
    let config = "[profile lab]\nregion = eu1\nca_bundle = /profile.pem\n";
    let lab = || case(config, "").with("AWS_PROFILE", "lab");
    assert_eq!(lab().load(None).unwrap().region(), Some("eu1"));
    let default = lab().with("AWS_DEFAULT_REGION", "us1");
    assert_eq!(default.load(None).unwrap().region(), Some("us1"));
    let both = default.with("AWS_REGION", "ap1").with("AWS_CA_BUNDLE", "");
    let both = both.load(None).unwrap();
    assert_eq!(both.region(), Some("ap1"));
    assert_eq!(both.ca_bundle().as_deref(), Some(Path::new("/profile.pem")));
    assert_eq!(case(config, "").load(None).unwrap().region(), None);
}

#[tokio::test]
async fn files_are_read_as_the_aws_cli_reads_them() {
    let config = "\u{feff}[default]\n  region = eu1\n  s3 =\n    # in parts\n    multipart_chunksize = 64MB\n  \
                  aws_access_key_id = INDENTED\n  aws_secret_access_key = s\n\
                  [profile \"my lab\"]\naws_access_key_id: SPACED\naws_secret_access_key: s\n";
    let files = case(config, "");
    assert_eq!(files.key(None).await.unwrap(), "INDENTED");
    assert_eq!(files.load(None).unwrap().region(), Some("eu1"));
    assert_eq!(files.key(Some("my lab")).await.unwrap(), "SPACED");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_line() {
    let files = case("[default]\nregion = eu1\n5ecret\n", "");
    let said = files.load(None).unwrap_err().to_string();
    let config = files.directory.path().join("config");
    assert!(said.contains(&format!("{} cannot be read: line 3", config.display())), "{said}");
    assert!(!said.contains("5ecret") && said.contains("hint: "), "{said}");
    let files = case("", "");
    std::fs::write(files.directory.path().join("credentials"), b"\xff\xfe[\0").unwrap();
    let said = files.load(None).unwrap_err().to_string();
    assert!(said.contains("credentials cannot be read: it is not UTF-8"), "{said}");
}

#[tokio::test]
async fn a_profile_that_needs_another_host_is_told_how_to_be_used() {
    for (properties, words) in [
        ("sso_session = s\nsso_account_id = 1\nsso_role_name = r", "IAM Identity Center"),
        ("sso_start_url = https://x\nsso_region = us1", "IAM Identity Center"),
        ("role_arn = arn:aws:iam::1:role/r\nsource_profile = default", "assumes a role"),
        ("role_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = /t", "web identity"),
        ("login_session = arn:aws:iam::1:user/u", "AWS console"),
    ] {
        let config = format!("[profile lab]\n{properties}\n[sso-session s]\nsso_region = us1\n");
        let said = case(&config, KEYS.split("[lab]").next().unwrap()).key(Some("lab")).await;
        let said = said.unwrap_err();
        assert!(said.contains(words) && !said.contains("feature"), "{said}");
        let way =
            "credential_process = aws configure export-credentials --profile lab --format process";
        assert!(said.contains(way), "{said}");
    }
}
