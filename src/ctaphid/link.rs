//! The authenticator's end: channels, transactions, locks, time-outs.

use alloc::{collections::VecDeque, vec::Vec};

use super::{
    assembler::{Assembler, Progress},
    channels::Channels,
    command::{Capabilities, Command, ErrorCode, KeepaliveStatus},
    fragments::Fragments,
    report::{BROADCAST, Packet, Report},
};

/// "This version of the CTAPHID protocol is 2."
const PROTOCOL_VERSION: u8 = 2;
/// How long the next packet of a message may take, in milliseconds.
const PACKET_TIMEOUT: u64 = 500;
/// How long a whole message may take, so that a trickle does not keep everybody else out.
const MESSAGE_TIMEOUT: u64 = 3_000;
/// Keepalives leave at least every 100 ms; some time is left for the host.
const KEEPALIVE_INTERVAL: u64 = 80;
/// The longest lock, in seconds.
const LONGEST_LOCK: u8 = 10;
/// How many short replies wait for a host that does not fetch them. Later ones are dropped.
const MAX_REPLIES: usize = 32;

/// What the response to CTAPHID_INIT says of an authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Device version: major, minor, build.
    pub version: [u8; 3],
    /// What it can do.
    pub capabilities: Capabilities,
}

/// What a report came to, beside replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A whole message. Everybody is kept waiting until [`Link::respond`] or [`Link::fail`].
    Message {
        /// Whose it is.
        channel: u32,
        /// [`Command::Cbor`] or [`Command::Msg`].
        command: Command,
        /// What it says; never empty.
        message: Vec<u8>,
    },
    /// The message that is being processed should end. It is answered all the same.
    Cancel,
    /// Nobody waits for the response to the message that is being processed any more.
    Abandoned,
    /// Somebody wants to see which authenticator this is. It is answered already.
    Wink,
}

/// All that an authenticator has to do with CTAPHID. Times are ticks: milliseconds that never go back.
#[derive(Debug, Clone)]
pub struct Link {
    identity: Identity,
    channels: Channels,
    transaction: Transaction,
    lock: Option<Lock>,
    replies: VecDeque<Report>,
}

/// "The application channel that manages to get through the first initialization packet when the device is in idle state
/// will keep the device locked for other channels until the last packet of the response message has been received or the
/// transaction is aborted." So there is one at most.
#[derive(Debug, Clone)]
enum Transaction {
    Idle,
    Receiving { channel: u32, command: Command, assembler: Assembler, next_by: u64, all_by: u64 },
    Processing { channel: u32, command: Command, status: KeepaliveStatus, keepalive_at: u64 },
    Responding(Fragments),
}

#[derive(Debug, Clone, Copy)]
struct Lock {
    channel: u32,
    until: u64,
}

impl Transaction {
    /// Ends it.
    fn take(&mut self) -> Self {
        core::mem::replace(self, Self::Idle)
    }

    fn channel(&self) -> Option<u32> {
        match self {
            Self::Idle => None,
            Self::Receiving { channel, .. } | Self::Processing { channel, .. } => Some(*channel),
            Self::Responding(fragments) => Some(fragments.channel()),
        }
    }
}

impl Link {
    /// Powers up: no channel is allocated. `seed` says where their numbers begin; let it be random.
    pub fn new(identity: Identity, seed: u32) -> Self {
        Self {
            identity,
            channels: Channels::new(seed),
            transaction: Transaction::Idle,
            lock: None,
            replies: VecDeque::new(),
        }
    }

    /// Takes one report. Whatever there is to send afterwards comes from [`Link::next_report`].
    pub fn receive(&mut self, report: &Report, now: u64) -> Option<Received> {
        self.poll(now);
        match Packet::of(report) {
            Packet::Continuation { channel, sequence, data } => self.go_on(channel, sequence, data, now),
            Packet::Initialization { channel, command, length, data } => {
                match Command::from_number(command) {
                    Some(Command::Init) => self.init(channel, length, data),
                    Some(Command::Cancel) => self.cancel(channel),
                    command => self.begin(channel, command, (length, data), now),
                }
            }
        }
    }

    /// CTAPHID_INIT needs no transaction, so nobody is busy for it.
    fn init(&mut self, channel: u32, length: u16, data: &[u8]) -> Option<Received> {
        let Some(nonce) = data.first_chunk::<8>().filter(|_| length == 8) else {
            self.reply_error(channel, ErrorCode::InvalidLength);
            return None;
        };
        if channel == BROADCAST {
            // "If sent on the broadcast CID, it requests the device to allocate a unique 32-bit channel identifier"
            let allocated = self.channels.allocate();
            self.reply_init(channel, nonce, allocated);
            return None;
        }
        if !self.channels.contains(channel) {
            self.reply_error(channel, ErrorCode::InvalidChannel);
            return None;
        }
        // "If sent on an allocated CID, it synchronizes a channel, discarding the current transaction, buffers and state as
        // quickly as possible. [...] The device then responds with the CID of the channel it received the INIT on"
        let abandoned = self.abort(channel);
        self.reply_init(channel, nonce, channel);
        abandoned.then_some(Received::Abandoned)
    }

