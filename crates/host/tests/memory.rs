//! What a locked vault leaves in memory: another process opens a vault file, works, and locks; this one searches all that
//! the other can write, stacks included, for every key it had.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;
#[path = "../../../tests/common/seeded_rng.rs"]
mod seeded_rng;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout},
};

use common::{myself, part, say, start};
use countersign::{
    cbor::{Item, Profile, Writer},
    crypto::{Hkdf, aead_open},
    rand_core::Rng,
    secret::Secret,
    time::{Moment, UnixTime},
    vault::{
        Administration, Envelope, ItemSource, Opening, PasskeyStore, PassphraseCost, SlotId, SlotKind,
        SlotPrivate, SlotSecret, StoredVault, VaultId, VaultStorage,
    },
};
use countersign_host::VaultFile;
use seeded_rng::SeededRng;
use tempfile::tempdir;
use zeroize::Zeroizing;

/// The other process draws its keys from here on; so they are known.
const SEED: u64 = 0x5eed << 32;
const ITEMS: usize = 3;
/// What is said to the other process is masked with this, so that no needle is in its buffers.
const MASK: u8 = 0xa5;

fn masked(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ MASK).collect()
}

// --- The other process ---

/// Opens the vault, reads, rotates, reads again, says so; locks when told, says so; ends when told.
fn work(path: &Path) {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    input.read_line(&mut line).unwrap();
    let said: Vec<Vec<u8>> = line.split_whitespace().map(|digits| hex::decode(digits).unwrap()).collect();
    open_by_passphrase(path, &said[1]);
    let storage = open_and_work(path, &said[0], &mut input);
    say("LOCKED");
    line.clear();
    input.read_line(&mut line).unwrap();
    drop(storage);
}

/// Unlike the device's, this secret goes through Argon2id, and is a text.
#[inline(never)]
fn open_by_passphrase(path: &Path, said: &[u8]) {
    let text = Zeroizing::new(String::from_utf8(masked(said)).unwrap());
    let file = VaultFile::open(path).unwrap();
    let envelope = file.envelope().unwrap().unwrap();
    let slot = find(&envelope, SlotKind::Passphrase);
    envelope.open(&slot, &SlotSecret::Passphrase(&text), Opening::default()).unwrap().0.lock();
}

fn find(envelope: &Envelope, kind: SlotKind) -> SlotId {
    envelope.slots().find(|slot| slot.kind() == kind).unwrap().slot_id()
}

#[inline(never)]
fn open_and_work(path: &Path, digits: &[u8], input: &mut dyn BufRead) -> VaultFile {
    let secret: Secret<32> = Secret::init_with(|secret| {
        secret.iter_mut().zip(digits).for_each(|(target, byte)| *target = byte ^ MASK);
    });
    let file = VaultFile::open(path).unwrap();
    let envelope = file.envelope().unwrap().unwrap();
    let slot = find(&envelope, SlotKind::Device);
    let (vault, _) = envelope.open(&slot, &SlotSecret::Device(&secret), Opening::default()).unwrap();
    let mut store = PasskeyStore::new(vault, file, None, SeededRng(SEED)).unwrap();
    store.accept_as_is();
    read_all(&store);
    let proof = store.vault().opening_proof();
    store.rotate(&proof, Moment::default()).unwrap();
    read_all(&store);
    say("OPEN");
    input.read_line(&mut String::new()).unwrap();
    store.lock()
}

fn read_all(store: &PasskeyStore<VaultFile, SeededRng>) {
    for id in store.list(64).unwrap() {
        assert_eq!(store.get(&id).unwrap().plaintext.expose().len(), 100);
    }
    for slot in store.vault().slots() {
        store.vault().slot_private(&slot.slot_id()).unwrap();
    }
}

// --- What it must not leave ---

/// Bytes to be searched for, by what they are.
struct Needle {
    name: String,
    bytes: Vec<u8>,
}

fn needle(name: impl Into<String>, bytes: &[u8]) -> Needle {
    Needle { name: name.into(), bytes: bytes.to_vec() }
}

