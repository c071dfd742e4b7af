//! Endpoints that are not where the user says, do not know a call, ask to wait, or are gone.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpListener;

use rustix::process::{Pid, Signal, kill_process};
use tidegate::store::s3::S3Store;

use crate::support::hostile::{Hostile, Operation, Quirk};
use crate::support::servers::{Serve, connection, text};
use crate::support::tidegate::{Finished, Tidegate};
use crate::support::tunnel::TunnelProxy;
use crate::support::uploading::{SLOW, wait_for_uploads};
use crate::support::{SECRET_KEY, tls};

const TARGET: &str = "s3://bucket/p";

fn refuses(status: u16, code: &'static str, header: &'static str) -> Quirk {
    Quirk::Refuses { status, code, message: "as planned", header }
}

#[test]
fn a_redirect_is_told_with_the_options_to_give_and_never_followed() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let place = format!("http://{}", elsewhere.local_addr().unwrap());
    for (status, code) in [(301, "PermanentRedirect"), (307, "TemporaryRedirect")] {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let reply = format!(
            "HTTP/1.1 {status} So\r\nLocation: {place}/bucket?location\r\nx-amz-bucket-region: eu-west-1\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let hostile = Hostile::planned(&serve.endpoint(), move |_| {
            Some(Quirk::Replies(reply.clone().into_bytes()))
        });
        let refused = Tidegate::at(&hostile.endpoint()).run_plain("clean", &[TARGET]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        let options = format!("--endpoint {place} --region eu-west-1");
        assert!(refused.stderr.contains(&options), "{}", refused.stderr);
        assert_eq!(hostile.count(Operation::GetBucketLocation), 1, "it is not asked again");
    }
    let followed = elsewhere.accept();
    assert!(followed.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
}

#[test]
fn an_endpoint_that_refuses_or_does_not_know_get_bucket_location_is_used_all_the_same() {
    let serve = Serve::plain(&["--bucket", "bucket"]);
    for (status, code) in [
        (403, "AccessDenied"),
        (403, "AllAccessDisabled"),
        (405, "MethodNotAllowed"),
        (501, "NotImplemented"),
    ] {
        let quirk = refuses(status, code, "");
        let hostile = Hostile::in_front_of(&serve.endpoint(), Operation::GetBucketLocation, quirk);
        let checked = Tidegate::at(&hostile.endpoint()).run_plain("check", &[TARGET]);
        assert_eq!(checked.code, 0, "{status} {code}: {}{}", checked.stdout, checked.stderr);
    }
}

#[test]
fn keys_that_the_endpoint_does_not_know_are_told_at_once() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    for code in ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"] {
        let hostile = Hostile::planned(&serve.endpoint(), move |_| Some(refuses(403, code, "")));
        let refused = Tidegate::at(&hostile.endpoint()).run_plain("clean", &[TARGET]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(code), "{}", refused.stderr);
        assert_eq!(hostile.count(Operation::ListObjectsV2), 0, "nothing else is tried");
    }
}

#[test]
fn a_wait_that_is_longer_than_anybody_waits_is_told_and_the_end() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let quirk = refuses(503, "SlowDown", "Retry-After: 3600\r\n");
    let hostile = Hostile::in_front_of(&serve.endpoint(), Operation::GetBucketLocation, quirk);
    let refused = Tidegate::at(&hostile.endpoint()).run_plain("clean", &[TARGET]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("asks to wait for 1h: try again then"), "{}", refused.stderr);
    assert_eq!(hostile.count(Operation::GetBucketLocation), 1, "it is not asked again");
}

