//! `tidegate serve`: the embedded S3 gateway.

mod tls;

use std::env::VarError;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use self::tls::{Tls, TlsArgs};
use super::beside;
use super::metrics::Metrics;
use super::options::{Unrepeated, time};
use tidegate::error::{Error, Result};
use tidegate::gateway::{
    Backend, Config, Domain, Embedding, Gateway, Keys, NodesOnline, Retain, Upstream,
};
use tidegate::metrics::Exporter;
use tidegate::outside::{self, SETTINGS_MAX};
use tidegate::scenario;
use tidegate::storj::{Limits, Model};
use tidegate::terminal;
use tidegate::units::{ByteSize, Rate, counted};
use tidegate::words;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// Host name under which each bucket has a name of its own: BUCKET.NAME/KEY is NAME/BUCKET/KEY.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    domain: Domain,

    /// Serve statistics at this address: a page at / and JSON at /stats.json.
    #[arg(long, value_name = "HOST:PORT")]
    stats: Option<SocketAddr>,

    /// Time that requests under way get to finish when the gateway is told to stop.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    finish_within: Duration,

    /// Where to keep the bytes: `discard`, `memory`, or a directory.
    #[arg(long, value_name = "WHERE", default_value = "memory")]
    retain: Retain,

    /// Bucket that exists; can be repeated. Without it every bucket exists.
    #[arg(long = "bucket", value_name = "NAME")]
    buckets: Vec<String>,

    /// Seed of the synthetic bytes that discarded objects answer with.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Fail as Storj does when too few storage nodes are online: only objects of up to 4 KiB work.
    #[arg(long)]
    too_few_nodes: bool,

    /// Write a line of JSON for each request to this file, which must be new or empty; `tidegate observe FILE`
    /// summarises it.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Model the link in front of another S3 server, e.g. http://127.0.0.1:7070.
    #[arg(long, value_name = "URL", value_parser = Unrepeated::<Upstream>::new(), conflicts_with_all = ["retain", "buckets", "seed", "too_few_nodes"])]
    upstream: Option<Upstream>,

    /// Limits on requests: `storj` for the published ones, `none`, or a TOML file. The default is `storj`,
    /// but `none` in front of another server, which has limits of its own.
    #[arg(long, value_name = "LIMITS")]
    limits: Option<String>,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    metrics: Metrics,

    #[command(flatten)]
    link: LinkArgs,

    /// Stop when standard input ends, and leave Ctrl-C to the parent process.
    #[arg(long, hide = true)]
    until_stdin_closes: bool,

    /// Serve while this command runs, and end with its exit code: AWS_ENDPOINT_URL and keys are in its environment.
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "until_stdin_closes")]
    command: Vec<OsString>,
}

/// The link to model. Without any of these it costs nothing.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The modelled link")]
struct LinkArgs {
    /// Read the model from a TOML file or a preset, such as `demonstration` or `hosted-10g-near`; the options below
    /// override it. A table `[weather]` lets its rates change with time: `noise` in each `interval`, `drift` over a
    /// `period`.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// Round trip time, e.g. 20ms.
    #[arg(long, value_name = "TIME", value_parser = time)]
    round_trip: Option<Duration>,

    /// Rate of one connection, in each direction, e.g. 100MB/s.
    #[arg(long, value_name = "RATE")]
    connection_rate: Option<Rate>,

    /// Rate of all connections together, in each direction, e.g. 1GB/s.
    #[arg(long, value_name = "RATE")]
    shared_rate: Option<Rate>,

    /// Time that each part costs once, e.g. 50ms.
    #[arg(long, value_name = "TIME", value_parser = time)]
    part_overhead: Option<Duration>,

    /// Time that each further segment of a part costs, e.g. 50ms.
    #[arg(long, value_name = "TIME", value_parser = time)]
    segment_overhead: Option<Duration>,

    /// Size of a full segment, e.g. 64MiB.
    #[arg(long, value_name = "SIZE", value_parser = segment_size)]
    segment_size: Option<ByteSize>,
}

fn segment_size(text: &str) -> std::result::Result<ByteSize, String> {
    match text.parse() {
        Ok(ByteSize(0)) => Err("a segment has at least one byte".into()),
        Ok(size) => Ok(size),
        Err(error) => Err(format!("{error}")),
    }
}

impl LinkArgs {
    /// The model, and the limits if its file names some.
    fn resolve(&self) -> Result<(Model, Option<Limits>)> {
        let file = self.model.as_deref().map(scenario::read).transpose()?;
        let file = file.map(|scenario| (scenario.model, scenario.limits));
        let (file, limits) = file.unwrap_or_default();
        let model = Model {
            round_trip: self.round_trip.unwrap_or(file.round_trip),
            connection_rate: self.connection_rate.or(file.connection_rate),
            shared_rate: self.shared_rate.or(file.shared_rate),
            part_overhead: self.part_overhead.unwrap_or(file.part_overhead),
            segment_overhead: self.segment_overhead.unwrap_or(file.segment_overhead),
            segment_size: self.segment_size.unwrap_or(file.segment_size),
            ..file
        };
        Ok((model, limits))
    }
}

