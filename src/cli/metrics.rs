//! Options for those who watch with Prometheus.

use std::net::SocketAddr;
use std::path::PathBuf;

use tidegate::error::{Error, Result};
use tidegate::metrics::{Collector, Destinations, Exporter, Exposition};

/// Where metrics go.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Metrics")]
pub(super) struct Metrics {
    /// Serve metrics for Prometheus at http://HOST:PORT/metrics, without authentication; port 0 picks a free one
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<SocketAddr>,
    /// Write metrics to this file, for node_exporter's textfile collector: every 10 seconds, and at the end
    #[arg(long, value_name = "FILE.prom", value_parser = prom_file)]
    metrics_file: Option<PathBuf>,
}

fn prom_file(text: &str) -> std::result::Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    match path.extension().is_some_and(|extension| extension == "prom") {
        true => Ok(path),
        false => Err("node_exporter reads only files whose names end in .prom"),
    }
}

impl Metrics {
    /// Refuses what a simulation cannot tell.
    pub(super) fn check(&self, simulated: bool) -> Result<()> {
        if simulated && self.is_asked() {
            return Err(Error::environment(
                "a simulation has a clock of its own, and rates by Prometheus's would mean nothing",
            )
            .hint("leave --metrics and --metrics-file out: result.json has what was simulated"));
        }
        Ok(())
    }

    /// Tells what this collector knows from now on, until the exporter is dropped; `None` where nobody asks.
    pub(super) fn start(&self, told: impl Collector) -> Result<Option<Exporter>> {
        let to = Destinations { listen: self.metrics, file: self.metrics_file.clone() };
        self.is_asked().then(|| Exporter::start(&to, Exposition::of(told))).transpose()
    }

    fn is_asked(&self) -> bool {
        self.metrics.is_some() || self.metrics_file.is_some()
    }
}
