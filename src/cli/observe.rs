//! `tidegate observe`: what a connector really does.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::options::{Endpoint, Unrepeated, print_report, runtime, time};
use tidegate::error::{Error, Result};
use tidegate::interrupt::Interrupt;
use tidegate::observe::{Connector, Observation};
use tidegate::report::{self, Format};
use tidegate::session::{self, ObserveOptions, Progress, TargetUrl};

/// Options of `observe`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Request log of `tidegate serve --log FILE`, or s3://bucket/prefix to watch during a transfer
    #[arg(value_name = "LOG|S3URL", value_parser = Unrepeated::<Source>::new())]
    source: Source,
    #[command(flatten)]
    endpoint: Endpoint,
    /// Time between two looks at a bucket; requests are at least 100 ms apart
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time, help_heading = "Looks")]
    every: Duration,
    /// Time to watch a bucket [default: until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = time, help_heading = "Looks")]
    duration: Option<Duration>,
    /// Write what was found to this file, for `tune --connector` and `run --connector`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    save: Option<PathBuf>,
    /// Format of the observation; csv has a row for each value that was found
    #[arg(long, short, value_enum, default_value_t, help_heading = "Output")]
    format: Format,
    /// Print the observation as JSON on standard output, as --format json does
    #[arg(long, help_heading = "Output", conflicts_with = "format")]
    json: bool,
    /// Print no progress, only the result
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

/// What is observed.
#[derive(Clone, Debug)]
enum Source {
    Log(PathBuf),
    Bucket(TargetUrl),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A web address is none, and is told so without being repeated.
        match text.starts_with("s3:") || text.starts_with("http") && text.contains("://") {
            true => text.parse().map(Self::Bucket),
            false => Ok(Self::Log(text.into())),
        }
    }
}

pub(super) fn run(args: Args) -> Result<()> {
    let Args { source, endpoint, every, duration, save, format, json, quiet } = args;
    let observation = match source {
        Source::Log(log) => session::observe_log(&log)?,
        Source::Bucket(url) => {
            let target = endpoint.resolve(Some(url), None)?;
            let options = ObserveOptions { target, every, duration };
            runtime()?.block_on(async {
                let interrupt = Interrupt::install()?;
                let mut progress = Progress::new(quiet);
                let observation = session::observe(&options, &interrupt, &mut progress).await;
                progress.end();
                observation
            })?
        }
    };
    let format = if json { Format::Json } else { format };
    print_report(&report::render(&observation, format)?, format);
    if observation.up.is_none() && observation.down.is_none() {
        return Err(Error::answer_is_no("no file was seen moving").hint(
            "start the transfer while observing; files sent in one request show only in a request log",
        ));
    }
    save.map_or(Ok(()), |file| write(&file, &observation))
}

fn write(file: &Path, observation: &Observation) -> Result<()> {
    fs::write(file, Connector::text(observation)).map_err(|error| {
        Error::environment(format!("cannot write {}: {error}", file.display()))
            .hint("choose another file with --save")
    })
}
