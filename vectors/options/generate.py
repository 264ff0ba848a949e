"""Writes the options beside this file, with py_webauthn. README.md says how."""

import pathlib

import webauthn
from webauthn.helpers import options_to_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorAttachment,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialHint,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

RP_ID = "example.org"
KNOWN = PublicKeyCredentialDescriptor(
    id=bytes(range(32)), transports=[AuthenticatorTransport.USB, AuthenticatorTransport.HYBRID]
)

OPTIONS = {
    "create-defaults": webauthn.generate_registration_options(
        rp_id=RP_ID, rp_name="Example", user_name="alex", challenge=bytes(64), user_id=bytes(range(64))
    ),
    "create-everything": webauthn.generate_registration_options(
        rp_id=RP_ID,
        rp_name='Exämple "quoted" \\ 例え',
        user_name="alex@example.org",
        user_id=b"\x00\xff",
        user_display_name="Алекс",
        challenge=b"\xfb\xff" * 16,
        timeout=120000,
        attestation=AttestationConveyancePreference.DIRECT,
        authenticator_selection=AuthenticatorSelectionCriteria(
            authenticator_attachment=AuthenticatorAttachment.CROSS_PLATFORM,
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[KNOWN],
        supported_pub_key_algs=[COSEAlgorithmIdentifier.EDDSA, COSEAlgorithmIdentifier.ECDSA_SHA_256],
        hints=[PublicKeyCredentialHint.SECURITY_KEY, PublicKeyCredentialHint.CLIENT_DEVICE],
    ),
    "get-defaults": webauthn.generate_authentication_options(rp_id=RP_ID, challenge=bytes(64)),
    "get-everything": webauthn.generate_authentication_options(
        rp_id=RP_ID,
        challenge=b"\xfb\xff" * 16,
        timeout=120000,
        allow_credentials=[KNOWN],
        user_verification=UserVerificationRequirement.DISCOURAGED,
    ),
}

for name, options in OPTIONS.items():
    path = pathlib.Path(__file__).with_name(f"{name}.json")
    path.write_text(options_to_json(options) + "\n", encoding="utf-8")
