//! What the vault tests share: secrets of the vectors, proofs of user verification, a memory.

use std::collections::BTreeMap;

use ciborium::Value as Cbor;
use countersign::{
    cose::CoseAlgorithm,
    credential::{Backup, CredProtect, Credential, CredentialRecord, CredentialSecret},
    crypto::{CryptoProvider, RustCrypto, hmac_sha256, sha256, sha256_parts},
    secret::Secret,
    time::Moment,
    vault::{
        Administration, CodeError, Envelope, Freshness, ItemId, JoinedShares, Opening, RecoveryCode,
        RollbackStore, Row, Seen, Share, SlotId, SlotPrivate, SlotSecret, SlotView, Vault, VaultError,
        VaultId,
    },
    webauthn::{
        Aaguid, CredentialId, PrfRefused, PrfSalt, RpEntity, RpId, UserEntity, UserHandle, UvPrfOutput,
    },
};
use serde_json::Value;

use super::{
    scripted_rng::ScriptedRng,
    seeded_rng::SeededRng,
    vectors::{array, hex, list},
    world::TODAY,
};

/// The named values of a vault's `randomness`, in the order in which they are drawn here.
pub(crate) fn named_draws(vault: &Value, names: &[&str]) -> ScriptedRng {
    ScriptedRng::new(names.iter().map(|name| hex(&vault["randomness"][name])))
}

/// The private part of a slot that was enrolled today.
pub(crate) fn private(label: &str) -> SlotPrivate {
    SlotPrivate { label: label.into(), created: TODAY.0, ..SlotPrivate::default() }
}

/// An output with the authenticator data of a user-verified assertion.
pub(crate) fn uv_output(output: &[u8]) -> Result<UvPrfOutput, PrfRefused> {
    let mut authenticator_data = vec![0; 37];
    authenticator_data[32] = 0x05;
    UvPrfOutput::from_assertion(&authenticator_data, output)
}

/// What an authenticator with this CredRandom answers to a PRF input.
pub(crate) fn evaluate(cred_random: &[u8], input: &[u8]) -> UvPrfOutput {
    let salt = PrfSalt::from_input(input);
    uv_output(&hmac_sha256(cred_random, &[salt.as_bytes()])).unwrap()
}

/// A secret of the vectors (`given` or an entry of `unlock_with`), held while it is lent to the vault.
pub(crate) enum Given {
    Prf(UvPrfOutput),
    PrfAndPin(UvPrfOutput, String),
    Code(RecoveryCode),
    Passphrase(String),
    Device(Secret<32>),
    Shares(JoinedShares),
}

impl Given {
    /// What a client would do with the secret: evaluate the PRF on the slot's input, read the code as a person typed it.
    pub(crate) fn of(
        value: &Value,
        vault_id: &VaultId,
        slot: Option<SlotView<'_>>,
    ) -> Result<Self, VaultError> {
        if let Some(cred_random) = value.get("cred_random_with_uv") {
            let input = slot.and_then(|slot| slot.prf_input()).unwrap_or_default();
            let output = evaluate(&hex(cred_random), &input);
            return Ok(match value.get("pin") {
                Some(pin) => Self::PrfAndPin(output, pin.as_str().unwrap().into()),
                None => Self::Prf(output),
            });
        }
        if let Some(prf) = value.get("prf") {
            return Ok(Self::Prf(uv_output(&hex(prf))?));
        }
        if let Some(code) = value.get("code") {
            return Ok(Self::Code(parse_code(code.as_str().unwrap(), vault_id).unwrap()));
        }
        if let Some(passphrase) = value.get("passphrase") {
            return Ok(Self::Passphrase(passphrase.as_str().unwrap().into()));
        }
        if let Some(secret) = value.get("device_secret") {
            return Ok(Self::Device(Secret::from_slice(&hex(secret)).unwrap()));
        }
        assert!(value.get("shares").is_some(), "unknown secret {value}");
        let shares: Vec<Share> =
            list(value, "shares").iter().map(|text| Share::parse(text.as_str().unwrap()).unwrap()).collect();
        Ok(Self::Shares(JoinedShares::join(&shares).unwrap()))
    }

    pub(crate) fn secret(&self) -> SlotSecret<'_> {
        match self {
            Self::Prf(output) => SlotSecret::Passkey(output),
            Self::PrfAndPin(output, pin) => SlotSecret::PasskeyWithPin(output, pin),
            Self::Code(code) => SlotSecret::Code(code),
            Self::Passphrase(text) => SlotSecret::Passphrase(text),
            Self::Device(secret) => SlotSecret::Device(secret),
            Self::Shares(joined) => SlotSecret::Shares(joined),
        }
    }
}

