//! What can go wrong, by who is at fault.

use core::fmt;

use super::storage::StorageError;
use crate::webauthn::PrfRefused;

/// Why a vault was not opened, read or changed. The texts inside name the rule; they never carry contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VaultError {
    /// The bytes are no envelope of this format.
    Malformed(&'static str),
    /// A version, suite, kind or cost that this build does not have.
    Unsupported(&'static str),
    /// The secret does not open the slot: it is wrong, or the storage altered the slot. Without the secret the two
    /// cannot be told apart. A passkey's PRF output is wrong, too, if it comes from the secret for assertions without user
    /// verification, from an input that did not go through WebAuthn's SHA-256("WebAuthn PRF" || 00 || input), or from a
    /// copy of the passkey on a device that has other secrets ([`VaultError::help`]).
    WrongSecret,
    /// The secret was right, and the rest was altered, or is another vault than the host expects.
    Tampered(&'static str),
    /// Weaker than the format or the vault's own policy allows, or a backup in place of a vault.
    PolicyViolation(&'static str),
    /// An older state than this client has seen.
    Rollback,
    /// A state that does not descend from what this client has seen.
    Fork,
    /// Two assertions of one passkey gave two PRF outputs: it would lock its owner out, so nothing was enabled; the passkey
    /// stays what it was, supported at most.
    UnstablePrf,
    /// The passkey lives in this very vault, or was to be put into it, so it could not be reached to open it.
    Circular,
    /// A vault needs at least one slot that opens it.
    LastSlot,
    /// The slot is the last that was seen to open the vault without a passkey
    /// ([`LastFallback`](super::LastFallback)).
    LastFallback,
    /// No such slot or item, or a slot that is not enabled.
    NotFound,
    /// The passkey has a slot in this vault already.
    AlreadyEnrolled,
    /// An item, a label or the vault as a whole would be larger than the format allows.
    TooLarge,
    /// An argument that is outside what the format can express.
    InvalidInput(&'static str),
    /// Enrolment and rotation need a state that was checked against memory, or the caller's explicit word
    /// ([`Vault::accept_as_is`](super::Vault::accept_as_is)).
    Unchecked,
    /// Enrolment, removal, rotation and export need a slot's secret to have been brought a short while ago
    /// ([`Vault::reauthenticate`](super::Vault::reauthenticate)).
    ReauthNeeded,
    /// A write that belongs to another state of the vault.
    StaleWrite,
    /// The vault's key was changed elsewhere, so this open vault was locked: a slot's secret opens the new state
    /// ([`CatchUp::KeyChanged`](super::CatchUp::KeyChanged)).
    KeyChanged,
    /// The storage failed.
    Storage(StorageError),
    /// The rollback memory could not be read or written.
    Memory,
}

impl VaultError {
    /// What may have caused it, or what to do next, where the sentence of [`Display`](fmt::Display) does not say so. For
    /// people who can look into the matter.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::WrongSecret => Some(
                "a passkey's secret is also wrong if it was evaluated without user verification, on an input \
                 without the hash that WebAuthn puts before it, or by another device that shares the passkey \
                 but not its secrets",
            ),
            Self::UnstablePrf => Some(
                "the vault is as it was, and the passkey still signs in; try again later, or with another \
                 browser or device",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "this is not a vault of format version 1: {what}"),
            Self::Unsupported(what) => write!(f, "this program cannot handle the vault: {what}"),
            Self::WrongSecret => f.write_str("the secret is wrong, or the vault's slot was altered"),
            Self::Tampered(what) => write!(f, "the vault was altered: {what}"),
            Self::PolicyViolation(what) => write!(f, "refused by policy: {what}"),
            Self::Rollback => f.write_str("the vault is older than the one this device has seen"),
            Self::Fork => f.write_str("the vault does not continue the one this device has seen"),
            Self::UnstablePrf => {
                f.write_str("the passkey gave two different PRF results; it was not enrolled")
            }
            Self::Circular => f.write_str("a passkey that leads to this vault cannot be kept in it"),
            Self::LastSlot => f.write_str("the vault would have no slot left that opens it"),
            Self::LastFallback => f.write_str(
                "it is the last tested way into the vault without a passkey; test another one first",
            ),
            Self::NotFound => f.write_str("no such slot or item"),
            Self::AlreadyEnrolled => f.write_str("the passkey has a slot in this vault already"),
            Self::TooLarge => f.write_str("larger than a vault allows"),
            Self::InvalidInput(what) => write!(f, "invalid input: {what}"),
            Self::Unchecked => f.write_str(
                "this state of the vault was not checked against an earlier one; confirm it first",
            ),
            Self::ReauthNeeded => f.write_str("open the vault once more to confirm this"),
            Self::StaleWrite => f.write_str("the vault has changed since this write was prepared"),
            Self::KeyChanged => f.write_str("the vault's key was changed elsewhere; open the vault again"),
            Self::Storage(error) => write!(f, "the vault's storage failed: {error}"),
            Self::Memory => f.write_str("the memory of vault states could not be read or written"),
        }
    }
}

impl core::error::Error for VaultError {}

impl From<StorageError> for VaultError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<PrfRefused> for VaultError {
    /// An output that is none cannot open a slot.
    fn from(_: PrfRefused) -> Self {
        Self::WrongSecret
    }
}
