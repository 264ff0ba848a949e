//! Responses, and what is signed.

use alloc::vec::Vec;

use super::{
    message::{Authenticate, Register},
    status_word::StatusWord,
};
use crate::{
    cose::P256Point,
    ctap2::Response,
    webauthn::{CredentialId, RpIdHash},
};

/// What U2F_VERSION answers, and getInfo lists.
pub const VERSION: &str = "U2F_V2";

/// A new credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered<'a> {
    /// Its public key.
    pub public_key: &'a P256Point,
    /// Its identifier, at most 255 bytes.
    pub key_handle: &'a CredentialId,
}

impl Registered<'_> {
    /// What the attestation key signs: a zero byte, the application parameter, the challenge parameter, the key handle, the
    /// public key.
    pub fn message(&self, request: &Register) -> Vec<u8> {
        let key = self.point();
        let handle = self.key_handle.as_bytes();
        [&[0x00], request.application.0.as_slice(), &request.challenge, handle, &key].concat()
    }

    /// The response: 0x05, the public key, the key handle after its length, the attestation certificate (DER), the
    /// signature. `None` where the key handle is too long.
    pub fn encode(&self, certificate: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
        let handle = self.key_handle.as_bytes();
        let length = u8::try_from(handle.len()).ok()?;
        Some([&[0x05], self.point().as_slice(), &[length], handle, certificate, signature].concat())
    }

    /// Uncompressed (SEC 1 section 2.3.3).
    fn point(&self) -> Vec<u8> {
        [&[0x04], self.public_key.x.as_slice(), &self.public_key.y].concat()
    }
}

/// What an authentication says beside its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticated {
    /// Bit 0 of the user presence byte.
    pub user_present: bool,
    /// The signature counter.
    pub counter: u32,
}

impl Authenticated {
    /// What the credential signs: the application parameter, the user presence byte, the counter, the challenge parameter.
    pub fn message(&self, request: &Authenticate) -> Vec<u8> {
        let RpIdHash(application) = &request.application;
        [application.as_slice(), &self.encode(&[]), &request.challenge].concat()
    }

    /// The response: the user presence byte, the counter, the signature.
    pub fn encode(&self, signature: &[u8]) -> Vec<u8> {
        [&[u8::from(self.user_present)], self.counter.to_be_bytes().as_slice(), signature].concat()
    }
}

/// A response of data and SW_NO_ERROR.
pub fn success(mut data: Vec<u8>) -> Vec<u8> {
    data.extend_from_slice(&StatusWord::NO_ERROR.0.to_be_bytes());
    data
}

/// A response of a status word alone.
pub fn failure(status: StatusWord) -> Vec<u8> {
    status.0.to_be_bytes().to_vec()
}

/// The bytes of what a U2F command came to: [`Response::U2f`] as it is, and the status word for a status of the machine.
pub fn encode(response: &Response) -> Vec<u8> {
    match response {
        Response::U2f(bytes) => bytes.clone(),
        Response::Failed(status) => failure((*status).into()),
        _ => failure(StatusWord::OTHER),
    }
}
