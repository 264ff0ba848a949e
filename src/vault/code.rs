//! Recovery codes (vault-format.md, "Slot key derivation"): 160 random bits as a person writes them down.

use alloc::string::String;
use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{ids::VaultId, keys::label, symbols};
use crate::{crypto::sha256_parts, secret::Secret};

const PREFIX: &str = "CS1";
const CODE_SYMBOLS: usize = 32;
const CHECK_SYMBOLS: usize = 2;

/// A recovery code, or the code of a contact: 20 random bytes.
pub struct RecoveryCode(Secret<20>);

/// Why a text is no recovery code of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeError {
    /// A character that no code has, a missing `CS1`, or too few or too many characters.
    NotACode,
    /// The check symbols do not fit. It cannot be told which of the two it is, nor where.
    MistypedOrOtherVault,
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotACode => "this is not a recovery code (CS1-, then 34 letters and digits)",
            Self::MistypedOrOtherVault => "the recovery code was mistyped, or belongs to another vault",
        })
    }
}

impl core::error::Error for CodeError {}

impl RecoveryCode {
    /// A new code; draws 20 bytes.
    pub fn make(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::make_random(rng))
    }

    /// Reads a code as a person types it: case, spaces and hyphens do not matter, `i` and `l` are 1, `o` is 0.
    pub fn parse(text: &str, vault: &VaultId) -> Result<Self, CodeError> {
        let symbols =
            symbols::read::<{ CODE_SYMBOLS + CHECK_SYMBOLS }>(PREFIX, text).ok_or(CodeError::NotACode)?;
        let (code_symbols, check) =
            symbols.expose().split_at_checked(CODE_SYMBOLS).ok_or(CodeError::NotACode)?;
        let code = Self(Secret::init_with(|bytes| symbols::join(code_symbols, bytes)));
        if bool::from(code.check_symbols(vault).as_slice().ct_eq(check)) {
            Ok(code)
        } else {
            Err(CodeError::MistypedOrOtherVault)
        }
    }

    /// The text to show once: `CS1-`, 32 symbols in groups of 4, `-`, 2 check symbols.
    pub fn to_text(&self, vault: &VaultId) -> Zeroizing<String> {
        let symbols: Secret<CODE_SYMBOLS> =
            Secret::init_with(|symbols| symbols::spell(self.0.expose(), symbols));
        symbols::write(PREFIX, symbols.expose().iter().chain(&self.check_symbols(vault)))
    }

    /// The 20 bytes.
    pub(super) fn secret(&self) -> &Secret<20> {
        &self.0
    }

    /// The first 10 bits of h(L("code") || vault_id\[0..4] || code).
    fn check_symbols(&self, vault: &VaultId) -> [u8; CHECK_SYMBOLS] {
        let [a, b, c, d, ..] = vault.0;
        let hash = sha256_parts(&[&label("code"), &[a, b, c, d], self.0.expose()]);
        let [first, second, ..] = hash;
        let bits = u64::from(u16::from_be_bytes([first, second]) >> 6);
        [symbols::low_symbol(bits >> 5), symbols::low_symbol(bits)]
    }
}
