//! Options that several verbs share, and what they have in common when they run.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Display;
use std::future::Future;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::TypedValueParser;
use serde::Serialize;

use super::metrics::Metrics;
use tidegate::dataset::{Scale, Symlinks};
use tidegate::error::{Error, Result};
use tidegate::interrupt::Interrupt;
use tidegate::metrics::Exporter;
use tidegate::outside;
use tidegate::pace::{Pace, Paces, Turns};
use tidegate::report::{self, Format};
use tidegate::result::{Checksum, Document, PayloadSigning, Phase, TaskSummary, Trial};
use tidegate::session::{
    Expiry, Finished, Progress, Saving, SessionMetrics, Simulation, TargetOptions, TargetUrl,
    Upwards,
};
use tidegate::store::Proof;
use tidegate::store::model::Retain;
use tidegate::store::s3::{Aws, Bind, Credentials, Found};
use tidegate::terminal;
use tidegate::transfer::{Flow, RetryMode};
use tidegate::units::{ByteSize, Rate, counted};

/// Where Storj's hosted gateway is (storj/docs, `dcs/api/s3/s3-compatible-gateway`).
const STORJ_ENDPOINT: &str = "https://gateway.storjshare.io";

/// Signed for where nothing says which: Storj accepts any, and so do most gateways.
const REGION: &str = "us-east-1";

/// Longest time that can be asked for: 100 years, of which a clock of nanoseconds counts five.
const TIME_MAX: Duration = Duration::from_secs(36_525 * 24 * 3600);

/// A time such as `90s` or `2h 30m`.
pub(super) fn time(text: &str) -> std::result::Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    (time <= TIME_MAX).then_some(time).ok_or_else(|| "give a time of at most 100 years".into())
}

/// The target and how to talk to it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Target")]
pub(super) struct Target {
    /// Bucket and prefix, s3://bucket/prefix; without it the embedded gateway is started on this machine
    #[arg(value_parser = Unrepeated::<TargetUrl>::new())]
    pub(super) target: Option<TargetUrl>,
    #[command(flatten)]
    endpoint: Endpoint,
    /// Link of the embedded gateway (TOML, as for `serve --model`); only without TARGET
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    model: Option<PathBuf>,
}

/// Reads a value and does not repeat it when it is wrong: clap's own message would, and a signed URL is a
/// secret.
#[derive(Clone)]
pub(super) struct Unrepeated<T>(PhantomData<T>);

impl<T> Unrepeated<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> TypedValueParser for Unrepeated<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        let option = argument.and_then(clap::Arg::get_long);
        let option = option.map_or(String::new(), |long| format!("--{long}: "));
        value.to_string_lossy().parse().map_err(|why: T::Err| {
            let said = format!("{option}{why}\n");
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, said).with_cmd(command)
        })
    }
}

/// How to talk to an S3 endpoint.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Target")]
pub(super) struct Endpoint {
    /// Base URL of the S3 endpoint [default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or that of the profile,
    /// else https://gateway.storjshare.io]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Profile of the AWS configuration files [default: the keys in the environment, else AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Signing region; Storj accepts any [default: AWS_REGION, AWS_DEFAULT_REGION, or that of the profile,
    /// else us-east-1]
    #[arg(long)]
    region: Option<String>,
    /// Certificate authorities (PEM) to trust besides those of the system [default: AWS_CA_BUNDLE, or ca_bundle of the
    /// profile]
    #[arg(long, value_name = "FILE")]
    ca_bundle: Option<PathBuf>,
    /// Accept any certificate, and http:// to another machine; the report says so
    #[arg(long)]
    insecure: bool,
    /// Send requests unsigned
    #[arg(long)]
    no_sign_request: bool,
    /// Local addresses or interfaces to make connections from, in turn, so that several network links are used at once
    /// [default: as the system routes]
    #[arg(long, value_name = "ADDRESS|INTERFACE,...", value_delimiter = ',')]
    bind: Vec<Bind>,
}

/// What goes with the payload of uploads.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Transfer")]
pub(super) struct Proofs {
    /// How the payload of uploads is signed [default: unsigned]
    #[arg(long, value_enum, value_name = "HOW", conflicts_with = "simulate")]
    payload: Option<PayloadSigning>,
    /// Checksum to send with each upload: in a header, or in a trailer with --payload streaming [default: none]
    #[arg(long, value_enum, value_name = "ALGORITHM", conflicts_with = "simulate")]
    checksum: Option<Checksum>,
}

