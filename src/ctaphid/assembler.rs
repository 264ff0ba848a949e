//! A message, put together from packets.

use alloc::vec::Vec;

use super::{command::ErrorCode, report::MAX_MESSAGE};

/// A message of which a part has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembler {
    length: usize,
    message: Vec<u8>,
    sequence: u8,
}

/// What a packet made of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// More is to come.
    Incomplete(Assembler),
    /// This is all of it.
    Complete(Vec<u8>),
}

impl Assembler {
    /// Begins with the length and the data of an initialization packet. [`ErrorCode::InvalidLength`]: more than
    /// [`MAX_MESSAGE`] bytes. Memory is taken as packets come, not as they are announced.
    pub fn begin(length: u16, data: &[u8]) -> Result<Progress, ErrorCode> {
        let length = usize::from(length);
        if length > MAX_MESSAGE {
            return Err(ErrorCode::InvalidLength);
        }
        Ok(Self { length, message: Vec::new(), sequence: 0 }.take(data))
    }

    /// Goes on with a continuation packet. [`ErrorCode::InvalidSequence`]: another one was due.
    pub fn go_on(mut self, sequence: u8, data: &[u8]) -> Result<Progress, ErrorCode> {
        if sequence != self.sequence {
            return Err(ErrorCode::InvalidSequence);
        }
        self.sequence = self.sequence.saturating_add(1);
        Ok(self.take(data))
    }

    fn take(mut self, data: &[u8]) -> Progress {
        let missing = self.length.saturating_sub(self.message.len());
        self.message.extend(data.iter().take(missing));
        if self.message.len() < self.length {
            Progress::Incomplete(self)
        } else {
            Progress::Complete(self.message)
        }
    }
}
