//! What the report is made of.

use alloc::{string::String, vec::Vec};

use rand_core::CryptoRng;

use crate::{
    credential::{Credential, CredentialRecord},
    time::UnixTime,
    upkeep::UpkeepRecord,
    vault::{
        PasskeyStore, Policy, ShareSet, SlotId, SlotKind, SlotPrivate, SlotStatus, SlotView, Vault,
        VaultError, VaultStorage, item_type,
    },
    webauthn::{RpId, UserHandle},
};

/// All that the report looks at. A host that keeps its passkeys elsewhere fills it by hand.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The slots.
    pub slots: Vec<SlotFacts>,
    /// The policy of the vault, if it has one.
    pub policy: Option<Policy>,
    /// The public parts of the passkeys in the vault.
    pub passkeys: Vec<Credential>,
    /// How many items the vault has that a backup is for; passkeys count, what the vault keeps for itself does not.
    pub items: u64,
    /// What was done against lockout.
    pub upkeep: UpkeepRecord,
    /// What only the host knows.
    pub host: HostFacts,
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotFacts {
    /// Its identifier.
    pub slot_id: SlotId,
    /// How often its keys were made.
    pub slot_gen: u64,
    /// What opens it.
    pub kind: SlotKind,
    /// What it can do.
    pub status: SlotStatus,
    /// Whether its keys are older than the vault's.
    pub refresh_due: bool,
    /// Whether every transport that is known of its passkey is built into a device.
    pub built_in: bool,
    /// The shares that open it.
    pub shares: Option<ShareSet>,
    /// The credential ID of its passkey, enabled or not.
    pub credential_id: Option<Vec<u8>>,
    /// What the owner knows about it.
    pub private: SlotPrivate,
}

/// What the vault cannot know.
#[derive(Debug, Clone, Default)]
pub struct HostFacts {
    /// Slots whose code, passphrase or shares are kept in an item of this very vault. Where a slot's note says that they are
    /// elsewhere, too, no harm is done.
    pub kept_within: Vec<SlotId>,
    /// What slots hang on, in words: a person, a place, a device, an account. Slots with the same words are lost together.
    pub hangs_on: Vec<(SlotId, String)>,
    /// The names of providers by AAGUID. They serve as names and decide nothing.
    pub providers: Vec<([u8; 16], String)>,
    /// Accounts that have a passkey elsewhere, beside those in the vault.
    pub elsewhere: Vec<(RpId, UserHandle)>,
    /// How much has changed since the last backup, where that is known.
    pub changes_since_backup: Option<u64>,
}

/// How long, in seconds, what was done against lockout holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Between two tests or uses of a slot.
    pub slot_test: u64,
    /// Between two backups, while something changes.
    pub backup: u64,
    /// Between two tests of backups.
    pub backup_test: u64,
    /// Between two reviews.
    pub review: u64,
}

const DAY: u64 = 86_400;

impl Default for Limits {
    /// Slots and the whole each half a year (26 weeks), backups each week, tests of backups each 30 days.
    fn default() -> Self {
        Self { slot_test: 182 * DAY, backup: 7 * DAY, backup_test: 30 * DAY, review: 182 * DAY }
    }
}

impl Facts {
    /// The facts of an open vault. Its passkeys are decrypted one at a time, and their private parts are not kept.
    ///
    /// Errors: those of [`PasskeyStore::get`]; [`VaultError::Unsupported`]: a record was written by a later version.
    pub fn of<S: VaultStorage, R: CryptoRng>(
        store: &PasskeyStore<S, R>,
        host: HostFacts,
    ) -> Result<Self, VaultError> {
        let mut own = 0usize;
        for item_type in [item_type::BACKUP_LINEAGE, item_type::AUTHENTICATOR_STATE, item_type::UPKEEP] {
            own = own.saturating_add(store.list(item_type)?.len());
        }
        let items = store.vault().item_count().saturating_sub(own);
        let passkeys = store.list(item_type::PASSKEY)?.into_iter().map(|id| {
            let record = CredentialRecord::decode(store.get(&id)?.plaintext.expose());
            record.map(|record| record.credential).map_err(|_| VaultError::Unsupported("credential record"))
        });
        Ok(Self {
            slots: SlotFacts::of_vault(store.vault())?,
            policy: store.vault().policy().cloned(),
            passkeys: passkeys.collect::<Result<_, _>>()?,
            items: u64::try_from(items).unwrap_or(u64::MAX),
            upkeep: UpkeepRecord::load(store)?,
            host,
        })
    }

