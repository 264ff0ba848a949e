//! The pinUvAuthToken, its permissions and its timers (CTAP 2.3 sections 6.5.2.1 and 6.5.5.7).

use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::protocol::{PinUvAuthProtocol, SharedSecret};
use crate::{crypto::CryptoError, secret::Secret, time::Moment, webauthn::RpId};

/// "initial usage time limit" of a token, and "user present time limit": 30 seconds, the standard's limit for USB.
const USAGE_LIMIT: u64 = 30_000;
/// "max usage time period": 10 minutes.
const MAX_USAGE: u64 = 600_000;

/// What a pinUvAuthToken is good for: a set of the standard's permissions (CTAP 2.3 section 6.5.5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u8);

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// mc: authenticatorMakeCredential.
    pub const MAKE_CREDENTIAL: Self = Self(0x01);
    /// ga: authenticatorGetAssertion.
    pub const GET_ASSERTION: Self = Self(0x02);
    /// cm: authenticatorCredentialManagement.
    pub const CREDENTIAL_MANAGEMENT: Self = Self(0x04);
    /// be: authenticatorBioEnrollment, which this authenticator does not have.
    pub const BIO_ENROLLMENT: Self = Self(0x08);
    /// lbw: writing with authenticatorLargeBlobs.
    pub const LARGE_BLOB_WRITE: Self = Self(0x10);
    /// acfg: authenticatorConfig.
    pub const AUTHENTICATOR_CONFIG: Self = Self(0x20);
    /// pcmr: reading with authenticatorCredentialManagement, by the persistent token.
    pub const PERSISTENT_READ_ONLY: Self = Self(0x40);

    /// The permissions of those bits. "Undefined permissions present in the permissions parameter are ignored."
    pub fn from_bits(bits: u64) -> Self {
        Self(bits.to_le_bytes()[0] & 0x7F)
    }

    /// Those of either set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are here.
    pub const fn contain(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is here.
    pub const fn touch(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The pinUvAuthToken in use. There is one at a time: making another ends it ("I.e. all existing pinUvAuthTokens are
/// invalidated"). It is good for the protocol that it was given out by.
pub struct PinUvAuthToken {
    value: Secret<32>,
    protocol: PinUvAuthProtocol,
    permissions: Permissions,
    rp_id: Option<RpId>,
    user_verified: bool,
    user_present: bool,
    begun: u64,
    last_used: Option<u64>,
    /// Whether it ends when it was not used for [`USAGE_LIMIT`] ("rolling timer").
    rolling: bool,
}

/// What a new token is given.
pub struct Grant {
    /// What it is good for.
    pub permissions: Permissions,
    /// The relying party that it is bound to; where there is none, the first use binds it.
    pub rp_id: Option<RpId>,
    /// Whether user verification proved presence as well.
    pub user_present: bool,
    /// Whether it ends after 30 seconds without use, as "rolling timer" has it.
    pub rolling: bool,
}

impl PinUvAuthToken {
    /// `resetPinUvAuthToken()` and `beginUsingPinUvAuthToken(userIsPresent)`. Draws 32 bytes.
    pub fn begin(protocol: PinUvAuthProtocol, grant: Grant, now: Moment, rng: &mut dyn CryptoRng) -> Self {
        Self {
            value: Secret::make_random(rng),
            protocol,
            permissions: grant.permissions,
            rp_id: grant.rp_id,
            user_verified: true,
            user_present: grant.user_present,
            begun: now.ticks,
            last_used: None,
            rolling: grant.rolling,
        }
    }

    /// `encrypt(shared secret, pinUvAuthToken)`, as the platform gets it. Draws as [`SharedSecret::encrypt`] does.
    pub fn encrypt(&self, shared: &SharedSecret, rng: &mut dyn CryptoRng) -> Result<Vec<u8>, CryptoError> {
        shared.encrypt(self.value.expose(), rng)
    }

    /// `verify(pinUvAuthToken, message, pinUvAuthParam)`. A use that verifies counts for the timers.
    pub fn verify(
        &mut self,
        protocol: PinUvAuthProtocol,
        message: &[&[u8]],
        pin_uv_auth_param: &[u8],
        now: Moment,
    ) -> bool {
        let verified = protocol == self.protocol
            && now.ticks < self.over_at()
            && protocol.verify_with(&self.value, message, pin_uv_auth_param);
        if verified {
            self.last_used = Some(now.ticks);
        }
        verified
    }

    /// The first tick at which it is over (`pinUvAuthTokenUsageTimerObserver()`).
    pub fn over_at(&self) -> u64 {
        let whole = self.begun.saturating_add(MAX_USAGE);
        match self.last_used {
            None => self.begun.saturating_add(USAGE_LIMIT),
            Some(used) if self.rolling => used.saturating_add(USAGE_LIMIT).min(whole),
            Some(_) => whole,
        }
    }

    /// What it is good for.
    pub fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// The relying party that it is bound to.
    pub fn rp_id(&self) -> Option<&RpId> {
        self.rp_id.as_ref()
    }

    /// Binds it, if nothing did before: "Associate the request's rp.id parameter value with the pinUvAuthToken as its
    /// permissions RP ID".
    pub fn bind(&mut self, rp_id: &RpId) {
        self.rp_id.get_or_insert_with(|| rp_id.clone());
    }

    /// `getUserVerifiedFlagValue()`
    pub fn user_verified(&self) -> bool {
        self.user_verified
    }

    /// `getUserPresentFlagValue()`: false once the user present time limit is reached.
    pub fn user_present(&self, now: Moment) -> bool {
        self.user_present && now.ticks < self.begun.saturating_add(USAGE_LIMIT)
    }

    /// `clearUserPresentFlag()`, `clearUserVerifiedFlag()`, `clearPinUvAuthTokenPermissionsExceptLbw()`: after presence was
    /// spent on an operation.
    pub fn spend(&mut self) {
        self.user_present = false;
        self.user_verified = false;
        self.permissions = Permissions(self.permissions.0 & Permissions::LARGE_BLOB_WRITE.0);
    }
}
