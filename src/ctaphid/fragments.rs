//! A message, cut into reports.

use alloc::vec::Vec;

use super::{
    command::Command,
    report::{CONTINUATION_PAYLOAD, INIT_PAYLOAD, MAX_MESSAGE, REPORT_LENGTH, Report},
};

/// The reports of one message, in order: an initialization packet, and as many continuation packets as it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragments {
    channel: u32,
    command: Command,
    message: Vec<u8>,
    /// How much of the message is in reports that were handed out; none: not even the first was.
    sent: Option<usize>,
    sequence: u8,
}

/// A message is longer than [`MAX_MESSAGE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl Fragments {
    /// Cuts a message up; it has at most [`MAX_MESSAGE`] bytes.
    pub fn new(channel: u32, command: Command, message: Vec<u8>) -> Result<Self, TooLong> {
        if message.len() > MAX_MESSAGE {
            return Err(TooLong);
        }
        Ok(Self { channel, command, message, sent: None, sequence: 0 })
    }

    /// The channel that it goes to.
    pub fn channel(&self) -> u32 {
        self.channel
    }

    /// Whether every report was handed out.
    pub fn is_done(&self) -> bool {
        self.sent.is_some_and(|sent| sent >= self.message.len())
    }

    /// The next piece of the message, of at most `room` bytes.
    fn piece(&mut self, room: usize) -> &[u8] {
        let from = self.sent.unwrap_or(0);
        let to = from.saturating_add(room).min(self.message.len());
        self.sent = Some(to);
        self.message.get(from..to).unwrap_or_default()
    }
}

impl Iterator for Fragments {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        if self.is_done() {
            return None;
        }
        let channel = self.channel.to_be_bytes();
        if self.sent.is_none() {
            let [high, low] = u16::try_from(self.message.len()).unwrap_or(u16::MAX).to_be_bytes();
            let command = self.command.number() | 0x80;
            let piece = self.piece(INIT_PAYLOAD);
            return Some(report(&[&channel, &[command, high, low], piece]));
        }
        let sequence = self.sequence;
        self.sequence = sequence.saturating_add(1);
        let piece = self.piece(CONTINUATION_PAYLOAD);
        Some(report(&[&channel, &[sequence], piece]))
    }
}

/// The parts, and zeros up to the end.
fn report(parts: &[&[u8]]) -> Report {
    let mut report = [0; REPORT_LENGTH];
    let bytes = parts.iter().flat_map(|part| part.iter());
    for (place, byte) in report.iter_mut().zip(bytes) {
        *place = *byte;
    }
    report
}