/// The words, or a file.
pub(super) fn read_limits(name: &str) -> Result<Limits> {
    let text = match name {
        "storj" => return Ok(Limits::storj()),
        "none" => return Ok(Limits::none()),
        file => outside::text(Path::new(file), SETTINGS_MAX),
    };
    let text = text.map_err(|error| {
        Error::environment(format!("cannot read the limits {name}: {error}"))
            .hint("name a TOML file, or `storj`, or `none`")
    })?;
    toml::from_str(&text).map_err(|error| {
        Error::environment(format!("the limits {name} are not valid: {error}"))
            .hint("correct the file: docs/gateway.md lists its names, such as calls_per_second")
    })
}

impl Args {
    fn config(self, tls: Option<&Tls>) -> Result<Config> {
        let (model, limits) = self.link.resolve()?;
        let limits = match (&self.limits, limits, &self.upstream) {
            (Some(name), ..) => read_limits(name)?,
            (None, Some(limits), _) => limits,
            (None, None, None) => Limits::storj(),
            (None, None, Some(_)) => Limits::none(),
        };
        let backend = match self.upstream {
            Some(upstream) => Backend::Upstream(upstream),
            None => Backend::Embedded(Embedding {
                retain: self.retain,
                buckets: self.buckets,
                keys: keys_from_environment()?,
                seed: self.seed,
                nodes: match self.too_few_nodes {
                    true => NodesOnline::TooFew,
                    false => NodesOnline::Enough,
                },
            }),
        };
        Ok(Config {
            listen: self.listen,
            domain: self.domain,
            certificate: tls.map(Tls::certificate),
            statistics: self.stats,
            backend,
            model,
            limits,
            log: self.log,
        })
    }
}

/// Keys come from the environment only: everybody can read a command line.
fn keys_from_environment() -> Result<Option<Keys>> {
    let access_key = key_from_environment("TIDEGATE_ACCESS_KEY")?;
    let secret_key = key_from_environment("TIDEGATE_SECRET_KEY")?;
    match (access_key, secret_key) {
        (Some(access_key), Some(secret_key)) => Ok(Some(Keys { access_key, secret_key })),
        (None, None) => Ok(None),
        _ => Err(Error::environment(
            "only one of TIDEGATE_ACCESS_KEY and TIDEGATE_SECRET_KEY is set",
        )
        .hint(KEYS_HINT)),
    }
}

const KEYS_HINT: &str = "set both to verify signatures, or none to accept every request";

/// Only what is not set is no key: what was meant to be one must not open the gateway to all.
fn key_from_environment(name: &str) -> Result<Option<String>> {
    let refused = |fault: &str| Error::environment(format!("{name} {fault}")).hint(KEYS_HINT);
    match std::env::var(name) {
        Ok(key) if key.is_empty() => Err(refused("is set, but empty")),
        Ok(key) => Ok(Some(key)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(refused("is not UTF-8")),
    }
}

/// Serves until it is told to stop.
///
/// # Errors
/// If the address, the directory, the log or the model cannot be used.
pub fn run(args: Args) -> Result<()> {
    log_to_stderr();
    let (until_stdin_closes, finish_within) = (args.until_stdin_closes, args.finish_within);
    let (command, metrics) = (args.command.clone(), args.metrics.clone());
    let tls = args.tls.clone().resolve(args.listen.ip())?;
    let bucket = args.buckets.first().map_or("test", String::as_str).to_owned();
    let config = args.config(tls.as_ref())?;
    let is_open = config.backend.is_open_to_all();
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Error::environment(format!("cannot start the threads: {error}")))?;
    let ended = runtime.block_on(async {
        let gateway = Gateway::bind(config).await?;
        // Told until the last request has ended.
        let exporter = metrics.start(gateway.metrics())?;
        let metrics_url = exporter.as_ref().and_then(Exporter::url);
        if is_open && !gateway.address().ip().to_canonical().is_loopback() {
            say_it_is_open(&gateway);
        }
        if let Some(Tls::Own(own)) = &tls {
            say(&tls::recipe(own, gateway.address().port(), &bucket));
        }
        if !command.is_empty() {
            if let Some(url) = metrics_url {
                say(&format!("metrics on {url}"));
            }
            return serve_beside(&command, gateway, tls.as_ref(), finish_within).await.map(Some);
        }
        if until_stdin_closes {
            let mut stop = StdinClosed::watch()?;
            announce(&gateway, metrics_url.as_deref());
            // The parent is gone, and with it those who wait for answers.
            gateway.serve(async || stop.next().await, Duration::ZERO, drop).await;
        } else {
            let mut stop = Signals::watch()?;
            announce(&gateway, metrics_url.as_deref());
            let stopping = |under_way| say_stopping(under_way, finish_within);
            let cut = gateway.serve(async || stop.next().await, finish_within, stopping).await;
            if cut > 0 {
                say(&format!("cut {} that had not finished", counted(cut, "request")));
            }
        }
        Ok(None)
    })?;
    drop(runtime);
    match ended.map(beside::exit_code) {
        None | Some(0) => Ok(()),
        Some(code) => std::process::exit(code),
    }
}

