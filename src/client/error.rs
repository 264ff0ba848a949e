//! What can be wrong with a relying party's options, and with an authenticator's answer.

use alloc::string::String;

/// The class of an [`OptionsError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not JSON, or one object names a member twice.
    NotJson,
    /// Longer, deeper or more numerous than this client reads.
    TooLarge,
    /// A required member is missing, or a member has the wrong type or length.
    Type,
    /// A text is not unpadded base64url.
    Encoding,
    /// A key is none of the credential IDs that it has to be one of.
    Syntax,
    /// The options ask for what does not exist.
    NotSupported,
    /// The caller's origin may not claim the RP ID.
    Security,
}

impl ErrorKind {
    /// The name of the exception that a browser throws in this case. Browsers have no limit of their own for
    /// [`ErrorKind::TooLarge`].
    pub const fn exception_name(self) -> &'static str {
        match self {
            Self::NotJson | Self::Syntax => "SyntaxError",
            Self::Type => "TypeError",
            Self::Encoding => "EncodingError",
            Self::TooLarge | Self::NotSupported => "NotSupportedError",
            Self::Security => "SecurityError",
        }
    }
}

/// What is wrong with the options of a relying party, and where. It repeats nothing of what the text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionsError {
    kind: ErrorKind,
    place: String,
    reason: &'static str,
}

impl OptionsError {
    pub(super) fn new(kind: ErrorKind, place: impl Into<String>, reason: &'static str) -> Self {
        Self { kind, place: place.into(), reason }
    }

    /// The class.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The member at fault, as in `pubKeyCredParams[1].alg`; line and column where the text is not JSON; empty when it
    /// is the text as a whole.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl core::fmt::Display for OptionsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(self.reason),
            place => write!(f, "{place}: {}", self.reason),
        }
    }
}

impl core::error::Error for OptionsError {}

/// Why no response is made of what an authenticator answered. The authenticator is at fault, or whoever carried its
/// answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResultError {
    /// The authenticator data could not be read, or a new credential's lack the credential.
    MalformedAuthenticatorData,
    /// The attestation statement is no map that canonical CBOR can hold.
    MalformedAttestation,
    /// The authenticator data are for another RP ID.
    WrongRelyingParty,
    /// User verification was required and the UV bit is not set.
    NotUserVerified,
}

impl core::fmt::Display for ResultError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::MalformedAuthenticatorData => "the authenticator data could not be read",
            Self::MalformedAttestation => "the attestation statement cannot be written as canonical CBOR",
            Self::WrongRelyingParty => "the authenticator answered for another relying party",
            Self::NotUserVerified => {
                "the relying party requires user verification and the authenticator did none"
            }
        })
    }
}

impl core::error::Error for ResultError {}
