//! Status words.

use crate::ctap2::Status;

/// SW1 and SW2, which end every response (ISO 7816-4; FIDO U2F Raw Message Formats section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusWord(
    /// The two bytes as a number.
    pub u16,
);

impl StatusWord {
    /// SW_NO_ERROR.
    pub const NO_ERROR: Self = Self(0x9000);
    /// SW_WRONG_LENGTH.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// SW_CONDITIONS_NOT_SATISFIED: user presence is missing.
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// SW_COMMAND_NOT_ALLOWED: U2F is turned off, since it knows no user verification.
    pub const COMMAND_NOT_ALLOWED: Self = Self(0x6986);
    /// SW_WRONG_DATA: the key handle is none of ours.
    pub const WRONG_DATA: Self = Self(0x6a80);
    /// SW_INCORRECT_P1P2: there is no such control byte.
    pub const INCORRECT_P1P2: Self = Self(0x6a86);
    /// SW_INS_NOT_SUPPORTED.
    pub const INS_NOT_SUPPORTED: Self = Self(0x6d00);
    /// SW_CLA_NOT_SUPPORTED.
    pub const CLA_NOT_SUPPORTED: Self = Self(0x6e00);
    /// No precise diagnosis.
    pub const OTHER: Self = Self(0x6f00);
}

/// What U2F has for a status of the machine, which speaks CTAP2.
impl From<Status> for StatusWord {
    fn from(status: Status) -> Self {
        match status {
            // Nobody touched it, or nobody unlocked the store.
            Status::OperationDenied | Status::UserActionTimeout | Status::KeepaliveCancel => {
                Self::CONDITIONS_NOT_SATISFIED
            }
            Status::NoCredentials => Self::WRONG_DATA,
            Status::NotAllowed => Self::COMMAND_NOT_ALLOWED,
            Status::InvalidCommand => Self::INS_NOT_SUPPORTED,
            _ => Self::OTHER,
        }
    }
}
