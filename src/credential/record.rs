//! The encoded form of a [`CredentialRecord`], version 1: a canonical CBOR map.
//!
//! ```text
//! { 1: 1, 2: id (bstr), 3: rp.id (tstr), ? 4: rp.name, 5: user.id (bstr), ? 6: user.name, ? 7: user.displayName,
//!   8: COSE algorithm, 9: public key (bstr), 10: private key (bstr),
//!   11: CredRandomWithUV (bstr 32), 12: CredRandomWithoutUV (bstr 32), 13: signature counter, 14: credProtect level,
//!   15: discoverable, 16: backup eligible, 17: backed up, 18: AAGUID (bstr 16), 19: order of creation,
//!   ? 20: created, ? 21: last used,
//!   ? 22: credBlob (bstr), ? 23: largeBlobKey (bstr 32), ? 24: true for thirdPartyPayment,
//!   ? (25: large blob (bstr), 26: its length before it was compressed) }
//! ```
//!
//! The keys' form follows from the COSE algorithm:
//!
//! | 8 | 9 | 10 |
//! |---|---|---|
//! | -7 ES256, -9 ESP256 | x ‖ y on P-256, 64 bytes | scalar, big endian, 32 bytes |
//! | -35 ES384, -51 ESP384 | x ‖ y on P-384, 96 bytes | scalar, big endian, 48 bytes |
//! | -8 EdDSA, -19 Ed25519 | RFC 8032, 32 bytes | seed, 32 bytes |
//! | -48 ML-DSA-44 | FIPS 204, 1312 bytes | seed, 32 bytes |
//! | -49 ML-DSA-65 | FIPS 204, 1952 bytes | seed, 32 bytes |
//!
//! Dates are Unix seconds. What extensions keep (22 to 26) is there only if they keep something: a credential that was made
//! without them is encoded as it was before they existed. Higher keys belong to later versions of this form and are kept
//! as they are.

use alloc::{sync::Arc, vec::Vec};

use super::{
    extension_data::{ExtensionData, LargeBlob},
    model::{Backup, CredProtect, Credential, CredentialRecord, CredentialSecret, UnknownMembers},
};
use crate::{
    cbor::{Entries, Item, Profile, Writer},
    cose::{CoseAlgorithm, PublicKey},
    crypto::KeyPair,
    secret::{Secret, SecretBytes},
    time::UnixTime,
    webauthn::{Aaguid, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};

const VERSION: u64 = 1;
/// The last key that this version gives a meaning.
const LAST_KNOWN: u64 = 26;
/// How many keys there are up to that one, from 0.
const KNOWN: usize = 27;

/// The bytes are no credential record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRecord {
    /// Not canonical CBOR, or a member is missing, of another type or out of its range.
    Malformed,
    /// Of a version or an algorithm that this build does not know.
    Unsupported,
}

impl core::fmt::Display for InvalidRecord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a credential record",
            Self::Unsupported => "a credential record of an unknown version or algorithm",
        })
    }
}

impl core::error::Error for InvalidRecord {}

impl CredentialRecord {
    /// The encoded form. It holds the private key.
    pub fn encode(&self) -> SecretBytes {
        // Large enough that the buffer never moves and leaves a copy of the private key behind.
        let mut writer = Writer::with_capacity(self.room());
        let credential = &self.credential;
        writer.map(self.encoded_length());
        writer.unsigned(1).unsigned(VERSION);
        writer.unsigned(2).bytes(credential.id.as_bytes());
        writer.unsigned(3).text(credential.rp.id.as_str());
        write_text(&mut writer, 4, credential.rp.name.as_deref());
        writer.unsigned(5).bytes(credential.user.id.as_bytes());
        write_text(&mut writer, 6, credential.user.name.as_deref());
        write_text(&mut writer, 7, credential.user.display_name.as_deref());
        write_key(&mut writer, &self.secret.key);
        writer.unsigned(11).bytes(self.secret.cred_random_with_uv.expose());
        writer.unsigned(12).bytes(self.secret.cred_random_without_uv.expose());
        writer.unsigned(13).unsigned(credential.sign_count.into());
        writer.unsigned(14).unsigned(credential.cred_protect.level().into());
        writer.unsigned(15).boolean(credential.discoverable);
        writer.unsigned(16).boolean(credential.backup.eligible());
        writer.unsigned(17).boolean(credential.backup.backed_up());
        writer.unsigned(18).bytes(&credential.aaguid.0);
        writer.unsigned(19).unsigned(credential.order);
        write_date(&mut writer, 20, credential.created);
        write_date(&mut writer, 21, credential.last_used);
        write_extension_data(&mut writer, &self.extensions);
        for (key, value) in &self.unknown {
            writer.unsigned(*key).raw(value);
        }
        SecretBytes::new(writer.finish())
    }

