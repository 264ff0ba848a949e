//! A vault out of any bytes: nothing panics, what decodes encodes to the same bytes, and nothing opens but what the key
//! holders of the vectors made.

use std::{collections::HashSet, sync::OnceLock};

use countersign::{
    crypto::{hmac_sha256, sha256},
    vault::{Envelope, JoinedShares, Opening, RecoveryCode, Share, SlotId, SlotKind, SlotSecret, VaultId},
    webauthn::{PrfSalt, UvPrfOutput},
};
use serde_json::Value;

use super::seeds;

/// The secrets of the vectors, and the manifests that were made with them.
struct Known {
    secrets: Vec<(SlotId, Material)>,
    manifests: HashSet<[u8; 32]>,
}

enum Material {
    CredRandom(Vec<u8>),
    Code(String),
    Shares(Vec<String>),
}

/// The body of the fuzz target.
pub fn vault_open(data: &[u8]) {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let Ok(envelope) = Envelope::decode(data) else { return };
    assert_eq!(envelope.encode(), data, "one value has one encoding");
    let known = KNOWN.get_or_init(Known::load);
    for slot in envelope.slots() {
        let _ = (slot.rp_id(), slot.credential_id(), slot.transports(), slot.born());
        for (_, material) in known.secrets.iter().filter(|(id, _)| *id == slot.slot_id()) {
            let input = slot.prf_input().unwrap_or_default();
            if material.opens(&envelope, &slot.slot_id(), slot.kind(), &input) {
                let manifest = sha256(&envelope.to_stored().manifest);
                assert!(known.manifests.contains(&manifest), "a manifest that no key holder made");
            }
        }
    }
}

impl Known {
    fn load() -> Self {
        let file = seeds::vectors("vault-v1-envelope");
        let mut secrets = Vec::new();
        for state in members(&file, "vaults").flat_map(|vault| members(vault, "states")) {
            secrets.extend(members(state, "unlock_with").filter_map(secret));
        }
        for file in ["vault/states", "vault/python"].map(seeds::vectors) {
            for state in members(&file, "states") {
                secrets.extend(members(state, "unlock_with").filter_map(secret));
            }
        }
        let envelopes = seeds::vault_open();
        let decoded = envelopes.iter().filter_map(|(_, bytes)| Envelope::decode(bytes).ok());
        let manifests = decoded.map(|envelope| sha256(&envelope.to_stored().manifest)).collect();
        Self { secrets, manifests }
    }
}

pub(crate) fn members<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    value[list].as_array().into_iter().flatten()
}

/// Passphrases are left out: an Argon2id per input would leave no time for anything else.
fn secret(entry: &Value) -> Option<(SlotId, Material)> {
    let bytes = |name: &str| hex::decode(entry[name].as_str()?).ok();
    let slot = SlotId(bytes("slot_id")?.try_into().ok()?);
    let material = match bytes("cred_random_with_uv") {
        Some(cred_random) => Material::CredRandom(cred_random),
        None if entry["shares"].is_array() => {
            let texts = members(entry, "shares").filter_map(|text| Some(text.as_str()?.to_owned()));
            Material::Shares(texts.collect())
        }
        None => Material::Code(entry["code"].as_str()?.to_owned()),
    };
    Some((slot, material))
}

impl Material {
    fn opens(&self, envelope: &Envelope, slot: &SlotId, kind: SlotKind, input: &[u8]) -> bool {
        let opened = |secret: SlotSecret<'_>| envelope.open(slot, &secret, Opening::default()).is_ok();
        match self {
            Self::CredRandom(cred_random) if kind == SlotKind::Passkey => {
                let output = hmac_sha256(cred_random, &[PrfSalt::from_input(input).as_bytes()]);
                // rpIdHash, flags UP and UV, counter.
                let authenticator_data = [[0; 32].as_slice(), &[0x05, 0, 0, 0, 0]].concat();
                UvPrfOutput::from_assertion(&authenticator_data, &output)
                    .is_ok_and(|output| opened(SlotSecret::Passkey(&output)))
            }
            Self::Code(text) => {
                let vault: VaultId = envelope.vault_id();
                RecoveryCode::parse(text, &vault).is_ok_and(|code| opened(SlotSecret::Code(&code)))
            }
            Self::Shares(texts) => {
                let shares: Vec<Share> = texts.iter().filter_map(|text| Share::parse(text).ok()).collect();
                JoinedShares::join(&shares).is_ok_and(|joined| opened(SlotSecret::Shares(&joined)))
            }
            Self::CredRandom(_) => false,
        }
    }
}
