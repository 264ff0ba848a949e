//! The life of slots: what a passkey does for a vault, removal and what it leaves to do, new salts, policy.

mod common;

use common::{
    seeded_rng::SeededRng,
    vault::{evaluate, private, uv_output},
    world::TODAY,
};
use countersign::{
    credential::{ChangeSet, CredentialRecord, CredentialStore, Query, StoreError},
    rand_core::CryptoRng,
    secret::Secret,
    time::{Moment, UnixTime},
    vault::{
        Administration, AutoLock, CatchUp, Draft, EncryptionSetup, EncryptionStatus, Envelope, ExtraPin,
        ItemId, ItemSource, LastFallback, MemoryStorage, NewPasskey, OldSeal, Opening, PasskeyCeremony,
        PasskeyEnrolment, PasskeyStore, PassphraseCost, PassphrasePolicy, Policy, PrfAbility, PrfSaltMode,
        RecoveryCode, Removal, Resalt, SlotId, SlotKind, SlotPrivate, SlotSecret, SlotStatus, StorageError,
        Vault, VaultError, VaultId, VaultStorage, item_type, prf_input,
    },
    webauthn::{CredentialId, PrfRefused, RpId, UvPrfOutput},
};

type Store = PasskeyStore<MemoryStorage, SeededRng>;

const NOW: Moment = Moment { ticks: 0, date: None };
const LATER: UnixTime = UnixTime(TODAY.0 + 1000);

fn device() -> Secret<32> {
    Secret::from_slice(&[0x5a; 32]).unwrap()
}

/// A vault with one device slot, under a policy.
fn governed(seed: u64, policy: Option<Policy>) -> (Store, SlotId) {
    let mut rng = SeededRng(seed << 20);
    vault_of(VaultId::make(&mut rng), policy, rng)
}

