//! What a vault's owner, and the owner's programs, have done so that nobody is locked out: which backups were made and
//! tried, which recovery kit is printed, when the whole was last reviewed, what each relying party offers. The record is
//! one item of the vault ([`item_type::UPKEEP`]), so it travels with it, encrypted.
//!
//! ```text
//! { 1: 1, 2: [* Backup], ? 3: Kit, ? 4: reviewed, 5: [* Coverage] }
//! Backup   = { 1: backup's vault_id (bstr 16), 2: created, 3: epoch of the vault, 4: number of items,
//!              5: [* kinds of slots], ? 6: verified, ? 7: restored, ? 8: place (tstr) }
//! Kit      = { 1: revision, 2: printed, 3: [* [slot_id (bstr 16), slot_gen]], ? 4: place (tstr) }
//! Coverage = { 1: RP ID (tstr), ? 2: second authenticator possible, ? 3: recovery codes kept, ? 4: note (tstr) }
//! ```
//!
//! Dates are Unix seconds.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use rand_core::CryptoRng;

use crate::{
    cbor::{Entries, Item, Profile, Writer},
    secret::SecretBytes,
    time::UnixTime,
    vault::{ItemId, OpenItem, PasskeyStore, SlotId, SlotKind, VaultError, VaultId, VaultStorage, item_type},
    webauthn::RpId,
};

const VERSION: u64 = 1;
/// How many backups are remembered; of more, the oldest go.
pub const MAX_BACKUPS: usize = 16;
const MALFORMED: VaultError = VaultError::Malformed("upkeep record");

/// The record; empty in a vault that has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpkeepRecord {
    /// The backups that were made, oldest first.
    pub backups: Vec<BackupNote>,
    /// The recovery kit that was last printed.
    pub kit: Option<KitNote>,
    /// When the owner last went through the readiness report.
    pub reviewed: Option<UnixTime>,
    /// What is known of relying parties, each once.
    pub coverage: Vec<Coverage>,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupNote {
    /// The vault that the backup is.
    pub backup_vault: VaultId,
    /// When it was made.
    pub created: UnixTime,
    /// The epoch of the vault that it was made of.
    pub source_epoch: u64,
    /// How many items it holds.
    pub items: u64,
    /// What opens it.
    pub opens_by: Vec<SlotKind>,
    /// When it was last verified.
    pub verified: Option<UnixTime>,
    /// When it was last restored, if only to try.
    pub restored: Option<UnixTime>,
    /// Where it is kept and by whom, in the owner's words.
    pub place: Option<String>,
}

/// A recovery kit that was printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitNote {
    /// Its number; each new one is one higher.
    pub revision: u64,
    /// When it was made.
    pub printed: UnixTime,
    /// What it tells of: each slot with its generation.
    pub slots: Vec<(SlotId, u64)>,
    /// Where it is kept and by whom, in the owner's words.
    pub place: Option<String>,
}

/// How a printed kit stands to the slots of today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KitState {
    /// It tells of every way in as it is.
    Current,
    /// Keys of a slot it tells of were renewed since. What opened the slot still does.
    Renewed,
    /// There is a way in that it does not tell of.
    Incomplete,
    /// It tells of a way in that is gone.
    Outdated,
}

/// What a relying party offers whoever loses a passkey (requirement D14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The relying party.
    pub rp_id: RpId,
    /// Whether it takes a second authenticator, where that is known.
    pub second_authenticator: Option<bool>,
    /// Whether recovery codes of it are kept, where that is known.
    pub recovery_codes: Option<bool>,
    /// Its way of support, in the owner's words.
    pub note: Option<String>,
}

impl UpkeepRecord {
    /// The record of an open vault; an empty one where there is none.
    ///
    /// Errors: those of [`PasskeyStore::get`]; [`VaultError::Unsupported`]: written by a later version.
    pub fn load<S: VaultStorage, R: CryptoRng>(store: &PasskeyStore<S, R>) -> Result<Self, VaultError> {
        match find(store)? {
            Some((_, item)) => Self::decode(item.plaintext.expose()),
            None => Ok(Self::default()),
        }
    }

    /// Stores the record in place of the one before, as a write of its own. [`VaultError::InvalidInput`]: a date or number
    /// that the format cannot express.
    pub fn save<S: VaultStorage, R: CryptoRng>(
        &self,
        store: &mut PasskeyStore<S, R>,
    ) -> Result<(), VaultError> {
        let (place, encoded) = (find(store)?, self.encode());
        if Self::decode(encoded.expose()).is_err() {
            return Err(VaultError::InvalidInput("a number beyond 2^63"));
        }
        store.change(|draft, _, rng| match &place {
            Some((id, _)) => draft.change_item(id, item_type::UPKEEP, encoded.expose(), rng),
            None => draft.add_item(item_type::UPKEEP, encoded.expose(), rng).map(|_| ()),
        })
    }

