//! Where a run goes: `s3://bucket/prefix` at an endpoint, or the embedded gateway.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::conditions::link_model;
use super::embedded::{DEMONSTRATION, Embedded};
use super::expiry::{Expiry, is_storj};
use super::progress::Progress;
use crate::clock::{self, Instant};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::measure;
use crate::pace::Paces;
use crate::result::{Direction, LinkModel, Settings, SimulationCost, Target, TargetKind};
use crate::scenario::{self, Scenario};
use crate::store::model::{ModelStore, Retain};
use crate::store::s3::{self, Bind, Credentials};
use crate::store::{Place, Proof};
use crate::terminal;
use crate::transfer::{Flow, Job, RetryMode, RetryPolicy};
use crate::units::{ByteSize, Rate};
use crate::words;

/// A simulation under way.
pub(super) struct Simulated {
    scenario: Scenario,
    /// In real time.
    began: std::time::Instant,
}

/// `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl {
    /// The bucket.
    pub bucket: String,
    /// Empty, or ends in `/`.
    pub prefix: String,
}

/// What the command line says about the target.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// The target; `None` is the embedded gateway.
    pub url: Option<TargetUrl>,
    /// Base URL of the S3 endpoint.
    pub endpoint: String,
    /// Where that is from, in words, if neither from the command line nor Storj's.
    pub endpoint_from: Option<String>,
    /// Signing region.
    pub region: String,
    /// How requests to the endpoint are signed.
    pub credentials: Credentials,
    /// More certificate authorities, PEM.
    pub ca_bundle: Option<PathBuf>,
    /// Any certificate is accepted.
    pub insecure: bool,
    /// What connections leave by, in turn; none leaves it to the system.
    pub binds: Vec<Bind>,
    /// Link of the embedded gateway, TOML.
    pub model: Option<PathBuf>,
    /// What goes with the payload of uploads; `None` where nothing was said of it, and nothing does.
    pub proof: Option<Proof>,
    /// What is left to others.
    pub paces: Paces,
    /// When what is not kept removes itself.
    pub expire: Expiry,
    /// Whether requests learn from those that were refused.
    pub retry: RetryMode,
    /// Nothing is sent: all of it happens in simulated time.
    pub simulation: Option<Simulation>,
}

/// A Storj that is simulated.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// A preset, or a file in TOML.
    pub scenario: PathBuf,
    /// What is kept of objects.
    pub retain: Retain,
    /// Seed of all that is drawn.
    pub seed: u64,
}

/// Nobody writes them into a URL, which shells and results keep.
const KEYS_COME_FROM: &str = "keys come from the environment or from --profile";

/// A target that can be talked to.
pub(super) struct Open {
    pub(super) place: Place,
    pub(super) prefix: String,
    pub(super) result: Target,
    /// What is written removes itself after so long.
    pub(super) expires: Option<Duration>,
    /// The scenario, and when it began, if this is a simulation.
    pub(super) simulated: Option<Simulated>,
    /// Lives as long as the run.
    _embedded: Option<Embedded>,
}

