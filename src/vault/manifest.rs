//! The manifest (vault-format.md, "Bytes"): everything about one state of a vault but its items.

use alloc::{collections::BTreeSet, vec::Vec};

use super::{
    error::VaultError,
    fields::{ANY, Fields, POSITIVE, parse},
    ids::{SlotId, VaultId},
    slot::{EnabledSlot, PasskeyUnlock, PrfSaltMode, Slot, SlotKind},
};
use crate::cbor::{Item, Writer};

/// The largest manifest, in bytes.
pub(super) const MAX_MANIFEST: usize = 256 * 1024;
/// The most items.
pub(crate) const MAX_ITEMS: usize = 1 << 20;
/// The most slots of any status.
pub(super) const MAX_SLOTS: usize = 64;
/// How many earlier states, and how many links of the lineage, a manifest lists.
pub(super) const MAX_PAST: usize = 32;
const MAX_PASSPHRASES: usize = 4;
const HIGHEST_SUITE: u64 = 2;
/// Policy key 1 where it is absent.
pub(super) const DEFAULT_MOST_PASSKEYS: usize = 5;

/// An earlier state: its epoch and the SHA-256 of its manifest bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Past {
    pub(super) epoch: u64,
    pub(super) hash: [u8; 32],
}

/// One vault root key in the line: its lineage public key, signed by its predecessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) key_gen: u64,
    pub(super) public_key: [u8; 32],
    pub(super) signature: [u8; 64],
}

/// What a vault's owner allows. Whatever is `None` or false is not restricted, but for the number of passkeys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Most enabled passkeys, 1 to 16; 5 where it is absent.
    pub most_passkeys: Option<u8>,
    /// Least enabled slots, 1 to 16.
    pub least_slots: Option<u8>,
    /// No slot but passkeys and devices.
    pub no_fallback: bool,
    /// The only kinds that may be enabled; ascending, not empty.
    pub allowed_kinds: Option<Vec<SlotKind>>,
}

/// What a backup says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupInfo {
    /// When it was made (Unix seconds).
    pub created: u64,
    /// The vault it was made of.
    pub source_vault: VaultId,
    /// The epoch of that vault.
    pub source_epoch: u64,
    /// How many items it holds.
    pub item_count: u64,
    /// Whether the items are in the FIDO Credential Exchange Format rather than the vault's own.
    pub exchange_format: bool,
}

/// A manifest, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) vault_id: VaultId,
    pub(super) epoch: u64,
    pub(super) key_gen: u64,
    pub(super) ancestors: Vec<Past>,
    pub(super) vrk_commit: [u8; 32],
    pub(super) floor: u64,
    pub(super) slots: Vec<Slot>,
    pub(super) item_root: [u8; 32],
    pub(super) lineage: Vec<Link>,
    pub(super) time: u64,
    pub(super) policy: Option<Policy>,
    pub(super) backup: Option<BackupInfo>,
}

