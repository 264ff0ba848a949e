//! Authenticator data (WebAuthn section "Authenticator Data").

use alloc::vec::Vec;

use super::id::{Aaguid, CredentialId, RpIdHash};
use crate::{
    cbor::{Entries, Item, Profile, Writer},
    cose::{CoseAlgorithm, PublicKey},
    user::{UserPresent, UserVerified},
};

/// The flag bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    const UP: u8 = 0x01;
    const UV: u8 = 0x04;
    const BE: u8 = 0x08;
    const BS: u8 = 0x10;
    const AT: u8 = 0x40;
    const ED: u8 = 0x80;

    /// The byte as it stands in authenticator data.
    pub fn byte(self) -> u8 {
        self.0
    }

    /// UP: a person was there and consented.
    pub fn user_present(self) -> bool {
        self.0 & Self::UP != 0
    }

    /// UV: the user was verified.
    pub fn user_verified(self) -> bool {
        self.0 & Self::UV != 0
    }

    /// BE: the credential may be backed up.
    pub fn backup_eligible(self) -> bool {
        self.0 & Self::BE != 0
    }

    /// BS: the credential is backed up now.
    pub fn backup_state(self) -> bool {
        self.0 & Self::BS != 0
    }

    /// AT: attested credential data follow.
    pub fn attested(self) -> bool {
        self.0 & Self::AT != 0
    }

    /// ED: extension outputs follow.
    pub fn extensions(self) -> bool {
        self.0 & Self::ED != 0
    }

    fn set(&mut self, bit: u8, on: bool) {
        if on {
            self.0 |= bit;
        }
    }
}

/// What is attested at creation (WebAuthn section "Attested Credential Data").
#[derive(Debug, Clone, Copy)]
pub struct AttestedCredential<'a> {
    /// The authenticator's model.
    pub aaguid: Aaguid,
    /// The new credential's identifier.
    pub id: &'a CredentialId,
    /// The negotiated algorithm.
    pub algorithm: CoseAlgorithm,
    /// The new public key.
    pub public_key: &'a PublicKey,
}

/// Authenticator data to be written. The UP and UV bits come from proofs and from nothing else.
pub struct AuthenticatorData<'a> {
    /// SHA-256 of the RP ID.
    pub rp_id_hash: RpIdHash,
    /// The proof behind the UP bit.
    pub user_present: Option<UserPresent>,
    /// The proof behind the UV bit.
    pub user_verified: Option<UserVerified>,
    /// BE.
    pub backup_eligible: bool,
    /// BS; written as 0 when BE is 0 (WebAuthn: "if BE is not set, BS MUST NOT be set").
    pub backup_state: bool,
    /// The signature counter.
    pub sign_count: u32,
    /// Only at creation.
    pub attested: Option<AttestedCredential<'a>>,
    /// Extension outputs: a canonical CBOR map, or empty when there are none.
    pub extensions: &'a [u8],
}

impl AuthenticatorData<'_> {
    /// The flag bits that will be written.
    pub fn flags(&self) -> Flags {
        let mut flags = Flags(0);
        flags.set(Flags::UP, self.user_present.is_some());
        flags.set(Flags::UV, self.user_verified.is_some());
        flags.set(Flags::BE, self.backup_eligible);
        flags.set(Flags::BS, self.backup_eligible && self.backup_state);
        flags.set(Flags::AT, self.attested.is_some());
        flags.set(Flags::ED, !self.extensions.is_empty());
        flags
    }

    /// `rpIdHash(32) || flags(1) || signCount(4) || [aaguid(16) || L(2) || credentialId(L) || COSE_Key] || [extensions]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.room());
        out.extend_from_slice(&self.rp_id_hash.0);
        out.push(self.flags().byte());
        out.extend_from_slice(&self.sign_count.to_be_bytes());
        if let Some(attested) = &self.attested {
            let id = attested.id.as_bytes();
            out.extend_from_slice(&attested.aaguid.0);
            out.extend_from_slice(&u16::try_from(id.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend_from_slice(id);
            let mut key = Writer::onto(out);
            attested.public_key.write_cose(attested.algorithm, &mut key);
            out = key.finish();
        }
        out.extend_from_slice(self.extensions);
        out
    }

    /// At least the bytes that it takes: what stands around a public key in its COSE_Key are less than 32.
    fn room(&self) -> usize {
        let attested = self.attested.as_ref().map_or(0, |attested| {
            attested
                .id
                .as_bytes()
                .len()
                .saturating_add(attested.public_key.raw_length())
                .saturating_add(18 + 32)
        });
        self.extensions.len().saturating_add(attested).saturating_add(37)
    }
}

/// Authenticator data as received: a checked view.
#[derive(Debug, Clone)]
pub struct AuthenticatorDataView<'a> {
    /// SHA-256 of the RP ID.
    pub rp_id_hash: RpIdHash,
    /// The flag bits.
    pub flags: Flags,
    /// The signature counter.
    pub sign_count: u32,
    /// AAGUID, credential ID and COSE_Key, where AT is set.
    pub attested: Option<(Aaguid, CredentialId, Item<'a>)>,
    extensions: Option<Item<'a>>,
}

impl<'a> AuthenticatorDataView<'a> {
    /// Reads the bytes; `None` unless they are authenticator data to the last one.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>()?;
        let ([flags], rest) = rest.split_first_chunk::<1>()?;
        let (sign_count, rest) = rest.split_first_chunk::<4>()?;
        let flags = Flags(*flags);
        let (attested, rest) = if flags.attested() { read_attested(rest)? } else { (None, rest) };
        let extensions = match (flags.extensions(), rest) {
            (false, []) => None,
            (true, rest) => Some(Item::parse(rest, Profile::CTAP2).ok().filter(|item| item.map().is_some())?),
            (false, _) => return None,
        };
        Some(Self {
            rp_id_hash: RpIdHash(*rp_id_hash),
            flags,
            sign_count: u32::from_be_bytes(*sign_count),
            attested,
            extensions,
        })
    }

    /// The extension outputs, where ED is set.
    pub fn extensions(&self) -> Option<Entries<'a>> {
        self.extensions.and_then(|item| item.map())
    }
}

type Attested<'a> = (Option<(Aaguid, CredentialId, Item<'a>)>, &'a [u8]);

fn read_attested(rest: &[u8]) -> Option<Attested<'_>> {
    let (aaguid, rest) = rest.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (key, rest) = Item::parse_prefix(rest, Profile::CTAP2).ok()?;
    Some((Some((Aaguid(*aaguid), CredentialId::new(id).ok()?, key)), rest))
}
