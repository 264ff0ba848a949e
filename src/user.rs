//! Proofs of what a person did. They are zero-sized and cannot be forged: only an accepted answer or a
//! verified pinUvAuthToken creates one, and the UP and UV bits of authenticator data are made from them alone
//! (CTAP 2.3 section 6.1.2 and 6.2.2; WebAuthn section "Authenticator Data").

/// User presence was tested and a person consented.
#[derive(Debug, Clone, Copy)]
pub struct UserPresent(());

/// The user was verified: by a PIN that went through the core, by a token that it was given out for, or by the host's own
/// verifier.
#[derive(Debug, Clone, Copy)]
pub struct UserVerified(());

impl UserPresent {
    /// Called where an accepted answer is taken in, and nowhere else.
    pub(crate) fn from_accepted_answer() -> Self {
        Self(())
    }

    /// Called where a pinUvAuthParam was verified, by a token whose userPresent flag is set.
    pub(crate) fn from_token() -> Self {
        Self(())
    }
}

impl UserVerified {
    /// Called where a verified answer is taken in, and nowhere else.
    pub(crate) fn from_verified_answer() -> Self {
        Self(())
    }

    /// Called where a pinUvAuthParam was verified, by a token whose userVerified flag is set.
    pub(crate) fn from_token() -> Self {
        Self(())
    }
}