impl Manifest {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, VaultError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(VaultError::Malformed("manifest over 256 KiB"));
        }
        let item = parse(bytes)?;
        // The version is looked at before the rest: of another one, nothing else is known.
        let version = item.map().and_then(|entries| entries.at(1)).and_then(|version| version.unsigned());
        match version {
            Some(1) => Self::read(item),
            Some(_) => Err(VaultError::Unsupported("format version")),
            None => Err(VaultError::Malformed("no format version")),
        }
    }

    fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], "manifest")?;
        let floor = fields.number(7, POSITIVE)?;
        if floor > HIGHEST_SUITE {
            return Err(VaultError::Unsupported("suite floor"));
        }
        let manifest = Self {
            vault_id: VaultId(fields.array(2)?),
            epoch: fields.number(3, POSITIVE)?,
            key_gen: fields.number(4, POSITIVE)?,
            ancestors: read_list(fields.item(5)?, 0, MAX_PAST, Past::read)?,
            vrk_commit: fields.array(6)?,
            floor,
            slots: read_list(fields.item(8)?, 1, MAX_SLOTS, Slot::read)?,
            item_root: fields.array(9)?,
            lineage: read_list(fields.item(10)?, 1, MAX_PAST, Link::read)?,
            time: fields.number(11, ANY)?,
            policy: fields.optional(12).map(Policy::read).transpose()?,
            backup: fields.optional(13).map(BackupInfo::read).transpose()?,
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// What the schema language cannot say ("Also Malformed").
    pub(super) fn check(&self) -> Result<(), VaultError> {
        let ensure = |holds: bool, what| if holds { Ok(()) } else { Err(VaultError::Malformed(what)) };
        ensure(self.vault_id.0 != [0; 16], "vault id is zero")?;
        ensure(ascending(&self.slots, Slot::slot_id), "slots out of order")?;
        ensure(self.ancestors_in_order(), "ancestors")?;
        ensure(self.slots.iter().all(|slot| self.generation_in_range(slot)), "slot from the future")?;
        ensure(self.passkeys_distinct(), "one passkey in two slots")?;
        ensure(self.vault_salts_equal(), "two salts for the whole vault")?;
        let passphrases = self.enabled().filter(|slot| slot.unlock.kind() == SlotKind::Passphrase).count();
        ensure(passphrases <= MAX_PASSPHRASES, "more than 4 passphrases")?;
        ensure(self.lineage_consecutive(), "lineage")
    }

    /// Empty exactly at epoch 1; below the epoch; by epoch descending, then hash ascending, none repeated.
    fn ancestors_in_order(&self) -> bool {
        let ordered = self.ancestors.windows(2).all(|pair| match pair {
            [first, second] => first.order(second).is_lt(),
            _ => true,
        });
        (self.epoch == 1) == self.ancestors.is_empty()
            && self.ancestors.iter().all(|past| past.epoch < self.epoch)
            && ordered
    }

    fn generation_in_range(&self, slot: &Slot) -> bool {
        match slot {
            Slot::Enabled(slot) => slot.born <= self.key_gen,
            Slot::Tombstone { last_enabled, .. } => *last_enabled <= self.key_gen,
            Slot::Idle { .. } => true,
        }
    }

    fn passkeys_distinct(&self) -> bool {
        let mut seen = BTreeSet::new();
        self.passkeys().all(|passkey| seen.insert((&passkey.rp_id, &passkey.credential_id)))
    }

    fn vault_salts(&self) -> impl Iterator<Item = [u8; 32]> {
        self.passkeys().filter_map(|passkey| match passkey.salt {
            PrfSaltMode::PerVault(salt) => Some(salt),
            _ => None,
        })
    }

    /// The salt of mode 2, which all slots of that mode share.
    pub(super) fn vault_salt(&self) -> Option<[u8; 32]> {
        self.vault_salts().next()
    }

    fn vault_salts_equal(&self) -> bool {
        self.vault_salts().all(|salt| Some(salt) == self.vault_salt())
    }

    /// The last min(key_gen, 32) generations, one by one, up to this one.
    fn lineage_consecutive(&self) -> bool {
        let length = u64::try_from(self.lineage.len()).unwrap_or(u64::MAX);
        let expected = self.key_gen.min(u64::try_from(MAX_PAST).unwrap_or(u64::MAX));
        let first = self.key_gen.saturating_sub(expected).saturating_add(1);
        length == expected && self.lineage.iter().zip(first..).all(|(link, key_gen)| link.key_gen == key_gen)
    }

    /// The enabled slots.
    pub(super) fn enabled(&self) -> impl Iterator<Item = &EnabledSlot> {
        self.slots.iter().filter_map(Slot::enabled)
    }

    /// The passkeys of the enabled slots.
    pub(super) fn passkeys(&self) -> impl Iterator<Item = &PasskeyUnlock> {
        self.enabled().filter_map(|slot| slot.unlock.passkey())
    }

    /// Whether a salt of this mode stands in an enabled slot of another mode.
    pub(super) fn salt_in_other_mode(&self, salt: &PrfSaltMode) -> bool {
        self.passkeys()
            .any(|passkey| passkey.salt.number() != salt.number() && passkey.salt.salt() == salt.salt())
    }

    /// Whether an enabled slot already carries this passkey.
    pub(super) fn has_passkey(&self, rp_id: &str, credential_id: &[u8]) -> bool {
        self.passkeys().any(|passkey| passkey.rp_id == rp_id && passkey.credential_id == credential_id)
    }

    /// The slot with an identifier.
    pub(super) fn slot(&self, id: &SlotId) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.slot_id() == *id)
    }

    /// The enabled slot with an identifier.
    pub(super) fn enabled_slot(&self, id: &SlotId) -> Option<&EnabledSlot> {
        self.slot(id).and_then(Slot::enabled)
    }

    /// Every enabled slot's suite is at or above the floor, and the policy is kept.
    pub(super) fn check_policy(&self) -> Result<(), VaultError> {
        let ensure = |holds: bool, what| if holds { Ok(()) } else { Err(VaultError::PolicyViolation(what)) };
        ensure(self.enabled().all(|slot| slot.suite.number() >= self.floor), "a suite below the floor")?;
        let Some(policy) = &self.policy else { return Ok(()) };
        let kinds: Vec<SlotKind> = self.enabled().map(|slot| slot.unlock.kind()).collect();
        let passkeys = kinds.iter().filter(|kind| **kind == SlotKind::Passkey).count();
        ensure(
            passkeys <= policy.most_passkeys.map_or(DEFAULT_MOST_PASSKEYS, usize::from),
            "too many passkeys",
        )?;
        ensure(kinds.len() >= policy.least_slots.map_or(0, usize::from), "too few slots")?;
        let fallback = |kind: &SlotKind| !matches!(kind, SlotKind::Passkey | SlotKind::Device);
        ensure(!policy.no_fallback || !kinds.iter().any(fallback), "no slot but passkeys and devices")?;
        let allowed = |kind| policy.allowed_kinds.as_ref().is_none_or(|allowed| allowed.contains(kind));
        ensure(kinds.iter().all(allowed), "a kind of slot that is not allowed")
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(4096);
        let optional = usize::from(self.policy.is_some()).saturating_add(usize::from(self.backup.is_some()));
        writer.map(optional.saturating_add(11)).unsigned(1).unsigned(1).unsigned(2).bytes(&self.vault_id.0);
        writer.unsigned(3).unsigned(self.epoch).unsigned(4).unsigned(self.key_gen);
        writer.unsigned(5).array(self.ancestors.len());
        for past in &self.ancestors {
            writer.array(2).unsigned(past.epoch).bytes(&past.hash);
        }
        writer.unsigned(6).bytes(&self.vrk_commit).unsigned(7).unsigned(self.floor);
        writer.unsigned(8).array(self.slots.len());
        self.slots.iter().for_each(|slot| slot.write(&mut writer));
        writer.unsigned(9).bytes(&self.item_root).unsigned(10).array(self.lineage.len());
        for link in &self.lineage {
            writer.map(3).unsigned(1).unsigned(link.key_gen).unsigned(2).bytes(&link.public_key);
            writer.unsigned(3).bytes(&link.signature);
        }
        writer.unsigned(11).unsigned(self.time);
        if let Some(policy) = &self.policy {
            writer.unsigned(12);
            policy.write(&mut writer);
        }
        if let Some(backup) = &self.backup {
            writer.unsigned(13);
            backup.write(&mut writer);
        }
        writer.finish()
    }
}