/// All keys of one state, from the vault root key down, and what they protect.
fn keys(stored: &StoredVault, items: &dyn ItemSource, vrk: &[u8; 32], device: &[u8]) -> Vec<Needle> {
    let manifest = Item::parse(&stored.manifest, Profile::VAULT).unwrap().map().unwrap();
    let vault_id = manifest.at(2).unwrap().bytes().unwrap();
    let key_gen = manifest.at(4).unwrap().unsigned().unwrap();
    let prk = Hkdf::extract(vault_id, vrk);
    let derive = |label: &str, context: &[u8]| -> Secret<32> {
        prk.expand(&[format!("countersign/v1/{label}\0").as_bytes(), context])
    };
    let mut found = vec![
        needle("vault root key", vrk),
        needle("PRK of the vault root key", prk.prk().expose()),
        needle("PRK of vrk_commit", Hkdf::extract(&[0; 32], vrk).prk().expose()),
    ];
    for label in ["manifest-mac", "meta", "lineage", "index"] {
        found.push(needle(label, derive(label, &[0x80]).expose()));
    }
    for slot in manifest.at(8).unwrap().array().unwrap() {
        slot_keys(slot, (vault_id, key_gen), &derive, device, &mut found);
    }
    for row in &stored.rows {
        let bytes = items.item(&row.item_id).unwrap().unwrap();
        let item = Item::parse(&bytes, Profile::VAULT).unwrap().map().unwrap();
        let mut context = Writer::new();
        context.array(2).bytes(&row.item_id.0).unsigned(row.version);
        let kek = derive("item-kek", &context.finish());
        let mut aad = Writer::new();
        aad.array(6).text("countersign/v1/item-key").bytes(vault_id).bytes(&row.item_id.0);
        aad.unsigned(row.version).unsigned(64).unsigned(key_gen);
        let content_key = open_box(&kek, item.at(4).unwrap(), &aad.finish());
        let mut aad = Writer::new();
        aad.array(5).text("countersign/v1/item").bytes(vault_id).bytes(&row.item_id.0);
        aad.unsigned(row.version).unsigned(64);
        let body = open_box(&Secret::from_slice(&content_key).unwrap(), item.at(5).unwrap(), &aad.finish());
        found.push(needle("item KEK", kek.expose()));
        found.push(needle("content key", &content_key));
        found.push(needle("contents of an item", &body[..100]));
    }
    found
}

fn slot_keys(
    slot: Item<'_>,
    (vault_id, key_gen): (&[u8], u64),
    derive: &dyn Fn(&str, &[u8]) -> Secret<32>,
    device: &[u8],
    found: &mut Vec<Needle>,
) {
    let slot = slot.map().unwrap();
    let (id, slot_gen) = (slot.at(1).unwrap().bytes().unwrap(), slot.at(4).unwrap().unsigned().unwrap());
    let mut context = Writer::new();
    context.array(2).bytes(id).unsigned(slot_gen);
    let key = derive("sak-wrap", &context.finish());
    let mut aad = Writer::new();
    aad.array(5).text("countersign/v1/sak").bytes(vault_id).bytes(id).unsigned(slot_gen).unsigned(key_gen);
    let sak = open_box(&key, slot.at(13).unwrap(), &aad.finish());
    found.push(needle("key of sak_wrap", key.expose()));
    found.push(needle("SAK", &sak));
    let (kdf_salt, k_com) = (slot.at(8).unwrap().bytes().unwrap(), slot.at(9).unwrap().bytes().unwrap());
    let prk = Hkdf::extract(kdf_salt, device);
    let mut context = Writer::new();
    context.array(7).bytes(vault_id).bytes(id).unsigned(6).unsigned(1).bytes(&[]).bytes(&[]).boolean(false);
    let okm: Secret<64> = prk.expand(&[b"countersign/v1/slot-key\0", &context.finish()]);
    // The device's slot; what Argon2id makes of a passphrase is not computed here.
    if okm.expose()[32..] != *k_com {
        return;
    }
    let k_enc = Secret::from_slice(&okm.expose()[..32]).unwrap();
    let mut aad = Writer::new();
    aad.array(9).text("countersign/v1/slot").bytes(vault_id).unsigned(1).bytes(id).unsigned(6).map(0);
    aad.bytes(kdf_salt).bytes(slot.at(11).unwrap().bytes().unwrap()).unsigned(slot_gen);
    let own = open_box(&k_enc, slot.at(10).unwrap(), &aad.finish());
    found.push(needle("PRK of the slot", prk.prk().expose()));
    found.push(needle("K_enc", k_enc.expose()));
    found.push(needle("slot_sk", &own[..32]));
}

fn open_box(key: &Secret<32>, sealed: Item<'_>, aad: &[u8]) -> Vec<u8> {
    let sealed = sealed.map().unwrap();
    let nonce = sealed.at(1).unwrap().bytes().unwrap().try_into().unwrap();
    aead_open(key, &nonce, sealed.at(2).unwrap().bytes().unwrap(), aad).unwrap().expose().to_vec()
}

// --- The search ---

