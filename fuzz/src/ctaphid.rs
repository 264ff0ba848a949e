//! A security key on a bus of strangers: any reports, at any time, on any channels, of CTAP2 and of U2F. Whatever comes, each
//! channel hears what it asked for and nothing else, one command is under way at most, and nothing is signed over U2F
//! that wants a touch, without one.

use std::{collections::BTreeSet, sync::Arc};

use countersign::{
    authenticator::{Answer, Authenticator, Settings},
    credential::MemoryStore,
    ctaphid::{Assembler, BROADCAST, Command, Fragments, Packet, Progress, Report},
    device::{Device, Event, Job, QuestionId},
    time::{Moment, UnixTime},
};

use super::{quick_crypto::QuickCrypto, seeded_rng::SeededRng};

/// The body of the fuzz target.
pub fn ctaphid(data: &[u8]) {
    play(data);
}

/// How many registrations and how many authentications of U2F succeed.
pub fn u2f_successes(data: &[u8]) -> [usize; 2] {
    play(data).u2f_successes
}

fn play(data: &[u8]) -> Bus<'_> {
    let mut bus = Bus::new(data);
    while let Some(operation) = bus.input.first().copied() {
        bus.input = bus.input.get(1..).unwrap_or_default();
        bus.operate(operation);
        bus.collect();
    }
    bus.settle();
    bus
}

/// A seed: two channels; each command as a whole message, by turns, with its jobs and an approval.
pub fn seed(commands: &[Vec<u8>]) -> Vec<u8> {
    messages(MESSAGE, commands)
}

/// The same of U2F: the commands, and then an authentication by the key handle that was made last, if one was, with and
/// without a touch, and by one that is not quite it.
pub fn u2f_seed(commands: &[Vec<u8>]) -> Vec<u8> {
    let mut seed = messages(U2F, commands);
    for (control, place, change) in [(3, 0, 0), (7, 0, 0), (8, 0, 0), (3, 40, 1)] {
        seed.extend_from_slice(&[U2F_AUTHENTICATE, 1, control, place, change]);
        seed.extend_from_slice(&ON_APPROVAL);
    }
    seed
}

fn messages(operation: u8, commands: &[Vec<u8>]) -> Vec<u8> {
    let mut seed = vec![INIT, INIT];
    for (turn, command) in (0..).zip(commands) {
        let length = u16::try_from(command.len()).expect("a command of at most 65535 bytes");
        seed.extend_from_slice(&[operation, turn & 1]);
        seed.extend_from_slice(&length.to_be_bytes());
        seed.extend_from_slice(command);
        seed.extend_from_slice(&ON_APPROVAL);
    }
    seed
}

const INIT: u8 = 0;
const MESSAGE: u8 = 1;
const WORK: u8 = 2;
const WAIT: u8 = 3;
const APPROVE: u8 = 4;
const U2F: u8 = 11;
const U2F_AUTHENTICATE: u8 = 12;
const OPERATIONS: u8 = 13;

/// The command's jobs, with an approval between them.
const ON_APPROVAL: [u8; 5] = [WORK, WAIT, 10, APPROVE, WORK];

/// The application parameter of [`U2F_AUTHENTICATE`], and the challenge parameter.
pub const PARAMETERS: [u8; 64] = [7; 64];

/// A client may wait for a response; whoever has none waits for nothing.
struct Bus<'a> {
    input: &'a [u8],
    device: Device,
    authenticator: Authenticator,
    store: MemoryStore,
    rng: SeededRng,
    now: Moment,
    /// The channels that were given out.
    channels: Vec<u32>,
    /// The channel of the last report, which may be refused.
    speaker: u32,
    /// The channels that began a message since they last heard of one, and whether it was of U2F.
    waiting: BTreeSet<(u32, bool)>,
    /// The response that is on its way.
    partial: Option<(u32, Command, Assembler)>,
    job: Option<Job>,
    question: Option<QuestionId>,
    /// A person approved of something since the last response.
    approved: bool,
    /// The key handle that was made last.
    key_handle: Vec<u8>,
    /// Registrations and authentications.
    u2f_successes: [usize; 2],
}

