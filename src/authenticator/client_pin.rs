//! authenticatorClientPIN (CTAP 2.3 section 6.5.5): getKeyAgreement, which hmac-secret needs.

use rand_core::CryptoRng;

use super::{machine::Authenticator, step::Step};
use crate::{
    ctap2::{ClientPin, ClientPinResponse, Response, Status},
    pin_uv::PinUvAuthProtocol,
};

impl Authenticator {
    pub(super) fn client_pin(
        &mut self,
        request: &ClientPin,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        match request {
            // Section 6.5.5.4: one key pair serves both protocols.
            ClientPin::GetKeyAgreement { pin_uv_auth_protocol } => {
                PinUvAuthProtocol::from_number(*pin_uv_auth_protocol).ok_or(Status::InvalidParameter)?;
                let key = self.key_agreement(rng).public_key();
                Ok(Step::respond(Response::ClientPin(ClientPinResponse::KeyAgreement(key))))
            }
            _ => Err(Status::InvalidSubcommand),
        }
    }
}
