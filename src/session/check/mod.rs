//! `tidegate check`: whether a target and this machine are fit for a run, one thing after the other.
//!
//! Each check ends in one sentence. What needs something that failed is not checked. What is written is
//! below a run's prefix, claimed as a run's is, and is gone at the end.

mod host;
mod objects;
mod path;

use std::borrow::Cow;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::target::{Open, TargetOptions};
use crate::crew::{self, Crew};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Interrupt;
use crate::measure;
use crate::result::TargetKind;
use crate::session::Work;
use crate::store::s3::Credentials;
use crate::store::{Place, StoreError};
use crate::words;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What.
    pub name: Cow<'static, str>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found, in one sentence.
    pub says: String,
    /// What to do next, if something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing is in the way.
    Ok,
    /// A run works, but may be slower or say less.
    Warning,
    /// No run works.
    Failed,
    /// Something else is missing, or the endpoint does not tell.
    NotChecked,
}

impl Check {
    fn ok(name: &'static str, says: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Ok, says: says.into(), next_step: None }
    }

    fn warning(name: &'static str, says: impl Into<String>, next_step: &str) -> Self {
        let next_step = Some(next_step.to_owned());
        Self { name: name.into(), outcome: Outcome::Warning, says: says.into(), next_step }
    }

    fn failed(name: &'static str, error: &Error) -> Self {
        let next_step = error.next_step().map(str::to_owned);
        Self {
            name: name.into(),
            outcome: Outcome::Failed,
            says: error.message().to_owned(),
            next_step,
        }
    }

    fn not_checked(name: &'static str, why: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::NotChecked, says: why.into(), next_step: None }
    }
}

/// All that was looked at.
#[derive(Debug)]
pub struct Checked {
    /// One thing after the other.
    pub checks: Vec<Check>,
    /// What the checks may have left in the bucket.
    pub left: Option<Error>,
}

/// What was looked at from one DTN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfDtn {
    /// `dtn2` follows `dtn1`, which prints.
    pub name: String,
    /// Name of its host.
    pub host: String,
    /// One thing after the other.
    pub checks: Vec<Check>,
    /// What the checks may have left in the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

/// The others take longer than this only if something is wrong.
const OTHERS_WITHIN: Duration = Duration::from_secs(600);

/// Looks at everything from each DTN of a crew. What the leader found, and the others; `None` of those who do not lead.
///
/// # Errors
/// If the user interrupts, or a DTN goes. What fails is in the lists.
pub fn check_from_all<'a>(
    target: &'a TargetOptions,
    crew: &'a Crew,
    interrupt: &'a Interrupt,
) -> Work<'a, Option<(Checked, Vec<OfDtn>)>> {
    let work = async move |interrupt: Interrupt| {
        let checked = check(target, &interrupt).await?;
        if crew.leads() {
            return Ok(Some((checked, crew.answers(crew.size(), OTHERS_WITHIN).await?)));
        }
        let Checked { checks, left } = checked;
        let left = left.map(|error| error.message().to_owned());
        let (name, host) = (crew::name(crew.rank()), measure::host().name);
        crew.tell_one(0, &OfDtn { name, host, checks, left });
        Ok(None)
    };
    Box::pin(crew.beside(interrupt, work))
}

/// Looks at everything.
///
/// # Errors
/// If the user interrupts. What fails is in the list.
fn check<'a>(target: &'a TargetOptions, interrupt: &'a Interrupt) -> Work<'a, Checked> {
    Box::pin(async move {
        let (mut checks, mut left) = (Vec::new(), None);
        match interrupt.unless_asked(target.open()).await {
            Ok(open) => {
                let keys = match target.credentials {
                    Credentials::Anonymous => "no keys are used",
                    Credentials::Configured(_) | Credentials::Static { .. } => "keys were found",
                };
                checks.push(Check::ok("access", keys));
                left = check_target(target, &open, interrupt, &mut checks).await?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                checks.push(Check::failed("access", &error));
                let without = |name| Check::not_checked(name, "there is nothing to connect with");
                checks.extend(OF_THE_TARGET.map(without));
            }
        }
        checks.extend(host::checks());
        Ok(Checked { checks, left })
    })
}

