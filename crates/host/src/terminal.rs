//! The terminal: lines with and without echo, with a deadline.

use std::{
    io::{IsTerminal, Write, stderr, stdin},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
    termios::{
        LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
    },
};
use zeroize::Zeroizing;

use crate::{error::HostError, hid::Withdrawal};

/// The most bytes of a secret text, as the vault format has it for passphrases.
pub(crate) const MAX_LENGTH: usize = 1024;

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// What came of a question.
pub(crate) enum Reply<T> {
    /// A line, without its end.
    Line(T),
    /// Nothing in time.
    TimedOut,
    /// The person ended the input, or pressed Ctrl-C where the program sees it; or the question was withdrawn.
    GaveUp,
}

/// Standard input and standard error, both of which are a terminal.
pub(crate) struct Terminal {
    /// Ends every question when it comes.
    withdrawal: Option<Withdrawal>,
}

impl Terminal {
    /// [`HostError::NoTerminal`] where one of them is none.
    pub(crate) fn open() -> Result<Self, HostError> {
        let present = stdin().is_terminal() && stderr().is_terminal();
        if present { Ok(Self { withdrawal: None }) } else { Err(HostError::NoTerminal) }
    }

    /// The same, with questions that can be withdrawn.
    pub(crate) fn until(self, withdrawal: Withdrawal) -> Self {
        Self { withdrawal: Some(withdrawal) }
    }

    /// Shows a line.
    pub(crate) fn say(&self, text: &str) {
        _ = writeln!(stderr(), "{text}");
    }

    /// Asks for a line, which is seen while it is typed. What was typed before the question does not answer it.
    pub(crate) fn ask(&self, prompt: &str, timeout: Option<Duration>) -> Reply<String> {
        _ = tcflush(stdin(), QueueSelector::IFlush);
        self.prompt(prompt);
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut line = Vec::new();
        loop {
            match self.next_byte(deadline) {
                Reply::Line(b'\n') => return Reply::Line(String::from_utf8_lossy(&line).trim().to_owned()),
                Reply::Line(byte) if line.len() < MAX_LENGTH => line.push(byte),
                Reply::Line(_) => {}
                Reply::TimedOut => return self.end(Reply::TimedOut),
                Reply::GaveUp => return self.end(Reply::GaveUp),
            }
        }
    }

    /// Asks for a line that nobody sees. Ctrl-C is an answer of its own here ([`Reply::GaveUp`]): a program that dies of it
    /// would leave the terminal without echo.
    pub(crate) fn ask_secret(
        &self,
        prompt: &str,
        timeout: Option<Duration>,
    ) -> Result<Reply<Zeroizing<Vec<u8>>>, HostError> {
        let _restored = Silence::start().map_err(|_| HostError::NoTerminal)?;
        self.prompt(prompt);
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        // Its room is never outgrown, so no copy is left behind.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_LENGTH + 1));
        loop {
            match self.next_byte(deadline) {
                Reply::Line(b'\n' | b'\r') => return Ok(self.end(Reply::Line(line))),
                Reply::Line(CTRL_C) => return Ok(self.end(Reply::GaveUp)),
                Reply::Line(CTRL_D) if line.is_empty() => return Ok(self.end(Reply::GaveUp)),
                Reply::Line(BACKSPACE | DELETE) => drop_character(&mut line),
                Reply::Line(CTRL_U) => line.clear(),
                Reply::Line(byte) if line.len() <= MAX_LENGTH => line.push(byte),
                Reply::Line(_) => {}
                Reply::TimedOut => return Ok(self.end(Reply::TimedOut)),
                Reply::GaveUp => return Ok(self.end(Reply::GaveUp)),
            }
        }
    }

    fn prompt(&self, prompt: &str) {
        _ = write!(stderr(), "{prompt}");
        _ = stderr().flush();
    }

    fn end<T>(&self, reply: Reply<T>) -> Reply<T> {
        _ = writeln!(stderr());
        reply
    }

    fn next_byte(&self, deadline: Option<Instant>) -> Reply<u8> {
        let mut byte = Zeroizing::new([0]);
        loop {
            match self.wait(deadline) {
                Reply::Line(()) => {}
                Reply::TimedOut => return Reply::TimedOut,
                Reply::GaveUp => return Reply::GaveUp,
            }
            match read(stdin(), byte.as_mut_slice()) {
                Ok(1..) => return Reply::Line(byte[0]),
                Err(Errno::INTR) => {}
                _ => return Reply::GaveUp,
            }
        }
    }

    /// Waits for input, the deadline or the withdrawal.
    fn wait(&self, deadline: Option<Instant>) -> Reply<()> {
        loop {
            let timeout = deadline.map(|deadline| {
                let left = deadline.saturating_duration_since(Instant::now());
                Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() }
            });
            let input = stdin();
            let mut sources = vec![PollFd::new(&input, PollFlags::IN)];
            sources.extend(self.withdrawal.iter().map(|withdrawal| PollFd::new(withdrawal, PollFlags::IN)));
            match poll(&mut sources, timeout.as_ref()) {
                Ok(0) => return Reply::TimedOut,
                Err(Errno::INTR) => {}
                Ok(_) if sources.get(1).is_some_and(|withdrawal| !withdrawal.revents().is_empty()) => {
                    return Reply::GaveUp;
                }
                // Whatever else is wrong, reading will tell.
                _ => return Reply::Line(()),
            }
        }
    }
}

/// Removes the last character of UTF-8, with its continuation bytes.
fn drop_character(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

/// A terminal that shows nothing and hands over each key at once; as before when it is dropped.
struct Silence {
    before: Termios,
}

impl Silence {
    fn start() -> rustix::io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Flush: what was typed before the question, and seen, is no answer.
        tcsetattr(stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self { before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        _ = tcsetattr(stdin(), OptionalActions::Flush, &self.before);
    }
}