    /// Ends the channel's transaction and drops what would be sent to it. True: its message was being processed.
    fn abort(&mut self, channel: u32) -> bool {
        self.replies.retain(|report| Packet::of(report).channel() != channel);
        if self.transaction.channel() != Some(channel) {
            return false;
        }
        matches!(self.transaction.take(), Transaction::Processing { .. })
    }

    /// "A CTAPHID_CANCEL received while no CTAPHID_CBOR request is being processed, or on a non-active CID SHALL be ignored
    /// by the authenticator." It is never answered itself.
    fn cancel(&self, channel: u32) -> Option<Received> {
        match self.transaction {
            Transaction::Processing { channel: active, command: Command::Cbor, .. } if active == channel => {
                Some(Received::Cancel)
            }
            _ => None,
        }
    }

    /// An initialization packet of a command that takes a transaction.
    fn begin(
        &mut self,
        channel: u32,
        command: Option<Command>,
        (length, data): (u16, &[u8]),
        now: u64,
    ) -> Option<Received> {
        let begun = self.admit(channel).and_then(|()| self.command(command, length));
        let begun = begun.and_then(|command| Ok((command, Assembler::begin(length, data)?)));
        match begun {
            Err(error) => self.reply_error(channel, error),
            Ok((command, Progress::Complete(message))) => {
                return self.complete(channel, command, message, now);
            }
            Ok((command, Progress::Incomplete(assembler))) => {
                let (next_by, all_by) =
                    (now.saturating_add(PACKET_TIMEOUT), now.saturating_add(MESSAGE_TIMEOUT));
                self.transaction = Transaction::Receiving { channel, command, assembler, next_by, all_by };
            }
        }
        None
    }

    /// Whether a channel may begin a transaction now.
    fn admit(&mut self, channel: u32) -> Result<(), ErrorCode> {
        if channel == 0 || channel == BROADCAST {
            return Err(ErrorCode::InvalidChannel);
        }
        match &self.transaction {
            Transaction::Idle => {}
            // The rest of its message was due.
            Transaction::Receiving { channel: active, .. } if *active == channel => {
                self.transaction = Transaction::Idle;
                return Err(ErrorCode::InvalidSequence);
            }
            // "If an application tries to access the device from a different channel while the device is busy with a
            // transaction, that request will immediately fail with a busy-error message sent to the requesting channel."
            _ => return Err(ErrorCode::ChannelBusy),
        }
        // "As long as the lock is active, any other channel trying to send a message will fail."
        if self.lock.is_some_and(|lock| lock.channel != channel) {
            return Err(ErrorCode::ChannelBusy);
        }
        if self.channels.contains(channel) { Ok(()) } else { Err(ErrorCode::InvalidChannel) }
    }

    /// Whether there is such a command here, and with messages of such a length.
    fn command(&self, command: Option<Command>, length: u16) -> Result<Command, ErrorCode> {
        let command = command.ok_or(ErrorCode::InvalidCommand)?;
        let capabilities = self.identity.capabilities;
        let fits = match command {
            Command::Ping => true,
            Command::Cbor => length >= 1,
            Command::Msg if capabilities.msg => length >= 4,
            Command::Wink if capabilities.wink => length == 0,
            Command::Lock => length == 1,
            _ => return Err(ErrorCode::InvalidCommand),
        };
        if fits { Ok(command) } else { Err(ErrorCode::InvalidLength) }
    }

    /// "Spurious continuation packets appearing without a prior initialization packet will be ignored." Those of other
    /// channels are such.
    fn go_on(&mut self, channel: u32, sequence: u8, data: &[u8], now: u64) -> Option<Received> {
        if !matches!(self.transaction, Transaction::Receiving { channel: active, .. } if active == channel) {
            return None;
        }
        let Transaction::Receiving { command, assembler, all_by, .. } = self.transaction.take() else {
            return None;
        };
        match assembler.go_on(sequence, data) {
            Err(error) => {
                self.reply_error(channel, error);
                None
            }
            Ok(Progress::Complete(message)) => self.complete(channel, command, message, now),
            Ok(Progress::Incomplete(assembler)) => {
                let next_by = now.saturating_add(PACKET_TIMEOUT);
                self.transaction = Transaction::Receiving { channel, command, assembler, next_by, all_by };
                None
            }
        }
    }

    /// A whole message has come.
    fn complete(&mut self, channel: u32, command: Command, message: Vec<u8>, now: u64) -> Option<Received> {
        match command {
            Command::Ping => self.send(channel, command, message),
            Command::Lock => self.lock(channel, &message, now),
            Command::Wink => {
                self.send(channel, command, message);
                return Some(Received::Wink);
            }
            _ => {
                let (status, keepalive_at) =
                    (KeepaliveStatus::Processing, now.saturating_add(KEEPALIVE_INTERVAL));
                self.transaction = Transaction::Processing { channel, command, status, keepalive_at };
                return Some(Received::Message { channel, command, message });
            }
        }
        None
    }