    /// The slots that open the vault.
    pub(super) fn enabled(&self) -> impl Iterator<Item = &SlotFacts> {
        self.slots.iter().filter(|slot| slot.status == SlotStatus::Enabled)
    }

    /// Those of them that open it from outside.
    pub(super) fn usable(&self) -> impl Iterator<Item = &SlotFacts> {
        self.enabled().filter(|slot| !self.is_circular(slot) && !self.is_only_within(slot))
    }

    /// Whether the passkey of the slot is an item of the vault that it opens.
    pub(super) fn is_circular(&self, slot: &SlotFacts) -> bool {
        let Some(id) = &slot.credential_id else { return false };
        self.passkeys.iter().any(|passkey| passkey.id.as_bytes() == id.as_slice())
    }

    /// Whether the secret of the slot is in the vault that it opens and, as far as is known, nowhere else.
    pub(super) fn is_only_within(&self, slot: &SlotFacts) -> bool {
        slot.private.note.is_none() && self.host.kept_within.contains(&slot.slot_id)
    }
}

impl SlotFacts {
    /// The slots of an open vault, ascending by identifier, without those that were removed.
    pub fn of_vault(vault: &Vault) -> Result<Vec<Self>, VaultError> {
        let slots = vault.slots().filter(|slot| slot.status() != SlotStatus::Tombstone);
        slots
            .map(|slot| {
                let private = vault.slot_private(&slot.slot_id())?.unwrap_or_default();
                Ok(Self::new(&slot, private, vault.key_gen()))
            })
            .collect()
    }

    fn new(slot: &SlotView<'_>, private: SlotPrivate, key_gen: u64) -> Self {
        let transports = slot.transports();
        Self {
            slot_id: slot.slot_id(),
            slot_gen: slot.slot_gen(),
            kind: slot.kind(),
            status: slot.status(),
            refresh_due: slot.born().is_some_and(|born| born < key_gen),
            built_in: !transports.is_empty() && transports.iter().all(|name| *name == "internal"),
            shares: slot.share_set(),
            credential_id: slot.credential_id().map(<[u8]>::to_vec).or_else(|| private.credential_id.clone()),
            private,
        }
    }

    /// Whether it is an authenticator: something that one has, and that answers by itself.
    pub(super) fn is_authenticator(&self) -> bool {
        matches!(self.kind, SlotKind::Passkey | SlotKind::Device)
    }

    /// Whether its passkey outlives its devices, with the account that syncs it.
    pub(super) fn is_synced(&self) -> bool {
        self.private.backup_eligible == Some(true) && self.private.backed_up != Some(false)
    }

    /// The model or provider, where its passkey names one.
    pub(super) fn aaguid(&self) -> Option<[u8; 16]> {
        self.private.aaguid.filter(|aaguid| *aaguid != [0; 16])
    }

    /// When it was last seen to open the vault, in a past that `now` knows of.
    pub(super) fn last_seen(&self, now: UnixTime) -> Option<UnixTime> {
        let times = [self.private.last_used, self.private.last_verified];
        times.into_iter().flatten().filter(|time| *time <= now.0).max().map(UnixTime)
    }
}

/// Whether what was done at `then` no longer holds. What was never done, or in a time to come, does not.
pub(super) fn is_over(then: Option<UnixTime>, limit: u64, now: UnixTime) -> bool {
    then.and_then(|then| now.0.checked_sub(then.0)).is_none_or(|age| age > limit)
}
