//! authenticatorClientPIN (CTAP 2.3 section 6.5.5).

use alloc::vec::Vec;

use super::{
    entity::read_rp_id,
    read::{self, optional, required},
    status::Status,
    write::Members,
};
use crate::{
    cbor::{Entries, Item, Writer},
    cose::{CRV_P256, KEY_AGREEMENT_ALGORITHM, KTY_EC2, P256Point},
    webauthn::RpId,
};

/// The request: one variant for each sub-command, with the parameters that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientPin {
    /// 0x01 getPINRetries
    GetPinRetries,
    /// 0x02 getKeyAgreement: asks for the authenticator's key-agreement key.
    GetKeyAgreement {
        /// 0x01: the protocol's number, not yet checked to be one that exists.
        pin_uv_auth_protocol: u64,
    },
    /// 0x03 setPIN
    SetPin {
        /// Whom the PIN comes from.
        platform: PlatformKey,
        /// 0x05: encrypted, padded with zeros to 64 bytes.
        new_pin_enc: Vec<u8>,
        /// 0x04: over newPinEnc.
        pin_uv_auth_param: Vec<u8>,
    },
    /// 0x04 changePIN
    ChangePin {
        /// Whom the PINs come from.
        platform: PlatformKey,
        /// 0x05: encrypted, padded with zeros to 64 bytes.
        new_pin_enc: Vec<u8>,
        /// 0x06: encrypted, LEFT(SHA-256(current PIN), 16).
        pin_hash_enc: Vec<u8>,
        /// 0x04: over newPinEnc || pinHashEnc.
        pin_uv_auth_param: Vec<u8>,
    },
    /// 0x05 getPinToken: the token of CTAP 2.0. `permissions` and `rp_id` do not belong here and are kept for saying so.
    GetPinToken {
        /// Whom the PIN comes from.
        platform: PlatformKey,
        /// 0x06: encrypted, LEFT(SHA-256(PIN), 16).
        pin_hash_enc: Vec<u8>,
        /// 0x09
        permissions: Option<u64>,
        /// 0x0A
        rp_id: Option<RpId>,
    },
    /// 0x06 getPinUvAuthTokenUsingUvWithPermissions
    GetTokenUsingUv {
        /// Whom the token is for.
        platform: PlatformKey,
        /// 0x09
        permissions: u64,
        /// 0x0A
        rp_id: Option<RpId>,
    },
    /// 0x07 getUVRetries
    GetUvRetries,
    /// 0x09 getPinUvAuthTokenUsingPinWithPermissions
    GetTokenUsingPin {
        /// Whom the PIN comes from.
        platform: PlatformKey,
        /// 0x06: encrypted, LEFT(SHA-256(PIN), 16).
        pin_hash_enc: Vec<u8>,
        /// 0x09
        permissions: u64,
        /// 0x0A
        rp_id: Option<RpId>,
    },
}

/// The platform's half of a key agreement, with the protocol it is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformKey {
    /// 0x01: the protocol's number, not yet checked to be one that exists.
    pub pin_uv_auth_protocol: u64,
    /// 0x03: the platform's key-agreement key.
    pub key_agreement: KeyAgreementKey,
}

/// The response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientPinResponse {
    /// 0x01: the key-agreement key, written as a COSE_Key.
    KeyAgreement(KeyAgreementKey),
    /// 0x02: a pinUvAuthToken, encrypted.
    Token(Vec<u8>),
    /// getPINRetries
    PinRetries {
        /// 0x03: the tries that are left.
        retries: u8,
        /// 0x04: nothing but a power cycle helps before the next try.
        power_cycle: bool,
    },
    /// 0x05: the tries of built-in user verification that are left.
    UvRetries(u8),
}

/// A P-256 public key for key agreement.
pub type KeyAgreementKey = P256Point;

