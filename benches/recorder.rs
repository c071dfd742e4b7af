//! What it costs to observe and record one request, beside the microseconds to seconds it takes.
//!
//! A request here is one attempt with all that the store and the HTTP client tell its probe: the
//! connection, one block of payload, the request sent, the first byte, the end. Its five looks at
//! the clock and the question to the kernel how the socket fares (TCP_INFO) are part of it.

use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tidegate::clock::{self, Instant};
use tidegate::dataset::BLOCK_BYTES;
use tidegate::measure::{
    AttemptId, Connecting, Live, Operation, Outcome, Probe, Recorder, SocketWatch,
};

/// Several chunks of records, so that asking for memory has its share in each.
const REQUESTS: u64 = 20_000;

fn one_request(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record_one_request");
    group.throughput(Throughput::Elements(REQUESTS)).sample_size(50);
    for (name, keeps_attempts) in [("histograms", false), ("histograms_and_attempts", true)] {
        group.bench_function(name, |bencher| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
            let address = listener.local_addr().expect("it is bound");
            let stream = TcpStream::connect(address).expect("it listens");
            let socket =
                SocketWatch::new(&stream, stream.local_addr().ok(), stream.peer_addr().ok());
            let (live, origin) = (Arc::default(), clock::now());
            let warm = || {
                let mut recorder = Recorder::new(keeps_attempts);
                record(&mut recorder, &live, &socket, origin, 0);
                recorder
            };
            let record_all = |recorder: &mut Recorder| {
                (0..REQUESTS).for_each(|file| record(recorder, &live, &socket, origin, file));
            };
            bencher.iter_batched_ref(warm, record_all, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn record(
    recorder: &mut Recorder,
    live: &Arc<Live>,
    socket: &SocketWatch,
    origin: Instant,
    file: u64,
) {
    let id = AttemptId {
        operation: Operation::Part,
        file,
        part_number: NonZeroU32::new(1),
        number: 1,
        intended_start: None,
    };
    recorder.request_began(id.operation);
    let probe = Probe::begin(live, origin);
    probe.connected(Connecting::Reused);
    probe.payload_sent(BLOCK_BYTES as u64);
    probe.request_sent();
    probe.answer_began();
    probe.socket_left(socket.since_last());
    recorder.attempt_ended(id, &probe, Outcome::Ok, clock::now(), true);
}

criterion_group!(benches, one_request);
criterion_main!(benches);
