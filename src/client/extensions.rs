//! Client extension inputs: `prf`, `credProps`, `credentialProtectionPolicy`. Others are passed over.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    error::{ErrorKind, OptionsError},
    json::{Member, Object, decode_base64url},
};
use crate::webauthn::{CredentialDescriptor, CredentialId, PrfInputs, PrfSalt, PrfSalts};

/// `extensions` of creation options.
#[derive(Default)]
pub(super) struct CreationExtensions {
    pub(super) prf: Option<PrfOptions>,
    pub(super) cred_props: bool,
    /// The value of `credProtect` on the wire.
    pub(super) cred_protect: Option<u64>,
    pub(super) enforce_cred_protect: bool,
}

impl CreationExtensions {
    pub(super) fn read(member: Option<Member<'_>>) -> Result<Self, OptionsError> {
        let Some(extensions) = member.map(Member::object).transpose()? else {
            return Ok(Self::default());
        };
        let flag = |name| extensions.optional(name).map(|member| member.boolean()).transpose();
        Ok(Self {
            prf: PrfOptions::read(&extensions)?,
            cred_props: flag("credProps")?.unwrap_or(false),
            cred_protect: read_cred_protect(&extensions)?,
            enforce_cred_protect: flag("enforceCredentialProtectionPolicy")?.unwrap_or(false),
        })
    }
}

/// `extensions` of request options.
#[derive(Default)]
pub(super) struct RequestExtensions {
    pub(super) prf: Option<PrfOptions>,
}

impl RequestExtensions {
    pub(super) fn read(member: Option<Member<'_>>) -> Result<Self, OptionsError> {
        let Some(extensions) = member.map(Member::object).transpose()? else {
            return Ok(Self::default());
        };
        Ok(Self { prf: PrfOptions::read(&extensions)? })
    }
}

/// CTAP 2.3 section 12.1.1, the three policies by their names in the client extension.
fn read_cred_protect(extensions: &Object<'_>) -> Result<Option<u64>, OptionsError> {
    let Some(member) = extensions.optional("credentialProtectionPolicy") else {
        return Ok(None);
    };
    match member.text()? {
        "userVerificationOptional" => Ok(Some(1)),
        "userVerificationOptionalWithCredentialIDList" => Ok(Some(2)),
        "userVerificationRequired" => Ok(Some(3)),
        // A protection that nobody knows must not turn into none.
        _ => Err(member.error(ErrorKind::Type, "is no credential protection policy")),
    }
}

/// `AuthenticationExtensionsPRFInputsJSON`, salts hashed.
pub(super) struct PrfOptions {
    eval: Option<PrfSalts>,
    by_credential: Option<Vec<(String, PrfSalts)>>,
}

const BY_CREDENTIAL: &str = "extensions.prf.evalByCredential";

impl PrfOptions {
    fn read(extensions: &Object<'_>) -> Result<Option<Self>, OptionsError> {
        let Some(prf) = extensions.optional("prf").map(Member::object).transpose()? else {
            return Ok(None);
        };
        let by_credential = prf.optional("evalByCredential").map(|member| member.record()).transpose()?;
        let read_entry = |(key, values): (&str, Member<'_>)| Ok((key.to_string(), read_salts(values)?));
        Ok(Some(Self {
            eval: prf.optional("eval").map(read_salts).transpose()?,
            by_credential: by_credential
                .map(|entries| entries.into_iter().map(read_entry).collect())
                .transpose()?,
        }))
    }

    /// Client extension processing, registration.
    pub(super) fn for_creation(self) -> Result<PrfInputs, OptionsError> {
        // 1. "If evalByCredential is present, return a DOMException whose name is NotSupportedError."
        match self.by_credential {
            Some(_) => {
                Err(OptionsError::new(ErrorKind::NotSupported, BY_CREDENTIAL, "does not exist at creation"))
            }
            None => Ok(PrfInputs { eval: self.eval, eval_by_credential: Vec::new() }),
        }
    }

    /// Client extension processing, authentication.
    pub(super) fn for_request(
        self,
        allow_list: Option<&[CredentialDescriptor]>,
    ) -> Result<PrfInputs, OptionsError> {
        let entries = self.by_credential.unwrap_or_default();
        // 1. "If evalByCredential is not empty but allowCredentials is empty, return a DOMException whose name is
        //    NotSupportedError."
        if !entries.is_empty() && allow_list.is_none() {
            let reason = "needs allowCredentials";
            return Err(OptionsError::new(ErrorKind::NotSupported, BY_CREDENTIAL, reason));
        }
        let allowed = allow_list.unwrap_or_default();
        let name_credential = |(key, salts): (String, PrfSalts)| Ok((find_key(&key, allowed)?, salts));
        let eval_by_credential = entries.into_iter().map(name_credential).collect::<Result<_, _>>()?;
        Ok(PrfInputs { eval: self.eval, eval_by_credential })
    }
}

/// 2. "If any key in evalByCredential is the empty string, or is not a valid base64url encoding, or does not equal the
///    id of some element of allowCredentials after performing base64url decoding, then return a DOMException whose name
///    is SyntaxError."
fn find_key(key: &str, allowed: &[CredentialDescriptor]) -> Result<CredentialId, OptionsError> {
    let refused = |reason| OptionsError::new(ErrorKind::Syntax, BY_CREDENTIAL, reason);
    let id =
        decode_base64url(key).ok_or_else(|| refused("has a key that is not base64url without padding"))?;
    let found = allowed.iter().find(|descriptor| descriptor.id.as_bytes() == id);
    let found = found.ok_or_else(|| refused("has a key that names no element of allowCredentials"))?;
    Ok(found.id.to_owned())
}

fn read_salts(member: Member<'_>) -> Result<PrfSalts, OptionsError> {
    let values = member.object()?;
    let salt = |member: Member<'_>| member.base64url().map(|input| PrfSalt::from_input(&input));
    Ok(PrfSalts {
        first: salt(values.required("first")?)?,
        second: values.optional("second").map(salt).transpose()?,
    })
}
