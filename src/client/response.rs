//! What both ceremonies share: the collected client data, and the JSON text of a response.

use alloc::{format, string::String, vec::Vec};

use base64ct::{Base64UrlUnpadded, Encoding};
use ciborium::Value;
use zeroize::Zeroizing;

use super::{
    error::{ErrorKind, OptionsError, ResultError},
    options::Requirement,
    origin::{Caller, Origin},
};
use crate::{
    cbor::{Item, Writer, write_value},
    secret::Secret,
    webauthn::{
        AuthenticatorAttachment, AuthenticatorDataView, ClientData, ClientDataHash, ClientDataType,
        PrfOutputs, RpId, RpIdHash,
    },
};

/// The RP ID of a ceremony: what the options claim, if the caller may, or the caller's own domain.
pub(super) fn claim_rp_id(
    caller: &Caller,
    claimed: Option<&str>,
    place: &'static str,
) -> Result<RpId, OptionsError> {
    let refused = |reason| OptionsError::new(ErrorKind::Security, place, reason);
    if caller.origin().effective_domain().is_none() {
        return Err(refused("does not exist for an origin whose host is an IP address"));
    }
    let id =
        caller.rp_id(claimed).ok_or_else(|| refused("is not the origin's host or a parent domain of it"))?;
    RpId::new(&id).map_err(|_| refused("is not 1 to 253 bytes long"))
}

/// CollectedClientData of one ceremony, serialised, and the RP ID that it is for.
pub(super) struct Collected {
    client_data_json: Vec<u8>,
    rp_id_hash: RpIdHash,
}

impl Collected {
    pub(super) fn new(kind: ClientDataType, challenge: &[u8], caller: &Caller, rp_id: &RpId) -> Self {
        let client_data = ClientData {
            kind,
            challenge,
            origin: caller.origin().as_str(),
            top_origin: caller.top_origin().map(Origin::as_str),
            cross_origin: caller.is_cross_origin(),
        };
        Self { client_data_json: client_data.to_json(), rp_id_hash: rp_id.hash() }
    }

    pub(super) fn client_data_json(&self) -> &[u8] {
        &self.client_data_json
    }

    pub(super) fn client_data_hash(&self) -> ClientDataHash {
        ClientData::hash(&self.client_data_json)
    }

    /// Whether authenticator data are an answer to this ceremony.
    pub(super) fn check<'a>(
        &self,
        auth_data: &'a [u8],
        user_verification: Requirement,
    ) -> Result<AuthenticatorDataView<'a>, ResultError> {
        let view = AuthenticatorDataView::parse(auth_data).ok_or(ResultError::MalformedAuthenticatorData)?;
        if view.rp_id_hash != self.rp_id_hash {
            return Err(ResultError::WrongRelyingParty);
        }
        if user_verification == Requirement::Required && !view.flags.user_verified() {
            return Err(ResultError::NotUserVerified);
        }
        Ok(view)
    }
}

/// {"fmt": fmt, "attStmt": attStmt, "authData": authData} (WebAuthn section "Generating an Attestation Object").
pub(super) fn attestation_object(
    fmt: &str,
    statement: &Value,
    auth_data: &[u8],
) -> Result<Vec<u8>, ResultError> {
    if !statement.is_map() {
        return Err(ResultError::MalformedAttestation);
    }
    let mut writer = Writer::with_capacity(auth_data.len().saturating_add(128));
    writer.map(3).text("fmt").text(fmt).text("attStmt");
    write_value(&mut writer, statement).map_err(|_| ResultError::MalformedAttestation)?;
    writer.text("authData").bytes(auth_data);
    Ok(writer.finish())
}

/// The attestation statement of format `none`.
pub(super) fn empty_statement() -> Value {
    Value::Map(Vec::new())
}

/// Whether an attestation statement has a member.
pub(super) fn statement_has(statement: &Value, name: &str) -> bool {
    let entries = statement.as_map().map(Vec::as_slice).unwrap_or_default();
    entries.iter().any(|(key, _)| key.as_text() == Some(name))
}

/// `alg` of a COSE_Key, whether it is one of ours or not.
pub(super) fn key_algorithm(key: &Item<'_>) -> Option<i64> {
    key.map()?.at(3)?.integer()
}

