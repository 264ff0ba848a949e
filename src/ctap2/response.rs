//! A command's outcome.

use super::{
    client_pin::ClientPinResponse, get_assertion::GetAssertionResponse, get_info::GetInfoResponse,
    make_credential::MakeCredentialResponse, status::Status,
};

/// What one command came to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Response {
    /// authenticatorMakeCredential
    MakeCredential(MakeCredentialResponse),
    /// authenticatorGetAssertion and authenticatorGetNextAssertion
    GetAssertion(GetAssertionResponse),
    /// authenticatorGetInfo
    GetInfo(GetInfoResponse),
    /// authenticatorClientPIN
    ClientPin(ClientPinResponse),
    /// authenticatorReset or authenticatorSelection, done
    Empty,
    /// The command failed.
    Failed(Status),
}
