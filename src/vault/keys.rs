//! The vault root key, what is derived from it, and the labels (vault-format.md, "Keys" and "Bytes").

use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::{
    error::VaultError,
    ids::{ItemId, SlotId, VaultId},
    manifest::Link,
};
use crate::{
    cbor::Writer,
    cose::{CoseAlgorithm, PublicKey},
    crypto::{CryptoError, CryptoProvider, Hkdf, KeyPair, RustCrypto, hmac_sha256, hmac_sha256_verify},
    secret::Secret,
};

const PREFIX: &[u8] = b"countersign/v1/";

/// L(x): the ASCII bytes of "countersign/v1/" x, then one zero byte.
pub(super) fn label(name: &str) -> Vec<u8> {
    [PREFIX, name.as_bytes(), &[0]].concat()
}

/// The start of an associated-data array of `count` elements: C\["countersign/v1/" name, vault_id, …].
pub(super) fn aad(name: &str, count: usize, vault: &VaultId) -> Writer {
    let mut writer = Writer::with_capacity(128);
    let mut text = alloc::string::String::from("countersign/v1/");
    text.push_str(name);
    writer.array(count).text(&text).bytes(&vault.0);
    writer
}

/// The vault root key of one key generation, bound to its vault. Everything else is derived when it is needed, so that
/// this one box is all there is to wipe.
pub(super) struct RootKey {
    vault_id: VaultId,
    key: Secret<32>,
}

impl RootKey {
    /// A new key; draws 32 bytes.
    pub(super) fn make(vault_id: VaultId, rng: &mut dyn CryptoRng) -> Self {
        Self { vault_id, key: Secret::make_random(rng) }
    }

    pub(super) fn new(vault_id: VaultId, key: Secret<32>) -> Self {
        Self { vault_id, key }
    }

    pub(super) fn clone_secret(&self) -> Self {
        Self { vault_id: self.vault_id, key: self.key.clone_secret() }
    }

    /// Wipes the key; what is derived afterwards is worth nothing.
    pub(super) fn forget(&mut self) {
        self.key = Secret::init_with(|_| {});
    }

    pub(super) fn vault_id(&self) -> &VaultId {
        &self.vault_id
    }

    pub(super) fn secret(&self) -> &Secret<32> {
        &self.key
    }

    /// vrk_commit = Expand(Extract(zero(32), VRK), L("vrk-commit") || vault_id || u64 key_gen, 32).
    pub(super) fn commitment(&self, key_gen: u64) -> Secret<32> {
        let prk = Hkdf::extract(&[0; 32], self.key.expose());
        prk.expand(&[&label("vrk-commit"), &self.vault_id.0, &key_gen.to_be_bytes()])
    }

    /// HMAC-SHA256(K_man, L("manifest") || manifest bytes).
    pub(super) fn manifest_mac(&self, manifest: &[u8]) -> [u8; 32] {
        hmac_sha256(self.derive_plain("manifest-mac").expose(), &[&label("manifest"), manifest])
    }

    /// Whether `mac` is the manifest's, in constant time.
    pub(super) fn verify_manifest(&self, manifest: &[u8], mac: &[u8; 32]) -> bool {
        let key = self.derive_plain("manifest-mac");
        hmac_sha256_verify(key.expose(), &[&label("manifest"), manifest], mac)
    }

    /// K_meta, which encrypts the private part of each slot.
    pub(super) fn meta(&self) -> Secret<32> {
        self.derive_plain("meta")
    }

    /// Wraps the SAK of one slot generation.
    pub(super) fn sak_wrap(&self, slot: &SlotId, slot_gen: u64) -> Secret<32> {
        self.derive("sak-wrap", |context| {
            context.array(2).bytes(&slot.0).unsigned(slot_gen);
        })
    }

    /// Wraps the content key of one item version.
    pub(super) fn item_kek(&self, item: &ItemId, version: u64) -> Secret<32> {
        self.derive("item-kek", |context| {
            context.array(2).bytes(&item.0).unsigned(version);
        })
    }

    /// The key of the local index.
    pub(super) fn index(&self) -> Secret<32> {
        self.derive_plain("index")
    }

    /// The public half of the lineage key.
    pub(super) fn lineage_public(&self) -> Result<[u8; 32], VaultError> {
        let pair = self.lineage()?;
        match pair.public() {
            PublicKey::Ed25519(key) => Ok(*key),
            _ => Err(broken(CryptoError)),
        }
    }

    /// The link that this key signs for its successor, or for itself where it is the first.
    pub(super) fn sign_link(&self, key_gen: u64, public_key: [u8; 32]) -> Result<Link, VaultError> {
        let pair = self.lineage()?;
        let message = link_message(&self.vault_id, key_gen, &public_key);
        let signature = RustCrypto.sign(&pair, &[&message]).map_err(broken)?;
        let signature = signature.try_into().map_err(|_| broken(CryptoError))?;
        Ok(Link { key_gen, public_key, signature })
    }

    fn lineage(&self) -> Result<KeyPair, VaultError> {
        let seed = self.derive_plain("lineage").into_bytes();
        RustCrypto.import(CoseAlgorithm::EdDsa, seed).map_err(broken)
    }

    fn derive_plain(&self, name: &str) -> Secret<32> {
        self.derive(name, |context| {
            context.array(0);
        })
    }

    /// Expand(Extract(vault_id, VRK), L(name) || C\[context…], 32).
    fn derive(&self, name: &str, context: impl FnOnce(&mut Writer)) -> Secret<32> {
        let mut writer = Writer::new();
        context(&mut writer);
        Hkdf::extract(&self.vault_id.0, self.key.expose()).expand(&[&label(name), &writer.finish()])
    }
}

/// Verifies that `link` was signed by `signer`, the lineage public key before it.
pub(super) fn verify_link(vault: &VaultId, link: &Link, signer: &[u8; 32]) -> Result<(), CryptoError> {
    let message = link_message(vault, link.key_gen, &link.public_key);
    RustCrypto.verify(CoseAlgorithm::EdDsa, &PublicKey::Ed25519(*signer), &[&message], &link.signature)
}

/// L("lineage") || C\[vault_id, key_gen, public key].
fn link_message(vault: &VaultId, key_gen: u64, public_key: &[u8; 32]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.raw(&label("lineage")).array(3).bytes(&vault.0).unsigned(key_gen).bytes(public_key);
    writer.finish()
}

/// Ed25519 takes every seed; a provider that does not is broken.
fn broken(_: CryptoError) -> VaultError {
    VaultError::Unsupported("the lineage key could not be made")
}
