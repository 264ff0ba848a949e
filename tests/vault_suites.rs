//! Suite 2 (X-Wing): with feature `pq` against the published vectors of the KEM and our own vault of both suites
//! (`vectors/vault/suite-2.json`); without it, that vault as far as the format lets such a build go.

mod common;

use common::{
    vault::{Admin, TestMemory},
    vectors::{array, bytes, hex, text, vectors},
};
use countersign::{
    secret::Secret,
    time::UnixTime,
    vault::{
        Envelope, MemoryStorage, Opening, Prepared, SlotId, SlotSecret, Suite, Vault, VaultError,
        VaultStorage,
    },
};

/// Its slots in the order of the file: of suite 1, then of suite 2.
struct World {
    storage: MemoryStorage,
    memory: TestMemory,
    slots: [(SlotId, Secret<32>); 2],
}

impl World {
    /// The vault of the vectors.
    fn load() -> Self {
        let file = vectors("vault/suite-2");
        let envelope = Envelope::decode(&hex(&file["envelope"])).unwrap();
        let slot = |index: usize| {
            let slot = &file["slots"][index];
            let secret = Secret::from_slice(&bytes(slot, "device_secret")).unwrap();
            (SlotId(array(slot, "slot_id")), secret)
        };
        let storage = MemoryStorage::import(&envelope).unwrap();
        let world = Self { storage, memory: TestMemory::default(), slots: [slot(0), slot(1)] };
        let suites = [0, 1].map(|index| world.suite(index));
        assert_eq!(suites, [Some(Suite::X25519), Some(Suite::XWing)], "{}", text(&file, "description"));
        world
    }

    fn envelope(&self) -> Envelope {
        Envelope::from_stored(self.storage.parts().unwrap().unwrap()).unwrap()
    }

    /// The suite of a slot, as stored.
    fn suite(&self, index: usize) -> Option<Suite> {
        let (id, _) = &self.slots[index];
        self.envelope().slots().find(|slot| slot.slot_id() == *id).unwrap().suite()
    }

    fn secret(&self, index: usize) -> SlotSecret<'_> {
        SlotSecret::Device(&self.slots[index].1)
    }

    fn open(&mut self, index: usize) -> Result<Vault, VaultError> {
        let envelope = self.envelope();
        let (id, secret) = &self.slots[index];
        let opening = Opening { memory: Some(&mut self.memory), ..Opening::default() };
        let (mut vault, _) = envelope.open(id, &SlotSecret::Device(secret), opening)?;
        vault.accept_as_is();
        Ok(vault)
    }

    fn store(&mut self, vault: &mut Vault, prepared: Prepared) {
        self.storage.write(prepared.write()).unwrap();
        vault.written(prepared, Some(&mut self.memory)).unwrap();
    }
}

const LATER: UnixTime = UnixTime(1_800_000_000);

/// The raw bytes of the item at a key of the slot at an index of the manifest.
fn slot_member(manifest: &[u8], id: &SlotId, keys: &[u64]) -> Vec<u8> {
    use countersign::cbor::{Item, Profile};
    let manifest = Item::parse(manifest, Profile::VAULT).unwrap();
    let mut slots = manifest.map().unwrap().at(8).unwrap().array().unwrap();
    let slot = slots.find(|slot| slot.map().unwrap().at(1).unwrap().bytes() == Some(id.as_bytes())).unwrap();
    let member = keys.iter().fold(slot, |item, key| item.map().unwrap().at(*key).unwrap());
    member.bytes().map_or_else(|| member.raw().to_vec(), <[u8]>::to_vec)
}

#[cfg(not(feature = "pq"))]
mod without {
    use super::*;
    use crate::common::{scripted_rng::ScriptedRng, seeded_rng::SeededRng};

    fn unsupported<T>(result: Result<T, VaultError>) -> bool {
        matches!(result.err(), Some(VaultError::Unsupported(_)))
    }

