//! The machine, on a thread of its own.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

use countersign::{
    authenticator::Authenticator,
    crypto::OsRng,
    device::{Finished, Job},
};

use crate::{clock::Clock, error::HostError, key_directory::KeyStore};

/// Makes the authenticator from what the store has.
pub type PowerUp = Box<dyn FnMut(&KeyStore) -> Result<Authenticator, HostError> + Send>;

/// The thread's end of it.
pub(super) struct Machine {
    orders: Sender<Order>,
    results: Receiver<Done>,
    thread: JoinHandle<()>,
}

#[allow(clippy::large_enum_variant, reason = "nearly every order is a job")]
enum Order {
    /// A job, and the number of the power-up that it belongs to.
    Job(u64, Job),
    /// Power off and on, with the clock that begins with it.
    PowerCycle(Clock),
}

/// What the thread has done.
pub(super) enum Done {
    /// A job of that power-up.
    Job(u64, Box<Finished>),
    /// A power cycle.
    PowerCycle(Result<(), HostError>),
}

impl Machine {
    /// Starts the thread. A byte to `wake` says that there is something in [`Machine::done`].
    pub(super) fn start(
        authenticator: Authenticator,
        store: KeyStore,
        power_up: PowerUp,
        clock: Clock,
        wake: UnixStream,
    ) -> Self {
        let (orders, from_outside) = channel();
        let (to_outside, results) = channel();
        let mut work = Work { authenticator, store, power_up, clock, rng: OsRng::default() };
        let thread = std::thread::spawn(move || work.carry_out(&from_outside, &to_outside, wake));
        Self { orders, results, thread }
    }

    pub(super) fn work(&self, power_up: u64, job: Job) {
        // Fails when the thread is gone, which `done` shows.
        _ = self.orders.send(Order::Job(power_up, job));
    }

    pub(super) fn power_cycle(&self, clock: Clock) {
        _ = self.orders.send(Order::PowerCycle(clock));
    }

    /// The next thing that was done.
    pub(super) fn done(&self) -> Option<Done> {
        self.results.try_recv().ok()
    }

    /// Waits until what is under way is stored.
    pub(super) fn stop(self) {
        drop(self.orders);
        _ = self.thread.join();
    }
}

struct Work {
    authenticator: Authenticator,
    store: KeyStore,
    power_up: PowerUp,
    clock: Clock,
    rng: OsRng,
}

impl Work {
    fn carry_out(&mut self, orders: &Receiver<Order>, results: &Sender<Done>, mut wake: UnixStream) {
        while let Some(order) = self.next(orders) {
            let done = match order {
                Order::Job(power_up, job) => Done::Job(power_up, Box::new(self.run(job))),
                Order::PowerCycle(clock) => Done::PowerCycle(self.cycle(clock)),
            };
            if results.send(done).is_err() || wake.write_all(&[0]).is_err() {
                return;
            }
        }
    }

    /// The next order; meanwhile the machine forgets what runs out.
    fn next(&mut self, orders: &Receiver<Order>) -> Option<Order> {
        loop {
            let now = self.clock.now();
            let Some(tick) = self.authenticator.tick(now) else { return orders.recv().ok() };
            match orders.recv_timeout(Duration::from_millis(tick.saturating_sub(now.ticks))) {
                Ok(order) => return Some(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn run(&mut self, job: Job) -> Finished {
        if let Some(date) = Clock::date() {
            self.store.set_time(date);
        }
        job.run(&mut self.authenticator, &mut self.store, self.clock.now(), &mut self.rng)
    }

    fn cycle(&mut self, clock: Clock) -> Result<(), HostError> {
        self.authenticator = (self.power_up)(&self.store)?;
        self.clock = clock;
        Ok(())
    }
}
