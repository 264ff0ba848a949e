//! A platform's half of authenticatorClientPIN: key agreement, PINs sent, tokens received and used.

use countersign::{
    crypto::{RustCrypto, sha256},
    ctap2::{ClientPin, ClientPinResponse, PinUvAuth, PlatformKey, Request, Response, Status},
    pin_uv::{PinUvAuthProtocol, SharedSecret, encapsulate},
    rand_core::CryptoRng,
    secret::Secret,
    webauthn::RpId,
};

use super::{
    seeded_rng::SeededRng,
    world::{Person, World},
};

pub(crate) const PROTOCOLS: [PinUvAuthProtocol; 2] = [PinUvAuthProtocol::One, PinUvAuthProtocol::Two];

/// Permissions by their names (CTAP 2.3 section 6.5.5.7).
pub(crate) const MC: u64 = 0x01;
pub(crate) const GA: u64 = 0x02;
pub(crate) const CM: u64 = 0x04;
pub(crate) const BE: u64 = 0x08;
pub(crate) const LBW: u64 = 0x10;
pub(crate) const ACFG: u64 = 0x20;
pub(crate) const PCMR: u64 = 0x40;

/// One key agreement with an authenticator.
pub(crate) struct Platform {
    pub(crate) key: PlatformKey,
    pub(crate) shared: SharedSecret,
}

/// A pinUvAuthToken that a platform holds.
pub(crate) struct Token {
    pub(crate) protocol: PinUvAuthProtocol,
    pub(crate) value: Secret<32>,
}

impl Platform {
    /// getKeyAgreement, and `encapsulate`.
    pub(crate) fn connect<R: CryptoRng>(world: &mut World<R>, protocol: PinUvAuthProtocol) -> Self {
        let request = ClientPin::GetKeyAgreement { pin_uv_auth_protocol: protocol.number() };
        let response = world.call(Request::ClientPin(request), Person::Absent);
        let Response::ClientPin(ClientPinResponse::KeyAgreement(authenticator)) = response else {
            panic!("no key agreement: {response:?}")
        };
        let (key_agreement, shared) =
            encapsulate(&RustCrypto, protocol, &authenticator, &mut SeededRng(authenticator.x[0].into()))
                .expect("a point on the curve");
        Self { key: PlatformKey { pin_uv_auth_protocol: protocol.number(), key_agreement }, shared }
    }

    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        self.shared.encrypt(plaintext, &mut SeededRng(77)).expect("whole blocks")
    }

    /// setPIN, of bytes that need not be a PIN.
    pub(crate) fn set_padded(&self, padded: &[u8]) -> ClientPin {
        let new_pin_enc = self.encrypt(padded);
        let pin_uv_auth_param = self.shared.authenticate(&[&new_pin_enc]);
        ClientPin::SetPin { platform: self.key, new_pin_enc, pin_uv_auth_param }
    }

    pub(crate) fn set_pin(&self, pin: &str) -> ClientPin {
        self.set_padded(&padded(pin))
    }

    /// changePIN, to bytes that need not be a PIN.
    pub(crate) fn change_padded(&self, pin: &str, padded: &[u8]) -> ClientPin {
        let (new_pin_enc, pin_hash_enc) = (self.encrypt(padded), self.pin_hash_enc(pin));
        let pin_uv_auth_param = self.shared.authenticate(&[&new_pin_enc, &pin_hash_enc]);
        ClientPin::ChangePin { platform: self.key, new_pin_enc, pin_hash_enc, pin_uv_auth_param }
    }

    pub(crate) fn change_pin(&self, pin: &str, new: &str) -> ClientPin {
        self.change_padded(pin, &padded(new))
    }

    pub(crate) fn pin_hash_enc(&self, pin: &str) -> Vec<u8> {
        self.encrypt(&sha256(pin.as_bytes())[..16])
    }

    /// getPinToken (0x05)
    pub(crate) fn get_pin_token(&self, pin: &str) -> ClientPin {
        let pin_hash_enc = self.pin_hash_enc(pin);
        ClientPin::GetPinToken { platform: self.key, pin_hash_enc, permissions: None, rp_id: None }
    }

    /// getPinUvAuthTokenUsingPinWithPermissions (0x09)
    pub(crate) fn token_using_pin(&self, pin: &str, permissions: u64, rp: Option<&str>) -> ClientPin {
        let (pin_hash_enc, rp_id) = (self.pin_hash_enc(pin), rp_id(rp));
        ClientPin::GetTokenUsingPin { platform: self.key, pin_hash_enc, permissions, rp_id }
    }

    /// getPinUvAuthTokenUsingUvWithPermissions (0x06)
    pub(crate) fn token_using_uv(&self, permissions: u64, rp: Option<&str>) -> ClientPin {
        ClientPin::GetTokenUsingUv { platform: self.key, permissions, rp_id: rp_id(rp) }
    }

    /// The token of a response.
    pub(crate) fn token_of(&self, response: Response) -> Result<Token, Status> {
        match response {
            Response::ClientPin(ClientPinResponse::Token(encrypted)) => {
                let plaintext = self.shared.decrypt(&encrypted).expect("whole blocks");
                let value = Secret::from_slice(plaintext.expose()).expect("32 bytes");
                Ok(Token { protocol: self.shared.protocol(), value })
            }
            Response::Failed(status) => Err(status),
            other => panic!("no token: {other:?}"),
        }
    }
}

impl Token {
    /// The pinUvAuthParam over `message`.
    pub(crate) fn auth(&self, message: &[&[u8]]) -> Option<PinUvAuth> {
        let param = self.protocol.authenticate_with(&self.value, message);
        Some(PinUvAuth { param, protocol: Some(self.protocol.number()) })
    }
}

impl<R: CryptoRng> World<R> {
    pub(crate) fn client_pin(&mut self, request: ClientPin, person: Person) -> Response {
        self.call(Request::ClientPin(request), person)
    }

    /// A key agreement and, by [`super::world::PIN`], a token: protocol 2, sub-command 0x09.
    pub(crate) fn token(&mut self, permissions: u64, rp: Option<&str>) -> Token {
        self.try_token(super::world::PIN, permissions, rp).expect("a token")
    }

    /// As [`World::token`], with what is a PIN or is none.
    pub(crate) fn try_token(
        &mut self,
        pin: &str,
        permissions: u64,
        rp: Option<&str>,
    ) -> Result<Token, Status> {
        let platform = Platform::connect(self, PinUvAuthProtocol::Two);
        let response = self.client_pin(platform.token_using_pin(pin, permissions, rp), Person::Willing);
        platform.token_of(response)
    }
}

/// A PIN as it is encrypted: 64 bytes, zeros after it.
pub(crate) fn padded(pin: &str) -> [u8; 64] {
    let mut padded = [0; 64];
    padded[..pin.len()].copy_from_slice(pin.as_bytes());
    padded
}

fn rp_id(rp: Option<&str>) -> Option<RpId> {
    rp.map(|rp| RpId::new(rp).expect("an RP ID"))
}
