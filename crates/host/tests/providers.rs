//! The accelerated providers in the suite of all providers, against each other, and the cache of loaded keys.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, also in its helpers")]

mod common;
#[path = "../../../tests/provider_suite/mod.rs"]
mod provider_suite;
#[path = "../../../tests/common/scripted_rng.rs"]
#[allow(dead_code, reason = "shared with the root crate's tests, which use all of it")]
mod scripted_rng;

use std::sync::{
    Arc, Weak,
    atomic::{AtomicUsize, Ordering},
};

use countersign::{
    authenticator::{Answer, Authenticator, Channel, Turn, run},
    cose::{CoseAlgorithm, PublicKey},
    credential::MemoryStore,
    crypto::{AgreementKey, CryptoError, CryptoProvider, KeyPair, OsRng, RustCrypto, Signer},
    ctap2::{
        GetAssertion, GetAssertionExtensions, MakeCredential, MakeCredentialExtensions, Options, Request,
        Response,
    },
    rand_core::CryptoRng,
    secret::SecretBytes,
    time::Moment,
    webauthn::{ClientDataHash, RpEntity, RpId, UserEntity, UserHandle},
};
use countersign_host::{KeyCache, fastest_provider, provider};

#[cfg(all(feature = "graviola", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod graviola {
    crate::provider_suite::provider_suite!(countersign_host::Graviola::detect());

    #[test]
    fn an_eddsa_pair_whose_halves_are_of_two_keys_is_refused() {
        let Some(provider) = countersign_host::Graviola::detect() else { return };
        let eddsa = [crate::CoseAlgorithm::EdDsa, crate::CoseAlgorithm::Ed25519];
        crate::mixed_pairs_are_refused(&provider, &eddsa);
    }
}

#[cfg(feature = "aws-lc-rs")]
mod aws_lc {
    crate::provider_suite::provider_suite!(Some(countersign_host::AwsLc));

    #[test]
    fn a_pair_whose_halves_are_of_two_keys_is_refused() {
        crate::mixed_pairs_are_refused(&countersign_host::AwsLc, &crate::CoseAlgorithm::ALL[..6]);
    }
}

#[cfg(all(
    feature = "aws-lc-rs",
    feature = "graviola",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[test]
fn what_one_accelerated_provider_signs_the_other_verifies() {
    let Some(graviola) = countersign_host::Graviola::detect() else { return };
    provider_suite::what_one_signs_the_other_verifies(&graviola, &countersign_host::AwsLc);
    provider_suite::agreement_agrees(&graviola, &countersign_host::AwsLc);
}

fn pair(algorithm: CoseAlgorithm, byte: u8) -> KeyPair {
    RustCrypto.import(algorithm, SecretBytes::new(vec![byte; algorithm.private_length()])).unwrap()
}

/// The private half of the one and the public half of the other.
fn mixed(algorithm: CoseAlgorithm, private: u8, public: u8) -> KeyPair {
    let private = pair(algorithm, private).private().clone_secret();
    KeyPair::from_parts(algorithm, private, pair(algorithm, public).public().clone()).unwrap()
}

#[cfg(any(feature = "aws-lc-rs", feature = "graviola"))]
fn mixed_pairs_are_refused(provider: &dyn CryptoProvider, algorithms: &[CoseAlgorithm]) {
    let signs = |pair: &KeyPair| provider.signer(pair).is_ok() || provider.sign(pair, &[b""]).is_ok();
    for algorithm in algorithms.iter().copied() {
        assert!(signs(&mixed(algorithm, 1, 1)), "{algorithm:?}");
        assert!(!signs(&mixed(algorithm, 1, 2)), "{algorithm:?}");
    }
}

#[test]
fn the_fastest_provider_of_this_machine_is_taken() {
    let name = fastest_provider().name();
    let graviola = cfg!(all(feature = "graviola", target_arch = "x86_64"))
        && std::arch::is_x86_feature_detected!("adx")
        && std::arch::is_x86_feature_detected!("avx2");
    if graviola {
        assert_eq!(name, "graviola");
    } else if cfg!(feature = "aws-lc-rs") {
        assert!(name.starts_with("aws-lc-rs"));
    } else if cfg!(not(feature = "graviola")) {
        assert_eq!(name, RustCrypto.name());
    }
    assert_eq!(provider().name(), name, "the cache has no name of its own");
}

