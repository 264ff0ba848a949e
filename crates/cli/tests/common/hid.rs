//! A program that uses the security key over UDP, and the key as a process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, UdpSocket},
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{Home, program};

pub(crate) const PING: u8 = 0x01;
pub(crate) const INIT: u8 = 0x06;
pub(crate) const CBOR: u8 = 0x10;
pub(crate) const CANCEL: u8 = 0x11;
pub(crate) const KEEPALIVE: u8 = 0x3b;
pub(crate) const ERROR: u8 = 0x3f;

/// A credential for a user of example.com that is not discoverable.
pub(crate) fn create(user: u8) -> Vec<u8> {
    let hash = "cd".repeat(32);
    let mut request = unhex(&format!(
        "01a4015820{hash}02a16269646b6578616d706c652e636f6d03a26269644101646e616d65616e\
         0481a263616c672664747970656a7075626c69632d6b6579"
    ));
    let place = request.windows(5).position(|window| window == b"\x62id\x41\x01").unwrap();
    request[place + 4] = user;
    request
}

/// The same, discoverable.
pub(crate) fn create_discoverable(user: u8) -> Vec<u8> {
    let mut request = create(user);
    request[1] += 1;
    request.extend_from_slice(b"\x07\xa1\x62rk\xf5");
    request
}

/// A client with a socket and a channel of its own.
pub(crate) struct Client {
    socket: UdpSocket,
    pub(crate) channel: u32,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut client = Self { socket, channel: u32::MAX };
        client.send(INIT, b"87654321");
        let (_, response) = client.receive();
        assert_eq!(response[..8], *b"87654321");
        client.channel = u32::from_be_bytes(response[8..12].try_into().unwrap());
        client
    }

    pub(crate) fn send(&self, command: u8, message: &[u8]) {
        let (first, rest) = message.split_at(message.len().min(57));
        let length = (message.len() as u16).to_be_bytes();
        self.send_report(&[&[command | 0x80], &length, first]);
        for (sequence, piece) in rest.chunks(59).enumerate() {
            self.send_report(&[&[sequence as u8], piece]);
        }
    }

    fn send_report(&self, parts: &[&[u8]]) {
        let mut report = [&self.channel.to_be_bytes()[..], &parts.concat()].concat();
        report.resize(64, 0);
        assert_eq!(self.socket.send(&report).unwrap(), 64);
    }

    fn receive_report(&self) -> Vec<u8> {
        let mut report = vec![0; 100];
        let length = self.socket.recv(&mut report).unwrap();
        assert_eq!(length, 64);
        assert_eq!(report[..4], self.channel.to_be_bytes());
        report[4..64].to_vec()
    }

    /// The next message, keepalives too.
    pub(crate) fn receive(&self) -> (u8, Vec<u8>) {
        let first = self.receive_report();
        let length = usize::from(u16::from_be_bytes([first[1], first[2]]));
        let mut message = first[3..].to_vec();
        while message.len() < length {
            message.extend_from_slice(&self.receive_report()[1..]);
        }
        message.truncate(length);
        (first[0] & 0x7f, message)
    }

    /// The response to what was sent, and the keepalives before it.
    pub(crate) fn response(&self) -> (Vec<u8>, (u8, Vec<u8>)) {
        let mut keepalives = Vec::new();
        loop {
            match self.receive() {
                (KEEPALIVE, status) => keepalives.extend(status),
                message => return (keepalives, message),
            }
        }
    }

    /// A CTAP2 command; the response.
    pub(crate) fn cbor(&self, message: &[u8]) -> Vec<u8> {
        self.send(CBOR, message);
        let (_, (command, response)) = self.response();
        assert_eq!(command, CBOR);
        response
    }
}

pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// `countersign device --auto-approve` with a control socket, until it is dropped.
pub(crate) struct Plugged {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) control: String,
}

impl Plugged {
    pub(crate) fn new(home: &Home, more: &[&str]) -> Self {
        let control = home.path("control").to_str().unwrap().to_owned();
        let mut command = device(home);
        command.args(["--auto-approve", "--control", &control]).args(more);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let address = ready(&mut child);
        Self { child, address, control }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.address)
    }

    /// One command at the control socket, and its answer.
    pub(crate) fn order(&self, line: &str) -> String {
        let mut stream = UnixStream::connect(&self.control).unwrap();
        writeln!(stream, "{line}").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Several lines at once and no more after them, and all that is answered.
    pub(crate) fn orders(&self, lines: &str) -> String {
        let mut stream = UnixStream::connect(&self.control).unwrap();
        stream.write_all(lines.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers
    }

    /// Its exit code, after it ended by itself.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// `countersign device` on a free port.
pub(crate) fn device(home: &Home) -> Command {
    let mut command = program();
    command.arg("--dir").arg(home.base()).args(["device", "--udp", "127.0.0.1:0"]).stdout(Stdio::piped());
    command
}

/// The address of the line that says that it is ready.
pub(crate) fn ready(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim_end().strip_prefix("READY udp=").unwrap_or_else(|| panic!("{line:?}")).to_owned()
}
