//! A command with its parameters.

use alloc::vec::Vec;

use ctap_types::ctap2::Operation;

use super::{
    client_pin::ClientPin,
    config::Config,
    credential_management::CredentialManagement,
    get_assertion::GetAssertion,
    large_blobs::LargeBlobs,
    make_credential::MakeCredential,
    read::{self, Limits},
    status::Status,
};
use crate::cbor::Writer;

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
    /// 0x0A authenticatorCredentialManagement, and 0x41, its preview
    CredentialManagement(CredentialManagement),
    /// 0x0B authenticatorSelection
    Selection,
    /// 0x0C authenticatorLargeBlobs
    LargeBlobs(LargeBlobs),
    /// 0x0D authenticatorConfig
    Config(Config),
}

impl Request {
    /// Reads one message: a command byte and, for commands that have parameters, their canonical CBOR map.
    ///
    /// Members, options, extensions and sub-members that are not known are passed over; those that are known have to
    /// have their type. Bytes after a command without parameters are not looked at.
    ///
    /// # Errors
    /// - INVALID_LENGTH: not even a command byte; an RP ID, user handle or clientDataHash of a length that does not
    ///   exist.
    /// - REQUEST_TOO_LARGE: longer than `limits.max_message`.
    /// - INVALID_COMMAND, INVALID_SUBCOMMAND: one that does not exist here; authenticatorConfig says INVALID_PARAMETER.
    /// - INVALID_CBOR: the parameters are not exactly one canonical item.
    /// - CBOR_UNEXPECTED_TYPE, MISSING_PARAMETER: a member is of another type, or is not there.
    /// - LIMIT_EXCEEDED: an allowList or excludeList longer than `limits.max_list`.
    /// - UNSUPPORTED_ALGORITHM, INVALID_PARAMETER: a key-agreement key of another kind, or with coordinates that are not
    ///   32 bytes long.
    pub fn decode(message: &[u8], limits: &Limits) -> Result<Self, Status> {
        if message.len() > limits.max_message {
            return Err(Status::RequestTooLarge);
        }
        let (&command, rest) = message.split_first().ok_or(Status::InvalidLength)?;
        let operation = Operation::try_from(command).map_err(|()| Status::InvalidCommand)?;
        match operation {
            Operation::MakeCredential => {
                MakeCredential::read(&read::parameters(rest)?, limits).map(Self::MakeCredential)
            }
            Operation::GetAssertion => {
                GetAssertion::read(&read::parameters(rest)?, limits).map(Self::GetAssertion)
            }
            Operation::ClientPin => ClientPin::read(&read::parameters(rest)?).map(Self::ClientPin),
            Operation::CredentialManagement | Operation::PreviewCredentialManagement => {
                let preview = operation == Operation::PreviewCredentialManagement;
                CredentialManagement::read(&read::parameters(rest)?, preview).map(Self::CredentialManagement)
            }
            Operation::LargeBlobs => LargeBlobs::read(&read::parameters(rest)?).map(Self::LargeBlobs),
            Operation::Config => Config::read(&read::parameters(rest)?).map(Self::Config),
            Operation::GetInfo => Ok(Self::GetInfo),
            Operation::Reset => Ok(Self::Reset),
            Operation::GetNextAssertion => Ok(Self::GetNextAssertion),
            Operation::Selection => Ok(Self::Selection),
            _ => Err(Status::InvalidCommand),
        }
    }

    /// Writes the message, as a platform sends it. Empty lists and maps are left out; an `allow_list` that is `Some`
    /// and empty therefore reads back as none.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::after(self.operation().into());
        match self {
            Self::MakeCredential(request) => request.write(&mut writer),
            Self::GetAssertion(request) => request.write(&mut writer),
            Self::ClientPin(request) => request.write(&mut writer),
            Self::CredentialManagement(request) => request.write(&mut writer),
            Self::LargeBlobs(request) => request.write(&mut writer),
            Self::Config(request) => request.write(&mut writer),
            Self::GetInfo | Self::Reset | Self::GetNextAssertion | Self::Selection => {}
        }
        writer.finish()
    }

    fn operation(&self) -> Operation {
        match self {
            Self::MakeCredential(_) => Operation::MakeCredential,
            Self::GetAssertion(_) => Operation::GetAssertion,
            Self::GetInfo => Operation::GetInfo,
            Self::ClientPin(_) => Operation::ClientPin,
            Self::Reset => Operation::Reset,
            Self::GetNextAssertion => Operation::GetNextAssertion,
            Self::CredentialManagement(request) if request.preview => Operation::PreviewCredentialManagement,
            Self::CredentialManagement(_) => Operation::CredentialManagement,
            Self::Selection => Operation::Selection,
            Self::LargeBlobs(_) => Operation::LargeBlobs,
            Self::Config(_) => Operation::Config,
        }
    }
}