#[test]
fn a_long_wait_that_the_endpoint_asks_for_is_told_when_it_begins() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let quirk = refuses(503, "SlowDown", "Retry-After: 240\r\n");
    let hostile = Hostile::in_front_of(&serve.endpoint(), Operation::GetBucketLocation, quirk);
    let tidegate = Tidegate::at(&hostile.endpoint());
    let mut child = tidegate.start_plain("clean", &[TARGET]);
    let mut told = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains(&format!("{} asks to wait", hostile.endpoint())), "{told}");
    // Up to a quarter more, so that those who were refused together do not come back together.
    assert!(told.contains("again in 4m") || told.contains("again in 5m"), "{told}");
    assert!(told.contains("GetBucketLocation bucket: 503 SlowDown"), "{told}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[tokio::test]
async fn an_interrupt_after_the_endpoint_is_gone_says_what_may_be_left_and_how_to_clean() {
    let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    let tidegate = Tidegate::at(&serve.endpoint());
    let upload = [TARGET, "--size", "400MB", "--files", "4", "--part-size", "5MiB"];
    let mut child = tidegate.start("run", &upload);
    wait_for_uploads(&store, "p/", 2, &mut child).await;
    drop(serve);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(finished.code, 130, "{}", finished.stderr);
    assert!(
        finished.stderr.contains("may be left below s3://bucket/p/tidegate-"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("tidegate clean s3://bucket/p/ --run "),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
#[ignore = "takes more than a minute"]
async fn a_run_whose_endpoint_is_gone_for_good_ends_and_says_how_to_clean() {
    let serve = Serve::start(&[SLOW, &["--bucket", "bucket"]].concat());
    let store = S3Store::connect(&connection(&serve.endpoint(), "bucket", SECRET_KEY).await);
    let tidegate = Tidegate::at(&serve.endpoint());
    let upload = [TARGET, "--size", "8GB", "--files", "400", "--part-size", "5MiB"];
    let mut child = tidegate.start("run", &upload);
    wait_for_uploads(&store, "p/", 2, &mut child).await;
    drop(serve);
    let finished = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(finished.code, 2, "{}", finished.stderr);
    assert!(
        finished.stderr.contains("tidegate clean s3://bucket/p/ --run "),
        "{}",
        finished.stderr
    );
    let run = tidegate.runs().pop().expect("the result is saved");
    let result = std::fs::read_to_string(run.join("result.json")).unwrap();
    assert!(result.contains("the endpoint did not answer"), "{result}");
}

#[test]
fn the_result_says_what_each_address_of_the_endpoint_carried() {
    let serve = Serve::start(&[]);
    let run = [TARGET, "--size", "4MB", "--files", "2"];
    let document = Tidegate::at(&serve.endpoint()).json("run", &run);
    let addresses = &document["trials"][0]["network"]["addresses"];
    assert_eq!(addresses[0]["address"], "127.0.0.1");
    assert_eq!(addresses[0]["payload_bytes"], 4_000_000);
    assert_eq!(addresses[1], serde_json::Value::Null, "{addresses}");
}

/// All of 127.0.0.0/8 is this machine.
#[test]
fn connections_leave_by_each_address_that_is_named_in_turn() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let run = [TARGET, "--size", "16MB", "--files", "16", "--concurrency", "8", "--no-verify"];
    let bind = ["--bind", "127.0.0.2,127.0.0.3"];
    let document = tidegate.json("run", &[&run[..], &bind].concat());
    let own = document["trials"][0]["network"]["own_addresses"].as_array().unwrap();
    let of_each = |name: &str| -> Vec<u64> {
        own.iter().map(|address| address[name].as_u64().unwrap()).collect()
    };
    assert_eq!(
        own.iter().map(|one| &one["address"]).collect::<Vec<_>>(),
        ["127.0.0.2", "127.0.0.3"]
    );
    assert_eq!(of_each("payload_bytes").iter().sum::<u64>(), 16_000_000, "{own:?}");
    assert!(of_each("connections").iter().all(|connections| *connections > 1), "{own:?}");
    let check = tidegate.run_plain("check", &["s3://bucket/p", "--bind", "lo"]);
    assert_eq!(check.code, 0, "{} {}", check.stdout, check.stderr);
}

#[test]
fn what_no_connection_can_leave_by_is_refused_in_a_sentence() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let tidegate = Tidegate::at(&serve.endpoint());
    let has_ipv6 = TcpListener::bind("[::1]:0").is_ok();
    let other_family =
        if has_ipv6 { "which no address of --bind reaches" } else { "can leave by ::1" };
    for (bind, sentence) in [
        ("192.0.2.77", "no connection can leave by 192.0.2.77"),
        ("127.0.0.2,no-such-if", "no connection can leave by no-such-if"),
        ("::1", other_family),
        ("0.0.0.0", "name one"),
    ] {
        let refused = tidegate.run("run", &[TARGET, "--size", "1MB", "--bind", bind]);
        assert_eq!(refused.code, 2, "{bind}: {}", refused.stderr);
        assert!(refused.stderr.contains(sentence), "{bind}: {}", refused.stderr);
    }
    let refused = Tidegate::embedded().run("run", &["--size", "1MB", "--bind", "127.0.0.2"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("none is named"), "{}", refused.stderr);
}

/// With a proxy in its environment, as a user sets it.
fn behind(proxy: &str, endpoint: &str) -> Tidegate {
    let none = ["https_proxy", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];
    let tidegate =
        none.iter().fold(Tidegate::at(endpoint), |tidegate, name| tidegate.with_variable(name, ""));
    tidegate.with_variable("HTTPS_PROXY", proxy)
}

#[test]
fn an_https_endpoint_is_reached_through_the_proxy_of_the_environment() {
    let serve = tls::serve_with("elsewhere", &[]);
    let proxy = TunnelProxy::to(serve.address());
    let url = format!("http://user:5ecret@{}", proxy.address());
    let tidegate = behind(&url, "https://gateway.example:9000");
    let own = tls::data("elsewhere.pem");
    let run = [TARGET, "--size", "20MB", "--files", "2", "--verify", "--ca-bundle", text(&own)];
    let document = tidegate.json("run", &run);
    let said = format!("through the proxy {} (HTTPS_PROXY)", proxy.address());
    assert!(document["assumptions"].to_string().contains(&said), "{}", document["assumptions"]);
    assert!(!document.to_string().contains("5ecret"), "{document}");
    let heads = proxy.heads();
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head.starts_with("CONNECT gateway.example:9000 HTTP/1.1\r\n"), "{head}");
        let head = head.to_lowercase();
        assert!(head.contains("proxy-authorization: basic dxnlcjo1zwnyzxq="), "{head}");
        assert!(!head.contains("aws4"), "no signature is for the proxy: {head}");
    }
    assert!(serve.stop().iter().any(|request| request.operation == "PutObject"));
}

#[test]
fn a_proxy_that_makes_no_tunnel_is_named() {
    let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    let proxy = TunnelProxy::refusing(answer);
    let tidegate = behind(&proxy.address().to_string(), "https://gateway.example");
    let refused = tidegate.run_plain("clean", &[TARGET]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let said = format!("the proxy {} (HTTPS_PROXY) makes no tunnel", proxy.address());
    assert!(refused.stderr.contains(&said), "{}", refused.stderr);
    assert!(refused.stderr.contains("407 Proxy Authentication Required"), "{}", refused.stderr);
    assert_eq!(proxy.heads().len(), 1, "it is not asked again");
}

#[test]
fn a_proxy_is_named_by_check_and_no_proxy_does_without_it() {
    let tidegate = behind("http://user:5ecret@127.0.0.1:1", "https://name.invalid");
    let checked = tidegate.run_plain("check", &[TARGET]);
    let said = "through the proxy 127.0.0.1:1 (HTTPS_PROXY)";
    assert!(checked.stdout.contains(said), "{}", checked.stdout);
    assert!(!format!("{}{}", checked.stdout, checked.stderr).contains("5ecret"));
    let excepted = tidegate.with_variable("NO_PROXY", ".invalid").run_plain("check", &[TARGET]);
    assert!(!excepted.stdout.contains("HTTPS_PROXY"), "{}", excepted.stdout);
}
