//! A vault in a database: one transaction per write.

use std::{collections::BTreeSet, path::Path};

use countersign::{
    crypto::sha256,
    vault::{
        Base, Envelope, ItemId, ItemSource, Row, StorageError, StoredVault, Tag, VaultError, VaultStorage,
        Write,
    },
};
use redb::{
    Builder, Database, DatabaseError, Durability, MultimapTable, MultimapTableDefinition, ReadTransaction,
    ReadableDatabase, ReadableMultimapTable, ReadableTable, StorageBackend, Table, TableDefinition,
    WriteTransaction,
};

use crate::{
    contained::contain,
    error::{HostError, is_full},
};

/// The version of these tables.
const FORMAT: u32 = 1;
/// What a database of redb begins with; without it the file is something else, or its creation was cut off.
const MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// More cache does not help: a look-up touches a few pages.
const CACHE: usize = 16 * 1024 * 1024;

/// By name: `format` (u32, big endian), `manifest`, `mac`, `epoch` (u64, big endian), `index` (the index id).
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// item_id -> (version, hash). Apart from the items, so that the index is read without them.
const ROWS: TableDefinition<'_, [u8; 16], (u64, [u8; 32])> = TableDefinition::new("rows");
/// item_id -> bytes.
const ITEMS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("items");
/// tag -> item_ids.
const TAGS: MultimapTableDefinition<'_, Tag, [u8; 16]> = MultimapTableDefinition::new("tags");
/// item_id -> tags: what must go when the item goes.
const TAGS_OF: MultimapTableDefinition<'_, [u8; 16], Tag> = MultimapTableDefinition::new("tags of");

/// A [`VaultStorage`] over any medium that the database `redb` can use. [`VaultFile`](crate::VaultFile) is this over a
/// file, and what programs want; the medium is open so that a failing one can be put in its place.
///
/// A write is one transaction: compare and swap, all changes, and the flush to the medium. Reopening after a crash finds
/// the last confirmed state without walking the database. The previous manifest is not kept: nobody reads the items
/// while a transaction replaces them.
#[derive(Debug)]
pub struct VaultDatabase {
    /// None: it panicked in the middle of a change, and is not to be relied on any more.
    database: Option<Database>,
}

impl Drop for VaultDatabase {
    fn drop(&mut self) {
        self.close();
    }
}

impl VaultDatabase {
    /// Makes a database without a vault on an empty medium. `name` stands for it in errors.
    pub fn create(medium: impl StorageBackend, name: &Path) -> Result<Self, HostError> {
        let length = medium.len().map_err(|error| HostError::io(name, error))?;
        if length != 0 {
            return Err(HostError::AlreadyExists(name.to_path_buf()));
        }
        let mut this = Self { database: Some(open(medium, name)?) };
        let format = FORMAT.to_be_bytes();
        let made = this.transact(|transaction| {
            Tables::open(transaction)?.meta.insert("format", format.as_slice())?;
            Ok(())
        });
        made.map_err(|error| Fault(error).at(name))?;
        Ok(this)
    }

    /// Opens what [`VaultDatabase::create`] has made. [`HostError::Busy`], [`HostError::WrongFile`],
    /// [`HostError::NewerVersion`], [`HostError::Damaged`].
    pub fn open(medium: impl StorageBackend, name: &Path) -> Result<Self, HostError> {
        let mut magic = [0; 9];
        let length = medium.len().map_err(|error| HostError::io(name, error))?;
        if length >= 9 {
            medium.read(0, &mut magic).map_err(|error| HostError::io(name, error))?;
        }
        let wrong_file = HostError::WrongFile(name.to_path_buf(), "a vault file");
        if magic != *MAGIC {
            return Err(wrong_file);
        }
        let this = Self { database: Some(open(medium, name)?) };
        match this.read(format) {
            Ok(Some(FORMAT)) => Ok(this),
            Ok(Some(newer)) if newer > FORMAT => Err(HostError::NewerVersion(name.to_path_buf())),
            Ok(_) => Err(wrong_file),
            Err(error) => Err(Fault(error).at(name)),
        }
    }

