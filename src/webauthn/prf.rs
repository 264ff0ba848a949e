//! PRF inputs and outputs (WebAuthn section "Pseudo-random function extension (prf)").

use alloc::vec::Vec;

use super::{authenticator_data::AuthenticatorDataView, id::CredentialId};
use crate::{crypto::sha256_parts, secret::Secret};

/// What `hmac-secret` is evaluated on: SHA-256("WebAuthn PRF" || 00 || input). No byte parser builds it: it comes from a
/// WebAuthn client of ours, whose origin was checked, or from nowhere.
pub struct PrfSalt([u8; 32]);

impl PrfSalt {
    /// Applies the WebAuthn salt hashing to an input of `prf.eval`.
    pub fn from_input(input: &[u8]) -> Self {
        Self(sha256_parts(&[b"WebAuthn PRF\0", input]))
    }

    /// The 32 bytes that `hmac-secret` takes as a salt.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// One or two salts, evaluated with the same credential.
pub struct PrfSalts {
    /// `first`.
    pub first: PrfSalt,
    /// `second`.
    pub second: Option<PrfSalt>,
}

/// The PRF inputs of one ceremony.
#[derive(Default)]
pub struct PrfInputs {
    /// `eval`: for whichever credential answers.
    pub eval: Option<PrfSalts>,
    /// `evalByCredential`: for the named credentials, before `eval`.
    pub eval_by_credential: Vec<(CredentialId, PrfSalts)>,
}

impl PrfInputs {
    /// The salts for one credential (WebAuthn: `evalByCredential` first, then `eval`).
    pub fn for_credential(&self, id: &CredentialId) -> Option<&PrfSalts> {
        let named = self.eval_by_credential.iter().find(|(named, _)| named == id);
        named.map(|(_, salts)| salts).or(self.eval.as_ref())
    }
}

/// One or two PRF results.
pub struct PrfOutputs {
    /// `results.first`.
    pub first: Secret<32>,
    /// `results.second`.
    pub second: Option<Secret<32>>,
}

/// A PRF output that was made with user verification: the only kind that opens a vault. Most credential managers
/// get the value from a browser, hence a type with a check instead of a promise.
pub struct UvPrfOutput(Secret<32>);

/// Why a value is no [`UvPrfOutput`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrfRefused {
    /// The authenticator data could not be read.
    MalformedAuthenticatorData,
    /// The UV bit is not set: such an output comes from another secret.
    NotUserVerified,
    /// No bytes: the browser or the authenticator has no PRF.
    Empty,
    /// Not 32 bytes.
    WrongLength,
    /// All bytes are zero: no output, but an empty buffer.
    AllZero,
}

impl core::fmt::Display for PrfRefused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::MalformedAuthenticatorData => "the authenticator data could not be read",
            Self::NotUserVerified => "the assertion was made without user verification",
            Self::Empty => "the PRF output is empty: browser or authenticator does not support PRF",
            Self::WrongLength => "the PRF output is not 32 bytes",
            Self::AllZero => "the PRF output is all zero",
        })
    }
}

impl core::error::Error for PrfRefused {}

impl UvPrfOutput {
    /// Takes the `results.first` (or `.second`) that an assertion delivered, and the assertion's authenticator data
    /// as proof of user verification.
    pub fn from_assertion(authenticator_data: &[u8], output: &[u8]) -> Result<Self, PrfRefused> {
        let view =
            AuthenticatorDataView::parse(authenticator_data).ok_or(PrfRefused::MalformedAuthenticatorData)?;
        if !view.flags.user_verified() {
            return Err(PrfRefused::NotUserVerified);
        }
        if output.is_empty() {
            return Err(PrfRefused::Empty);
        }
        let output = Secret::<32>::from_slice(output).ok_or(PrfRefused::WrongLength)?;
        if output.ct_eq(&[0; 32]) {
            return Err(PrfRefused::AllZero);
        }
        Ok(Self(output))
    }

    /// The 32 bytes.
    pub fn secret(&self) -> &Secret<32> {
        &self.0
    }
}
