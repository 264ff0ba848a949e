//! A command with its parameters.

use alloc::vec::Vec;

use super::{client_pin::ClientPin, get_assertion::GetAssertion, make_credential::MakeCredential};

/// One CTAP2 command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// 0x01 authenticatorMakeCredential
    MakeCredential(MakeCredential),
    /// 0x02 authenticatorGetAssertion
    GetAssertion(GetAssertion),
    /// 0x04 authenticatorGetInfo
    GetInfo,
    /// 0x06 authenticatorClientPIN
    ClientPin(ClientPin),
    /// 0x07 authenticatorReset
    Reset,
    /// 0x08 authenticatorGetNextAssertion
    GetNextAssertion,
    /// 0x0B authenticatorSelection
    Selection,
}

/// pinUvAuthParam with its pinUvAuthProtocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinUvAuth {
    /// The parameter; empty when a platform probes which authenticator was touched.
    pub param: Vec<u8>,
    /// The protocol's number.
    pub protocol: Option<u64>,
}
