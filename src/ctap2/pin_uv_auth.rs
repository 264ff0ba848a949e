//! What many commands carry: pinUvAuthParam with its pinUvAuthProtocol.

use alloc::vec::Vec;

use super::{
    read::{self, optional},
    status::Status,
    write::Members,
};
use crate::cbor::Item;

/// pinUvAuthParam with its pinUvAuthProtocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinUvAuth {
    /// The parameter; empty when a platform probes which authenticator was touched.
    pub param: Vec<u8>,
    /// The protocol's number.
    pub protocol: Option<u64>,
}

impl PinUvAuth {
    /// A protocol without a parameter says nothing and is dropped once its type was checked.
    pub(super) fn read(param: Option<Item<'_>>, protocol: Option<Item<'_>>) -> Result<Option<Self>, Status> {
        let param = optional(param, read::bytes)?;
        let protocol = optional(protocol, read::unsigned)?;
        Ok(param.map(|param| Self { param: param.to_vec(), protocol }))
    }

    pub(super) fn write(auth: Option<&Self>, param_key: u64, protocol_key: u64, members: &mut Members<'_>) {
        members.at_some(param_key, auth, |w, auth| _ = w.bytes(&auth.param));
        members
            .at_some(protocol_key, auth.and_then(|auth| auth.protocol), |w, number| _ = w.unsigned(number));
    }
}