impl Past {
    fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let malformed = VaultError::Malformed("ancestors");
        let mut elements = item.array().filter(|elements| elements.announced() == 2).ok_or(malformed)?;
        let epoch = elements.next().and_then(|epoch| epoch.unsigned()).filter(|epoch| *epoch > 0);
        let hash = elements.next().and_then(|hash| hash.bytes()).and_then(|hash| hash.try_into().ok());
        Ok(Self { epoch: epoch.ok_or(malformed)?, hash: hash.ok_or(malformed)? })
    }

    /// By epoch descending, then hash ascending.
    pub(super) fn order(&self, other: &Self) -> core::cmp::Ordering {
        other.epoch.cmp(&self.epoch).then(self.hash.cmp(&other.hash))
    }
}

impl Link {
    fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2, 3], "lineage")?;
        Ok(Self {
            key_gen: fields.number(1, POSITIVE)?,
            public_key: fields.array(2)?,
            signature: fields.array(3)?,
        })
    }
}

impl Policy {
    fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2, 3, 4], "policy")?;
        let small = |key| -> Result<Option<u8>, VaultError> {
            Ok(fields.optional_number(key, 1..=16)?.and_then(|number| u8::try_from(number).ok()))
        };
        let no_fallback = fields.optional_flag(3)?;
        fields.expect((no_fallback != Some(false)).then_some(()))?;
        Ok(Self {
            most_passkeys: small(1)?,
            least_slots: small(2)?,
            no_fallback: no_fallback.is_some(),
            allowed_kinds: fields.optional(4).map(read_kinds).transpose()?,
        })
    }

    /// Whether the format can express it.
    pub(super) fn is_valid(&self) -> bool {
        let small = |number: Option<u8>| number.is_none_or(|number| (1..=16).contains(&number));
        let kinds = self.allowed_kinds.as_ref();
        small(self.most_passkeys)
            && small(self.least_slots)
            && kinds.is_none_or(|kinds| !kinds.is_empty() && ascending(kinds, |kind| *kind))
    }

    fn write(&self, writer: &mut Writer) {
        let present = [
            self.most_passkeys.is_some(),
            self.least_slots.is_some(),
            self.no_fallback,
            self.allowed_kinds.is_some(),
        ];
        writer.map(present.iter().filter(|present| **present).count());
        for (key, number) in [(1, self.most_passkeys), (2, self.least_slots)] {
            if let Some(number) = number {
                writer.unsigned(key).unsigned(u64::from(number));
            }
        }
        if self.no_fallback {
            writer.unsigned(3).boolean(true);
        }
        if let Some(kinds) = &self.allowed_kinds {
            writer.unsigned(4).array(kinds.len());
            for kind in kinds {
                writer.unsigned(kind.number());
            }
        }
    }
}

