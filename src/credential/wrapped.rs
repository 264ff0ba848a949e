//! Non-discoverable credentials that nobody stores: each is sealed into its own credential ID, which the relying party
//! keeps and names when it wants an assertion. One 32-byte wrap key opens them all, and its end is theirs.
//!
//! ```text
//! credential ID       = nonce (24 random bytes) || XAES-256-GCM(seal key, nonce, payload, domain || rpIdHash)
//! payload             = [COSE algorithm, private key (bstr), credProtect level, flags], canonical CBOR
//! flags               = 1 backup eligible | 2 backed up | 4 thirdPartyPayment
//! PRK                 = HKDF-Extract(domain, wrap key)
//! seal key            = HKDF-Expand(PRK, "seal")
//! CredRandomWithUV    = HKDF-Expand(PRK, "CredRandomWithUV" || nonce)
//! CredRandomWithoutUV = HKDF-Expand(PRK, "CredRandomWithoutUV" || nonce)
//! domain              = "countersign wrapped credential 1"
//! ```
//!
//! An ID shows its length, which tells the algorithm's private key length, and nothing else: no version, no marker, and
//! no part in common with another ID. (The version is in the domain, which is authenticated and not sent.) With a private
//! key of 32 bytes it has 78 bytes.

use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::{
    extension_data::ExtensionData,
    model::{Backup, CredProtect, Credential, CredentialRecord, CredentialSecret},
};
use crate::{
    cbor::{Item, Profile, Writer},
    cose::CoseAlgorithm,
    crypto::{CryptoError, CryptoProvider, Hkdf, KeyPair, xaes_open, xaes_seal},
    secret::{Secret, SecretBytes},
    webauthn::{Aaguid, CredentialId, RpEntity, RpIdHash, UserEntity, UserHandle},
};

const DOMAIN: &[u8; 32] = b"countersign wrapped credential 1";
const NONCE_LENGTH: usize = 24;

const BACKUP_ELIGIBLE: u64 = 1;
const BACKED_UP: u64 = 2;
const THIRD_PARTY_PAYMENT: u64 = 4;

/// What an authenticator wraps credentials with: the keys that follow from its wrap key.
pub struct Wrapper {
    seal: Secret<32>,
    hkdf: Hkdf,
}

/// What a wrapped credential knows beside its keys. All of it was fixed at creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrappedFacts {
    /// How far it is protected.
    pub cred_protect: CredProtect,
    /// Whether it may leave its device (with the wrap key), and had a copy when it was made.
    pub backup: Backup,
    /// Whether it may be used for payments on other sites (CTAP 2.3 section 12.10, thirdPartyPayment).
    pub third_party_payment: bool,
}

/// A credential out of its credential ID. It has no user, no counter and no date.
pub struct WrappedCredential {
    /// The ID that it is sealed into.
    pub id: CredentialId,
    /// What may be shown.
    pub facts: WrappedFacts,
    /// What may not.
    pub secret: CredentialSecret,
}

impl Wrapper {
    /// Takes an authenticator's wrap key, 32 random bytes.
    pub fn new(wrap_key: &Secret<32>) -> Self {
        let hkdf = Hkdf::extract(DOMAIN, wrap_key.expose());
        Self { seal: hkdf.expand(&[b"seal"]), hkdf }
    }

    /// Seals a key pair that was made for a relying party. Draws 24 bytes (the nonce).
    ///
    /// Refused: a private key that is too long for a credential ID, which none of our algorithms has.
    pub fn wrap(
        &self,
        rp_id_hash: &RpIdHash,
        key: KeyPair,
        facts: WrappedFacts,
        rng: &mut dyn CryptoRng,
    ) -> Result<WrappedCredential, CryptoError> {
        let mut nonce = [0; NONCE_LENGTH];
        rng.fill_bytes(&mut nonce);
        let payload = write_payload(&key, &facts);
        let sealed = xaes_seal(&self.seal, &nonce, payload.expose(), &associated_data(rp_id_hash))?;
        let id = CredentialId::new(&[nonce.as_slice(), &sealed].concat()).map_err(|_| CryptoError)?;
        Ok(WrappedCredential { id, facts, secret: self.secret(key, &nonce) })
    }

