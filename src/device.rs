//! A security key in one struct: HID reports in, reports out, questions out (CTAP 2.3 section 11.2).
//!
//! [`Device`] joins the framing and the authenticator. Like both it does no input or output, and it does not hold the
//! machine: what the machine has to do leaves as a [`Job`], which may run here or on another thread, and comes back as
//! [`Finished`]. Keepalives go out meanwhile.
//!
//! ```
//! # use countersign::{authenticator::{Authenticator, Settings, Answer}, credential::MemoryStore, crypto::RustCrypto};
//! # use countersign::{device::{Device, Event}, rand_core::CryptoRng, time::Moment, ctaphid::Report};
//! /// One report from the host, and what goes back at once.
//! fn exchange(
//!     device: &mut Device,
//!     authenticator: &mut Authenticator,
//!     store: &mut MemoryStore,
//!     report: &Report,
//!     now: Moment,
//!     rng: &mut dyn CryptoRng,
//! ) -> Vec<Report> {
//!     device.receive(report, now);
//!     let mut reports = Vec::new();
//!     loop {
//!         reports.extend(std::iter::from_fn(|| device.next_report()));
//!         match device.next_event() {
//!             None => return reports,
//!             Some(Event::Job(job)) => device.finish(job.run(authenticator, store, now, rng), now),
//!             // A real one shows the question, waits, and calls `poll` meanwhile.
//!             Some(Event::Ask(id, _)) => _ = device.answer(id, Answer::Approved { choice: None }, now),
//!             Some(Event::Withdraw(_) | Event::Wink) => {}
//!         }
//!     }
//! }
//! ```

use alloc::{collections::VecDeque, vec::Vec};

use rand_core::CryptoRng;

use crate::{
    authenticator::{Answer, Authenticator, Channel, Pending, Question, Step, Turn, run},
    credential::CredentialStore,
    ctap2::{Response, Status},
    ctaphid::{Capabilities, Command, Identity, KeepaliveStatus, Link, Received, Report},
    time::Moment,
};

/// The transport's side of a security key: framing, channels, keepalives, questions.
///
/// After each call that takes `now`, fetch what it led to: [`Device::next_report`] and [`Device::next_event`], until both
/// have nothing. Dropping it is unplugging.
pub struct Device {
    identity: Identity,
    link: Link,
    /// The number of the last transaction.
    transaction: u64,
    /// Its command, which says how the response is written.
    command: Command,
    stage: Stage,
    /// Whose job the machine has. There is one at most, so that a stranger who begins and abandons commands does not
    /// pile them up.
    out: Option<u64>,
    events: VecDeque<Event>,
    questions: u64,
}

/// How far the command of the last transaction is.
enum Stage {
    /// There is none.
    Idle,
    /// It has not begun: the machine is still at one that was abandoned.
    Waiting { channel: Channel, message: Vec<u8> },
    /// Its job is out.
    Out { cancelled: bool },
    /// A person is asked.
    Asked { id: QuestionId, deadline: u64, pending: Pending },
}

/// What a [`Device`] wants of its host.
pub enum Event {
    /// The machine has something to do. Its end must be told to [`Device::finish`]: until then no other command begins.
    Job(Job),
    /// A person must answer; go on with [`Device::answer`].
    Ask(QuestionId, Question),
    /// That question is over: it was cancelled, its time ran out, or the peer is gone. An answer would be ignored.
    Withdraw(QuestionId),
    /// Be seen: somebody wants to know which one this is.
    Wink,
}

/// Which question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionId(u64);

/// Which job is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobId(u64);

/// Something for the machine to do.
pub struct Job {
    id: JobId,
    work: Work,
}

enum Work {
    Begin {
        channel: Channel,
        message: Vec<u8>,
    },
    #[cfg(feature = "u2f")]
    BeginU2f {
        message: Vec<u8>,
    },
    Answer(Pending, Answer),
    Cancel(Pending),
}

/// What came of a [`Job`].
pub struct Finished {
    id: JobId,
    turn: Turn,
}