impl<'a> Bus<'a> {
    fn new(input: &'a [u8]) -> Self {
        let settings = Settings::security_key().served_to_platforms();
        let mut rng = SeededRng(1);
        let authenticator =
            Authenticator::new(settings, None, Arc::new(QuickCrypto)).expect("valid settings");
        let (device, authenticator) = with_u2f(authenticator, &mut rng);
        Self {
            input,
            device,
            authenticator,
            store: MemoryStore::with_capacity(4),
            rng,
            now: Moment { ticks: 0, date: Some(UnixTime(1_800_000_000)) },
            channels: Vec::new(),
            speaker: BROADCAST,
            waiting: BTreeSet::new(),
            partial: None,
            job: None,
            question: None,
            approved: false,
            key_handle: Vec::new(),
            u2f_successes: [0; 2],
        }
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.input.split_first() else { return 0 };
        self.input = rest;
        *first
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let (taken, rest) = self.input.split_at(length.min(self.input.len()));
        self.input = rest;
        taken.to_vec()
    }

    /// One of the channels that were given out, or another.
    fn channel(&mut self) -> u32 {
        let choice = self.byte();
        let given = self.channels.get(usize::from(choice & 0x7f)).copied();
        given.unwrap_or_else(|| [0, BROADCAST, u32::from(choice)][usize::from(choice % 3)])
    }

