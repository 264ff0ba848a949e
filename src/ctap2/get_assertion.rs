//! authenticatorGetAssertion and authenticatorGetNextAssertion (CTAP 2.3 sections 6.2 and 6.3).

use alloc::vec::Vec;

use super::{
    entity,
    extensions::{GetAssertionExtensions, LargeBlobKey, LargeBlobOutput},
    options::Options,
    pin_uv_auth::PinUvAuth,
    read::{Limits, optional, required},
    status::Status,
    unprinted::Unprinted,
    write::Members,
};
use crate::{
    cbor::{Entries, Writer},
    webauthn::{ClientDataHash, CredentialDescriptor, CredentialId, RpId, UserEntity},
};

/// The request. Every element of it has its shape; nothing was judged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetAssertion {
    /// 0x01
    pub rp_id: RpId,
    /// 0x02
    pub client_data_hash: ClientDataHash,
    /// 0x03: the descriptors of type `public-key`. `None` when the list is absent or empty on the wire (decision for
    /// rule 27); `Some` and empty when it named only credentials of types that do not exist: those match nothing.
    pub allow_list: Option<Vec<CredentialDescriptor>>,
    /// 0x04
    pub extensions: GetAssertionExtensions,
    /// 0x05
    pub options: Options,
    /// 0x06 and 0x07
    pub pin_uv_auth: Option<PinUvAuth>,
}

/// The response.
#[derive(Clone, PartialEq, Eq)]
pub struct GetAssertionResponse {
    /// 0x01: which credential answered.
    pub credential: CredentialId,
    /// 0x02: authenticator data, a credBlob in them; not printed.
    pub auth_data: Vec<u8>,
    /// 0x03
    pub signature: Vec<u8>,
    /// 0x04: the account; names only after user verification.
    pub user: Option<UserEntity>,
    /// 0x05: only in the first of several.
    pub number_of_credentials: Option<u64>,
    /// 0x06: the person chose the account on the authenticator.
    pub user_selected: bool,
    /// 0x07: only where it was asked for and the credential has one.
    pub large_blob_key: Option<LargeBlobKey>,
    /// `largeBlob` in 0x08, unsignedExtensionOutputs.
    pub large_blob: Option<LargeBlobOutput>,
}

impl core::fmt::Debug for GetAssertionResponse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("GetAssertionResponse")
            .field("credential", &self.credential)
            .field("auth_data", &Unprinted(&self.auth_data))
            .field("signature", &self.signature)
            .field("user", &self.user)
            .field("number_of_credentials", &self.number_of_credentials)
            .field("user_selected", &self.user_selected)
            .field("large_blob_key", &self.large_blob_key)
            .field("large_blob", &self.large_blob)
            .finish()
    }
}

impl GetAssertion {
    pub(super) fn read(parameters: &Entries<'_>, limits: &Limits) -> Result<Self, Status> {
        let allow_list = |item| entity::read_descriptors(item, limits);
        Ok(Self {
            rp_id: required(parameters.at(0x01), entity::read_rp_id)?,
            client_data_hash: required(parameters.at(0x02), entity::read_client_data_hash)?,
            allow_list: optional(parameters.at(0x03), allow_list)?.flatten(),
            extensions: optional(parameters.at(0x04), GetAssertionExtensions::read)?.unwrap_or_default(),
            options: optional(parameters.at(0x05), Options::read)?.unwrap_or_default(),
            pin_uv_auth: PinUvAuth::read(parameters.at(0x06), parameters.at(0x07))?,
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        members.at(0x01, |w| _ = w.text(self.rp_id.as_str()));
        members.at(0x02, |w| _ = w.bytes(&self.client_data_hash.0));
        members.at_list(0x03, self.allow_list.as_deref().unwrap_or_default(), |w, descriptor| {
            entity::write_descriptor(w, &descriptor.id);
        });
        members.at_map(0x04, |members| self.extensions.write(members));
        members.at_map(0x05, |members| self.options.write(members));
        PinUvAuth::write(self.pin_uv_auth.as_ref(), 0x06, 0x07, &mut members);
        members.finish();
    }
}

impl GetAssertionResponse {
    /// The bytes of what has no fixed length.
    pub(super) fn variable_length(&self) -> usize {
        let names = self.user.iter().flat_map(|user| [&user.name, &user.display_name]).flatten();
        let blob = match &self.large_blob {
            Some(LargeBlobOutput::Blob { blob, .. }) => blob.len(),
            _ => 0,
        };
        let lengths = [self.credential.as_bytes().len(), self.auth_data.len(), self.signature.len(), blob];
        names.map(|name| name.len()).chain(lengths).fold(0, usize::saturating_add)
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        members.at(0x01, |w| entity::write_descriptor(w, &self.credential));
        members.at(0x02, |w| _ = w.bytes(&self.auth_data));
        members.at(0x03, |w| _ = w.bytes(&self.signature));
        members.at_some(0x04, self.user.as_ref(), entity::write_user);
        members.at_some(0x05, self.number_of_credentials, |w, number| _ = w.unsigned(number));
        members.at_some(0x06, self.user_selected.then_some(true), |w, selected| _ = w.boolean(selected));
        members.at_some(0x07, self.large_blob_key.as_ref(), |w, key| _ = w.bytes(key.0.expose()));
        members.at_some(0x08, self.large_blob.as_ref(), |w, output| output.write(w));
        members.finish();
    }
}
