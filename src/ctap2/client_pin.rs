//! authenticatorClientPIN (CTAP 2.3 section 6.5).

use ctap_types::ctap2::client_pin::PinV1Subcommand;

use super::{
    read::{self, optional, required},
    status::Status,
    write::Members,
};
use crate::{
    cbor::{Entries, Item, Writer},
    cose::{CRV_P256, KEY_AGREEMENT_ALGORITHM, KTY_EC2, P256Point},
};

/// The request: one variant for each sub-command that exists here, with the parameters that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientPin {
    /// 0x02 getKeyAgreement: asks for the authenticator's key-agreement key.
    GetKeyAgreement {
        /// 0x01: the protocol's number, not yet checked to be one that exists.
        pin_uv_auth_protocol: u64,
    },
}

/// The response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientPinResponse {
    /// 0x01: the key-agreement key, written as a COSE_Key.
    KeyAgreement(KeyAgreementKey),
}

/// A P-256 public key for key agreement.
pub type KeyAgreementKey = P256Point;

#[expect(clippy::as_conversions, reason = "the number of a variant, which has no other way out")]
const GET_KEY_AGREEMENT: u64 = PinV1Subcommand::GetKeyAgreement as u64;

impl ClientPin {
    /// A sub-command that does not exist here is INVALID_SUBCOMMAND; its other parameters are not looked at.
    pub(super) fn read(parameters: &Entries<'_>) -> Result<Self, Status> {
        let protocol = optional(parameters.at(0x01), read::unsigned)?;
        match required(parameters.at(0x02), read::unsigned)? {
            GET_KEY_AGREEMENT => {
                Ok(Self::GetKeyAgreement { pin_uv_auth_protocol: protocol.ok_or(Status::MissingParameter)? })
            }
            _ => Err(Status::InvalidSubcommand),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::default();
        match self {
            Self::GetKeyAgreement { pin_uv_auth_protocol } => {
                members.at(0x01, |w| _ = w.unsigned(*pin_uv_auth_protocol));
                members.at(0x02, |w| _ = w.unsigned(GET_KEY_AGREEMENT));
            }
        }
        members.finish(writer);
    }
}

impl ClientPinResponse {
    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::default();
        match self {
            Self::KeyAgreement(key) => members.at(0x01, |w| key.write_key_agreement(w)),
        };
        members.finish(writer);
    }
}

/// Reads a platform's key-agreement key (CTAP 2.3 section 6.5.6): a COSE_Key with kty EC2, alg -25 and crv P-256, all of
/// which have to be there, and coordinates of 32 bytes. Whether they are a point on the curve shows when they are used.
pub(super) fn read_key_agreement(item: Item<'_>) -> Result<KeyAgreementKey, Status> {
    let key = read::map(item)?;
    let kty = required(key.at(1), read::unsigned)?;
    let algorithm = required(key.at(3), read::integer)?;
    let curve = required(key.at_integer(-1), read::unsigned)?;
    if (kty, algorithm, curve) != (KTY_EC2, KEY_AGREEMENT_ALGORITHM, CRV_P256) {
        return Err(Status::UnsupportedAlgorithm);
    }
    let coordinate =
        |item| read::bytes(item).and_then(|bytes| bytes.try_into().map_err(|_| Status::InvalidParameter));
    Ok(P256Point {
        x: required(key.at_integer(-2), coordinate)?,
        y: required(key.at_integer(-3), coordinate)?,
    })
}
