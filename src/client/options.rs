//! The options as a relying party writes them: shapes only (WebAuthn sections "PublicKeyCredentialCreationOptionsJSON",
//! "PublicKeyCredentialRequestOptionsJSON").

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use super::{
    error::{ErrorKind, OptionsError},
    extensions::{CreationExtensions, RequestExtensions},
    json::{Member, Node, Object},
};
use crate::webauthn::{AuthenticatorAttachment, CredentialDescriptor, CredentialId, UserEntity, UserHandle};

/// How much a relying party wants something (`UserVerificationRequirement`, `ResidentKeyRequirement`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// `required`: without it the ceremony fails.
    Required,
    /// `preferred`: done where it can be.
    Preferred,
    /// `discouraged`: better not.
    Discouraged,
}

impl Requirement {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "required" => Some(Self::Required),
            "preferred" => Some(Self::Preferred),
            "discouraged" => Some(Self::Discouraged),
            _ => None,
        }
    }

    /// The "effective requirement" of the standard: whether to ask an authenticator for it that can or cannot do it.
    /// One that cannot do what is required is not to be asked at all.
    pub const fn effective(self, possible: bool) -> bool {
        match self {
            Self::Required => true,
            Self::Preferred => possible,
            Self::Discouraged => false,
        }
    }
}

/// What becomes of the authenticator's attestation (`AttestationConveyancePreference`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestationConveyance {
    /// `none`: it is replaced by the empty statement, unless it is a self attestation without AAGUID.
    None,
    /// `indirect`: handed on; this client employs no anonymisation CA.
    Indirect,
    /// `direct`: handed on.
    Direct,
    /// `enterprise`: handed on, and may identify the device; whether to let it is the host's policy.
    Enterprise,
}

impl AttestationConveyance {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "indirect" => Some(Self::Indirect),
            "direct" => Some(Self::Direct),
            "enterprise" => Some(Self::Enterprise),
            _ => None,
        }
    }
}

/// Which user interface the relying party expects (`PublicKeyCredentialHint`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// `security-key`
    SecurityKey,
    /// `client-device`
    ClientDevice,
    /// `hybrid`
    Hybrid,
}

impl Hint {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "security-key" => Some(Self::SecurityKey),
            "client-device" => Some(Self::ClientDevice),
            "hybrid" => Some(Self::Hybrid),
            _ => None,
        }
    }
}

/// An element of `pubKeyCredParams`.
pub(super) struct CredentialParameters {
    pub(super) public_key: bool,
    pub(super) algorithm: i64,
}

/// `PublicKeyCredentialCreationOptionsJSON`, read and not judged yet.
pub struct CreationOptions {
    pub(super) rp_id: Option<String>,
    pub(super) rp_name: String,
    pub(super) user: UserEntity,
    pub(super) challenge: Vec<u8>,
    pub(super) parameters: Vec<CredentialParameters>,
    pub(super) timeout: Option<Duration>,
    pub(super) exclude_list: Vec<CredentialDescriptor>,
    pub(super) selection: Selection,
    pub(super) hints: Vec<Hint>,
    pub(super) attestation: AttestationConveyance,
    pub(super) attestation_formats: Vec<String>,
    pub(super) extensions: CreationExtensions,
}

impl CreationOptions {
    /// Reads the JSON text, as `parseCreationOptionsFromJSON` does, but for what the module's documentation says about
    /// strictness.
    pub fn from_json(json: &[u8]) -> Result<Self, OptionsError> {
        let root = Node::parse(json)?;
        let options = open(&root)?;
        let rp = options.required("rp")?.object()?;
        let attestation = options.optional("attestation").map(|member| member.text()).transpose()?;
        let formats = options.optional("attestationFormats").map(|member| member.texts()).transpose()?;
        let selection = options.optional("authenticatorSelection").map(Member::object).transpose()?;
        Ok(Self {
            rp_id: rp.optional("id").map(|id| id.text().map(ToOwned::to_owned)).transpose()?,
            rp_name: rp.required("name")?.text()?.to_owned(),
            user: read_user(&options.required("user")?.object()?)?,
            challenge: options.required("challenge")?.base64url()?,
            parameters: read_parameters(&options.required("pubKeyCredParams")?)?,
            timeout: read_timeout(&options)?,
            exclude_list: read_descriptors(&options, "excludeCredentials")?.unwrap_or_default(),
            selection: Selection::read(selection.as_ref())?,
            hints: read_hints(&options)?,
            attestation: attestation
                .and_then(AttestationConveyance::from_name)
                .unwrap_or(AttestationConveyance::None),
            attestation_formats: formats.unwrap_or_default().iter().map(ToString::to_string).collect(),
            extensions: CreationExtensions::read(options.optional("extensions"))?,
        })
    }
}

/// `PublicKeyCredentialRequestOptionsJSON`, read and not judged yet.
pub struct RequestOptions {
    pub(super) challenge: Vec<u8>,
    pub(super) timeout: Option<Duration>,
    pub(super) rp_id: Option<String>,
    pub(super) allow_list: Option<Vec<CredentialDescriptor>>,
    pub(super) user_verification: Requirement,
    pub(super) hints: Vec<Hint>,
    pub(super) extensions: RequestExtensions,
}