impl Proofs {
    /// Of what goes this way to the target; nothing where nothing is said of it.
    pub(super) fn set(&self, target: &mut TargetOptions, flow: Flow) -> Result<()> {
        if self.payload.is_none() && self.checksum.is_none() {
            return Ok(());
        }
        if flow == Flow::Down {
            return Err(Error::environment(
                "--payload and --checksum are about uploads, and only downloads are measured",
            )
            .hint("leave them out, or measure another --direction"));
        }
        let proof = Proof::of(self.payload.unwrap_or_default(), self.checksum.unwrap_or_default());
        target.proof = Some(proof.map_err(|error| {
            Error::environment(error.to_string())
                .hint("give another --checksum, or --payload signed")
        })?);
        Ok(())
    }
}

/// What becomes of objects that a host cannot delete any more.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Target")]
pub(super) struct Scratch {
    /// Time after which scratch objects expire, even if this host is lost; `none` for never
    /// [default: 24h on Storj's hosted gateways, none elsewhere]
    #[arg(long, value_name = "TIME")]
    expire: Option<Expiry>,
}

impl Scratch {
    /// At this target.
    pub(super) fn set(&self, target: &mut TargetOptions) {
        target.expire = self.expire.unwrap_or_default();
    }
}

/// What a run leaves to others.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Good neighbour")]
pub(super) struct Neighbour {
    /// Limit on the rate of all connections and both directions together, such as 200MB/s
    #[arg(long, value_name = "RATE")]
    max_rate: Option<Rate>,
    /// Limit on requests per second; `tune` leaves out settings that would need more. On Storj's gateway it
    /// leaves out those that would need more than 100 unless this option is given
    #[arg(long, value_name = "N", value_parser = requests_per_second)]
    max_requests_per_second: Option<f64>,
    /// How requests slow down after a 429 or 503 SlowDown
    #[arg(long, value_enum, value_name = "MODE", default_value_t)]
    retry: RetryMode,
}

fn requests_per_second(text: &str) -> std::result::Result<f64, &'static str> {
    let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite());
    number.ok_or("write a number above zero, such as 50 or 0.5")
}

impl Neighbour {
    /// At this target, with so many streams.
    pub(super) fn set(&self, target: &mut TargetOptions, streams: u64) -> Result<()> {
        let least = Rate(RATE_OF_STREAM_MIN * streams as f64);
        if self.max_rate.is_some_and(|rate| rate < least) {
            return Err(Error::environment(format!(
                "--max-rate is too low for {streams} streams: each would wait for minutes"
            ))
            .hint(format!("give {least} or more, or lower the concurrency")));
        }
        target.paces = Paces {
            bytes: self.max_rate.map(|rate| Pace::new(rate.0)),
            requests: self.max_requests_per_second.map(Turns::new),
        };
        target.retry = self.retry;
        Ok(())
    }
}

/// With less a stream under a cap gets its turn so late that it passes for dead (ASSUMPTION: pieces of
/// 64 KiB every six seconds at the least, a tenth of the time after which nothing has moved).
const RATE_OF_STREAM_MIN: f64 = 11_000.0;

/// Forecasts instead of measurements.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Simulation")]
pub(super) struct Simulate {
    /// Send nothing and simulate Storj and the link to it: a preset, or a file as for `serve --model`
    /// [default: hosted-10g-near]
    #[arg(
        long, value_name = "PRESET|FILE", num_args = 0..=1, default_missing_value = DEFAULT_SCENARIO,
        conflicts_with_all = ["target", "model", "from"]
    )]
    simulate: Option<PathBuf>,
}

/// What `--simulate` alone means.
const DEFAULT_SCENARIO: &str = "hosted-10g-near";

impl Simulate {
    pub(super) fn is_asked(&self) -> bool {
        self.simulate.is_some()
    }

    /// Instead of this target, if one was asked for. Uploads are forgotten when they are complete: nobody asks for
    /// them again.
    pub(super) fn set(self, target: &mut TargetOptions, flow: Flow, seed: u64) {
        let retain = match flow {
            Flow::Up => Retain::Nothing,
            Flow::Down | Flow::Mixed(_) => Retain::Layout,
        };
        target.simulation = self.simulate.map(|scenario| Simulation { scenario, retain, seed });
    }
}

/// What is moved.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Dataset")]
pub(super) struct Dataset {
    /// Named synthetic dataset, or for `tune` several, such as many-small,climate: esnet-5MB, esnet-5GB, esnet-50GB, esnet-500GB, climate, genomics, cryo-em, detector, many-small, equal
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    pub(super) dataset: Option<String>,
    /// Total size of the synthetic dataset, such as 10GB
    #[arg(long, conflicts_with = "from")]
    size: Option<ByteSize>,
    /// Number of files of the synthetic dataset
    #[arg(long, value_name = "N", conflicts_with = "from")]
    files: Option<u64>,
    /// Upload the files in this directory, and below it, instead of a synthetic dataset
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// What to do with symbolic links below --from, in the terms of a Globus transfer
    #[arg(long, value_enum, value_name = "HOW", default_value_t, requires = "from")]
    recursive_symlinks: Symlinks,
}