fn vault_of(vault_id: VaultId, policy: Option<Policy>, mut rng: SeededRng) -> (Store, SlotId) {
    let mut draft = Administration::new_vault(vault_id, policy, &mut rng).unwrap();
    let slot = draft.enrol_device(&device(), private("Laptop"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut store = PasskeyStore::create(prepared, MemoryStorage::default(), None, rng, NOW).unwrap();
    store.set_time(LATER);
    (store, slot)
}

fn new_store(seed: u64) -> (Store, SlotId) {
    governed(seed, None)
}

fn administer<T>(
    store: &mut Store,
    edit: impl FnOnce(&mut Administration<'_>, &MemoryStorage, &mut dyn CryptoRng) -> Result<T, VaultError>,
) -> Result<T, VaultError> {
    store.administer(&store.vault().opening_proof(), NOW, edit)
}

fn envelope(store: &Store) -> Envelope {
    Envelope::from_stored(store.storage().parts().unwrap().unwrap()).unwrap()
}

fn opens(store: &Store, slot: &SlotId, secret: &SlotSecret<'_>) -> Result<Vault, VaultError> {
    envelope(store).open(slot, secret, Opening::default()).map(|(vault, _)| vault)
}

/// Opened anew by the slot, so that the vault knows by which it was.
fn reopened(store: Store, slot: &SlotId, secret: &SlotSecret<'_>) -> Store {
    let mut vault = opens(&store, slot, secret).unwrap();
    vault.accept_as_is();
    let mut store = PasskeyStore::new(vault, store.lock(), None, SeededRng(1 << 60)).unwrap();
    store.set_time(LATER);
    store
}

fn rp() -> RpId {
    RpId::new("vault.example").unwrap()
}

fn id(number: u8) -> CredentialId {
    CredentialId::new(&[number; 16]).unwrap()
}

fn status(store: &Store, slot: &SlotId) -> Option<EncryptionStatus> {
    store.vault().slots().find(|view| view.slot_id() == *slot).unwrap().encryption_status()
}

/// Status, generation and private part of a slot, as the storage has them.
fn shape(store: &Store, slot: &SlotId) -> (SlotStatus, u64, SlotPrivate) {
    let vault = opens_by_device(store);
    let view = vault.slots().find(|view| view.slot_id() == *slot).unwrap();
    (view.status(), view.slot_gen(), vault.slot_private(slot).unwrap().unwrap())
}

fn opens_by_device(store: &Store) -> Vault {
    let view = store.vault().slots().find(|view| view.kind() == SlotKind::Device).unwrap().slot_id();
    opens(store, &view, &SlotSecret::Device(&device())).unwrap()
}

/// What the passkey with this number answers on an input: its CredRandom is made of the number.
fn answer(number: u8, input: &[u8]) -> UvPrfOutput {
    evaluate(&[number; 32], input)
}

fn answer_on(store: &Store, number: u8, salt: &PrfSaltMode) -> UvPrfOutput {
    answer(number, &prf_input(&store.vault().vault_id(), salt))
}

fn add_idle(store: &mut Store, number: u8, prf: PrfAbility) -> Result<SlotId, VaultError> {
    let proof = store.vault().opening_proof();
    store.add_passkey((&proof, NOW), (&rp(), &id(number)), prf, private("Phone"))
}

fn enable(store: &mut Store, slot: &SlotId, number: u8, salt: [u8; 32]) -> Result<(), VaultError> {
    let salt = PrfSaltMode::PerSlot(salt);
    let output = answer_on(store, number, &salt);
    let setup = EncryptionSetup { salt, transports: &["internal"], pin: None };
    administer(store, |draft, _, rng| draft.enable_encryption(slot, setup, &output, &output, rng))
}

/// A passkey slot of salt mode 1 with this salt.
fn enrol(store: &mut Store, number: u8, salt: PrfSaltMode) -> Result<SlotId, VaultError> {
    let output = answer_on(store, number, &salt);
    let (rp_id, credential_id) = (&rp(), &id(number));
    let enrolment = PasskeyEnrolment {
        rp_id,
        credential_id,
        salt,
        transports: &["usb"],
        pin: None,
        private: private("Key"),
    };
    administer(store, |draft, _, rng| draft.enrol_passkey(enrolment, &output, &output, rng))
}

fn enrol_code(store: &mut Store, verified: bool) -> (SlotId, RecoveryCode) {
    let code = RecoveryCode::make(&mut SeededRng(store.vault().epoch()));
    let private = SlotPrivate { last_verified: verified.then_some(TODAY.0), ..private("Code") };
    let slot = administer(store, |draft, _, rng| draft.enrol_recovery_code(&code, private, rng)).unwrap();
    (slot, code)
}

// --- What a passkey does for the vault (B6 to B8, B24 to B26) ---

#[test]
fn a_passkey_is_used_for_encryption_or_could_be_or_cannot_as_was_observed() {
    let (mut store, device_slot) = new_store(1);
    let phone = add_idle(&mut store, 1, PrfAbility::of_registration(true)).unwrap();
    let old_key = add_idle(&mut store, 2, PrfAbility::of_registration(false)).unwrap();
    let key = enrol(&mut store, 3, PrfSaltMode::PerSlot([3; 32])).unwrap();
    assert_eq!(status(&store, &phone), Some(EncryptionStatus::SupportedNotActive));
    assert_eq!(status(&store, &old_key), Some(EncryptionStatus::NotSupported));
    assert_eq!(status(&store, &key), Some(EncryptionStatus::UsedForEncryption));
    assert_eq!(status(&store, &device_slot), None, "no passkey");

    let (stored, slot_gen, known) = shape(&store, &phone);
    assert_eq!((stored, slot_gen), (SlotStatus::Idle, 1));
    let named = (known.label.as_str(), known.rp_id.as_deref(), known.credential_id.as_deref());
    assert_eq!(named, ("Phone", Some("vault.example"), Some(&[1; 16][..])));
    assert_eq!(shape(&store, &old_key).0, SlotStatus::SignInOnly);
    // What signs in only opens nothing, and tells the storage nothing of who it is.
    let view = envelope(&store);
    let view = view.slots().find(|view| view.slot_id() == phone).unwrap();
    assert_eq!((view.rp_id(), view.credential_id(), view.prf_input()), (None, None, None));
    let output = answer(1, b"anything");
    let opened = opens(&store, &phone, &SlotSecret::Passkey(&output));
    assert_eq!(opened.err(), Some(VaultError::WrongSecret));

    store.change(|draft, _, _| draft.set_prf_support(&old_key, PrfAbility::Observed)).unwrap();
    store.change(|draft, _, _| draft.set_prf_support(&phone, PrfAbility::NotObserved)).unwrap();
    assert_eq!(shape(&store, &old_key).0, SlotStatus::Idle);
    assert_eq!(shape(&store, &phone).0, SlotStatus::SignInOnly);
    for slot in [key, device_slot, SlotId([0; 16])] {
        let refused = store.change(|draft, _, _| draft.set_prf_support(&slot, PrfAbility::NotObserved));
        assert_eq!(refused, Err(VaultError::NotFound));
    }
}

#[test]
fn an_assertion_without_output_shows_no_prf_and_a_refused_one_shows_nothing() {
    let of = |outcome| PrfAbility::of_assertion(&outcome);
    assert_eq!(of(uv_output(&[1; 32])), Some(PrfAbility::Observed));
    assert_eq!(of(uv_output(&[])), Some(PrfAbility::NotObserved));
    assert_eq!(of(uv_output(&[1; 31])), None);
    assert_eq!(of(uv_output(&[0; 32])), None);
    assert_eq!(of(UvPrfOutput::from_assertion(&[0; 37], &[1; 32])), None, "no user verification");
}

#[test]
fn one_passkey_has_one_slot() {
    let (mut store, _) = new_store(2);
    add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    enrol(&mut store, 2, PrfSaltMode::PerSlot([2; 32])).unwrap();
    let before = store.storage().clone();
    let twice = Err(VaultError::AlreadyEnrolled);
    assert_eq!(add_idle(&mut store, 1, PrfAbility::Observed), twice);
    assert_eq!(add_idle(&mut store, 2, PrfAbility::Observed), twice);
    assert_eq!(enrol(&mut store, 1, PrfSaltMode::PerSlot([1; 32])), twice);
    assert_eq!(*store.storage(), before);
    // Neither identifier alone is the passkey.
    let (elsewhere, proof) = (RpId::new("other.example").unwrap(), store.vault().opening_proof());
    let other = (&elsewhere, &id(1));
    store.add_passkey((&proof, NOW), other, PrfAbility::Observed, private("Other")).unwrap();
}

#[test]
fn an_idle_passkey_is_enrolled_in_place_as_its_next_generation() {
    let (mut store, device_slot) = new_store(3);
    let slot = add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    enable(&mut store, &slot, 1, [9; 32]).unwrap();
    assert_eq!(status(&store, &slot), Some(EncryptionStatus::UsedForEncryption));
    let (_, slot_gen, known) = shape(&store, &slot);
    assert_eq!((slot_gen, known), (2, private("Phone")), "the identifiers stand in the slot now");
    let stored = envelope(&store);
    let view = stored.slots().find(|view| view.slot_id() == slot).unwrap();
    assert_eq!((view.rp_id(), view.credential_id()), (Some("vault.example"), Some(&[1; 16][..])));
    assert_eq!(view.transports(), ["internal"]);
    let output = answer(1, &view.prf_input().unwrap());
    let vault = opens(&store, &slot, &SlotSecret::Passkey(&output)).unwrap();
    assert_eq!(vault.key_gen(), 1, "nobody lost access, so the key stays");
    assert_eq!(enable(&mut store, &slot, 1, [8; 32]), Err(VaultError::NotFound), "not idle any more");
    assert_eq!(enable(&mut store, &device_slot, 1, [8; 32]), Err(VaultError::NotFound));
}

#[test]
fn a_refused_enabling_leaves_the_slot_supported_and_the_storage_as_it_was() {
    let (mut store, _) = new_store(4);
    let slot = add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    let before = store.storage().clone();
    let (first, second) = (uv_output(&[1; 32]).unwrap(), uv_output(&[2; 32]).unwrap());
    let setup = || EncryptionSetup { salt: PrfSaltMode::PerSlot([9; 32]), transports: &[], pin: None };
    let refused =
        administer(&mut store, |draft, _, rng| draft.enable_encryption(&slot, setup(), &first, &second, rng));
    assert_eq!(refused, Err(VaultError::UnstablePrf));
    assert_eq!(*store.storage(), before);
    assert_eq!(status(&store, &slot), Some(EncryptionStatus::SupportedNotActive));

    // A caller that swallows the error finishes a draft in which nothing was done.
    administer(&mut store, |draft, _, rng| {
        let refused = draft.enable_encryption(&slot, setup(), &first, &second, rng);
        assert_eq!(refused, Err(VaultError::UnstablePrf));
        Ok(())
    })
    .unwrap();
    assert_eq!(shape(&store, &slot).0, SlotStatus::Idle);

    for (number, salt) in [(2, [2; 32]), (3, [3; 32]), (4, [4; 32]), (5, [5; 32]), (6, [6; 32])] {
        enrol(&mut store, number, PrfSaltMode::PerSlot(salt)).unwrap();
    }
    let sixth = enable(&mut store, &slot, 1, [9; 32]);
    assert_eq!(sixth, Err(VaultError::PolicyViolation("too many passkeys")));
    let mut store = {
        let vault = opens_by_device(&store);
        PasskeyStore::new(vault, store.lock(), None, SeededRng(1)).unwrap()
    };
    let unchecked = enable(&mut store, &slot, 1, [9; 32]);
    assert_eq!(unchecked, Err(VaultError::Unchecked), "nobody vouched for this state");
}

#[test]
fn a_disabled_passkey_signs_in_only_and_its_old_seal_opens_nothing_new() {
    let (mut store, device_slot) = new_store(5);
    let slot = enrol(&mut store, 1, PrfSaltMode::PerSlot([1; 32])).unwrap();
    let output = answer_on(&store, 1, &PrfSaltMode::PerSlot([1; 32]));
    let item = store.put(70, b"secret").unwrap();
    let key_gen = store.vault().key_gen();
    administer(&mut store, |draft, items, rng| draft.disable_encryption(&slot, OldSeal::Revoke, items, rng))
        .unwrap();
    let (stored, slot_gen, known) = shape(&store, &slot);
    assert_eq!((stored, slot_gen), (SlotStatus::Idle, 1));
    assert_eq!(known.rp_id.as_deref(), Some("vault.example"));
    assert_eq!(known.credential_id.as_deref(), Some(&[1; 16][..]));
    assert_eq!(known.label, "Key");
    assert_eq!(store.vault().key_gen(), key_gen + 1);
    let opened = opens(&store, &slot, &SlotSecret::Passkey(&output));
    assert_eq!(opened.err(), Some(VaultError::WrongSecret));
    assert_eq!(store.get(&item).unwrap().plaintext.expose(), b"secret");

    // It is enrolled again in place, and disabled again with the key left as it is.
    enable(&mut store, &slot, 1, [2; 32]).unwrap();
    assert_eq!(shape(&store, &slot).1, 2);
    administer(&mut store, |draft, items, rng| {
        draft.disable_encryption(&slot, OldSeal::LeaveValid, items, rng)
    })
    .unwrap();
    assert_eq!((shape(&store, &slot).0, store.vault().key_gen()), (SlotStatus::Idle, key_gen + 1));

    for (slot, error) in [(slot, VaultError::NotFound), (device_slot, VaultError::NotFound)] {
        let refused = administer(&mut store, |draft, items, rng| {
            draft.disable_encryption(&slot, OldSeal::Revoke, items, rng)
        });
        assert_eq!(refused, Err(error));
    }
}

#[test]
fn the_only_slot_that_opens_the_vault_is_not_disabled() {
    let (mut store, device_slot) = new_store(6);
    let slot = enrol(&mut store, 1, PrfSaltMode::PerSlot([1; 32])).unwrap();
    add_idle(&mut store, 2, PrfAbility::Observed).unwrap();
    let output = answer_on(&store, 1, &PrfSaltMode::PerSlot([1; 32]));
    administer(&mut store, |draft, items, rng| draft.remove(&device_slot, items, rng)).unwrap();
    let refused = administer(&mut store, |draft, items, rng| {
        draft.disable_encryption(&slot, OldSeal::Revoke, items, rng)
    });
    assert_eq!(refused, Err(VaultError::LastSlot), "an idle passkey opens nothing");
    opens(&store, &slot, &SlotSecret::Passkey(&output)).unwrap();
}

/// A source that has lost every item.
struct Lost;

impl ItemSource for Lost {
    fn item(&self, _: &ItemId) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(None)
    }
}

#[test]
fn a_removal_or_disabling_whose_rotation_fails_leaves_the_slot_enabled() {
    let (mut store, _) = new_store(7);
    store.put(70, b"secret").unwrap();
    let salt = PrfSaltMode::PerSlot([1; 32]);
    let slot = enrol(&mut store, 1, salt).unwrap();
    administer(&mut store, |draft, _, rng| {
        let lost = Err(VaultError::Tampered("item missing"));
        assert_eq!(draft.disable_encryption(&slot, OldSeal::Revoke, &Lost, rng), lost);
        assert_eq!(draft.remove(&slot, &Lost, rng), lost);
        Ok(())
    })
    .unwrap();
    let (stored, _, known) = shape(&store, &slot);
    assert_eq!((stored, known), (SlotStatus::Enabled, private("Key")));
    opens(&store, &slot, &SlotSecret::Passkey(&answer_on(&store, 1, &salt))).unwrap();
    assert_eq!(store.vault().key_gen(), 1);
}

#[test]
fn labels_and_notes_change_and_the_identifiers_of_an_idle_passkey_stay() {
    let (mut store, device_slot) = new_store(8);
    let slot = add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    store
        .change(|draft, _, _| {
            draft.edit_slot_private(&slot, |private| {
                private.label = "Work phone".into();
                private.note = Some("in the safe".into());
                private.backed_up = Some(true);
                private.credential_id = Some(vec![7; 16]);
            })?;
            draft.edit_slot_private(&device_slot, |private| private.label = "Old laptop".into())
        })
        .unwrap();
    let known = shape(&store, &slot).2;
    assert_eq!((known.label.as_str(), known.note.as_deref()), ("Work phone", Some("in the safe")));
    assert_eq!((known.backed_up, known.credential_id), (Some(true), Some(vec![1; 16])));
    assert_eq!(shape(&store, &device_slot).2.label, "Old laptop");
    store.change(|draft, _, _| draft.set_slot_private(&slot, private("New"))).unwrap();
    let known = shape(&store, &slot).2;
    assert_eq!((known.label.as_str(), known.rp_id.as_deref()), ("New", Some("vault.example")));
    assert_eq!(known.note, None);
    let nobody = store.change(|draft, _, _| draft.edit_slot_private(&SlotId([0; 16]), |_| {}));
    assert_eq!(nobody, Err(VaultError::NotFound));
}

// --- Removal (B11, D3) ---

#[test]
fn an_idle_passkey_goes_without_tombstone_and_without_rotation() {
    let (mut store, _) = new_store(10);
    let slot = add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    let advice =
        administer(&mut store, |draft, items, rng| draft.remove_with(&slot, Removal::default(), items, rng));
    assert_eq!(advice, Ok(Default::default()));
    assert_eq!(store.vault().key_gen(), 1);
    assert_eq!(opens_by_device(&store).slots().count(), 1);
    let again = administer(&mut store, |draft, items, rng| draft.remove(&slot, items, rng));
    assert_eq!(again, Err(VaultError::NotFound));
    add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
}

#[test]
fn leaving_the_old_seal_valid_needs_an_explicit_word() {
    let (mut store, _) = new_store(11);
    let salt = PrfSaltMode::PerSlot([1; 32]);
    let slot = enrol(&mut store, 1, salt).unwrap();
    let output = answer_on(&store, 1, &salt);
    let item = store.put(70, b"before").unwrap();
    let old = envelope(&store);
    let keep = Removal { old_seal: OldSeal::LeaveValid, ..Removal::default() };
    administer(&mut store, |draft, items, rng| draft.remove_with(&slot, keep, items, rng)).unwrap();
    assert_eq!(store.vault().key_gen(), 1);
    let view = envelope(&store);
    let view = view.slots().find(|view| view.slot_id() == slot).unwrap();
    assert_eq!(view.status(), SlotStatus::Tombstone);
    assert_eq!(view.encryption_status(), None);
    assert_eq!(opens(&store, &slot, &SlotSecret::Passkey(&output)).err(), Some(VaultError::WrongSecret));
    // This is what the word is about: the old envelope's key reads what is written from now on.
    store.replace(&item, b"after").unwrap();
    let (thief, _) = old.open(&slot, &SlotSecret::Passkey(&output), Opening::default()).unwrap();
    assert_eq!(thief.index_key().expose(), store.vault().index_key().expose());
    let twice = administer(&mut store, |draft, items, rng| draft.remove(&slot, items, rng));
    assert_eq!(twice, Err(VaultError::NotFound));
    // And this is what a rotation does about it.
    store.rotate(&store.vault().opening_proof(), NOW).unwrap();
    assert_ne!(thief.index_key().expose(), store.vault().index_key().expose());
}

#[test]
fn the_guard_of_the_last_fallback_yields_to_a_word_and_that_of_the_last_slot_to_none() {
    let (mut store, device_slot) = new_store(12);
    let (code_slot, _) = enrol_code(&mut store, true);
    let give_up = Removal { last_fallback: LastFallback::GiveUp, ..Removal::default() };
    let remove = |store: &mut Store, slot: SlotId, removal: Removal| {
        administer(store, |draft, items, rng| draft.remove_with(&slot, removal, items, rng)).map(|_| ())
    };
    assert_eq!(remove(&mut store, code_slot, Removal::default()), Err(VaultError::LastFallback));
    let (unverified, _) = enrol_code(&mut store, false);
    let refused = remove(&mut store, code_slot, Removal::default());
    assert_eq!(refused, Err(VaultError::LastFallback), "the other one was never tested");
    remove(&mut store, unverified, Removal::default()).unwrap();
    remove(&mut store, code_slot, give_up).unwrap();
    assert_eq!(remove(&mut store, device_slot, give_up), Err(VaultError::LastSlot));

    // A code that is both is the last slot, which no word takes away.
    let (mut store, device_slot) = new_store(13);
    let (code_slot, code) = enrol_code(&mut store, true);
    remove(&mut store, device_slot, Removal::default()).unwrap();
    for removal in [Removal::default(), give_up] {
        assert_eq!(remove(&mut store, code_slot, removal), Err(VaultError::LastSlot));
    }
    opens(&store, &code_slot, &SlotSecret::Code(&code)).unwrap();
}

#[test]
fn a_removal_tells_which_slots_to_refresh_and_which_codes_to_renew() {
    let (mut store, device_slot) = new_store(14);
    let slot = enrol(&mut store, 1, PrfSaltMode::PerSlot([1; 32])).unwrap();
    let (code_slot, _) = enrol_code(&mut store, true);
    let advice = administer(&mut store, |draft, items, rng| {
        let fresh = RecoveryCode::make(rng);
        draft.enrol_recovery_code(&fresh, private("New code"), rng)?;
        draft.remove_with(&slot, Removal::default(), items, rng)
    })
    .unwrap();
    let mut refresh = vec![device_slot, code_slot];
    refresh.sort();
    assert_eq!(advice.refresh, refresh, "what is new in this write needs no refresh");
    assert_eq!(advice.renew, [code_slot]);
    assert_eq!(store.vault().refresh_due().collect::<Vec<_>>(), refresh);
}

// --- New salts, new keys, new versions ---

fn resalt(store: &mut Store, slot: &SlotId, from: [u8; 32], to: [u8; 32]) -> Result<(), VaultError> {
    let salt = |salt| PrfSaltMode::PerSlot(salt);
    let (first, second) = (answer_on(store, 1, &salt(from)), answer_on(store, 1, &salt(to)));
    let resalt = Resalt { candidate: to, first: &first, second: &second, pin: None };
    store.change(|draft, _, rng| draft.resalt(slot, resalt, rng))
}

#[test]
fn after_a_resalt_the_old_output_opens_nothing_and_the_new_one_does() {
    let (mut store, _) = new_store(20);
    let salt = |salt| PrfSaltMode::PerSlot(salt);
    let slot = enrol(&mut store, 1, salt([1; 32])).unwrap();
    enrol_code(&mut store, true);
    resalt(&mut store, &slot, [1; 32], [2; 32]).unwrap();
    let view = envelope(&store);
    let view = view.slots().find(|view| view.slot_id() == slot).unwrap();
    assert_eq!((view.salt(), view.slot_gen()), (Some(salt([2; 32])), 2));
    let (old, new) = (answer_on(&store, 1, &salt([1; 32])), answer_on(&store, 1, &salt([2; 32])));
    assert_eq!(opens(&store, &slot, &SlotSecret::Passkey(&old)).err(), Some(VaultError::WrongSecret));
    let vault = opens(&store, &slot, &SlotSecret::Passkey(&new)).unwrap();
    assert_eq!((vault.key_gen(), vault.slot_private(&slot).unwrap()), (1, Some(private("Key"))));
}

#[test]
fn a_resalt_that_could_lock_anyone_out_is_refused_and_changes_nothing() {
    let (mut store, device_slot) = new_store(21);
    let slot = enrol(&mut store, 1, PrfSaltMode::PerSlot([1; 32])).unwrap();
    let before = store.storage().clone();
    let unverified = resalt(&mut store, &slot, [1; 32], [2; 32]);
    assert_eq!(unverified, Err(VaultError::PolicyViolation("no other slot was ever verified")));
    // Nor does the slot's own verification count.
    let own = |draft: &mut Draft<'_>, slot: &SlotId| {
        draft.edit_slot_private(slot, |private| private.last_verified = Some(TODAY.0))
    };
    let proof = store
        .change(|draft, _, _| own(draft, &slot))
        .and_then(|()| resalt(&mut store, &slot, [1; 32], [2; 32]));
    assert_eq!(proof, Err(VaultError::PolicyViolation("no other slot was ever verified")));
    assert_ne!(*store.storage(), before);
    let (code_slot, _) = enrol_code(&mut store, true);
    let before = store.storage().clone();

    let input = |store: &mut Store, slot: SlotId, candidate, first: UvPrfOutput, second: UvPrfOutput| {
        let resalt = Resalt { candidate, first: &first, second: &second, pin: None };
        store.change(|draft, _, rng| draft.resalt(&slot, resalt, rng))
    };
    let output = |store: &Store, salt| answer_on(store, 1, &PrfSaltMode::PerSlot(salt));
    let (good, next) = (|store: &Store| output(store, [1; 32]), |store: &Store| output(store, [2; 32]));
    let (first, second) = (good(&store), good(&store));
    let one = input(&mut store, slot, [2; 32], first, second);
    assert_eq!(one, Err(VaultError::InvalidInput("both PRF outputs are one")));
    let (first, second) = (next(&store), good(&store));
    assert_eq!(input(&mut store, slot, [2; 32], first, second), Err(VaultError::WrongSecret));
    for candidate in [[0; 32], [1; 32]] {
        let (first, second) = (good(&store), next(&store));
        let refused = input(&mut store, slot, candidate, first, second);
        assert_eq!(refused, Err(VaultError::InvalidInput("PRF salt")), "no salt, or the present one");
    }
    for other in [device_slot, code_slot] {
        let (first, second) = (good(&store), next(&store));
        let refused = input(&mut store, other, [2; 32], first, second);
        assert_eq!(refused, Err(VaultError::InvalidInput("a slot without a PRF salt of its own")));
    }
    assert_eq!(*store.storage(), before);

    let fixed = enrol(&mut store, 5, PrfSaltMode::Static).unwrap();
    let (first, second) = (answer_on(&store, 5, &PrfSaltMode::Static), next(&store));
    let refused = input(&mut store, fixed, [2; 32], first, second);
    assert_eq!(refused, Err(VaultError::InvalidInput("a slot without a PRF salt of its own")));
    let shared = PrfSaltMode::PerVault([6; 32]);
    enrol(&mut store, 6, shared).unwrap();
    let (first, second) = (good(&store), next(&store));
    let refused = input(&mut store, slot, [6; 32], first, second);
    assert_eq!(refused, Err(VaultError::InvalidInput("PRF salt")), "in use by another mode");
}

#[test]
fn an_extra_pin_comes_with_enabling_and_outlives_a_resalt() {
    let (mut store, _) = new_store(25);
    let slot = add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    enrol_code(&mut store, true);
    let salt = |salt| PrfSaltMode::PerSlot(salt);
    let (first, second) = (answer_on(&store, 1, &salt([1; 32])), answer_on(&store, 1, &salt([2; 32])));
    let cost = PassphraseCost { memory_kib: 19_456, passes: 2, lanes: 1 };
    let pin = Some(ExtraPin { pin: "1234", cost });
    let setup = EncryptionSetup { salt: salt([1; 32]), transports: &[], pin };
    administer(&mut store, |draft, _, rng| draft.enable_encryption(&slot, setup, &first, &first, rng))
        .unwrap();
    assert_eq!(opens(&store, &slot, &SlotSecret::Passkey(&first)).err(), Some(VaultError::WrongSecret));
    opens(&store, &slot, &SlotSecret::PasskeyWithPin(&first, "1234")).unwrap();
    let resalt = |store: &mut Store, pin| {
        let resalt = Resalt { candidate: [2; 32], first: &first, second: &second, pin };
        store.change(|draft, _, rng| draft.resalt(&slot, resalt, rng))
    };
    assert_eq!(resalt(&mut store, None), Err(VaultError::WrongSecret));
    assert_eq!(resalt(&mut store, Some("4321")), Err(VaultError::WrongSecret));
    resalt(&mut store, Some("1234")).unwrap();
    opens(&store, &slot, &SlotSecret::PasskeyWithPin(&second, "1234")).unwrap();
}

#[test]
fn a_resalt_and_a_rotation_share_one_write_in_either_order() {
    for rotate_first in [false, true] {
        let (mut store, _) = new_store(22);
        let slot = enrol(&mut store, 1, PrfSaltMode::PerSlot([1; 32])).unwrap();
        enrol_code(&mut store, true);
        let salt = |salt| PrfSaltMode::PerSlot(salt);
        let (first, second) = (answer_on(&store, 1, &salt([1; 32])), answer_on(&store, 1, &salt([2; 32])));
        let epoch = store.vault().epoch();
        administer(&mut store, |draft, items, rng| {
            if rotate_first {
                draft.rotate(items, rng)?;
            }
            let resalt = Resalt { candidate: [2; 32], first: &first, second: &second, pin: None };
            draft.resalt(&slot, resalt, rng)?;
            if rotate_first { Ok(()) } else { draft.rotate_and_reencrypt(items, rng) }
        })
        .unwrap();
        assert_eq!((store.vault().epoch(), store.vault().key_gen()), (epoch + 1, 2));
        assert!(!store.vault().refresh_due().any(|due| due == slot), "born with the new key");
        // The SAK is wrapped under the new key: the next rotation, with no passkey at hand, finds it there.
        store.rotate(&store.vault().opening_proof(), NOW).unwrap();
        let vault = opens(&store, &slot, &SlotSecret::Passkey(&second)).unwrap();
        assert_eq!(vault.key_gen(), 3);
    }
}

#[test]
fn rotate_and_reencrypt_gives_every_item_a_new_version_and_a_new_body() {
    let (mut store, device_slot) = new_store(23);
    let items: Vec<ItemId> =
        [b"one", b"two", b"six"].iter().map(|text| store.put(70, *text).unwrap()).collect();
    store.replace(&items[1], b"two").unwrap();
    store.commit(ChangeSet { put: vec![record("a.example", 1)], ..ChangeSet::default() }).unwrap();
    let body = |store: &Store, id: &ItemId| {
        let bytes = store.storage().item(id).unwrap().unwrap();
        let item: ciborium::Value = ciborium::from_reader(bytes.as_slice()).unwrap();
        item.as_map().unwrap()[4].1.clone()
    };
    let before: Vec<_> = items.iter().map(|id| body(&store, id)).collect();
    store.rotate(&store.vault().opening_proof(), NOW).unwrap();
    let kept: Vec<_> = items.iter().map(|id| body(&store, id)).collect();
    assert_eq!(kept, before, "a plain rotation wraps keys alone");

    let added = administer(&mut store, |draft, storage, rng| {
        draft.change_item(&items[0], 71, b"eins", rng)?;
        draft.delete_item(&items[2])?;
        let added = draft.add_item(70, b"new", rng)?;
        draft.rotate_and_reencrypt(storage, rng)?;
        assert!(draft.rotate_and_reencrypt(storage, rng).is_err(), "once in a write");
        Ok(added)
    })
    .unwrap();
    assert_eq!(store.vault().key_gen(), 3);
    let store = reopened(store, &device_slot, &SlotSecret::Device(&device()));
    let read = |id: &ItemId| {
        let item = store.get(id).unwrap();
        (item.item_type, item.version, item.plaintext.expose().to_vec())
    };
    assert_eq!(read(&items[0]), (71, 2, b"eins".to_vec()));
    assert_eq!(read(&items[1]), (70, 3, b"two".to_vec()));
    assert_eq!(read(&added), (70, 1, b"new".to_vec()));
    assert_eq!(store.get(&items[2]).err(), Some(VaultError::NotFound));
    assert_ne!(body(&store, &items[1]), before[1]);
    let found = store.load(&Query::Discoverable(RpId::new("a.example").unwrap())).unwrap();
    assert_eq!(found.len(), 1, "and the index still finds it");
}

#[test]
fn a_failed_reencryption_leaves_the_key_as_it_was() {
    let (mut store, device_slot) = new_store(24);
    let item = store.put(70, b"kept").unwrap();
    administer(&mut store, |draft, _, rng| {
        assert_eq!(draft.rotate_and_reencrypt(&Lost, rng), Err(VaultError::Tampered("item missing")));
        Ok(())
    })
    .unwrap();
    let store = reopened(store, &device_slot, &SlotSecret::Device(&device()));
    assert_eq!((store.vault().key_gen(), store.get(&item).unwrap().version), (1, 1));
}

// --- Tests of slots (D16) ---

#[test]
fn a_test_of_a_slot_notes_the_day_and_changes_nothing_else() {
    let (mut store, device_slot) = new_store(30);
    let (code_slot, code) = enrol_code(&mut store, false);
    store.rotate(&store.vault().opening_proof(), NOW).unwrap();
    let (_, slot_gen, before) = shape(&store, &code_slot);
    assert_eq!(before.last_verified, None);
    let wrong = RecoveryCode::make(&mut SeededRng(99));
    let stored = store.storage().clone();
    assert_eq!(
        store.test_slot(&code_slot, &SlotSecret::Code(&wrong), NOW).err(),
        Some(VaultError::WrongSecret)
    );
    assert_eq!(*store.storage(), stored);

    let proof = store.test_slot(&code_slot, &SlotSecret::Code(&code), NOW).unwrap();
    assert_eq!(proof.slot_id(), Some(code_slot));
    let (_, tested_gen, tested) = shape(&store, &code_slot);
    assert_eq!(tested, SlotPrivate { last_verified: Some(LATER.0), ..before });
    assert_eq!((tested_gen, store.vault().key_gen()), (slot_gen, 2));
    assert_eq!(store.vault().refresh_due().count(), 2, "a test is no refresh");
    assert_eq!(shape(&store, &device_slot).2, private("Laptop"));

    // An earlier day, as of a clock that was set back, takes nothing away.
    store.set_time(UnixTime(1));
    store.test_slot(&code_slot, &SlotSecret::Code(&code), NOW).unwrap();
    assert_eq!(shape(&store, &code_slot).2.last_verified, Some(LATER.0));
}

#[test]
fn a_use_is_noted_in_the_slot_that_opened_the_vault() {
    let (mut store, device_slot) = new_store(31);
    assert_eq!(store.mark_used(), Err(VaultError::NotFound), "its maker came by no slot");
    let mut store = reopened(store, &device_slot, &SlotSecret::Device(&device()));
    store.mark_used().unwrap();
    let known = shape(&store, &device_slot).2;
    assert_eq!((known.last_used, known.last_verified), (Some(LATER.0), Some(LATER.0)));

    // Even one whose slot has the same identifier.
    let (mut store, device_slot) = vault_of(VaultId([1; 16]), None, SeededRng(32));
    let (stranger, slot) = vault_of(VaultId([2; 16]), None, SeededRng(32));
    assert_eq!(slot, device_slot);
    let stranger = reopened(stranger, &slot, &SlotSecret::Device(&device()));
    let proof = stranger.vault().opening_proof();
    let refused = store.change(|draft, _, _| draft.mark_used(&proof, LATER));
    assert_eq!(refused, Err(VaultError::NotFound), "a proof of another vault");
}

// --- Policy (B5, B17, D4, D10) ---

#[test]
fn what_a_policy_forbids_is_not_written() {
    let set =
        |store: &mut Store, policy: Policy| administer(store, |draft, _, _| draft.set_policy(Some(policy)));
    let violation = |what| Err(VaultError::PolicyViolation(what));
    let (mut store, device_slot) = new_store(40);
    let (code_slot, _) = enrol_code(&mut store, true);
    let stored = store.storage().clone();
    let at_least = |least| Policy { least_slots: Some(least), ..Policy::default() };
    let no_fallback = || Policy { no_fallback: true, ..Policy::default() };
    let only = |kinds: &[SlotKind]| Policy { allowed_kinds: Some(kinds.to_vec()), ..Policy::default() };
    // Never such that the present slots violate it.
    assert_eq!(set(&mut store, at_least(3)), violation("too few slots"));
    assert_eq!(set(&mut store, no_fallback()), violation("no slot but passkeys and devices"));
    let devices = only(&[SlotKind::Device]);
    assert_eq!(set(&mut store, devices), violation("a kind of slot that is not allowed"));
    for unfit in [at_least(0), only(&[]), only(&[SlotKind::Device, SlotKind::Passkey])] {
        assert_eq!(set(&mut store, unfit), Err(VaultError::InvalidInput("policy")));
    }
    assert_eq!(*store.storage(), stored);

    // A minimum number of slots binds removal and disabling.
    set(&mut store, at_least(2)).unwrap();
    let removed = administer(&mut store, |draft, items, rng| draft.remove(&device_slot, items, rng));
    assert_eq!(removed, violation("too few slots"));
    let key = enrol(&mut store, 1, PrfSaltMode::PerSlot([1; 32])).unwrap();
    set(&mut store, at_least(3)).unwrap();
    let disabled = administer(&mut store, |draft, items, rng| {
        draft.disable_encryption(&key, OldSeal::Revoke, items, rng)
    });
    assert_eq!(disabled, violation("too few slots"));

    // Highly secure: the last fallback goes with the policy's word, in the write that sets it.
    administer(&mut store, |draft, items, rng| {
        draft.set_policy(Some(no_fallback()))?;
        draft.remove(&code_slot, items, rng)
    })
    .unwrap();
    assert_eq!(opens_by_device(&store).policy(), Some(&no_fallback()));
    let code = RecoveryCode::make(&mut SeededRng(1));
    let enrolled =
        administer(&mut store, |draft, _, rng| draft.enrol_recovery_code(&code, private("Code"), rng));
    assert_eq!(enrolled.map(|_| ()), violation("no slot but passkeys and devices"));

    // Allowed kinds bind what opens the vault; a passkey that signs in only does not.
    administer(&mut store, |draft, items, rng| {
        draft.set_policy(Some(only(&[SlotKind::Device])))?;
        draft.disable_encryption(&key, OldSeal::Revoke, items, rng)
    })
    .unwrap();
    let enabled = enable(&mut store, &key, 1, [2; 32]);
    assert_eq!(enabled, violation("a kind of slot that is not allowed"));
    administer(&mut store, |draft, _, _| draft.set_policy(None)).unwrap();
    enable(&mut store, &key, 1, [2; 32]).unwrap();
    assert_eq!(opens_by_device(&store).policy(), None);
}

#[test]
fn a_policy_of_another_number_of_passkeys_replaces_the_five() {
    let (mut store, _) = governed(41, Some(Policy { most_passkeys: Some(1), ..Policy::default() }));
    let phone = add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    enrol(&mut store, 2, PrfSaltMode::PerSlot([2; 32])).unwrap();
    let too_many = Err(VaultError::PolicyViolation("too many passkeys"));
    assert_eq!(enable(&mut store, &phone, 1, [1; 32]), too_many);
    let six = Policy { most_passkeys: Some(6), ..Policy::default() };
    administer(&mut store, |draft, _, _| draft.set_policy(Some(six))).unwrap();
    enable(&mut store, &phone, 1, [1; 32]).unwrap();
    (3..7).for_each(|number| _ = enrol(&mut store, number, PrfSaltMode::PerSlot([number; 32])).unwrap());
    assert_eq!(enrol(&mut store, 7, PrfSaltMode::PerSlot([7; 32])).map(|_| ()), too_many);
    let one = Policy { most_passkeys: Some(1), ..Policy::default() };
    assert_eq!(administer(&mut store, |draft, _, _| draft.set_policy(Some(one))), too_many);
}

// --- Circles (B16) ---

fn record(rp: &str, number: u8) -> CredentialRecord {
    common::vault::record(rp, &[number; 16], number)
}

#[test]
fn no_passkey_of_the_vaults_own_account_comes_into_it() {
    let (mut store, _) = new_store(50);
    let put = |record| ChangeSet { put: vec![record], ..ChangeSet::default() };
    store.commit(put(record("manager.example", 1))).unwrap();
    store
        .set_own_accounts(vec![RpId::new("account.example").unwrap(), RpId::new("manager.example").unwrap()]);
    let before = store.storage().clone();
    for rp in ["account.example", "manager.example"] {
        assert_eq!(store.commit(put(record(rp, 2))), Err(StoreError::Refused), "{rp}");
        // As an import would: not through the authenticator.
        let imported = store
            .change(|draft, _, rng| draft.add_item(item_type::PASSKEY, record(rp, 2).encode().expose(), rng));
        assert_eq!(imported, Err(VaultError::Circular), "{rp}");
    }
    let both =
        ChangeSet { put: vec![record("a.example", 3), record("account.example", 2)], ..ChangeSet::default() };
    assert_eq!(store.commit(both), Err(StoreError::Refused));
    assert_eq!(*store.storage(), before, "all or nothing");

    // Others are stored, of its subdomains too; and none is turned into one of the account.
    store.commit(put(record("a.example", 3))).unwrap();
    store.commit(put(record("x.account.example", 4))).unwrap();
    let turned = ChangeSet { update: vec![record("account.example", 3)], ..ChangeSet::default() };
    assert_eq!(store.commit(turned), Err(StoreError::Refused));

    // What was there before stays, signs in, and outlives rotations.
    let update = || ChangeSet { update: vec![record("manager.example", 1)], ..ChangeSet::default() };
    store.commit(update()).unwrap();
    administer(&mut store, |draft, items, rng| draft.rotate_and_reencrypt(items, rng)).unwrap();
    store.commit(update()).unwrap();
    store.rotate(&store.vault().opening_proof(), NOW).unwrap();
    let found = store.load(&Query::Discoverable(RpId::new("manager.example").unwrap())).unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn a_passkey_that_is_an_item_of_the_vault_gets_no_slot_of_any_kind() {
    let (mut store, _) = new_store(51);
    let idle = add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    let records = vec![record("vault.example", 1), record("vault.example", 2)];
    store.commit(ChangeSet { put: records, ..ChangeSet::default() }).unwrap();
    assert_eq!(add_idle(&mut store, 2, PrfAbility::Observed), Err(VaultError::Circular));
    // Nor by a ceremony, for the one that was noted before it was put into the vault.
    let mut ceremony = PasskeyCeremony::resume(store.vault(), &idle, &[], &mut SeededRng(1)).unwrap();
    let input = ceremony.prf_input();
    (0..2).for_each(|_| ceremony.take(Ok(answer(1, &input))).unwrap());
    let proof = store.vault().opening_proof();
    assert_eq!(store.admit((&proof, NOW), ceremony), Err(VaultError::Circular));
}

// --- One more passkey, in one go (D13) ---

fn begin(store: &Store, number: u8) -> Result<PasskeyCeremony, VaultError> {
    let (rp_id, credential_id) = (&rp(), &id(number));
    let passkey =
        NewPasskey { rp_id, credential_id, transports: &["usb", "nfc"], private: private("Second key") };
    PasskeyCeremony::begin(store.vault(), passkey, &mut SeededRng(u64::from(number) << 50))
}

/// The whole ceremony with what the assertions bring, one after the other.
fn admit(
    store: &mut Store,
    mut ceremony: PasskeyCeremony,
    outcomes: impl IntoIterator<Item = Result<UvPrfOutput, PrfRefused>>,
) -> Result<(SlotId, EncryptionStatus), VaultError> {
    for outcome in outcomes {
        assert!(ceremony.wants_assertion());
        ceremony.take(outcome).unwrap();
    }
    assert!(!ceremony.wants_assertion());
    let proof = store.vault().opening_proof();
    store.admit((&proof, NOW), ceremony)
}

#[test]
fn a_second_passkey_opens_the_vault_after_two_equal_assertions() {
    let (mut store, _) = new_store(60);
    let ceremony = begin(&store, 1).unwrap();
    assert_eq!((ceremony.rp_id(), ceremony.credential_id()), (&rp(), &id(1)));
    let input = ceremony.prf_input();
    let epoch = store.vault().epoch();
    let outcome = admit(&mut store, ceremony, [Ok(answer(1, &input)), Ok(answer(1, &input))]);
    let (slot, status) = outcome.unwrap();
    assert_eq!((status, store.vault().epoch()), (EncryptionStatus::UsedForEncryption, epoch + 1));
    let known = shape(&store, &slot).2;
    assert_eq!(known, SlotPrivate { last_verified: Some(LATER.0), ..private("Second key") });
    let view = envelope(&store);
    let view = view.slots().find(|view| view.slot_id() == slot).unwrap();
    assert_eq!((view.prf_input(), view.transports()), (Some(input.clone()), vec!["usb", "nfc"]));
    opens(&store, &slot, &SlotSecret::Passkey(&answer(1, &input))).unwrap();
    assert_eq!(begin(&store, 1).err(), Some(VaultError::AlreadyEnrolled));
    assert_ne!(begin(&store, 2).unwrap().prf_input(), input, "a salt of its own");
}

#[test]
fn a_passkey_that_cannot_open_the_vault_is_noted_as_what_was_observed() {
    let (mut store, _) = new_store(61);
    let answers = |number, bytes: u8| (begin(&store, number).unwrap(), uv_output(&[bytes; 32]));
    let (unstable, first) = answers(1, 1);
    let (unsteady, once) = answers(2, 2);
    let (none, _) = answers(3, 3);
    let outcome = admit(&mut store, unstable, [first, uv_output(&[9; 32])]).unwrap();
    assert_eq!(outcome.1, EncryptionStatus::SupportedNotActive, "two assertions, two outputs");
    assert_eq!(shape(&store, &outcome.0).0, SlotStatus::Idle);
    let outcome = admit(&mut store, unsteady, [once, uv_output(&[])]).unwrap();
    assert_eq!(outcome.1, EncryptionStatus::SupportedNotActive, "an output once, and none again");
    assert_eq!(shape(&store, &outcome.0).0, SlotStatus::Idle);
    let outcome = admit(&mut store, none, [uv_output(&[])]).unwrap();
    assert_eq!(outcome.1, EncryptionStatus::NotSupported);
    let (status, _, known) = shape(&store, &outcome.0);
    assert_eq!((status, known.last_verified), (SlotStatus::SignInOnly, None));
    assert_eq!(known.credential_id, Some(vec![3; 16]));
}

#[test]
fn a_refused_output_leaves_the_ceremony_where_it_stood_and_the_vault_as_it_was() {
    let (mut store, _) = new_store(62);
    let before = store.storage().clone();
    let mut ceremony = begin(&store, 1).unwrap();
    let input = ceremony.prf_input();
    let unverified = || UvPrfOutput::from_assertion(&[0; 37], &[1; 32]);
    for _ in 0..2 {
        assert_eq!(ceremony.take(uv_output(&[1; 16])), Err(PrfRefused::WrongLength));
        assert_eq!(ceremony.take(uv_output(&[0; 32])), Err(PrfRefused::AllZero));
        assert_eq!(ceremony.take(unverified()), Err(PrfRefused::NotUserVerified));
        assert!(ceremony.wants_assertion());
        ceremony.take(Ok(answer(1, &input))).unwrap();
    }
    assert!(!ceremony.wants_assertion());
    assert_eq!(ceremony.take(uv_output(&[7; 32])), Ok(()), "passed over");
    assert_eq!(*store.storage(), before);
    let proof = store.vault().opening_proof();
    let (_, status) = store.admit((&proof, NOW), ceremony).unwrap();
    assert_eq!(status, EncryptionStatus::UsedForEncryption);

    let mut half = begin(&store, 2).unwrap();
    half.take(uv_output(&[1; 32])).unwrap();
    let proof = store.vault().opening_proof();
    assert!(matches!(store.admit((&proof, NOW), half), Err(VaultError::InvalidInput(_))));
    let stale = Moment { ticks: u64::MAX, date: None };
    let whole = begin(&store, 2).unwrap();
    let mut whole = whole;
    (0..2).for_each(|_| whole.take(uv_output(&[1; 32])).unwrap());
    assert_eq!(store.admit((&proof, stale), whole), Err(VaultError::ReauthNeeded));
}

#[test]
fn encryption_is_set_up_later_for_a_passkey_that_signed_in_only() {
    let (mut store, device_slot) = new_store(63);
    let slot = add_idle(&mut store, 1, PrfAbility::NotObserved).unwrap();
    assert_eq!(begin(&store, 1).err(), Some(VaultError::AlreadyEnrolled), "it has a slot to resume");
    let resume = |store: &Store| PasskeyCeremony::resume(store.vault(), &slot, &["usb"], &mut SeededRng(3));
    // No output says as much about this browser as about the passkey: the slot stays what it was.
    let before = store.storage().clone();
    let mut ceremony = resume(&store).unwrap();
    assert_eq!(ceremony.take(uv_output(&[])), Err(PrfRefused::Empty));
    assert!(ceremony.wants_assertion());
    assert_eq!(*store.storage(), before);
    let unstable = admit(&mut store, ceremony, [uv_output(&[1; 32]), uv_output(&[2; 32])]);
    assert_eq!(unstable, Ok((slot, EncryptionStatus::SupportedNotActive)), "an output was seen, for once");
    assert_eq!(shape(&store, &slot).0, SlotStatus::Idle);

    let ceremony = resume(&store).unwrap();
    let input = ceremony.prf_input();
    let enabled = admit(&mut store, ceremony, [Ok(answer(1, &input)), Ok(answer(1, &input))]);
    assert_eq!(enabled, Ok((slot, EncryptionStatus::UsedForEncryption)));
    assert_eq!(shape(&store, &slot).1, 2);
    opens(&store, &slot, &SlotSecret::Passkey(&answer(1, &input))).unwrap();
    for slot in [slot, device_slot] {
        let again = PasskeyCeremony::resume(store.vault(), &slot, &[], &mut SeededRng(3));
        assert_eq!(again.err(), Some(VaultError::NotFound));
    }
}

#[test]
fn what_enrolment_would_refuse_is_refused_before_a_person_is_bothered() {
    let (mut store, device_slot) = new_store(64);
    (1..6).for_each(|number| _ = enrol(&mut store, number, PrfSaltMode::PerSlot([number; 32])).unwrap());
    assert_eq!(begin(&store, 6).err(), Some(VaultError::PolicyViolation("too many passkeys")));
    let vault = opens(&store, &device_slot, &SlotSecret::Device(&device())).unwrap();
    let store = PasskeyStore::new(vault, store.lock(), None, SeededRng(1)).unwrap();
    assert_eq!(begin(&store, 6).err(), Some(VaultError::Unchecked));

    // Nor by a vault whose key another device has changed.
    let (mut store, _) = new_store(65);
    let slot = add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    let mut vault = opens_by_device(&store);
    store.rotate(&store.vault().opening_proof(), NOW).unwrap();
    assert_eq!(vault.catch_up(&envelope(&store), None), Ok(CatchUp::KeyChanged));
    let resumed = PasskeyCeremony::resume(&vault, &slot, &[], &mut SeededRng(1)).err();
    assert_eq!(resumed, Some(VaultError::KeyChanged));
    let passkey =
        NewPasskey { rp_id: &rp(), credential_id: &id(2), transports: &[], private: private("Key") };
    let begun = PasskeyCeremony::begin(&vault, passkey, &mut SeededRng(1)).err();
    assert_eq!(begun, Some(VaultError::KeyChanged));
}

// --- Proofs ---

#[test]
fn a_proof_is_of_this_vaults_line_and_of_a_slot_that_still_opens_it() {
    let (mut store, laptop) = new_store(70);
    let (code_slot, code) = enrol_code(&mut store, false);
    let old = envelope(&store);
    let proof_of = |envelope: &Envelope, slot: &SlotId, secret: &SlotSecret<'_>| {
        envelope.open(slot, secret, Opening::default()).unwrap().0.opening_proof()
    };
    let proof = proof_of(&old, &code_slot, &SlotSecret::Code(&code));
    assert!(store.vault().administer(&proof, NOW).is_ok());
    // Who had a slot once, and an old copy.
    let earlier = proof_of(&old, &laptop, &SlotSecret::Device(&device()));
    administer(&mut store, |draft, items, rng| draft.remove(&code_slot, items, rng)).unwrap();
    assert_eq!(store.vault().administer(&proof, NOW).err(), Some(VaultError::ReauthNeeded));
    assert!(
        store.vault().administer(&earlier, NOW).is_ok(),
        "the slot is still one, and the key of its line"
    );
    // A vault of somebody else's that calls itself by the same name.
    let (imposter, slot) = vault_of(store.vault().vault_id(), None, SeededRng(71 << 20));
    let proof = proof_of(&envelope(&imposter), &slot, &SlotSecret::Device(&device()));
    assert_eq!(store.vault().administer(&proof, NOW).err(), Some(VaultError::ReauthNeeded));
    assert_eq!(
        store.vault().administer(&imposter.vault().opening_proof(), NOW).err(),
        Some(VaultError::ReauthNeeded)
    );
}

#[test]
fn a_ceremony_ends_in_the_vault_in_which_it_began() {
    let (store, _) = new_store(72);
    let (mut other, _) = new_store(73);
    let mut ceremony = begin(&store, 1).unwrap();
    let input = ceremony.prf_input();
    (0..2).for_each(|_| ceremony.take(Ok(answer(1, &input))).unwrap());
    let proof = other.vault().opening_proof();
    let refused = Err(VaultError::InvalidInput("the ceremony of another vault"));
    assert_eq!(other.admit((&proof, NOW), ceremony), refused, "the slot could never be opened there");
    assert!(other.vault().slots().all(|slot| slot.kind() == SlotKind::Device));
}

#[test]
fn no_way_leads_a_passkey_into_the_vault_that_it_opens() {
    // Put into it after it was enrolled.
    let (mut store, _) = new_store(74);
    let salt = PrfSaltMode::PerSlot([9; 32]);
    enrol(&mut store, 1, salt).unwrap();
    let put = ChangeSet { put: vec![record("vault.example", 1)], ..ChangeSet::default() };
    assert_eq!(store.commit(put), Err(StoreError::Refused));
    let bytes = record("vault.example", 1).encode();
    let imported = store.change(|draft, _, rng| draft.add_item(item_type::PASSKEY, bytes.expose(), rng));
    assert_eq!(imported, Err(VaultError::Circular));
    // Enrolled, past the store's own method, after it was put into it; and both in one change.
    let (mut store, _) = new_store(75);
    let idle = add_idle(&mut store, 1, PrfAbility::Observed).unwrap();
    let output = answer_on(&store, 1, &salt);
    let setup = || EncryptionSetup { salt, transports: &[], pin: None };
    let both = administer(&mut store, |draft, _, rng| {
        draft.add_item(item_type::PASSKEY, bytes.expose(), rng)?;
        draft.enable_encryption(&idle, setup(), &output, &output, rng)
    });
    assert_eq!(both, Err(VaultError::Circular));
    store.change(|draft, _, rng| draft.add_item(item_type::PASSKEY, bytes.expose(), rng)).unwrap();
    let later = administer(&mut store, |draft, _, rng| {
        draft.enable_encryption(&idle, setup(), &output, &output, rng)
    });
    assert_eq!(later, Err(VaultError::Circular));
    // Unless it goes in the same change.
    administer(&mut store, |draft, items, rng| {
        let item = draft.vault().unwrap().rows()[0].item_id;
        draft.delete_item(&item)?;
        draft.enable_encryption(&idle, setup(), &output, &output, rng)?;
        draft.rotate(items, rng)
    })
    .unwrap();
    assert_eq!(status(&store, &idle), Some(EncryptionStatus::UsedForEncryption));
}

#[test]
fn the_days_of_use_and_of_a_test_only_rise_whoever_edits_them() {
    let (mut store, laptop) = new_store(76);
    let (slot, code) = enrol_code(&mut store, false);
    let tested = store.test_slot(&slot, &SlotSecret::Code(&code), NOW).unwrap();
    let edit = |store: &mut Store, day| {
        store.change(|draft, _, _| {
            draft.edit_slot_private(&slot, |private| (private.last_used, private.last_verified) = (day, day))
        })
    };
    for day in [None, Some(TODAY.0)] {
        edit(&mut store, day).unwrap();
        assert_eq!(shape(&store, &slot).2.last_verified, Some(LATER.0), "{day:?}");
    }
    // Else the guard of the last verified fallback would be worth what the last edit left of it.
    let refused = administer(&mut store, |draft, items, rng| draft.remove(&slot, items, rng));
    assert_eq!(refused, Err(VaultError::LastFallback));
    // Of another vault's slot, nothing is noted, whatever it calls itself.
    let (mut imposter, same) = vault_of(store.vault().vault_id(), None, SeededRng(76 << 20 | 1));
    assert_ne!(same, laptop);
    let noted = imposter.change(|draft, _, _| draft.mark_verified(&tested, LATER));
    assert_eq!(noted, Err(VaultError::NotFound));
}

#[test]
fn a_host_asks_of_new_passphrases_what_it_likes() {
    struct Words;
    impl PassphrasePolicy for Words {
        fn judge(&self, passphrase: &str) -> Result<(), &'static str> {
            if passphrase.contains(' ') { Ok(()) } else { Err("more than one word") }
        }
    }
    let cost = PassphraseCost { memory_kib: 19_456, passes: 2, lanes: 1 };
    let mut rng = SeededRng(800);
    let mut draft = Administration::new_vault(VaultId::make(&mut rng), None, &mut rng).unwrap();
    draft.enrol_passphrase("umbrella", cost, private("any"), &mut rng).unwrap();
    draft.set_passphrase_policy(&Words);
    let refused = draft.enrol_passphrase("umbrella", cost, private("one word"), &mut rng);
    assert_eq!(refused, Err(VaultError::PolicyViolation("more than one word")));
    draft.enrol_passphrase("green umbrella", cost, private("two words"), &mut rng).unwrap();
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    assert_eq!(prepared.into_vault(None, Moment::default()).unwrap().slots().count(), 2);
}

#[test]
fn an_unused_vault_is_to_be_locked_when_its_time_has_run_out() {
    let at = |ticks| Moment { ticks, date: None };
    let mut lock = AutoLock::begin(1000, at(50));
    assert_eq!((lock.deadline(), lock.is_due(at(1049)), lock.is_due(at(1050))), (1050, false, true));
    lock.used(at(600));
    assert_eq!((lock.deadline(), lock.is_due(at(1599))), (1600, false));
    lock.used(at(1600));
    assert!(lock.is_due(at(1600)), "too late is too late");
    assert!(lock.is_due(at(599)), "the machine was started anew");
}
