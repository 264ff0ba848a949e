//! The PIN: entry, policy, verifier, tries (CTAP 2.3 sections 6.5.1 and 6.5.2, "PIN Composition Requirements").

use alloc::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{machine::Authenticator, settings::UserVerification};
use crate::{
    crypto::sha256,
    ctap2::Status,
    secret::{Secret, SecretBytes},
};

/// The fewest code points of a PIN.
const MIN_CODE_POINTS: usize = 4;
/// The most bytes of a PIN in UTF-8.
const MAX_BYTES: usize = 63;
/// The most code points of a PIN: as many as there are bytes (CTAP 2.3 section 6.4, maxPINLength).
pub(super) const MAX_CODE_POINTS: u8 = 63;
/// The tries of a new PIN. CTAP allows at most 8.
pub(super) const MAX_TRIES: u8 = 8;
/// After so many wrong entries in a row nothing but a power cycle helps.
const MAX_CONSECUTIVE_FAILURES: u8 = 3;
/// How often in a row the host's verifier may fail before only the PIN helps or, where there is none, a power cycle. CTAP
/// allows at most 25 (section 6.5.2.2, maxUvRetries); biometric sensors of phones and laptops stop at 5.
pub(super) const MAX_UV_FAILURES: u8 = 5;

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

/// A PIN as it was typed, in NFC. Wiped when dropped.
pub struct PinEntry {
    text: SecretBytes,
    hash: Secret<16>,
    /// How long it is, in code points.
    code_points: u8,
}

/// What new PINs have to be, beyond their length (CTAP 2.3 section 6.4, pinComplexityPolicy). Given to
/// [`super::Authenticator::with_pin_policy`].
pub trait PinPolicy: Send + Sync {
    /// Whether a PIN is good enough. It is what a platform sent, or a person typed, in NFC.
    fn accepts(&self, pin: &str) -> bool;

    /// Where people can read what is asked of a PIN, for getInfo's pinComplexityPolicyURL.
    fn url(&self) -> Option<&str> {
        None
    }

    /// Whether it holds from the start; otherwise authenticatorConfig (setMinPINLength) has to turn it on.
    fn is_always_on(&self) -> bool {
        true
    }
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
        if normalised.chars().count() < MIN_CODE_POINTS {
            return Err(PinRefused::TooShort);
        }
        Self::from_text(&normalised).ok_or(PinRefused::TooLong)
    }

    /// Takes the new PIN of a platform, which is UTF-8 and in NFC by the platform's care: 64 bytes, of which trailing zeros
    /// are none of the PIN's. `None`: it is no text, or more than 63 bytes long.
    pub(super) fn from_padded(padded: &[u8; 64]) -> Option<Self> {
        let length = padded.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        Self::from_text(core::str::from_utf8(padded.get(..length)?).ok()?)
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let digest = Zeroizing::new(sha256(text.as_bytes()));
        let hash = Secret::from_slice(digest.first_chunk::<16>()?)?;
        // At most 63 bytes are at most 63 code points.
        let code_points = u8::try_from(text.chars().count()).ok()?;
        Some(Self { text: SecretBytes::new(text.as_bytes().to_vec()), hash, code_points })
    }

    /// LEFT(SHA-256(PIN), 16), which is all that CTAP sends of it later.
    pub(super) fn hash(&self) -> &Secret<16> {
        &self.hash
    }

    /// The same; the text is wiped.
    pub(super) fn into_hash(self) -> Secret<16> {
        self.hash
    }
}

impl Authenticator {
    /// Whether it may be the new PIN: long enough in code points, and good enough for the host's policy.
    pub(super) fn takes_pin(&self, entry: &PinEntry) -> bool {
        let accepted_by = |policy: &Arc<dyn PinPolicy>| {
            core::str::from_utf8(entry.text.expose()).is_ok_and(|text| policy.accepts(text))
        };
        let policy = self.pin_policy.as_ref().filter(|_| self.enforces_pin_policy());
        entry.code_points >= self.min_pin_length() && policy.is_none_or(accepted_by)
    }

    /// Whether new PINs have to fit a policy of the host's.
    pub(super) fn enforces_pin_policy(&self) -> bool {
        self.pin_policy.as_ref().is_some_and(|policy| self.state.pin_complexity || policy.is_always_on())
    }

    /// Whether the PIN can be tried at all: it is set, tries are left, and the last three in a row were not wrong.
    pub(super) fn check_tries(&self) -> Result<(), Status> {
        let pin = self.state.pin.as_ref().ok_or(Status::PinNotSet)?;
        match pin.tries {
            0 => Err(Status::PinBlocked),
            _ if self.needs_power_cycle() => Err(Status::PinAuthBlocked),
            _ => Ok(()),
        }
    }

    /// "3 consecutive mismatches [...] power cycling is needed for further operations"
    pub(super) fn needs_power_cycle(&self) -> bool {
        self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES
    }

    /// uvRetries: the tries of built-in user verification that are left. Where the person enters the PIN on this
    /// authenticator, they are the PIN's.
    pub(super) fn uv_retries(&self) -> u8 {
        match (self.settings.user_verification, &self.state.pin) {
            (UserVerification::Host, _) => MAX_UV_FAILURES.saturating_sub(self.state.uv_failures),
            (UserVerification::Pin, Some(_)) if self.needs_power_cycle() => 0,
            (UserVerification::Pin, Some(pin)) => pin.tries,
            (UserVerification::Pin, None) => MAX_TRIES,
            (UserVerification::None, _) => 0,
        }
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
        let verifier = derive(&entry.hash, cost, &salt)?;
        Some(Self { cost, salt, verifier, tries: MAX_TRIES, code_points: entry.code_points })
    }

    /// Whether it is the PIN. The try must have been counted, and committed, before.
    pub(super) fn accepts(&self, hash: &Secret<16>) -> bool {
        derive(hash, self.cost, &self.salt).is_some_and(|derived| self.verifier.ct_eq(derived.expose()))
    }

    pub(super) fn clone_secret(&self) -> Self {
        Self { verifier: self.verifier.clone_secret(), ..*self }
    }
}

fn derive(hash: &Secret<16>, cost: Argon2Cost, salt: &[u8; 16]) -> Option<Secret<32>> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params()?);
    Secret::try_init_with(|out| argon2.hash_password_into(hash.expose(), salt, out)).ok()
}
