//! authenticatorGetInfo (CTAP 2.3 section 6.4), computed from settings and state; nothing is advertised that does not
//! work. What decides whether a thing works is asked here as it is asked where it is done.
//!
//! | member | what it says |
//! |---|---|
//! | 0x01 versions | `FIDO_2_0`; `FIDO_2_1` and `FIDO_2_3` with credential management and tokens, which they demand; `FIDO_2_1_PRE` with the preview of credential management; `U2F_V2` with feature `u2f`, a certificate, device-bound credentials and no alwaysUv; never `FIDO_2_2`, which does not exist |
//! | 0x02 extensions | those that work; `largeBlobKey` or `largeBlob`, never both |
//! | 0x03 aaguid, 0x05 maxMsgSize, 0x07 maxCredentialCountInList, 0x08 maxCredentialIdLength, 0x09 transports, 0x0E firmwareVersion, 0x0F maxCredBlobLength | as set |
//! | 0x04 options | in canonical order; those that are absent do not exist here |
//! | 0x06 pinUvAuthProtocols | 2, 1 |
//! | 0x0A algorithms | those that are advertised, which may be fewer than can be negotiated |
//! | 0x0B maxSerializedLargeBlobArray | with authenticatorLargeBlobs |
//! | 0x0C forcePINChange | with clientPin |
//! | 0x0D minPINLength, 0x1D maxPINLength | with clientPin, or where the PIN is entered on the authenticator |
//! | 0x10 maxRPIDsForSetMinPINLength | with the extension minPinLength |
//! | 0x11 preferredPlatformUvAttempts | 3, where the host verifies users |
//! | 0x12 uvModality | with built-in user verification: passcode, or what the host says of its own |
//! | 0x16 attestationFormats | those beside `none`, which is not listed |
//! | 0x18 longTouchForReset | where authenticatorConfig can enable it |
//! | 0x19 encIdentifier, 0x1E encCredStoreState | as soon as a persistent token was given out: only its holders can read them |
//! | 0x1A transportsForReset | all transports, unless there is no reset |
//! | 0x1B pinComplexityPolicy, 0x1C pinComplexityPolicyURL | with a policy of the host's |
//! | 0x1F authenticatorConfigCommands | with authenticatorConfig |
//!
//! Always absent: 0x13 certifications (there are none), 0x14 remainingDiscoverableCredentials (getInfo is answered without
//! asking the store, even while that is locked; getCredsMetadata tells), 0x15 vendorPrototypeConfigCommands (there are none,
//! and so no 0xFF among the commands of 0x1F), 0x17 uvCountSinceLastPinEntry (it would cost a commit for each use of the
//! host's verifier).

use alloc::{borrow::ToOwned, boxed::Box, vec, vec::Vec};

use rand_core::CryptoRng;

use super::{
    machine::Authenticator,
    pin::MAX_CODE_POINTS,
    settings::{LargeBlobs, ResetPolicy, Settings, UserVerification},
    step::Step,
};
use crate::{
    cose::CoseAlgorithm,
    crypto::{Aes128CbcNoPadding, Hkdf},
    ctap2::{GetInfoResponse, Response},
    pin_uv::PinUvAuthProtocol,
    secret::Secret,
    webauthn::{AuthenticatorAttachment, CredentialId, Transport},
};

/// How often a platform may try built-in user verification before it falls back to the PIN.
const PLATFORM_UV_ATTEMPTS: u64 = 3;

