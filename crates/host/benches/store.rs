//! Operations of the store on disk, with criterion: `cargo bench -p countersign-host --bench store`. How they grow is in
//! benches/scale.rs.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macro; a panic is how a bench fails")]

mod support;

use std::time::Duration;

use countersign::credential::CredentialStore;
use criterion::{Criterion, criterion_group, criterion_main};
use support::{World, register, rotate, sign_in};

const SIZES: [u64; 2] = [1, 1_000];

fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    for size in SIZES {
        let world = World::new(size);
        group.bench_function(format!("opening/{size}"), |b| b.iter(|| world.open()));
        let mut key = world.open();
        group.bench_function(format!("assertion/{size}"), |b| b.iter(|| sign_in(&mut key)));
        group.bench_function(format!("survey/{size}"), |b| b.iter(|| key.store().survey().unwrap()));
        group.bench_function(format!("key list/{size}"), |b| b.iter(|| key.passkeys().unwrap()));
        group.bench_function(format!("rotation/{size}"), |b| {
            b.iter(|| rotate(&mut key));
        });
        let mut user = 0;
        group.bench_function(format!("adding one passkey/{size}"), |b| {
            b.iter(|| {
                user += 1;
                register(&mut key, user);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
