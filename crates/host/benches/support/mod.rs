//! What the benches share: an authenticator on disk with as many passkeys as one likes.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    reason = "shared by two benches, which fail by panicking"
)]

use countersign::{
    authenticator::{Channel, Settings},
    cose::CoseAlgorithm,
    credential::{
        Backup, ChangeSet, CredProtect, Credential, CredentialRecord, CredentialSecret, CredentialStore,
    },
    crypto::{CryptoProvider, KeyPair, OsRng, RustCrypto},
    ctap2::{
        GetAssertion, GetAssertionExtensions, MakeCredential, MakeCredentialExtensions, Options, Request,
    },
    secret::Secret,
    time::Moment,
    webauthn::{Aaguid, ClientDataHash, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};
use countersign_host::{AssentingPerson, KeyDirectory, SeenFile, VaultFile};
use tempfile::TempDir;

/// How many passkeys one write of [`World::fill`] brings.
const BATCH: u64 = 10_000;

/// An authenticator in a directory that goes with it.
pub struct World {
    directory: TempDir,
    passkeys: u64,
}

impl World {
    /// One that keeps `count` passkeys, at least 1, each of a relying party of its own; that of example.org is the one
    /// that can sign.
    pub fn new(count: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut world = Self { directory, passkeys: count };
        let mut key = KeyDirectory::init_without_pin(&world.path(), settings(), world.seen()).unwrap();
        register(&mut key, 0);
        world.fill(&mut key, count - 1);
        world
    }

    pub fn open(&self) -> KeyDirectory {
        KeyDirectory::open(&self.path(), settings(), self.seen()).unwrap()
    }

    pub fn file(&self) -> VaultFile {
        VaultFile::open(&self.path().join("vault.redb")).unwrap()
    }

    pub fn passkeys(&self) -> u64 {
        self.passkeys
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("key")
    }

    fn seen(&self) -> SeenFile {
        SeenFile::at(self.directory.path().join("seen"))
    }

    /// Passkeys of as many other relying parties. One key pair serves them all: it is never used.
    fn fill(&mut self, key: &mut KeyDirectory, count: u64) {
        let pair = RustCrypto.make_key_pair(CoseAlgorithm::Es256, &mut OsRng::default());
        let (_, store, _) = key.parts_mut();
        for start in (0..count).step_by(BATCH as usize) {
            let put = (start..count.min(start + BATCH)).map(|number| passkey(&pair, number)).collect();
            store.commit(ChangeSet { put, ..ChangeSet::default() }).unwrap();
        }
    }
}

fn settings() -> Settings {
    Settings::security_key()
}

fn passkey(pair: &KeyPair, number: u64) -> CredentialRecord {
    let credential = Credential {
        id: CredentialId::new(&[&number.to_be_bytes()[..], &[0; 24]].concat()).unwrap(),
        rp: RpEntity { id: RpId::new(&format!("{number}.example")).unwrap(), name: None },
        user: user(number),
        discoverable: true,
        cred_protect: CredProtect::UserVerificationOptional,
        backup: Backup::DeviceBound,
        sign_count: 0,
        aaguid: Aaguid::ZERO,
        order: number,
        created: None,
        last_used: None,
    };
    let secret = CredentialSecret {
        key: pair.clone_secret(),
        cred_random_with_uv: Secret::init_with(|_| ()),
        cred_random_without_uv: Secret::init_with(|_| ()),
    };
    CredentialRecord::new(credential, secret)
}

fn user(number: u64) -> UserEntity {
    let id = UserHandle::new(&number.to_be_bytes()).unwrap();
    UserEntity { id, name: Some(format!("user {number}").into()), display_name: None }
}

/// A new discoverable passkey of example.org, by CTAP bytes; of a user that has one, it takes that one's place.
pub fn register(key: &mut KeyDirectory, number: u64) {
    let request = Request::MakeCredential(MakeCredential {
        client_data_hash: ClientDataHash([7; 32]),
        rp: RpEntity { id: RpId::new("example.org").unwrap(), name: None },
        user: user(number),
        algorithms: vec![CoseAlgorithm::Es256.identifier()],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions::default(),
        options: Options { rk: Some(true), up: None, uv: None },
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    });
    call(key, &request);
}

/// An assertion of the passkey of example.org, by CTAP bytes.
pub fn sign_in(key: &mut KeyDirectory) {
    let request = Request::GetAssertion(GetAssertion {
        rp_id: RpId::new("example.org").unwrap(),
        client_data_hash: ClientDataHash([8; 32]),
        allow_list: None,
        extensions: GetAssertionExtensions::default(),
        options: Options { rk: None, up: None, uv: None },
        pin_uv_auth: None,
    });
    call(key, &request);
}

fn call(key: &mut KeyDirectory, request: &Request) {
    let response = key.ctap(Channel(1), &request.encode(), &mut AssentingPerson::new());
    assert_eq!(response[0], 0, "CTAP2_OK");
}

/// By whoever opened the store.
pub fn rotate(key: &mut KeyDirectory) {
    let store = key.parts_mut().1;
    store.rotate(&store.vault().opening_proof(), Moment::default()).unwrap();
}
