//! authenticatorCredentialManagement (CTAP 2.3 section 6.8).

use alloc::{boxed::Box, vec::Vec};

use super::{
    entity,
    extensions::LargeBlobKey,
    pin_uv_auth::PinUvAuth,
    read::{self, required},
    status::Status,
    subcommand::{self, Received},
    write::Members,
};
use crate::{
    cbor::{Entries, Item, Writer},
    cose::{CoseAlgorithm, PublicKey},
    webauthn::{CredentialId, RpEntity, RpIdHash, UserEntity},
};

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialManagement {
    /// 0x01 and 0x02
    pub subcommand: ManageCredentials,
    /// What pinUvAuthParam is made over: `subCommand (1 byte) || subCommandParams`, the latter as it was received and not
    /// as it would be written again.
    pub signed: Vec<u8>,
    /// 0x03 and 0x04
    pub pin_uv_auth: Option<PinUvAuth>,
    /// Sent as command 0x41, the preview of CTAP 2.1.
    pub preview: bool,
}

/// The sub-commands with their parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManageCredentials {
    /// 0x01 getCredsMetadata
    GetMetadata,
    /// 0x02 enumerateRPsBegin
    EnumerateRpsBegin,
    /// 0x03 enumerateRPsGetNextRP
    EnumerateRpsNext,
    /// 0x04 enumerateCredentialsBegin
    EnumerateCredentialsBegin {
        /// 0x01 of the parameters
        rp_id_hash: RpIdHash,
    },
    /// 0x05 enumerateCredentialsGetNextCredential
    EnumerateCredentialsNext,
    /// 0x06 deleteCredential
    Delete {
        /// 0x02 of the parameters. `None`: an identifier that no credential can have.
        credential: Option<CredentialId>,
    },
    /// 0x07 updateUserInformation
    UpdateUser {
        /// 0x02 of the parameters. `None`: an identifier that no credential can have.
        credential: Option<CredentialId>,
        /// 0x03 of the parameters
        user: UserEntity,
    },
}

/// The response of those sub-commands that have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialManagementResponse {
    /// getCredsMetadata
    Metadata {
        /// 0x01
        existing: u64,
        /// 0x02
        remaining: u64,
    },
    /// One relying party.
    RelyingParty {
        /// 0x03
        rp: RpEntity,
        /// 0x04
        rp_id_hash: RpIdHash,
        /// 0x05: only in the first.
        total: Option<u64>,
    },
    /// One credential.
    Credential(Box<ManagedCredential>),
}

/// One credential, as authenticatorCredentialManagement shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedCredential {
    /// 0x06
    pub user: UserEntity,
    /// 0x07
    pub credential: CredentialId,
    /// 0x08, with the algorithm that was negotiated
    pub public_key: (CoseAlgorithm, PublicKey),
    /// 0x09: only in the first.
    pub total: Option<u64>,
    /// 0x0A
    pub cred_protect: u8,
    /// 0x0B
    pub large_blob_key: Option<LargeBlobKey>,
    /// 0x0C
    pub third_party_payment: Option<bool>,
}

impl CredentialManagement {
    /// A request of a platform; [`PinUvAuth`] over `signed` is to be added.
    pub fn new(subcommand: ManageCredentials) -> Self {
        let signed = subcommand::signed(subcommand.number(), &subcommand.parameters());
        Self { subcommand, signed, pin_uv_auth: None, preview: false }
    }

    pub(super) fn read(parameters: &Entries<'_>, preview: bool) -> Result<Self, Status> {
        let mut received = Received::read(parameters)?;
        let subcommand = ManageCredentials::read(received.number, received.parameters.take())?;
        let signed = received.signed(subcommand.number());
        let pin_uv_auth = received.pin_uv_auth;
        Ok(Self { subcommand, signed, pin_uv_auth, preview })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let (number, parameters) = (self.subcommand.number(), self.subcommand.parameters());
        subcommand::write(writer, number, &parameters, self.pin_uv_auth.as_ref());
    }
}

