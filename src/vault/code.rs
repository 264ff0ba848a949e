//! Recovery codes (vault-format.md, "Slot key derivation"): 160 random bits as a person writes them down.

use alloc::string::String;
use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{ids::VaultId, keys::label};
use crate::{crypto::sha256_parts, secret::Secret};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const PREFIX: [u8; 3] = *b"CS1";
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
        let symbols = read_symbols(text)?;
        let (code_symbols, check) = symbols.split_at_checked(CODE_SYMBOLS).ok_or(CodeError::NotACode)?;
        let code = Self(Secret::init_with(|bytes| join_symbols(code_symbols, bytes)));
        if bool::from(code.check_symbols(vault).as_slice().ct_eq(check)) {
            Ok(code)
        } else {
            Err(CodeError::MistypedOrOtherVault)
        }
    }

    /// The text to show once: `CS1-`, 32 symbols in groups of 4, `-`, 2 check symbols.
    pub fn to_text(&self, vault: &VaultId) -> Zeroizing<String> {
        // Room for all of it, so that growing leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(64));
        text.push_str("CS1");
        for (index, value) in self.symbols().iter().chain(&self.check_symbols(vault)).enumerate() {
            if index.is_multiple_of(4) {
                text.push('-');
            }
            text.push(char::from(ALPHABET.get(usize::from(*value)).copied().unwrap_or(b'0')));
        }
        text
    }

    /// The 20 bytes.
    pub(super) fn secret(&self) -> &Secret<20> {
        &self.0
    }

    /// Five bits per symbol, big endian: 5 bytes are 8 symbols.
    fn symbols(&self) -> Zeroizing<[u8; CODE_SYMBOLS]> {
        let mut symbols = Zeroizing::new([0; CODE_SYMBOLS]);
        let (bytes, _) = self.0.expose().as_chunks::<5>();
        let (groups, _) = symbols.as_chunks_mut::<8>();
        for (five, eight) in bytes.iter().zip(groups) {
            let mut bits = five.iter().fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
            for symbol in eight.iter_mut().rev() {
                *symbol = low_symbol(bits);
                bits >>= 5;
            }
        }
        symbols
    }

    /// The first 10 bits of h(L("code") || vault_id\[0..4] || code).
    fn check_symbols(&self, vault: &VaultId) -> [u8; CHECK_SYMBOLS] {
        let [a, b, c, d, ..] = vault.0;
        let hash = sha256_parts(&[&label("code"), &[a, b, c, d], self.0.expose()]);
        let [first, second, ..] = hash;
        let bits = u64::from(u16::from_be_bytes([first, second]) >> 6);
        [low_symbol(bits >> 5), low_symbol(bits)]
    }
}

/// The lowest five bits.
fn low_symbol(bits: u64) -> u8 {
    bits.to_le_bytes().first().copied().unwrap_or(0) & 0x1f
}

/// The values of the 34 symbols after `CS1`. The prefix is compared as typed, before `O` and `I` are read as digits.
fn read_symbols(text: &str) -> Result<Zeroizing<[u8; CODE_SYMBOLS + CHECK_SYMBOLS]>, CodeError> {
    let mut characters = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-');
    for expected in PREFIX {
        let typed = characters.next().ok_or(CodeError::NotACode)?;
        if symbol(typed)? != symbol(expected)? {
            return Err(CodeError::NotACode);
        }
    }
    let mut symbols = Zeroizing::new([0; CODE_SYMBOLS + CHECK_SYMBOLS]);
    for target in symbols.iter_mut() {
        *target = symbol(characters.next().ok_or(CodeError::NotACode)?)?;
    }
    if characters.next().is_some() {
        return Err(CodeError::NotACode);
    }
    Ok(symbols)
}

/// The value of a symbol, by comparing with the whole alphabet: which one it is does not show in the time taken.
fn symbol(typed: u8) -> Result<u8, CodeError> {
    let upper = match typed.to_ascii_uppercase() {
        b'I' | b'L' => b'1',
        b'O' => b'0',
        other => other,
    };
    let mut value = 0xff;
    for (candidate, index) in ALPHABET.iter().zip(0u8..) {
        if *candidate == upper {
            value = index;
        }
    }
    if value == 0xff { Err(CodeError::NotACode) } else { Ok(value) }
}

fn join_symbols(symbols: &[u8], bytes: &mut [u8; 20]) {
    let (groups, _) = symbols.as_chunks::<8>();
    let (fives, _) = bytes.as_chunks_mut::<5>();
    for (eight, five) in groups.iter().zip(fives) {
        let bits = eight.iter().fold(0u64, |bits, value| (bits << 5) | u64::from(*value));
        let [_, _, _, rest @ ..] = bits.to_be_bytes();
        five.copy_from_slice(&rest);
    }
}
