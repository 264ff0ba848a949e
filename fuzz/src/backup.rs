//! Backup files out of any bytes: nothing panics, what decodes encodes to the same bytes, nothing opens but what was made
//! here. And vaults with any passkey record, and any lineage, in them: what goes into a backup comes out of it.

use std::{collections::HashSet, sync::OnceLock};

use countersign::{
    backup::{BackupFile, Destination, Export, Exported, Lineage, changes_since, restore, verify_backup},
    cose::CoseAlgorithm,
    credential::{Backup, CredProtect, Credential, CredentialRecord, CredentialSecret},
    crypto::{CryptoProvider, RustCrypto},
    secret::Secret,
    time::{Moment, UnixTime},
    vault::{
        Administration, MemoryStorage, Opening, PasskeyStore, SlotPrivate, SlotSecret, Vault, VaultError,
        VaultId, item_type,
    },
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};

use super::{seeded_rng::SeededRng, seeds::Seed};

const TIME: UnixTime = UnixTime(1_795_219_200);
const PASSKEY: u8 = 1;
const LINEAGE: u8 = 2;

type Store = PasskeyStore<MemoryStorage, SeededRng>;

fn device() -> Secret<32> {
    Secret::init_with(|secret| secret.fill(0x5a))
}

/// The body of the fuzz target. The first byte chooses: the rest is a passkey record or a lineage in a vault; any other
/// byte begins a backup file.
pub fn backup(data: &[u8]) {
    match data {
        [PASSKEY, plaintext @ ..] => with_passkey(plaintext),
        [LINEAGE, plaintext @ ..] => with_lineage(plaintext),
        _ => any_file(data),
    }
}

fn any_file(data: &[u8]) {
    static GENUINE: OnceLock<HashSet<Vec<u8>>> = OnceLock::new();
    let Ok(file) = BackupFile::decode(data) else { return };
    assert_eq!(file.encode(), data, "one value has one encoding");
    let device = device();
    for slot in file.slots() {
        let opened = file.open(&slot.slot_id(), &SlotSecret::Device(&device), Opening::default());
        let Ok(backup) = opened else { continue };
        let genuine = GENUINE.get_or_init(|| files().into_iter().map(|(_, bytes)| bytes).collect());
        assert!(genuine.contains(data), "a backup that nobody made");
        assert!(verify_backup(&backup, &RustCrypto, |_| ()).is_sound());
    }
}

/// Whatever stands in the place of a passkey is left out, or backed up, and then restored or refused.
fn with_passkey(plaintext: &[u8]) {
    let Ok(store) = store(item_type::PASSKEY, plaintext) else { return };
    let exported = export(&store).expect("a backup of a sound vault");
    let report = exported.report();
    assert_eq!(report.passkeys + report.left_out.len() as u64, 1);
    let file = BackupFile::decode(&exported.file().encode()).expect("our own file");
    let (device, slot) = (device(), file.slots().next().expect("a slot").slot_id());
    let secret = SlotSecret::Device(&device);
    let backup = file.open(&slot, &secret, Opening::default()).expect("our own backup");
    let verified = verify_backup(&backup, &RustCrypto, |_| ());
    let mut rng = SeededRng(3);
    let nothing = MemoryStorage::default();
    let mut draft = draft(&mut rng);
    let to = Destination { items: &nothing, provider: &RustCrypto, own_accounts: &[] };
    let restored = restore(&backup, &mut draft, &to, &mut rng, |_| ()).expect("a new vault");
    assert_eq!(restored.restored.len() as u64, verified.passkeys);
    assert_eq!(restored.refused.len(), verified.faults.len());
    draft.finish(TIME, &mut rng).expect("a vault with a slot");
}

/// A lineage is read and used, or refused.
fn with_lineage(plaintext: &[u8]) {
    let Ok(store) = store(item_type::BACKUP_LINEAGE, plaintext) else { return };
    let (vault, storage) = (store.vault(), store.storage());
    let Ok(Some(lineage)) = Lineage::load(vault, storage) else { return };
    let changes = changes_since(Some(&lineage), vault, storage).expect("a sound vault");
    assert_eq!(changes.added, 0);
    let when = (Moment::default(), TIME);
    // The manifest may have slots whose keys are of another root key, or end at the last epoch.
    let _ = lineage.export(vault, storage, when, &mut SeededRng(4));
}