/// The checks that need an endpoint that answers.
const OF_THE_TARGET: [&str; 13] = [
    "addresses",
    "TLS",
    "bucket",
    "versioning",
    "object lock",
    "expiry",
    "listing",
    "write",
    "read",
    "delete",
    "multipart",
    "clock",
    "round trip",
];

/// The check of this name and those after it.
fn from_on(first: &str) -> impl Iterator<Item = &'static str> {
    OF_THE_TARGET.into_iter().skip_while(move |name| *name != first)
}

async fn check_target(
    target: &TargetOptions,
    open: &Open,
    interrupt: &Interrupt,
    checks: &mut Vec<Check>,
) -> Result<Option<Error>> {
    let Place::Endpoint(connection) = &open.place else { return Ok(None) };
    checks.extend(path::proxy(connection));
    checks.push(interrupt.unless_asked(async { Ok(path::addresses(connection).await) }).await?);
    checks.push(interrupt.unless_asked(async { Ok(path::tls(connection).await) }).await?);
    let bucket = Bucket::open(&open.place, &target.paces);
    let found = interrupt.unless_asked(async { Ok(bucket.check().await) }).await?;
    if let Err(error) = found {
        checks.push(Check::failed("bucket", &error));
        let without = |name| Check::not_checked(name, "the bucket cannot be used");
        checks.extend(from_on("versioning").map(without));
        return Ok(None);
    }
    checks.push(Check::ok("bucket", format!("it is there: {}", open.describe())));
    let versions = interrupt.unless_asked(async { Ok(versions(&bucket).await) }).await?;
    let leaves_nothing = versions.iter().all(|check| check.outcome != Outcome::Failed);
    checks.extend(versions);
    checks.push(expiry(open));
    checks.push(interrupt.unless_asked(async { Ok(objects::listing(&bucket, open).await) }).await?);
    if leaves_nothing {
        objects::try_out(&bucket, (target, open), interrupt, checks).await
    } else {
        let without = |name| Check::not_checked(name, "it would leave versions behind");
        let would_write = from_on("write").filter(|name| *name != "round trip");
        checks.extend(would_write.map(without));
        let key = target.url.as_ref().map(|url| url.prefix.clone()).unwrap_or_default();
        checks.push(path::round_trip(connection, &format!("{key}tidegate")).await.check());
        Ok(None)
    }
}

/// What becomes of objects if this host is lost.
fn expiry(open: &Open) -> Check {
    match open.expires {
        Some(after) => Check::ok(
            "expiry",
            format!("objects that a lost host leaves expire after {}", words::as_set(after)),
        ),
        None if open.result.kind == TargetKind::Endpoint => Check::warning(
            "expiry",
            "objects that a lost host leaves stay until somebody removes them",
            "run `tidegate clean` now and then, or have the bucket remove `tidegate-*` by a rule of its own; --expire is for Storj",
        ),
        None => Check::not_checked("expiry", "the embedded gateway ends with the run"),
    }
}

/// Whether what is deleted is gone.
async fn versions(bucket: &Bucket) -> [Check; 2] {
    let versioning = match bucket.keeps_no_versions().await {
        Ok(None) => Check::ok("versioning", "the bucket never had any: what is deleted is gone"),
        Ok(Some(unknown)) => Check::not_checked("versioning", unknown),
        Err(error) => Check::failed("versioning", &error),
    };
    let lock = match bucket.locks_objects().await {
        Ok(false) => Check::ok("object lock", "objects can be deleted at any time"),
        Ok(true) => Check::failed(
            "object lock",
            &Error::environment("Object Lock is enabled: objects may have to stay")
                .hint("measure in a bucket without Object Lock"),
        ),
        Err(StoreError { message, .. }) => Check::not_checked("object lock", message),
    };
    [versioning, lock]
}
