//! `tidegate observe`: what a connector really does. Reads only.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::bucket::Bucket;
use super::progress::Progress;
use super::target::TargetOptions;
use crate::clock;
use crate::error::{Error, Result};
use crate::gateway::LoggedRequest;
use crate::interrupt::Interrupt;
use crate::observe::{Observation, Sightings, of_requests};

/// How to look at a bucket.
#[derive(Clone, Debug)]
pub struct ObserveOptions {
    /// Where the transfer goes.
    pub target: TargetOptions,
    /// Time between the beginnings of two looks.
    pub every: Duration,
    /// Time of all looks; `None` is until the user interrupts.
    pub duration: Option<Duration>,
}

/// Between two requests. Ten a second are a tenth of what Storj allows a project by default, which
/// the transfer itself needs (storj/storj satellite/metainfo/config.go, RateLimiter).
const REQUEST_EVERY: Duration = Duration::from_millis(100);

/// Looks at the open uploads below a prefix until the time is over or the user interrupts.
///
/// # Errors
/// If the first look is refused. Later ones may fail: each is said and the next one is made.
pub async fn observe(
    options: &ObserveOptions,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> Result<Observation> {
    let (open, bucket) = interrupt.unless_asked(options.target.open_bucket()).await?;
    let mut sightings = Sightings::default();
    interrupt.unless_asked(look(&bucket, &open.prefix, &mut sightings)).await?;
    progress.note(&format!("looking at {}; Ctrl-C ends it with the report", open.describe()));
    tokio::select! {
        biased;
        () = interrupt.asked() => {}
        () = until_over(options.duration) => {}
        () = keep_looking(&bucket, &open.prefix, options.every, &mut sightings, progress) => {}
    }
    Ok(sightings.observation())
}

async fn until_over(duration: Option<Duration>) {
    match duration {
        Some(duration) => clock::sleep(duration).await,
        None => std::future::pending().await,
    }
}

async fn keep_looking(
    bucket: &Bucket,
    prefix: &str,
    every: Duration,
    sightings: &mut Sightings,
    progress: &Progress,
) {
    let mut began = clock::now();
    loop {
        clock::sleep(every.saturating_sub(began.elapsed()).max(REQUEST_EVERY)).await;
        began = clock::now();
        if let Err(error) = look(bucket, prefix, sightings).await {
            progress.note(&format!("a look failed: {error}"));
        }
        let (files, parts) = sightings.moved();
        progress.say("looking", format!("{files} uploads moved, {parts} parts arrived"));
    }
}

async fn look(bucket: &Bucket, prefix: &str, sightings: &mut Sightings) -> Result<()> {
    let open = bucket.uploads(prefix).await?;
    for upload in sightings.open(SystemTime::now(), open) {
        clock::sleep(REQUEST_EVERY).await;
        if let Some(parts) = bucket.parts(&upload).await? {
            sightings.parts(&upload, &parts);
        }
    }
    Ok(())
}

/// What the clients of `tidegate serve --log` did.
///
/// # Errors
/// If the log cannot be read, or a line is none of its.
pub fn observe_log(log: &Path) -> Result<Observation> {
    let name = log.display();
    let text = fs::read_to_string(log).map_err(|error| {
        Error::environment(format!("cannot read {name}: {error}")).hint(
            "name the file of `tidegate serve --log FILE`, or s3://bucket/prefix to look at a bucket",
        )
    })?;
    // The server may be writing the last one.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let requests = whole.lines().zip(1..).map(|(line, number)| {
        serde_json::from_str::<LoggedRequest>(line).map_err(|error| {
            Error::environment(format!("line {number} of {name} is no logged request: {error}"))
                .hint("logs are written by `tidegate serve --log FILE`")
        })
    });
    Ok(of_requests(&requests.collect::<Result<Vec<_>>>()?))
}
