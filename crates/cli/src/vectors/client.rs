//! CTAPHID over UDP, the client's end.

use std::{
    io,
    net::{ToSocketAddrs, UdpSocket},
    time::Duration,
};

use countersign::ctaphid::{
    Assembler, BROADCAST, Command, ErrorCode, Fragments, Packet, Progress, REPORT_LENGTH, Report,
};

use crate::{failure::Failure, places::random};

/// How long there may be nothing at all; an authenticator that is at work, or waits for a person, keeps alive.
const SILENCE: Duration = Duration::from_secs(5);
/// How often a busy authenticator is tried again, and after how long.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// A channel of its own to an authenticator.
pub(super) struct Client {
    socket: UdpSocket,
    address: String,
    channel: u32,
}

/// What came back.
pub(super) enum Reply {
    Message(Vec<u8>),
    /// CTAPHID_ERROR
    Error(u8),
}

impl Client {
    /// `address` is a host and a port.
    pub(super) fn connect(address: &str) -> Result<Self, Failure> {
        let resolved = address.to_socket_addrs().map_err(|error| {
            Failure::usage("bad-address", format!("{address}: not a host and a port: {error}"))
        })?;
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for resolved in resolved {
            let any = if resolved.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).and_then(|socket| {
                socket.connect(resolved)?;
                socket.set_read_timeout(Some(SILENCE))?;
                Ok(socket)
            });
            match socket {
                Ok(socket) => return Self { socket, address: address.to_owned(), channel: BROADCAST }.init(),
                Err(error) => last = error,
            }
        }
        Err(Failure::failed("socket", format!("{address}: {last}")))
    }

    /// CTAPHID_INIT
    fn init(mut self) -> Result<Self, Failure> {
        let nonce: [u8; 8] = random();
        let reply = self.exchange(Command::Init, &nonce)?;
        let Reply::Message(response) = reply else { return Err(self.strange("CTAPHID_INIT was refused")) };
        let channel = response.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        self.channel = channel
            .filter(|_| response.starts_with(&nonce))
            .ok_or_else(|| self.strange("CTAPHID_INIT was not answered"))?;
        Ok(self)
    }

    /// One CTAP2 message. A busy authenticator is waited for.
    pub(super) fn cbor(&self, message: &[u8]) -> Result<Reply, Failure> {
        for _ in 0..TRIES {
            match self.exchange(Command::Cbor, message)? {
                Reply::Error(error) if error == ErrorCode::ChannelBusy.byte() => std::thread::sleep(PAUSE),
                reply => return Ok(reply),
            }
        }
        Err(self.strange("it stays busy"))
    }

    fn exchange(&self, command: Command, message: &[u8]) -> Result<Reply, Failure> {
        let reports = Fragments::new(self.channel, command, message.to_vec());
        for report in reports.map_err(|_| self.strange("the message is longer than CTAPHID has room for"))? {
            self.socket.send(&report).map_err(|error| self.lost(&error))?;
        }
        loop {
            let (received, message) = self.message()?;
            match received {
                Some(Command::Keepalive) => {}
                Some(Command::Error) => return Ok(Reply::Error(message.first().copied().unwrap_or(0))),
                Some(received) if received == command => return Ok(Reply::Message(message)),
                _ => return Err(self.strange("it answered another command")),
            }
        }
    }

    fn message(&self) -> Result<(Option<Command>, Vec<u8>), Failure> {
        let report = self.report()?;
        let Packet::Initialization { command, length, data, .. } = Packet::of(&report) else {
            return Err(self.strange("a message began in the middle"));
        };
        let mut progress = Assembler::begin(length, data);
        loop {
            match progress
                .map_err(|_| self.strange("a message is too long, or its packets are out of order"))?
            {
                Progress::Complete(message) => return Ok((Command::from_number(command), message)),
                Progress::Incomplete(assembler) => {
                    let report = self.report()?;
                    let Packet::Continuation { sequence, data, .. } = Packet::of(&report) else {
                        return Err(self.strange("a message ended too early"));
                    };
                    progress = assembler.go_on(sequence, data);
                }
            }
        }
    }

    /// The next report on this channel.
    fn report(&self) -> Result<Report, Failure> {
        loop {
            let mut report = [0; REPORT_LENGTH];
            let length = self.socket.recv(&mut report).map_err(|error| self.lost(&error))?;
            if length == REPORT_LENGTH && Packet::of(&report).channel() == self.channel {
                return Ok(report);
            }
        }
    }

    fn lost(&self, error: &io::Error) -> Failure {
        let what = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer".to_owned(),
            io::ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
            _ => error.to_string(),
        };
        Failure::failed("no-authenticator", format!("{}: {what}", self.address))
            .hint("is an authenticator that speaks CTAPHID over UDP running there?")
    }

    fn strange(&self, what: &str) -> Failure {
        Failure::failed("protocol", format!("{}: {what}", self.address))
    }
}
