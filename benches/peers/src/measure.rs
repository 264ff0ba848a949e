//! CPU time of candidates that take turns.

use std::{hint::black_box, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Every figure is the median over the runs of the median over a run's rounds.
pub const RUNS: usize = 5;

/// Rounds that a candidate has in a row, after one that does not count: the floor is that of warm caches, and what others
/// leave behind in them is nobody's cost.
const TURN: usize = 4;

/// Something to be measured.
pub struct Candidate<'a> {
    name: String,
    kind: Kind,
    /// A turn: the times of its rounds, the first of which does not count.
    turn: Box<dyn FnMut() -> [Duration; TURN + 1] + 'a>,
}

/// What a candidate is in the comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// countersign.
    Own,
    /// Another authenticator.
    Peer,
    /// Nothing but the cryptography that the operation cannot do without, with loaded keys.
    Floor,
}

impl Kind {
    /// As it stands in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Peer => "peer",
            Self::Floor => "floor",
        }
    }
}

impl<'a> Candidate<'a> {
    /// A candidate: `work` is measured, and prepared for by `prepare` before its turn.
    pub fn new<T, R>(
        name: impl Into<String>,
        kind: Kind,
        mut prepare: impl FnMut() -> T + 'a,
        mut work: impl FnMut(T) -> R + 'a,
    ) -> Self {
        let turn = move || std::array::from_fn(|_| prepare()).map(|prepared: T| cpu(|| work(prepared)));
        Self { name: name.into(), kind, turn: Box::new(turn) }
    }

    /// Nothing but the cryptography.
    pub fn floor(name: impl Into<String>, mut work: impl FnMut() + 'a) -> Self {
        Self::new(name, Kind::Floor, || (), move |()| work())
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// One candidate's figure.
pub struct Figure {
    /// The candidate's name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The median of each run, sorted; the third is the figure.
    pub runs: [Duration; RUNS],
}

/// How long this thread computed for `work`. The result is dropped within that time.
fn cpu<T>(work: impl FnOnce() -> T) -> Duration {
    let start = thread_time();
    drop(black_box(work()));
    thread_time().saturating_sub(start)
}

fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))
        .expect("no thread has computed for less than nothing")
}

/// Measures candidates that take turns, so that the machine's drift is everybody's.
pub fn compare(mut candidates: Vec<Candidate<'_>>, rounds: usize) -> Vec<Figure> {
    let mut runs = vec![[Duration::ZERO; RUNS]; candidates.len()];
    for run in 0..RUNS {
        let medians = interleaved(&mut candidates, rounds);
        for (of_candidate, median) in runs.iter_mut().zip(medians) {
            of_candidate[run] = median;
        }
    }
    candidates
        .into_iter()
        .zip(runs)
        .map(|(Candidate { name, kind, .. }, mut runs)| {
            runs.sort_unstable();
            Figure { name, kind, runs }
        })
        .collect()
}

/// The candidates' medians of one run, without what reading the clock takes.
fn interleaved(candidates: &mut [Candidate<'_>], rounds: usize) -> Vec<Duration> {
    let mut times = vec![Vec::with_capacity(rounds); candidates.len()];
    let mut clock = Vec::with_capacity(rounds);
    for turn in 0..rounds / TURN {
        clock.extend([(); TURN].map(|()| cpu(|| ())));
        for offset in 0..candidates.len() {
            // Nobody is always first.
            let index = (turn + offset) % candidates.len();
            times[index].extend((candidates[index].turn)().into_iter().skip(1));
        }
    }
    let clock = median(&mut clock);
    times.iter_mut().map(|times| median(times).saturating_sub(clock)).collect()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