/// What comes out, and where.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Output {
    /// Print the result document as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Directory below which each run gets a directory of its own
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub(super) results: PathBuf,
    /// Write each attempt to trial-NNN-attempts.csv.gz; a million of them take 80 MB of memory
    #[arg(long)]
    pub(super) attempts: bool,
    /// Print no progress, only the result
    #[arg(long, short)]
    quiet: bool,
}

impl Target {
    pub(super) fn is_embedded(&self) -> bool {
        self.target.is_none()
    }

    pub(super) fn resolve(self) -> Result<TargetOptions> {
        self.endpoint.resolve(self.target, self.model)
    }

    /// The same place at this endpoint, reached with the keys and certificates of another command.
    pub(super) fn reached_as(self, url: &str, other: Self) -> Self {
        let Endpoint { profile, ca_bundle, insecure, .. } = other.endpoint;
        let endpoint = Endpoint {
            endpoint: Some(url.to_owned()),
            profile: profile.or(self.endpoint.profile),
            ca_bundle: ca_bundle.or(self.endpoint.ca_bundle),
            insecure: insecure || self.endpoint.insecure,
            ..self.endpoint
        };
        Self { endpoint, ..self }
    }
}

impl Endpoint {
    /// A target at this endpoint, with what AWS's variables and files say where the command line says nothing;
    /// without `url` the embedded gateway behind `model`, which they do not concern.
    pub(super) fn resolve(
        self,
        url: Option<TargetUrl>,
        model: Option<PathBuf>,
    ) -> Result<TargetOptions> {
        if url.is_none() && !self.bind.is_empty() {
            return Err(Error::environment(
                "--bind is about connections to an endpoint, and none is named",
            )
            .hint("name a target, s3://bucket/prefix, or leave --bind out"));
        }
        let aws = match url.is_some() {
            true => Some(Aws::load(self.profile.as_deref())?),
            false => None,
        };
        let configured = match (&aws, &self.endpoint) {
            (Some(aws), None) => aws.endpoint()?,
            _ => None,
        };
        let (configured, endpoint_from) = match configured {
            Some(Found { value, from }) => (Some(value), Some(from)),
            None => (None, None),
        };
        let region = aws.as_ref().and_then(Aws::region).unwrap_or(REGION).to_owned();
        let ca_bundle = aws.as_ref().and_then(Aws::ca_bundle);
        Ok(TargetOptions {
            url,
            endpoint: self.endpoint.or(configured).unwrap_or_else(|| STORJ_ENDPOINT.to_owned()),
            endpoint_from,
            region: self.region.unwrap_or(region),
            credentials: match aws {
                Some(aws) if !self.no_sign_request => Credentials::Configured(Box::new(aws)),
                _ => Credentials::Anonymous,
            },
            ca_bundle: self.ca_bundle.or(ca_bundle),
            insecure: self.insecure,
            binds: self.bind,
            proof: None,
            model,
            paces: Paces::default(),
            expire: Expiry::default(),
            retry: RetryMode::default(),
            simulation: None,
        })
    }
}

impl Dataset {
    /// Whether it is a real directory.
    pub(super) fn is_directory(&self) -> bool {
        self.from.is_some()
    }

    /// Whether the user named any.
    pub(super) fn is_named(&self) -> bool {
        self.from.is_some() || self.dataset.is_some() || self.size.is_some() || self.files.is_some()
    }

    /// What to move; `default_name` and `default_scale` where the user said nothing.
    pub(super) fn resolve(self, default_name: &str, default_scale: Scale) -> Upwards {
        if let Some(root) = self.from {
            return Upwards::Directory { root, symlinks: self.recursive_symlinks };
        }
        let said = Scale { size: self.size, files: self.files };
        let scale = match (&self.dataset, said) {
            (None, Scale { size: None, files: None }) => default_scale,
            _ => said,
        };
        Upwards::Synthetic { name: self.dataset.unwrap_or_else(|| default_name.into()), scale }
    }

    /// The same of several, whose names are separated by commas.
    ///
    /// # Errors
    /// If one is named twice.
    pub(super) fn resolve_each(
        self,
        default_name: &str,
        default_scale: Scale,
    ) -> Result<Vec<Upwards>> {
        let resolved = self.resolve(default_name, default_scale);
        let Upwards::Synthetic { name: names, scale } = resolved else { return Ok(vec![resolved]) };
        let mut known = BTreeSet::new();
        let each = names.split(',').map(|name| match known.insert(name) {
            true => Ok(Upwards::Synthetic { name: name.into(), scale }),
            false => Err(Error::environment(format!("--dataset names {name} twice"))
                .hint("name each dataset once: there is a search for each")),
        });
        each.collect()
    }
}

