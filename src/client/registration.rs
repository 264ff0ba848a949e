//! "Create a New Credential": from creation options to the command, and from the authenticator's answer to
//! RegistrationResponseJSON.

use alloc::{string::String, vec, vec::Vec};
use core::time::Duration;

use super::{
    error::{ErrorKind, OptionsError, ResultError},
    extensions::CreationExtensions,
    options::{AttestationConveyance, CreationOptions, CredentialParameters, Hint, Requirement},
    origin::Caller,
    public_key::subject_public_key_info,
    response::{self, Collected, JsonText, ResponseJson},
};
use crate::{
    ctap2::{MakeCredential, MakeCredentialExtensions, MakeCredentialResponse, Options},
    webauthn::{Aaguid, AuthenticatorAttachment, ClientDataType, PrfInputs, PrfOutputs, RpEntity, Transport},
};

/// ES256 and RS256: what an empty `pubKeyCredParams` means.
const DEFAULT_ALGORITHMS: [i64; 2] = [-7, -257];

/// Creation options that were judged: what goes to the authenticator, what the host decides with, and what makes the
/// response.
pub struct PreparedCreation {
    /// The command. What is required is set (`options.rk`, `options.uv`: `Some(true)`); what is preferred is left out,
    /// and is the caller's to add if the authenticator can do it ([`Requirement::effective`]). `hmac_secret` is left
    /// out too: whoever talks to a CTAP authenticator and has `prf` sets it.
    pub request: MakeCredential,
    /// The inputs of `prf`, if the relying party asked for it; without `eval` it asks only whether there is a PRF.
    pub prf: Option<PrfInputs>,
    /// Whether the user has to be verified.
    pub user_verification: Requirement,
    /// Whether the credential has to be discoverable.
    pub resident_key: Requirement,
    /// Which authenticators come into question.
    pub attachment: Option<AuthenticatorAttachment>,
    /// What the relying party wants done with the attestation. `none` was put into the command's
    /// attestationFormatsPreference; `enterprise` was not put into the command.
    pub attestation: AttestationConveyance,
    /// Whether an authenticator without credProtect must not be used for the policy in the command
    /// (`enforceCredentialProtectionPolicy`). False when there is no policy, or one that asks for nothing.
    pub enforce_cred_protect: bool,
    /// What the relying party expects of the user interface, most preferred first.
    pub hints: Vec<Hint>,
    /// How long the relying party would wait; the host puts it into a reasonable range.
    pub timeout: Option<Duration>,
    /// The second half.
    pub registration: Registration,
}

impl CreationOptions {
    /// The steps of "Create a New Credential" that need no authenticator.
    ///
    /// # Errors
    /// [`ErrorKind::Security`] when the caller may not claim the RP ID, [`ErrorKind::NotSupported`] when
    /// `pubKeyCredParams` names no known type or `prf.evalByCredential` is there.
    pub fn prepare(self, caller: &Caller) -> Result<PreparedCreation, OptionsError> {
        let rp_id = response::claim_rp_id(caller, self.rp_id.as_deref(), "rp.id")?;
        let algorithms = negotiable(&self.parameters)?;
        let CreationExtensions { prf, cred_props, cred_protect, enforce_cred_protect } = self.extensions;
        let prf = prf.map(|prf| prf.for_creation()).transpose()?;
        let collected = Collected::new(ClientDataType::Create, &self.challenge, caller, &rp_id);
        let required = |requirement| (requirement == Requirement::Required).then_some(true);
        let request = MakeCredential {
            client_data_hash: collected.client_data_hash(),
            rp: RpEntity { id: rp_id, name: Some(self.rp_name.into()) },
            user: self.user,
            algorithms,
            exclude_list: self.exclude_list,
            extensions: MakeCredentialExtensions { cred_protect, ..Default::default() },
            options: Options {
                rk: required(self.selection.resident_key),
                up: None,
                uv: required(self.selection.user_verification),
            },
            pin_uv_auth: None,
            enterprise_attestation: None,
            attestation_formats_preference: formats(self.attestation, self.attestation_formats),
        };
        Ok(PreparedCreation {
            request,
            user_verification: self.selection.user_verification,
            resident_key: self.selection.resident_key,
            attachment: self.selection.attachment,
            attestation: self.attestation,
            enforce_cred_protect: enforce_cred_protect && cred_protect.is_some_and(|policy| policy > 1),
            hints: self.hints,
            timeout: self.timeout,
            registration: Registration {
                collected,
                attestation: self.attestation,
                user_verification: self.selection.user_verification,
                prf: prf.is_some(),
                cred_props,
            },
            prf,
        })
    }
}

