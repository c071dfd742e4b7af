//! `serve` among clients that hold a place and keep it waiting. All 2,000, and what they cost a good client:
//! `cargo test --release --test integration -- --ignored --nocapture two_thousand`.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tidegate::clock;

use crate::support::http::Http;
use crate::support::servers::Serve;

/// Larger than what the sockets between two programs hold.
const LARGE_BYTES: usize = 8 << 20;

/// A connection that holds a place, of one kind in eight: it asks for nothing, or for half of something, or does
/// not read what it asked for.
fn half_open(serve: &Serve, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(serve.address()).unwrap();
    let asked: &[u8] = match number % 8 {
        0 | 1 => b"",
        2 | 3 => b"PUT /bucket/half HTTP/1.1\r\nHost: h\r\nContent-Le",
        7 => b"GET /bucket/large HTTP/1.1\r\nHost: h\r\n\r\n",
        _ => b"PUT /bucket/half HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf",
    };
    // It may have been told to leave already.
    let _ = stream.write_all(asked);
    stream
}

fn crowded(descriptors: u32, half_opens: usize) -> (Serve, Vec<TcpStream>) {
    let serve = Serve::with_descriptors(descriptors, &["--stats", "127.0.0.1:0"]);
    Http::at(serve.address()).put("/bucket/large", &vec![7; LARGE_BYTES]);
    let crowd = (0..half_opens).map(|number| half_open(&serve, number)).collect();
    (serve, crowd)
}

/// Puts an object and gets it back; how many of the two were answered well.
fn put_and_get(http: &Http, content: &[u8]) -> usize {
    let put = http.ask("PUT", "/bucket/good").body(content).try_send();
    let get = http.ask("GET", "/bucket/good").try_send();
    usize::from(put.is_ok_and(|answer| answer.status == 200))
        + usize::from(get.is_ok_and(|answer| answer.body == content))
}

#[test]
fn every_request_of_a_good_client_is_answered_among_more_half_requests_than_descriptors() {
    let (serve, mut crowd) = crowded(160, 250);
    let http = Http::at(serve.address());
    let mut answered = 0;
    for number in 0..50 {
        answered += put_and_get(&http, &[number as u8; 4096]);
        crowd.extend((0..4).map(|other| half_open(&serve, number * 4 + other)));
    }
    assert_eq!(answered, 100);
    let connections = &serve.statistics()["connections"];
    // As many as there are descriptors, less those that are kept, and one that comes while another goes.
    assert!(connections["peak"].as_u64().unwrap() <= 97, "room is kept: {connections}");
}

#[test]
fn a_pool_keeps_its_idle_connections_while_there_is_room() {
    let serve = Serve::open(&["--stats", "127.0.0.1:0"]);
    let idle: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(serve.address()).unwrap()).collect();
    assert_eq!(put_and_get(&Http::at(serve.address()), b"x"), 2);
    assert!(serve.statistics()["connections"]["now"].as_u64().unwrap() >= 20);
    drop(idle);
}

/// Requests a second of one good client.
fn rate(http: &Http, rounds: usize) -> f64 {
    let content = [7; 64 << 10];
    let begun = clock::now();
    let answered: usize = (0..rounds).map(|_| put_and_get(http, &content)).sum();
    assert_eq!(answered, 2 * rounds, "every request is answered");
    answered as f64 / begun.elapsed().as_secs_f64()
}

#[test]
#[ignore = "takes minutes, and measures"]
fn under_two_thousand_slow_and_half_open_connections_one_good_client_keeps_half_its_speed() {
    let (serve, mut crowd) = crowded(1100, 2000);
    let quiet = Serve::open(&[]);
    let stop = Arc::new(AtomicBool::new(false));
    let dripping = thread::spawn({
        let stop = Arc::clone(&stop);
        let address = serve.address().to_owned();
        move || {
            while !stop.load(Ordering::Relaxed) {
                for stream in &mut crowd {
                    // Who was told to leave comes back.
                    if stream.write_all(b"x").is_err() {
                        *stream = TcpStream::connect(&address).unwrap();
                    }
                }
                thread::sleep(Duration::from_secs(1));
            }
        }
    });
    let (alone, crowded) = (Http::at(quiet.address()), Http::at(serve.address()));
    let mut rates = Vec::new();
    for _ in 0..20 {
        rates.push((rate(&alone, 100), rate(&crowded, 100)));
    }
    stop.store(true, Ordering::Relaxed);
    dripping.join().unwrap();
    let mut ratios: Vec<f64> = rates.iter().map(|(alone, crowded)| crowded / alone).collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    eprintln!("requests a second alone and in the crowd: {rates:.0?}; median ratio {median:.2}");
    eprintln!("{}", serve.statistics()["connections"]);
    assert!(median >= 0.5, "{ratios:?}");
}