/// FIDO Registry section 3.1.
const USER_VERIFY_PASSCODE_INTERNAL: u64 = 0x04;

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What can be said without randomness: all but encIdentifier and encCredStoreState.
pub(super) fn response(authenticator: &Authenticator) -> GetInfoResponse {
    let settings = &authenticator.settings;
    let state = &authenticator.state;
    let blob_array = match settings.large_blobs {
        LargeBlobs::Array { max_bytes } => Some(number(max_bytes)),
        LargeBlobs::None | LargeBlobs::PerCredential { .. } => None,
    };
    let policy = authenticator.pin_policy.as_ref();
    let has_pin_input = settings.client_pin || settings.user_verification == UserVerification::Pin;
    GetInfoResponse {
        versions: versions(authenticator),
        extensions: authenticator.extensions().names(),
        aaguid: settings.aaguid,
        options: options(authenticator),
        max_msg_size: number(settings.max_msg_size),
        pin_uv_auth_protocols: vec![PinUvAuthProtocol::Two.number(), PinUvAuthProtocol::One.number()],
        max_credential_count_in_list: Some(number(settings.max_credential_count_in_list)),
        max_credential_id_length: Some(number(CredentialId::MAX_LENGTH)),
        transports: settings.transports.iter().copied().map(Transport::name).collect(),
        algorithms: settings.advertised_algorithms.iter().copied().map(CoseAlgorithm::identifier).collect(),
        max_serialized_large_blob_array: blob_array,
        force_pin_change: settings.client_pin.then_some(state.force_pin_change),
        min_pin_length: has_pin_input.then(|| authenticator.min_pin_length().into()),
        firmware_version: settings.firmware_version,
        max_cred_blob_length: Some(number(settings.max_cred_blob_length)),
        max_rp_ids_for_set_min_pin_length: authenticator
            .extensions()
            .min_pin_length
            .then(|| number(settings.max_rp_ids_for_set_min_pin_length)),
        // A platform may ask again after the host's verifier failed; where the person enters the PIN here, we ask again.
        preferred_platform_uv_attempts: (settings.user_verification == UserVerification::Host)
            .then_some(PLATFORM_UV_ATTEMPTS),
        uv_modality: uv_modality(settings),
        remaining_discoverable_credentials: None,
        attestation_formats: authenticator.attesters.formats(settings.attestation),
        uv_count_since_last_pin_entry: None,
        long_touch_for_reset: (settings.authenticator_config && settings.reset != ResetPolicy::Off)
            .then_some(state.long_touch_for_reset),
        enc_identifier: None,
        transports_for_reset: transports_for_reset(settings),
        pin_complexity_policy: policy.map(|_| authenticator.enforces_pin_policy()),
        pin_complexity_policy_url: policy.and_then(|policy| policy.url()).map(ToOwned::to_owned),
        max_pin_length: has_pin_input.then_some(MAX_CODE_POINTS.into()),
        enc_cred_store_state: None,
        authenticator_config_commands: settings.authenticator_config.then(|| config_commands(authenticator)),
    }
}

impl Authenticator {
    /// With what only holders of the persistent token can read.
    pub(super) fn get_info(&self, rng: &mut dyn CryptoRng) -> Step {
        let mut response = response(self);
        if let (Some(token), Some(identity)) = (self.persistent_token(), &self.state.identity) {
            let derive = Hkdf::extract(&[], identity.expose());
            let identifier: Secret<16> = derive.expand(&[b"device identifier"]);
            let changes = self.state.store_changes.to_be_bytes();
            let store_state: Secret<16> = derive.expand(&[b"credential store state", &changes]);
            response.enc_identifier = encrypt(token, b"encIdentifier", &identifier, rng);
            response.enc_cred_store_state = encrypt(token, b"encCredStoreState", &store_state, rng);
        }
        Step::respond(Response::GetInfo(Box::new(response)))
    }
}

/// `IV || AES-128-CBC(key, plaintext)`, where the key is HKDF-SHA-256(salt = 32 zero bytes, IKM = the persistent token, info,
/// L = 16). Draws the IV.
fn encrypt(
    token: &Secret<32>,
    info: &[u8],
    plaintext: &Secret<16>,
    rng: &mut dyn CryptoRng,
) -> Option<[u8; 32]> {
    let key: Secret<16> = Hkdf::extract(&[0; 32], token.expose()).expand(&[info]);
    let mut encrypted = [0; 32];
    let (iv, block) = encrypted.split_first_chunk_mut::<16>()?;
    rng.fill_bytes(iv);
    block.copy_from_slice(plaintext.expose());
    Aes128CbcNoPadding::encrypt(key.expose(), iv, block).ok()?;
    Some(encrypted)
}

