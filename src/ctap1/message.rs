//! Requests.

use alloc::vec::Vec;

use super::{apdu::Apdu, status_word::StatusWord};
use crate::webauthn::RpIdHash;

const REGISTER: u8 = 0x01;
const AUTHENTICATE: u8 = 0x02;
const VERSION: u8 = 0x03;

/// One U2F command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// U2F_REGISTER
    Register(Register),
    /// U2F_AUTHENTICATE
    Authenticate(Authenticate),
    /// U2F_VERSION
    Version,
}

/// Makes a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// The challenge parameter, SHA-256 of the client data.
    pub challenge: [u8; 32],
    /// The application parameter, SHA-256 of the application's identity: where that is an RP ID, its hash.
    pub application: RpIdHash,
}

/// Signs with a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// P1
    pub control: ControlByte,
    /// The challenge parameter.
    pub challenge: [u8; 32],
    /// The application parameter.
    pub application: RpIdHash,
    /// The key handle, 0 to 255 bytes: a credential ID, if it is one of ours.
    pub key_handle: Vec<u8>,
}

/// What U2F_AUTHENTICATE asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlByte {
    /// 0x03: user presence, and a signature.
    EnforceUserPresenceAndSign,
    /// 0x07: whether the key handle is ours.
    CheckOnly,
    /// 0x08: a signature.
    DontEnforceUserPresenceAndSign,
}

impl Request {
    /// Reads one message.
    ///
    /// # Errors
    /// WRONG_LENGTH, CLA_NOT_SUPPORTED, INS_NOT_SUPPORTED, INCORRECT_P1P2; in this order where several apply, but that the
    /// length of the data is judged last. P1 of U2F_REGISTER and P2 are not looked at: clients differ in what they send.
    pub fn decode(message: &[u8]) -> Result<Self, StatusWord> {
        let apdu = Apdu::read(message)?;
        if apdu.class != 0 {
            return Err(StatusWord::CLA_NOT_SUPPORTED);
        }
        match apdu.instruction {
            REGISTER => Register::read(apdu.data).map(Self::Register),
            AUTHENTICATE => {
                let control = ControlByte::from_p1(apdu.p1).ok_or(StatusWord::INCORRECT_P1P2)?;
                Authenticate::read(control, apdu.data).map(Self::Authenticate)
            }
            VERSION if apdu.data.is_empty() => Ok(Self::Version),
            VERSION => Err(StatusWord::WRONG_LENGTH),
            _ => Err(StatusWord::INS_NOT_SUPPORTED),
        }
    }
}

impl ControlByte {
    fn from_p1(p1: u8) -> Option<Self> {
        match p1 {
            0x03 => Some(Self::EnforceUserPresenceAndSign),
            0x07 => Some(Self::CheckOnly),
            0x08 => Some(Self::DontEnforceUserPresenceAndSign),
            _ => None,
        }
    }
}

impl Register {
    fn read(data: &[u8]) -> Result<Self, StatusWord> {
        match parameters(data).ok_or(StatusWord::WRONG_LENGTH)? {
            (challenge, application, []) => Ok(Self { challenge, application }),
            _ => Err(StatusWord::WRONG_LENGTH),
        }
    }
}

impl Authenticate {
    fn read(control: ControlByte, data: &[u8]) -> Result<Self, StatusWord> {
        let (challenge, application, rest) = parameters(data).ok_or(StatusWord::WRONG_LENGTH)?;
        match rest.split_first() {
            Some((length, key_handle)) if usize::from(*length) == key_handle.len() => {
                Ok(Self { control, challenge, application, key_handle: key_handle.to_vec() })
            }
            _ => Err(StatusWord::WRONG_LENGTH),
        }
    }
}

/// Both parameters, with which the data begin.
fn parameters(data: &[u8]) -> Option<([u8; 32], RpIdHash, &[u8])> {
    let (challenge, rest) = data.split_first_chunk()?;
    let (application, rest) = rest.split_first_chunk()?;
    Some((*challenge, RpIdHash(*application), rest))
}