/// Counts what it loads.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Counting {
    fn loads(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// What a counting provider loaded.
struct Loaded(Arc<dyn Signer>);

impl Signer for Loaded {
    fn sign(&self, message: &[&[u8]]) -> Result<Vec<u8>, CryptoError> {
        self.0.sign(message)
    }
}

impl CryptoProvider for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }
    fn make_key_pair(&self, algorithm: CoseAlgorithm, rng: &mut dyn CryptoRng) -> KeyPair {
        RustCrypto.make_key_pair(algorithm, rng)
    }
    fn import(&self, algorithm: CoseAlgorithm, private: SecretBytes) -> Result<KeyPair, CryptoError> {
        RustCrypto.import(algorithm, private)
    }
    fn signer(&self, pair: &KeyPair) -> Result<Arc<dyn Signer>, CryptoError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        assert!(pair.private().expose() != [0x66; 32], "a provider that panics");
        Ok(Arc::new(Loaded(RustCrypto.signer(pair)?)))
    }
    fn verify(
        &self,
        algorithm: CoseAlgorithm,
        key: &PublicKey,
        message: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        RustCrypto.verify(algorithm, key, message, signature)
    }
    fn make_agreement_key(&self, rng: &mut dyn CryptoRng) -> Box<dyn AgreementKey> {
        RustCrypto.make_agreement_key(rng)
    }
}

fn cache() -> (Arc<Counting>, KeyCache) {
    let inner = Arc::new(Counting::default());
    (Arc::clone(&inner), KeyCache::new(inner))
}

const ES256: CoseAlgorithm = CoseAlgorithm::Es256;

#[test]
fn a_key_is_decoded_once_however_it_signs() {
    for algorithm in CoseAlgorithm::ALL.iter().copied() {
        let (inner, cache) = cache();
        for _ in 0..3 {
            let expected = RustCrypto.sign(&pair(algorithm, 1), &[b"message"]).unwrap();
            assert_eq!(cache.sign(&pair(algorithm, 1), &[b"message"]).unwrap(), expected);
            assert_eq!(cache.signer(&pair(algorithm, 1)).unwrap().sign(&[b"message"]).unwrap(), expected);
        }
        assert_eq!(inner.loads(), 1, "{algorithm:?}");
    }
}

#[test]
fn two_threads_that_ask_at_once_decode_a_key_once() {
    let (inner, cache) = cache();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| cache.sign(&pair(ES256, 1), &[b"message"]).unwrap());
        }
    });
    assert_eq!(inner.loads(), 1);
}

/// Which of these keys the cache has had; the others are in it afterwards, too.
fn kept(inner: &Counting, cache: &KeyCache, keys: std::ops::Range<u16>) -> Vec<u16> {
    keys.filter(|key| {
        let before = inner.loads();
        cache.signer(&numbered(*key)).unwrap();
        inner.loads() == before
    })
    .collect()
}

