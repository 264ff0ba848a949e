//! What may be in a backup.

use alloc::{boxed::Box, string::String};
use core::fmt;

use crate::{
    credential::{CredentialRecord, InvalidRecord},
    vault::{ItemId, OpenItem, item_type},
    webauthn::{CredentialId, RpId},
};

/// An item, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemName {
    /// Its identifier, which is the same in the vault and in its backups.
    pub item_id: ItemId,
    /// Its type: [`item_type`], or the host's. None where it could not be read.
    pub item_type: Option<u64>,
    /// What is known of a passkey.
    pub passkey: Option<PasskeyName>,
}

/// A passkey, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyName {
    /// Its relying party.
    pub rp_id: RpId,
    /// Its identifier.
    pub credential_id: CredentialId,
    /// The name of its account, as the relying party gave it.
    pub account: Option<String>,
}

/// Why an item has no place in a backup, or is not taken out of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOut {
    /// A passkey that is bound to its device (BE = 0): it may not leave it.
    DeviceBound,
    /// What a vault keeps for itself: the authenticator's state, the lineage of its backups, a type that is reserved.
    OfItsVault,
    /// A passkey record of a form that this build does not know, so that nobody can say whether it may leave.
    UnknownRecord(InvalidRecord),
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceBound => f.write_str("the passkey is bound to its device and may not leave it"),
            Self::OfItsVault => f.write_str("it belongs to its vault alone"),
            Self::UnknownRecord(why) => write!(f, "the passkey cannot be read: {why}"),
        }
    }
}

/// What may be in a backup, read.
pub(super) enum Contents {
    Passkey(Box<CredentialRecord>),
    OfHost,
}

impl Contents {
    pub(super) fn of(item: &OpenItem) -> Result<Self, LeftOut> {
        match item.item_type {
            item_type::PASSKEY => {
                let record = CredentialRecord::decode(item.plaintext.expose());
                let record = record.map_err(LeftOut::UnknownRecord)?;
                if record.credential.backup.eligible() {
                    Ok(Self::Passkey(Box::new(record)))
                } else {
                    Err(LeftOut::DeviceBound)
                }
            }
            item_type::FIRST_OF_HOST.. => Ok(Self::OfHost),
            _ => Err(LeftOut::OfItsVault),
        }
    }
}

impl ItemName {
    /// An item that could not be read.
    pub(super) fn unread(item_id: ItemId) -> Self {
        Self { item_id, item_type: None, passkey: None }
    }

    pub(super) fn of(item_id: ItemId, item: &OpenItem) -> Self {
        let record = match item.item_type {
            item_type::PASSKEY => CredentialRecord::decode(item.plaintext.expose()).ok(),
            _ => None,
        };
        Self { passkey: record.as_ref().map(PasskeyName::of), ..Self::typed(item_id, item.item_type) }
    }

    /// As [`ItemName::of`], of contents that were read already.
    pub(super) fn with(item_id: ItemId, item_type: u64, contents: &Contents) -> Self {
        let passkey = match contents {
            Contents::Passkey(record) => Some(PasskeyName::of(record)),
            Contents::OfHost => None,
        };
        Self { passkey, ..Self::typed(item_id, item_type) }
    }

    fn typed(item_id: ItemId, item_type: u64) -> Self {
        Self { item_id, item_type: Some(item_type), passkey: None }
    }
}

impl PasskeyName {
    fn of(record: &CredentialRecord) -> Self {
        let credential = &record.credential;
        Self {
            rp_id: credential.rp.id.clone(),
            credential_id: credential.id.clone(),
            account: credential.user.name.as_deref().map(String::from),
        }
    }
}
