//! `tidegate observe`: what a connector really does. Reads only.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::bucket::Bucket;
use super::progress::Progress;
use super::target::TargetOptions;
use super::visit::Visit;
use crate::clock;
use crate::error::{Error, Result};
use crate::gateway::LoggedRequest;
use crate::interrupt::Interrupt;
use crate::observe::{Observation, Sightings, of_requests};
use crate::outside::{self, Line};
use crate::session::Work;
use crate::units::{ByteSize, MIB, counted};

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

/// Of a request log: some hundred thousand requests, which take four times as much in memory.
pub(super) const LOG_MAX: ByteSize = ByteSize(32 * MIB);

/// Looks at the open uploads below a prefix until the time is over or the user interrupts.
///
/// # Errors
/// If the first look is refused. Later ones may fail: each is said and the next one is made.
pub fn observe<'a>(
    options: &'a ObserveOptions,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
) -> Work<'a, Observation> {
    Box::pin(async move {
        let Visit { open, bucket, .. } = Visit::to_read(&options.target, interrupt).await?;
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
    })
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
        let (files, parts) = (counted(files, "upload"), counted(parts, "part"));
        progress.say("looking", format!("{files} moved, {parts} arrived"));
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

/// The requests of a log.
pub(super) struct Logged {
    pub(super) requests: Vec<LoggedRequest>,
    /// Whether these are all.
    pub(super) is_whole: bool,
}

/// Reads the log of `tidegate serve --log`, up to a stated size.
pub(super) fn logged(log: &Path) -> Result<Logged> {
    let name = log.display();
    let unreadable = |error: io::Error| {
        Error::environment(format!("cannot read {name}: {error}"))
            .hint("name the file of `tidegate serve --log FILE`")
    };
    let mut lines = outside::lines(log).map_err(unreadable)?;
    let mut requests = Vec::new();
    // The server may be writing the last line.
    while lines.read_bytes() < LOG_MAX.0
        && let Some(Line { number, text, is_ended: true }) = lines.next().map_err(unreadable)?
    {
        requests.push(serde_json::from_str::<LoggedRequest>(text).map_err(|error| {
            Error::environment(format!("line {number} of {name} is not a logged request: {error}"))
                .hint("logs are written by `tidegate serve --log FILE`")
        })?);
    }
    let is_whole = !lines.next().map_err(unreadable)?.is_some_and(|line| line.is_ended);
    Ok(Logged { requests, is_whole })
}

/// What the clients of `tidegate serve --log` did.
///
/// # Errors
/// If the log cannot be read, or a line is none of its.
pub fn observe_log(log: &Path) -> Result<Observation> {
    let Logged { requests, is_whole } = logged(log)?;
    let mut observation = of_requests(&requests);
    if !is_whole {
        observation.remarks.push(format!(
            "only the first {} requests of the log were looked at, {LOG_MAX} of it: to see later ones, put them \
             into a file of their own",
            requests.len()
        ));
    }
    Ok(observation)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_log_of_any_length_is_looked_at_up_to_a_stated_size() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let line = format!(
            r#"{{"connection":1,"request":1,"operation":"GetObject","bucket":"b","key":"{}","bytes_in":0,"bytes_out":5,"start_us":0,"end_us":9,"status":200}}"#,
            "k".repeat(30_000)
        );
        let wanted = LOG_MAX.0 as usize / (line.len() + 1) + 1;
        let write = |lines: usize| fs::write(&log, format!("{line}\n").repeat(lines)).unwrap();
        write(wanted + 3);
        let cut = observe_log(&log).unwrap();
        assert_eq!(cut.seen, wanted as u64);
        assert!(cut.remarks.iter().any(|remark| remark.contains("only the first")), "{cut:?}");
        write(wanted);
        let whole = observe_log(&log).unwrap();
        assert_eq!((whole.seen, whole.remarks), (wanted as u64, vec![]));
    }
}
