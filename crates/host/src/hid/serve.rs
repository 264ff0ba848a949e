//! The one place that waits.

use std::{
    collections::VecDeque,
    io::Read,
    net::SocketAddr,
    os::{fd::AsFd, unix::net::UnixStream},
    path::Path,
};

use countersign::{
    authenticator::{Answer, Purpose, Question, Verification},
    crypto::OsRng,
    device::{Device, Event, QuestionId},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use super::{
    control::{Caller, Command, Control},
    machine::{Done, Machine, PowerUp},
    person_thread::{AskPerson, PersonThread},
    reports::{Datagram, Reports},
    signals::StopSignals,
    withdrawal::{Standing, Withdrawal},
};
use crate::{clock::Clock, error::HostError, key_directory::KeyParts};

/// The device version that CTAPHID_INIT tells.
const VERSION: [u8; 3] = [0, 1, 0];
/// How many datagrams are taken before everything else is looked at again: the longest message has 129.
const DATAGRAMS_A_TURN: usize = 256;

/// Who answers a security key's questions.
pub enum Presence {
    /// Nobody is asked: everything is granted that needs no verification, after a keepalive that says that a person is
    /// waited for. For test suites; whoever can send to the address can use the key.
    Granted,
    /// Somebody is asked.
    Person(AskPerson),
}

/// A security key on a UDP port of the loopback interface.
pub struct UdpDevice {
    reports: Reports,
    address: SocketAddr,
    device: Device,
    /// Whether it speaks U2F, too.
    u2f: bool,
    clock: Clock,
    machine: Machine,
    /// How often it was powered up. What the machine did before the last time is nobody's business any more.
    power_ups: u64,
    /// Who waits for the power to be back. Until then no other order is carried out.
    cycling: Option<Caller>,
    orders: VecDeque<(Caller, Option<Command>)>,
    presence: Answerer,
    woken: UnixStream,
    control: Option<Control>,
    stop: Option<StopSignals>,
    wink: Option<Box<dyn FnMut()>>,
}

enum Answerer {
    Granting { touch: bool, waiting: Option<QuestionId> },
    Asking { person: PersonThread, standing: Option<(QuestionId, Standing)> },
}

fn plug_in(u2f: bool) -> Device {
    let mut rng = OsRng::default();
    if u2f { Device::with_u2f(VERSION, &mut rng) } else { Device::new(VERSION, &mut rng) }
}

impl UdpDevice {
    /// Plugs an authenticator in at an address, which must be of the loopback interface; port 0 takes one that is free.
    /// `power_up` makes the authenticator anew in a power cycle.
    ///
    /// Errors: [`HostError::NotLoopback`], [`HostError::Socket`].
    pub fn bind(
        address: SocketAddr,
        parts: KeyParts,
        power_up: PowerUp,
        presence: Presence,
    ) -> Result<Self, HostError> {
        let reports = Reports::bind(address)?;
        let failed = |error| HostError::Socket(address, error);
        let bound = reports.address().map_err(failed)?;
        let (woken, wake) = UnixStream::pair().map_err(failed)?;
        woken.set_nonblocking(true).map_err(failed)?;
        let KeyParts { authenticator, store, clock } = parts;
        let u2f = authenticator.has_u2f();
        let presence = match presence {
            Presence::Granted => Answerer::Granting { touch: true, waiting: None },
            Presence::Person(ask) => {
                let person = PersonThread::start(ask, wake.try_clone().map_err(failed)?);
                Answerer::Asking { person, standing: None }
            }
        };
        Ok(Self {
            reports,
            address: bound,
            device: plug_in(u2f),
            u2f,
            clock,
            machine: Machine::start(authenticator, store, power_up, clock, wake),
            power_ups: 0,
            cycling: None,
            orders: VecDeque::new(),
            presence,
            woken,
            control: None,
            stop: None,
            wink: None,
        })
    }

    /// Takes orders at a Unix socket, which is for its owner alone and goes when the device does: `power-cycle`, `touch
    /// on` and `touch off` (where presence is granted: withheld until its time-out), `quit`; one a line, each answered
    /// in its turn with `ok` or with `error:` and why.
    ///
    /// Errors: [`HostError::AlreadyExists`], [`HostError::Busy`] and those of files.
    pub fn with_control(mut self, path: &Path) -> Result<Self, HostError> {
        self.control = Some(Control::listen(path)?);
        Ok(self)
    }

    /// Lets SIGTERM and SIGINT end it. Signals belong to the whole process.
    pub fn with_stop_signals(mut self) -> Result<Self, HostError> {
        let signals = StopSignals::install().map_err(|error| HostError::Socket(self.address, error))?;
        self.stop = Some(signals);
        Ok(self)
    }

    /// Calls `wink` when somebody wants to see which key this is.
    #[must_use]
    pub fn with_wink(self, wink: impl FnMut() + 'static) -> Self {
        Self { wink: Some(Box::new(wink)), ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop. Then the machine has finished what it was at: whatever was answered is stored.
    ///
    /// Errors: of the socket, and of a power cycle after which the authenticator does not start.
    pub fn serve(mut self) -> Result<(), HostError> {
        let result = self.serve_until_stopped();
        self.machine.stop();
        result
    }

    fn serve_until_stopped(&mut self) -> Result<(), HostError> {
        loop {
            let next = self.device.poll(self.clock.now());
            self.attend();
            if self.wait(next)? {
                return Ok(());
            }
            self.take_reports();
            self.take_what_was_done()?;
            self.take_answers();
            if self.take_orders() {
                return Ok(());
            }
        }
    }

    /// Takes what has come, up to a bound: who sends without end must not keep orders and signals from being heard.
    fn take_reports(&mut self) {
        for _ in 0..DATAGRAMS_A_TURN {
            match self.reports.receive() {
                Datagram::Report(report) => {
                    self.device.receive(&report, self.clock.now());
                    self.attend();
                }
                Datagram::Other => {}
                Datagram::None => return,
            }
        }
    }

    /// Sends what there is to send and does what there is to do. Reports leave before a question is answered, so that
    /// whoever waits hears of it first.
    fn attend(&mut self) {
        loop {
            while let Some(report) = self.device.next_report() {
                self.reports.send(&report);
            }
            match self.device.next_event() {
                None => return,
                Some(Event::Job(job)) => self.machine.work(self.power_ups, job),
                Some(Event::Ask(id, question)) => self.ask(id, question),
                Some(Event::Withdraw(id)) => self.withdraw(id),
                Some(Event::Wink) => {
                    if let Some(wink) = &mut self.wink {
                        wink();
                    }
                }
            }
        }
    }

    fn ask(&mut self, id: QuestionId, question: Question) {
        match &mut self.presence {
            Answerer::Granting { touch: true, .. } => {
                self.device.answer(id, granted(&question), self.clock.now());
            }
            Answerer::Granting { touch: false, waiting } => {
                // Granted later, if at all, as what it is now.
                match granted(&question) {
                    Answer::Approved { .. } => *waiting = Some(id),
                    refusal => _ = self.device.answer(id, refusal, self.clock.now()),
                }
            }
            Answerer::Asking { person, standing } => match Withdrawal::new() {
                Ok((end, withdrawal)) => {
                    *standing = Some((id, end));
                    person.ask(id, question, self.clock, withdrawal);
                }
                Err(_) => _ = self.device.answer(id, Answer::Declined, self.clock.now()),
            },
        }
    }

    fn withdraw(&mut self, id: QuestionId) {
        match &mut self.presence {
            Answerer::Granting { waiting, .. } => _ = waiting.take_if(|waiting| *waiting == id),
            Answerer::Asking { standing, .. } => _ = standing.take_if(|(asked, _)| *asked == id),
        }
    }

    fn take_what_was_done(&mut self) -> Result<(), HostError> {
        // Bytes that only wake.
        while matches!(self.woken.read(&mut [0; 64]), Ok(1..)) {}
        while let Some(done) = self.machine.done() {
            match done {
                Done::Job(power_up, finished) if power_up == self.power_ups => {
                    self.device.finish(*finished, self.clock.now());
                    self.attend();
                }
                Done::Job(..) => {}
                Done::PowerCycle(result) => {
                    result?;
                    if let Some(caller) = self.cycling.take() {
                        self.tell(caller, "ok");
                    }
                }
            }
        }
        Ok(())
    }

    fn take_answers(&mut self) {
        while let Answerer::Asking { person, standing } = &mut self.presence
            && let Some((id, answer)) = person.answer()
        {
            standing.take_if(|(asked, _)| *asked == id);
            self.device.answer(id, answer, self.clock.now());
            self.attend();
        }
    }

    /// True: it should stop.
    fn take_orders(&mut self) -> bool {
        self.orders.extend(self.control.iter_mut().flat_map(Control::receive));
        while self.cycling.is_none()
            && let Some((caller, command)) = self.orders.pop_front()
        {
            match command {
                Some(Command::PowerCycle) => self.power_cycle(caller),
                Some(Command::Touch(touch)) => self.set_touch(caller, touch),
                Some(Command::Quit) => {
                    self.tell(caller, "ok");
                    return true;
                }
                None => self.tell(caller, "error: the commands are power-cycle, touch on, touch off, quit"),
            }
        }
        false
    }

    fn tell(&mut self, caller: Caller, answer: &str) {
        if let Some(control) = &mut self.control {
            control.answer(caller, answer);
        }
    }

    /// Off and on: channels, questions and what the machine remembered are gone. It is answered when the machine is up.
    fn power_cycle(&mut self, caller: Caller) {
        let mut rng = OsRng::default();
        self.device.disconnect(&mut rng);
        self.attend();
        self.power_ups += 1;
        self.device = plug_in(self.u2f);
        self.clock = Clock::start();
        self.machine.power_cycle(self.clock);
        self.cycling = Some(caller);
    }

    fn set_touch(&mut self, caller: Caller, on: bool) {
        let Answerer::Granting { touch, waiting } = &mut self.presence else {
            return self.tell(caller, "error: a person is asked");
        };
        *touch = on;
        if let Some(id) = waiting.take_if(|_| on) {
            self.device.answer(id, Answer::Approved { choice: None }, self.clock.now());
            self.attend();
        }
        self.tell(caller, "ok");
    }

    /// Waits until something has come, or the tick has. True: it should stop.
    fn wait(&self, until: Option<u64>) -> Result<bool, HostError> {
        let timeout = until.map(|tick| {
            let left = tick.saturating_sub(self.clock.now().ticks);
            let nanoseconds = (left % 1_000) as i64 * 1_000_000;
            Timespec { tv_sec: i64::try_from(left / 1_000).unwrap_or(i64::MAX), tv_nsec: nanoseconds }
        });
        let mut sources = vec![self.reports.as_fd(), self.woken.as_fd()];
        sources.extend(self.control.iter().flat_map(Control::sources));
        let stop_at = sources.len();
        sources.extend(self.stop.iter().map(AsFd::as_fd));
        let mut sources: Vec<PollFd<'_>> =
            sources.into_iter().map(|source| PollFd::from_borrowed_fd(source, PollFlags::IN)).collect();
        match poll(&mut sources, timeout.as_ref()) {
            Ok(_) => Ok(sources.get(stop_at).is_some_and(|stop| !stop.revents().is_empty())),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(HostError::Socket(self.address, error.into())),
        }
    }
}

/// What is answered where nobody is asked: consent, but never that somebody was verified.
fn granted(question: &Question) -> Answer {
    match (question.verification, &question.purpose) {
        (_, Purpose::Unlock) => Answer::Declined,
        (Verification::None, Purpose::SignIn { accounts, choose: true, .. }) => {
            Answer::Approved { choice: accounts.first().map(|account| account.credential.clone()) }
        }
        (Verification::None, _) => Answer::Approved { choice: None },
        _ => Answer::Declined,
    }
}