    #[test]
    fn a_vault_with_a_slot_of_suite_2_opens_by_the_other_slot_and_is_not_rotated() {
        let mut world = World::load();
        assert!(unsupported(world.open(1)));
        let mut vault = world.open(0).unwrap();
        let mut draft = vault.admin();
        assert!(unsupported(draft.rotate(&world.storage, &mut ScriptedRng::silent())));
        assert!(unsupported(draft.remove(&world.slots[0].0, &world.storage, &mut ScriptedRng::silent())));
        assert!(unsupported(draft.refresh(&world.slots[1].0, &world.secret(1), &mut ScriptedRng::silent())));
        // It is written all the same, and the slot is kept as it is.
        let before = slot_member(&world.envelope().to_stored().manifest, &world.slots[1].0, &[]);
        draft.add_item(64, b"still writable", &mut SeededRng(1)).unwrap();
        draft.refresh(&world.slots[0].0, &world.secret(0), &mut SeededRng(2)).unwrap();
        let prepared = draft.finish(LATER, &mut SeededRng(3)).unwrap();
        assert_eq!(slot_member(&prepared.write().manifest, &world.slots[1].0, &[]), before);
        world.store(&mut vault, prepared);
        world.open(0).unwrap();
    }

    #[test]
    fn suite_2_is_not_made() {
        let mut world = World::load();
        let vault = world.open(0).unwrap();
        let mut draft = vault.admin();
        assert!(unsupported(draft.use_suite(Suite::XWing)));
        assert!(unsupported(draft.raise_floor(Suite::XWing)));
        draft.use_suite(Suite::X25519).unwrap();
        draft.raise_floor(Suite::X25519).unwrap();
    }
}

#[cfg(feature = "pq")]
mod with {
    use countersign::{
        cbor::{Item, Profile, Writer},
        crypto::{aead_open, hmac_sha256, sha256},
        vault::{Administration, Conflict, ItemSource, RecoveryCode, SlotPrivate, VaultId},
    };

    use super::*;
    use crate::common::{
        scripted_rng::ScriptedRng,
        seeded_rng::SeededRng,
        vault::{named_draws, private},
        vectors::list,
        world::TODAY,
    };

    /// LabeledExtract and LabeledExpand of RFC 9180 section 4, by HMAC, for outputs of at most 32 bytes.
    struct Schedule([u8; 10]);

    impl Schedule {
        /// "HPKE" || KEM 0x647a || KDF 1 || AEAD 2.
        const XWING: Self = Self(*b"HPKE\x64\x7a\x00\x01\x00\x02");

        fn extract(&self, salt: &[u8], label: &[u8], ikm: &[u8]) -> [u8; 32] {
            hmac_sha256(salt, &[b"HPKE-v1", &self.0, label, ikm])
        }

        fn expand(&self, prk: &[u8], label: &[u8], info: &[u8], length: u8) -> Vec<u8> {
            let parts: [&[u8]; 6] = [&[0, length], b"HPKE-v1", &self.0, label, info, &[1]];
            hmac_sha256(prk, &parts)[..usize::from(length)].to_vec()
        }

        /// KeySchedule (section 5.1) in mode_psk: the key and the base nonce.
        fn run(&self, shared_secret: &[u8], info: &[u8], psk: &[u8], psk_id: &[u8]) -> (Vec<u8>, Vec<u8>) {
            let psk_id_hash = self.extract(&[], b"psk_id_hash", psk_id);
            let info_hash = self.extract(&[], b"info_hash", info);
            let context = [[1].as_slice(), &psk_id_hash, &info_hash].concat();
            let secret = self.extract(shared_secret, b"secret", psk);
            (self.expand(&secret, b"key", &context, 32), self.expand(&secret, b"base_nonce", &context, 12))
        }
    }