/// By what built-in user verification verifies.
fn uv_modality(settings: &Settings) -> Option<u64> {
    match settings.user_verification {
        UserVerification::None => None,
        UserVerification::Pin => Some(USER_VERIFY_PASSCODE_INTERNAL),
        UserVerification::Host => settings.host_uv_modality.map(Into::into),
    }
}

/// The core does not know by which transport a command came: a reset is possible by all of them or not at all.
fn transports_for_reset(settings: &Settings) -> Vec<&'static str> {
    match settings.reset {
        ResetPolicy::Off => Vec::new(),
        ResetPolicy::Window(_) => settings.transports.iter().copied().map(Transport::name).collect(),
    }
}

/// 2.1 and 2.3 demand credential management, and pinUvAuthTokens by whatever verifies users.
fn versions(authenticator: &Authenticator) -> Vec<&'static str> {
    let settings = &authenticator.settings;
    let mut versions = vec!["FIDO_2_0"];
    if settings.credential_management && authenticator.gives_tokens() {
        versions.extend(["FIDO_2_1", "FIDO_2_3"]);
    }
    // Section 6.14: the preview belongs to that version, and platforms look for both.
    if settings.credential_management_preview {
        versions.push("FIDO_2_1_PRE");
    }
    #[cfg(feature = "u2f")]
    versions.extend(authenticator.offers_u2f().then_some(crate::ctap1::VERSION));
    versions
}

fn options(authenticator: &Authenticator) -> Vec<(&'static str, bool)> {
    let settings = &authenticator.settings;
    let always_uv = authenticator.always_uv();
    let mut options =
        vec![("rk", true), ("up", true), ("plat", settings.attachment == AuthenticatorAttachment::Platform)];
    // Absent: not supported. False: supported and not configured. True: configured.
    if settings.user_verification != UserVerification::None {
        options.push(("uv", authenticator.verifies_users()));
    }
    if settings.client_pin {
        options.push(("clientPin", authenticator.has_pin()));
    }
    if settings.client_pin && settings.no_mc_ga_permissions_with_client_pin {
        options.push(("noMcGaPermissionsWithClientPin", true));
    }
    if authenticator.attesters.is_enterprise_capable() {
        options.push(("ep", authenticator.state.enterprise_attestation));
    }
    if settings.authenticator_config || always_uv {
        options.push(("alwaysUv", always_uv));
    }
    if settings.make_cred_uv_not_required {
        options.push(("makeCredUvNotRqd", !always_uv));
    }
    let supported = [
        ("pinUvAuthToken", authenticator.gives_tokens()),
        ("uvAcfg", authenticator.has_uv_config()),
        ("credMgmt", settings.credential_management),
        ("credentialMgmtPreview", settings.credential_management_preview),
        ("perCredMgmtRO", settings.persistent_read_only),
        ("largeBlobs", matches!(settings.large_blobs, LargeBlobs::Array { .. })),
        ("authnrCfg", settings.authenticator_config),
        ("setMinPINLength", settings.authenticator_config && settings.client_pin),
    ];
    options.extend(supported.into_iter().filter(|(_, on)| *on));
    options
}

/// The sub-commands of authenticatorConfig that work.
pub(super) fn config_commands(authenticator: &Authenticator) -> Vec<u8> {
    let settings = &authenticator.settings;
    let mut commands = Vec::new();
    if authenticator.attesters.is_enterprise_capable() {
        commands.push(0x01);
    }
    commands.push(0x02);
    if settings.client_pin {
        commands.push(0x03);
    }
    if settings.reset != ResetPolicy::Off {
        commands.push(0x04);
    }
    commands
}