fn read_kinds(item: Item<'_>) -> Result<Vec<SlotKind>, VaultError> {
    let malformed = VaultError::Malformed("policy");
    let kinds = read_list(item, 1, MAX_SLOTS, |item| {
        SlotKind::read(item.unsigned().ok_or(VaultError::Malformed("policy"))?)
    })?;
    if ascending(&kinds, |kind| *kind) { Ok(kinds) } else { Err(malformed) }
}

impl BackupInfo {
    fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = Fields::of(item, &[1, 2, 3, 4, 5], "backup")?;
        Ok(Self {
            created: fields.number(1, ANY)?,
            source_vault: VaultId(fields.array(2)?),
            source_epoch: fields.number(3, POSITIVE)?,
            item_count: fields.number(4, ANY)?,
            exchange_format: fields.number(5, 1..=2)? == 2,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(5).unsigned(1).unsigned(self.created).unsigned(2).bytes(&self.source_vault.0);
        writer.unsigned(3).unsigned(self.source_epoch).unsigned(4).unsigned(self.item_count);
        writer.unsigned(5).unsigned(if self.exchange_format { 2 } else { 1 });
    }
}

/// An array of `least` to `most` elements. The bytes hold that many: the whole item was checked before.
pub(super) fn read_list<'a, T>(
    item: Item<'a>,
    least: usize,
    most: usize,
    read: impl Fn(Item<'a>) -> Result<T, VaultError>,
) -> Result<Vec<T>, VaultError> {
    let elements = item.array().ok_or(VaultError::Malformed("not a list"))?;
    let announced = usize::try_from(elements.announced()).unwrap_or(usize::MAX);
    if announced < least || announced > most {
        return Err(VaultError::Malformed("a list of a forbidden length"));
    }
    elements.map(read).collect()
}

/// Strictly ascending by a key.
pub(super) fn ascending<T, K: Ord>(list: &[T], key: impl Fn(&T) -> K) -> bool {
    list.windows(2).all(|pair| match pair {
        [first, second] => key(first) < key(second),
        _ => true,
    })
}
