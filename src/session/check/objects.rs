//! What a run does with objects, once and small: write, read, list, delete, an upload in two parts.

use std::time::SystemTime;

use super::path::{self, Trip};
use super::{Check, from_on};
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::result::TargetKind;
use crate::session::bucket::Bucket;
use crate::session::claim::{Claim, read as read_marker};
use crate::session::marker::{Identity, marker_key};
use crate::session::target::{Open, TargetOptions};
use crate::session::visit::told;
use crate::store::Place;
use crate::units::counted;

/// What is visible at the target. Another passphrase of Storj's makes other keys of the same ones, so that
/// an empty listing need not be an empty bucket.
pub(super) async fn listing(bucket: &Bucket, open: &Open) -> Check {
    match bucket.glance(&open.prefix).await {
        Ok((objects, _)) if objects.is_empty() => Check::ok(
            "listing",
            "no object is there that is visible with these keys; on Storj: none visible with this passphrase",
        ),
        Ok((objects, false)) => {
            Check::ok("listing", format!("{} visible", counted(objects.len(), "object")))
        }
        Ok((objects, true)) => {
            Check::ok("listing", format!("more than {} visible", counted(objects.len(), "object")))
        }
        Err(error) => Check::failed("listing", &error),
    }
}

/// Claims a prefix, tries everything below it, and gives it back. What may be left of it.
pub(super) async fn try_out(
    bucket: &Bucket,
    (target, open): (&TargetOptions, &Open),
    interrupt: &Interrupt,
    checks: &mut Vec<Check>,
) -> Result<Option<Error>> {
    let identity = Identity::new()?;
    let before = SystemTime::now();
    let claimed = Claim::unique(bucket, &open.prefix, &identity).await;
    let written = before..SystemTime::now();
    let claim = match claimed {
        Ok(claim) => claim,
        Err(error) => {
            checks.push(Check::failed("write", &error));
            let without = |name| Check::not_checked(name, "nothing can be written");
            checks.extend(from_on("read").map(without));
            return Ok(None);
        }
    };
    let marker = marker_key(claim.prefix());
    checks.push(Check::ok("write", "a run's marker could be written"));
    let tried = interrupt.unless_asked(async {
        let read = read(bucket, open, &claim, &identity).await;
        let multipart = multipart(bucket, &claim).await;
        let trip = match &open.place {
            Place::Endpoint(connection) => path::round_trip(connection, &marker).await,
            Place::Simulated(_) => Trip::default(),
        };
        Ok((read, multipart, trip))
    });
    let tried = tried.await;
    let prefix = claim.prefix().to_owned();
    // Also after Ctrl-C: nothing stays.
    let released = told(claim.release().await, (target, open), &prefix, identity.name());
    let left = released.clone().err();
    let (read, multipart, trip) = match (tried, &left) {
        (Err(error), Some(left)) => return Err(error.followed_by(left.clone())),
        (tried, _) => tried?,
    };
    let deleted = deleted(bucket, &prefix, released).await;
    checks.extend([read, deleted, multipart, path::clock(&trip, &written), trip.check()]);
    Ok(left)
}

/// The marker is there as it was written, and a listing shows it.
async fn read(bucket: &Bucket, open: &Open, claim: &Claim<'_>, identity: &Identity) -> Check {
    let prefix = claim.prefix();
    if open.result.kind == TargetKind::Embedded {
        return Check::not_checked("read", "the embedded gateway of a run forgets what it is sent");
    }
    let marker = match read_marker(bucket, &marker_key(prefix), identity.name()).await {
        Ok(marker) => marker,
        Err(error) => return Check::failed("read", &error),
    };
    if marker.is_none() {
        let other = Error::environment("another marker came back than was written")
            .hint("see whether a cache is between this machine and the endpoint");
        return Check::failed("read", &other);
    }
    match bucket.glance(prefix).await.map(|(objects, _)| objects) {
        Ok(objects) if matches!(&*objects, [marker] if claim.ledger().made(marker)) => {
            Check::ok("read", "the marker came back as it was written, and is listed")
        }
        Ok(objects) if objects.len() == 1 => Check::failed(
            "read",
            &Error::environment("the listing shows another ETag than the write was answered with")
                .hint("a run would not recognise its own objects and would leave them: see what answers at the endpoint"),
        ),
        Ok(objects) => Check::failed(
            "read",
            &Error::environment(format!(
                "the listing shows {} objects where 1 was written",
                objects.len()
            ))
            .hint("a listing must show what was written: see what answers at the endpoint"),
        ),
        Err(error) => Check::failed("read", &error),
    }
}

/// Two parts, seen, and taken back.
async fn multipart(bucket: &Bucket, claim: &Claim<'_>) -> Check {
    let tried = async {
        let (ledger, key) = (claim.ledger(), format!("{}multipart", claim.prefix()));
        ledger.asks_for_upload(&key);
        let upload = bucket.begin_upload(&key).await?;
        ledger.upload_answered(&key, Some(&upload), false);
        for number in [1, 2] {
            bucket.send_part(&upload, number, "a part of a check").await?;
        }
        let parts = bucket.parts(&upload).await?.unwrap_or_default().len();
        bucket.abort(&[upload.clone()].into()).await?;
        ledger.upload_ended(&upload);
        let left = bucket.uploads(claim.prefix()).await?.len();
        match (parts, left) {
            (2, 0) => Ok(()),
            (2, left) => {
                Err(Error::environment(format!("{} open after the abort", counted(left, "upload")))
                    .hint("parts of uploads that cannot be aborted are kept and paid for"))
            }
            (parts, _) => Err(Error::environment(format!(
                "{} listed where 2 were sent",
                counted(parts, "part")
            ))
            .hint("see what answers at the endpoint")),
        }
    };
    match tried.await {
        Ok(()) => {
            Check::ok("multipart", "two parts were sent, listed and aborted, and nothing is left")
        }
        Err(error) => Check::failed("multipart", &error),
    }
}

/// Nothing is left below the prefix.
async fn deleted(bucket: &Bucket, prefix: &str, released: Result<()>) -> Check {
    let left = match released {
        Ok(()) => bucket.list(prefix).await.map(|objects| objects.len()),
        Err(error) => Err(error),
    };
    match left {
        Ok(0) => Check::ok("delete", "the marker could be deleted, and nothing is left"),
        Ok(left) => Check::failed(
            "delete",
            &Error::environment(format!("{} still listed below {prefix}", counted(left, "object")))
                .hint("delete them by hand"),
        ),
        Err(error) => Check::failed("delete", &error),
    }
}
