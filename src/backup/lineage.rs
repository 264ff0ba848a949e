//! What a live vault keeps of its last backup (item type 2): how the next one is made with nobody there, and what has
//! changed since.
//!
//! ```text
//! Lineage = { 1: 1, 2: bstr .cbor Manifest, 3: b32, 4: bstr }   ; version, the backup's manifest, its VRK, what it covers
//! ```
//!
//! Key 4 is 12 bytes for each item in the backup: the first 8 of its item_id, then its version modulo 2^32, big endian;
//! ascending by the former. Ids are random, and this only counts changes: whole ids of 2^20 items would fit no item.

use alloc::{collections::BTreeMap, vec::Vec};

use rand_core::CryptoRng;

use super::{
    contents::Contents,
    export::{Exported, Taken, open},
};
use crate::{
    cbor::{Item, Profile, Writer},
    secret::{Secret, SecretBytes},
    time::{Moment, UnixTime},
    vault::{
        BackupInfo, Draft, ItemId, ItemSource, MemoryStorage, OpenItem, SlotView, Vault, VaultError, VaultId,
        VaultStorage, item_type,
    },
};

const VERSION: u64 = 1;
const MALFORMED: VaultError = VaultError::Malformed("lineage of backups");
/// The name of the tags by type in the local index.
const TYPE: &str = "type";

/// One item of the last backup, as the lineage names it.
#[derive(Clone, Copy)]
pub(super) struct Covered {
    id: [u8; 8],
    version: [u8; 4],
}

impl Covered {
    pub(super) fn new(id: &ItemId, version: u64) -> Self {
        let [.., a, b, c, d] = version.to_be_bytes();
        Self { id: short(id), version: [a, b, c, d] }
    }
}

/// The first 8 bytes of an identifier.
fn short(id: &ItemId) -> [u8; 8] {
    let [first, ..] = id.0.as_chunks::<8>().0 else { return [0; 8] };
    *first
}

/// A backup's manifest and root key.
pub(super) struct Kept {
    pub(super) manifest: Vec<u8>,
    pub(super) key: Secret<32>,
}

impl Kept {
    fn encode(&self, covered: &[Covered]) -> SecretBytes {
        let bytes: Vec<u8> =
            covered.iter().flat_map(|item| item.id.into_iter().chain(item.version)).collect();
        // Room for all of it, so that growing leaves no copy behind.
        let room = self.manifest.len().saturating_add(bytes.len()).saturating_add(128);
        let mut writer = Writer::with_capacity(room);
        writer.map(4).unsigned(1).unsigned(VERSION).unsigned(2).bytes(&self.manifest);
        writer.unsigned(3).bytes(self.key.expose()).unsigned(4).bytes(&bytes);
        SecretBytes::new(writer.finish())
    }
}

/// What a live vault knows of its last backup.
pub struct Lineage {
    /// The backup as a vault, without its items.
    backup: Vault,
    info: BackupInfo,
    covered: BTreeMap<[u8; 8], [u8; 4]>,
}

impl Lineage {
    /// Reads the lineage out of a live vault; none: no backup was made of it, or none was kept. Of several, as after two
    /// devices made backups at a time, the newest counts.
    ///
    /// [`VaultError::Tampered`]: the storage has lost or altered it. [`VaultError::Unsupported`]: of a later version.
    pub fn load(vault: &Vault, storage: &dyn VaultStorage) -> Result<Option<Self>, VaultError> {
        let mut newest: Option<Self> = None;
        for id in lineage_items(vault, storage)? {
            let lineage = Self::read(vault.vault_id(), &open(vault, storage, &id)?)?;
            if newest.as_ref().is_none_or(|newest| newest.created() <= lineage.created()) {
                newest = Some(lineage);
            }
        }
        Ok(newest)
    }

    fn read(source: VaultId, item: &OpenItem) -> Result<Self, VaultError> {
        let fields = Item::parse(item.plaintext.expose(), Profile::VAULT).ok().and_then(|item| item.map());
        let fields = fields.ok_or(MALFORMED)?;
        match fields.at(1).and_then(|version| version.unsigned()) {
            Some(VERSION) if fields.announced() == 4 => {}
            Some(_) => return Err(VaultError::Unsupported("lineage of backups")),
            None => return Err(MALFORMED),
        }
        let bytes = |key| fields.at(key).and_then(|value| value.bytes()).ok_or(MALFORMED);
        let backup = Vault::from_kept(bytes(2)?, Secret::from_slice(bytes(3)?).ok_or(MALFORMED)?)?;
        let info = backup.backup().copied().filter(|info| info.source_vault == source).ok_or(MALFORMED)?;
        let (entries, []) = bytes(4)?.as_chunks::<12>() else { return Err(MALFORMED) };
        let covered = entries
            .iter()
            .map(|[a, b, c, d, e, f, g, h, version @ ..]| ([*a, *b, *c, *d, *e, *f, *g, *h], *version));
        Ok(Self { covered: covered.collect(), backup, info })
    }

    fn created(&self) -> u64 {
        self.info.created
    }

    /// When and of which state of the vault the last backup was made.
    pub fn info(&self) -> &BackupInfo {
        &self.info
    }

    /// The identifier of the backup, which all of one line share.
    pub fn backup_id(&self) -> VaultId {
        self.backup.vault_id()
    }

