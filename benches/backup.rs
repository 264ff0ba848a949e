//! What it costs to make a backup and to try one out. Run with
//! `cargo bench -p countersign --features tables --bench backup`.

#[path = "../tests/common/seeded_rng.rs"]
mod seeded_rng;

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use countersign::{
    backup::{BackupFile, Export, Verification, verify_backup},
    cose::CoseAlgorithm,
    credential::{Backup, CredProtect, Credential, CredentialRecord, CredentialSecret},
    crypto::{CryptoProvider, RustCrypto},
    secret::Secret,
    time::{Moment, UnixTime},
    vault::{
        Administration, MemoryStorage, Opening, SlotId, SlotPrivate, SlotSecret, Vault, VaultId,
        VaultStorage, item_type,
    },
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use seeded_rng::SeededRng;

/// 2026-11-21T00:00:00Z.
const TODAY: UnixTime = UnixTime(1_795_219_200);
/// How many passkeys of a large backup are tried out in one measurement.
const PART: usize = 1_000;

fn device() -> Secret<32> {
    Secret::init_with(|secret| secret.fill(0x5a))
}

/// A vault with that many passkeys. They share one key pair: making them is not what is measured.
fn vault(passkeys: u32, algorithm: CoseAlgorithm) -> (Vault, MemoryStorage) {
    let mut rng = SeededRng(0);
    let mut draft = Administration::new_vault(VaultId([1; 16]), None, &mut rng).unwrap();
    draft.enrol_device(&device(), SlotPrivate::default(), &mut rng).unwrap();
    let key = RustCrypto.make_key_pair(algorithm, &mut rng);
    for number in 0..passkeys {
        let name = format!("user {number}");
        let credential = Credential {
            id: CredentialId::new(&[&number.to_be_bytes()[..], &[7; 28]].concat()).unwrap(),
            rp: RpEntity { id: RpId::new("example.org").unwrap(), name: Some("Example".into()) },
            user: UserEntity {
                id: UserHandle::new(&number.to_be_bytes()).unwrap(),
                name: Some(name.as_str().into()),
                display_name: Some(name.as_str().into()),
            },
            discoverable: true,
            cred_protect: CredProtect::UserVerificationOptional,
            backup: Backup::Eligible { backed_up: true },
            sign_count: 0,
            aaguid: Aaguid::ZERO,
            order: u64::from(number),
            created: Some(TODAY),
            last_used: None,
        };
        let secret = CredentialSecret {
            key: key.clone_secret(),
            cred_random_with_uv: Secret::make_random(&mut rng),
            cred_random_without_uv: Secret::make_random(&mut rng),
        };
        let record = CredentialRecord::new(credential, secret).encode();
        draft.add_item(item_type::PASSKEY, record.expose(), &mut rng).unwrap();
    }
    let prepared = draft.finish(TODAY, &mut rng).unwrap();
    let mut storage = MemoryStorage::default();
    storage.write(prepared.write()).unwrap();
    (prepared.into_vault(None, Moment::default()).unwrap(), storage)
}

fn export(vault: &Vault, storage: &MemoryStorage) -> (Vec<u8>, SlotId) {
    let mut rng = SeededRng(1);
    let proof = (&vault.opening_proof(), Moment::default());
    let mut export = Export::new(vault, proof, storage, &mut rng).unwrap();
    let slot = export.enrol_device(&device(), SlotPrivate::default(), &mut rng).unwrap();
    (export.finish(TODAY, &mut rng).unwrap().file().encode(), slot)
}

fn small(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("backup of 1,000 passkeys");
    group.sample_size(10);
    for (name, algorithm) in [("ES256", CoseAlgorithm::Es256), ("EdDSA", CoseAlgorithm::EdDsa)] {
        let (vault, storage) = vault(1_000, algorithm);
        let (bytes, slot) = export(&vault, &storage);
        group.bench_function(BenchmarkId::new("export", name), |b| b.iter(|| export(&vault, &storage)));
        let (file, device) = (BackupFile::decode(&bytes).unwrap(), device());
        let backup = file.open(&slot, &SlotSecret::Device(&device), Opening::default()).unwrap();
        group.bench_function(BenchmarkId::new("verify_backup", name), |b| {
            b.iter(|| assert!(verify_backup(&backup, &RustCrypto, |_| ()).is_sound()));
        });
    }
    group.finish();
}

/// One pass over the large backup takes half a minute: a measurement goes on where the last one ended.
fn large(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("backup of 100,000 passkeys");
    group.sample_size(10);
    let (bytes, slot) = {
        let (vault, storage) = vault(100_000, CoseAlgorithm::Es256);
        export(&vault, &storage)
    };
    let device = device();
    let secret = SlotSecret::Device(&device);
    group.bench_function("decode and open", |b| {
        b.iter(|| {
            let file = BackupFile::decode(black_box(&bytes)).unwrap();
            file.open(&slot, &secret, Opening::default()).unwrap().info().item_count
        });
    });
    let file = BackupFile::decode(&bytes).unwrap();
    let backup = file.open(&slot, &secret, Opening::default()).unwrap();
    let mut verification = Verification::new(&backup, &RustCrypto);
    group.bench_function("verify_backup, 1,000 of them", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                if verification.progress().done == verification.progress().of {
                    verification = Verification::new(&backup, &RustCrypto);
                }
                let start = Instant::now();
                let sound = verification.by_ref().take(PART).filter(|check| check.outcome.is_ok()).count();
                spent += start.elapsed();
                assert_eq!(sound, PART);
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, small, large);
criterion_main!(benches);