/// The step with credTypesAndPubKeyAlgs.
fn negotiable(parameters: &[CredentialParameters]) -> Result<Vec<i64>, OptionsError> {
    if parameters.is_empty() {
        return Ok(DEFAULT_ALGORITHMS.to_vec());
    }
    let known = parameters.iter().filter(|parameter| parameter.public_key);
    let algorithms: Vec<i64> = known.map(|parameter| parameter.algorithm).collect();
    if algorithms.is_empty() {
        let reason = "has no element of type public-key";
        return Err(OptionsError::new(ErrorKind::NotSupported, "pubKeyCredParams", reason));
    }
    Ok(algorithms)
}

/// "none: Set attestationFormats be the single-element list containing the string none."
fn formats(attestation: AttestationConveyance, formats: Vec<String>) -> Vec<String> {
    match attestation {
        AttestationConveyance::None => vec![String::from("none")],
        _ => formats,
    }
}

/// What an authenticator answered to a [`PreparedCreation`], and what its client knows about it.
pub struct RegistrationResult {
    /// Its answer.
    pub response: MakeCredentialResponse,
    /// The transports by which it can be reached, in any order.
    pub transports: Vec<Transport>,
    /// How it is attached.
    pub attachment: Option<AuthenticatorAttachment>,
    /// Whether the new credential has a PRF; told only to who asked.
    pub prf_enabled: bool,
    /// PRF results, where the authenticator makes them at creation; told only to who asked.
    pub prf: Option<PrfOutputs>,
    /// Whether the new credential is discoverable, where that is known; told only to who asked.
    pub discoverable: Option<bool>,
}

/// A registration that waits for the authenticator's answer.
pub struct Registration {
    collected: Collected,
    attestation: AttestationConveyance,
    user_verification: Requirement,
    prf: bool,
    cred_props: bool,
}

impl Registration {
    /// The serialised client data, whose hash is in the command.
    pub fn client_data_json(&self) -> &[u8] {
        self.collected.client_data_json()
    }

    /// Makes the RegistrationResponseJSON.
    pub fn finish(&self, result: RegistrationResult) -> Result<ResponseJson, ResultError> {
        let response = &result.response;
        let view = self.collected.check(&response.auth_data, self.user_verification)?;
        let (aaguid, id, key) = view.attested.as_ref().ok_or(ResultError::MalformedAuthenticatorData)?;
        let algorithm = response::key_algorithm(key).ok_or(ResultError::MalformedAuthenticatorData)?;
        let mut json = JsonText::new();
        response::open_credential(&mut json, id.as_bytes(), result.attachment);
        json.open("response");
        json.base64url("clientDataJSON", self.client_data_json());
        json.base64url("attestationObject", &self.attestation_object(response, *aaguid)?);
        json.base64url("authenticatorData", &response.auth_data);
        json.texts("transports", sorted(result.transports).into_iter().map(Transport::name));
        if let Some(public_key) = subject_public_key_info(key) {
            json.base64url("publicKey", &public_key);
        }
        json.integer("publicKeyAlgorithm", algorithm);
        json.close();
        json.open("clientExtensionResults");
        if self.prf {
            response::write_prf(&mut json, Some(result.prf_enabled), result.prf.as_ref());
        }
        if self.cred_props {
            write_cred_props(&mut json, result.discoverable);
        }
        json.close();
        Ok(json.finish())
    }

    /// The switch over attestationConveyancePreferenceOption, and the attestation object that comes of it.
    fn attestation_object(
        &self,
        response: &MakeCredentialResponse,
        aaguid: Aaguid,
    ) -> Result<Vec<u8>, ResultError> {
        let has_certificate = response::statement_has(&response.att_stmt, "x5c");
        let self_attestation = aaguid == Aaguid::ZERO && response.fmt == "packed" && !has_certificate;
        match self.attestation {
            AttestationConveyance::None if !self_attestation => {
                response::attestation_object("none", &response::empty_statement(), &response.auth_data)
            }
            _ => response::attestation_object(response.fmt, &response.att_stmt, &response.auth_data),
        }
    }
}

/// "A sequence of zero or more unique DOMStrings, in lexicographical order."
fn sorted(mut transports: Vec<Transport>) -> Vec<Transport> {
    transports.sort_unstable();
    transports.dedup();
    transports
}

fn write_cred_props(json: &mut JsonText, discoverable: Option<bool>) {
    json.open("credProps");
    if let Some(discoverable) = discoverable {
        json.boolean("rk", discoverable);
    }
    json.close();
}