pub(crate) fn parse_code(text: &str, vault_id: &VaultId) -> Result<RecoveryCode, CodeError> {
    RecoveryCode::parse(text, vault_id)
}

/// A memory that stays where it is.
#[derive(Default, Clone)]
pub(crate) struct TestMemory {
    pub(crate) seen: BTreeMap<VaultId, Seen>,
    pub(crate) puts: usize,
}

impl RollbackStore for TestMemory {
    fn get(&self, vault: &VaultId) -> Result<Option<Seen>, VaultError> {
        Ok(self.seen.get(vault).copied())
    }

    fn put(&mut self, vault: &VaultId, seen: &Seen) -> Result<(), VaultError> {
        self.seen.insert(*vault, *seen);
        self.puts += 1;
        Ok(())
    }
}

pub(crate) fn seen(value: &Value) -> Seen {
    Seen {
        epoch: value["epoch"].as_u64().unwrap(),
        hash: array(value, "hash"),
        key_gen: value["key_gen"].as_u64().unwrap(),
        lineage_key: array(value, "lineage_pk"),
        floor: value["floor"].as_u64().unwrap(),
    }
}

/// Decodes, evaluates and opens as a client of the vectors does.
pub(crate) fn open(
    envelope: &[u8],
    slot_id: &SlotId,
    given: &Value,
    opening: Opening<'_>,
) -> Result<(Envelope, Vault, Freshness), VaultError> {
    let envelope = Envelope::decode(envelope)?;
    let slot = envelope.slots().find(|slot| slot.slot_id() == *slot_id);
    let given = Given::of(given, &envelope.vault_id(), slot)?;
    let (vault, freshness) = envelope.open(slot_id, &given.secret(), opening)?;
    Ok((envelope, vault, freshness))
}

/// Changes by somebody who opened the vault at this very moment.
pub(crate) trait Admin {
    fn admin(&self) -> Administration<'_>;
}

impl Admin for Vault {
    fn admin(&self) -> Administration<'_> {
        self.administer(&self.opening_proof(), Moment::default()).unwrap()
    }
}

/// T of the format, as it stands there.
pub(crate) fn item_root(rows: &[Row], depth: usize) -> [u8; 32] {
    match rows {
        [] => [0; 32],
        [row] => sha256_parts(&[
            b"countersign/v1/item-leaf\0",
            &row.item_id.0,
            &row.version.to_be_bytes(),
            &row.hash,
        ]),
        _ => {
            let bit = |row: &&Row| sha256(&row.item_id.0)[depth / 8] >> (7 - depth % 8) & 1 == 1;
            let (ones, zeros): (Vec<Row>, Vec<Row>) = rows.iter().partition(bit);
            let (zeros, ones) = (item_root(&zeros, depth + 1), item_root(&ones, depth + 1));
            sha256_parts(&[b"countersign/v1/item-node\0", &zeros, &ones])
        }
    }
}

/// The bytes of a value.
pub(crate) fn encode(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The row of an item.
pub(crate) fn row(item: &[u8]) -> Row {
    let value: Cbor = ciborium::from_reader(item).unwrap();
    let entries = value.as_map().unwrap();
    let item_id = ItemId(entries[0].1.as_bytes().unwrap().as_slice().try_into().unwrap());
    let version = u64::try_from(entries[1].1.as_integer().unwrap()).unwrap();
    Row { item_id, version, hash: sha256(item) }
}

/// The value under an unsigned key.
pub(crate) fn at(map: &mut Cbor, key: u64) -> &mut Cbor {
    let entries = map.as_map_mut().unwrap();
    &mut entries.iter_mut().find(|(name, _)| *name == Cbor::Integer(key.into())).unwrap().1
}

/// A discoverable passkey that may be backed up.
pub(crate) fn record(rp: &str, id: &[u8], user: u8) -> CredentialRecord {
    let mut rng = SeededRng(u64::from(user) << 32);
    CredentialRecord::new(
        Credential {
            id: CredentialId::new(id).unwrap(),
            rp: RpEntity { id: RpId::new(rp).unwrap(), name: None },
            user: UserEntity { id: UserHandle::new(&[user]).unwrap(), name: None, display_name: None },
            discoverable: true,
            cred_protect: CredProtect::UserVerificationOptional,
            backup: Backup::Eligible { backed_up: false },
            sign_count: 0,
            aaguid: Aaguid::ZERO,
            order: u64::from(user),
            created: Some(TODAY),
            last_used: None,
        },
        CredentialSecret {
            key: RustCrypto.make_key_pair(CoseAlgorithm::Es256, &mut rng),
            cred_random_with_uv: Secret::make_random(&mut rng),
            cred_random_without_uv: Secret::make_random(&mut rng),
        },
    )
}
