//! The other side of a ceremony: what a relying party's server checks in the JSON that came back (WebAuthn sections
//! "Registering a New Credential" and "Verifying an Authentication Assertion"). It knows the options that it sent and
//! the response, and nothing of the authenticator.

use countersign::{
    cbor::{Item, Profile},
    client::{Origin, ResponseJson},
    cose::{CoseAlgorithm, PublicKey},
    crypto::{CryptoProvider, RustCrypto, sha256},
    secret::Secret,
    vault::VaultError,
    webauthn::{Aaguid, AuthenticatorDataView, CredentialId, Flags, UvPrfOutput},
};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{failure::Failure, text::from_base64url};

/// The members of a RegistrationResponseJSON that are read here. PRF results are borrowed from the response, which
/// wipes itself.
#[derive(Deserialize)]
struct Registration<'a> {
    #[serde(borrow)]
    response: Attestation<'a>,
    #[serde(borrow, rename = "clientExtensionResults")]
    extensions: Extensions<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attestation<'a> {
    #[serde(rename = "clientDataJSON")]
    client_data: &'a str,
    attestation_object: &'a str,
}

#[derive(Deserialize)]
struct Authentication<'a> {
    id: &'a str,
    #[serde(borrow)]
    response: AssertionData<'a>,
    #[serde(borrow, rename = "clientExtensionResults")]
    extensions: Extensions<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssertionData<'a> {
    #[serde(rename = "clientDataJSON")]
    client_data: &'a str,
    authenticator_data: &'a str,
    signature: &'a str,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Extensions<'a> {
    #[serde(borrow)]
    prf: Option<Prf<'a>>,
    cred_props: Option<CredProps>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Prf<'a> {
    enabled: Option<bool>,
    #[serde(borrow)]
    results: Option<PrfResults<'a>>,
}

#[derive(Deserialize)]
struct PrfResults<'a> {
    first: &'a str,
    second: Option<&'a str>,
}

#[derive(Deserialize)]
struct CredProps {
    rk: Option<bool>,
}

/// What a relying party keeps of a registration.
pub(crate) struct Registered {
    pub(crate) credential_id: CredentialId,
    pub(crate) algorithm: CoseAlgorithm,
    pub(crate) public_key: PublicKey,
    pub(crate) aaguid: Aaguid,
    pub(crate) flags: Flags,
    pub(crate) prf_enabled: bool,
    /// As `credProps` says, where it was asked for.
    pub(crate) discoverable: Option<bool>,
    /// The PRF result, where one came with the registration and the user was verified.
    pub(crate) prf: Option<UvPrfOutput>,
}

/// What an assertion says, its PRF result apart.
pub(crate) struct Asserted {
    pub(crate) credential_id: CredentialId,
    pub(crate) flags: Flags,
    pub(crate) sign_count: u32,
    pub(crate) signature_length: usize,
    authenticator_data: Vec<u8>,
    prf: Option<Secret<32>>,
    second_prf: Option<Secret<32>>,
}

impl Asserted {
    /// The PRF result, if it was made with user verification.
    pub(crate) fn prf(&self) -> Result<UvPrfOutput, Failure> {
        self.verified(self.prf.as_ref())
    }

    /// The same of the second input, where two were asked for.
    pub(crate) fn second_prf(&self) -> Result<UvPrfOutput, Failure> {
        self.verified(self.second_prf.as_ref())
    }

    fn verified(&self, output: Option<&Secret<32>>) -> Result<UvPrfOutput, Failure> {
        let output = output.map_or(&[][..], |output| output.expose());
        UvPrfOutput::from_assertion(&self.authenticator_data, output)
            .map_err(|error| Failure::failed("no-prf", format!("the passkey gave no PRF result: {error}")))
    }
}

