//! "Use an Existing Credential": from request options to the command, and from the authenticator's answer to
//! AuthenticationResponseJSON.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    error::{OptionsError, ResultError},
    options::{Hint, RequestOptions, Requirement},
    origin::Caller,
    response::{self, Collected, JsonText, ResponseJson},
};
use crate::{
    ctap2::{GetAssertion, GetAssertionExtensions, GetAssertionResponse, Options},
    webauthn::{AuthenticatorAttachment, ClientDataType, PrfInputs, PrfOutputs},
};

/// Request options that were judged: what goes to the authenticator, what the host decides with, and what makes the
/// response.
pub struct PreparedGet {
    /// The command. Required user verification is set (`options.uv`: `Some(true)`); preferred is left out, and is the
    /// caller's to add if the authenticator can do it ([`Requirement::effective`]). `hmac_secret` is left out too:
    /// whoever talks to a CTAP authenticator encrypts the salts of `prf` for it.
    pub request: GetAssertion,
    /// The inputs of `prf`, if the relying party asked for it.
    pub prf: Option<PrfInputs>,
    /// Whether the user has to be verified.
    pub user_verification: Requirement,
    /// What the relying party expects of the user interface, most preferred first.
    pub hints: Vec<Hint>,
    /// How long the relying party would wait; the host puts it into a reasonable range.
    pub timeout: Option<Duration>,
    /// The second half.
    pub authentication: Authentication,
}

impl RequestOptions {
    /// The steps of "Use an Existing Credential" that need no authenticator.
    ///
    /// # Errors
    /// [`ErrorKind::Security`](super::ErrorKind::Security) when the caller may not claim the RP ID; `NotSupported` when
    /// `prf.evalByCredential` comes without `allowCredentials`; `Syntax` when a key of it names none of those.
    pub fn prepare(self, caller: &Caller) -> Result<PreparedGet, OptionsError> {
        let rp_id = response::claim_rp_id(caller, self.rp_id.as_deref(), "rpId")?;
        let allow_list = self.allow_list;
        let prf = self.extensions.prf.map(|prf| prf.for_request(allow_list.as_deref())).transpose()?;
        let collected = Collected::new(ClientDataType::Get, &self.challenge, caller, &rp_id);
        let uv = (self.user_verification == Requirement::Required).then_some(true);
        Ok(PreparedGet {
            request: GetAssertion {
                rp_id,
                client_data_hash: collected.client_data_hash(),
                allow_list,
                extensions: GetAssertionExtensions::default(),
                options: Options { rk: None, up: None, uv },
                pin_uv_auth: None,
            },
            user_verification: self.user_verification,
            hints: self.hints,
            timeout: self.timeout,
            authentication: Authentication {
                collected,
                user_verification: self.user_verification,
                prf: prf.is_some(),
            },
            prf,
        })
    }
}

/// What an authenticator answered to a [`PreparedGet`], and what its client knows about it.
pub struct AssertionResult {
    /// Its answer; the account's handle is taken from `user`, its names are told to nobody.
    pub response: GetAssertionResponse,
    /// How it is attached.
    pub attachment: Option<AuthenticatorAttachment>,
    /// PRF results; told only to who asked.
    pub prf: Option<PrfOutputs>,
}

/// An authentication that waits for the authenticator's answer.
pub struct Authentication {
    collected: Collected,
    user_verification: Requirement,
    prf: bool,
}

impl Authentication {
    /// The serialised client data, whose hash is in the command.
    pub fn client_data_json(&self) -> &[u8] {
        self.collected.client_data_json()
    }

    /// Makes the AuthenticationResponseJSON.
    pub fn finish(&self, result: AssertionResult) -> Result<ResponseJson, ResultError> {
        let response = &result.response;
        self.collected.check(&response.auth_data, self.user_verification)?;
        let mut json = JsonText::new();
        response::open_credential(&mut json, response.credential.as_bytes(), result.attachment);
        json.open("response");
        json.base64url("clientDataJSON", self.client_data_json());
        json.base64url("authenticatorData", &response.auth_data);
        json.base64url("signature", &response.signature);
        if let Some(user) = &response.user {
            json.base64url("userHandle", user.id.as_bytes());
        }
        json.close();
        json.open("clientExtensionResults");
        if self.prf {
            response::write_prf(&mut json, None, result.prf.as_ref());
        }
        json.close();
        Ok(json.finish())
    }
}
