//! Loaded signing keys, kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign::{
    cose::{CoseAlgorithm, PublicKey},
    crypto::{AgreementKey, CryptoError, CryptoProvider, KeyPair, Signer, sha256_parts},
    rand_core::CryptoRng,
    secret::SecretBytes,
};

/// How many handles are kept at most.
const CAPACITY: usize = 256;

/// A provider that keeps the handles that another one loads, so that each signing key of an open store is decoded once.
///
/// It keeps 256 at most; the one that was used the longest time ago goes first. All go when the authenticator is locked or
/// reset or deletes a credential ([`CryptoProvider::forget_signers`]), and when the cache is dropped; what a handle holds is
/// wiped as its provider says. A handle that somebody signs with at that moment goes after the signature.
///
/// A handle is found by the SHA-256 of the algorithm and both halves of its pair: a pair that shares one half only is
/// another pair, so that nothing is ever signed with another's private key, nor by EdDSA for another's public key. The
/// private half itself is not kept here.
pub struct KeyCache {
    inner: Arc<dyn CryptoProvider>,
    handles: Mutex<Handles>,
}

type PairId = [u8; 32];

/// Invariant: `by_pair` has [`CAPACITY`] entries at most. Every change is one step that cannot panic half-way, so a lock
/// that somebody panicked under is as good as any.
#[derive(Default)]
struct Handles {
    by_pair: HashMap<PairId, Handle>,
    /// Grows by one with every use.
    uses: u64,
}

struct Handle {
    signer: Arc<dyn Signer>,
    last_use: u64,
}

impl KeyCache {
    /// An empty cache in front of `inner`.
    pub fn new(inner: Arc<dyn CryptoProvider>) -> Self {
        Self { inner, handles: Mutex::default() }
    }

    fn handles(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handles {
    fn get(&mut self, id: &PairId) -> Option<Arc<dyn Signer>> {
        self.uses = self.uses.wrapping_add(1);
        let handle = self.by_pair.get_mut(id)?;
        handle.last_use = self.uses;
        Some(Arc::clone(&handle.signer))
    }

    fn keep(&mut self, id: PairId, signer: &Arc<dyn Signer>) {
        if self.by_pair.len() >= CAPACITY {
            let oldest = self.by_pair.iter().min_by_key(|(_, handle)| handle.last_use).map(|(id, _)| *id);
            oldest.and_then(|id| self.by_pair.remove(&id));
        }
        self.by_pair.insert(id, Handle { signer: Arc::clone(signer), last_use: self.uses });
    }
}

impl CryptoProvider for KeyCache {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn make_key_pair(&self, algorithm: CoseAlgorithm, rng: &mut dyn CryptoRng) -> KeyPair {
        self.inner.make_key_pair(algorithm, rng)
    }

    fn import(&self, algorithm: CoseAlgorithm, private: SecretBytes) -> Result<KeyPair, CryptoError> {
        self.inner.import(algorithm, private)
    }

    /// Loads under the lock: a key is decoded once even if two threads ask for it, and what was asked for before the keys
    /// were forgotten is not kept afterwards.
    fn signer(&self, pair: &KeyPair) -> Result<Arc<dyn Signer>, CryptoError> {
        let id = pair_id(pair);
        let mut handles = self.handles();
        if let Some(signer) = handles.get(&id) {
            return Ok(signer);
        }
        let signer = self.inner.signer(pair)?;
        handles.keep(id, &signer);
        Ok(signer)
    }

    fn forget_signers(&self) {
        self.handles().by_pair.clear();
        self.inner.forget_signers();
    }

    fn verify(
        &self,
        algorithm: CoseAlgorithm,
        key: &PublicKey,
        message: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner.verify(algorithm, key, message, signature)
    }

    fn make_agreement_key(&self, rng: &mut dyn CryptoRng) -> Box<dyn AgreementKey> {
        self.inner.make_agreement_key(rng)
    }
}

/// The algorithm fixes the lengths of both halves, so that no two pairs run together to the same bytes.
fn pair_id(pair: &KeyPair) -> PairId {
    let algorithm = pair.algorithm().identifier().to_be_bytes();
    let private = pair.private().expose();
    match pair.public() {
        PublicKey::P256(point) => sha256_parts(&[&algorithm, private, &point.x, &point.y]),
        PublicKey::Ed25519(key) => sha256_parts(&[&algorithm, private, key]),
        other => sha256_parts(&[&algorithm, private, &other.to_raw()]),
    }
}
