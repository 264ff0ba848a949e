//! What it costs to open and to rotate a vault. Run with `cargo bench -p countersign --features tables`.

#[path = "../tests/common/seeded_rng.rs"]
mod seeded_rng;

use std::hint::black_box;

use countersign::{
    secret::Secret,
    time::Moment,
    time::UnixTime,
    vault::{
        Administration, Envelope, MemoryStorage, Opening, PasskeyEnrolment, PasskeyStore, PrfSaltMode,
        RecoveryCode, SlotId, SlotPrivate, SlotSecret, VaultError, VaultId, VaultStorage,
    },
    webauthn::{CredentialId, RpId, UvPrfOutput},
};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use seeded_rng::SeededRng;

/// 2026-11-21T00:00:00Z.
const TODAY: UnixTime = UnixTime(1_795_219_200);
const VAULT: VaultId = VaultId([1; 16]);

/// A vault with five slots, three passkeys, a recovery code and a device, and as many items as asked for.
struct Fixture {
    envelope: Vec<u8>,
    storage: MemoryStorage,
    passkey: SlotId,
    prf: UvPrfOutput,
    code: (SlotId, RecoveryCode),
    device: (SlotId, Secret<32>),
}

fn fixture(items: usize) -> Fixture {
    let mut rng = SeededRng(0);
    let mut draft = Administration::new_vault(VAULT, None, &mut rng).unwrap();
    let code = RecoveryCode::make(&mut rng);
    let device = Secret::make_random(&mut rng);
    let code_slot = draft.enrol_recovery_code(&code, private("code"), &mut rng).unwrap();
    let device_slot = draft.enrol_device(&device, private("device"), &mut rng).unwrap();
    let slots: Vec<SlotId> = (1..=3).map(|number| enrol(&mut draft, number, &mut rng)).collect();
    for _ in 0..items {
        draft.add_item(64, &[7; 300], &mut rng).unwrap();
    }
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut storage = MemoryStorage::default();
    storage.write(prepared.write()).unwrap();
    Fixture {
        envelope: Envelope::export(&storage).unwrap().unwrap().encode(),
        storage,
        passkey: slots[0],
        prf: prf_output(1),
        code: (code_slot, code),
        device: (device_slot, device),
    }
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
    let fixture = fixture(10);
    let mut group = criterion.benchmark_group("vault");
    let secrets = [
        ("passkey", fixture.passkey, SlotSecret::Passkey(&fixture.prf)),
        ("recovery code", fixture.code.0, SlotSecret::Code(&fixture.code.1)),
        ("device", fixture.device.0, SlotSecret::Device(&fixture.device.1)),
    ];
    for (name, slot, secret) in secrets {
        group.bench_function(format!("unlock/{name}"), |b| {
            b.iter(|| {
                let envelope = Envelope::decode(black_box(&fixture.envelope)).unwrap();
                envelope.open(&slot, &secret, Opening::default()).unwrap()
            });
        });
    }
    // A wrong secret is known by the commitment: what is left is the derivation of the slot's keys.
    let wrong = prf_output(99);
    group.bench_function("slot key derivation", |b| {
        let envelope = Envelope::decode(&fixture.envelope).unwrap();
        b.iter(|| {
            let result = envelope.open(&fixture.passkey, &SlotSecret::Passkey(&wrong), Opening::default());
            assert!(matches!(result, Err(VaultError::WrongSecret)));
        });
    });
    group.finish();
}

fn rotate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("vault rotation with 5 slots");
    for items in [0, 100, 1_000] {
        let fixture = fixture(items);
        group.bench_with_input(BenchmarkId::from_parameter(items), &fixture, |b, fixture| {
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