    /// Takes in an envelope in whole form where there is no vault yet. There are no tags before somebody opens the vault
    /// and makes them.
    ///
    /// [`VaultError::InvalidInput`]: the index form has no items to store. [`StorageError::Conflict`]: there is a vault.
    pub fn import(&mut self, envelope: &Envelope) -> Result<(), VaultError> {
        let stored = envelope.to_stored();
        if envelope.items().count() != stored.rows.len() {
            return Err(VaultError::InvalidInput("an envelope without its items"));
        }
        let imported = self.transact(|transaction| {
            let mut tables = Tables::open(transaction)?;
            if tables.base()?.is_some() {
                return Err(Fault(StorageError::Conflict));
            }
            for (row, bytes) in envelope.items() {
                tables.put(&row, bytes)?;
            }
            tables.set_head(&stored.manifest, &stored.mac, envelope.epoch())
        });
        Ok(imported?)
    }

    /// Gives unused room back. Whether there was any.
    pub fn compact(&mut self) -> Result<bool, StorageError> {
        self.alter(|database| database.compact().map_err(|error| redb::Error::from(error).into()))
    }

    /// Reads everything and verifies the checksums that the database keeps; repairs its book-keeping. False: it needed
    /// repair. [`StorageError::Io`]: contents are damaged. It tells rot; whether somebody altered the vault, only opening
    /// the vault tells.
    pub fn check(&mut self) -> Result<bool, StorageError> {
        self.alter(|database| database.check_integrity().map_err(|error| redb::Error::from(error).into()))
    }

    fn transact(
        &mut self,
        edit: impl FnOnce(&WriteTransaction) -> Result<(), Fault>,
    ) -> Result<(), StorageError> {
        self.alter(|database| {
            let transaction = begin_write(database)?;
            edit(&transaction)?;
            Ok(transaction.commit()?)
        })
    }

    /// Lets the database work; after a panic there is none any more.
    fn alter<T>(
        &mut self,
        action: impl FnOnce(&mut Database) -> Result<T, Fault>,
    ) -> Result<T, StorageError> {
        let database = self.database.as_mut().ok_or(StorageError::Io)?;
        let Some(outcome) = contain(|| action(database)) else {
            self.close();
            return Err(StorageError::Io);
        };
        outcome.map_err(|fault| fault.0)
    }

    fn read<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, Fault>) -> Result<T, StorageError> {
        let database = self.database.as_ref().ok_or(StorageError::Io)?;
        let outcome = contain(|| read(&database.begin_read()?));
        outcome.unwrap_or(Err(Fault::DAMAGED)).map_err(|fault| fault.0)
    }

    /// Closing writes, too, and can fail as everything else can.
    fn close(&mut self) {
        let database = self.database.take();
        _ = contain(|| drop(database));
    }
}

fn format(transaction: &ReadTransaction) -> Result<Option<u32>, Fault> {
    match transaction.open_table(META) {
        Err(redb::TableError::Storage(error)) => Err(error.into()),
        Err(_) => Ok(None),
        Ok(meta) => Ok(meta.get("format")?.and_then(|format| number(format.value()))),
    }
}

fn begin_write(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn open(medium: impl StorageBackend, name: &Path) -> Result<Database, HostError> {
    let path = || name.to_path_buf();
    let opened = contain(|| Builder::new().set_cache_size(CACHE).create_with_backend(medium));
    opened.ok_or_else(|| HostError::Damaged(path()))?.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => HostError::Busy(path()),
        DatabaseError::UpgradeRequired(_) => HostError::NewerVersion(path()),
        DatabaseError::Storage(redb::StorageError::Io(error)) => HostError::io(name, error),
        _ => HostError::Damaged(path()),
    })
}

