//! Reports and the packets in them (CTAP 2.3 section 11.2.4).

/// The length of a report in bytes.
pub const REPORT_LENGTH: usize = 64;
/// One report, either way.
pub type Report = [u8; REPORT_LENGTH];
/// The channel on which channels are allocated.
pub const BROADCAST: u32 = 0xffff_ffff;

/// Payload bytes of an initialization packet: CID, CMD and BCNT go before it.
pub(super) const INIT_PAYLOAD: usize = REPORT_LENGTH - 7;
/// Payload bytes of a continuation packet: CID and SEQ go before it.
pub(super) const CONTINUATION_PAYLOAD: usize = REPORT_LENGTH - 5;
/// The longest message: continuation packets are numbered from 0 to 127, and 64 - 7 + 128 * (64 - 5) = 7609.
pub const MAX_MESSAGE: usize = 7609;

const INITIALIZATION: u8 = 0x80;

/// What is in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The first of a message.
    Initialization {
        /// CID
        channel: u32,
        /// CMD, without the bit that marks an initialization packet.
        command: u8,
        /// BCNT: the length of the whole message.
        length: u16,
        /// The beginning of the message, and padding.
        data: &'a [u8; INIT_PAYLOAD],
    },
    /// One of the others.
    Continuation {
        /// CID
        channel: u32,
        /// SEQ: 0 to 127.
        sequence: u8,
        /// More of the message, and padding.
        data: &'a [u8; CONTINUATION_PAYLOAD],
    },
}

impl<'a> Packet<'a> {
    /// Reads a report. Each one is a packet of one kind or the other.
    pub fn of(report: &'a Report) -> Self {
        let [c0, c1, c2, c3, kind, data @ ..] = report;
        let channel = u32::from_be_bytes([*c0, *c1, *c2, *c3]);
        if kind & INITIALIZATION == 0 {
            return Self::Continuation { channel, sequence: *kind, data };
        }
        let [high, low, data @ ..] = data;
        let length = u16::from_be_bytes([*high, *low]);
        Self::Initialization { channel, command: kind & !INITIALIZATION, length, data }
    }

    /// The channel that it is on.
    pub fn channel(&self) -> u32 {
        match self {
            Self::Initialization { channel, .. } | Self::Continuation { channel, .. } => *channel,
        }
    }
}
