//! The two protocols: how a shared secret is derived, and what is done with it.

use alloc::vec::Vec;

use rand_core::CryptoRng;

use crate::{
    crypto::{Aes256CbcNoPadding, CryptoError, Hkdf, hmac_sha256, hmac_sha256_verify, sha256},
    secret::{Secret, SecretBytes},
};

/// Which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinUvAuthProtocol {
    /// 1 (CTAP 2.3 section 6.5.6): one key, a zero IV, 16-byte signatures.
    One,
    /// 2 (CTAP 2.3 section 6.5.7): two keys, a random IV, 32-byte signatures.
    Two,
}

const BLOCK: usize = 16;

impl PinUvAuthProtocol {
    /// The protocol of that number on the wire, if it exists.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }

    /// Its number on the wire.
    pub const fn number(self) -> u64 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// How long the signatures are, in bytes.
    const fn signature_length(self) -> usize {
        match self {
            Self::One => 16,
            Self::Two => 32,
        }
    }

    /// `kdf(Z)`. One: "Return SHA-256(Z)". Two: "Return HKDF-SHA-256(salt = 32 zero bytes, IKM = Z, L = 32,
    /// info = "CTAP2 HMAC key") || HKDF-SHA-256(salt = 32 zero bytes, IKM = Z, L = 32, info = "CTAP2 AES key")".
    pub(super) fn kdf(self, z: &Secret<32>) -> SharedSecret {
        match self {
            Self::One => SharedSecret(Keys::One(Secret::init_with(|key| *key = sha256(z.expose())))),
            Self::Two => {
                let hkdf = Hkdf::extract(&[0; 32], z.expose());
                let (hmac, aes) = (hkdf.expand(&[b"CTAP2 HMAC key"]), hkdf.expand(&[b"CTAP2 AES key"]));
                SharedSecret(Keys::Two { hmac, aes })
            }
        }
    }

    /// `authenticate(key, message)`, where `key` is a pinUvAuthToken or the HMAC key of a shared secret. One: "Return the first 16 bytes of the result of computing HMAC-SHA-256 with the
    /// given key and message." Two: the whole of it.
    pub fn authenticate_with(self, key: &Secret<32>, message: &[&[u8]]) -> Vec<u8> {
        hmac_sha256(key.expose(), message).into_iter().take(self.signature_length()).collect()
    }

    /// `verify(key, message, signature)`, in constant time. A signature of another length than the protocol's is none.
    pub fn verify_with(self, key: &Secret<32>, message: &[&[u8]], signature: &[u8]) -> bool {
        signature.len() == self.signature_length() && hmac_sha256_verify(key.expose(), message, signature)
    }
}

/// What platform and authenticator share after key agreement. It knows its protocol.
pub struct SharedSecret(Keys);

enum Keys {
    /// One key for both purposes.
    One(Secret<32>),
    /// "The HMAC-key portion" and "the AES-key portion".
    Two { hmac: Secret<32>, aes: Secret<32> },
}

impl SharedSecret {
    /// The protocol it was agreed for.
    pub fn protocol(&self) -> PinUvAuthProtocol {
        match self.0 {
            Keys::One(_) => PinUvAuthProtocol::One,
            Keys::Two { .. } => PinUvAuthProtocol::Two,
        }
    }

    /// `encrypt(key, demPlaintext)`: whole blocks of 16 bytes only. Protocol 1 draws nothing and adds nothing;
    /// protocol 2 draws 16 bytes and puts them in front. Refused: a plaintext that is no multiple of 16 bytes.
    pub fn encrypt(&self, plaintext: &[u8], rng: &mut dyn CryptoRng) -> Result<Vec<u8>, CryptoError> {
        if !plaintext.len().is_multiple_of(BLOCK) {
            return Err(CryptoError);
        }
        match &self.0 {
            // One: Return the AES-256-CBC encryption of demPlaintext using an all-zero IV. (No padding is performed as
            //      the size of demPlaintext is required to be a multiple of the AES block length.)
            Keys::One(key) => {
                let mut out = plaintext.to_vec();
                Aes256CbcNoPadding::encrypt(key.expose(), &[0; BLOCK], &mut out)?;
                Ok(out)
            }
            // Two: 1. Discard the first 32 bytes of key. (This selects the AES-key portion of the shared secret.)
            //      2. Let iv be a 16-byte, random bytestring.
            //      3. Let ct be the AES-256-CBC encryption of demPlaintext using key and iv. [No padding, as above.]
            //      4. Return iv || ct.
            Keys::Two { aes, .. } => {
                let mut iv = [0; BLOCK];
                rng.fill_bytes(&mut iv);
                let mut out = [iv.as_slice(), plaintext].concat();
                let (_, ct) = out.split_at_mut_checked(BLOCK).ok_or(CryptoError)?;
                Aes256CbcNoPadding::encrypt(aes.expose(), &iv, ct)?;
                Ok(out)
            }
        }
    }