    /// A device slot of suite 2 whose key, SAK and seal are made of the given draws; the vault, written and opened again.
    fn made_of(seed: &[u8], sak: &[u8; 32], eseed: &[u8], root: &[u8; 32]) -> (Vec<u8>, SlotId, VaultId) {
        let vault_id = VaultId([7; 16]);
        let mut draft = Administration::new_vault(vault_id, None, &mut ScriptedRng::new([root])).unwrap();
        draft.use_suite(Suite::XWing).unwrap();
        let device = Secret::from_slice(&[6; 32]).unwrap();
        let draws = [vec![1; 16], vec![2; 32], seed.to_vec(), sak.to_vec(), vec![3; 12]];
        let slot_id = draft.enrol_device(&device, private("slot"), &mut ScriptedRng::new(draws)).unwrap();
        let draws = [eseed.to_vec(), vec![4; 12], vec![5; 12]];
        let prepared = draft.finish(TODAY, &mut ScriptedRng::new(draws)).unwrap();
        let mut storage = MemoryStorage::default();
        storage.write(prepared.write()).unwrap();
        let envelope = Envelope::from_stored(storage.parts().unwrap().unwrap()).unwrap();
        envelope.open(&slot_id, &SlotSecret::Device(&device), Opening::default()).unwrap();
        (prepared.write().manifest.clone(), slot_id, vault_id)
    }

    #[test]
    fn the_kem_is_that_of_the_published_vectors() {
        let vectors = vectors("vault/x-wing");
        for vector in list(&vectors, "vectors") {
            let (sak, root) = ([8; 32], [9; 32]);
            let (manifest, slot_id, vault_id) =
                made_of(&bytes(vector, "seed"), &sak, &bytes(vector, "eseed"), &root);
            assert_eq!(slot_member(&manifest, &slot_id, &[11]), bytes(vector, "pk"));
            assert_eq!(slot_member(&manifest, &slot_id, &[12, 1]), bytes(vector, "ct"));
            // The shared secret shows in what it leads to: the plaintext of the seal is the root key.
            let mut info = Writer::new();
            info.raw(b"countersign/v1/vrk\0").array(2).bytes(&vault_id.0).unsigned(2);
            let (key, nonce) =
                Schedule::XWING.run(&bytes(vector, "ss"), &info.finish(), &sak, slot_id.as_bytes());
            let parsed = Item::parse(&manifest, Profile::VAULT).unwrap();
            let vrk_commit = parsed.map().unwrap().at(6).unwrap().bytes().unwrap();
            let mut aad = Writer::new();
            aad.array(5).bytes(slot_id.as_bytes()).unsigned(1).unsigned(1).bytes(vrk_commit);
            aad.bytes(&sha256(&bytes(vector, "pk")));
            let ciphertext = slot_member(&manifest, &slot_id, &[12, 2]);
            let key = Secret::from_slice(&key).unwrap();
            let opened = aead_open(&key, &nonce.try_into().unwrap(), &ciphertext, &aad.finish()).unwrap();
            assert_eq!(opened.expose(), root);
        }
    }

