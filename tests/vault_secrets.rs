//! What opens a slot and what does not: every kind, extra PINs, the cost of Argon2, and wrong values of passkeys.

mod common;

use common::{
    scripted_rng::ScriptedRng,
    seeded_rng::SeededRng,
    vault::{Admin, evaluate, private, uv_output},
    world::TODAY,
};
use countersign::{
    crypto::{hmac_sha256, sha256},
    secret::Secret,
    time::Moment,
    vault::{
        Administration, Envelope, ExtraPin, JoinedShares, MemoryStorage, Opening, PasskeyEnrolment,
        PassphraseCost, PrfSaltMode, RecoveryCode, SlotId, SlotKind, SlotSecret, Vault, VaultError, VaultId,
        VaultStorage, prf_input,
    },
    webauthn::{CredentialId, RpId, UvPrfOutput},
};

const VAULT: VaultId = VaultId([7; 16]);
/// The least that the format allows.
const CHEAP: PassphraseCost = PassphraseCost { memory_kib: 19_456, passes: 2, lanes: 1 };
const SALT: PrfSaltMode = PrfSaltMode::PerSlot([9; 32]);

/// A secret as it is kept between two openings.
enum Kept {
    Passkey(u8, Option<&'static str>),
    Code(String),
    Shares(Vec<String>),
    Passphrase(&'static str),
    Device(u8),
}

impl Kept {
    fn lend<T>(&self, open: impl FnOnce(&SlotSecret<'_>) -> T) -> T {
        match self {
            Self::Passkey(cred_random, None) => open(&SlotSecret::Passkey(&prf(*cred_random))),
            Self::Passkey(cred_random, Some(pin)) => {
                open(&SlotSecret::PasskeyWithPin(&prf(*cred_random), pin))
            }
            Self::Code(text) => open(&SlotSecret::Code(&RecoveryCode::parse(text, &VAULT).unwrap())),
            Self::Shares(texts) => {
                let shares: Vec<_> =
                    texts.iter().map(|text| countersign::vault::Share::parse(text).unwrap()).collect();
                open(&SlotSecret::Shares(&JoinedShares::join(&shares).unwrap()))
            }
            Self::Passphrase(text) => open(&SlotSecret::Passphrase(text)),
            Self::Device(byte) => open(&SlotSecret::Device(&device(*byte))),
        }
    }
}

fn device(byte: u8) -> Secret<32> {
    Secret::init_with(|bytes| bytes.fill(byte))
}

/// What the authenticator with this CredRandom answers for the slots here.
fn prf(cred_random: u8) -> UvPrfOutput {
    evaluate(&[cred_random; 32], &prf_input(&VAULT, &SALT))
}

fn new_vault() -> Administration<'static> {
    Administration::new_vault(VAULT, None, &mut SeededRng(1)).unwrap()
}

fn enrol_passkey(
    draft: &mut Administration<'_>,
    number: u8,
    pin: Option<(&str, PassphraseCost)>,
    outputs: (&UvPrfOutput, &UvPrfOutput),
    rng: &mut dyn countersign::rand_core::CryptoRng,
) -> Result<SlotId, VaultError> {
    let enrolment = PasskeyEnrolment {
        rp_id: &RpId::new("vault.example").unwrap(),
        credential_id: &CredentialId::new(&[number; 16]).unwrap(),
        salt: SALT,
        transports: &[],
        pin: pin.map(|(pin, cost)| ExtraPin { pin, cost }),
        private: private("Key"),
    };
    draft.enrol_passkey(enrolment, outputs.0, outputs.1, rng)
}

/// A vault in its storage.
struct World {
    storage: MemoryStorage,
    vault: Vault,
    rng: SeededRng,
}

impl World {
    fn new(draft: Administration<'_>) -> Self {
        let mut rng = SeededRng(2);
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        let mut storage = MemoryStorage::default();
        storage.write(prepared.write()).unwrap();
        Self { storage, vault: prepared.into_vault(None, Moment::default()).unwrap(), rng }
    }

    fn envelope(&self) -> Envelope {
        Envelope::from_stored(self.storage.parts().unwrap().unwrap()).unwrap()
    }

    fn open(&self, slot_id: &SlotId, secret: &SlotSecret<'_>) -> Result<Vault, VaultError> {
        Ok(self.envelope().open(slot_id, secret, Opening::default())?.0)
    }

    fn change<T>(
        &mut self,
        edit: impl FnOnce(&mut Administration<'_>, &MemoryStorage, &mut SeededRng) -> T,
    ) -> T {
        let mut draft = self.vault.admin();
        let outcome = edit(&mut draft, &self.storage, &mut self.rng);
        let prepared = draft.finish(TODAY, &mut self.rng).unwrap();
        self.storage.write(prepared.write()).unwrap();
        self.vault.written(prepared, None).unwrap();
        outcome
    }
}

/// A vault with a slot of every kind, and what opens each.
fn every_kind() -> (World, Vec<(SlotId, Kept)>) {
    let (mut draft, rng) = (new_vault(), &mut SeededRng(3));
    let mut slots = Vec::new();
    for (number, pin) in [(1, None), (2, Some("0123"))] {
        let cost = pin.map(|pin| (pin, CHEAP));
        let slot = enrol_passkey(&mut draft, number, cost, (&prf(number), &prf(number)), rng).unwrap();
        slots.push((slot, Kept::Passkey(number, pin)));
    }
    let code = RecoveryCode::make(rng);
    let kept = Kept::Code(code.to_text(&VAULT).as_str().into());
    slots.push((draft.enrol_recovery_code(&code, private("Code"), rng).unwrap(), kept));
    let code = RecoveryCode::make(rng);
    let kept = Kept::Code(code.to_text(&VAULT).as_str().into());
    slots.push((draft.enrol_contact_code(&code, private("Friend"), rng).unwrap(), kept));
    let passphrase = draft.enrol_passphrase("correct horse", CHEAP, private("Passphrase"), rng).unwrap();
    slots.push((passphrase, Kept::Passphrase("correct horse")));
    let (slot, shares) = draft.enrol_shares(2, 3, private("Friends"), rng).unwrap();
    let texts = shares[1..].iter().map(|share| share.to_text().as_str().to_owned()).collect();
    slots.push((slot, Kept::Shares(texts)));
    slots.push((draft.enrol_device(&device(6), private("Laptop"), rng).unwrap(), Kept::Device(6)));
    (World::new(draft), slots)
}

#[test]
fn every_kind_opens_by_its_own_secret_alone() {
    let (world, slots) = every_kind();
    let kinds: std::collections::BTreeSet<SlotKind> =
        world.envelope().slots().map(|slot| slot.kind()).collect();
    assert_eq!(kinds.len(), 6);
    for (slot, _) in &slots {
        for (other, kept) in &slots {
            let opened = kept.lend(|secret| world.open(slot, secret)).map(|vault| vault.opened_by());
            let expected = if slot == other { Ok(Some(*slot)) } else { Err(VaultError::WrongSecret) };
            assert_eq!(opened, expected);
        }
    }
}

#[test]
fn every_kind_is_refreshed_after_a_rotation_and_with_it() {
    let (mut world, slots) = every_kind();
    world.change(|draft, storage, rng| draft.rotate(storage, rng)).unwrap();
    assert_eq!(world.vault.refresh_due().count(), slots.len());
    for (slot, kept) in &slots {
        let generation = |world: &World| {
            let view = world.vault.slots().find(|view| view.slot_id() == *slot).unwrap();
            (view.slot_gen(), view.born())
        };
        assert_eq!(generation(&world), (1, Some(1)));
        kept.lend(|secret| world.change(|draft, _, rng| draft.refresh(slot, secret, rng))).unwrap();
        assert_eq!(generation(&world), (2, Some(2)));
        kept.lend(|secret| world.open(slot, secret)).unwrap();
    }
    assert_eq!(world.vault.refresh_due().count(), 0);
    for (slot, kept) in &slots {
        kept.lend(|secret| {
            world.change(|draft, storage, rng| {
                draft.refresh(slot, secret, rng).and_then(|()| draft.rotate(storage, rng))
            })
        })
        .unwrap();
        assert!(world.vault.refresh_due().all(|due| due != *slot), "its keys are of the new generation");
        kept.lend(|secret| world.open(slot, secret)).unwrap();
    }
}

#[test]
fn a_refresh_with_another_secret_changes_nothing() {
    let (world, slots) = every_kind();
    for (slot, _) in &slots {
        for (_, kept) in slots.iter().filter(|(other, _)| other != slot) {
            let mut draft = world.vault.admin();
            let refused = kept.lend(|secret| draft.refresh(slot, secret, &mut ScriptedRng::silent()));
            assert_eq!(refused, Err(VaultError::WrongSecret));
        }
    }
}

#[test]
fn an_extra_pin_is_needed_beside_the_passkey() {
    let mut draft = new_vault();
    let (right, pin) = (prf(1), "Zo\u{eb} 12");
    let slot = enrol_passkey(&mut draft, 1, Some((pin, CHEAP)), (&right, &right), &mut SeededRng(3)).unwrap();
    let plain = enrol_passkey(&mut draft, 2, None, (&right, &right), &mut SeededRng(4)).unwrap();
    let world = World::new(draft);
    let wants: Vec<_> = world.envelope().slots().map(|view| (view.slot_id(), view.wants_pin())).collect();
    assert!(wants.contains(&(slot, true)) && wants.contains(&(plain, false)));
    let open = |slot: &SlotId, secret: SlotSecret<'_>| world.open(slot, &secret).map(drop);
    assert_eq!(open(&slot, SlotSecret::PasskeyWithPin(&right, pin)), Ok(()));
    // The same letters, otherwise composed.
    assert_eq!(open(&slot, SlotSecret::PasskeyWithPin(&right, "Zoe\u{308} 12")), Ok(()));
    for wrong in ["zo\u{eb} 12", "Zo\u{eb} 12 ", "0", "", &"0".repeat(1025)] {
        let opened = open(&slot, SlotSecret::PasskeyWithPin(&right, wrong));
        assert_eq!(opened, Err(VaultError::WrongSecret), "{wrong}");
    }
    assert_eq!(open(&slot, SlotSecret::PasskeyWithPin(&prf(2), pin)), Err(VaultError::WrongSecret));
    assert_eq!(open(&slot, SlotSecret::Passkey(&right)), Err(VaultError::WrongSecret));
    assert_eq!(open(&slot, SlotSecret::Passphrase(pin)), Err(VaultError::WrongSecret));
    assert_eq!(open(&plain, SlotSecret::Passkey(&right)), Ok(()));
    assert_eq!(open(&plain, SlotSecret::PasskeyWithPin(&right, pin)), Err(VaultError::WrongSecret));
}

/// Each of them, as a passphrase and as an extra PIN, with nothing drawn and nothing enrolled.
fn enrolment_errors(text: &str, cost: PassphraseCost, ceiling: Option<u64>) -> [Option<VaultError>; 2] {
    let mut draft = new_vault();
    draft.set_argon2_ceiling(ceiling);
    let by_passphrase =
        draft.enrol_passphrase(text, cost, private("Passphrase"), &mut ScriptedRng::silent()).err();
    let outputs = (&prf(1), &prf(1));
    let by_pin = enrol_passkey(&mut draft, 1, Some((text, cost)), outputs, &mut ScriptedRng::silent()).err();
    assert_eq!(
        draft.finish(TODAY, &mut SeededRng(1)).err(),
        Some(VaultError::LastSlot),
        "nothing was enrolled"
    );
    [by_passphrase, by_pin]
}

#[test]
fn texts_that_open_no_slot_are_the_callers_fault() {
    // 341 letters of three bytes, and two: too long in NFC although not as given, and the reverse.
    let shrinks = "e\u{301}".repeat(342);
    assert!(shrinks.len() > 1024);
    for text in ["", &"a".repeat(1025), &"\u{958}".repeat(1024)] {
        for error in enrolment_errors(text, CHEAP, None) {
            assert!(matches!(error, Some(VaultError::InvalidInput(_))), "{} bytes: {error:?}", text.len());
        }
    }
    let mut draft = new_vault();
    draft.enrol_passphrase(&shrinks, CHEAP, private("Passphrase"), &mut SeededRng(1)).unwrap();
}

#[test]
fn costs_beyond_the_formats_bounds_are_refused_before_anything_is_computed() {
    let (least, most) = (19_456, 1_048_576);
    for (memory_kib, passes, lanes) in [
        (least - 1, 2, 1),
        (most + 1, 2, 1),
        (least, 1, 1),
        (least, 17, 1),
        (least, 2, 0),
        (least, 2, 17),
        (most, 5, 1),
        (u64::MAX, u64::MAX, u64::MAX),
    ] {
        for error in enrolment_errors("text", PassphraseCost { memory_kib, passes, lanes }, None) {
            assert!(matches!(error, Some(VaultError::PolicyViolation(_))), "{memory_kib} {passes} {lanes}");
        }
    }
}

#[test]
fn the_hosts_ceiling_holds_for_opening_and_for_every_change() {
    let ceiling = Some(CHEAP.memory_kib - 1);
    for error in enrolment_errors("text", CHEAP, ceiling) {
        assert!(matches!(error, Some(VaultError::Unsupported(_))), "{error:?}");
    }
    let (world, slots) = every_kind();
    let opening = |argon2_ceiling_kib| Opening { argon2_ceiling_kib, ..Opening::default() };
    let device = SlotSecret::Device(&device(6));
    let device_slot = slots.last().unwrap().0;
    let envelope = world.envelope();
    let (low, _) = envelope.open(&device_slot, &device, opening(ceiling)).unwrap();
    let (enough, _) = envelope.open(&device_slot, &device, opening(Some(CHEAP.memory_kib))).unwrap();
    for (slot, kept) in &slots {
        let costs = matches!(kept, Kept::Passphrase(_) | Kept::Passkey(_, Some(_)));
        let outcomes = |vault: &Vault, ceiling| {
            kept.lend(|secret| {
                [
                    envelope.open(slot, secret, opening(ceiling)).map(drop),
                    vault.reauthenticate(&envelope, slot, secret, Moment::default()).map(drop),
                    vault.admin().refresh(slot, secret, &mut SeededRng(9)),
                ]
            })
        };
        for outcome in outcomes(&low, ceiling) {
            assert_eq!(matches!(outcome, Err(VaultError::Unsupported(_))), costs);
            assert_eq!(outcome.is_ok(), !costs);
        }
        assert_eq!(outcomes(&enough, Some(CHEAP.memory_kib)), [Ok(()); 3]);
    }
}

#[test]
fn a_prf_value_of_the_wrong_secret_is_a_wrong_secret_and_changes_no_slot() {
    let mut draft = new_vault();
    let slot = enrol_passkey(&mut draft, 1, None, (&prf(1), &prf(1)), &mut SeededRng(3)).unwrap();
    let world = World::new(draft);
    let input = prf_input(&VAULT, &SALT);
    let answer = |cred_random: u8, salt: &[u8]| uv_output(&hmac_sha256(&[cred_random; 32], &[salt])).unwrap();
    let wrong = [
        ("the secret for assertions without user verification, or another device's", prf(2)),
        ("an input that was hashed without the prefix", answer(1, &sha256(&input))),
        ("the salt alone as the input of hmac-secret", answer(1, &SALT.salt())),
        ("the input of another vault", evaluate(&[1; 32], &prf_input(&VaultId([8; 16]), &SALT))),
        ("the input of another salt mode", evaluate(&[1; 32], &prf_input(&VAULT, &PrfSaltMode::Static))),
        ("one bit flipped", {
            let mut output = *prf(1).secret().expose();
            output[31] ^= 1;
            uv_output(&output).unwrap()
        }),
    ];
    let before = world.storage.clone();
    for (name, output) in &wrong {
        let secret = SlotSecret::Passkey(output);
        assert_eq!(world.open(&slot, &secret).err(), Some(VaultError::WrongSecret), "{name}");
        let mut draft = world.vault.admin();
        let refreshed = draft.refresh(&slot, &secret, &mut ScriptedRng::silent());
        assert_eq!(refreshed, Err(VaultError::WrongSecret), "{name}");
        let manifest = |draft: Administration<'_>| {
            draft.finish(TODAY, &mut SeededRng(5)).unwrap().write().manifest.clone()
        };
        assert_eq!(manifest(draft), manifest(world.vault.admin()), "{name}");
        let proof = world.vault.reauthenticate(&world.envelope(), &slot, &secret, Moment::default());
        assert_eq!(proof.err(), Some(VaultError::WrongSecret), "{name}");
    }
    assert_eq!(world.storage, before);
    world.open(&slot, &SlotSecret::Passkey(&prf(1))).unwrap();
}

#[test]
fn a_wrong_secret_names_what_makes_a_prf_value_wrong() {
    let help = VaultError::WrongSecret.help().unwrap();
    for cause in ["without user verification", "hash that WebAuthn puts before", "another device"] {
        assert!(help.contains(cause), "{cause}");
    }
    assert!(VaultError::UnstablePrf.help().unwrap().contains("still signs in"));
    assert_eq!(VaultError::NotFound.help(), None);
}

#[test]
fn an_output_that_a_second_assertion_does_not_reproduce_leaves_the_draft_as_it_was() {
    let mut draft = new_vault();
    draft.enrol_device(&device(6), private("Laptop"), &mut SeededRng(3)).unwrap();
    let world = World::new(draft);
    let mut draft = world.vault.admin();
    for pin in [None, Some(("0123", CHEAP))] {
        let refused = enrol_passkey(&mut draft, 1, pin, (&prf(1), &prf(2)), &mut ScriptedRng::silent());
        assert_eq!(refused, Err(VaultError::UnstablePrf));
    }
    let manifest =
        |draft: Administration<'_>| draft.finish(TODAY, &mut SeededRng(5)).unwrap().write().manifest.clone();
    assert_eq!(manifest(draft), manifest(world.vault.admin()));
}
