//! hmac-secret (CTAP 2.3 section 12.7; hmac-secret-mc is the same at creation), and the same function on plain salts for the
//! provider door.

use alloc::vec::Vec;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    credential::CredentialSecret,
    crypto::hmac_sha256_secret,
    ctap2::{HmacSecretInput, Status},
    pin_uv::{KeyAgreement, PinUvAuthProtocol},
    secret::Secret,
    user::UserVerified,
    webauthn::{PrfOutputs, PrfSalts},
};

/// Evaluates plain salts with CredRandomWithUV: the provider door has no other secret. The proof is demanded, not
/// trusted.
pub fn evaluate(secret: &CredentialSecret, salts: &PrfSalts, _verified: UserVerified) -> PrfOutputs {
    let output = |salt: &[u8; 32]| hmac_sha256_secret(secret.cred_random_with_uv.expose(), &[salt]);
    PrfOutputs {
        first: output(salts.first.as_bytes()),
        second: salts.second.as_ref().map(|salt| output(salt.as_bytes())),
    }
}

/// hmac-secret in getAssertion, and hmac-secret-mc: decrypts one or two salts, evaluates them with the secret that belongs to this
/// operation's UV bit, and encrypts the outputs. Draws 16 bytes (the IV) with protocol 2, none with protocol 1.
pub fn evaluate_encrypted(
    secret: &CredentialSecret,
    input: &HmacSecretInput,
    verified: Option<UserVerified>,
    agreement: &KeyAgreement,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, Status> {
    // "pinUvAuthProtocol(0x04): (optional) as selected when getting the shared secret"; absent is 1.
    let protocol = PinUvAuthProtocol::from_number(input.pin_uv_auth_protocol.unwrap_or(1))
        .ok_or(Status::InvalidParameter)?;
    let shared =
        agreement.decapsulate(protocol, &input.key_agreement).map_err(|_| Status::InvalidParameter)?;
    // "verifies saltAuth by calling verify(shared secret, saltEnc, saltAuth)"
    if !shared.verify(&[&input.salt_enc], &input.salt_auth) {
        return Err(Status::PinAuthInvalid);
    }
    let salts = shared.decrypt(&input.salt_enc).map_err(|_| Status::InvalidParameter)?;
    let (salt1, salt2) = split_salts(salts.expose()).ok_or(Status::InvalidParameter)?;
    // "If the "uv" bit is set to 1 in the response, let CredRandom be CredRandomWithUV, else CredRandomWithoutUV."
    let cred_random = match verified {
        Some(_) => &secret.cred_random_with_uv,
        None => &secret.cred_random_without_uv,
    };
    let output = |salt: &[u8; 32]| -> Secret<32> { hmac_sha256_secret(cred_random.expose(), &[salt]) };
    let mut outputs = Zeroizing::new(Vec::with_capacity(64));
    outputs.extend_from_slice(output(salt1).expose());
    if let Some(salt2) = salt2 {
        outputs.extend_from_slice(output(salt2).expose());
    }
    shared.encrypt(&outputs, rng).map_err(|_| Status::Other)
}

/// 32 bytes are one salt, 64 are two, anything else is neither.
fn split_salts(plaintext: &[u8]) -> Option<(&[u8; 32], Option<&[u8; 32]>)> {
    match plaintext.as_chunks::<32>() {
        ([salt1], []) => Some((salt1, None)),
        ([salt1, salt2], []) => Some((salt1, Some(salt2))),
        _ => None,
    }
}
