//! What a pinUvAuthParam authorizes: the token in use, checked (CTAP 2.3 sections 6.1.2 step 11.1, 6.2.2 step 6.1, and the
//! first steps of every other command that takes one), or the persistent one.

use super::machine::Authenticator;
use crate::{
    ctap2::{PinUvAuth, Status},
    pin_uv::{Permissions, PinUvAuthProtocol, PinUvAuthToken},
    secret::Secret,
    time::Moment,
    user::{UserPresent, UserVerified},
    webauthn::{ClientDataHash, RpId},
};

/// What the token of a makeCredential or getAssertion proves.
pub(super) struct TokenProof {
    pub(super) verified: UserVerified,
    pub(super) present: Option<UserPresent>,
}

/// Which token authorized a command that may read stored credentials.
pub(super) enum Reader<'a> {
    /// The pinUvAuthToken in use, with permission cm; it may be bound to a relying party.
    Token(&'a mut PinUvAuthToken),
    /// The persistentPinUvAuthToken, which is bound to none.
    Persistent,
}

/// The protocol that a pinUvAuthParam names.
pub(super) fn protocol_of(auth: &PinUvAuth) -> Result<PinUvAuthProtocol, Status> {
    let number = auth.protocol.ok_or(Status::MissingParameter)?;
    PinUvAuthProtocol::from_number(number).ok_or(Status::InvalidParameter)
}

impl Authenticator {
    /// `verify(pinUvAuthToken, message, pinUvAuthParam)`, and the permission. PIN_AUTH_INVALID where either fails, or there
    /// is no token in use; no PIN try is counted.
    pub(super) fn verify_token(
        &mut self,
        auth: &PinUvAuth,
        message: &[&[u8]],
        permission: Permissions,
        now: Moment,
    ) -> Result<&mut PinUvAuthToken, Status> {
        let protocol = protocol_of(auth)?;
        let token = self.token.as_deref_mut().ok_or(Status::PinAuthInvalid)?;
        if token.verify(protocol, message, &auth.param, now) && token.permissions().contain(permission) {
            Ok(token)
        } else {
            Err(Status::PinAuthInvalid)
        }
    }

    /// For the sub-commands of authenticatorCredentialManagement that only read (CTAP 2.3 section 6.8): the
    /// pinUvAuthToken with permission cm, or the persistent one, whose permission is pcmr. PIN_AUTH_INVALID where neither
    /// verifies; no PIN try is counted.
    pub(super) fn verify_token_or_persistent(
        &mut self,
        auth: &PinUvAuth,
        message: &[&[u8]],
        now: Moment,
    ) -> Result<Reader<'_>, Status> {
        let protocol = protocol_of(auth)?;
        if self.persistent_token().is_some_and(|token| protocol.verify_with(token, message, &auth.param)) {
            return Ok(Reader::Persistent);
        }
        self.verify_token(auth, message, Permissions::CREDENTIAL_MANAGEMENT, now).map(Reader::Token)
    }

    /// The persistentPinUvAuthToken, where there is one and its use is not turned off.
    pub(super) fn persistent_token(&self) -> Option<&Secret<32>> {
        self.state.persistent_token.as_ref().filter(|_| self.settings.persistent_read_only)
    }

    /// For makeCredential and getAssertion: the token is theirs, for this relying party, and its user was verified. All
    /// failures are one: PIN_AUTH_INVALID.
    pub(super) fn prove_by_token(
        &mut self,
        auth: &PinUvAuth,
        client_data_hash: &ClientDataHash,
        permission: Permissions,
        rp_id: &RpId,
        now: Moment,
    ) -> Result<TokenProof, Status> {
        let token = self.verify_token(auth, &[&client_data_hash.0], permission, now)?;
        // "If the permissions RP ID does not match the rp.id in this request"
        if token.rp_id().is_some_and(|bound| bound != rp_id) || !token.user_verified() {
            return Err(Status::PinAuthInvalid);
        }
        token.bind(rp_id);
        let present = token.user_present(now).then(UserPresent::from_token);
        Ok(TokenProof { verified: UserVerified::from_token(), present })
    }

    /// After presence was spent on an operation, whether or not a token authorized it: "Call clearUserPresentFlag(),
    /// clearUserVerifiedFlag(), and clearPinUvAuthTokenPermissionsExceptLbw()."
    pub(super) fn spend_token(&mut self) {
        if let Some(token) = &mut self.token {
            token.spend();
        }
    }
}
