//! Hashes, MACs, key derivation and ciphers (RustCrypto).

use alloc::vec::Vec;

use aes::{Aes128, Aes256};
use aes_gcm::{
    Aes256Gcm,
    aead::{Aead, KeyInit, Nonce, Payload},
};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, consts::U16};
use hmac::{Hmac, Mac, digest::FixedOutput};
use sha2::{Digest, Sha256};
use xaes_256_gcm::Xaes256Gcm;
use zeroize::Zeroize;

use super::provider::CryptoError;
use crate::secret::{Secret, SecretBytes};

/// SHA-256 (FIPS 180-4).
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// SHA-256 of the concatenation of `parts`.
pub fn sha256_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// HMAC-SHA-256 (RFC 2104) of the concatenation of `parts`.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    keyed(key, parts).map_or([0; 32], |mac| mac.finalize().into_bytes().into())
}

/// As [`hmac_sha256`], where the result is itself a secret.
pub fn hmac_sha256_secret(key: &[u8], parts: &[&[u8]]) -> Secret<32> {
    Secret::init_with(|out| {
        if let Some(mac) = keyed(key, parts) {
            // Straight into the box: no copy stays on the stack.
            mac.finalize_into(out.into());
        }
    })
}

/// Whether `tag` (32 bytes, or a prefix of at least 16) is the HMAC-SHA-256 of `parts`, in constant time.
pub fn hmac_sha256_verify(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    tag.len() >= 16 && keyed(key, parts).is_some_and(|mac| mac.verify_truncated_left(tag).is_ok())
}

/// HMAC takes keys of any length; the `Option` is the trait's, never `None` for this type.
fn keyed(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

/// HKDF-SHA-256 (RFC 5869) after its Extract step.
pub struct Hkdf(hkdf::Hkdf<Sha256>, Secret<32>);

impl Hkdf {
    /// HKDF-Extract.
    pub fn extract(salt: &[u8], ikm: &[u8]) -> Self {
        let (mut prk, hkdf) = hkdf::Hkdf::<Sha256>::extract(Some(salt), ikm);
        let secret = Secret::init_with(|out| out.copy_from_slice(&prk));
        prk.as_mut_slice().zeroize();
        Self(hkdf, secret)
    }

    /// The pseudorandom key.
    pub fn prk(&self) -> &Secret<32> {
        &self.1
    }

    /// HKDF-Expand of `N` bytes, at most 255 hashes, over the concatenation of `info`.
    pub fn expand<const N: usize>(&self, info: &[&[u8]]) -> Secret<N> {
        const { assert!(N <= 255 * 32, "HKDF-SHA-256 expands to at most 255 hashes (RFC 5869 section 2.3)") };
        Secret::init_with(|out| {
            // Fails for longer outputs only, which the assertion excludes.
            let _ = self.0.expand_multi_info(info, out);
        })
    }
}

/// AES-256-GCM (NIST SP 800-38D), the 16-byte tag appended.
pub fn aead_seal(
    key: &Secret<32>,
    nonce: &[u8; 12],
    plaintext: &[u8],
    aad: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    seal(&Aes256Gcm::new(key.expose().into()), nonce.into(), plaintext, aad)
}

/// Opens what [`aead_seal`] sealed; the plaintext is a secret.
pub fn aead_open(
    key: &Secret<32>,
    nonce: &[u8; 12],
    ciphertext: &[u8],
    aad: &[u8],
) -> Result<SecretBytes, CryptoError> {
    open(&Aes256Gcm::new(key.expose().into()), nonce.into(), ciphertext, aad)
}

/// XAES-256-GCM (C2SP), the 16-byte tag appended: for nonces drawn at random under one key for years.
pub fn xaes_seal(
    key: &Secret<32>,
    nonce: &[u8; 24],
    plaintext: &[u8],
    aad: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    seal(&Xaes256Gcm::new(key.expose().into()), nonce.into(), plaintext, aad)
}

/// Opens what [`xaes_seal`] sealed; the plaintext is a secret.
pub fn xaes_open(
    key: &Secret<32>,
    nonce: &[u8; 24],
    ciphertext: &[u8],
    aad: &[u8],
) -> Result<SecretBytes, CryptoError> {
    open(&Xaes256Gcm::new(key.expose().into()), nonce.into(), ciphertext, aad)
}

fn seal<A: Aead>(cipher: &A, nonce: &Nonce<A>, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, CryptoError> {
    cipher.encrypt(nonce, Payload { msg: plaintext, aad }).map_err(|_| CryptoError)
}

fn open<A: Aead>(
    cipher: &A,
    nonce: &Nonce<A>,
    ciphertext: &[u8],
    aad: &[u8],
) -> Result<SecretBytes, CryptoError> {
    cipher.decrypt(nonce, Payload { msg: ciphertext, aad }).map(SecretBytes::new).map_err(|_| CryptoError)
}

/// AES-256-CBC without padding (NIST SP 800-38A), as CTAP's PIN/UV auth protocols use it: whole blocks only.
pub struct Aes256CbcNoPadding;

impl Aes256CbcNoPadding {
    /// Encrypts in place. Refused: a length that is no multiple of 16.
    pub fn encrypt(key: &[u8; 32], iv: &[u8; 16], data: &mut [u8]) -> Result<(), CryptoError> {
        encrypt_blocks(cbc::Encryptor::<Aes256>::new(key.into(), iv.into()), data)
    }

    /// Decrypts in place. Refused: a length that is no multiple of 16.
    pub fn decrypt(key: &[u8; 32], iv: &[u8; 16], data: &mut [u8]) -> Result<(), CryptoError> {
        decrypt_blocks(cbc::Decryptor::<Aes256>::new(key.into(), iv.into()), data)
    }
}

/// AES-128-CBC without padding (NIST SP 800-38A), as CTAP's getInfo uses it: whole blocks only.
pub struct Aes128CbcNoPadding;

impl Aes128CbcNoPadding {
    /// Encrypts in place. Refused: a length that is no multiple of 16.
    pub fn encrypt(key: &[u8; 16], iv: &[u8; 16], data: &mut [u8]) -> Result<(), CryptoError> {
        encrypt_blocks(cbc::Encryptor::<Aes128>::new(key.into(), iv.into()), data)
    }

    /// Decrypts in place. Refused: a length that is no multiple of 16.
    pub fn decrypt(key: &[u8; 16], iv: &[u8; 16], data: &mut [u8]) -> Result<(), CryptoError> {
        decrypt_blocks(cbc::Decryptor::<Aes128>::new(key.into(), iv.into()), data)
    }
}

fn encrypt_blocks(
    mut cipher: impl BlockModeEncrypt<BlockSize = U16>,
    data: &mut [u8],
) -> Result<(), CryptoError> {
    let (blocks, rest) = data.as_chunks_mut::<16>();
    if !rest.is_empty() {
        return Err(CryptoError);
    }
    for block in blocks {
        cipher.encrypt_block(block.into());
    }
    Ok(())
}

fn decrypt_blocks(
    mut cipher: impl BlockModeDecrypt<BlockSize = U16>,
    data: &mut [u8],
) -> Result<(), CryptoError> {
    let (blocks, rest) = data.as_chunks_mut::<16>();
    if !rest.is_empty() {
        return Err(CryptoError);
    }
    for block in blocks {
        cipher.decrypt_block(block.into());
    }
    Ok(())
}