impl ItemSource for VaultDatabase {
    fn item(&self, id: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        self.read(|transaction| {
            let items = transaction.open_table(ITEMS)?;
            Ok(items.get(id.as_bytes())?.map(|bytes| bytes.value().to_vec()))
        })
    }
}

impl VaultStorage for VaultDatabase {
    fn parts(&self) -> Result<Option<StoredVault>, StorageError> {
        self.read(|transaction| {
            let meta = transaction.open_table(META)?;
            let Some(manifest) = meta.get("manifest")? else { return Ok(None) };
            let mac = meta.get("mac")?.and_then(|mac| mac.value().try_into().ok()).ok_or(Fault::DAMAGED)?;
            let table = transaction.open_table(ROWS)?;
            let rows = table.range::<[u8; 16]>(..)?.map(|entry| {
                let (id, row) = entry?;
                let (version, hash) = row.value();
                Ok(Row { item_id: ItemId(id.value()), version, hash })
            });
            let rows = rows.collect::<Result<_, Fault>>()?;
            Ok(Some(StoredVault { manifest: manifest.value().to_vec(), mac, rows }))
        })
    }

    fn index_id(&self) -> Result<Option<Tag>, StorageError> {
        self.read(|transaction| {
            let index_id = transaction.open_table(META)?.get("index")?;
            Ok(index_id.and_then(|index_id| index_id.value().try_into().ok()))
        })
    }

    fn tagged(&self, tag: &Tag) -> Result<Vec<ItemId>, StorageError> {
        self.read(|transaction| {
            let found = transaction.open_multimap_table(TAGS)?.get(tag)?;
            found.map(|id| Ok(ItemId(id?.value()))).collect()
        })
    }

    fn write(&mut self, write: &Write) -> Result<(), StorageError> {
        self.transact(|transaction| {
            let mut tables = Tables::open(transaction)?;
            if tables.base()? != write.base {
                return Err(Fault(StorageError::Conflict));
            }
            if tables.index_id()? != Some(write.index_id) {
                // Every item is written anew. Whole tables go in a fraction of the time that their entries take.
                drop(tables);
                tables = Tables::without_tags(transaction)?;
            }
            for id in &write.delete {
                tables.delete(id)?;
            }
            let mut retagged = Vec::with_capacity(write.put.len());
            for put in &write.put {
                tables.put(&put.row, &put.bytes)?;
                if tables.untag_unless(&put.row.item_id, &put.tags)? {
                    retagged.push((&put.row.item_id, put.tags.as_slice()));
                }
            }
            tables.tag(retagged.into_iter())?;
            tables.set_index_id(&write.index_id)?;
            tables.set_head(&write.manifest, &write.mac, write.epoch)
        })
    }

    fn reindex(&mut self, index_id: Tag, tags: &[(ItemId, Vec<Tag>)]) -> Result<(), StorageError> {
        self.transact(|transaction| {
            let mut tables = Tables::without_tags(transaction)?;
            let mut stored = Vec::with_capacity(tags.len());
            for (id, tags) in tags {
                if tables.rows.get(id.as_bytes())?.is_some() {
                    stored.push((id, tags.as_slice()));
                }
            }
            tables.tag(stored.into_iter())?;
            tables.set_index_id(&index_id)
        })
    }
}