    /// At least the bytes of the encoded form: what has a fixed length takes less than 512, with a private key.
    fn room(&self) -> usize {
        let Credential { id, rp, user, .. } = &self.credential;
        let names = [&rp.name, &user.name, &user.display_name];
        let public = self.secret.key.public().raw_length();
        let lengths = [id.as_bytes().len(), rp.id.as_str().len(), user.id.as_bytes().len(), public];
        let unknown = self.unknown.iter().map(|(_, value)| value.len().saturating_add(9));
        let names = names.into_iter().flatten().map(|name| name.len());
        let ExtensionData { cred_blob, large_blob, .. } = &*self.extensions;
        let blobs = [cred_blob.as_ref(), large_blob.as_ref().map(|blob| &blob.data)];
        let blobs = blobs.into_iter().flatten().map(|blob| blob.expose().len());
        lengths.into_iter().chain(names).chain(blobs).chain(unknown).fold(512, usize::saturating_add)
    }

    fn encoded_length(&self) -> usize {
        let optional = [
            self.credential.rp.name.is_some(),
            self.credential.user.name.is_some(),
            self.credential.user.display_name.is_some(),
            self.credential.created.is_some(),
            self.credential.last_used.is_some(),
            self.extensions.cred_blob.is_some(),
            self.extensions.large_blob_key.is_some(),
            self.extensions.third_party_payment,
            // Two members.
            self.extensions.large_blob.is_some(),
            self.extensions.large_blob.is_some(),
        ];
        let present = optional.iter().filter(|present| **present).count();
        16usize.saturating_add(present).saturating_add(self.unknown.len())
    }

    /// Reads the encoded form.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidRecord> {
        let item = Item::parse(bytes, Profile::CTAP2).map_err(|_| InvalidRecord::Malformed)?;
        let fields = Fields::of(item.map().ok_or(InvalidRecord::Malformed)?);
        if fields.unsigned(1)? != VERSION {
            return Err(InvalidRecord::Unsupported);
        }
        let credential = Credential {
            id: CredentialId::new(fields.bytes(2)?).map_err(|_| InvalidRecord::Malformed)?,
            rp: RpEntity {
                id: RpId::new(fields.text(3)?).map_err(|_| InvalidRecord::Malformed)?,
                name: fields.optional_text(4)?,
            },
            user: UserEntity {
                id: UserHandle::new(fields.bytes(5)?).map_err(|_| InvalidRecord::Malformed)?,
                name: fields.optional_text(6)?,
                display_name: fields.optional_text(7)?,
            },
            sign_count: u32::try_from(fields.unsigned(13)?).map_err(|_| InvalidRecord::Malformed)?,
            cred_protect: CredProtect::from_level(fields.unsigned(14)?).ok_or(InvalidRecord::Malformed)?,
            discoverable: fields.boolean(15)?,
            backup: fields.backup()?,
            aaguid: Aaguid(fields.array(18)?),
            order: fields.unsigned(19)?,
            created: fields.optional_date(20)?,
            last_used: fields.optional_date(21)?,
        };
        let secret = CredentialSecret {
            key: fields.key_pair()?,
            cred_random_with_uv: fields.secret(11)?,
            cred_random_without_uv: fields.secret(12)?,
        };
        Ok(Self {
            credential,
            secret,
            extensions: fields.extension_data()?.into(),
            unknown: fields.unknown()?,
            wrapped: false,
        })
    }
}

fn write_text(writer: &mut Writer, key: u64, text: Option<&str>) {
    if let Some(text) = text {
        writer.unsigned(key).text(text);
    }
}

fn write_date(writer: &mut Writer, key: u64, date: Option<UnixTime>) {
    if let Some(UnixTime(seconds)) = date {
        writer.unsigned(key).unsigned(seconds);
    }
}

fn write_extension_data(writer: &mut Writer, data: &ExtensionData) {
    if let Some(blob) = &data.cred_blob {
        writer.unsigned(22).bytes(blob.expose());
    }
    if let Some(key) = &data.large_blob_key {
        writer.unsigned(23).bytes(key.expose());
    }
    if data.third_party_payment {
        writer.unsigned(24).boolean(true);
    }
    if let Some(blob) = &data.large_blob {
        writer.unsigned(25).bytes(blob.data.expose());
        writer.unsigned(26).unsigned(blob.uncompressed_size);
    }
}

fn write_key(writer: &mut Writer, key: &KeyPair) {
    writer.unsigned(8).integer(key.algorithm().identifier());
    writer.unsigned(9).bytes(&key.public().to_raw());
    writer.unsigned(10).bytes(key.private().expose());
}

