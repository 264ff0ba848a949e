//! What the quickstart works with: the relying party's options, bundled or the user's own.

use std::path::Path;

use countersign::{
    client::Origin,
    vault::{PrfSaltMode, VaultId, prf_input},
};
use serde_json::{Value, json};

use super::named;
use crate::{
    failure::Failure, input::read_input, key::Role, places::random, relying_party::Registered,
    text::base64url, vault::passkey_origin,
};

const BUNDLED_CREATION: &str = include_str!("../../data/quickstart-create.json");
const BUNDLED_REQUEST: &str = include_str!("../../data/quickstart-get.json");
const MAX_OPTIONS: u64 = 1024 * 1024;

/// The options and what follows from them.
pub(super) struct Plan {
    pub(super) creation: Value,
    /// None: derived from the registration.
    request: Option<Value>,
    pub(super) origin: Origin,
    pub(super) rp_id: String,
    pub(super) role: Role,
    /// Whether the user's options did not ask for PRF.
    pub(super) prf_added: bool,
    pub(super) source: &'static str,
}

impl Plan {
    /// The user's own creation options, or the bundled pair.
    pub(super) fn read(own: Option<&Path>) -> Result<Self, Failure> {
        let text = match own {
            Some(path) => read_input(Some(path), MAX_OPTIONS)?.to_vec(),
            None => BUNDLED_CREATION.into(),
        };
        let mut creation = parse(&text)?;
        let rp_id = creation.pointer("/rp/id").and_then(Value::as_str).map(str::to_owned);
        let rp_id = rp_id.ok_or_else(|| Failure::usage("bad-options", "the options name no rp.id"))?;
        let prf_added = add_prf(&mut creation)?;
        let attachment = creation.pointer("/authenticatorSelection/authenticatorAttachment");
        let role = match attachment.and_then(Value::as_str) {
            Some("cross-platform") => Role::SecurityKey,
            _ => Role::CredentialManager,
        };
        Ok(Self {
            origin: passkey_origin(&rp_id)?,
            request: if own.is_none() { Some(parse(BUNDLED_REQUEST.as_bytes())?) } else { None },
            source: if own.is_none() { "@simplewebauthn/server (bundled)" } else { "your own" },
            creation,
            rp_id,
            role,
            prf_added,
        })
    }

    /// The sign-in request. A derived one names the passkey, unless the registration said that it is discoverable.
    pub(super) fn request(&self, registered: &Registered) -> Value {
        if let Some(request) = &self.request {
            return request.clone();
        }
        let allowed = match registered.discoverable {
            Some(true) => json!([]),
            _ => named(&registered.credential_id),
        };
        json!({
            "rpId": self.rp_id,
            "challenge": base64url(&random::<32>()),
            "allowCredentials": allowed,
            "userVerification": "required",
            "extensions": { "prf": { "eval": { "first": vault_input() } } },
        })
    }

    /// Whether the registration's PRF input was the vault's.
    pub(super) fn evaluates_vault_input(&self) -> bool {
        let input = self.creation.pointer("/extensions/prf/eval/first").and_then(Value::as_str);
        input == Some(vault_input().as_str())
    }

    /// What was made, as far as the relying party was told.
    pub(super) fn kind(&self, registered: &Registered) -> &'static str {
        let wanted = self.creation.pointer("/authenticatorSelection/residentKey").and_then(Value::as_str);
        match registered.discoverable.or((wanted == Some("required")).then_some(true)) {
            Some(true) => "a discoverable passkey",
            Some(false) => "a non-discoverable passkey",
            None => "a passkey",
        }
    }
}

fn parse(text: &[u8]) -> Result<Value, Failure> {
    let value: Value = serde_json::from_slice(text)
        .map_err(|error| Failure::usage("not-json", format!("the options are not JSON: {error}")))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Failure::usage("bad-options", "the options are no JSON object"))
    }
}

/// The PRF input that a vault has before it is known: salt_mode 3 of the vault format.
fn vault_input() -> String {
    base64url(&prf_input(&VaultId([0; 16]), &PrfSaltMode::Static))
}

/// Adds `prf` where the options do not ask for it. Whatever else they ask for stays as it is.
fn add_prf(creation: &mut Value) -> Result<bool, Failure> {
    let extensions = creation.as_object_mut().map(|options| options.entry("extensions").or_insert(json!({})));
    let extensions = extensions.and_then(Value::as_object_mut);
    let extensions =
        extensions.ok_or_else(|| Failure::usage("bad-options", "extensions is no JSON object"))?;
    if extensions.contains_key("prf") {
        return Ok(false);
    }
    extensions.insert("prf".into(), json!({ "eval": { "first": vault_input() } }));
    Ok(true)
}
