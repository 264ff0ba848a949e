//! What this program keeps in a vault: named files. Item type 64, canonical CBOR `{ 1: name, 2: contents }`.

use countersign::{
    cbor::{Item, Profile, Writer},
    rand_core::CryptoRng,
    vault::{ItemId, PasskeyStore, VaultError, VaultStorage, item_type},
};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The first type that is the host's.
pub(crate) const NAMED_FILE: u64 = item_type::FIRST_OF_HOST;

/// The longest name, in bytes.
const MAX_NAME: usize = 255;

/// The largest contents, in bytes: an item ciphertext has at most 16 MiB.
pub(crate) const MAX_CONTENTS: u64 = 16 * 1024 * 1024 - 1024;

/// A named file.
pub(crate) struct NamedFile {
    pub(crate) name: String,
    pub(crate) contents: Zeroizing<Vec<u8>>,
}

/// A named file in a vault.
pub(crate) struct StoredFile {
    pub(crate) id: ItemId,
    pub(crate) version: u64,
    pub(crate) file: NamedFile,
}

/// A name that can be stored.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Failure::usage("bad-name", "a name is 1 to 255 bytes without control characters"));
    }
    Ok(())
}

impl NamedFile {
    fn encode(name: &str, contents: &[u8]) -> Zeroizing<Vec<u8>> {
        // Room for all of it, so that growing leaves no copy behind.
        let mut writer = Writer::with_capacity(name.len() + contents.len() + 32);
        writer.map(2).unsigned(1).text(name).unsigned(2).bytes(contents);
        Zeroizing::new(writer.finish())
    }

    fn decode(plaintext: &[u8]) -> Option<Self> {
        let fields = Item::parse(plaintext, Profile::VAULT).ok()?.map()?;
        let contents = Zeroizing::new(fields.at(2)?.bytes()?.to_vec());
        Some(Self { name: fields.at(1)?.text()?.to_owned(), contents })
    }
}

/// All named files, by name.
pub(crate) fn list<S: VaultStorage, R: CryptoRng>(
    store: &PasskeyStore<S, R>,
) -> Result<Vec<StoredFile>, Failure> {
    let ids = store.list(NAMED_FILE)?;
    let mut files = ids.into_iter().map(|id| open(store, id)).collect::<Result<Vec<_>, _>>()?;
    files.sort_by(|one, other| (&one.file.name, one.id).cmp(&(&other.file.name, other.id)));
    Ok(files)
}

fn open<S: VaultStorage, R: CryptoRng>(
    store: &PasskeyStore<S, R>,
    id: ItemId,
) -> Result<StoredFile, Failure> {
    let item = store.get(&id)?;
    let file = NamedFile::decode(item.plaintext.expose()).filter(|_| item.item_type == NAMED_FILE);
    let file = file.ok_or(VaultError::Unsupported("an item of type 64 that this program did not make"))?;
    Ok(StoredFile { id, version: item.version, file })
}

/// The file of that name, or of that identifier.
pub(crate) fn find<S: VaultStorage, R: CryptoRng>(
    store: &PasskeyStore<S, R>,
    wanted: &str,
) -> Result<Option<StoredFile>, Failure> {
    let fits = |stored: &StoredFile| stored.file.name == wanted || stored.id.to_string() == wanted;
    Ok(list(store)?.into_iter().find(fits))
}

/// Stores a file under its name, in place of one of that name. The item's identifier and version come back.
pub(crate) fn put<S: VaultStorage, R: CryptoRng>(
    store: &mut PasskeyStore<S, R>,
    name: &str,
    contents: &[u8],
) -> Result<(ItemId, u64), Failure> {
    check_name(name)?;
    let plaintext = NamedFile::encode(name, contents);
    let existing = list(store)?.into_iter().find(|stored| stored.file.name == name);
    let id = match existing {
        Some(stored) => {
            store.replace(&stored.id, &plaintext)?;
            stored.id
        }
        None => store.put(NAMED_FILE, &plaintext)?,
    };
    Ok((id, store.vault().row(&id).map_or(1, |row| row.version)))
}