    /// Opens a credential ID that was sealed under this wrap key for this relying party. Any other is simply not ours:
    /// `None`, whatever is wrong with it.
    pub fn unwrap(
        &self,
        rp_id_hash: &RpIdHash,
        id: &CredentialId,
        provider: &dyn CryptoProvider,
    ) -> Option<WrappedCredential> {
        let (nonce, sealed) = id.as_bytes().split_first_chunk::<NONCE_LENGTH>()?;
        let payload = xaes_open(&self.seal, nonce, sealed, &associated_data(rp_id_hash)).ok()?;
        let (key, facts) = read_payload(payload.expose(), provider)?;
        Some(WrappedCredential { id: id.clone(), facts, secret: self.secret(key, nonce) })
    }

    /// The nonce names the credential: it is random, and the tag vouches for it.
    fn secret(&self, key: KeyPair, nonce: &[u8; NONCE_LENGTH]) -> CredentialSecret {
        CredentialSecret {
            key,
            cred_random_with_uv: self.hkdf.expand(&[b"CredRandomWithUV", nonce]),
            cred_random_without_uv: self.hkdf.expand(&[b"CredRandomWithoutUV", nonce]),
        }
    }
}

impl WrappedCredential {
    /// The record of a credential that is in no store: not discoverable, of an account without handle and names.
    pub fn into_record(self, rp: RpEntity, aaguid: Aaguid) -> Result<CredentialRecord, CryptoError> {
        let user = UserHandle::new(&[]).map_err(|_| CryptoError)?;
        let credential = Credential {
            id: self.id,
            rp,
            user: UserEntity { id: user, name: None, display_name: None },
            discoverable: false,
            cred_protect: self.facts.cred_protect,
            backup: self.facts.backup,
            sign_count: 0,
            aaguid,
            order: 0,
            created: None,
            last_used: None,
        };
        let mut record = CredentialRecord { wrapped: true, ..CredentialRecord::new(credential, self.secret) };
        if self.facts.third_party_payment {
            let data = ExtensionData { third_party_payment: true, ..ExtensionData::default() };
            record.extensions = data.into();
        }
        Ok(record)
    }
}

fn associated_data(rp_id_hash: &RpIdHash) -> Vec<u8> {
    [DOMAIN.as_slice(), &rp_id_hash.0].concat()
}

fn write_payload(key: &KeyPair, facts: &WrappedFacts) -> SecretBytes {
    // Large enough that the buffer never moves and leaves a copy of the private key behind.
    let mut writer = Writer::with_capacity(key.private().expose().len().saturating_add(32));
    writer.array(4).integer(key.algorithm().identifier()).bytes(key.private().expose());
    writer.unsigned(facts.cred_protect.level().into()).unsigned(facts.flags());
    SecretBytes::new(writer.finish())
}

/// The public half is derived again: EdDSA signs with no other.
fn read_payload(payload: &[u8], provider: &dyn CryptoProvider) -> Option<(KeyPair, WrappedFacts)> {
    let item = Item::parse(payload, Profile::CTAP2).ok()?;
    let mut items = item.array().filter(|items| items.announced() == 4)?;
    let algorithm = CoseAlgorithm::from_identifier(items.next()?.integer()?)?;
    let private = SecretBytes::new(items.next()?.bytes()?.to_vec());
    let cred_protect = CredProtect::from_level(items.next()?.unsigned()?)?;
    let facts = WrappedFacts::from_flags(cred_protect, items.next()?.unsigned()?)?;
    Some((provider.import(algorithm, private).ok()?, facts))
}

impl WrappedFacts {
    fn flags(&self) -> u64 {
        let flag = |set: bool, flag: u64| if set { flag } else { 0 };
        flag(self.backup.eligible(), BACKUP_ELIGIBLE)
            | flag(self.backup.backed_up(), BACKED_UP)
            | flag(self.third_party_payment, THIRD_PARTY_PAYMENT)
    }

    fn from_flags(cred_protect: CredProtect, flags: u64) -> Option<Self> {
        let backup = match flags & (BACKUP_ELIGIBLE | BACKED_UP) {
            0 => Backup::DeviceBound,
            BACKUP_ELIGIBLE => Backup::Eligible { backed_up: false },
            BACKED_UP => return None,
            _ => Backup::Eligible { backed_up: true },
        };
        let known = BACKUP_ELIGIBLE | BACKED_UP | THIRD_PARTY_PAYMENT;
        let third_party_payment = flags & THIRD_PARTY_PAYMENT != 0;
        (flags & !known == 0).then_some(Self { cred_protect, backup, third_party_payment })
    }
}
