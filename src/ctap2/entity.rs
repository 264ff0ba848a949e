//! What several commands carry: relying parties, users and credential descriptors.

use alloc::vec::Vec;

use super::{
    read::{self, Limits, optional, required},
    status::Status,
    write::Members,
};
use crate::{
    cbor::{Item, Writer},
    webauthn::{ClientDataHash, CredentialDescriptor, CredentialId, RpEntity, RpId, UserEntity, UserHandle},
};

/// The one `PublicKeyCredentialType` that exists.
const PUBLIC_KEY: &str = "public-key";

/// 32 bytes. INVALID_LENGTH ("invalid message or item length") stands for every identifier whose length does not exist.
pub(super) fn read_client_data_hash(item: Item<'_>) -> Result<ClientDataHash, Status> {
    read::bytes(item)?.try_into().map(ClientDataHash).map_err(|_| Status::InvalidLength)
}

pub(super) fn read_rp_id(item: Item<'_>) -> Result<RpId, Status> {
    RpId::new(read::text(item)?).map_err(|_| Status::InvalidLength)
}

pub(super) fn read_rp(item: Item<'_>) -> Result<RpEntity, Status> {
    let entity = read::map(item)?;
    Ok(RpEntity {
        id: required(entity.named("id"), read_rp_id)?,
        name: optional(entity.named("name"), read::shared_text)?,
    })
}

pub(super) fn read_user(item: Item<'_>) -> Result<UserEntity, Status> {
    let entity = read::map(item)?;
    let id = required(entity.named("id"), read::bytes)?;
    Ok(UserEntity {
        id: UserHandle::new(id).map_err(|_| Status::InvalidLength)?,
        name: optional(entity.named("name"), read::shared_text)?,
        display_name: optional(entity.named("displayName"), read::shared_text)?,
    })
}

/// An allowList or excludeList. `None` for the empty one: platforms that know CTAP 2.0 only send it for "no list".
///
/// Every element has to have the shape of a descriptor. Those of an unknown type are passed over, and so are those
/// whose identifier is empty or longer than any credential's: a request may name what other authenticators made, and
/// neither can be ours.
pub(super) fn read_descriptors(
    item: Item<'_>,
    limits: &Limits,
) -> Result<Option<Vec<CredentialDescriptor>>, Status> {
    let elements = read::array(item)?;
    match usize::try_from(elements.announced()) {
        Ok(0) => return Ok(None),
        Ok(count) if count <= limits.max_list => {}
        _ => return Err(Status::LimitExceeded),
    }
    elements.filter_map(|element| read_descriptor(element).transpose()).collect::<Result<_, _>>().map(Some)
}

/// A single descriptor. `None` for one that names no credential of ours: an unknown type, an identifier of a length that
/// does not exist.
pub(super) fn read_one_descriptor(item: Item<'_>) -> Result<Option<CredentialId>, Status> {
    Ok(read_descriptor(item)?.map(|descriptor| descriptor.id))
}

fn read_descriptor(item: Item<'_>) -> Result<Option<CredentialDescriptor>, Status> {
    let descriptor = read::map(item)?;
    let id = required(descriptor.named("id"), read::bytes)?;
    if !read_public_key_type(descriptor.named("type"))? {
        return Ok(None);
    }
    Ok(CredentialId::new(id).ok().map(|id| CredentialDescriptor { id }))
}

/// Whether the `type` of a descriptor or of a credential parameter is the one that exists.
pub(super) fn read_public_key_type(member: Option<Item<'_>>) -> Result<bool, Status> {
    required(member, read::text).map(|text| text == PUBLIC_KEY)
}

pub(super) fn write_rp(writer: &mut Writer, rp: &RpEntity) {
    let mut members = Members::of(writer);
    members.named("id", |w| _ = w.text(rp.id.as_str()));
    members.named_some("name", rp.name.as_deref(), |w, name| _ = w.text(name));
    members.finish();
}

pub(super) fn write_user(writer: &mut Writer, user: &UserEntity) {
    let mut members = Members::of(writer);
    members.named("id", |w| _ = w.bytes(user.id.as_bytes()));
    members.named_some("name", user.name.as_deref(), |w, name| _ = w.text(name));
    members.named_some("displayName", user.display_name.as_deref(), |w, name| _ = w.text(name));
    members.finish();
}

pub(super) fn write_descriptor(writer: &mut Writer, id: &CredentialId) {
    writer.map(2).text("id").bytes(id.as_bytes());
    writer.text("type").text(PUBLIC_KEY);
}

/// An element of pubKeyCredParams, or of getInfo's `algorithms`.
pub(super) fn write_algorithm(writer: &mut Writer, identifier: i64) {
    writer.map(2).text("alg").integer(identifier);
    writer.text("type").text(PUBLIC_KEY);
}