/// The pair of a seed that begins with the number. Its public half is made up: nobody signs.
fn numbered(number: u16) -> KeyPair {
    let mut seed = vec![1; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    KeyPair::from_parts(ES256, SecretBytes::new(seed), pair(ES256, 1).public().clone()).unwrap()
}

#[test]
fn the_256_keys_that_were_used_last_are_kept() {
    let (inner, cache) = cache();
    for key in 0..256 {
        cache.signer(&numbered(key)).unwrap();
    }
    assert_eq!(kept(&inner, &cache, 0..256).len(), 256);
    // Key 0 is used again, so that key 1 is now the one that was used the longest time ago.
    cache.signer(&numbered(0)).unwrap();
    cache.signer(&numbered(256)).unwrap();
    assert_eq!(inner.loads(), 257);
    assert_eq!(kept(&inner, &cache, 256..257), [256]);
    assert_eq!(kept(&inner, &cache, 2..256).len(), 254);
    assert_eq!(kept(&inner, &cache, 0..1), [0]);
    assert!(kept(&inner, &cache, 1..2).is_empty());
}

#[test]
fn a_pair_that_shares_one_half_is_another_pair() {
    for algorithm in [CoseAlgorithm::Es256, CoseAlgorithm::Es384, CoseAlgorithm::EdDsa] {
        let (inner, cache) = cache();
        let pairs = [(1, 1), (2, 1), (1, 2)].map(|(private, public)| mixed(algorithm, private, public));
        for _ in 0..2 {
            for pair in &pairs {
                let expected = RustCrypto.sign(pair, &[b"message"]).unwrap();
                assert_eq!(cache.sign(pair, &[b"message"]).unwrap(), expected, "{algorithm:?}");
            }
        }
        assert_eq!(inner.loads(), 3);
    }
}

#[test]
fn forgotten_keys_leave_no_handle_behind() {
    let (inner, cache) = cache();
    let handles = [1, 2].map(|byte| Arc::downgrade(&cache.signer(&pair(ES256, byte)).unwrap()));
    assert!(handles.iter().all(|handle| handle.strong_count() == 1), "the cache keeps the only one");
    cache.forget_signers();
    assert!(handles.iter().all(|handle| handle.strong_count() == 0));
    cache.signer(&pair(ES256, 1)).unwrap();
    assert_eq!(inner.loads(), 3, "decoded again");
    let handle = Arc::downgrade(&cache.signer(&pair(ES256, 1)).unwrap());
    drop(cache);
    assert_eq!(handle.strong_count(), 0, "they go with the cache");
}

/// A machine whose provider counts, and a store for it.
struct Machine {
    inner: Arc<Counting>,
    cache: Arc<KeyCache>,
    authenticator: Authenticator,
    store: MemoryStore,
}

const NOW: Moment = Moment { ticks: 0, date: None };

impl Machine {
    fn new() -> Self {
        let (inner, cache) = cache();
        let cache = Arc::new(cache);
        let as_provider: Arc<dyn CryptoProvider> = Arc::clone(&cache) as _;
        let authenticator = Authenticator::new(common::cheap_key(), None, as_provider).unwrap();
        Self { inner, cache, authenticator, store: MemoryStore::default() }
    }

    /// Carries a command out, with a touch for whatever it asks.
    fn call(&mut self, request: Request) -> Response {
        let Self { authenticator, store, .. } = self;
        let mut rng = OsRng::default();
        let mut step = authenticator.begin(Channel(1), request, NOW, &mut rng);
        loop {
            match run(authenticator, store, step, NOW, &mut rng) {
                Turn::Done(outcome) => return outcome.response,
                Turn::Ask(_, pending) => {
                    let touch = Answer::Approved { choice: None };
                    step = authenticator.answer(pending, touch, NOW, &mut rng);
                }
            }
        }
    }

    fn register(&mut self) {
        let request = MakeCredential {
            client_data_hash: ClientDataHash([3; 32]),
            rp: RpEntity { id: RpId::new("example.com").unwrap(), name: None },
            user: UserEntity { id: UserHandle::new(&[1]).unwrap(), name: None, display_name: None },
            algorithms: vec![ES256.identifier()],
            exclude_list: Vec::new(),
            extensions: MakeCredentialExtensions::default(),
            options: Options { rk: Some(true), up: None, uv: None },
            pin_uv_auth: None,
            enterprise_attestation: None,
            attestation_formats_preference: Vec::new(),
        };
        let made = self.call(Request::MakeCredential(request));
        assert!(matches!(made, Response::MakeCredential(_)), "{made:?}");
    }

    fn sign_in(&mut self) {
        let request = GetAssertion {
            rp_id: RpId::new("example.com").unwrap(),
            client_data_hash: ClientDataHash([4; 32]),
            allow_list: None,
            extensions: GetAssertionExtensions::default(),
            options: Options::default(),
            pin_uv_auth: None,
        };
        let signed = self.call(Request::GetAssertion(request));
        assert!(matches!(signed, Response::GetAssertion(_)), "{signed:?}");
    }

    /// A handle that the cache alone holds.
    fn handle(&self) -> Weak<dyn Signer> {
        let handle = Arc::downgrade(&self.cache.signer(&pair(ES256, 1)).unwrap());
        assert_eq!(handle.strong_count(), 1);
        handle
    }
}

#[test]
fn a_running_machine_decodes_a_passkeys_key_once() {
    let mut machine = Machine::new();
    machine.register();
    for _ in 0..3 {
        machine.sign_in();
    }
    assert_eq!(machine.inner.loads(), 1, "for its self attestation");
    machine.authenticator.lock();
    machine.sign_in();
    assert_eq!(machine.inner.loads(), 2, "after the lock, again");
}

#[test]
fn a_passkey_that_is_replaced_leaves_no_signing_key_behind() {
    let mut machine = Machine::new();
    machine.register();
    let handle = machine.handle();
    machine.sign_in();
    assert_eq!(handle.strong_count(), 1, "signing in deletes nothing");
    // The same account on the same site.
    machine.register();
    assert_eq!(handle.strong_count(), 0);
}

#[test]
fn a_locked_machine_keeps_no_signing_key() {
    let mut machine = Machine::new();
    let handle = machine.handle();
    machine.authenticator.lock();
    assert_eq!(handle.strong_count(), 0);
}

#[test]
fn a_reset_leaves_no_signing_key_behind() {
    let mut machine = Machine::new();
    let handle = machine.handle();
    assert!(matches!(machine.call(Request::Reset), Response::Empty));
    assert_eq!(handle.strong_count(), 0);
}

#[test]
fn a_provider_that_panicked_takes_no_key_with_it() {
    let (inner, cache) = cache();
    cache.signer(&pair(ES256, 1)).unwrap();
    let panicked = std::thread::scope(|scope| scope.spawn(|| cache.signer(&pair(ES256, 0x66))).join());
    assert!(panicked.is_err());
    cache.signer(&pair(ES256, 1)).unwrap();
    assert_eq!(inner.loads(), 2);
    cache.forget_signers();
    cache.signer(&pair(ES256, 1)).unwrap();
    assert_eq!(inner.loads(), 3);
}

#[test]
fn what_cannot_be_loaded_is_not_kept() {
    let (inner, cache) = cache();
    let nothing = KeyPair::from_parts(ES256, SecretBytes::new(vec![0; 32]), pair(ES256, 1).public().clone());
    let nothing = nothing.unwrap();
    assert!(cache.signer(&nothing).is_err() && cache.sign(&nothing, &[b""]).is_err());
    assert_eq!(inner.loads(), 2);
}
