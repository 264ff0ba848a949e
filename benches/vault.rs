//! What it costs to open and to rotate a vault. Run with `cargo bench -p countersign --features tables`.

#[path = "../tests/common/seeded_rng.rs"]
mod seeded_rng;

use std::hint::black_box;

use countersign::{
    secret::Secret,
    time::Moment,
    time::UnixTime,
    vault::{
        Administration, Envelope, JoinedShares, MemoryStorage, Opening, PasskeyEnrolment, PasskeyStore,
        PassphraseCost, PrfSaltMode, RecoveryCode, Share, SlotId, SlotPrivate, SlotSecret, Vault, VaultError,
        VaultId, VaultStorage,
    },
    webauthn::{CredentialId, RpId, UvPrfOutput},
};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use seeded_rng::SeededRng;

/// 2026-11-21T00:00:00Z.
const TODAY: UnixTime = UnixTime(1_795_219_200);
const VAULT: VaultId = VaultId([1; 16]);

/// A passphrase at the format's default cost: 64 MiB, 3 passes, 4 lanes.
const PASSPHRASE: &str = "correct horse battery staple";

/// A vault with a slot of each kind, and ten items.
struct Kinds {
    envelope: Vec<u8>,
    passkey: (SlotId, UvPrfOutput),
    code: (SlotId, RecoveryCode),
    passphrase: SlotId,
    shares: (SlotId, Vec<Share>),
    contact: (SlotId, RecoveryCode),
    device: (SlotId, Secret<32>),
}

impl Kinds {
    fn new() -> Self {
        let mut rng = SeededRng(0);
        let mut draft = Administration::new_vault(VAULT, None, &mut rng).unwrap();
        let passkey = (enrol(&mut draft, 1, &mut rng), prf_output(1));
        let code = RecoveryCode::make(&mut rng);
        let code = (draft.enrol_recovery_code(&code, private("code"), &mut rng).unwrap(), code);
        let cost = PassphraseCost::default();
        let passphrase = draft.enrol_passphrase(PASSPHRASE, cost, private("passphrase"), &mut rng).unwrap();
        let (slot, mut shares) = draft.enrol_shares(3, 5, private("shares"), &mut rng).unwrap();
        shares.truncate(3);
        let contact = RecoveryCode::make(&mut rng);
        let contact = (draft.enrol_contact_code(&contact, private("contact"), &mut rng).unwrap(), contact);
        let device = Secret::make_random(&mut rng);
        let device = (draft.enrol_device(&device, private("device"), &mut rng).unwrap(), device);
        for _ in 0..10 {
            draft.add_item(64, &[7; 300], &mut rng).unwrap();
        }
        let prepared = draft.finish(TODAY, &mut rng).unwrap();
        let mut storage = MemoryStorage::default();
        storage.write(prepared.write()).unwrap();
        let envelope = Envelope::export(&storage).unwrap().unwrap().encode();
        Self { envelope, passkey, code, passphrase, shares: (slot, shares), contact, device }
    }

    fn open(&self, slot: &SlotId, secret: &SlotSecret<'_>) -> Vault {
        let envelope = Envelope::decode(black_box(&self.envelope)).unwrap();
        envelope.open(slot, secret, Opening::default()).unwrap().0
    }
}

/// A vault with as many slots and items as asked for: all slots are of devices, what seals to them being the same for
/// every kind.
struct Fixture {
    envelope: Vec<u8>,
    storage: MemoryStorage,
    device: (SlotId, Secret<32>),
}

fn fixture(slots: usize, items: usize) -> Fixture {
    let mut rng = SeededRng(0);
    let mut draft = Administration::new_vault(VAULT, None, &mut rng).unwrap();
    let device = Secret::make_random(&mut rng);
    let device_slot = draft.enrol_device(&device, private("device"), &mut rng).unwrap();
    for _ in 1..slots {
        draft.enrol_device(&device, private("device"), &mut rng).unwrap();
    }
    for _ in 0..items {
        draft.add_item(64, &[7; 300], &mut rng).unwrap();
    }
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut storage = MemoryStorage::default();
    storage.write(prepared.write()).unwrap();
    let envelope = Envelope::export(&storage).unwrap().unwrap().encode();
    Fixture { envelope, storage, device: (device_slot, device) }
}

