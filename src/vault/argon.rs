//! Argon2id (RFC 9106) of what people remember (vault-format.md, "Argon2id").

use alloc::{string::String, vec::Vec};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use rand_core::CryptoRng;
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

use super::{error::VaultError, slot::Argon, slots::PassphraseCost};
use crate::secret::Secret;

const MAX_TEXT: usize = 1024;
const MAX_WORK: u64 = 4_194_304;

impl Argon {
    /// The parameters of a new slot, whose text is checked beforehand: one that no slot can ever be opened with is the
    /// caller's fault. Draws the salt (16).
    pub(super) fn make(
        text: &str,
        cost: PassphraseCost,
        ceiling_kib: Option<u64>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, VaultError> {
        normalize(text).map_err(|_| VaultError::InvalidInput("a passphrase or PIN of 1 to 1024 bytes"))?;
        let PassphraseCost { memory_kib, passes, lanes } = cost;
        let mut argon = Self { memory_kib, passes, lanes, salt: [0; 16] };
        argon.check(ceiling_kib)?;
        rng.fill_bytes(&mut argon.salt);
        Ok(argon)
    }

    /// Refuses parameters outside the format's bounds, and those above what the host affords.
    pub(super) fn check(&self, ceiling_kib: Option<u64>) -> Result<(), VaultError> {
        let within = (19_456..=1_048_576).contains(&self.memory_kib)
            && (2..=16).contains(&self.passes)
            && (1..=16).contains(&self.lanes)
            && self.memory_kib.saturating_mul(self.passes) <= MAX_WORK;
        if !within {
            return Err(VaultError::PolicyViolation("Argon2 parameters out of bounds"));
        }
        if ceiling_kib.is_some_and(|ceiling| self.memory_kib > ceiling) {
            return Err(VaultError::Unsupported("Argon2 wants more memory than this host gives"));
        }
        Ok(())
    }

    /// Argon2id v1.3 of a text, 32 bytes. The parameters are checked before anything is allocated.
    pub(super) fn hash(&self, text: &str, ceiling_kib: Option<u64>) -> Result<Secret<32>, VaultError> {
        self.check(ceiling_kib)?;
        let text = normalize(text)?;
        let number = |value: u64| u32::try_from(value).map_err(|_| refused());
        let params =
            Params::new(number(self.memory_kib)?, number(self.passes)?, number(self.lanes)?, Some(32));
        let params = params.map_err(|_| refused())?;
        let mut memory: Vec<Block> = Vec::new();
        memory
            .try_reserve_exact(params.block_count())
            .map_err(|_| VaultError::Unsupported("Argon2 wants more memory than there is"))?;
        memory.resize(params.block_count(), Block::default());
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = Secret::try_init_with(|out| {
            argon.hash_password_into_with_memory(text.as_bytes(), &self.salt, out, &mut memory)
        });
        memory.iter_mut().for_each(Zeroize::zeroize);
        hash.map_err(|_| refused())
    }
}

fn refused() -> VaultError {
    VaultError::PolicyViolation("Argon2 parameters out of bounds")
}

/// The NFC form, untrimmed, 1 to 1024 bytes; no other text ever opens a slot.
fn normalize(text: &str) -> Result<Zeroizing<String>, VaultError> {
    // Room for all of it, so that growing leaves no copy behind.
    let mut normal = Zeroizing::new(String::with_capacity(MAX_TEXT.saturating_add(4)));
    for character in text.nfc() {
        normal.push(character);
        if normal.len() > MAX_TEXT {
            return Err(VaultError::WrongSecret);
        }
    }
    if normal.is_empty() { Err(VaultError::WrongSecret) } else { Ok(normal) }
}