    /// "Lock time in seconds 0..10. A value of 0 immediately releases the lock."
    fn lock(&mut self, channel: u32, message: &[u8], now: u64) {
        let seconds = message.first().copied().unwrap_or(0);
        if seconds > LONGEST_LOCK {
            return self.reply_error(channel, ErrorCode::InvalidParameter);
        }
        let until = now.saturating_add(u64::from(seconds).saturating_mul(1_000));
        self.lock = (seconds > 0).then_some(Lock { channel, until });
        self.send(channel, Command::Lock, Vec::new());
    }

    /// Answers the message that is being processed; without one this does nothing. A response that is too long for the
    /// protocol is our mistake, and [`ErrorCode::Other`] to the peer.
    pub fn respond(&mut self, response: Vec<u8>) {
        if let Transaction::Processing { channel, command, .. } = self.transaction {
            self.transaction = Transaction::Idle;
            self.send(channel, command, response);
        }
    }

    /// The same with an error.
    pub fn fail(&mut self, error: ErrorCode) {
        if let Transaction::Processing { channel, .. } = self.transaction {
            self.transaction = Transaction::Idle;
            self.reply_error(channel, error);
        }
    }

    /// Says what the message that is being processed waits for. A change is told to the peer at once.
    pub fn set_status(&mut self, new: KeepaliveStatus, now: u64) {
        match &mut self.transaction {
            Transaction::Processing { channel, status, keepalive_at, .. } if *status != new => {
                (*status, *keepalive_at) = (new, now.saturating_add(KEEPALIVE_INTERVAL));
                let channel = *channel;
                self.reply(channel, Command::Keepalive, &[new.byte()]);
            }
            _ => {}
        }
    }

    /// Does what is due, and says at which tick something will be due next.
    pub fn poll(&mut self, now: u64) -> Option<u64> {
        self.lock.take_if(|lock| lock.until <= now);
        match &mut self.transaction {
            Transaction::Receiving { channel, next_by, all_by, .. } if (*next_by).min(*all_by) <= now => {
                let channel = *channel;
                self.transaction = Transaction::Idle;
                self.reply_error(channel, ErrorCode::MessageTimeout);
            }
            Transaction::Processing { channel, status, keepalive_at, .. } if *keepalive_at <= now => {
                *keepalive_at = now.saturating_add(KEEPALIVE_INTERVAL);
                let (channel, status) = (*channel, *status);
                self.reply(channel, Command::Keepalive, &[status.byte()]);
            }
            _ => {}
        }
        let transaction = match &self.transaction {
            Transaction::Receiving { next_by, all_by, .. } => Some((*next_by).min(*all_by)),
            Transaction::Processing { keepalive_at, .. } => Some(*keepalive_at),
            Transaction::Idle | Transaction::Responding(_) => None,
        };
        transaction.into_iter().chain(self.lock.map(|lock| lock.until)).min()
    }

    /// The next report to send. Fetch them until there is none, after every other call; until then the transaction that
    /// they belong to goes on.
    pub fn next_report(&mut self) -> Option<Report> {
        if let Some(report) = self.replies.pop_front() {
            return Some(report);
        }
        let Transaction::Responding(fragments) = &mut self.transaction else { return None };
        let report = fragments.next();
        if fragments.is_done() {
            self.transaction = Transaction::Idle;
        }
        report
    }

    /// Sends the response of a transaction, which lasts until its last packet was fetched.
    fn send(&mut self, channel: u32, command: Command, message: Vec<u8>) {
        match Fragments::new(channel, command, message) {
            Ok(fragments) => self.transaction = Transaction::Responding(fragments),
            Err(_) => self.reply_error(channel, ErrorCode::Other),
        }
    }

    fn reply_init(&mut self, channel: u32, nonce: &[u8; 8], allocated: u32) {
        let mut response = Vec::with_capacity(17);
        response.extend_from_slice(nonce);
        response.extend_from_slice(&allocated.to_be_bytes());
        response.push(PROTOCOL_VERSION);
        response.extend_from_slice(&self.identity.version);
        response.push(self.identity.capabilities.byte());
        self.reply(channel, Command::Init, &response);
    }

    fn reply_error(&mut self, channel: u32, error: ErrorCode) {
        self.reply(channel, Command::Error, &[error.byte()]);
    }

    /// Queues a message of one packet, beside any transaction.
    fn reply(&mut self, channel: u32, command: Command, message: &[u8]) {
        if self.replies.len() < MAX_REPLIES {
            self.replies.extend(Fragments::new(channel, command, message.to_vec()).into_iter().flatten());
        }
    }
}