/// Whether what was to be moved was: of a whole task every file, of any other load anything at all; and
/// nothing that is corrupt.
fn answer(document: &Document) -> Result<()> {
    let no = |sentence: String| Err(Error::answer_is_no(sentence));
    let tasks = document.trials.iter().filter_map(|trial| trial.task.as_ref());
    let missing = |task: &TaskSummary| {
        let here = task.files_done.saturating_add(task.files_there);
        task.files.saturating_sub(here).max(task.failures.len() as u64)
    };
    match tasks.map(missing).sum::<u64>() {
        0 => {}
        failed => return no(format!("{} did not arrive", counted(failed, "file"))),
    }
    let is_load = |trial: &&Trial| trial.task.is_none() && trial.phase == Phase::Run;
    for trial in document.trials.iter().filter(is_load) {
        if trial.bytes == 0 && trial.objects == 0 {
            return no("nothing arrived".into());
        }
        match trial.corrupt.in_store + trial.corrupt.unsettled {
            0 => {}
            1 => return no("1 object or range is corrupt".into()),
            corrupt => return no(format!("{corrupt} objects or ranges are corrupt")),
        }
    }
    Ok(())
}

impl Output {
    /// Runs a session and prints its result; `metrics` are told from before it begins until after it ended.
    ///
    /// Of DTNs that work together one leads: it alone shows how it goes.
    pub(super) fn session<F>(
        self,
        metrics: &Metrics,
        leads: bool,
        start: impl FnOnce(Interrupt, Progress) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<Option<Finished>>>,
    {
        let told = SessionMetrics::default();
        let exporter = metrics.start(told.clone())?;
        let progress = Progress::new(self.quiet || !leads).told_to(told.clone());
        if let Some(url) = exporter.as_ref().and_then(Exporter::url) {
            progress.note(&format!("metrics on {url}"));
        }
        let ended = self.run_session(&told, |interrupt| start(interrupt, progress));
        told.ended(&ended);
        drop(exporter);
        ended
    }

    fn run_session<F>(
        self,
        metrics: &SessionMetrics,
        start: impl FnOnce(Interrupt) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<Option<Finished>>>,
    {
        let finished = runtime()?.block_on(async {
            let interrupt = Interrupt::install()?;
            start(interrupt).await
        })?;
        let Some(finished) = finished else { return Ok(()) };
        metrics.concluded(&finished.document);
        let page = finished.directory.join(report::PAGE);
        let summary = report::summary(&finished.document, Some(&page));
        self.print(&finished.document, &summary)?;
        if let Some(after) = finished.after {
            return Err(after);
        }
        answer(&finished.document).map_err(|no| {
            no.hint(format!("result.json in {} says why", finished.directory.display()))
        })
    }

    /// What is kept of a run.
    pub(super) fn saving(&self) -> Saving {
        Saving { results: self.results.clone(), attempts: self.attempts }
    }

    /// Where progress is shown.
    pub(super) fn progress(&self) -> Progress {
        Progress::new(self.quiet)
    }

    /// Prints a document as JSON, or what it says to a person.
    pub(super) fn print(&self, document: &impl Serialize, text: &str) -> Result<()> {
        if self.json {
            let json = serde_json::to_string_pretty(document);
            let json = json.map_err(|error| Error::environment(format!("no JSON: {error}")))?;
            terminal::print_json(&json);
        } else {
            terminal::print(text.trim_end());
        }
        Ok(())
    }
}

/// What the asynchronous part of a verb runs on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::environment(format!("cannot start: {error}")))
}

/// Reads a file that describes something; `how` says how to come by one.
///
/// # Errors
/// If it cannot be read, or describes something else.
pub(super) fn described<T, E: Display>(
    file: &Path,
    most: ByteSize,
    what: &str,
    how: &str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<T> {
    let name = file.display();
    let text = outside::text(file, most)
        .map_err(|error| Error::environment(format!("cannot read {name}: {error}")).hint(how))?;
    read(&text).map_err(|error| {
        Error::environment(format!("{name} does not describe {what}: {error}")).hint(how)
    })
}

/// Prints a report that was written in this format.
pub(super) fn print_report(text: &str, format: Format) {
    match format {
        Format::Json => terminal::print_json(text.trim_end()),
        _ => terminal::print(text.trim_end()),
    }
}