/// Serves until the command ends, or is told to stop with it.
async fn serve_beside(
    command: &[OsString],
    gateway: Gateway,
    tls: Option<&Tls>,
    finish_within: Duration,
) -> Result<ExitStatus> {
    let mut signals = Signals::watch()?;
    // Standard output is the command's.
    say(&format!("listening on {}", gateway.url()));
    let keys = keys_from_environment()?;
    let authority = tls.and_then(Tls::authority);
    let mut child = beside::start(command, &gateway, keys.as_ref(), authority.as_deref())?;
    let stop = async || {
        tokio::select! {
            _ = child.wait() => {}
            () = signals.next() => {}
        }
    };
    gateway.serve(stop, finish_within, drop).await;
    let told_to_stop = child.try_wait().is_ok_and(|status| status.is_none());
    if told_to_stop {
        // An interrupt reached the command, too.
        drop(tokio::time::timeout(finish_within, child.wait()).await);
        drop(child.start_kill());
    }
    child
        .wait()
        .await
        .map_err(|error| Error::environment(format!("cannot tell how the command ended: {error}")))
}

fn say_it_is_open(gateway: &Gateway) {
    say(&format!(
        "no keys are set: anyone who can reach {} may read, write and delete everything here; set \
         TIDEGATE_ACCESS_KEY and TIDEGATE_SECRET_KEY, or listen on 127.0.0.1",
        gateway.address()
    ));
}

/// A parent process reads the first line.
fn announce(gateway: &Gateway, metrics_url: Option<&str>) {
    terminal::print(&format!("listening on {}", gateway.url()));
    if let Some(url) = gateway.statistics_url() {
        terminal::print(&format!("statistics on {url}"));
    }
    if let Some(url) = metrics_url {
        terminal::print(&format!("metrics on {url}"));
    }
}

fn say_stopping(under_way: u64, finish_within: Duration) {
    match under_way {
        0 => say("stopping"),
        _ => say(&format!(
            "stopping; {} for {} under way to finish; press Ctrl-C again to leave at once",
            words::as_set(finish_within),
            counted(under_way, "request")
        )),
    }
}

fn say(text: &str) {
    terminal::say(&format!("tidegate: {text}"));
}

fn log_to_stderr() {
    let logging = tracing_subscriber::fmt()
        .with_writer(|| terminal::Log)
        // Escape codes of its own would be escaped.
        .with_ansi(false)
        .with_env_filter(log_filter(std::env::var("RUST_LOG").ok().as_deref()))
        .try_init();
    // It was set up before: then it stays as it is.
    drop(logging);
}

/// What the user wants to see, but for s3s: it logs the heads of requests, with their session tokens and
/// signatures. No directive brings it back, nor does one that goes by spans, which s3s opens.
fn log_filter(asked: Option<&str>) -> EnvFilter {
    let directives = asked.unwrap_or("warn").split(',').map(str::trim);
    let harmless = directives.filter(|one| !one.starts_with("s3s") && !one.contains('['));
    let text = harmless.chain(["s3s=off"]).collect::<Vec<&str>>().join(",");
    EnvFilter::try_new(text).unwrap_or_else(|_| EnvFilter::new("warn,s3s=off"))
}

/// SIGINT or SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn watch() -> Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).map_err(cannot_watch_signals)?;
        let terminate = signal(SignalKind::terminate()).map_err(cannot_watch_signals)?;
        Ok(Self { interrupt, terminate })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The end of standard input, or SIGTERM. Ctrl-C goes to the parent as well, which needs the gateway
/// to clean up.
struct StdinClosed {
    closed: oneshot::Receiver<()>,
    signals: Signals,
}

impl StdinClosed {
    fn watch() -> Result<Self> {
        let signals = Signals::watch()?;
        let (close, closed) = oneshot::channel();
        std::thread::spawn(move || {
            // An error is an end, too. Nobody listens any more if SIGTERM came first.
            drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
            let _ = close.send(());
        });
        Ok(Self { closed, signals })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = &mut self.closed, if !self.closed.is_terminated() => {}
            _ = self.signals.terminate.recv() => {}
        }
    }
}

fn cannot_watch_signals(error: io::Error) -> Error {
    Error::environment(format!("cannot watch for signals: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_directive_lets_s3s_log_the_heads_of_requests() {
        for asked in [None, Some("trace"), Some("trace,s3s=trace,s3s::service=debug,[call]=trace")]
        {
            let filter = log_filter(asked).to_string();
            assert!(filter.contains("s3s=off"), "{filter}");
            assert_eq!(filter.matches("s3s").count(), 1, "{filter}");
            assert!(!filter.contains('['), "{filter}");
        }
    }
}
