//! The control socket: what a test suite does to a security key with its hands. One command a line, each answered with a
//! line, in their order: `ok`, or `error:` and why.

use std::{
    fs,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use crate::error::HostError;

/// How many may be connected at once; others wait.
const MAX_CONNECTIONS: usize = 8;
/// The longest line; whoever sends a longer one is cut off.
const MAX_LINE: usize = 64;

/// What can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// `power-cycle`
    PowerCycle,
    /// `touch on`, `touch off`
    Touch(bool),
    /// `quit`
    Quit,
}

impl Command {
    fn parse(line: &[u8]) -> Option<Self> {
        match str::from_utf8(line).ok()?.trim() {
            "power-cycle" => Some(Self::PowerCycle),
            "touch on" => Some(Self::Touch(true)),
            "touch off" => Some(Self::Touch(false)),
            "quit" => Some(Self::Quit),
            _ => None,
        }
    }
}

/// Who gave an order, for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller(u64);

/// A listening socket, gone when this is dropped, and its connections.
pub(super) struct Control {
    path: PathBuf,
    listener: UnixListener,
    connections: Vec<Connection>,
    callers: u64,
}

struct Connection {
    caller: Caller,
    stream: UnixStream,
    line: Vec<u8>,
    /// Nothing more comes. It stays for the answers that it is owed.
    ended: bool,
    owed: usize,
}

impl Control {
    /// A socket for its owner alone. One that a process left behind when it died is taken over.
    pub(super) fn listen(path: &Path) -> Result<Self, HostError> {
        remove_dead(path)?;
        let listener = UnixListener::bind(path).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => HostError::AlreadyExists(path.to_path_buf()),
            _ => HostError::io(path, error),
        })?;
        let ready = fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .and_then(|()| listener.set_nonblocking(true));
        ready.map_err(|error| HostError::io(path, error))?;
        Ok(Self { path: path.to_path_buf(), listener, connections: Vec::new(), callers: 0 })
    }

    /// What to wait for.
    pub(super) fn sources(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let listener = (self.connections.len() < MAX_CONNECTIONS).then(|| self.listener.as_fd());
        let open = self.connections.iter().filter(|connection| !connection.ended);
        listener.into_iter().chain(open.map(|connection| connection.stream.as_fd()))
    }

    /// The lines that have come, each to be answered; `None`: no command.
    pub(super) fn receive(&mut self) -> Vec<(Caller, Option<Command>)> {
        self.accept();
        let mut lines = Vec::new();
        self.connections.iter_mut().for_each(|connection| connection.read(&mut lines));
        self.hang_up();
        lines
    }

    fn accept(&mut self) {
        while self.connections.len() < MAX_CONNECTIONS {
            let Ok((stream, _)) = self.listener.accept() else { return };
            if stream.set_nonblocking(true).is_ok() {
                self.callers += 1;
                let caller = Caller(self.callers);
                self.connections.push(Connection { caller, stream, line: Vec::new(), ended: false, owed: 0 });
            }
        }
    }

    /// Answers a line, if whoever sent it is still there.
    pub(super) fn answer(&mut self, caller: Caller, answer: &str) {
        if let Some(connection) = self.connections.iter_mut().find(|connection| connection.caller == caller) {
            connection.say(answer);
        }
        self.hang_up();
    }

    fn hang_up(&mut self) {
        self.connections.retain(|connection| !connection.ended || connection.owed > 0);
    }
}

impl Connection {
    fn read(&mut self, lines: &mut Vec<(Caller, Option<Command>)>) {
        let mut bytes = [0; 256];
        while !self.ended {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(read) => bytes.iter().take(read).for_each(|byte| self.take(*byte, lines)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.ended = true,
            }
        }
    }

    fn take(&mut self, byte: u8, lines: &mut Vec<(Caller, Option<Command>)>) {
        if self.ended {
            // What stands behind a line that was too long is none.
        } else if byte == b'\n' {
            lines.push((self.caller, Command::parse(&self.line)));
            self.line.clear();
            self.owed += 1;
        } else if self.line.len() < MAX_LINE {
            self.line.push(byte);
        } else {
            self.ended = true;
        }
    }

    fn say(&mut self, answer: &str) {
        self.owed = self.owed.saturating_sub(1);
        // Whoever does not read does not want to know.
        _ = self.stream.write_all(format!("{answer}\n").as_bytes());
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.path);
    }
}

/// Removes a socket at which nobody listens. Anything else is left alone.
fn remove_dead(path: &Path) -> Result<(), HostError> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(HostError::AlreadyExists(path.to_path_buf()));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(HostError::Busy(path.to_path_buf())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| HostError::io(path, error))
        }
        Err(error) => Err(HostError::io(path, error)),
    }
}
