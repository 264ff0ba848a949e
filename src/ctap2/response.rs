//! A command's outcome.

use alloc::{boxed::Box, vec::Vec};

use super::{
    client_pin::ClientPinResponse, credential_management::CredentialManagementResponse,
    get_assertion::GetAssertionResponse, get_info::GetInfoResponse, large_blobs::LargeBlobsResponse,
    make_credential::MakeCredentialResponse, status::Status,
};
use crate::cbor::{Invalid, Writer};

/// CTAP1_ERR_SUCCESS.
const SUCCESS: u8 = 0x00;

/// What one command came to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Response {
    /// authenticatorMakeCredential
    MakeCredential(MakeCredentialResponse),
    /// authenticatorGetAssertion and authenticatorGetNextAssertion
    GetAssertion(GetAssertionResponse),
    /// authenticatorGetInfo
    GetInfo(Box<GetInfoResponse>),
    /// authenticatorClientPIN
    ClientPin(ClientPinResponse),
    /// authenticatorCredentialManagement
    CredentialManagement(CredentialManagementResponse),
    /// authenticatorLargeBlobs
    LargeBlobs(LargeBlobsResponse),
    /// Done, and there is nothing to say: authenticatorReset, authenticatorSelection, authenticatorConfig, and the
    /// sub-commands that change something.
    Empty,
    /// A U2F command: its response with the status word at the end, complete.
    U2f(Vec<u8>),
    /// The command failed.
    Failed(Status),
}

impl Response {
    /// Writes the message: the status byte and, after success, the response's canonical CBOR map if it has one. An
    /// attestation statement that CTAP2 CBOR cannot hold (a tag, a repeated key) becomes [`Status::Other`]: it is our
    /// mistake, not the peer's.
    pub fn encode(&self) -> Vec<u8> {
        self.write().unwrap_or_else(|Invalid| Vec::from([Status::Other.byte()]))
    }

    /// The bytes of what may be long, so that the response is written into one buffer.
    fn variable_length(&self) -> usize {
        match self {
            Self::MakeCredential(response) => response.auth_data.len(),
            Self::GetAssertion(response) => response.variable_length(),
            Self::LargeBlobs(response) => response.config.len(),
            _ => 0,
        }
    }

    fn write(&self) -> Result<Vec<u8>, Invalid> {
        let mut writer = Writer::after_with_room(SUCCESS, self.variable_length());
        match self {
            Self::MakeCredential(response) => response.write(&mut writer)?,
            Self::GetAssertion(response) => response.write(&mut writer),
            Self::GetInfo(response) => response.write(&mut writer),
            Self::ClientPin(response) => response.write(&mut writer),
            Self::CredentialManagement(response) => response.write(&mut writer),
            Self::LargeBlobs(response) => response.write(&mut writer),
            Self::Empty => {}
            Self::U2f(bytes) => return Ok(bytes.clone()),
            Self::Failed(status) => return Ok(Vec::from([status.byte()])),
        }
        Ok(writer.finish())
    }
}
