//! The PIN: entry, verifier, tries (CTAP 2.3 sections 6.5.1 and 6.5.2, "PIN Composition Requirements").

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::{crypto::sha256, secret::Secret};

/// The fewest code points of a PIN.
const MIN_CODE_POINTS: usize = 4;
/// The most bytes of a PIN in UTF-8.
const MAX_BYTES: usize = 63;
/// The most code points of a PIN: as many as there are bytes (CTAP 2.3 section 6.4, maxPINLength).
pub(super) const MAX_CODE_POINTS: u8 = 63;
/// The tries of a new PIN. CTAP allows at most 8.
pub(super) const MAX_TRIES: u8 = 8;
/// After so many wrong entries in a row nothing but a power cycle helps.
pub(super) const MAX_CONSECUTIVE_FAILURES: u8 = 3;

/// What Argon2id (RFC 9106) costs per PIN try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Argon2Cost {
    /// For machines with memory to spare: 64 MiB, 3 passes, 4 lanes (the second recommendation of RFC 9106 section 4).
    pub const HOST: Self = Self { memory: 65_536, passes: 3, lanes: 4 };
    /// For bare metal: 32 KiB, 3 passes, 1 lane. A stolen store then gives its PIN away quickly; say so to users.
    pub const BARE_METAL: Self = Self { memory: 32, passes: 3, lanes: 1 };

    /// At most 1 GiB, 16 passes, 16 lanes, and what RFC 9106 allows.
    pub(super) fn is_valid(self) -> bool {
        self.memory <= 1_048_576 && self.passes <= 16 && self.lanes <= 16 && self.params().is_some()
    }

    fn params(self) -> Option<Params> {
        Params::new(self.memory, self.passes, self.lanes, Some(32)).ok()
    }
}

/// A PIN as CTAP sends it: LEFT(SHA-256(PIN), 16) of its NFC form. The PIN itself is not kept.
pub struct PinEntry {
    hash: Secret<16>,
    /// How long it is, in code points.
    code_points: u8,
}

/// A text is no PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinRefused {
    /// Fewer than 4 code points.
    TooShort,
    /// More than 63 bytes in UTF-8.
    TooLong,
}

impl core::fmt::Display for PinRefused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TooShort => "a PIN has at least 4 characters",
            Self::TooLong => "a PIN has at most 63 bytes",
        })
    }
}

impl core::error::Error for PinRefused {}

impl PinEntry {
    /// Takes what a person typed. Its length is judged as that of a new PIN: whatever is outside could never have been
    /// set and is refused without costing a try.
    pub fn new(pin: &str) -> Result<Self, PinRefused> {
        let normalised: Zeroizing<alloc::string::String> = Zeroizing::new(pin.nfc().collect());
        let code_points = normalised.chars().count();
        if code_points < MIN_CODE_POINTS {
            return Err(PinRefused::TooShort);
        }
        if normalised.len() > MAX_BYTES {
            return Err(PinRefused::TooLong);
        }
        let digest = Zeroizing::new(sha256(normalised.as_bytes()));
        let hash = digest.first_chunk::<16>().ok_or(PinRefused::TooShort)?;
        // At most 63 bytes are at most 63 code points.
        let code_points = u8::try_from(code_points).map_err(|_| PinRefused::TooLong)?;
        Ok(Self { hash: Secret::init_with(|out| out.copy_from_slice(hash)), code_points })
    }
}

/// What is kept of a PIN: Argon2id over its hash, and the tries that are left.
pub(super) struct PinVerifier {
    pub(super) cost: Argon2Cost,
    pub(super) salt: [u8; 16],
    pub(super) verifier: Secret<32>,
    pub(super) tries: u8,
    /// PINCodePointLength: how long the PIN is; 0 where an older state did not say.
    pub(super) code_points: u8,
}

impl PinVerifier {
    /// Draws 16 bytes (the salt).
    pub(super) fn make(entry: &PinEntry, cost: Argon2Cost, rng: &mut dyn CryptoRng) -> Option<Self> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let verifier = derive(entry, cost, &salt)?;
        Some(Self { cost, salt, verifier, tries: MAX_TRIES, code_points: entry.code_points })
    }

    /// Whether it is the PIN. The try must have been counted, and committed, before.
    pub(super) fn accepts(&self, entry: &PinEntry) -> bool {
        derive(entry, self.cost, &self.salt).is_some_and(|derived| self.verifier.ct_eq(derived.expose()))
    }

    pub(super) fn clone_secret(&self) -> Self {
        Self { verifier: self.verifier.clone_secret(), ..*self }
    }
}

fn derive(entry: &PinEntry, cost: Argon2Cost, salt: &[u8; 16]) -> Option<Secret<32>> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params()?);
    Secret::try_init_with(|out| argon2.hash_password_into(entry.hash.expose(), salt, out)).ok()
}
