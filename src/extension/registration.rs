//! All extensions of one registration: what their inputs come to before anybody is asked, what the new credential keeps,
//! and the outputs.

use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::{
    cred_blob, cred_protect, hmac_secret_mc, large_blob, large_blob_key, min_pin_length, outputs::Outputs,
    pin_complexity_policy, pin_rules::PinRules, supported::Supported, third_party_payment,
};
use crate::{
    credential::{CredProtect, ExtensionData},
    ctap2::{HmacSecretInput, LargeBlobKey, MakeCredentialExtensions, Status},
    secret::Secret,
};

/// The extensions of one registration, judged.
#[derive(Debug, Clone)]
pub struct Registration {
    inputs: MakeCredentialExtensions,
    supported: Supported,
    discoverable: bool,
    cred_protect: CredProtect,
    large_blob_key: bool,
    large_blob: bool,
}

impl Registration {
    /// Judges the inputs. Those that are not supported are ignored.
    ///
    /// # Errors
    /// - INVALID_OPTION: credProtect outside 1 to 3; largeBlobKey `false`, or of a credential that is not discoverable.
    /// - MISSING_PARAMETER: hmac-secret-mc without `hmac-secret: true`.
    /// - LARGE_BLOB_STORAGE_FULL: largeBlob is required, of a credential that has no room for one.
    pub fn judge(
        mut inputs: MakeCredentialExtensions,
        supported: Supported,
        discoverable: bool,
    ) -> Result<Self, Status> {
        supported.retain_in_registration(&mut inputs);
        hmac_secret_mc::check(&inputs)?;
        Ok(Self {
            cred_protect: cred_protect::policy(&inputs)?,
            large_blob_key: large_blob_key::is_wanted(&inputs, discoverable)?,
            large_blob: large_blob::registration_output(&inputs, discoverable)?,
            inputs,
            supported,
            discoverable,
        })
    }

    /// The new credential's protection.
    pub fn cred_protect(&self) -> CredProtect {
        self.cred_protect
    }

    /// The salts of hmac-secret-mc, which [`super::evaluate_encrypted`] evaluates.
    pub fn hmac_secret_mc(&self) -> Option<&HmacSecretInput> {
        self.inputs.hmac_secret_mc.as_ref()
    }

    /// Whether the response says that the new credential has room for a large blob.
    pub fn large_blob_supported(&self) -> bool {
        self.large_blob
    }

    /// What the new credential keeps. Draws 32 bytes if it gets a largeBlobKey, else none.
    pub fn make_data(&self, rng: &mut dyn CryptoRng) -> ExtensionData {
        ExtensionData {
            cred_blob: cred_blob::kept(&self.inputs, self.discoverable, self.supported.max_cred_blob_length),
            large_blob_key: self.large_blob_key.then(|| Secret::make_random(rng)),
            third_party_payment: third_party_payment::is_marked(&self.inputs),
            large_blob: None,
        }
    }

    /// The response's largeBlobKey.
    pub fn large_blob_key(&self, data: &ExtensionData) -> Option<LargeBlobKey> {
        data.large_blob_key.as_ref().map(|key| LargeBlobKey(key.clone_secret()))
    }

    /// The outputs in authenticator data: what was asked for and done. A canonical map, or nothing at all, so that the ED
    /// flag is set only if there are outputs.
    pub fn outputs(&self, data: &ExtensionData, rules: &PinRules, hmac_secret_mc: Option<&[u8]>) -> Vec<u8> {
        let inputs = &self.inputs;
        let cred_protect = inputs.cred_protect.map(|_| self.cred_protect.level().into());
        // In canonical order: the shorter name first.
        let mut outputs = Outputs::default();
        outputs.boolean("credBlob", cred_blob::registration_output(inputs, data));
        outputs.unsigned("credProtect", cred_protect);
        outputs.boolean("hmac-secret", inputs.hmac_secret.filter(|wanted| *wanted));
        outputs.unsigned("minPinLength", min_pin_length::output(inputs, rules));
        outputs.bytes("hmac-secret-mc", hmac_secret_mc);
        outputs.boolean("pinComplexityPolicy", pin_complexity_policy::output(inputs, rules));
        outputs.finish()
    }
}
