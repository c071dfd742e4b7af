//! Listings of a million keys, and answers without an end, in bounded memory:
//! `cargo test --test integration -- --ignored --nocapture a_million_keys`.

use std::fmt::Write as _;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use wait4::Wait4;

use crate::support::hostile::{Hostile, Operation, Quirk};
use crate::support::http::Http;
use crate::support::leftover::{Leftover, MARKER};
use crate::support::relay::Asked;
use crate::support::servers::Serve;
use crate::support::tidegate::Tidegate;

const TARGET: &str = "s3://bucket/p";

const PAGES: u32 = 1_000;
const KEYS_PER_PAGE: u32 = 1_000;

/// What is allowed.
const PEAK_MAX_BYTES: u64 = 200_000_000;

fn reply(body: &str) -> Quirk {
    let length = body.len();
    Quirk::Replies(
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

/// The page that was asked for, of a million keys below `prefix` and a marker.
fn page(asked: &Asked, prefix: &str) -> Quirk {
    let number = asked.parameter("continuation-token").map_or(0, |token| token.parse().unwrap());
    let mut body = String::from("<ListBucketResult>");
    if number == 0 {
        let _ = write!(body, "<Contents><Key>{prefix}{MARKER}</Key><Size>100</Size></Contents>");
    }
    for key in number * KEYS_PER_PAGE..(number + 1) * KEYS_PER_PAGE {
        // A String takes all that is written to it.
        let _ = write!(
            body,
            "<Contents><Key>{prefix}a/directory/of/some/length/file-{key:07}.nc</Key><Size>1000</Size>\
             <ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag></Contents>"
        );
    }
    let next = number + 1;
    if next < PAGES {
        let _ = write!(
            body,
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>"
        );
    }
    reply(&(body + "</ListBucketResult>"))
}

/// Waits until it has ended, or ends it once this is so; its highest resident set.
fn peak_bytes(child: Child, is_enough: &AtomicBool) -> u64 {
    let (pid, is_over) = (Pid::from_child(&child), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                if is_enough.load(Ordering::SeqCst) {
                    return kill_process(pid, Signal::KILL).unwrap();
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let ended = child.wait4().unwrap();
        is_over.store(true, Ordering::SeqCst);
        ended.rusage.maxrss
    })
}

/// A server that lists a million keys below `prefix` until they were deleted, and whether an object was asked for.
fn of_a_million(serve: &Serve, prefix: String) -> (Hostile, Arc<AtomicBool>) {
    let began = Arc::<AtomicBool>::default();
    let (gets, mut deleted) = (Arc::clone(&began), 0);
    let hostile = Hostile::planned(&serve.endpoint(), move |asked| match Operation::of(asked) {
        Operation::ListObjectsV2 if deleted >= PAGES => Some(reply("<ListBucketResult/>")),
        Operation::ListObjectsV2 => Some(page(asked, &prefix)),
        Operation::DeleteObjects if deleted < PAGES => {
            deleted += 1;
            Some(reply("<DeleteResult/>"))
        }
        Operation::GetObject if !asked.target.contains(MARKER) => {
            gets.store(true, Ordering::SeqCst);
            None
        }
        _ => None,
    });
    (hostile, began)
}

#[test]
#[ignore = "a million keys are read five times, which takes minutes without optimisation"]
fn a_million_keys_and_an_answer_without_end_take_less_than_200_mb() {
    let serve = Serve::open(&["--bucket", "bucket"]);
    let never = AtomicBool::new(false);
    let dead = Leftover::new("a");
    let marker = format!("/bucket/{}", dead.below(MARKER));
    Http::at(serve.address()).put(&marker, dead.marker(false).as_bytes());
    let mut peaks: Vec<(&str, u64)> = Vec::new();
    let mut peaked = |what, peak| {
        eprintln!("{what}: {:.0} MB", peak as f64 / 1e6);
        peaks.push((what, peak));
    };

    let (server, began) = of_a_million(&serve, "p/".into());
    let down = [TARGET, "--direction", "down"];
    let child = Tidegate::at(&server.endpoint()).start("run", &down);
    peaked("run", peak_bytes(child, &began));
    assert!(began.load(Ordering::SeqCst), "the download began");

    let (server, _) = of_a_million(&serve, "p/".into());
    let dry = ["--objects", TARGET, "--direction", "down", "--dry-run"];
    let child = Tidegate::at(&server.endpoint()).start("tune", &dry);
    peaked("tune", peak_bytes(child, &never));
    assert_eq!(server.count(Operation::ListObjectsV2), PAGES as usize);

    let (server, _) = of_a_million(&serve, dead.below(""));
    let named = [TARGET, "--run", &dead.run];
    let child = Tidegate::at(&server.endpoint()).start_plain("clean", &named);
    peaked("clean", peak_bytes(child, &never));
    assert!(server.count(Operation::DeleteObjects) >= PAGES as usize);

    for (what, status, beginning) in [
        ("an endless listing", 200, "<ListBucketResult><Contents><Key>"),
        ("an endless error", 403, "<Error><Code>AccessDenied</Code><Message>"),
    ] {
        let quirk = Quirk::Endless(status, beginning);
        let server = Hostile::in_front_of(&serve.endpoint(), Operation::ListObjectsV2, quirk);
        let child = Tidegate::at(&server.endpoint()).start("run", &down);
        peaked(what, peak_bytes(child, &never));
    }
    assert!(peaks.iter().all(|(_, peak)| *peak < PEAK_MAX_BYTES), "{peaks:?}");
}
