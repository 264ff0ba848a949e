//! Slots as they stand in the manifest (vault-format.md, "Bytes": Enabled, Idle, Tombstone, Unlock, Argon).

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{
    error::VaultError,
    fields::{ANY, Fields, POSITIVE},
    ids::SlotId,
    item::Sealed,
    share::ShareSet,
};
use crate::cbor::{Item, Writer};

const ENABLED_KEYS: [u64; 15] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// What opens a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotKind {
    /// 1: a passkey's PRF output with user verification.
    Passkey,
    /// 2: a recovery code.
    RecoveryCode,
    /// 3: a passphrase.
    Passphrase,
    /// 4: k of n shares.
    Shares,
    /// 5: a code that a contact keeps.
    ContactCode,
    /// 6: a secret in the key store of a device.
    Device,
}

impl SlotKind {
    /// The number in the format.
    pub const fn number(self) -> u64 {
        match self {
            Self::Passkey => 1,
            Self::RecoveryCode => 2,
            Self::Passphrase => 3,
            Self::Shares => 4,
            Self::ContactCode => 5,
            Self::Device => 6,
        }
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery code",
            Self::Passphrase => "passphrase",
            Self::Shares => "shares",
            Self::ContactCode => "contact's code",
            Self::Device => "device",
        }
    }

    /// The kind of a number, if it has one.
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Passkey,
            2 => Self::RecoveryCode,
            3 => Self::Passphrase,
            4 => Self::Shares,
            5 => Self::ContactCode,
            6 => Self::Device,
            _ => return None,
        })
    }

    pub(super) fn read(number: u64) -> Result<Self, VaultError> {
        Self::from_number(number).ok_or(VaultError::Unsupported("slot kind"))
    }
}

/// What a slot can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotStatus {
    /// 1: opens the vault.
    Enabled,
    /// 2: a passkey that signs in and could open the vault once it is enrolled.
    Idle,
    /// 3: a passkey that signs in only; it has no PRF.
    SignInOnly,
    /// 4: removed.
    Tombstone,
}

/// The salt of a passkey slot's PRF input (vault-format.md, "salt_mode").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrfSaltMode {
    /// 1: a salt of its own; the default.
    PerSlot([u8; 32]),
    /// 2: one salt for all slots of this mode, so that one `eval` serves.
    PerVault([u8; 32]),
    /// 3: a constant input, for finding the passkey before the vault is known. It can never be changed.
    Static,
}

impl PrfSaltMode {
    /// The number in the format.
    pub const fn number(&self) -> u64 {
        match self {
            Self::PerSlot(_) => 1,
            Self::PerVault(_) => 2,
            Self::Static => 3,
        }
    }

    /// The salt; all zero in the static mode.
    pub const fn salt(&self) -> [u8; 32] {
        match self {
            Self::PerSlot(salt) | Self::PerVault(salt) => *salt,
            Self::Static => [0; 32],
        }
    }

    /// Mode 3 if and only if the salt is zero.
    fn read(mode: u64, salt: [u8; 32]) -> Option<Self> {
        match (mode, salt == [0; 32]) {
            (1, false) => Some(Self::PerSlot(salt)),
            (2, false) => Some(Self::PerVault(salt)),
            (3, true) => Some(Self::Static),
            _ => None,
        }
    }
}

/// Argon2id parameters, as stored: nothing but their form is checked until a computation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Argon {
    pub(super) memory_kib: u64,
    pub(super) passes: u64,
    pub(super) lanes: u64,
    pub(super) salt: [u8; 16],
}

impl Argon {
    fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2, 3, 4], "Argon2 parameters")?;
        Ok(Self {
            memory_kib: fields.number(1, ANY)?,
            passes: fields.number(2, ANY)?,
            lanes: fields.number(3, ANY)?,
            salt: fields.array(4)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(4).unsigned(1).unsigned(self.memory_kib).unsigned(2).unsigned(self.passes);
        writer.unsigned(3).unsigned(self.lanes).unsigned(4).bytes(&self.salt);
    }
}

