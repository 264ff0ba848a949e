//! The crate `passkey` 0.6: its authenticator, which takes typed requests only, with the store that it comes with.

use async_trait::async_trait;
use passkey_authenticator::{Authenticator, MemoryStore, UiHint, UserCheck, UserValidationMethod};
use passkey_crypto::{CryptoBackend, iana};
use passkey_types::{
    Passkey,
    ctap2::{Aaguid, Ctap2Error, get_assertion, make_credential},
    webauthn::{
        PublicKeyCredentialDescriptor, PublicKeyCredentialParameters, PublicKeyCredentialType,
        PublicKeyCredentialUserEntity,
    },
};
use pollster::block_on;

use crate::messages::{CLIENT_DATA_HASH, RP, USER};

/// An authenticator with one of the crate's providers.
pub struct Device<C>(Authenticator<MemoryStore, Consent, C>);

impl<C: CryptoBackend> Device<C> {
    /// Nothing registered.
    pub fn new(crypto: C) -> Self {
        Self(Authenticator::new(Aaguid::new_empty(), MemoryStore::new(), Consent, crypto))
    }

    /// Registers and returns the credential's identifier.
    pub fn register(&mut self, algorithm: iana::Algorithm) -> Vec<u8> {
        let made = self.make_credential(make_credential(RP, algorithm));
        let attested = made.auth_data.attested_credential_data.expect("attested credential data");
        attested.credential_id().to_vec()
    }

    /// authenticatorMakeCredential.
    pub fn make_credential(&mut self, request: make_credential::Request) -> make_credential::Response {
        block_on(self.0.make_credential(request)).expect("a passkey")
    }

    /// authenticatorGetAssertion.
    pub fn get_assertion(&mut self, request: get_assertion::Request) -> get_assertion::Response {
        block_on(self.0.get_assertion(request)).expect("an assertion")
    }
}

/// As [`crate::messages::make_credential`].
pub fn make_credential(rp: &str, algorithm: iana::Algorithm) -> make_credential::Request {
    make_credential::Request {
        client_data_hash: vec![7; 32].into(),
        rp: make_credential::PublicKeyCredentialRpEntity { id: rp.to_owned(), name: None },
        user: PublicKeyCredentialUserEntity {
            id: USER.to_vec().into(),
            name: "alice".to_owned(),
            display_name: "Alice".to_owned(),
        },
        pub_key_cred_params: vec![PublicKeyCredentialParameters {
            ty: PublicKeyCredentialType::PublicKey,
            alg: algorithm,
        }],
        exclude_list: None,
        extensions: None,
        options: make_credential::Options { rk: true, up: true, uv: false },
        pin_auth: None,
        pin_protocol: None,
    }
}

/// As [`crate::messages::get_assertion`].
pub fn get_assertion(id: &[u8]) -> get_assertion::Request {
    get_assertion::Request {
        rp_id: RP.to_owned(),
        client_data_hash: CLIENT_DATA_HASH.to_vec().into(),
        allow_list: Some(vec![PublicKeyCredentialDescriptor {
            ty: PublicKeyCredentialType::PublicKey,
            id: id.to_vec().into(),
            transports: None,
        }]),
        extensions: None,
        options: get_assertion::Options { up: true, uv: false },
        pin_auth: None,
        pin_protocol: None,
    }
}

/// A person who is there and agrees.
struct Consent;

#[async_trait]
impl UserValidationMethod for Consent {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _: UiHint<'a, Passkey>,
        presence: bool,
        _: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence, verification: false })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        None
    }
}