impl FromStr for TargetUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write it as s3://bucket/prefix";
        // What follows a question mark may be a signature, what is before an @ a password, as what follows the
        // colon in a bucket's place: it is not repeated, and never in a key.
        let shown = text.split('?').next().unwrap_or_default();
        let rest = text.strip_prefix("s3://");
        let place = rest.map_or(shown, |rest| rest.split('/').next().unwrap_or_default());
        if place.contains('@') || rest.is_some() && place.contains(':') {
            return Err(format!(
                "the target contains a user name, a key or a password; {KEYS_COME_FROM}: {example}"
            ));
        }
        let rest = rest.ok_or(format!("`{shown}` is not an S3 URL: {example}"))?;
        if text.contains("X-Amz-") {
            return Err(format!("the target `{shown}` is followed by a signature: {example}"));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(format!("`{shown}` has no bucket: {example}"));
        }
        let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || ['-', '.', '_'].contains(&c);
        if !bucket.chars().all(is_of_a_name) || [".", ".."].contains(&bucket) {
            return Err(format!(
                "the bucket's name contains characters that no bucket's name has: {example}"
            ));
        }
        let ends = prefix.is_empty() || prefix.ends_with('/');
        let prefix = if ends { prefix.to_owned() } else { format!("{prefix}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }
}

impl TargetOptions {
    /// A job that leaves to others what these options say; the rest is as in [`Job::new`].
    pub(super) fn job(
        &self,
        dataset: Arc<Dataset>,
        direction: Flow,
        settings: Settings,
        prefix: String,
    ) -> Job {
        Job {
            retry: RetryPolicy::of(self.retry),
            paces: self.paces.clone(),
            ..Job::new(dataset, direction, settings, prefix)
        }
    }

    /// Whether it is Storj's hosted gateway.
    pub fn is_storj(&self) -> bool {
        self.url.is_some() && is_storj(&self.endpoint)
    }

    /// Of a link that is modelled: simulated, or by the embedded gateway.
    pub(super) fn model_of_the_link(&self) -> Option<&Path> {
        match (&self.simulation, &self.url, &self.model) {
            (Some(simulation), ..) => Some(&simulation.scenario),
            (None, Some(_), _) => None,
            (None, None, model) => Some(model.as_deref().unwrap_or(Path::new(DEMONSTRATION))),
        }
    }

    /// Resolves credentials, or starts the embedded gateway.
    pub(super) async fn open(&self) -> Result<Open> {
        match (&self.simulation, &self.url) {
            (Some(simulation), _) => self.open_simulated(simulation),
            (None, Some(url)) => self.open_endpoint(url).await,
            (None, None) => self.open_embedded().await,
        }
    }

    async fn open_endpoint(&self, url: &TargetUrl) -> Result<Open> {
        let config = self.config(&self.endpoint, &url.bucket, self.credentials.clone());
        let config = s3::Config { endpoint_from: self.endpoint_from.clone(), ..config };
        let mut connection = config.resolve().await?;
        if let Some(from) = &self.endpoint_from {
            terminal::say(&format!("the endpoint {} is from {from}", connection.endpoint()));
        }
        if let Some(sentence) = connection.proxy() {
            terminal::say(&format!("warning: {sentence}"));
        }
        let expires = self.expire.at(connection.endpoint());
        connection.expire_after(expires);
        let place = Place::Endpoint(Box::new(connection));
        let result = Target {
            endpoint: place.endpoint().to_owned(),
            bucket: url.bucket.clone(),
            kind: TargetKind::Endpoint,
            insecure: self.insecure,
        };
        let (simulated, _embedded) = (None, None);
        Ok(Open { place, prefix: url.prefix.clone(), result, expires, simulated, _embedded })
    }

    async fn open_embedded(&self) -> Result<Open> {
        let embedded = Embedded::start(self.model.as_deref()).await?;
        let credentials = embedded.credentials();
        let bucket = "demonstration";
        let connection = self.config(embedded.endpoint(), bucket, credentials).resolve().await?;
        let result = Target {
            endpoint: embedded.endpoint().to_owned(),
            bucket: bucket.to_owned(),
            kind: TargetKind::Embedded,
            insecure: false,
        };
        Ok(Open {
            place: Place::Endpoint(Box::new(connection)),
            prefix: String::new(),
            result,
            expires: None,
            simulated: None,
            _embedded: Some(embedded),
        })
    }

    fn open_simulated(&self, simulation: &Simulation) -> Result<Open> {
        let mut scenario = scenario::read(&simulation.scenario)?;
        if let Some(cap) = &self.paces.bytes {
            // Each way by itself, as the link has it.
            let shared = scenario.model.shared_rate.map_or(f64::INFINITY, |Rate(shared)| shared);
            scenario.model.shared_rate = Some(Rate(shared.min(cap.per_second())));
        }
        let store = ModelStore::new(
            scenario.model.clone(),
            scenario.limits.clone().unwrap_or_default(),
            simulation.retain,
            simulation.seed,
        );
        let place = Place::Simulated(store);
        let result = Target {
            endpoint: scenario.name.clone(),
            bucket: place.bucket().to_owned(),
            kind: TargetKind::Simulated,
            insecure: false,
        };
        let simulated = Some(Simulated { scenario, began: clock::real() });
        Ok(Open { place, prefix: String::new(), result, expires: None, simulated, _embedded: None })
    }

    fn config(&self, endpoint: &str, bucket: &str, credentials: Credentials) -> s3::Config {
        s3::Config {
            ca_bundle: self.ca_bundle.clone(),
            insecure: self.insecure,
            binds: self.binds.clone(),
            proof: self.proof.unwrap_or_default(),
            credentials,
            pace: self.paces.bytes.clone(),
            ..s3::Config::new(endpoint, bucket, &self.region)
        }
    }
}

impl Open {
    /// What is simulated; `None` if nothing is.
    pub(super) fn scenario(&self) -> Option<&Scenario> {
        self.simulated.as_ref().map(|simulated| &simulated.scenario)
    }

    /// The parameters of the simulation; `None` if it is none.
    pub(super) fn model(&self) -> Option<LinkModel> {
        self.simulated.as_ref().map(|simulated| link_model(&simulated.scenario.model))
    }

    /// What the simulation rests on without a source, and the limits that these settings run into;
    /// the user is told of these at once. Of an endpoint, the proxy that is measured with it.
    pub(super) fn assumptions(
        &self,
        settings: Settings,
        direction: Direction,
        progress: &Progress,
    ) -> Vec<String> {
        if let Place::Endpoint(connection) = &self.place {
            return connection.proxy().into_iter().collect();
        }
        let Some(Simulated { scenario, .. }) = &self.simulated else { return Vec::new() };
        let met = scenario.limits_met(settings, direction);
        met.iter().for_each(|limit| progress.note(&format!("warning: {limit}")));
        [scenario.assumptions.clone(), met].concat()
    }

    /// What the simulation has cost so far; also said to the user.
    pub(super) fn simulation_cost(&self, progress: &Progress) -> Option<SimulationCost> {
        let simulated = self.simulated.as_ref()?;
        let real_s = simulated.began.elapsed().as_secs_f64();
        let (time, events) = (clock::now().since(Instant::default()), clock::events());
        let rss_peak_bytes = measure::resident_peak_bytes();
        progress.note(&format!(
            "simulated {} in {real_s:.1} s: {events} events, {:.2} million a second, {} of memory at most",
            words::to_the_second(time),
            events as f64 / real_s / 1e6,
            rss_peak_bytes.map_or("unknown".into(), |bytes| ByteSize(bytes).to_string()),
        ));
        Some(SimulationCost { simulated_s: time.as_secs_f64(), events, real_s, rss_peak_bytes })
    }

    /// For reading existing objects the target needs a prefix or the whole bucket: both are fine.
    pub(super) fn describe(&self) -> String {
        format!("s3://{}/{} at {}", self.result.bucket, self.prefix, self.result.endpoint)
    }
}

/// A target without a bucket cannot be guessed.
pub fn needs_target(what: &str) -> Error {
    Error::environment(format!("{what} needs a target"))
        .hint("name it as s3://bucket/prefix, with --endpoint URL if it is not Storj's gateway")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_always_ends_in_a_slash() {
        let parsed = |text: &str| text.parse::<TargetUrl>().map(|url| (url.bucket, url.prefix));
        assert_eq!(parsed("s3://b/p"), Ok(("b".into(), "p/".into())));
        assert_eq!(parsed("s3://b/p/q/"), Ok(("b".into(), "p/q/".into())));
        assert_eq!(parsed("s3://b"), Ok(("b".into(), String::new())));
    }

    #[test]
    fn a_target_with_a_key_or_a_password_is_refused_without_repeating_it() {
        for bad in [
            "s3://KEY:5ecret@bucket/p",
            "s3://KEY:5ec/ret@bucket/p",
            "s3://5ecret@bucket",
            "https://user:5ecret@host/bucket",
            "https://user:5ec/ret@host/bucket",
            "user:5ecret@host",
        ] {
            let error = bad.parse::<TargetUrl>().unwrap_err();
            assert!(error.contains("--profile") && !error.contains("5ec"), "{error}");
        }
        assert!("s3://bucket/who@where/12:30".parse::<TargetUrl>().is_ok());
    }

    #[test]
    fn a_target_without_a_bucket_is_refused_with_an_example() {
        for bad in [
            "s3://",
            "s3:///p",
            "bucket/prefix",
            "https://host/bucket",
            "s3://b\nb",
            "s3://b%2f/p",
            "s3://../p",
            "s3://\u{e9}/p",
        ] {
            let error = bad.parse::<TargetUrl>().unwrap_err();
            assert!(error.contains("s3://bucket/prefix"), "{error}");
        }
    }
}