/// How the secret of a passkey slot is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PasskeyUnlock {
    pub(super) rp_id: String,
    pub(super) credential_id: Vec<u8>,
    pub(super) salt: PrfSaltMode,
    pub(super) pin: Option<Argon>,
}

/// What is needed beside the secret, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unlock {
    Passkey(PasskeyUnlock),
    RecoveryCode,
    Passphrase(Argon),
    Shares(ShareSet),
    ContactCode,
    Device,
}

impl Unlock {
    pub(super) fn kind(&self) -> SlotKind {
        match self {
            Self::Passkey(_) => SlotKind::Passkey,
            Self::RecoveryCode => SlotKind::RecoveryCode,
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Shares(_) => SlotKind::Shares,
            Self::ContactCode => SlotKind::ContactCode,
            Self::Device => SlotKind::Device,
        }
    }

    pub(super) fn passkey(&self) -> Option<&PasskeyUnlock> {
        match self {
            Self::Passkey(passkey) => Some(passkey),
            _ => None,
        }
    }

    fn read(kind: SlotKind, item: Item<'_>) -> Result<Self, VaultError> {
        let empty = |unlock: Self| Fields::of(item, &[], "unlock").map(|_| unlock);
        match kind {
            SlotKind::Passkey => Self::read_passkey(item),
            SlotKind::RecoveryCode => empty(Self::RecoveryCode),
            SlotKind::Passphrase => Argon::read(item).map(Self::Passphrase),
            SlotKind::Shares => {
                let fields = Fields::of(item, &[1, 2, 3], "unlock")?;
                let small = |key| fields.number(key, 2..=16).map(|number| u8::try_from(number).unwrap_or(0));
                let set = ShareSet { needed: small(1)?, made: small(2)?, set_id: fields.array(3)? };
                fields.expect(set.is_valid().then_some(Self::Shares(set)))
            }
            SlotKind::ContactCode => empty(Self::ContactCode),
            SlotKind::Device => empty(Self::Device),
        }
    }

    fn read_passkey(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2, 3, 4, 5], "unlock")?;
        let rp_id = fields.expect(Some(fields.text(1)?).filter(|id| (1..=253).contains(&id.len())))?;
        let salt = PrfSaltMode::read(fields.number(4, 1..=3)?, fields.array(3)?);
        Ok(Self::Passkey(PasskeyUnlock {
            rp_id: rp_id.into(),
            credential_id: fields.bytes(2, 1..=1023)?.to_vec(),
            salt: salt.ok_or(VaultError::Malformed("PRF salt does not fit its mode"))?,
            pin: fields.optional(5).map(Argon::read).transpose()?,
        }))
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Passkey(passkey) => {
                writer.map(if passkey.pin.is_some() { 5 } else { 4 });
                writer.unsigned(1).text(&passkey.rp_id).unsigned(2).bytes(&passkey.credential_id);
                writer.unsigned(3).bytes(&passkey.salt.salt()).unsigned(4).unsigned(passkey.salt.number());
                if let Some(pin) = &passkey.pin {
                    writer.unsigned(5);
                    pin.write(writer);
                }
            }
            Self::Passphrase(argon) => argon.write(writer),
            Self::Shares(ShareSet { needed, made, set_id }) => {
                writer.map(3).unsigned(1).unsigned(u64::from(*needed)).unsigned(2).unsigned(u64::from(*made));
                writer.unsigned(3).bytes(set_id);
            }
            Self::RecoveryCode | Self::ContactCode | Self::Device => {
                writer.map(0);
            }
        }
    }
}

/// The cipher suite of a slot: how the vault's key is sealed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    /// 1: HPKE with X25519.
    X25519,
    /// 2: HPKE with X-Wing, that is ML-KEM-768 and X25519. Experimental; without feature `pq` such slots are read and kept,
    /// but neither opened nor sealed.
    XWing,
}

impl Suite {
    /// The number in the format.
    pub const fn number(self) -> u64 {
        match self {
            Self::X25519 => 1,
            Self::XWing => 2,
        }
    }