/// Writes `prf` into clientExtensionResults. At creation it says whether there is a PRF.
pub(super) fn write_prf(json: &mut JsonText, enabled: Option<bool>, results: Option<&PrfOutputs>) {
    json.open("prf");
    if let Some(enabled) = enabled {
        json.boolean("enabled", enabled);
    }
    if let Some(results) = results {
        json.open("results");
        json.secret("first", &results.first);
        if let Some(second) = &results.second {
            json.secret("second", second);
        }
        json.close();
    }
    json.close();
}

/// The members of PublicKeyCredentialJSON that stand before `response`.
pub(super) fn open_credential(json: &mut JsonText, id: &[u8], attachment: Option<AuthenticatorAttachment>) {
    json.base64url("id", id);
    json.base64url("rawId", id);
    json.text("type", "public-key");
    if let Some(attachment) = attachment {
        json.text("authenticatorAttachment", attachment.name());
    }
}

/// A RegistrationResponseJSON or AuthenticationResponseJSON. It may hold PRF results: it is wiped when dropped, and has
/// no `Debug` and no `Clone`.
pub struct ResponseJson(Zeroizing<String>);

impl ResponseJson {
    /// The JSON text. Where `prf` was asked for, it holds the results, and whoever calls this answers for where they go
    /// (WebAuthn: they may have to be left out of what is sent to the relying party's server).
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// JSON being written; wiped when dropped. Names and texts are ours and need no escaping; everything else is base64url.
pub(super) struct JsonText {
    text: Zeroizing<String>,
    comma: bool,
}

impl JsonText {
    /// The outermost object, open.
    pub(super) fn new() -> Self {
        let mut json = Self { text: Zeroizing::new(String::with_capacity(4096)), comma: false };
        json.push("{");
        json
    }

    /// Closes the outermost object.
    pub(super) fn finish(mut self) -> ResponseJson {
        self.push("}");
        ResponseJson(self.text)
    }

    /// An object as a member, open.
    pub(super) fn open(&mut self, name: &'static str) {
        self.name(name);
        self.push("{");
        self.comma = false;
    }

    pub(super) fn close(&mut self) {
        self.push("}");
        self.comma = true;
    }

    pub(super) fn base64url(&mut self, name: &'static str, bytes: &[u8]) {
        self.name(name);
        self.quoted(&Base64UrlUnpadded::encode_string(bytes));
    }

    pub(super) fn secret(&mut self, name: &'static str, secret: &Secret<32>) {
        self.name(name);
        // 32 bytes are 43 characters.
        let mut encoded = Zeroizing::new([0; 43]);
        let encoded = Base64UrlUnpadded::encode(secret.expose(), encoded.as_mut_slice());
        self.quoted(encoded.unwrap_or_default());
    }

    pub(super) fn text(&mut self, name: &'static str, text: &'static str) {
        self.name(name);
        self.quoted(text);
    }

    pub(super) fn texts(&mut self, name: &'static str, texts: impl Iterator<Item = &'static str>) {
        self.name(name);
        self.push("[");
        for (index, text) in texts.enumerate() {
            if index > 0 {
                self.push(",");
            }
            self.quoted(text);
        }
        self.push("]");
    }

    pub(super) fn boolean(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.push(if value { "true" } else { "false" });
    }

    pub(super) fn integer(&mut self, name: &'static str, value: i64) {
        self.name(name);
        self.push(&format!("{value}"));
    }

    fn name(&mut self, name: &'static str) {
        if self.comma {
            self.push(",");
        }
        self.comma = true;
        self.quoted(name);
        self.push(":");
    }

    fn quoted(&mut self, text: &str) {
        self.push("\"");
        self.push(text);
        self.push("\"");
    }

    /// Appends. A string that grows by itself would leave its old buffer behind unwiped.
    fn push(&mut self, text: &str) {
        let needed = self.text.len().saturating_add(text.len());
        if needed > self.text.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(needed.saturating_mul(2)));
            larger.push_str(&self.text);
            self.text = larger;
        }
        self.text.push_str(text);
    }
}
