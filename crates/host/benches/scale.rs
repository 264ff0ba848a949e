//! How the store on disk grows: each operation at 1, 1,000, 10,000 and 100,000 passkeys, medians, and the slope of the
//! logarithms. `cargo bench -p countersign-host --bench scale`. The stores are made in TMPDIR.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the table is what it is for; a bench fails by panicking"
)]

mod support;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use countersign::credential::CredentialStore;
use rustix::time::{ClockId, clock_gettime};
use support::{World, register, rotate, sign_in};

const SIZES: [u64; 4] = [1, 1_000, 10_000, 100_000];
const ROUNDS: usize = 15;
/// What takes seconds is not done as often.
const FEW_ROUNDS: usize = 5;

const OPERATIONS: [&str; 8] = [
    "opening",
    "first assertion",
    "next assertion",
    "first assertion, with opening",
    "survey",
    "key list",
    "adding one passkey",
    "rotation",
];

fn main() {
    let mut times = [[Times::default(); SIZES.len()]; OPERATIONS.len()];
    for (place, size) in SIZES.into_iter().enumerate() {
        let start = Instant::now();
        let world = World::new(size);
        println!("{size:7} passkeys, built in {:.1} s", start.elapsed().as_secs_f64());
        memory(&world);
        for (row, time) in times.iter_mut().zip(measure(&world)) {
            row[place] = time;
        }
    }
    table("CPU time", times.map(|row| row.map(|times| times.processor)));
    table("wall clock", times.map(|row| row.map(|times| times.wall)));
}

/// Prints the medians of all operations, and how they grow.
fn table(what: &str, times: [[Duration; SIZES.len()]; OPERATIONS.len()]) {
    let sizes = SIZES.map(|size| format!("{size:>11}")).concat();
    println!("{:30}{sizes}   slope   from {}   largest to smallest", format!("median {what}, ms"), SIZES[1]);
    for (name, row) in OPERATIONS.iter().zip(&times) {
        let cells = row.map(|time| format!("{:11.3}", time.as_secs_f64() * 1e3)).concat();
        let growth = row[SIZES.len() - 1].as_secs_f64() / row[0].as_secs_f64();
        let [all, larger] = [slope(&SIZES, row), slope(&SIZES[1..], &row[1..])];
        println!("{name:30}{cells}   {all:5.2}   {larger:9.2}   {growth:7.2} x");
    }
}

/// Each of [`OPERATIONS`], in that order.
fn measure(world: &World) -> [Times; OPERATIONS.len()] {
    let mut times: [Vec<Times>; OPERATIONS.len()] = Default::default();
    for _ in 0..ROUNDS {
        let (opening, mut key) = timed(|| world.open());
        let (first, ()) = timed(|| sign_in(&mut key));
        let (next, ()) = timed(|| sign_in(&mut key));
        for (place, time) in [opening, first, next, opening + first].into_iter().enumerate() {
            times[place].push(time);
        }
    }
    for round in 0..FEW_ROUNDS {
        let mut key = world.open();
        times[4].push(timed(|| key.store().survey().unwrap()).0);
        times[5].push(timed(|| key.passkeys().unwrap()).0);
        // Of a user of its own each time.
        times[6].push(timed(|| register(&mut key, round as u64 + 1)).0);
        times[7].push(timed(|| rotate(&mut key)).0);
    }
    times.map(|times| Times {
        processor: median(times.iter().map(|times| times.processor).collect()),
        wall: median(times.iter().map(|times| times.wall).collect()),
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// How long something took.
#[derive(Clone, Copy, Default)]
struct Times {
    /// This thread, in the program and in the system; waiting for the medium is not in it.
    processor: Duration,
    wall: Duration,
}

impl std::ops::Add for Times {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { processor: self.processor + other.processor, wall: self.wall + other.wall }
    }
}

fn timed<T>(run: impl FnOnce() -> T) -> (Times, T) {
    let (wall, processor) = (Instant::now(), processor_time());
    let result = black_box(run());
    (Times { processor: processor_time() - processor, wall: wall.elapsed() }, result)
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Prints what the open store takes of the heap, and what it takes of the disk.
fn memory(world: &World) {
    let mut key = None;
    let heap = allocation_counter::measure(|| key = Some(world.open()));
    drop(key);
    let file = world.file().size().unwrap();
    let each = |bytes: f64| bytes / world.passkeys() as f64;
    println!(
        "        heap when open {:.0} bytes, {:.0} each; at most {:.0} while opening; file {file} bytes, {:.0} each",
        heap.bytes_current as f64,
        each(heap.bytes_current as f64),
        heap.bytes_max as f64,
        each(file as f64)
    );
}

/// Of the line through (log size, log time), by least squares.
fn slope(sizes: &[u64], times: &[Duration]) -> f64 {
    let x: Vec<f64> = sizes.iter().map(|size| (*size as f64).ln()).collect();
    let y: Vec<f64> = times.iter().map(|time| time.as_secs_f64().ln()).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (x_mean, y_mean) = (mean(&x), mean(&y));
    let covariance: f64 = x.iter().zip(&y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    covariance / x.iter().map(|x| (x - x_mean).powi(2)).sum::<f64>()
}