impl ClientPin {
    /// A sub-command that does not exist here is INVALID_SUBCOMMAND; its other parameters are not looked at.
    pub(super) fn read(parameters: &Entries<'_>) -> Result<Self, Status> {
        let protocol = optional(parameters.at(0x01), read::unsigned)?;
        let number = required(parameters.at(0x02), read::unsigned)?;
        if !matches!(number, 0x01..=0x07 | 0x09) {
            return Err(Status::InvalidSubcommand);
        }
        let fields = Fields::read(parameters, protocol)?;
        Ok(match number {
            0x01 => Self::GetPinRetries,
            0x07 => Self::GetUvRetries,
            0x02 => Self::GetKeyAgreement { pin_uv_auth_protocol: present(protocol)? },
            0x03 => Self::SetPin {
                platform: fields.platform()?,
                new_pin_enc: present(fields.new_pin_enc)?,
                pin_uv_auth_param: present(fields.pin_uv_auth_param)?,
            },
            0x04 => Self::ChangePin {
                platform: fields.platform()?,
                new_pin_enc: present(fields.new_pin_enc)?,
                pin_hash_enc: present(fields.pin_hash_enc)?,
                pin_uv_auth_param: present(fields.pin_uv_auth_param)?,
            },
            0x05 => Self::GetPinToken {
                platform: fields.platform()?,
                pin_hash_enc: present(fields.pin_hash_enc)?,
                permissions: fields.permissions,
                rp_id: fields.rp_id,
            },
            0x06 => Self::GetTokenUsingUv {
                platform: fields.platform()?,
                permissions: present(fields.permissions)?,
                rp_id: fields.rp_id,
            },
            0x09 => Self::GetTokenUsingPin {
                platform: fields.platform()?,
                pin_hash_enc: present(fields.pin_hash_enc)?,
                permissions: present(fields.permissions)?,
                rp_id: fields.rp_id,
            },
            _ => return Err(Status::InvalidSubcommand),
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let fields = self.fields();
        let mut members = Members::of(writer);
        members.at_some(0x01, fields.protocol, |w, number| _ = w.unsigned(number));
        members.at(0x02, |w| _ = w.unsigned(self.number()));
        members.at_some(0x03, fields.key_agreement, |w, key| key.write_key_agreement(w));
        members.at_some(0x04, fields.pin_uv_auth_param, |w, param| _ = w.bytes(&param));
        members.at_some(0x05, fields.new_pin_enc, |w, pin| _ = w.bytes(&pin));
        members.at_some(0x06, fields.pin_hash_enc, |w, hash| _ = w.bytes(&hash));
        members.at_some(0x09, fields.permissions, |w, permissions| _ = w.unsigned(permissions));
        members.at_some(0x0A, fields.rp_id, |w, rp_id| _ = w.text(rp_id.as_str()));
        members.finish();
    }

    fn number(&self) -> u64 {
        match self {
            Self::GetPinRetries => 0x01,
            Self::GetKeyAgreement { .. } => 0x02,
            Self::SetPin { .. } => 0x03,
            Self::ChangePin { .. } => 0x04,
            Self::GetPinToken { .. } => 0x05,
            Self::GetTokenUsingUv { .. } => 0x06,
            Self::GetUvRetries => 0x07,
            Self::GetTokenUsingPin { .. } => 0x09,
        }
    }

    /// The parameters as they go out.
    fn fields(&self) -> Fields {
        let of = |platform: &PlatformKey| Fields {
            protocol: Some(platform.pin_uv_auth_protocol),
            key_agreement: Some(platform.key_agreement),
            ..Fields::default()
        };
        match self.clone() {
            Self::GetPinRetries | Self::GetUvRetries => Fields::default(),
            Self::GetKeyAgreement { pin_uv_auth_protocol } => {
                Fields { protocol: Some(pin_uv_auth_protocol), ..Fields::default() }
            }
            Self::SetPin { platform, new_pin_enc, pin_uv_auth_param } => Fields {
                new_pin_enc: Some(new_pin_enc),
                pin_uv_auth_param: Some(pin_uv_auth_param),
                ..of(&platform)
            },
            Self::ChangePin { platform, new_pin_enc, pin_hash_enc, pin_uv_auth_param } => Fields {
                new_pin_enc: Some(new_pin_enc),
                pin_hash_enc: Some(pin_hash_enc),
                pin_uv_auth_param: Some(pin_uv_auth_param),
                ..of(&platform)
            },
            Self::GetPinToken { platform, pin_hash_enc, permissions, rp_id } => {
                Fields { pin_hash_enc: Some(pin_hash_enc), permissions, rp_id, ..of(&platform) }
            }
            Self::GetTokenUsingUv { platform, permissions, rp_id } => {
                Fields { permissions: Some(permissions), rp_id, ..of(&platform) }
            }
            Self::GetTokenUsingPin { platform, pin_hash_enc, permissions, rp_id } => Fields {
                pin_hash_enc: Some(pin_hash_enc),
                permissions: Some(permissions),
                rp_id,
                ..of(&platform)
            },
        }
    }
}

/// Every parameter that some sub-command has. Each has to have its type, whatever the sub-command.
#[derive(Default)]
struct Fields {
    protocol: Option<u64>,
    key_agreement: Option<KeyAgreementKey>,
    pin_uv_auth_param: Option<Vec<u8>>,
    new_pin_enc: Option<Vec<u8>>,
    pin_hash_enc: Option<Vec<u8>>,
    permissions: Option<u64>,
    rp_id: Option<RpId>,
}

impl Fields {
    fn read(parameters: &Entries<'_>, protocol: Option<u64>) -> Result<Self, Status> {
        Ok(Self {
            protocol,
            key_agreement: optional(parameters.at(0x03), read_key_agreement)?,
            pin_uv_auth_param: optional(parameters.at(0x04), read::owned_bytes)?,
            new_pin_enc: optional(parameters.at(0x05), read::owned_bytes)?,
            pin_hash_enc: optional(parameters.at(0x06), read::owned_bytes)?,
            permissions: optional(parameters.at(0x09), read::unsigned)?,
            rp_id: optional(parameters.at(0x0A), read_rp_id)?,
        })
    }

    fn platform(&self) -> Result<PlatformKey, Status> {
        Ok(PlatformKey {
            pin_uv_auth_protocol: present(self.protocol)?,
            key_agreement: present(self.key_agreement)?,
        })
    }
}

fn present<T>(member: Option<T>) -> Result<T, Status> {
    member.ok_or(Status::MissingParameter)
}

impl ClientPinResponse {
    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        match self {
            Self::KeyAgreement(key) => members.at(0x01, |w| key.write_key_agreement(w)),
            Self::Token(token) => members.at(0x02, |w| _ = w.bytes(token)),
            Self::PinRetries { retries, power_cycle } => members
                .at(0x03, |w| _ = w.unsigned((*retries).into()))
                .at(0x04, |w| _ = w.boolean(*power_cycle)),
            Self::UvRetries(retries) => members.at(0x05, |w| _ = w.unsigned((*retries).into())),
        };
        members.finish();
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