    /// `decrypt(key, demCiphertext)`. Refused: a length that is no multiple of 16 bytes, and for protocol 2 less than
    /// the 16 of the IV. Any other bytes decrypt to something: authenticate them first.
    pub fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, CryptoError> {
        let (key, iv, ct) = match &self.0 {
            // One: If the size of demCiphertext is not a multiple of the AES block length, return error. Otherwise
            //      return the AES-256-CBC decryption of demCiphertext using an all-zero IV.
            Keys::One(key) => (key, &[0; BLOCK], ciphertext),
            // Two: 1. Discard the first 32 bytes of key. (This selects the AES-key portion of the shared secret.)
            //      2. If demCiphertext is less than 16 bytes in length, return an error.
            //      3. Split demCiphertext after the 16th byte to produce two subspans, iv and ct.
            //      4. Return the AES-256-CBC decryption of ct using key and iv.
            Keys::Two { aes, .. } => {
                let (iv, ct) = ciphertext.split_first_chunk::<BLOCK>().ok_or(CryptoError)?;
                (aes, iv, ct)
            }
        };
        if !ct.len().is_multiple_of(BLOCK) {
            return Err(CryptoError);
        }
        let mut plaintext = ct.to_vec();
        Aes256CbcNoPadding::decrypt(key.expose(), iv, &mut plaintext)?;
        Ok(SecretBytes::new(plaintext))
    }

    /// `authenticate(key, message)` over the concatenation of `message`: 16 bytes for protocol 1, 32 for protocol 2.
    pub fn authenticate(&self, message: &[&[u8]]) -> Vec<u8> {
        self.protocol().authenticate_with(self.hmac_key(), message)
    }

    /// `verify(key, message, signature)` over the concatenation of `message`, in constant time. A signature of another
    /// length than the protocol's is none.
    pub fn verify(&self, message: &[&[u8]], signature: &[u8]) -> bool {
        self.protocol().verify_with(self.hmac_key(), message, signature)
    }

    /// Two: "If key is longer than 32 bytes, discard the excess. (This selects the HMAC-key portion.)"
    fn hmac_key(&self) -> &Secret<32> {
        match &self.0 {
            Keys::One(key) => key,
            Keys::Two { hmac, .. } => hmac,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The protocol 1 vectors give no private keys, and from outside a shared secret is only ever agreed upon.
    #[test]
    fn protocol_one_pin_computations_match_the_vectors() {
        let set: serde_json::Value =
            serde_json::from_str(include_str!("../../vectors/pin_protocols.json")).unwrap();
        let all = set["vectors"].as_array().unwrap();
        let mut seen = 0;
        for vector in all.iter().filter(|vector| vector["pin_protocol"] == 1) {
            let bytes = |name: &str| vector[name].as_str().map(|text| hex::decode(text).unwrap());
            let key = Secret::from_slice(&bytes("shared_secret").unwrap()).unwrap();
            let shared = SharedSecret(Keys::One(key));
            for (plain, encrypted) in [
                ("new_pin_padded", "new_pin_enc"),
                ("pin_hash16", "pin_hash_enc"),
                ("pin_token", "pin_token_enc"),
            ] {
                let (Some(plain), Some(encrypted)) = (bytes(plain), bytes(encrypted)) else { continue };
                assert_eq!(shared.decrypt(&encrypted).unwrap().expose(), plain);
                assert_eq!(shared.encrypt(&plain, &mut NoRng).unwrap(), encrypted);
                seen += 1;
            }
            if let (Some(message), Some(param)) = (bytes("new_pin_enc"), bytes("pin_uv_auth_param")) {
                assert_eq!(shared.authenticate(&[&message]), param);
                assert!(shared.verify(&[&message], &param));
                seen += 1;
            }
        }
        assert_eq!(seen, 4);
    }

    /// Protocol 1 draws nothing.
    struct NoRng;

    impl rand_core::TryRng for NoRng {
        type Error = core::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            panic!("nothing is drawn")
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            panic!("nothing is drawn")
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
            panic!("nothing is drawn")
        }
    }

    impl rand_core::TryCryptoRng for NoRng {}
}