/// Where the halves of needles are, in all memory that the process can write. A copy that is overwritten in part is one, and
/// so is a key that stands as the inner or the outer pad of an HMAC.
fn search(child: &Child, needles: &[Needle]) -> Vec<String> {
    let mut halves = Vec::new();
    for Needle { name, bytes } in needles {
        for (form, pad) in [("", 0), (" (inner pad)", 0x36), (" (outer pad)", 0x5c)] {
            for half in bytes.chunks_exact(16).take(2) {
                let half: Vec<u8> = half.iter().map(|byte| byte ^ pad).collect();
                halves.push((format!("{name}{form}"), half));
            }
        }
    }
    let mut by_start = vec![Vec::new(); 1 << 16];
    for (index, (_, half)) in halves.iter().enumerate() {
        by_start[usize::from(u16::from_le_bytes([half[0], half[1]]))].push(index);
    }
    let mut found = Vec::new();
    for (range, what) in writable(child) {
        let memory = read(child, &range);
        for (position, start) in memory.windows(2).enumerate() {
            for index in &by_start[usize::from(u16::from_le_bytes([start[0], start[1]]))] {
                let (name, half) = &halves[*index];
                if memory[position..].starts_with(half) {
                    found.push(format!("{name} in {what}"));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn writable(child: &Child) -> Vec<(std::ops::Range<u64>, String)> {
    let maps = File::open(format!("/proc/{}/maps", child.id())).unwrap();
    let lines = BufReader::new(maps).lines().map(Result::unwrap);
    let ranges = lines.filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = words[0].split_once('-')?;
        let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
        let what = words.get(5).copied().unwrap_or("memory of its own").to_owned();
        (words[1].starts_with("rw") && what != "[vvar]").then_some((range, what))
    });
    ranges.collect()
}

/// Pages that were never touched read as zeros.
fn read(child: &Child, range: &std::ops::Range<u64>) -> Vec<u8> {
    let file = File::open(format!("/proc/{}/mem", child.id())).expect("a parent may read its child's memory");
    let mut memory = vec![0; usize::try_from(range.end - range.start).unwrap()];
    file.read_exact_at(&mut memory, range.start).unwrap();
    memory
}

// --- The test ---

struct World {
    path: PathBuf,
    device: Secret<32>,
    passphrase: String,
    vrk: [u8; 32],
}

fn create(directory: &Path) -> World {
    let mut rng = SeededRng(77);
    let (device, vault_id) = (Secret::make_random(&mut rng), VaultId::make(&mut rng));
    let vrk = *Secret::<32>::make_random(&mut SeededRng(78)).expose();
    let mut draft = Administration::new_vault(vault_id, None, &mut SeededRng(78)).unwrap();
    draft.enrol_device(&device, SlotPrivate::default(), &mut rng).unwrap();
    let passphrase = hex::encode(Secret::<20>::make_random(&mut rng).expose());
    let cost = PassphraseCost { memory_kib: 19_456, passes: 2, lanes: 1 };
    draft.enrol_passphrase(&passphrase, cost, SlotPrivate::default(), &mut rng).unwrap();
    for _ in 0..ITEMS {
        let mut contents = [0; 100];
        rng.fill_bytes(&mut contents);
        draft.add_item(64, &contents, &mut rng).unwrap();
    }
    let prepared = draft.finish(UnixTime(1), &mut rng).unwrap();
    let path = directory.join("vault");
    VaultFile::create(&path).unwrap().write(prepared.write()).unwrap();
    World { path, device, passphrase, vrk }
}

fn wait_for(output: &mut BufReader<ChildStdout>, word: &str) {
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the other process ended early");
    }
}

fn tell(input: &mut ChildStdin, text: &str) {
    input.write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// The keys of the state that lies in a file that may be in use.
fn keys_in(path: &Path, vrk: &[u8; 32], device: &Secret<32>) -> Vec<Needle> {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    let file = VaultFile::open(&copy).unwrap();
    let found = keys(&file.parts().unwrap().unwrap(), &file, vrk, device.expose());
    drop(file);
    fs::remove_file(copy).unwrap();
    found
}

#[test]
fn nothing_of_a_vaults_keys_is_left_in_memory_after_it_was_locked() {
    if let Some(path) = part() {
        say("READY");
        return work(&path);
    }
    let directory = tempdir().unwrap();
    let World { path, device, passphrase, vrk } = create(directory.path());
    let mut needles =
        vec![needle("secret of the device", device.expose()), needle("passphrase", passphrase.as_bytes())];
    needles.extend(keys_in(&path, &vrk, &device));
    let name = "nothing_of_a_vaults_keys_is_left_in_memory_after_it_was_locked";
    let (mut child, mut output) = start(myself(name, &path));
    let mut input = child.stdin.take().unwrap();
    let said = [device.expose().as_slice(), passphrase.as_bytes()].map(|bytes| hex::encode(masked(bytes)));
    tell(&mut input, &said.join(" "));
    wait_for(&mut output, "OPEN");
    // The first that a rotation draws.
    let next_vrk = *Secret::<32>::make_random(&mut SeededRng(SEED)).expose();
    needles.extend(keys_in(&path, &next_vrk, &device));
    let open = search(&child, &[needle("vault root key", &next_vrk), needle("device", device.expose())]);
    assert!(open.iter().any(|found| found.starts_with("vault root key in")), "the search finds nothing");
    tell(&mut input, "lock");
    wait_for(&mut output, "LOCKED");
    let left = search(&child, &needles);
    tell(&mut input, "end");
    assert!(child.wait().unwrap().success());
    assert!(left.is_empty(), "left in memory: {left:#?}");
}
