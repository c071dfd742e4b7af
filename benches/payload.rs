//! What the bytes of a part cost the client: made up beforehand, or while they are sent.
//!
//! Read the figures as ratios within one run: `synthetic` against `random` is what a trial would lose
//! to a random-number generator, `compared` against `copied` what verification costs.

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::Pin;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use http_body::Body;
use tidegate::dataset::{BLOCK_BYTES, Pattern, Payload};

/// One part of Storj's segment size.
const PART_BYTES: usize = 64 << 20;

fn bytes_of_a_part(criterion: &mut Criterion) {
    let pattern = Pattern::new(0);
    let mut group = criterion.benchmark_group("part_of_64_MiB");
    group.throughput(Throughput::Bytes(PART_BYTES as u64)).sample_size(20);

    group.bench_function("synthetic", |bencher| {
        bencher.iter(|| drain(pattern.payload("run/file", 0, PART_BYTES as u64)));
    });
    let mut block = vec![0; BLOCK_BYTES];
    let mut random = fastrand::Rng::with_seed(0);
    group.bench_function("random", |bencher| {
        bencher.iter(|| {
            for _ in 0..PART_BYTES / BLOCK_BYTES {
                random.fill(black_box(&mut block));
            }
        });
    });
    let part: Vec<u8> = (0..PART_BYTES / BLOCK_BYTES)
        .flat_map(|number| first_block(&pattern, (number * BLOCK_BYTES) as u64))
        .collect();
    group.bench_function("compared", |bencher| {
        bencher.iter(|| assert!(pattern.matches("run/file", 0, black_box(&part))));
    });
    let mut copy = vec![0; PART_BYTES];
    group.bench_function("copied", |bencher| {
        bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&part)));
    });
    group.finish();
}

/// Takes all blocks, as the HTTP client does.
fn drain(mut payload: Payload) -> u64 {
    block_on(async {
        let mut bytes = 0;
        while let Some(frame) = poll_fn(|context| Pin::new(&mut payload).poll_frame(context)).await
        {
            let block = frame.expect("made-up bytes do not fail").into_data();
            bytes += block.expect("there are no trailers").len() as u64;
        }
        bytes
    })
}

fn first_block(pattern: &Pattern, offset: u64) -> Vec<u8> {
    let mut payload = pattern.payload("run/file", offset, BLOCK_BYTES as u64);
    let mut bytes = Vec::new();
    block_on(async {
        while let Some(Ok(frame)) =
            poll_fn(|context| Pin::new(&mut payload).poll_frame(context)).await
        {
            bytes.extend_from_slice(&frame.into_data().expect("there are no trailers"));
        }
    });
    bytes
}

criterion_group!(benches, bytes_of_a_part);
criterion_main!(benches);
