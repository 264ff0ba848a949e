//! Status codes (CTAP 2.3 section 8.2, "Status codes").

use ctap_types::ctap2::Error as Code;

/// What a command failed with. The names are the standard's without `CTAP2_ERR_`; the values come from `ctap-types`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 0x01: the command byte is not assigned.
    InvalidCommand,
    /// 0x02
    InvalidParameter,
    /// 0x03
    InvalidLength,
    /// 0x04: a fragment, or a part of a message, out of its order.
    InvalidSeq,
    /// 0x11: a member is of the wrong CBOR type.
    CborUnexpectedType,
    /// 0x12: not canonical CBOR.
    InvalidCbor,
    /// 0x14
    MissingParameter,
    /// 0x15: a list is longer than announced in getInfo.
    LimitExceeded,
    /// 0x18
    LargeBlobStorageFull,
    /// 0x19
    CredentialExcluded,
    /// 0x26
    UnsupportedAlgorithm,
    /// 0x27: a person declined, or cannot be asked.
    OperationDenied,
    /// 0x28
    KeyStoreFull,
    /// 0x2B
    UnsupportedOption,
    /// 0x2C
    InvalidOption,
    /// 0x2D: the command was cancelled, or another took its place.
    KeepaliveCancel,
    /// 0x2E
    NoCredentials,
    /// 0x2F: the question was not answered in time.
    UserActionTimeout,
    /// 0x30
    NotAllowed,
    /// 0x31
    PinInvalid,
    /// 0x32: no PIN tries are left; only a reset helps.
    PinBlocked,
    /// 0x33
    PinAuthInvalid,
    /// 0x34: too many wrong PINs since power-up.
    PinAuthBlocked,
    /// 0x35
    PinNotSet,
    /// 0x36: a pinUvAuthToken is needed (CTAP2_ERR_PUAT_REQUIRED).
    PuatRequired,
    /// 0x37: a new PIN is too short or breaks a rule, or the PIN has to be changed first.
    PinPolicyViolation,
    /// 0x39
    RequestTooLarge,
    /// 0x3C: no tries of built-in user verification are left.
    UvBlocked,
    /// 0x3D: what was written does not have the hash that it carries.
    IntegrityFailure,
    /// 0x3E
    InvalidSubcommand,
    /// 0x3F: built-in user verification failed.
    UvInvalid,
    /// 0x40: a permission that this authenticator does not give.
    UnauthorizedPermission,
    /// 0x7F: the store failed; says nothing about the request.
    Other,
}

impl Status {
    /// The byte on the wire.
    pub fn byte(self) -> u8 {
        u8::from(match self {
            Self::InvalidCommand => Code::InvalidCommand,
            Self::InvalidParameter => Code::InvalidParameter,
            Self::InvalidLength => Code::InvalidLength,
            Self::InvalidSeq => Code::InvalidSeq,
            Self::CborUnexpectedType => Code::CborUnexpectedType,
            Self::InvalidCbor => Code::InvalidCbor,
            Self::MissingParameter => Code::MissingParameter,
            Self::LimitExceeded => Code::LimitExceeded,
            Self::LargeBlobStorageFull => Code::LargeBlobStorageFull,
            Self::CredentialExcluded => Code::CredentialExcluded,
            Self::UnsupportedAlgorithm => Code::UnsupportedAlgorithm,
            Self::OperationDenied => Code::OperationDenied,
            Self::KeyStoreFull => Code::KeyStoreFull,
            Self::UnsupportedOption => Code::UnsupportedOption,
            Self::InvalidOption => Code::InvalidOption,
            Self::KeepaliveCancel => Code::KeepaliveCancel,
            Self::NoCredentials => Code::NoCredentials,
            Self::UserActionTimeout => Code::UserActionTimeout,
            Self::NotAllowed => Code::NotAllowed,
            Self::PinInvalid => Code::PinInvalid,
            Self::PinBlocked => Code::PinBlocked,
            Self::PinAuthInvalid => Code::PinAuthInvalid,
            Self::PinAuthBlocked => Code::PinAuthBlocked,
            Self::PinNotSet => Code::PinNotSet,
            Self::PuatRequired => Code::PinRequired,
            Self::PinPolicyViolation => Code::PinPolicyViolation,
            Self::RequestTooLarge => Code::RequestTooLarge,
            Self::UvBlocked => Code::UvBlocked,
            Self::IntegrityFailure => Code::IntegrityFailure,
            Self::InvalidSubcommand => Code::InvalidSubcommand,
            Self::UvInvalid => Code::UvInvalid,
            Self::UnauthorizedPermission => Code::UnauthorizedPermission,
            Self::Other => Code::Other,
        })
    }
}

impl core::fmt::Display for Status {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CTAP status 0x{:02x} ({self:?})", self.byte())
    }
}

impl core::error::Error for Status {}