    /// Notes a backup; of more than [`MAX_BACKUPS`], the oldest goes. One of the same vault is replaced: an unattended
    /// export renews the backup before it.
    pub fn note_backup(&mut self, note: BackupNote) {
        self.backups.retain(|other| other.backup_vault != note.backup_vault);
        self.backups.push(note);
        let surplus = self.backups.len().saturating_sub(MAX_BACKUPS);
        self.backups.drain(..surplus);
    }

    /// The encoded form. It says where things are kept: secret.
    pub fn encode(&self) -> SecretBytes {
        let mut writer = Writer::with_capacity(self.room());
        let optional = usize::from(self.kit.is_some()).saturating_add(usize::from(self.reviewed.is_some()));
        writer.map(optional.saturating_add(3)).unsigned(1).unsigned(VERSION);
        writer.unsigned(2).array(self.backups.len());
        self.backups.iter().for_each(|note| note.write(&mut writer));
        if let Some(kit) = &self.kit {
            writer.unsigned(3);
            kit.write(&mut writer);
        }
        write_date(&mut writer, 4, self.reviewed);
        writer.unsigned(5).array(self.coverage.len());
        self.coverage.iter().for_each(|coverage| coverage.write(&mut writer));
        SecretBytes::new(writer.finish())
    }

    /// At least the bytes of the encoded form, so that growing leaves no copy behind: what has a fixed length takes less
    /// than 128 of each part.
    fn room(&self) -> usize {
        let place = |place: &Option<String>| place.as_ref().map_or(0, String::len);
        let backups = self.backups.iter().map(|note| place(&note.place).saturating_add(note.opens_by.len()));
        let kit =
            self.kit.iter().map(|kit| place(&kit.place).saturating_add(kit.slots.len().saturating_mul(32)));
        let coverage =
            self.coverage.iter().map(|known| place(&known.note).saturating_add(known.rp_id.as_str().len()));
        let parts = backups.chain(kit).chain(coverage).map(|length| length.saturating_add(128));
        parts.fold(128, usize::saturating_add)
    }

    /// Reads the encoded form. [`VaultError::Malformed`], [`VaultError::Unsupported`].
    pub fn decode(bytes: &[u8]) -> Result<Self, VaultError> {
        let item = Item::parse(bytes, Profile::VAULT).map_err(|_| MALFORMED)?;
        let record = item.map().ok_or(MALFORMED)?;
        match record.at(1).and_then(|version| version.unsigned()) {
            Some(VERSION) => {}
            Some(_) => return Err(VaultError::Unsupported("upkeep record")),
            None => return Err(MALFORMED),
        }
        Ok(Self {
            backups: read_list(&record, 2, BackupNote::read)?,
            kit: record.at(3).map(KitNote::read).transpose()?,
            reviewed: read_date(&record, 4)?,
            coverage: read_list(&record, 5, Coverage::read)?,
        })
    }
}

/// The record's item. What the caller writes there replaces it: a tag that lies must not cost another one.
fn find<S: VaultStorage, R: CryptoRng>(
    store: &PasskeyStore<S, R>,
) -> Result<Option<(ItemId, OpenItem)>, VaultError> {
    let Some(id) = store.list(item_type::UPKEEP)?.into_iter().min() else { return Ok(None) };
    let item = store.get(&id)?;
    match item.item_type {
        item_type::UPKEEP => Ok(Some((id, item))),
        _ => Err(VaultError::Tampered("local index")),
    }
}

impl BackupNote {
    fn write(&self, writer: &mut Writer) {
        let optional = [self.verified.is_some(), self.restored.is_some(), self.place.is_some()];
        let count = optional.iter().filter(|present| **present).count().saturating_add(5);
        writer.map(count).unsigned(1).bytes(&self.backup_vault.0).unsigned(2).unsigned(self.created.0);
        writer.unsigned(3).unsigned(self.source_epoch).unsigned(4).unsigned(self.items);
        writer.unsigned(5).array(self.opens_by.len());
        self.opens_by.iter().for_each(|kind| _ = writer.unsigned(kind.number()));
        write_date(writer, 6, self.verified);
        write_date(writer, 7, self.restored);
        write_text(writer, 8, self.place.as_deref());
    }

    fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = item.map().ok_or(MALFORMED)?;
        Ok(Self {
            backup_vault: VaultId(read_array(&fields, 1)?),
            created: UnixTime(read_number(&fields, 2)?),
            source_epoch: read_number(&fields, 3)?,
            items: read_number(&fields, 4)?,
            opens_by: read_list(&fields, 5, |kind| {
                SlotKind::from_number(kind.unsigned().ok_or(MALFORMED)?).ok_or(MALFORMED)
            })?,
            verified: read_date(&fields, 6)?,
            restored: read_date(&fields, 7)?,
            place: read_text(&fields, 8)?,
        })
    }
}