    /// Whom the backup was made for, and the next unattended one will be.
    pub fn recipients(&self) -> impl Iterator<Item = SlotView<'_>> {
        self.backup.slots()
    }

    /// The backup as a vault, without its items: labels and notes of its recipients
    /// ([`Vault::slot_private`]).
    pub fn vault(&self) -> &Vault {
        &self.backup
    }

    /// Makes the next backup, for the same recipients, with nobody there: a rotation of the last one onto what may leave
    /// the vault today. It needs the open vault and nothing else; the recipients were named with a proof.
    ///
    /// Draws the backup's new root key (32), then for each item that goes in, ascending by identifier, as
    /// [`Draft::change_item`], then as [`Draft::finish`].
    ///
    /// Errors: as [`Export::new`](super::Export::new), but for the proof, and [`Export::finish`](super::Export::finish);
    /// [`VaultError::Unchecked`]: the vault's state was neither checked nor [accepted](Vault::accept_as_is);
    /// [`VaultError::Unsupported`]: a recipient is of a suite that this build cannot seal to;
    /// [`VaultError::PolicyViolation`]: of one below the vault's floor, which was raised meanwhile.
    pub fn export(
        &self,
        vault: &Vault,
        items: &dyn ItemSource,
        (now, time): (Moment, UnixTime),
        rng: &mut dyn CryptoRng,
    ) -> Result<Exported, VaultError> {
        if vault.vault_id() != self.info.source_vault {
            return Err(VaultError::InvalidInput("the lineage of another vault's backups"));
        }
        // The recipients are those of this state: one that was dropped since is in an old copy still.
        vault.require_checked()?;
        // Who could read the lineage has the backup's root key.
        let mut backup = self.backup.administer(&self.backup.proof_at(now), now)?;
        backup.rotate(&MemoryStorage::default(), rng)?;
        backup.raise_floor(self.backup.floor().max(vault.floor()))?;
        let taken = Taken::from(vault, items, &mut backup, rng)?;
        taken.finish(backup, time, rng)
    }
}

/// What has changed in a vault since its last backup, as far as it would go into the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Items that are new.
    pub added: u64,
    /// Items that are another version; a passkey is, too, after it signed in where its last use is recorded.
    pub changed: u64,
    /// Items that are gone.
    pub deleted: u64,
}

impl Changes {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.added.saturating_add(self.changed).saturating_add(self.deleted)
    }
}

/// Counts what has changed since the last backup; without one, everything that would go in is new. Only items that the
/// last backup has not are decrypted.
///
/// [`VaultError::Tampered`]: an item is missing or altered.
pub fn changes_since(
    lineage: Option<&Lineage>,
    vault: &Vault,
    items: &dyn ItemSource,
) -> Result<Changes, VaultError> {
    let none = BTreeMap::new();
    let covered = lineage.map_or(&none, |lineage| &lineage.covered);
    let (mut changes, mut still_there) = (Changes::default(), 0u64);
    for row in vault.rows() {
        let today = Covered::new(&row.item_id, row.version);
        let count = match covered.get(&today.id) {
            Some(version) => {
                still_there = still_there.saturating_add(1);
                if *version == today.version {
                    continue;
                }
                &mut changes.changed
            }
            None if Contents::of(&open(vault, items, &row.item_id)?).is_err() => continue,
            None => &mut changes.added,
        };
        *count = count.saturating_add(1);
    }
    changes.deleted = u64::try_from(covered.len()).unwrap_or(u64::MAX).saturating_sub(still_there);
    Ok(changes)
}

/// Writes the lineage into the live vault, in place of all that are there.
pub(super) fn keep(
    kept: &Kept,
    covered: &[Covered],
    draft: &mut Draft<'_>,
    (vault, storage): (&Vault, &dyn VaultStorage),
    rng: &mut dyn CryptoRng,
) -> Result<(), VaultError> {
    let record = kept.encode(covered);
    let mut earlier = lineage_items(vault, storage)?.into_iter();
    match earlier.next() {
        Some(id) => draft.change_item(&id, item_type::BACKUP_LINEAGE, record.expose(), rng)?,
        None => {
            draft.add_item(item_type::BACKUP_LINEAGE, record.expose(), rng)?;
        }
    }
    earlier.try_for_each(|id| draft.delete_item(&id))
}

/// The items of type 2. A storage must not be able to hide the recipients that were fixed: where the index has none, every
/// item that the manifest vouches for is looked at.
fn lineage_items(vault: &Vault, storage: &dyn VaultStorage) -> Result<Vec<ItemId>, VaultError> {
    let of_type =
        |id: &ItemId| open(vault, storage, id).map(|item| item.item_type == item_type::BACKUP_LINEAGE);
    let tag = vault.tag(TYPE, &item_type::BACKUP_LINEAGE.to_be_bytes());
    let mut tagged = storage.tagged(&tag)?;
    if !tagged.is_empty() {
        tagged.sort_unstable();
        for id in &tagged {
            if !of_type(id)? {
                return Err(VaultError::Tampered("local index"));
            }
        }
        return Ok(tagged);
    }
    let mut found = Vec::new();
    for row in vault.rows() {
        if of_type(&row.item_id)? {
            found.push(row.item_id);
        }
    }
    Ok(found)
}
