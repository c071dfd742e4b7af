//! The S3 store against gateways that others wrote, and our own.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tidegate::clock;
use tidegate::measure::{FailureClass, Probe};
use tidegate::store::Store;
use tidegate::store::model::{ModelStore, Retain};
use tidegate::store::s3::S3Store;
use tidegate::storj::{Limits, Model};

use crate::support::SECRET_KEY;
use crate::support::conformance::conformance;
use crate::support::servers::{Serve, Versitygw, connection};

#[tokio::test]
async fn versitygw_passes_the_conformance_suite() {
    let Some(versitygw) = Versitygw::start() else { return };
    let connection = connection(&versitygw.endpoint(), "bucket", SECRET_KEY).await;
    conformance(&S3Store::connect(&connection), "conformance/").await;
}

#[tokio::test]
async fn the_embedded_gateway_passes_the_conformance_suite() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let connection = connection(&serve.endpoint(), "bucket", SECRET_KEY).await;
    conformance(&S3Store::connect(&connection), "conformance/").await;
}

#[tokio::test]
async fn a_server_behind_the_modelled_link_passes_the_conformance_suite() {
    let Some(versitygw) = Versitygw::start() else { return };
    let serve = Serve::in_front_of(&versitygw.endpoint(), &["--shared-rate", "1GB/s"]);
    let connection = connection(&serve.endpoint(), "bucket", SECRET_KEY).await;
    conformance(&S3Store::connect(&connection), "conformance/").await;
}

#[test]
fn the_model_passes_the_conformance_suite_in_simulated_time() {
    let model = r#"
        round_trip = "20ms"
        tls = true
        connection_rate = "100MB/s"
        shared_rate = "1GB/s"
        nodes = { required = 4, optimal = 8, total = 10, latency = "30ms", spread = 0.5 }
    "#;
    for model in [Model::default(), toml::from_str(model).unwrap()] {
        let store = ModelStore::new(model, Limits::none(), Retain::Memory, 1);
        clock::simulate(conformance(&store, "conformance/"));
    }
}

#[tokio::test]
async fn an_answer_in_chunks_gives_its_connection_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&accepted);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Relaxed);
            std::thread::spawn(move || answer_in_chunks(&stream.unwrap()));
        }
    });
    let store = S3Store::connect(&connection(&endpoint, "bucket", SECRET_KEY).await);
    for _ in 0..3 {
        let probe = Probe::begin(&Default::default(), clock::now());
        assert!(store.list_objects("", None, &probe).await.unwrap().objects.is_empty());
    }
    assert_eq!(accepted.load(Relaxed), 1);
}

/// Answers each request with an empty listing, whose length it does not tell.
fn answer_in_chunks(mut stream: &TcpStream) {
    let listing = "<ListBucketResult></ListBucketResult>";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{listing}\r\n0\r\n\r\n",
        listing.len()
    );
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            stream.write_all(answer.as_bytes()).unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_user_gets_wrong_first_keeps_its_code() {
    let serve = Serve::start(&["--bucket", "bucket"]);
    let versitygw = Versitygw::start();
    let others = versitygw.as_ref().map(Versitygw::endpoint);
    for endpoint in [serve.endpoint()].into_iter().chain(others) {
        for (bucket, secret_key, code) in [
            ("no-such-bucket", SECRET_KEY, "NoSuchBucket"),
            ("bucket", "not-the-secret", "SignatureDoesNotMatch"),
        ] {
            let store = S3Store::connect(&connection(&endpoint, bucket, secret_key).await);
            let probe = Probe::begin(&Default::default(), clock::now());
            let error = store.locate_bucket(&probe).await.unwrap_err();
            assert!(error.has_code(code), "{error}");
            assert_eq!(error.class, FailureClass::Client);
            assert!(!error.to_string().contains(secret_key), "{error}");
        }
    }
}