impl Job {
    /// Carries it out over a synchronous store. Draws as the [`Authenticator`]'s functions do.
    pub fn run(
        self,
        authenticator: &mut Authenticator,
        store: &mut dyn CredentialStore,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Finished {
        let (id, step) = self.begin(authenticator, now, rng);
        id.finished(run(authenticator, store, step, now, rng))
    }

    /// Begins it, for hosts that match on the steps. Go on up to the end or a question, and tell that by
    /// [`JobId::finished`].
    pub fn begin(
        self,
        authenticator: &mut Authenticator,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> (JobId, Step) {
        let step = match self.work {
            #[cfg(feature = "u2f")]
            Work::BeginU2f { message } => authenticator.begin_u2f(&message, now),
            Work::Begin { channel, message } => authenticator.begin_ctap(channel, &message, now, rng),
            Work::Answer(pending, answer) => authenticator.answer(pending, answer, now, rng),
            Work::Cancel(pending) => authenticator.cancel(pending),
        };
        (self.id, step)
    }
}

impl JobId {
    /// The job ended, or came to a question.
    pub fn finished(self, turn: Turn) -> Finished {
        Finished { id: self, turn }
    }
}

impl Device {
    /// Plugs in. `version` is the device version that CTAPHID_INIT tells: major, minor, build. Draws 4 bytes, by which
    /// the numbers of channels begin elsewhere each time.
    pub fn new(version: [u8; 3], rng: &mut dyn CryptoRng) -> Self {
        // CTAPHID_MSG, the way of U2F, is not there.
        Self::plugged_in(Identity { version, capabilities: Capabilities { wink: true, msg: false } }, rng)
    }

    /// Plugs in with CTAPHID_MSG: for an authenticator that speaks U2F, which it does with an ES256 attester. A client
    /// of U2F that is asked to wait for a touch gets keepalives, as those of CTAP2 do, and SW_CONDITIONS_NOT_SATISFIED
    /// when nobody touched in time.
    #[cfg(feature = "u2f")]
    pub fn with_u2f(version: [u8; 3], rng: &mut dyn CryptoRng) -> Self {
        Self::plugged_in(Identity { version, capabilities: Capabilities { wink: true, msg: true } }, rng)
    }

    fn plugged_in(identity: Identity, rng: &mut dyn CryptoRng) -> Self {
        let mut seed = [0; 4];
        rng.fill_bytes(&mut seed);
        Self {
            identity,
            link: Link::new(identity, u32::from_be_bytes(seed)),
            transaction: 0,
            command: Command::Cbor,
            stage: Stage::Idle,
            out: None,
            events: VecDeque::new(),
            questions: 0,
        }
    }

    /// What CTAPHID_INIT tells.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Takes one report.
    pub fn receive(&mut self, report: &Report, now: Moment) {
        match self.link.receive(report, now.ticks) {
            Some(Received::Message { channel, command, message }) => {
                self.transaction = self.transaction.wrapping_add(1);
                self.command = command;
                self.stage = Stage::Waiting { channel: Channel(channel), message };
                self.hand_out_waiting();
            }
            Some(Received::Cancel) => self.cancel(now),
            Some(Received::Abandoned) => self.abandon(),
            Some(Received::Wink) if !matches!(self.events.back(), Some(Event::Wink)) => {
                self.events.push_back(Event::Wink);
            }
            Some(Received::Wink) | None => {}
        }
    }

    /// Gives a person's answer. False: the question is over, and the answer was ignored.
    pub fn answer(&mut self, id: QuestionId, answer: Answer, now: Moment) -> bool {
        if !matches!(self.stage, Stage::Asked { id: asked, .. } if asked == id) {
            return false;
        }
        if let Some((_, pending)) = self.take_question() {
            self.go_on(Work::Answer(pending, answer), now);
        }
        true
    }

    /// Takes a job's end. What is no job of this device, or none that is out, is ignored.
    pub fn finish(&mut self, finished: Finished, now: Moment) {
        let Finished { id: JobId(transaction), turn } = finished;
        if self.out != Some(transaction) {
            return;
        }
        self.out = None;
        // Whatever began after an abandoned command waits until that one's job is done.
        let stage = match &self.stage {
            Stage::Out { cancelled } => Some(*cancelled),
            _ => None,
        };
        match (turn, stage) {
            (Turn::Done(outcome), Some(_)) => {
                self.stage = Stage::Idle;
                self.link.respond(self.encode(&outcome.response));
            }
            (Turn::Ask(question, pending), Some(false)) => self.ask(question, pending, now),
            // Nobody is to be asked any more.
            (Turn::Ask(_, pending), _) => self.hand_out(transaction, Work::Cancel(pending)),
            (Turn::Done(_), None) => {}
        }
        self.hand_out_waiting();
    }

    /// The response as the transaction's command has it.
    fn encode(&self, response: &Response) -> Vec<u8> {
        match self.command {
            #[cfg(feature = "u2f")]
            Command::Msg => crate::ctap1::encode(response),
            _ => response.encode(),
        }
    }

    /// Does what is due (keepalives, time-outs), and says at which tick something will be due next.
    pub fn poll(&mut self, now: Moment) -> Option<u64> {
        if matches!(self.stage, Stage::Asked { deadline, .. } if deadline < now.ticks)
            && let Some(pending) = self.withdraw()
        {
            self.go_on(Work::Answer(pending, Answer::TimedOut), now);
        }
        let question = match self.stage {
            Stage::Asked { deadline, .. } => Some(deadline.saturating_add(1)),
            _ => None,
        };
        self.link.poll(now.ticks).into_iter().chain(question).min()
    }

    /// Pulls the plug and puts it in again, without a power cycle: channels, locks and transactions are gone. Draws 4
    /// bytes.
    pub fn disconnect(&mut self, rng: &mut dyn CryptoRng) {
        self.abandon();
        let mut seed = [0; 4];
        rng.fill_bytes(&mut seed);
        self.link = Link::new(self.identity, u32::from_be_bytes(seed));
    }

    /// The next report to send.
    pub fn next_report(&mut self) -> Option<Report> {
        self.link.next_report()
    }

    /// The next thing to do.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Asks a person.
    fn ask(&mut self, question: Question, pending: Pending, now: Moment) {
        self.questions = self.questions.wrapping_add(1);
        let id = QuestionId(self.questions);
        self.stage = Stage::Asked { id, deadline: question.deadline, pending };
        self.link.set_status(KeepaliveStatus::UserPresenceNeeded, now.ticks);
        self.events.push_back(Event::Ask(id, question));
    }

    /// "If there is an outstanding request that can be cancelled, the authenticator MUST cancel it and that cancelled
    /// request will reply with the error CTAP2_ERR_KEEPALIVE_CANCEL."
    fn cancel(&mut self, now: Moment) {
        match &mut self.stage {
            Stage::Idle => {}
            Stage::Waiting { .. } => {
                self.stage = Stage::Idle;
                self.link.respond(Vec::from([Status::KeepaliveCancel.byte()]));
            }
            // It ends where it comes to a question. One that does not is done, and says so.
            Stage::Out { cancelled } => *cancelled = true,
            Stage::Asked { .. } => {
                if let Some(pending) = self.withdraw() {
                    self.go_on(Work::Cancel(pending), now);
                }
            }
        }
    }

    /// The command has nobody to answer to any more.
    fn abandon(&mut self) {
        if let Some(pending) = self.withdraw() {
            self.hand_out(self.transaction, Work::Cancel(pending));
        }
        self.stage = Stage::Idle;
    }

    /// Ends the question, if one is asked, and says so.
    fn withdraw(&mut self) -> Option<Pending> {
        let (id, pending) = self.take_question()?;
        self.events.push_back(Event::Withdraw(id));
        Some(pending)
    }

    fn take_question(&mut self) -> Option<(QuestionId, Pending)> {
        match core::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Asked { id, pending, .. } => Some((id, pending)),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// The command goes on with what a person did or did not do. A cancelled one is about to be answered.
    fn go_on(&mut self, work: Work, now: Moment) {
        let cancelled = matches!(work, Work::Cancel(_));
        if !cancelled {
            self.link.set_status(KeepaliveStatus::Processing, now.ticks);
        }
        self.stage = Stage::Out { cancelled };
        self.hand_out(self.transaction, work);
    }

    fn hand_out(&mut self, transaction: u64, work: Work) {
        self.out = Some(transaction);
        self.events.push_back(Event::Job(Job { id: JobId(transaction), work }));
    }

    fn begin(&self, channel: Channel, message: Vec<u8>) -> Work {
        match self.command {
            #[cfg(feature = "u2f")]
            Command::Msg => Work::BeginU2f { message },
            _ => Work::Begin { channel, message },
        }
    }

    /// Begins the command that waits, if the machine is free.
    fn hand_out_waiting(&mut self) {
        if self.out.is_some() {
            return;
        }
        self.stage = match core::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Waiting { channel, message } => {
                let work = self.begin(channel, message);
                self.hand_out(self.transaction, work);
                Stage::Out { cancelled: false }
            }
            other => other,
        };
    }
}