impl RequestOptions {
    /// Reads the JSON text, as `parseRequestOptionsFromJSON` does, but for what the module's documentation says about
    /// strictness.
    pub fn from_json(json: &[u8]) -> Result<Self, OptionsError> {
        let root = Node::parse(json)?;
        let options = open(&root)?;
        Ok(Self {
            challenge: options.required("challenge")?.base64url()?,
            timeout: read_timeout(&options)?,
            rp_id: options.optional("rpId").map(|id| id.text().map(ToOwned::to_owned)).transpose()?,
            allow_list: read_descriptors(&options, "allowCredentials")?,
            user_verification: read_user_verification(&options)?,
            hints: read_hints(&options)?,
            extensions: RequestExtensions::read(options.optional("extensions"))?,
        })
    }
}

/// The members of `authenticatorSelection`.
pub(super) struct Selection {
    pub(super) attachment: Option<AuthenticatorAttachment>,
    pub(super) resident_key: Requirement,
    pub(super) user_verification: Requirement,
}

impl Selection {
    fn read(criteria: Option<&Object<'_>>) -> Result<Self, OptionsError> {
        let Some(criteria) = criteria else {
            return Ok(Self {
                attachment: None,
                resident_key: Requirement::Discouraged,
                user_verification: Requirement::Preferred,
            });
        };
        let attachment =
            criteria.optional("authenticatorAttachment").map(|member| member.text()).transpose()?;
        let resident_key = criteria.optional("residentKey").map(|member| member.text()).transpose()?;
        let required = criteria.optional("requireResidentKey").map(|member| member.boolean()).transpose()?;
        // WebAuthn section "Authenticator Selection Criteria", residentKey: "If no value is given then the effective
        // value is required if requireResidentKey is true or discouraged if it is false or absent."
        let without_value = match required {
            Some(true) => Requirement::Required,
            Some(false) | None => Requirement::Discouraged,
        };
        Ok(Self {
            attachment: attachment.and_then(AuthenticatorAttachment::from_name),
            resident_key: resident_key.and_then(Requirement::from_name).unwrap_or(without_value),
            user_verification: read_user_verification(criteria)?,
        })
    }
}

/// The options object itself. The `{"publicKey": ...}` around it, which `navigator.credentials` takes, is a common slip.
fn open(root: &Node) -> Result<Object<'_>, OptionsError> {
    let options = Member::root(root).object()?;
    match options.optional("publicKey") {
        Some(inner) if options.optional("challenge").is_none() => {
            Err(inner.error(ErrorKind::Type, "holds the options; pass what is inside it"))
        }
        _ => Ok(options),
    }
}

fn read_user(user: &Object<'_>) -> Result<UserEntity, OptionsError> {
    let id = user.required("id")?;
    let handle = UserHandle::new(&id.base64url()?).ok().filter(|handle| !handle.as_bytes().is_empty());
    Ok(UserEntity {
        // "If the length of user.id is not between 1 and 64 bytes (inclusive) then throw a TypeError."
        id: handle.ok_or_else(|| id.error(ErrorKind::Type, "is not 1 to 64 bytes long"))?,
        name: Some(user.required("name")?.text()?.into()),
        display_name: Some(user.required("displayName")?.text()?.into()),
    })
}

fn read_parameters(member: &Member<'_>) -> Result<Vec<CredentialParameters>, OptionsError> {
    let read = |element: Member<'_>| {
        let element = element.object()?;
        let public_key = is_public_key(&element)?;
        Ok(CredentialParameters { public_key, algorithm: element.required("alg")?.long()?.into() })
    };
    member.list()?.into_iter().map(read).collect()
}

/// The descriptors of type `public-key`; `None` when the list is absent or empty, which is not the same as one that
/// names unknown types only.
fn read_descriptors(
    options: &Object<'_>,
    name: &str,
) -> Result<Option<Vec<CredentialDescriptor>>, OptionsError> {
    let Some(list) = options.optional(name).map(|member| member.list()).transpose()? else {
        return Ok(None);
    };
    if list.is_empty() {
        return Ok(None);
    }
    let mut descriptors = Vec::with_capacity(list.len());
    for element in list {
        let element = element.object()?;
        let id = element.required("id")?;
        let bytes = id.base64url()?;
        element.optional("transports").map(|member| member.texts()).transpose()?;
        if is_public_key(&element)? {
            let invalid = |_| id.error(ErrorKind::Type, "is not 1 to 1023 bytes long");
            descriptors.push(CredentialDescriptor { id: CredentialId::new(&bytes).map_err(invalid)? });
        }
    }
    Ok(Some(descriptors))
}

fn is_public_key(element: &Object<'_>) -> Result<bool, OptionsError> {
    Ok(element.required("type")?.text()? == "public-key")
}

fn read_timeout(options: &Object<'_>) -> Result<Option<Duration>, OptionsError> {
    let milliseconds = options.optional("timeout").map(|member| member.unsigned_long()).transpose()?;
    Ok(milliseconds.map(|milliseconds| Duration::from_millis(milliseconds.into())))
}

fn read_user_verification(object: &Object<'_>) -> Result<Requirement, OptionsError> {
    let name = object.optional("userVerification").map(|member| member.text()).transpose()?;
    Ok(name.and_then(Requirement::from_name).unwrap_or(Requirement::Preferred))
}

fn read_hints(options: &Object<'_>) -> Result<Vec<Hint>, OptionsError> {
    let names = options.optional("hints").map(|member| member.texts()).transpose()?.unwrap_or_default();
    Ok(names.into_iter().filter_map(Hint::from_name).collect())
}