    fn operate(&mut self, operation: u8) {
        match operation % OPERATIONS {
            INIT => self.packet(BROADCAST, 0x86, &[0, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
            MESSAGE => {
                let channel = self.channel();
                let message = self.message();
                self.send(channel, Command::Cbor, message);
            }
            WORK => self.work(),
            WAIT => {
                self.now.ticks += u64::from(self.byte()) * 20;
                let next = self.device.poll(self.now);
                assert!(next.is_none_or(|next| next > self.now.ticks), "what was due was not done");
            }
            APPROVE => self.answer(Answer::Approved { choice: None }),
            5 => self.answer(Answer::Declined),
            6 => {
                let channel = self.channel();
                self.packet(channel, 0x91, &[]);
            }
            7 => {
                let channel = self.channel();
                self.packet(channel, 0x86, &[0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
            }
            8 => {
                let (channel, kind, length) = (self.channel(), self.byte(), self.byte());
                let data = self.bytes(usize::from(length % 60));
                self.packet(channel, kind, &data);
            }
            9 => {
                let mut report = [0; 64];
                let bytes = self.bytes(64);
                report[..bytes.len()].copy_from_slice(&bytes);
                self.report(&report);
            }
            U2F => {
                let channel = self.channel();
                let message = self.message();
                self.send(channel, Command::Msg, message);
            }
            U2F_AUTHENTICATE => {
                let (channel, control, place, change) =
                    (self.channel(), self.byte(), self.byte(), self.byte());
                let mut handle = self.key_handle.clone();
                if let Some(byte) = handle.get_mut(usize::from(place)) {
                    *byte ^= change;
                }
                let length = u8::try_from(handle.len()).expect("a key handle of at most 255 bytes");
                let data = [&PARAMETERS[..], &[length], &handle].concat();
                self.send(channel, Command::Msg, u2f_command(2, control, &data));
            }
            _ => self.disconnect(),
        }
    }

    fn message(&mut self) -> Vec<u8> {
        let length = u16::from_be_bytes([self.byte(), self.byte()]);
        self.bytes(length.into())
    }

    fn send(&mut self, channel: u32, command: Command, message: Vec<u8>) {
        let Ok(fragments) = Fragments::new(channel, command, message) else { return };
        fragments.for_each(|report| self.report(&report));
    }

    fn packet(&mut self, channel: u32, kind: u8, data: &[u8]) {
        let mut report = [0; 64];
        report[..4].copy_from_slice(&channel.to_be_bytes());
        report[4] = kind;
        report[5..5 + data.len()].copy_from_slice(data);
        self.report(&report);
    }

    fn report(&mut self, report: &Report) {
        let packet = Packet::of(report);
        self.speaker = packet.channel();
        if let Packet::Initialization { channel, command, .. } = packet {
            match Command::from_number(command) {
                Some(command @ (Command::Cbor | Command::Msg)) => {
                    self.waiting.insert((channel, command == Command::Msg));
                }
                // What was asked for before is not answered any more.
                Some(Command::Init) if self.channels.contains(&channel) => self.forget(channel),
                _ => {}
            }
        }
        self.device.receive(report, self.now);
        self.collect();
    }

    fn forget(&mut self, channel: u32) {
        self.partial.take_if(|(of, ..)| *of == channel);
    }

    fn work(&mut self) {
        let Some(job) = self.job.take() else { return };
        let finished = job.run(&mut self.authenticator, &mut self.store, self.now, &mut self.rng);
        self.device.finish(finished, self.now);
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(id) = self.question.take() {
            self.approved |= matches!(answer, Answer::Approved { .. });
            assert!(self.device.answer(id, answer, self.now), "a question that was not withdrawn is open");
        }
    }

    fn disconnect(&mut self) {
        self.device.disconnect(&mut self.rng);
        self.channels.clear();
        self.waiting.clear();
        self.partial = None;
        self.collect();
        assert!(self.question.is_none(), "nobody is asked for a peer that is gone");
    }

    /// Takes what the device has to give, and checks it.
    fn collect(&mut self) {
        let mut reports = 0;
        while let Some(report) = self.device.next_report() {
            reports += 1;
            self.hear(&report);
        }
        // A response of 7609 bytes, and the short replies that were queued before it.
        assert!(reports <= 129 + 32, "{reports} reports at once");
        while let Some(event) = self.device.next_event() {
            match event {
                Event::Job(job) => assert!(self.job.replace(job).is_none(), "one job is out at most"),
                Event::Ask(id, _) => assert!(self.question.replace(id).is_none(), "one question at most"),
                Event::Withdraw(id) => assert_eq!(self.question.take(), Some(id)),
                Event::Wink => {}
            }
        }
    }

    fn hear(&mut self, report: &Report) {
        let (channel, command, progress) = match (Packet::of(report), self.partial.take()) {
            (Packet::Continuation { channel, sequence, data }, Some((of, command, assembler))) => {
                assert_eq!(channel, of, "a message is not interrupted by another's rest");
                (channel, command, assembler.go_on(sequence, data))
            }
            (Packet::Initialization { channel, command, length, data }, None) => {
                let command = Command::from_number(command).expect("a command that exists");
                (channel, command, Assembler::begin(length, data))
            }
            (packet, partial) => panic!("{packet:?} after {partial:?}"),
        };
        match progress.expect("a message that keeps the rules") {
            Progress::Incomplete(assembler) => self.partial = Some((channel, command, assembler)),
            Progress::Complete(message) => self.heard(channel, command, &message),
        }
    }

    fn heard(&mut self, channel: u32, command: Command, message: &[u8]) {
        let is_known = self.channels.contains(&channel);
        match command {
            Command::Init if channel == BROADCAST => {
                let given = message.get(8..12).and_then(|bytes| bytes.try_into().ok());
                let given = u32::from_be_bytes(given.expect("a channel"));
                assert!(given != 0 && given != BROADCAST && !self.channels.contains(&given));
                // The choice of a channel is a byte, so that later ones are of no use.
                if self.channels.len() < 128 {
                    self.channels.push(given);
                }
            }
            Command::Error => {
                assert_eq!(message.len(), 1);
                assert!(channel == self.speaker || is_known, "a stranger is told what nobody said");
            }
            Command::Cbor => {
                assert!(self.waiting.remove(&(channel, false)), "a response to nothing");
                assert!(!message.is_empty());
                self.approved = false;
            }
            Command::Msg => {
                assert!(self.waiting.remove(&(channel, true)), "a response to nothing");
                self.heard_u2f(message);
                self.approved = false;
            }
            Command::Keepalive => {
                let waits = [false, true].iter().any(|u2f| self.waiting.contains(&(channel, *u2f)));
                assert!(matches!(message, [1 | 2]) && waits);
            }
            _ => assert_eq!(channel, self.speaker),
        }
    }

    /// A response of U2F (U2F Raw Message Formats v1.2, sections 4.3 and 5.4): data with success alone.
    fn heard_u2f(&mut self, message: &[u8]) {
        let (data, word) = message.split_last_chunk::<2>().expect("a status word");
        match (data, word) {
            (b"U2F_V2", [0x90, 0x00]) => {}
            ([0x05, 0x04, rest @ ..], [0x90, 0x00]) => {
                assert!(self.approved, "a registration without a touch");
                let (length, rest) = rest.get(64..).and_then(<[u8]>::split_first).expect("a key handle");
                self.key_handle = rest[..usize::from(*length)].to_vec();
                self.u2f_successes[0] += 1;
            }
            ([present @ (0 | 1), _, _, _, _, _, ..], [0x90, 0x00]) => {
                // Control byte 0x08 asks for no touch, and no presence is claimed then.
                assert!(*present == 0 || self.approved, "presence without a touch");
                self.u2f_successes[1] += 1;
            }
            ([], [0x67..=0x6f, _]) => {}
            _ => panic!("no response of U2F: {message:02x?}"),
        }
    }

    /// In the end everything that is under way comes to its end, and the device serves the next one.
    fn settle(&mut self) {
        self.now.ticks += 60_000;
        self.device.poll(self.now);
        self.collect();
        for _ in 0..4 {
            self.work();
            self.collect();
            self.answer(Answer::Declined);
            self.collect();
        }
        assert!(self.job.is_none() && self.question.is_none());
        self.disconnect();
        self.packet(BROADCAST, 0x86, &[0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        let channel = *self.channels.first().expect("a channel");
        self.packet(channel, 0x90, &[0, 1, 0x04]);
        self.work();
        self.collect();
        assert!(self.waiting.is_empty(), "getInfo is answered");
    }
}

/// U2F needs somebody who vouches.
#[cfg(feature = "u2f")]
fn with_u2f(authenticator: Authenticator, rng: &mut SeededRng) -> (Device, Authenticator) {
    use countersign::{
        attestation::KeyAttester,
        cose::CoseAlgorithm,
        crypto::{CryptoProvider as _, KeyPair},
    };

    /// As much of a certificate as is looked at: the place of the key.
    fn certificate(key: &KeyPair) -> Vec<u8> {
        let element = |tag: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).expect("a short element");
            [&[tag, length], content].concat()
        };
        let public_key = element(0x03, &[&[0, 0x04][..], &key.public().to_raw()].concat());
        let public_key = element(0x30, &[element(0x30, &[]), public_key].concat());
        // serialNumber, signature, issuer, validity, subject.
        let named = element(0x05, &[]).repeat(5);
        element(0x30, &element(0x30, &[named, public_key].concat()))
    }

    let key = QuickCrypto.make_key_pair(CoseAlgorithm::Es256, &mut SeededRng(2));
    let certificates = vec![certificate(&key)];
    let attester = KeyAttester::new(&key, certificates, &QuickCrypto).expect("its certificate");
    let authenticator = authenticator.with_attester(Arc::new(attester)).expect("no other model's");
    (Device::with_u2f([0, 1, 0], rng), authenticator)
}

#[cfg(not(feature = "u2f"))]
fn with_u2f(authenticator: Authenticator, rng: &mut SeededRng) -> (Device, Authenticator) {
    (Device::new([0, 1, 0], rng), authenticator)
}

/// A command APDU with extended lengths (ISO 7816-4 section 5.1).
pub fn u2f_command(instruction: u8, p1: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("data of at most 65535 bytes").to_be_bytes();
    [&[0, instruction, p1, 0, 0], &length[..], data, &[0, 0]].concat()
}