impl KitNote {
    /// How it stands to the enabled slots of today, each with its generation.
    pub fn state(&self, enabled: &[(SlotId, u64)]) -> KitState {
        let missing = |slots: &[(SlotId, u64)], slot: &SlotId| slots.iter().all(|(other, _)| other != slot);
        if self.slots.iter().any(|(slot, _)| missing(enabled, slot)) {
            KitState::Outdated
        } else if enabled.iter().any(|(slot, _)| missing(&self.slots, slot)) {
            KitState::Incomplete
        } else if enabled.iter().any(|slot| !self.slots.contains(slot)) {
            KitState::Renewed
        } else {
            KitState::Current
        }
    }

    fn write(&self, writer: &mut Writer) {
        writer.map(if self.place.is_some() { 4 } else { 3 }).unsigned(1).unsigned(self.revision);
        writer.unsigned(2).unsigned(self.printed.0).unsigned(3).array(self.slots.len());
        for (slot, slot_gen) in &self.slots {
            writer.array(2).bytes(&slot.0).unsigned(*slot_gen);
        }
        write_text(writer, 4, self.place.as_deref());
    }

    fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = item.map().ok_or(MALFORMED)?;
        Ok(Self {
            revision: read_number(&fields, 1)?,
            printed: UnixTime(read_number(&fields, 2)?),
            slots: read_list(&fields, 3, read_slot)?,
            place: read_text(&fields, 4)?,
        })
    }
}

fn read_slot(item: Item<'_>) -> Result<(SlotId, u64), VaultError> {
    let mut pair = item.array().filter(|pair| pair.announced() == 2).ok_or(MALFORMED)?;
    let slot = pair.next().and_then(|id| id.bytes()?.try_into().ok()).ok_or(MALFORMED)?;
    let slot_gen = pair.next().and_then(|number| number.unsigned()).ok_or(MALFORMED)?;
    Ok((SlotId(slot), slot_gen))
}

impl Coverage {
    fn write(&self, writer: &mut Writer) {
        let optional =
            [self.second_authenticator.is_some(), self.recovery_codes.is_some(), self.note.is_some()];
        let count = optional.iter().filter(|present| **present).count().saturating_add(1);
        writer.map(count).unsigned(1).text(self.rp_id.as_str());
        for (key, flag) in [(2, self.second_authenticator), (3, self.recovery_codes)] {
            if let Some(flag) = flag {
                writer.unsigned(key).boolean(flag);
            }
        }
        write_text(writer, 4, self.note.as_deref());
    }

    fn read(item: Item<'_>) -> Result<Self, VaultError> {
        let fields = item.map().ok_or(MALFORMED)?;
        let flag = |key| fields.at(key).map(|item| item.boolean().ok_or(MALFORMED)).transpose();
        let rp_id = fields.at(1).and_then(|id| id.text()).ok_or(MALFORMED)?;
        Ok(Self {
            rp_id: RpId::new(rp_id).map_err(|_| MALFORMED)?,
            second_authenticator: flag(2)?,
            recovery_codes: flag(3)?,
            note: read_text(&fields, 4)?,
        })
    }
}

fn write_date(writer: &mut Writer, key: u64, date: Option<UnixTime>) {
    if let Some(date) = date {
        writer.unsigned(key).unsigned(date.0);
    }
}

fn write_text(writer: &mut Writer, key: u64, text: Option<&str>) {
    if let Some(text) = text {
        writer.unsigned(key).text(text);
    }
}

fn read_number(fields: &Entries<'_>, key: u64) -> Result<u64, VaultError> {
    fields.at(key).and_then(|item| item.unsigned()).ok_or(MALFORMED)
}

fn read_date(fields: &Entries<'_>, key: u64) -> Result<Option<UnixTime>, VaultError> {
    fields.at(key).map(|item| item.unsigned().map(UnixTime).ok_or(MALFORMED)).transpose()
}

fn read_array<const N: usize>(fields: &Entries<'_>, key: u64) -> Result<[u8; N], VaultError> {
    fields.at(key).and_then(|item| item.bytes()?.try_into().ok()).ok_or(MALFORMED)
}

fn read_text(fields: &Entries<'_>, key: u64) -> Result<Option<String>, VaultError> {
    fields.at(key).map(|item| item.text().map(ToOwned::to_owned).ok_or(MALFORMED)).transpose()
}

/// The bytes hold as many elements as the array announces: the whole item was checked before.
fn read_list<'a, T>(
    fields: &Entries<'a>,
    key: u64,
    read: impl Fn(Item<'a>) -> Result<T, VaultError>,
) -> Result<Vec<T>, VaultError> {
    fields.at(key).and_then(|item| item.array()).ok_or(MALFORMED)?.map(read).collect()
}
