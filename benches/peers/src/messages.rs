//! What a platform says to every authenticator alike, and what it reads of the answers.

use ciborium::Value;
use countersign::{
    cose::{CoseAlgorithm, P256Point, PublicKey},
    crypto::{CryptoProvider, RustCrypto},
    ctap2::{
        ClientPin, GetAssertion, GetAssertionExtensions, HmacSecretInput, MakeCredential,
        MakeCredentialExtensions, Options, Request,
    },
    pin_uv::{PinUvAuthProtocol, SharedSecret, encapsulate},
    webauthn::{
        AuthenticatorDataView, ClientDataHash, CredentialDescriptor, CredentialId, RpEntity, RpId,
        UserEntity, UserHandle,
    },
};
use rand::{SeedableRng, rngs::StdRng};

/// The relying party whose passkey is asserted.
pub const RP: &str = "example.org";
/// The relying party at which new passkeys are made, so that the one above is left alone.
pub const OTHER_RP: &str = "example.com";
/// What is asserted to.
pub const CLIENT_DATA_HASH: [u8; 32] = [8; 32];
/// The account.
pub const USER: [u8; 8] = [1; 8];

/// An authenticator that takes CTAP bytes.
pub trait Ctap {
    /// Answers a message: command byte and parameters in, status byte and response out. Whoever is asked consents at once.
    fn call(&mut self, message: &[u8]) -> Vec<u8>;
}

/// authenticatorMakeCredential of a discoverable credential, without user verification.
pub fn make_credential(rp: &str, algorithm: CoseAlgorithm, hmac_secret: bool) -> MakeCredential {
    MakeCredential {
        client_data_hash: ClientDataHash([7; 32]),
        rp: RpEntity { id: RpId::new(rp).expect("an RP ID"), name: None },
        user: UserEntity {
            id: UserHandle::new(&USER).expect("a user handle"),
            name: Some("alice".into()),
            display_name: Some("Alice".into()),
        },
        algorithms: vec![algorithm.identifier()],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions {
            hmac_secret: hmac_secret.then_some(true),
            ..Default::default()
        },
        options: Options { rk: Some(true), up: None, uv: None },
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    }
}

/// authenticatorGetAssertion with an allowList that names one credential, without user verification.
pub fn get_assertion(id: &[u8], hmac_secret: Option<HmacSecretInput>) -> GetAssertion {
    GetAssertion {
        rp_id: RpId::new(RP).expect("an RP ID"),
        client_data_hash: ClientDataHash(CLIENT_DATA_HASH),
        allow_list: Some(vec![CredentialDescriptor { id: CredentialId::new(id).expect("a credential ID") }]),
        extensions: GetAssertionExtensions { hmac_secret, ..Default::default() },
        options: Options { rk: None, up: None, uv: None },
        pin_uv_auth: None,
    }
}

/// Registers at [`RP`] and returns the credential's identifier, once a first assertion was seen to be signed with its key.
pub fn register(authenticator: &mut dyn Ctap, algorithm: CoseAlgorithm) -> Vec<u8> {
    let request = Request::MakeCredential(make_credential(RP, algorithm, true));
    let made = body(&authenticator.call(&request.encode()));
    let data = AuthenticatorDataView::parse(bytes(member(&made, 2))).expect("authenticator data");
    let (_, id, key) = data.attested.expect("attested credential data");
    let (_, key) = PublicKey::from_cose(&key).expect("a COSE key");
    let request = Request::GetAssertion(get_assertion(id.as_bytes(), None));
    let asserted = body(&authenticator.call(&request.encode()));
    let message = [bytes(member(&asserted, 2)), &CLIENT_DATA_HASH];
    RustCrypto
        .verify(algorithm, &key, &message, bytes(member(&asserted, 3)))
        .expect("a signature by the new key");
    id.as_bytes().to_vec()
}

/// A platform that is about to send hmac-secret requests to one authenticator.
pub struct Platform {
    peer: P256Point,
    rng: StdRng,
}

impl Platform {
    /// Asks the authenticator for its key-agreement key.
    pub fn meet(authenticator: &mut dyn Ctap) -> Self {
        let pin_uv_auth_protocol = PinUvAuthProtocol::Two.number();
        let request = Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol });
        let key = member(&body(&authenticator.call(&request.encode())), 1).clone();
        let coordinate = |label| bytes(member(&key, label)).try_into().expect("32 bytes");
        Self { peer: P256Point { x: coordinate(-2), y: coordinate(-3) }, rng: StdRng::seed_from_u64(1) }
    }

    /// A getAssertion with one encrypted salt, under a new platform key.
    pub fn request(&mut self, id: &[u8]) -> Vec<u8> {
        Request::GetAssertion(get_assertion(id, Some(self.hmac_secret()))).encode()
    }

    fn hmac_secret(&mut self) -> HmacSecretInput {
        let protocol = PinUvAuthProtocol::Two;
        let (key_agreement, shared): (_, SharedSecret) =
            encapsulate(&RustCrypto, protocol, &self.peer, &mut self.rng).expect("a point on the curve");
        let salt_enc = shared.encrypt(&[5; 32], &mut self.rng).expect("whole blocks");
        let salt_auth = shared.authenticate(&[&salt_enc]);
        HmacSecretInput { key_agreement, salt_enc, salt_auth, pin_uv_auth_protocol: Some(protocol.number()) }
    }
}

/// Stops a comparison in which somebody answers an error: it would be fast.
pub fn check(response: &[u8]) {
    assert_eq!(response.first(), Some(&0), "the authenticator answered {response:02x?}");
}

fn body(response: &[u8]) -> Value {
    check(response);
    ciborium::from_reader(&response[1..]).expect("CBOR")
}

fn member(map: &Value, label: i64) -> &Value {
    let entries = map.as_map().expect("a map");
    let found = entries.iter().find(|(key, _)| key.as_integer() == Some(label.into()));
    found.map(|(_, value)| value).expect("the member")
}

fn bytes(value: &Value) -> &[u8] {
    value.as_bytes().expect("a byte string")
}
