//! authenticatorMakeCredential (CTAP 2.3 section 6.1).

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use ciborium::Value;

use super::{
    entity,
    extensions::{LargeBlobKey, MakeCredentialExtensions, write_supported},
    options::Options,
    pin_uv_auth::PinUvAuth,
    read::{self, Limits, optional, required},
    status::Status,
    write::{self, Members},
};
use crate::{
    cbor::{Entries, Invalid, Item, Writer, write_value},
    webauthn::{ClientDataHash, CredentialDescriptor, RpEntity, UserEntity},
};

/// How many preferred attestation formats are kept: twice as many as are registered.
const MAX_FORMATS: usize = 16;

/// The request. Every element of it has its shape; nothing was judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeCredential {
    /// 0x01
    pub client_data_hash: ClientDataHash,
    /// 0x02
    pub rp: RpEntity,
    /// 0x03
    pub user: UserEntity,
    /// 0x04: the COSE algorithm identifiers of the elements of type `public-key`, in the relying party's order.
    pub algorithms: Vec<i64>,
    /// 0x05: the descriptors of type `public-key`; empty when absent.
    pub exclude_list: Vec<CredentialDescriptor>,
    /// 0x06
    pub extensions: MakeCredentialExtensions,
    /// 0x07
    pub options: Options,
    /// 0x08 and 0x09
    pub pin_uv_auth: Option<PinUvAuth>,
    /// 0x0A
    pub enterprise_attestation: Option<u64>,
    /// 0x0B: the first 16.
    pub attestation_formats_preference: Vec<String>,
}

/// The response.
#[derive(Debug, Clone, PartialEq)]
pub struct MakeCredentialResponse {
    /// 0x01: the attestation statement format.
    pub fmt: &'static str,
    /// 0x02: authenticator data.
    pub auth_data: Vec<u8>,
    /// 0x03: the attestation statement, a map.
    pub att_stmt: Value,
    /// 0x04: whether it is an enterprise attestation. Written where it is.
    pub ep_att: bool,
    /// 0x05
    pub large_blob_key: Option<LargeBlobKey>,
    /// `largeBlob` in 0x06, unsignedExtensionOutputs: the credential has room for a blob. Said only where it was asked.
    pub large_blob_supported: bool,
}

impl MakeCredential {
    pub(super) fn read(parameters: &Entries<'_>, limits: &Limits) -> Result<Self, Status> {
        let exclude_list = |item| entity::read_descriptors(item, limits);
        Ok(Self {
            client_data_hash: required(parameters.at(0x01), entity::read_client_data_hash)?,
            rp: required(parameters.at(0x02), entity::read_rp)?,
            user: required(parameters.at(0x03), entity::read_user)?,
            algorithms: required(parameters.at(0x04), read_algorithms)?,
            exclude_list: optional(parameters.at(0x05), exclude_list)?.flatten().unwrap_or_default(),
            extensions: optional(parameters.at(0x06), MakeCredentialExtensions::read)?.unwrap_or_default(),
            options: optional(parameters.at(0x07), Options::read)?.unwrap_or_default(),
            pin_uv_auth: PinUvAuth::read(parameters.at(0x08), parameters.at(0x09))?,
            enterprise_attestation: optional(parameters.at(0x0A), read::unsigned)?,
            attestation_formats_preference: optional(parameters.at(0x0B), read_formats)?.unwrap_or_default(),
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        members.at(0x01, |w| _ = w.bytes(&self.client_data_hash.0));
        members.at(0x02, |w| entity::write_rp(w, &self.rp));
        members.at(0x03, |w| entity::write_user(w, &self.user));
        members.at(0x04, |w| write::array(w, &self.algorithms, |w, id| entity::write_algorithm(w, *id)));
        members
            .at_list(0x05, &self.exclude_list, |w, descriptor| entity::write_descriptor(w, &descriptor.id));
        members.at_map(0x06, |members| self.extensions.write(members));
        members.at_map(0x07, |members| self.options.write(members));
        PinUvAuth::write(self.pin_uv_auth.as_ref(), 0x08, 0x09, &mut members);
        members.at_some(0x0A, self.enterprise_attestation, |w, kind| _ = w.unsigned(kind));
        members.at_list(0x0B, &self.attestation_formats_preference, |w, format| _ = w.text(format));
        members.finish();
    }
}

/// pubKeyCredParams: every element has to have its shape, those after the one that will be chosen too; elements of an
/// unknown type are passed over (CTAP 2.3 section 6.1.2 step 3).
fn read_algorithms(item: Item<'_>) -> Result<Vec<i64>, Status> {
    read::array(item)?.filter_map(|element| read_algorithm(element).transpose()).collect()
}

fn read_algorithm(item: Item<'_>) -> Result<Option<i64>, Status> {
    let parameter = read::map(item)?;
    let identifier = required(parameter.named("alg"), read::integer)?;
    Ok(entity::read_public_key_type(parameter.named("type"))?.then_some(identifier))
}

/// attestationFormatsPreference: every element has to be text; those beyond [`MAX_FORMATS`] are passed over, since an
/// empty text is one byte here and more than twenty where it is kept.
fn read_formats(item: Item<'_>) -> Result<Vec<String>, Status> {
    let mut formats = Vec::new();
    for element in read::array(item)? {
        let format = read::text(element)?;
        if formats.len() < MAX_FORMATS {
            formats.push(format.to_owned());
        }
    }
    Ok(formats)
}

impl MakeCredentialResponse {
    pub(super) fn write(&self, writer: &mut Writer) -> Result<(), Invalid> {
        let mut written = Ok(());
        let mut members = Members::of(writer);
        members.at(0x01, |w| _ = w.text(self.fmt));
        members.at(0x02, |w| _ = w.bytes(&self.auth_data));
        members.at(0x03, |w| written = write_value(w, &self.att_stmt));
        members.at_some(0x04, self.ep_att.then_some(true), |w, on| _ = w.boolean(on));
        members.at_some(0x05, self.large_blob_key.as_ref(), |w, key| _ = w.bytes(key.0.expose()));
        members.at_some(0x06, self.large_blob_supported.then_some(()), |w, ()| write_supported(w));
        members.finish();
        written
    }
}