    pub(super) fn read(number: u64) -> Result<Self, VaultError> {
        match number {
            1 => Ok(Self::X25519),
            2 => Ok(Self::XWing),
            _ => Err(VaultError::Unsupported("suite")),
        }
    }

    /// Length of slot_pk and of the seal's enc.
    const fn lengths(self) -> (usize, usize) {
        match self {
            Self::X25519 => (32, 32),
            Self::XWing => (1216, 1120),
        }
    }
}

/// The vault root key, sealed to a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) enc: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
}

/// A slot that opens the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EnabledSlot {
    pub(super) slot_id: SlotId,
    pub(super) slot_gen: u64,
    pub(super) suite: Suite,
    pub(super) born: u64,
    pub(super) unlock: Unlock,
    pub(super) kdf_salt: [u8; 32],
    pub(super) k_com: [u8; 32],
    pub(super) wrapped: Sealed,
    pub(super) slot_pk: Vec<u8>,
    pub(super) seal: Seal,
    pub(super) sak_wrap: Sealed,
    pub(super) private: Sealed,
    pub(super) transports: Option<u8>,
}

/// One slot of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    Enabled(Box<EnabledSlot>),
    Idle { slot_id: SlotId, could_encrypt: bool, slot_gen: u64, private: Sealed },
    Tombstone { slot_id: SlotId, kind: SlotKind, slot_gen: u64, last_enabled: u64 },
}

impl Slot {
    pub(super) fn slot_id(&self) -> SlotId {
        match self {
            Self::Enabled(slot) => slot.slot_id,
            Self::Idle { slot_id, .. } | Self::Tombstone { slot_id, .. } => *slot_id,
        }
    }

    pub(super) fn kind(&self) -> SlotKind {
        match self {
            Self::Enabled(slot) => slot.unlock.kind(),
            Self::Idle { .. } => SlotKind::Passkey,
            Self::Tombstone { kind, .. } => *kind,
        }
    }

    pub(super) fn status(&self) -> SlotStatus {
        match self {
            Self::Enabled(_) => SlotStatus::Enabled,
            Self::Idle { could_encrypt: true, .. } => SlotStatus::Idle,
            Self::Idle { could_encrypt: false, .. } => SlotStatus::SignInOnly,
            Self::Tombstone { .. } => SlotStatus::Tombstone,
        }
    }

    pub(super) fn slot_gen(&self) -> u64 {
        match self {
            Self::Enabled(slot) => slot.slot_gen,
            Self::Idle { slot_gen, .. } | Self::Tombstone { slot_gen, .. } => *slot_gen,
        }
    }

    pub(super) fn enabled(&self) -> Option<&EnabledSlot> {
        match self {
            Self::Enabled(slot) => Some(slot),
            _ => None,
        }
    }

    pub(super) fn private(&self) -> Option<&Sealed> {
        match self {
            Self::Enabled(slot) => Some(&slot.private),
            Self::Idle { private, .. } => Some(private),
            Self::Tombstone { .. } => None,
        }
    }

    pub(super) fn private_mut(&mut self) -> Option<&mut Sealed> {
        match self {
            Self::Enabled(slot) => Some(&mut slot.private),
            Self::Idle { private, .. } => Some(private),
            Self::Tombstone { .. } => None,
        }
    }

