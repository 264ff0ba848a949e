//! authenticatorGetInfo (CTAP 2.3 section 6.4), computed from settings and state; nothing is advertised that does not
//! work.

use alloc::{vec, vec::Vec};

use super::{
    machine::Authenticator,
    pin::MAX_CODE_POINTS,
    settings::{LargeBlobs, ResetPolicy, Settings, UserVerification},
};
use crate::{
    cose::CoseAlgorithm,
    ctap2::GetInfoResponse,
    pin_uv::PinUvAuthProtocol,
    webauthn::{AuthenticatorAttachment, CredentialId, Transport},
};

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
        preferred_platform_uv_attempts: None,
        uv_modality: None,
        remaining_discoverable_credentials: None,
        attestation_formats: authenticator.attesters.formats(settings.attestation),
        uv_count_since_last_pin_entry: None,
        long_touch_for_reset: (settings.authenticator_config && settings.reset != ResetPolicy::Off)
            .then_some(state.long_touch_for_reset),
        enc_identifier: None,
        transports_for_reset: Vec::new(),
        pin_complexity_policy: None,
        pin_complexity_policy_url: None,
        max_pin_length: has_pin_input.then_some(MAX_CODE_POINTS.into()),
        enc_cred_store_state: None,
        authenticator_config_commands: settings.authenticator_config.then(|| config_commands(settings)),
    }
}

/// 2.1 and 2.3 demand credential management, and pinUvAuthTokens by whatever verifies users.
fn versions(settings: &Settings) -> Vec<&'static str> {
    let verified = settings.client_pin || settings.user_verification == UserVerification::Host;
    let mut versions = vec!["FIDO_2_0"];
    if settings.credential_management && verified {
        versions.extend(["FIDO_2_1", "FIDO_2_3"]);
    }
    versions
}

fn options(authenticator: &Authenticator) -> Vec<(&'static str, bool)> {
    let settings = &authenticator.settings;
    let always_uv = authenticator.always_uv();
    let tokens = settings.client_pin;
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
        ("pinUvAuthToken", tokens),
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
fn config_commands(settings: &Settings) -> Vec<u8> {
    let mut commands = vec![0x02];
    if settings.client_pin {
        commands.push(0x03);
    }
    if settings.reset != ResetPolicy::Off {
        commands.push(0x04);
    }
    commands
}
