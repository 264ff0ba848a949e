//! What the extensions have to know of settings, state and messages.

use super::{machine::Authenticator, settings::LargeBlobs};
use crate::{
    credential::CredentialRecord,
    ctap2::{GetAssertionResponse, Response},
    extension::{LargeBlobTerms, PinRules, Supported},
    user::UserPresent,
    webauthn::RpId,
};

/// What stands around a large blob in a response: the heads of its maps and strings, and its size.
const AROUND_LARGE_BLOB: usize = 64;
/// What another assertion of a credential may have to say that this one did not, beside names and credBlob: the outputs
/// of hmac-secret, the heads of members, a longer counter.
const OTHER_OUTPUTS: usize = 256;

impl Authenticator {
    /// Which extensions there are: the one source of getInfo's list and of what is done.
    pub(super) fn extensions(&self) -> Supported {
        let settings = &self.settings;
        // Nobody could be told before setMinPINLength said who may be.
        let tells_pin_rules = settings.authenticator_config
            && settings.client_pin
            && settings.max_rp_ids_for_set_min_pin_length > 0;
        Supported {
            max_cred_blob_length: settings.max_cred_blob_length,
            large_blob_key: matches!(settings.large_blobs, LargeBlobs::Array { .. }),
            large_blob: match settings.large_blobs {
                LargeBlobs::PerCredential { max_bytes } => Some(max_bytes),
                LargeBlobs::None | LargeBlobs::Array { .. } => None,
            },
            min_pin_length: tells_pin_rules,
            pin_complexity_policy: tells_pin_rules && self.pin_policy.is_some(),
        }
    }

    /// What a relying party may learn of the rules for PINs.
    pub(super) fn pin_rules(&self, rp_id: &RpId) -> PinRules {
        PinRules {
            may_be_told: self.state.min_pin_length_rp_ids.contains(rp_id),
            min_length: self.min_pin_length(),
            complexity: self.enforces_pin_policy(),
        }
    }

    /// How long a large blob may be with this assertion of `record`, whose response is complete but for the blob.
    pub(super) fn large_blob_terms(
        &self,
        named: bool,
        present: Option<UserPresent>,
        record: &CredentialRecord,
        response: &GetAssertionResponse,
    ) -> LargeBlobTerms {
        let said = Response::GetAssertion(response.clone()).encode().len().saturating_add(AROUND_LARGE_BLOB);
        let room = self.settings.max_msg_size.saturating_sub(said);
        // What is written has to be read again in one message, with whatever else is said then.
        let user = &record.credential.user;
        let names = [&user.name, &user.display_name].into_iter().flatten().map(|name| name.len());
        let cred_blob = record.extensions.cred_blob.as_ref().map(|blob| blob.expose().len());
        let more = names.chain(cred_blob).fold(OTHER_OUTPUTS, usize::saturating_add);
        let longest = self.extensions().large_blob.unwrap_or(0).min(room.saturating_sub(more));
        LargeBlobTerms { named, present, longest, room }
    }
}