    #[test]
    fn the_vault_of_the_vectors_is_made_byte_for_byte() {
        let file = vectors("vault/suite-2");
        let kem = &vectors("vault/x-wing")["vectors"][0];
        assert_eq!(file["randomness"]["slot_sk.2"], kem["seed"]);
        assert_eq!(file["randomness"]["seal.eseed.2"], kem["eseed"]);
        let slot = |number: u8| {
            ["device_secret", "slot_id", "kdf_salt", "slot_sk", "sak", "wrapped.nonce"]
                .map(|name| format!("{name}.{number}"))
        };
        let names = [
            ["vault_id", "vrk"].map(str::to_owned).to_vec(),
            slot(1).to_vec(),
            slot(2).to_vec(),
            ["item_id", "cek", "item.nonce", "seal.ikmE.1", "sak.nonce.1", "private.nonce.1"]
                .map(str::to_owned)
                .to_vec(),
            ["seal.eseed.2", "sak.nonce.2", "private.nonce.2", "cek.nonce"].map(str::to_owned).to_vec(),
        ]
        .concat();
        let mut rng = named_draws(&file, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let time = UnixTime(file["time"].as_u64().unwrap());
        let vault_id = VaultId::make(&mut rng);
        let mut draft = Administration::new_vault(vault_id, None, &mut rng).unwrap();
        for (slot, suite) in list(&file, "slots").iter().zip([Suite::X25519, Suite::XWing]) {
            assert_eq!(slot["suite"], suite.number());
            draft.use_suite(suite).unwrap();
            let secret = Secret::make_random(&mut rng);
            let label = text(slot, "label").into();
            let private = SlotPrivate { label, created: time.0 - 60, ..SlotPrivate::default() };
            draft.enrol_device(&secret, private, &mut rng).unwrap();
        }
        draft.add_item(64, &bytes(&file["item"], "plain"), &mut rng).unwrap();
        let prepared = draft.finish(time, &mut rng).unwrap();
        drop(rng);
        let mut storage = MemoryStorage::default();
        storage.write(prepared.write()).unwrap();
        let made = Envelope::export(&storage).unwrap().unwrap().encode();
        assert_eq!(hex::encode(made), text(&file, "envelope"));
    }

    #[test]
    fn a_vault_of_both_suites_opens_by_both_slots_and_rotates_to_both() {
        let mut world = World::load();
        for round in 0..3 {
            let mut vault = world.open(round % 2).unwrap();
            let row = vault.rows()[0];
            let item = vault.open_item(&row.item_id, &world.storage.item(&row.item_id).unwrap().unwrap());
            assert_eq!(item.unwrap().plaintext.expose(), b"sealed for a long time");
            let before = vault.key_gen();
            let mut draft = vault.admin();
            draft.rotate(&world.storage, &mut SeededRng(1)).unwrap();
            let prepared = draft.finish(LATER, &mut SeededRng(2)).unwrap();
            world.store(&mut vault, prepared);
            for index in [0, 1] {
                assert_eq!(world.open(index).unwrap().key_gen(), before + 1);
            }
        }
        assert_eq!([world.suite(0), world.suite(1)], [Some(Suite::X25519), Some(Suite::XWing)]);
    }

    #[test]
    fn a_refresh_raises_a_slot_on_request_and_never_lowers_one() {
        let mut world = World::load();
        let mut vault = world.open(0).unwrap();
        let mut draft = vault.admin();
        for index in [0, 1] {
            draft.refresh(&world.slots[index].0, &world.secret(index), &mut SeededRng(1)).unwrap();
        }
        let prepared = draft.finish(LATER, &mut SeededRng(2)).unwrap();
        world.store(&mut vault, prepared);
        assert_eq!([world.suite(0), world.suite(1)], [Some(Suite::X25519), Some(Suite::XWing)]);
        let mut draft = vault.admin();
        draft.use_suite(Suite::XWing).unwrap();
        draft.refresh(&world.slots[0].0, &world.secret(0), &mut SeededRng(3)).unwrap();
        let prepared = draft.finish(LATER, &mut SeededRng(4)).unwrap();
        world.store(&mut vault, prepared);
        assert_eq!([world.suite(0), world.suite(1)], [Some(Suite::XWing); 2]);
        for index in [0, 1] {
            world.open(index).unwrap();
        }
    }

    #[test]
    fn the_floor_rises_once_every_slot_is_at_it_and_never_falls() {
        let mut world = World::load();
        let older = world.storage.clone();
        let mut vault = world.open(0).unwrap();
        let mut draft = vault.admin();
        draft.raise_floor(Suite::XWing).unwrap();
        let refused = draft.finish(LATER, &mut SeededRng(1)).err();
        assert_eq!(refused, Some(VaultError::PolicyViolation("a suite below the floor")));
        // With the refresh that is missing, in one write.
        let mut draft = vault.admin();
        draft.raise_floor(Suite::XWing).unwrap();
        draft.refresh(&world.slots[0].0, &world.secret(0), &mut SeededRng(1)).unwrap();
        let code = RecoveryCode::make(&mut SeededRng(2));
        let slot = draft.enrol_recovery_code(&code, private("Code"), &mut SeededRng(3)).unwrap();
        let prepared = draft.finish(LATER, &mut SeededRng(4)).unwrap();
        world.store(&mut vault, prepared);
        assert_eq!(vault.floor(), Suite::XWing);
        let view = vault.slots().find(|view| view.slot_id() == slot).unwrap();
        assert_eq!(view.suite(), Some(Suite::XWing), "new slots are at the floor");
        let mut draft = vault.admin();
        let below = VaultError::PolicyViolation("a suite below the floor");
        assert_eq!(draft.use_suite(Suite::X25519), Err(below));
        assert_eq!(draft.raise_floor(Suite::X25519), Err(below));
        for index in [0, 1] {
            assert_eq!(world.open(index).unwrap().floor(), Suite::XWing);
        }
        world.storage = older;
        assert_eq!(world.open(1).err(), Some(VaultError::Rollback));
    }

    #[test]
    fn a_raised_floor_that_came_too_late_is_raised_again_unless_their_slots_are_below_it() {
        for they_enrol in [false, true] {
            let mut world = World::load();
            drop(world.open(0));
            let (ours, mut theirs) = (world.open(0).unwrap(), world.open(1).unwrap());
            let mut draft = ours.admin();
            draft.raise_floor(Suite::XWing).unwrap();
            assert!(!draft.is_empty());
            draft.refresh(&world.slots[0].0, &world.secret(0), &mut SeededRng(1)).unwrap();
            let operations = draft.finish(LATER, &mut SeededRng(2)).unwrap().into_operations(&ours).unwrap();
            let mut draft = theirs.admin();
            if they_enrol {
                let code = RecoveryCode::make(&mut SeededRng(3));
                draft.enrol_recovery_code(&code, private("Code"), &mut SeededRng(4)).unwrap();
            } else {
                draft.add_item(64, b"theirs", &mut SeededRng(4)).unwrap();
            }
            let prepared = draft.finish(LATER, &mut SeededRng(5)).unwrap();
            world.store(&mut theirs, prepared);
            let mut newest = world.open(1).unwrap();
            let (draft, report) = newest.replay(&operations, &world.storage, &mut SeededRng(6)).unwrap();
            let dropped: &[Conflict] = if they_enrol { &[Conflict::FloorDropped] } else { &[] };
            assert_eq!(report.conflicts(), dropped);
            let prepared = draft.finish(LATER, &mut SeededRng(7)).unwrap();
            world.store(&mut newest, prepared);
            let floor = if they_enrol { Suite::X25519 } else { Suite::XWing };
            assert_eq!(world.open(0).unwrap().floor(), floor);
        }
    }

    #[test]
    fn raising_the_floor_wants_a_state_that_was_checked() {
        let world = World::load();
        let opening = Opening::default();
        let (vault, _) = world.envelope().open(&world.slots[0].0, &world.secret(0), opening).unwrap();
        assert_eq!(vault.admin().raise_floor(Suite::XWing), Err(VaultError::Unchecked));
    }

    #[test]
    fn a_floor_asked_for_first_does_not_hold_back_a_higher_suite() {
        let mut draft = Administration::new_vault(VaultId([7; 16]), None, &mut SeededRng(1)).unwrap();
        draft.use_suite(Suite::XWing).unwrap();
        draft.raise_floor(Suite::X25519).unwrap();
        let secret = Secret::from_slice(&[6; 32]).unwrap();
        draft.enrol_device(&secret, private("slot"), &mut SeededRng(2)).unwrap();
        let vault =
            draft.finish(TODAY, &mut SeededRng(3)).unwrap().into_vault(None, Default::default()).unwrap();
        assert_eq!(vault.slots().next().unwrap().suite(), Some(Suite::XWing));
        assert_eq!(vault.floor(), Suite::X25519);
    }

    /// Of the public key: the half of ML-KEM and the half of X25519; of the encapsulation, and the ciphertext.
    #[test]
    fn an_altered_seal_or_key_of_suite_2_is_tampering() {
        let mut world = World::load();
        let parts = world.envelope().to_stored();
        let id = world.slots[1].0;
        for (keys, index) in [
            (&[11][..], 0),
            (&[11], 1215),
            (&[12, 1], 0),
            (&[12, 1], 1087),
            (&[12, 1], 1088),
            (&[12, 1], 1119),
            (&[12, 2], 0),
            (&[12, 2], 47),
        ] {
            let member = slot_member(&parts.manifest, &id, keys);
            let start = parts.manifest.windows(member.len()).position(|window| window == member).unwrap();
            let mut altered = world.envelope().to_stored();
            altered.manifest[start + index] ^= 1;
            let envelope = Envelope::from_stored(altered).unwrap();
            let opened = envelope.open(&id, &world.secret(1), Opening::default());
            assert!(matches!(opened.err(), Some(VaultError::Tampered(_))), "{keys:?} {index}");
        }
        world.open(1).unwrap();
    }
}
