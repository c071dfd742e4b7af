//! What servers answer that no server should: each is told in one sentence, with the right exit code,
//! and nothing that was not counted is claimed.

use std::collections::BTreeSet;

use crate::support::hostile::{Hostile, Operation, Quirk};
use crate::support::servers::Serve;
use crate::support::tidegate::{Finished, Tidegate};

const DENIED: Quirk = Quirk::Refuses {
    status: 403,
    code: "AccessDenied",
    message: "&#x1b;[31mred &#x9b;2J&#x202e;gnp.exe&#x2028;&#x7f;",
    header: "",
};

/// Text that a terminal shows and does nothing else with.
fn assert_plain(text: &str) {
    let does_more = |c: char| {
        c != '\n' && c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found: BTreeSet<char> = text.chars().filter(|c| does_more(*c)).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
}

fn assert_told(finished: &Finished, code: i32, what: &str) {
    assert_eq!(finished.code, code, "{}", finished.stderr);
    assert!(finished.stderr.contains(what), "{}", finished.stderr);
}

#[test]
fn what_a_server_says_is_shown_and_not_obeyed() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let denied = Hostile::in_front_of(&serve.endpoint(), Operation::ListObjectsV2, DENIED);
    let cannot_write = Hostile::in_front_of(&serve.endpoint(), Operation::PutObject, DENIED);
    let tidegate = |hostile: &Hostile| Tidegate::at(&hostile.endpoint());
    let down = ["s3://bucket/p", "--direction", "down"];
    let up = ["s3://bucket/p", "--dataset", "esnet-5MB", "--files", "1"];
    for finished in [
        tidegate(&denied).run_plain("check", &["s3://bucket/p"]),
        tidegate(&denied).run_plain("check", &["s3://bucket/p", "--json"]),
        tidegate(&denied).run("run", &down),
        tidegate(&cannot_write).run("run", &up),
        tidegate(&cannot_write).run("tune", &["s3://bucket/p", "--yes"]),
        tidegate(&denied).run_plain("clean", &["s3://bucket/p"]),
    ] {
        assert_plain(&finished.stderr);
        assert_plain(&finished.stdout);
        let said = finished.stdout + &finished.stderr;
        assert!(
            said.contains(r"u{1b}[31mred \u{9b}2J\u{202e}gnp.exe")
                || said.contains(r"\u{1b}[31mred"),
            "{said}"
        );
    }
}

#[test]
fn what_was_typed_or_pasted_is_shown_and_not_obeyed() {
    let evil = "s3:/\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";
    for (verb, arguments) in [("run", [evil]), ("check", [evil]), ("report", [evil]), (evil, ["x"])]
    {
        let finished = Tidegate::embedded().run_plain(verb, &arguments);
        assert_eq!(finished.code, 2, "{verb}: {}", finished.stderr);
        assert_plain(&finished.stderr);
        assert!(finished.stderr.contains(r"\u{202e}"), "{}", finished.stderr);
    }
}