fn draft(rng: &mut SeededRng) -> Administration<'static> {
    let mut draft = Administration::new_vault(VaultId([1; 16]), None, rng).expect("a vault id");
    let private = SlotPrivate { label: "device".into(), ..SlotPrivate::default() };
    draft.enrol_device(&device(), private, rng).expect("a first slot");
    draft
}

fn store(item_type: u64, plaintext: &[u8]) -> Result<Store, VaultError> {
    let mut rng = SeededRng(1);
    let mut draft = draft(&mut rng);
    draft.add_item(item_type, plaintext, &mut rng)?;
    let prepared = draft.finish(TIME, &mut rng)?;
    PasskeyStore::create(prepared, MemoryStorage::default(), None, rng, Moment::default())
}

fn export(store: &Store) -> Result<Exported, VaultError> {
    let (vault, mut rng): (&Vault, _) = (store.vault(), SeededRng(2));
    let proof = (&vault.opening_proof(), Moment::default());
    let mut export = Export::new(vault, proof, store.storage(), &mut rng)?;
    export.enrol_device(&device(), SlotPrivate::default(), &mut rng)?;
    export.finish(TIME, &mut rng)
}

fn record(number: u8) -> CredentialRecord {
    let algorithms = [CoseAlgorithm::Es256, CoseAlgorithm::EdDsa, CoseAlgorithm::Es384];
    let mut rng = SeededRng(u64::from(number) << 32);
    let user = UserHandle::new(&[number]).expect("a handle");
    let eligible = Backup::Eligible { backed_up: number.is_multiple_of(2) };
    let credential = Credential {
        id: CredentialId::new(&[number; 16]).expect("an id"),
        rp: RpEntity { id: RpId::new("example.org").expect("an RP ID"), name: None },
        user: UserEntity { id: user, name: Some("user".into()), display_name: None },
        discoverable: true,
        cred_protect: CredProtect::UserVerificationOptional,
        backup: if number == 5 { Backup::DeviceBound } else { eligible },
        sign_count: 0,
        aaguid: Aaguid::ZERO,
        order: 0,
        created: Some(TIME),
        last_used: None,
    };
    let secret = CredentialSecret {
        key: RustCrypto.make_key_pair(algorithms[usize::from(number) % 3], &mut rng),
        cred_random_with_uv: Secret::make_random(&mut rng),
        cred_random_without_uv: Secret::make_random(&mut rng),
    };
    CredentialRecord::new(credential, secret)
}

/// Backups of several vaults, and the one after each.
fn files() -> Vec<Seed> {
    let mut files = Vec::new();
    for number in 1..=4u8 {
        let mut store = store(item_type::PASSKEY, record(number).encode().expose()).expect("a vault");
        for note in 0..number {
            store.put(item_type::FIRST_OF_HOST, &[note; 100]).expect("room for a note");
        }
        let first = export(&store).expect("a backup");
        store.change(|draft, storage, rng| first.keep(draft, storage, rng)).expect("a lineage");
        files.push((format!("file-{number}"), first.file().encode()));
        let lineage = Lineage::load(store.vault(), store.storage()).expect("a lineage").expect("a lineage");
        let when = (Moment::default(), TIME);
        let next = lineage.export(store.vault(), store.storage(), when, &mut SeededRng(4));
        files.push((format!("next-{number}"), next.expect("the next backup").file().encode()));
    }
    files
}

/// Whole backups, records of each kind, and a lineage.
pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = files();
    seeds.extend(super::seeds::of_states("backup_file"));
    for number in 1..=5 {
        let record = record(number).encode();
        seeds.push((format!("passkey-{number}"), [&[PASSKEY], record.expose()].concat()));
    }
    let mut store = store(item_type::PASSKEY, record(1).encode().expose()).expect("a vault");
    let exported = export(&store).expect("a backup");
    store.change(|draft, storage, rng| exported.keep(draft, storage, rng)).expect("a lineage");
    let id = store.list(item_type::BACKUP_LINEAGE).expect("an index").remove(0);
    let lineage = store.get(&id).expect("the lineage").plaintext;
    seeds.push(("lineage".to_owned(), [&[LINEAGE], lineage.expose()].concat()));
    seeds
}