/// Verifies a registration against the options that were sent.
pub(crate) fn verify_registration(
    options: &Value,
    origin: &Origin,
    response: &ResponseJson,
) -> Result<Registered, Failure> {
    let registration: Registration<'_> = parse(response)?;
    let client_data = decode(registration.response.client_data)?;
    check_client_data(&client_data, "webauthn.create", options, origin)?;
    let object = decode(registration.response.attestation_object)?;
    let auth_data =
        Item::parse(&object, Profile::CTAP2).ok().and_then(|item| item.map()?.named("authData")?.bytes());
    let auth_data = auth_data.ok_or_else(|| refuse("the attestation object has no authenticator data"))?;
    let view = check_authenticator_data(auth_data, options.pointer("/rp/id"), origin)?;
    let (aaguid, credential_id, key) =
        view.attested.as_ref().ok_or_else(|| refuse("no credential was attested"))?;
    let (algorithm, public_key) =
        PublicKey::from_cose(key).ok_or_else(|| refuse("the public key is of an unknown algorithm"))?;
    let prf = registration.extensions.prf.unwrap_or_default();
    let output = prf.results.map(|results| decode_secret(results.first)).transpose()?;
    Ok(Registered {
        credential_id: credential_id.clone(),
        algorithm,
        public_key,
        aaguid: *aaguid,
        flags: view.flags,
        prf_enabled: prf.enabled.unwrap_or(false),
        discoverable: registration.extensions.cred_props.and_then(|props| props.rk),
        prf: output.and_then(|output| UvPrfOutput::from_assertion(auth_data, output.expose()).ok()),
    })
}

/// Verifies an assertion against the options that were sent and the key that was registered.
pub(crate) fn verify_assertion(
    options: &Value,
    origin: &Origin,
    registered: &Registered,
    response: &ResponseJson,
) -> Result<Asserted, Failure> {
    let authentication: Authentication<'_> = parse(response)?;
    let client_data = decode(authentication.response.client_data)?;
    check_client_data(&client_data, "webauthn.get", options, origin)?;
    let asserted = read_assertion(response)?;
    if asserted.credential_id != registered.credential_id {
        return Err(refuse("another passkey answered"));
    }
    check_authenticator_data(&asserted.authenticator_data, options.get("rpId"), origin)?;
    let signature = decode(authentication.response.signature)?;
    let message: [&[u8]; 2] = [&asserted.authenticator_data, &sha256(&client_data)];
    RustCrypto
        .verify(registered.algorithm, &registered.public_key, &message, &signature)
        .map_err(|_| refuse("the signature does not verify with the registered public key"))?;
    Ok(asserted)
}

/// Reads an assertion whose signature is of no interest, since only the key on this machine was asked.
pub(crate) fn read_assertion(response: &ResponseJson) -> Result<Asserted, Failure> {
    let authentication: Authentication<'_> = parse(response)?;
    let authenticator_data = decode(authentication.response.authenticator_data)?;
    let view = AuthenticatorDataView::parse(&authenticator_data).ok_or_else(malformed)?;
    let (flags, sign_count) = (view.flags, view.sign_count);
    let results = authentication.extensions.prf.and_then(|prf| prf.results);
    Ok(Asserted {
        credential_id: CredentialId::new(&decode(authentication.id)?).map_err(|_| malformed())?,
        flags,
        sign_count,
        signature_length: decode(authentication.response.signature)?.len(),
        authenticator_data,
        second_prf: results.as_ref().and_then(|results| results.second).map(decode_secret).transpose()?,
        prf: results.map(|results| decode_secret(results.first)).transpose()?,
    })
}

/// Type, challenge and origin of the collected client data.
fn check_client_data(bytes: &[u8], kind: &str, options: &Value, origin: &Origin) -> Result<(), Failure> {
    let client_data: Value = serde_json::from_slice(bytes).map_err(|_| malformed())?;
    let is = |name: &str, expected: &str| client_data.get(name).and_then(Value::as_str) == Some(expected);
    let challenge = options.get("challenge").and_then(Value::as_str).unwrap_or_default();
    if is("type", kind) && is("challenge", challenge) && is("origin", origin.as_str()) {
        Ok(())
    } else {
        Err(refuse("the client data are of another ceremony"))
    }
}

/// RP ID hash and user presence.
fn check_authenticator_data<'a>(
    bytes: &'a [u8],
    rp_id: Option<&Value>,
    origin: &Origin,
) -> Result<AuthenticatorDataView<'a>, Failure> {
    let view = AuthenticatorDataView::parse(bytes).ok_or_else(malformed)?;
    let rp_id = rp_id.and_then(Value::as_str).or(origin.effective_domain()).unwrap_or_default();
    if view.rp_id_hash.0 != sha256(rp_id.as_bytes()) {
        return Err(refuse("the authenticator data are for another RP ID"));
    }
    if view.flags.user_present() { Ok(view) } else { Err(refuse("nobody was present")) }
}

fn parse<'a, T: Deserialize<'a>>(response: &'a ResponseJson) -> Result<T, Failure> {
    serde_json::from_str(response.expose()).map_err(|_| malformed())
}

fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    from_base64url(text).ok_or_else(malformed)
}

fn decode_secret(text: &str) -> Result<Secret<32>, Failure> {
    let bytes = Zeroizing::new(decode(text)?);
    Secret::from_slice(&bytes).ok_or_else(|| Failure::from(VaultError::WrongSecret))
}

fn malformed() -> Failure {
    refuse("the response cannot be read")
}

fn refuse(reason: &str) -> Failure {
    Failure::failed("verification-failed", format!("the relying party's check failed: {reason}"))
}

#[cfg(test)]
mod tests {
    use countersign::{
        authenticator::{Answer, Authenticator, Question, Settings},
        credential::MemoryStore,
        provider::Provider,
    };
    use countersign_host::Clock;
    use serde_json::json;

    use super::*;
    use crate::{
        ceremony::{self, Kind},
        person::Person,
    };

    /// A host that verifies its user itself, so that no PIN is in the way.
    struct Verified;

    impl Person for Verified {
        fn answer(&mut self, _: &Question, _: Clock) -> Result<Answer, Failure> {
            Ok(Answer::Verified { choice: None })
        }
    }

    fn options() -> (Value, Value) {
        let creation = include_str!("../data/quickstart-create.json");
        let request = include_str!("../data/quickstart-get.json");
        (serde_json::from_str(creation).unwrap(), serde_json::from_str(request).unwrap())
    }

    fn origin() -> Origin {
        Origin::parse("https://vault.example").unwrap()
    }

    /// A registration and an assertion of one passkey.
    fn responses() -> (ResponseJson, ResponseJson) {
        let authenticator =
            Authenticator::new(Settings::credential_manager(), None, countersign_host::provider()).unwrap();
        let (mut provider, mut store) = (Provider::new(authenticator), MemoryStore::default());
        let (creation, request) = options();
        let mut run = |kind, options: Value| {
            let options = options.to_string();
            let ceremony = (kind, &origin(), options.as_bytes());
            ceremony::run(&mut provider, &mut store, ceremony, &mut Verified, Clock::start()).unwrap()
        };
        (run(Kind::Create, creation), run(Kind::Get, request))
    }

    #[test]
    fn a_ceremony_is_accepted_by_whoever_began_it() {
        let (registration, assertion) = responses();
        let (creation, request) = options();
        let registered = verify_registration(&creation, &origin(), &registration).unwrap();
        let asserted = verify_assertion(&request, &origin(), &registered, &assertion).unwrap();
        assert!(asserted.flags.user_verified());
        assert!(registered.prf.unwrap().secret().ct_eq(asserted.prf().unwrap().secret().expose()));
    }

    #[test]
    fn a_response_to_another_ceremony_is_refused() {
        let (registration, assertion) = responses();
        let (creation, request) = options();
        let other = Origin::parse("https://sub.vault.example").unwrap();
        assert!(verify_registration(&creation, &other, &registration).is_err());
        let registered = verify_registration(&creation, &origin(), &registration).unwrap();
        assert!(verify_assertion(&request, &other, &registered, &assertion).is_err());
        for (path, value) in [("challenge", json!("AAAA")), ("rpId", json!("other.example"))] {
            let mut request = request.clone();
            request[path] = value;
            assert!(verify_assertion(&request, &origin(), &registered, &assertion).is_err(), "{path}");
        }
        for (path, value) in [("challenge", json!("AAAA")), ("rp", json!({ "id": "other.example" }))] {
            let mut creation = creation.clone();
            creation[path] = value;
            assert!(verify_registration(&creation, &origin(), &registration).is_err(), "{path}");
        }
        // A registration is no assertion, nor the reverse.
        assert!(verify_assertion(&creation, &origin(), &registered, &registration).is_err());
        assert!(verify_registration(&request, &origin(), &assertion).is_err());
    }

    #[test]
    fn a_signature_of_another_key_is_refused() {
        let (registration, assertion) = responses();
        let (foreign, _) = responses();
        let (creation, request) = options();
        let mut registered = verify_registration(&creation, &origin(), &registration).unwrap();
        let foreign = verify_registration(&creation, &origin(), &foreign).unwrap();
        registered.public_key = foreign.public_key.clone();
        assert!(verify_assertion(&request, &origin(), &registered, &assertion).is_err());
        assert!(verify_assertion(&request, &origin(), &foreign, &assertion).is_err());
    }
}