fn enrol(draft: &mut Administration<'_>, number: u8, rng: &mut SeededRng) -> SlotId {
    let enrolment = PasskeyEnrolment {
        rp_id: &RpId::new("vault.example").unwrap(),
        credential_id: &CredentialId::new(&[number; 32]).unwrap(),
        salt: PrfSaltMode::PerSlot([number; 32]),
        transports: &["internal"],
        pin: None,
        private: private("passkey"),
    };
    draft.enrol_passkey(enrolment, &prf_output(number), &prf_output(number), rng).unwrap()
}

fn private(label: &str) -> SlotPrivate {
    SlotPrivate { label: label.into(), created: TODAY.0, ..SlotPrivate::default() }
}

fn prf_output(number: u8) -> UvPrfOutput {
    // rpIdHash, flags UP and UV, counter.
    let authenticator_data = [[0; 32].as_slice(), &[0x05], &[0; 4]].concat();
    UvPrfOutput::from_assertion(&authenticator_data, &[number; 32]).unwrap()
}

fn unlock(criterion: &mut Criterion) {
    let kinds = Kinds::new();
    let mut group = criterion.benchmark_group("vault");
    let secrets = [
        ("passkey", kinds.passkey.0, SlotSecret::Passkey(&kinds.passkey.1)),
        ("recovery code", kinds.code.0, SlotSecret::Code(&kinds.code.1)),
        ("contact's code", kinds.contact.0, SlotSecret::Code(&kinds.contact.1)),
        ("device", kinds.device.0, SlotSecret::Device(&kinds.device.1)),
    ];
    for (name, slot, secret) in secrets {
        group.bench_function(format!("unlock/{name}"), |b| b.iter(|| kinds.open(&slot, &secret)));
    }
    group.bench_function("unlock/shares 3 of 5, joined", |b| {
        b.iter(|| {
            let joined = JoinedShares::join(&kinds.shares.1).unwrap();
            kinds.open(&kinds.shares.0, &SlotSecret::Shares(&joined))
        });
    });
    // A wrong secret is known by the commitment: what is left is the derivation of the slot's keys.
    let wrong = prf_output(99);
    group.bench_function("slot key derivation", |b| {
        let envelope = Envelope::decode(&kinds.envelope).unwrap();
        b.iter(|| {
            let result = envelope.open(&kinds.passkey.0, &SlotSecret::Passkey(&wrong), Opening::default());
            assert!(matches!(result, Err(VaultError::WrongSecret)));
        });
    });
    // Argon2id takes its time.
    group.sample_size(10);
    group.bench_function("unlock/passphrase", |b| {
        b.iter(|| kinds.open(&kinds.passphrase, &SlotSecret::Passphrase(PASSPHRASE)));
    });
    group.finish();
}

fn rotate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("vault rotation");
    group.sample_size(10);
    let by_slots = [1, 5, 16, 64].map(|slots| (slots, 0));
    let by_items = [1_000, 10_000].map(|items| (5, items));
    for (slots, items) in by_slots.into_iter().chain(by_items) {
        let fixture = fixture(slots, items);
        let id = BenchmarkId::from_parameter(format!("{slots} slots, {items} items"));
        group.bench_with_input(id, &fixture, |b, fixture| {
            b.iter_batched(
                || open(fixture),
                |mut store| store.rotate(&store.vault().opening_proof(), Moment::default()).unwrap(),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn open(fixture: &Fixture) -> PasskeyStore<MemoryStorage, SeededRng> {
    let envelope = Envelope::decode(&fixture.envelope).unwrap();
    let secret = SlotSecret::Device(&fixture.device.1);
    let (vault, _) = envelope.open(&fixture.device.0, &secret, Opening::default()).unwrap();
    let mut store = PasskeyStore::new(vault, fixture.storage.clone(), None, SeededRng(9)).unwrap();
    // Without memory a rotation needs the owner's word.
    store.accept_as_is();
    store
}

criterion_group!(benches, unlock, rotate);
criterion_main!(benches);
