//! authenticatorGetInfo (CTAP 2.3 section 6.4), computed from settings and state; nothing is advertised that does not
//! work.

use alloc::{vec, vec::Vec};

use super::settings::{Settings, UserVerification};
use crate::{
    attestation::AttestationFormat,
    cose::CoseAlgorithm,
    ctap2::GetInfoResponse,
    pin_uv::PinUvAuthProtocol,
    webauthn::{AuthenticatorAttachment, CredentialId, Transport},
};

pub(super) fn response(settings: &Settings, protected: bool) -> GetInfoResponse {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    GetInfoResponse {
        // FIDO_2_1 and FIDO_2_3 demand credential management and pinUvAuthTokens.
        versions: vec!["FIDO_2_0"],
        extensions: vec!["credProtect", "hmac-secret"],
        aaguid: settings.aaguid,
        options: options(settings, protected),
        max_msg_size: count(settings.max_msg_size),
        pin_uv_auth_protocols: vec![PinUvAuthProtocol::Two.number(), PinUvAuthProtocol::One.number()],
        max_credential_count_in_list: Some(count(settings.max_credential_count_in_list)),
        max_credential_id_length: Some(count(CredentialId::MAX_LENGTH)),
        transports: settings.transports.iter().copied().map(Transport::name).collect(),
        algorithms: settings.algorithms.iter().copied().map(CoseAlgorithm::identifier).collect(),
        firmware_version: settings.firmware_version,
        attestation_formats: match settings.attestation {
            // "none" is not listed (CTAP 2.3 section 6.4, attestationFormats).
            AttestationFormat::None => Vec::new(),
            format => vec![format.identifier()],
        },
    }
}

fn options(settings: &Settings, protected: bool) -> Vec<(&'static str, bool)> {
    let mut options =
        vec![("rk", true), ("up", true), ("plat", settings.attachment == AuthenticatorAttachment::Platform)];
    // Absent: not supported. False: supported and not configured. True: configured.
    if settings.user_verification != UserVerification::None {
        options.push(("uv", protected));
    }
    if settings.always_uv {
        options.push(("alwaysUv", true));
    }
    if settings.make_cred_uv_not_required {
        options.push(("makeCredUvNotRqd", !settings.always_uv));
    }
    options
}