/// The tables of one write transaction.
struct Tables<'t> {
    meta: Table<'t, &'static str, &'static [u8]>,
    rows: Table<'t, [u8; 16], (u64, [u8; 32])>,
    items: Table<'t, [u8; 16], &'static [u8]>,
    tags: MultimapTable<'t, Tag, [u8; 16]>,
    tags_of: MultimapTable<'t, [u8; 16], Tag>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            rows: transaction.open_table(ROWS)?,
            items: transaction.open_table(ITEMS)?,
            tags: transaction.open_multimap_table(TAGS)?,
            tags_of: transaction.open_multimap_table(TAGS_OF)?,
        })
    }

    /// All of them, the index of tags empty.
    fn without_tags(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        transaction.delete_multimap_table(TAGS)?;
        transaction.delete_multimap_table(TAGS_OF)?;
        Self::open(transaction)
    }

    fn index_id(&self) -> Result<Option<Tag>, Fault> {
        Ok(self.meta.get("index")?.and_then(|index_id| index_id.value().try_into().ok()))
    }

    /// The state that is stored.
    fn base(&self) -> Result<Option<Base>, Fault> {
        let Some(manifest) = self.meta.get("manifest")? else { return Ok(None) };
        let epoch = self.meta.get("epoch")?.and_then(|epoch| epoch.value().try_into().ok());
        let epoch = u64::from_be_bytes(epoch.ok_or(Fault::DAMAGED)?);
        Ok(Some(Base { epoch, hash: sha256(manifest.value()) }))
    }

    fn set_head(&mut self, manifest: &[u8], mac: &[u8; 32], epoch: u64) -> Result<(), Fault> {
        self.meta.insert("manifest", manifest)?;
        self.meta.insert("mac", mac.as_slice())?;
        self.meta.insert("epoch", epoch.to_be_bytes().as_slice())?;
        Ok(())
    }

    fn set_index_id(&mut self, index_id: &Tag) -> Result<(), Fault> {
        self.meta.insert("index", index_id.as_slice())?;
        Ok(())
    }

    /// An item, without its tags.
    fn put(&mut self, row: &Row, bytes: &[u8]) -> Result<(), Fault> {
        let id = row.item_id.as_bytes();
        self.rows.insert(id, (row.version, row.hash))?;
        self.items.insert(id, bytes)?;
        Ok(())
    }

    fn delete(&mut self, id: &ItemId) -> Result<(), Fault> {
        self.untag(id)?;
        self.rows.remove(id.as_bytes())?;
        self.items.remove(id.as_bytes())?;
        Ok(())
    }

    /// Tags are as good as random: in their order many of them change each page of the table once, and not once each.
    fn tag<'a>(&mut self, items: impl Iterator<Item = (&'a ItemId, &'a [Tag])>) -> Result<(), Fault> {
        let mut tagged: Vec<_> = items.flat_map(|(id, tags)| tags.iter().map(move |tag| (tag, id))).collect();
        for (tag, id) in &tagged {
            self.tags_of.insert(id.as_bytes(), *tag)?;
        }
        tagged.sort_unstable();
        for (tag, id) in tagged {
            self.tags.insert(tag, id.as_bytes())?;
        }
        Ok(())
    }

    /// Takes an item's tags away unless it has exactly these, as when a passkey has only been used. Whether it needs them.
    fn untag_unless(&mut self, id: &ItemId, tags: &[Tag]) -> Result<bool, Fault> {
        let stored = self.tags_of.get(id.as_bytes())?.map(|tag| Ok(tag?.value()));
        let stored: Vec<Tag> = stored.collect::<Result<_, Fault>>()?;
        let wanted: BTreeSet<&Tag> = tags.iter().collect();
        if stored.iter().eq(wanted) {
            return Ok(false);
        }
        self.untag(id)?;
        Ok(true)
    }

    fn untag(&mut self, id: &ItemId) -> Result<(), Fault> {
        for tag in self.tags_of.remove_all(id.as_bytes())? {
            self.tags.remove(tag?.value(), id.as_bytes())?;
        }
        Ok(())
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

/// A failure of the database, in the storage joint's words.
#[derive(Debug)]
struct Fault(StorageError);

impl Fault {
    const DAMAGED: Self = Self(StorageError::Io);

    fn at(self, name: &Path) -> HostError {
        match self.0 {
            StorageError::Full => HostError::Full(name.to_path_buf()),
            _ => HostError::Damaged(name.to_path_buf()),
        }
    }
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) if is_full(&error) => Self(StorageError::Full),
            _ => Self(StorageError::Io),
        }
    }
}

macro_rules! fault_from {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}

fault_from!(
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);
