//! The control socket: what a test suite does to a security key with its hands. One command a line, each answered with a
//! line: `ok`, or `error:` and why.

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
    fn parse(line: &str) -> Option<Self> {
        match line.trim() {
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
        listener.into_iter().chain(self.connections.iter().map(|connection| connection.stream.as_fd()))
    }

    /// The commands that have come. Lines that are none are answered here.
    pub(super) fn receive(&mut self) -> Vec<(Caller, Command)> {
        self.accept();
        let mut commands = Vec::new();
        self.connections.retain_mut(|connection| connection.read(&mut commands));
        commands
    }

    fn accept(&mut self) {
        while self.connections.len() < MAX_CONNECTIONS {
            let Ok((stream, _)) = self.listener.accept() else { return };
            if stream.set_nonblocking(true).is_ok() {
                self.callers += 1;
                let caller = Caller(self.callers);
                self.connections.push(Connection { caller, stream, line: Vec::new() });
            }
        }
    }

    /// Answers a command, if whoever gave it is still there.
    pub(super) fn answer(&mut self, caller: Caller, answer: &str) {
        if let Some(connection) = self.connections.iter_mut().find(|connection| connection.caller == caller) {
            connection.say(answer);
        }
    }
}

impl Connection {
    /// False: it is over.
    fn read(&mut self, commands: &mut Vec<(Caller, Command)>) -> bool {
        let mut bytes = [0; 256];
        loop {
            let read = match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return false,
            };
            for byte in bytes.iter().take(read) {
                match byte {
                    b'\n' => self.take_line(commands),
                    _ if self.line.len() >= MAX_LINE => return false,
                    byte => self.line.push(*byte),
                }
            }
        }
    }

    fn take_line(&mut self, commands: &mut Vec<(Caller, Command)>) {
        let line = std::mem::take(&mut self.line);
        match std::str::from_utf8(&line).ok().and_then(Command::parse) {
            Some(command) => commands.push((self.caller, command)),
            None => self.say("error: the commands are power-cycle, touch on, touch off, quit"),
        }
    }

    fn say(&mut self, answer: &str) {
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