    /// The status decides which keys a slot has.
    pub(super) fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &ENABLED_KEYS, "slot")?;
        let kind = SlotKind::read(fields.number(2, ANY)?)?;
        match fields.number(3, 1..=4)? {
            1 => Self::read_enabled(item, kind),
            4 => Self::read_tombstone(item, kind),
            status => Self::read_idle(item, kind, status),
        }
    }

    fn read_enabled(item: Item<'_>, kind: SlotKind) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &ENABLED_KEYS, "slot")?;
        let suite = Suite::read(fields.number(5, ANY)?)?;
        let (pk_length, enc_length) = suite.lengths();
        let seal = Fields::of(fields.item(12)?, &[1, 2], "seal")?;
        let transports = fields.optional_number(15, 1..=63)?.and_then(|bits| u8::try_from(bits).ok());
        if transports.is_some() && kind != SlotKind::Passkey {
            return Err(VaultError::Malformed("transports of a slot that is no passkey"));
        }
        Ok(Self::Enabled(Box::new(EnabledSlot {
            slot_id: SlotId(fields.array(1)?),
            slot_gen: fields.number(4, POSITIVE)?,
            suite,
            born: fields.number(6, POSITIVE)?,
            unlock: Unlock::read(kind, fields.item(7)?)?,
            kdf_salt: fields.array(8)?,
            k_com: fields.array(9)?,
            wrapped: Sealed::read(fields.item(10)?, 80..=80, "wrapped slot key")?,
            slot_pk: fields.bytes(11, pk_length..=pk_length)?.to_vec(),
            seal: Seal {
                enc: seal.bytes(1, enc_length..=enc_length)?.to_vec(),
                ciphertext: seal.bytes(2, 48..=48)?.to_vec(),
            },
            sak_wrap: Sealed::read(fields.item(13)?, 48..=48, "wrapped SAK")?,
            private: read_private_box(fields.item(14)?)?,
            transports,
        })))
    }

    fn read_idle(item: Item<'_>, kind: SlotKind, status: u64) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2, 3, 4, 14], "slot")?;
        fields.expect((kind == SlotKind::Passkey).then_some(()))?;
        Ok(Self::Idle {
            slot_id: SlotId(fields.array(1)?),
            could_encrypt: status == 2,
            slot_gen: fields.number(4, POSITIVE)?,
            private: read_private_box(fields.item(14)?)?,
        })
    }

    fn read_tombstone(item: Item<'_>, kind: SlotKind) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2, 3, 4, 6], "slot")?;
        Ok(Self::Tombstone {
            slot_id: SlotId(fields.array(1)?),
            kind,
            slot_gen: fields.number(4, POSITIVE)?,
            last_enabled: fields.number(6, POSITIVE)?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let head = |writer: &mut Writer, count: usize, status: u64| {
            writer.map(count).unsigned(1).bytes(&self.slot_id().0).unsigned(2).unsigned(self.kind().number());
            writer.unsigned(3).unsigned(status).unsigned(4).unsigned(self.slot_gen());
        };
        match self {
            Self::Enabled(slot) => {
                head(writer, if slot.transports.is_some() { 15 } else { 14 }, 1);
                slot.write_rest(writer);
            }
            Self::Idle { could_encrypt, private, .. } => {
                head(writer, 5, if *could_encrypt { 2 } else { 3 });
                writer.unsigned(14);
                private.write(writer);
            }
            Self::Tombstone { last_enabled, .. } => {
                head(writer, 5, 4);
                writer.unsigned(6).unsigned(*last_enabled);
            }
        }
    }
}

impl EnabledSlot {
    /// `born` of a slot whose keys are new in a draft: the key generation is known when the draft is finished.
    pub(super) const BORN_WITH_WRITE: u64 = 0;

    /// Keys 5 to 15.
    fn write_rest(&self, writer: &mut Writer) {
        writer.unsigned(5).unsigned(self.suite.number()).unsigned(6).unsigned(self.born).unsigned(7);
        self.unlock.write(writer);
        writer.unsigned(8).bytes(&self.kdf_salt).unsigned(9).bytes(&self.k_com).unsigned(10);
        self.wrapped.write(writer);
        writer.unsigned(11).bytes(&self.slot_pk).unsigned(12);
        writer.map(2).unsigned(1).bytes(&self.seal.enc).unsigned(2).bytes(&self.seal.ciphertext);
        writer.unsigned(13);
        self.sak_wrap.write(writer);
        writer.unsigned(14);
        self.private.write(writer);
        if let Some(transports) = self.transports {
            writer.unsigned(15).unsigned(u64::from(transports));
        }
    }
}

/// BoxP: the ciphertext of a padded private part.
fn read_private_box(item: Item<'_>) -> Result<Sealed, VaultError> {
    Sealed::read(item, 80..=4112, "private part of a slot")
}
