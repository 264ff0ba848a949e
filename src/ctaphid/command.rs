//! Commands, errors and flags (CTAP 2.3 section 11.2.9).

/// What a message is for. The names are the standard's without `CTAPHID_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// 0x01: echo.
    Ping,
    /// 0x03: a CTAP1/U2F message.
    Msg,
    /// 0x04: keep other channels out for a while.
    Lock,
    /// 0x06: allocate or synchronise a channel.
    Init,
    /// 0x08: be seen.
    Wink,
    /// 0x10: a CTAP2 message.
    Cbor,
    /// 0x11: end the CTAP2 command that is under way; never answered itself.
    Cancel,
    /// 0x3B: still at it.
    Keepalive,
    /// 0x3F: what went wrong with a transaction.
    Error,
}

impl Command {
    const ALL: [Self; 9] = [
        Self::Ping,
        Self::Msg,
        Self::Lock,
        Self::Init,
        Self::Wink,
        Self::Cbor,
        Self::Cancel,
        Self::Keepalive,
        Self::Error,
    ];

    /// The number on the wire, without the bit that marks an initialization packet.
    pub const fn number(self) -> u8 {
        match self {
            Self::Ping => 0x01,
            Self::Msg => 0x03,
            Self::Lock => 0x04,
            Self::Init => 0x06,
            Self::Wink => 0x08,
            Self::Cbor => 0x10,
            Self::Cancel => 0x11,
            Self::Keepalive => 0x3b,
            Self::Error => 0x3f,
        }
    }

    /// The command of a number, if it is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.number() == number)
    }
}

/// The payload of CTAPHID_ERROR. The names are the standard's without `ERR_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// 0x01: the command does not exist, or not here.
    InvalidCommand,
    /// 0x02
    InvalidParameter,
    /// 0x03: a length that the command, or the protocol, does not have.
    InvalidLength,
    /// 0x04: a continuation packet out of its order, or none where one was due.
    InvalidSequence,
    /// 0x05: the rest of the message did not come in time.
    MessageTimeout,
    /// 0x06: another transaction is under way, or another channel has the lock. Try again.
    ChannelBusy,
    /// 0x0B: nobody was given this channel.
    InvalidChannel,
    /// 0x7F
    Other,
}

impl ErrorCode {
    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::InvalidCommand => 0x01,
            Self::InvalidParameter => 0x02,
            Self::InvalidLength => 0x03,
            Self::InvalidSequence => 0x04,
            Self::MessageTimeout => 0x05,
            Self::ChannelBusy => 0x06,
            Self::InvalidChannel => 0x0b,
            Self::Other => 0x7f,
        }
    }
}

/// The payload of CTAPHID_KEEPALIVE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeepaliveStatus {
    /// 1: the authenticator is at work.
    Processing,
    /// 2: the authenticator waits for a person.
    UserPresenceNeeded,
}

impl KeepaliveStatus {
    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Processing => 1,
            Self::UserPresenceNeeded => 2,
        }
    }
}

/// What an authenticator can do beside what every one can, as the response to CTAPHID_INIT says it. CTAPHID_CBOR is always
/// there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It winks.
    pub wink: bool,
    /// It takes CTAP1/U2F messages (CTAPHID_MSG).
    pub msg: bool,
}

impl Capabilities {
    const WINK: u8 = 0x01;
    const CBOR: u8 = 0x04;
    const NMSG: u8 = 0x08;

    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        let wink = if self.wink { Self::WINK } else { 0 };
        let nmsg = if self.msg { 0 } else { Self::NMSG };
        wink | Self::CBOR | nmsg
    }
}