impl ManageCredentials {
    fn read(number: u64, parameters: Option<Entries<'_>>) -> Result<Self, Status> {
        let at = |key| parameters.as_ref().and_then(|parameters| parameters.at(key));
        Ok(match number {
            0x01 => Self::GetMetadata,
            0x02 => Self::EnumerateRpsBegin,
            0x03 => Self::EnumerateRpsNext,
            0x04 => Self::EnumerateCredentialsBegin { rp_id_hash: required(at(0x01), read_hash)? },
            0x05 => Self::EnumerateCredentialsNext,
            0x06 => Self::Delete { credential: required(at(0x02), entity::read_one_descriptor)? },
            0x07 => Self::UpdateUser {
                credential: required(at(0x02), entity::read_one_descriptor)?,
                user: required(at(0x03), entity::read_user)?,
            },
            _ => return Err(Status::InvalidSubcommand),
        })
    }

    fn number(&self) -> u8 {
        match self {
            Self::GetMetadata => 0x01,
            Self::EnumerateRpsBegin => 0x02,
            Self::EnumerateRpsNext => 0x03,
            Self::EnumerateCredentialsBegin { .. } => 0x04,
            Self::EnumerateCredentialsNext => 0x05,
            Self::Delete { .. } => 0x06,
            Self::UpdateUser { .. } => 0x07,
        }
    }

    /// The canonical map, or nothing where a sub-command has no parameters.
    fn parameters(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        let mut members = Members::of(&mut writer);
        match self {
            Self::EnumerateCredentialsBegin { rp_id_hash } => {
                members.at(0x01, |w| _ = w.bytes(&rp_id_hash.0));
            }
            Self::Delete { credential } => {
                members.at_some(0x02, credential.as_ref(), entity::write_descriptor);
            }
            Self::UpdateUser { credential, user } => {
                members.at_some(0x02, credential.as_ref(), entity::write_descriptor);
                members.at(0x03, |w| entity::write_user(w, user));
            }
            Self::GetMetadata
            | Self::EnumerateRpsBegin
            | Self::EnumerateRpsNext
            | Self::EnumerateCredentialsNext => return Vec::new(),
        }
        members.finish();
        writer.finish()
    }
}

fn read_hash(item: Item<'_>) -> Result<RpIdHash, Status> {
    read::bytes(item)?.try_into().map(RpIdHash).map_err(|_| Status::InvalidLength)
}

impl CredentialManagementResponse {
    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        match self {
            Self::Metadata { existing, remaining } => {
                members.at(0x01, |w| _ = w.unsigned(*existing));
                members.at(0x02, |w| _ = w.unsigned(*remaining));
            }
            Self::RelyingParty { rp, rp_id_hash, total } => {
                members.at(0x03, |w| entity::write_rp(w, rp));
                members.at(0x04, |w| _ = w.bytes(&rp_id_hash.0));
                members.at_some(0x05, *total, |w, total| _ = w.unsigned(total));
            }
            Self::Credential(credential) => credential.write(&mut members),
        }
        members.finish();
    }
}

impl ManagedCredential {
    fn write(&self, members: &mut Members<'_>) {
        let (algorithm, key) = &self.public_key;
        members.at(0x06, |w| entity::write_user(w, &self.user));
        members.at(0x07, |w| entity::write_descriptor(w, &self.credential));
        members.at(0x08, |w| key.write_cose(*algorithm, w));
        members.at_some(0x09, self.total, |w, total| _ = w.unsigned(total));
        members.at(0x0A, |w| _ = w.unsigned(self.cred_protect.into()));
        members.at_some(0x0B, self.large_blob_key.as_ref(), |w, key| _ = w.bytes(key.0.expose()));
        members.at_some(0x0C, self.third_party_payment, |w, payment| _ = w.boolean(payment));
    }
}