/// The members, each read with its type; what is not as it should be is Malformed.
struct Fields<'a> {
    /// By key; found in one pass, since nearly all are asked for.
    known: [Option<Item<'a>>; KNOWN],
    all: Entries<'a>,
}

impl<'a> Fields<'a> {
    fn of(all: Entries<'a>) -> Self {
        let mut known = [None; KNOWN];
        for (key, value) in all.clone() {
            let key = key.unsigned().and_then(|key| usize::try_from(key).ok());
            if let Some(place) = key.and_then(|key| known.get_mut(key)) {
                *place = Some(value);
            }
        }
        Self { known, all }
    }

    fn member(&self, key: usize) -> Option<Item<'a>> {
        self.known.get(key).copied().flatten()
    }

    fn at<T>(&self, key: usize, read: impl FnOnce(Item<'a>) -> Option<T>) -> Result<T, InvalidRecord> {
        self.member(key).and_then(read).ok_or(InvalidRecord::Malformed)
    }

    fn optional<T>(
        &self,
        key: usize,
        read: impl FnOnce(Item<'a>) -> Option<T>,
    ) -> Result<Option<T>, InvalidRecord> {
        self.member(key).map(|item| read(item).ok_or(InvalidRecord::Malformed)).transpose()
    }

    fn unsigned(&self, key: usize) -> Result<u64, InvalidRecord> {
        self.at(key, |item| item.unsigned())
    }

    fn bytes(&self, key: usize) -> Result<&'a [u8], InvalidRecord> {
        self.at(key, |item| item.bytes())
    }

    fn array<const N: usize>(&self, key: usize) -> Result<[u8; N], InvalidRecord> {
        self.at(key, |item| item.bytes()?.try_into().ok())
    }

    fn secret(&self, key: usize) -> Result<Secret<32>, InvalidRecord> {
        self.at(key, |item| Secret::from_slice(item.bytes()?))
    }

    fn text(&self, key: usize) -> Result<&'a str, InvalidRecord> {
        self.at(key, |item| item.text())
    }

    fn boolean(&self, key: usize) -> Result<bool, InvalidRecord> {
        self.at(key, |item| item.boolean())
    }

    fn optional_text(&self, key: usize) -> Result<Option<Arc<str>>, InvalidRecord> {
        self.optional(key, |item| item.text().map(Arc::from))
    }

    fn optional_date(&self, key: usize) -> Result<Option<UnixTime>, InvalidRecord> {
        self.optional(key, |item| item.unsigned().map(UnixTime))
    }

    fn backup(&self) -> Result<Backup, InvalidRecord> {
        match (self.boolean(16)?, self.boolean(17)?) {
            (false, false) => Ok(Backup::DeviceBound),
            (true, backed_up) => Ok(Backup::Eligible { backed_up }),
            (false, true) => Err(InvalidRecord::Malformed),
        }
    }

    fn extension_data(&self) -> Result<ExtensionData, InvalidRecord> {
        let bytes = |item: Item<'_>| item.bytes().map(|bytes| SecretBytes::new(bytes.to_vec()));
        // Only `true` is written: of two forms of one record, one would not survive.
        let marked = self.optional(24, |item| item.boolean().filter(|marked| *marked))?;
        Ok(ExtensionData {
            cred_blob: self.optional(22, bytes)?,
            large_blob_key: self.optional(23, |item| Secret::from_slice(item.bytes()?))?,
            third_party_payment: marked.is_some(),
            large_blob: match (self.optional(25, bytes)?, self.optional(26, |item| item.unsigned())?) {
                (None, None) => None,
                (Some(data), Some(uncompressed_size)) => Some(LargeBlob { data, uncompressed_size }),
                _ => return Err(InvalidRecord::Malformed),
            },
        })
    }

    fn key_pair(&self) -> Result<KeyPair, InvalidRecord> {
        let identifier = self.at(8, |item| item.integer())?;
        let algorithm = CoseAlgorithm::from_identifier(identifier).ok_or(InvalidRecord::Unsupported)?;
        let public = PublicKey::from_raw(algorithm, self.bytes(9)?).ok_or(InvalidRecord::Malformed)?;
        let private = SecretBytes::new(self.bytes(10)?.to_vec());
        KeyPair::from_parts(algorithm, private, public).map_err(|_| InvalidRecord::Malformed)
    }

    /// The members of later versions, which have higher keys. Any other unknown key is of no version.
    fn unknown(&self) -> Result<UnknownMembers, InvalidRecord> {
        let mut unknown = Vec::new();
        for (key, value) in self.all.clone() {
            match key.unsigned() {
                Some(1..=LAST_KNOWN) => {}
                Some(later @ 1..) => {
                    unknown.push((later, value.raw().to_vec()));
                }
                _ => return Err(InvalidRecord::Malformed),
            }
        }
        Ok(unknown.into_boxed_slice())
    }
}
