//! How authenticators are attached and reached (WebAuthn sections "Authenticator Attachment Enumeration" and
//! "Authenticator Transport Enumeration").

/// How an authenticator is attached to its client (`AuthenticatorAttachment`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticatorAttachment {
    /// `platform`: part of the device.
    Platform,
    /// `cross-platform`: roaming.
    CrossPlatform,
}

impl AuthenticatorAttachment {
    /// The value of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "platform" => Some(Self::Platform),
            "cross-platform" => Some(Self::CrossPlatform),
            _ => None,
        }
    }

    /// Its name in JSON and in getInfo.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::CrossPlatform => "cross-platform",
        }
    }
}

/// A way to reach an authenticator (`AuthenticatorTransport`). Ordered as their names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// `ble`
    Ble,
    /// `hybrid`
    Hybrid,
    /// `internal`
    Internal,
    /// `nfc`
    Nfc,
    /// `smart-card`
    SmartCard,
    /// `usb`
    Usb,
}

impl Transport {
    /// Its name in JSON and in getInfo.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ble => "ble",
            Self::Hybrid => "hybrid",
            Self::Internal => "internal",
            Self::Nfc => "nfc",
            Self::SmartCard => "smart-card",
            Self::Usb => "usb",
        }
    }
}
