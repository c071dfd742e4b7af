//! What a verb does at its target around its own work.
//!
//! It opens the bucket, and looks whether it may write there; begins the record of its run; claims a prefix, works,
//! and gives that back; and finishes the record. `check`, which looks at each of these by itself, does not. A verb that
//! only asks opens it to read, and asks.

use std::path::Path;
use std::time::Duration;

use super::bucket::Bucket;
use super::claim::Claim;
use super::expiry::outlives;
use super::progress::Progress;
use super::proof;
use super::record::{Beginning, Record};
use super::target::{Open, TargetOptions};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::observe::Followed;
use crate::pace::Paces;
use crate::report::shell_word;
use crate::result::{GetMode, Moved, Scenario, TargetKind, Verb};
use crate::store::Proof;
use crate::store::s3::Credentials;

/// A target whose bucket was found to be there.
pub(super) struct Visit<'a> {
    target: &'a TargetOptions,
    pub(super) open: Open,
    pub(super) bucket: Bucket,
    /// What figures from there rest on.
    rests_on: Vec<String>,
}

impl<'a> Visit<'a> {
    /// To read what lies there.
    ///
    /// # Errors
    /// If the bucket cannot be used, or the user interrupts.
    pub(super) async fn to_read(target: &'a TargetOptions, interrupt: &Interrupt) -> Result<Self> {
        let opened = async {
            let open = target.open().await?;
            let bucket = Bucket::open(&open.place, &target.paces);
            bucket.check().await?;
            Ok((open, bucket))
        };
        let (open, bucket) = interrupt.unless_asked(opened).await?;
        Ok(Self { target, open, bucket, rests_on: Vec::new() })
    }

    /// To write there, in work that takes at least so long: not where versions of deleted objects stay.
    pub(super) async fn to_write(
        target: &'a TargetOptions,
        at_least: Duration,
        interrupt: &Interrupt,
        progress: &Progress,
    ) -> Result<Self> {
        proof::refuse_by_name(target)?;
        let visit = Self::to_read(target, interrupt).await?;
        outlives(visit.open.expires, at_least)?;
        let unknown = interrupt.unless_asked(visit.bucket.keeps_no_versions()).await?;
        let unread = interrupt.unless_asked(proof::check(target, &visit.bucket)).await?;
        let rests_on: Vec<String> = unknown.into_iter().chain(unread).collect();
        rests_on.iter().for_each(|one| progress.note(&format!("warning: {one}")));
        Ok(Self { rests_on, ..visit })
    }

    /// What the result says of how the run was asked for; the sizes of its files are noted later.
    pub(super) fn scenario(
        &self,
        dataset: Moved,
        (get, seed): (GetMode, u64),
        connector: Option<&Followed>,
        verb: Verb,
    ) -> Scenario {
        let Paces { bytes, requests } = &self.target.paces;
        Scenario {
            dataset,
            dataset_shape: None,
            get,
            model: self.open.model(),
            retry: self.target.retry,
            seed,
            connector: connector.map(|connector| connector.seen.clone()),
            payload: self.target.proof.map(Proof::payload),
            checksum: self.target.proof.map(Proof::checksum),
            max_rate_bytes_per_second: bytes.as_ref().map(|pace| pace.per_second()),
            max_requests_per_second: requests.as_ref().map(|turns| turns.per_second()),
            verb,
        }
    }

    /// Begins the record of a run.
    pub(super) fn begin(
        &self,
        results: &Path,
        scenario: Scenario,
        assumptions: Vec<String>,
    ) -> Result<Record> {
        Record::begin(Beginning {
            results: results.to_owned(),
            target: self.open.result.clone(),
            scenario,
            assumptions: assumptions.into_iter().chain(self.rests_on.clone()).collect(),
        })
    }

    /// Removes what was claimed and is below it; says what may be left.
    pub(super) async fn give_back(&self, claim: Claim<'_>, run: &str) -> Result<()> {
        let prefix = claim.prefix().to_owned();
        told(claim.release().await, (self.target, &self.open), &prefix, run)
    }

    /// Leaves what is below a claim to the user; says what else may be left.
    pub(super) async fn keep(&self, claim: Claim<'_>, run: &str) -> Result<()> {
        let prefix = claim.prefix().to_owned();
        told(claim.keep().await, (self.target, &self.open), &prefix, run)
    }
}

/// How it ended: the work and what came after it. Where the work went well there is a result, and it is told
/// before what went wrong then.
pub(super) fn conclude(work: Result<()>, after: Result<()>) -> Result<Option<Error>> {
    match work {
        Ok(()) => Ok(after.err()),
        Err(_) => both(work, after).map(|()| None),
    }
}

/// What went wrong first, and then.
pub(super) fn both(work: Result<()>, cleaning: Result<()>) -> Result<()> {
    match (work, cleaning) {
        (Err(error), Err(other)) => Err(error.followed_by(other)),
        (work, cleaning) => work.and(cleaning),
    }
}

/// A clean-up that did not end well: says where something may be left, and how it is removed.
pub(super) fn told(
    cleaned: Result<()>,
    (options, open): (&TargetOptions, &Open),
    prefix: &str,
    run: &str,
) -> Result<()> {
    let Err(error) = cleaned else { return Ok(()) };
    if open.result.kind != TargetKind::Endpoint {
        // It ends with the run, and all that is in it.
        return Err(error);
    }
    let place = format!("s3://{}/{prefix}", open.result.bucket);
    let endpoint = &open.result.endpoint;
    let message = format!(
        "not everything could be removed: objects or uploads of run {run} may be left below {place} at {endpoint}: {}",
        error.message()
    );
    let first = error.next_step().map_or(String::new(), |step| format!("{step}; then "));
    let command = command(options, open, run);
    Err(Error::environment(message).hint(format!("{first}remove them: {command}")))
}

/// `clean` of this run, reached as the run was.
fn command(options: &TargetOptions, open: &Open, run: &str) -> String {
    let target = format!("s3://{}/{}", open.result.bucket, open.prefix);
    let mut words = ["tidegate", "clean"].map(str::to_owned).to_vec();
    words.extend([target, "--run".into(), run.to_owned()]);
    words.extend(["--endpoint".into(), open.result.endpoint.clone()]);
    words.extend(["--region".into(), options.region.clone()]);
    if let Credentials::Configured(aws) = &options.credentials {
        words.extend(
            aws.named().into_iter().flat_map(|name| ["--profile", name]).map(str::to_owned),
        );
    }
    let bundle = options.ca_bundle.iter();
    words.extend(bundle.flat_map(|file| ["--ca-bundle".into(), file.display().to_string()]));
    words.extend(options.insecure.then(|| "--insecure".to_owned()));
    if let Credentials::Anonymous = options.credentials {
        words.push("--no-sign-request".into());
    }
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}
