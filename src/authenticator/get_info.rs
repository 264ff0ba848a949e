//! authenticatorGetInfo (CTAP 2.3 section 6.4), computed from settings and state; nothing is advertised that does not
//! work.

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
        versions: versions(settings),
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
        max_rp_ids_for_set_min_pin_length: settings
            .authenticator_config
            .then(|| number(settings.max_rp_ids_for_set_min_pin_length)),
        // A platform may ask again after the host's verifier failed; where the person enters the PIN here, we ask again.
        preferred_platform_uv_attempts: (settings.user_verification == UserVerification::Host)
            .then_some(PLATFORM_UV_ATTEMPTS),
        uv_modality: None,
        remaining_discoverable_credentials: None,
        attestation_formats: authenticator.attesters.formats(settings.attestation),
        uv_count_since_last_pin_entry: None,
        long_touch_for_reset: (settings.authenticator_config && settings.reset != ResetPolicy::Off)
            .then_some(state.long_touch_for_reset),
        enc_identifier: None,
        transports_for_reset: Vec::new(),
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

/// 2.1 and 2.3 demand credential management, and pinUvAuthTokens by whatever verifies users.
fn versions(settings: &Settings) -> Vec<&'static str> {
    let verified = settings.client_pin || settings.user_verification == UserVerification::Host;
    let mut versions = vec!["FIDO_2_0"];
    if settings.credential_management && verified {
        versions.extend(["FIDO_2_1", "FIDO_2_3"]);
    }
    // Section 6.14: the preview belongs to that version, and platforms look for both.
    if settings.credential_management_preview {
        versions.push("FIDO_2_1_PRE");
    }
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
