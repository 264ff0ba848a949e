//! Who calls: web origins, and which RP IDs they may claim (WebAuthn section "Relying Party Identifier"; HTML section
//! "Origin", "is a registrable domain suffix of or is equal to").

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
};
use core::net::{Ipv4Addr, Ipv6Addr};

/// A web origin that may use WebAuthn: `https` with any host, or `http` with a loopback host (Secure Contexts section
/// "Is origin potentially trustworthy?": `localhost`, `*.localhost`, 127.0.0.0/8, `[::1]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    serialized: String,
    host: Host,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// Lower-case ASCII, 1 to 253 bytes, labels of 1 to 63 bytes, the last of them no number.
    Domain(String),
    Address(String),
}

/// Why a text is no [`Origin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginError {
    /// There is no `scheme://`; `null`, the opaque origin, is of this kind.
    NotAnOrigin,
    /// The scheme is neither `https` nor `http`.
    Scheme,
    /// `http` with a host that is not this machine.
    Insecure,
    /// A user name or password stands before the host.
    UserInfo,
    /// A path, query or fragment follows the host, be it a single slash.
    Path,
    /// The host has characters beyond ASCII.
    NonAscii,
    /// The host is no domain name and no IP address in its usual form.
    Host,
    /// The port is no number from 0 to 65535.
    Port,
}

impl core::fmt::Display for OriginError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotAnOrigin => "an origin has the form https://host or https://host:port",
            Self::Scheme => "the origin's scheme is not https",
            Self::Insecure => "WebAuthn needs https; http is for localhost only",
            Self::UserInfo => "an origin has no user name or password",
            Self::Path => "an origin has no path, query or fragment, and no slash at the end",
            Self::NonAscii => "the origin's host is not ASCII: pass its A-label form (xn--...)",
            Self::Host => "the origin's host is no domain name and no IP address",
            Self::Port => "the origin's port is no number from 0 to 65535",
        })
    }
}

impl core::error::Error for OriginError {}

impl Origin {
    /// Reads `scheme://host` or `scheme://host:port`. Scheme and host are lower-cased and the scheme's own port is left
    /// out, as browsers serialise origins. International names are taken in their A-label form (`xn--...`) only.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::NotAnOrigin)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(OriginError::Scheme),
        };
        if rest.contains(['/', '\\', '?', '#']) {
            return Err(OriginError::Path);
        }
        if rest.contains('@') {
            return Err(OriginError::UserInfo);
        }
        let (host, port) = split_port(rest)?;
        let host = Host::parse(host)?;
        if scheme == Scheme::Http && !host.is_loopback() {
            return Err(OriginError::Insecure);
        }
        let mut serialized = format!("{}://{}", scheme.name(), host.as_str());
        if let Some(port) = port.filter(|port| *port != scheme.default_port()) {
            serialized.push_str(&format!(":{port}"));
        }
        Ok(Self { serialized, host })
    }

    /// The origin as it stands in client data.
    pub fn as_str(&self) -> &str {
        &self.serialized
    }

    /// The host, if it is a domain and no IP address: an origin's "effective domain", where WebAuthn lets it have one.
    pub fn effective_domain(&self) -> Option<&str> {
        match &self.host {
            Host::Domain(domain) => Some(domain),
            Host::Address(_) => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

/// Host and port; the colons inside the brackets of an IPv6 address are none of the port's.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), OriginError> {
    let after_host = authority.rfind(']').map_or(authority, |end| authority.split_at(end).1);
    let Some((_, port)) = after_host.rsplit_once(':') else {
        return Ok((authority, None));
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(OriginError::Port);
    }
    let number = port.parse().map_err(|_| OriginError::Port)?;
    let host =
        authority.strip_suffix(port).and_then(|rest| rest.strip_suffix(':')).ok_or(OriginError::Port)?;
    Ok((host, Some(number)))
}

impl Host {
    fn parse(text: &str) -> Result<Self, OriginError> {
        if !text.is_ascii() {
            return Err(OriginError::NonAscii);
        }
        if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return Self::parse_ipv6(inside);
        }
        let domain = text.to_ascii_lowercase();
        let last = domain.rsplit('.').next().unwrap_or_default();
        // URL section "ends in a number": such a host is an IPv4 address or nothing; the forms with fewer parts, octal
        // or hexadecimal digits are one address under many names and are refused.
        if last.starts_with(|first: char| first.is_ascii_digit()) && is_number(last) {
            let address: Ipv4Addr = domain.parse().map_err(|_| OriginError::Host)?;
            return Ok(Self::Address(address.to_string()));
        }
        if !is_domain(&domain) {
            return Err(OriginError::Host);
        }
        Ok(Self::Domain(domain))
    }

    fn parse_ipv6(text: &str) -> Result<Self, OriginError> {
        let address: Ipv6Addr = text.parse().map_err(|_| OriginError::Host)?;
        // URLs and RFC 5952 write this kind differently.
        if address.to_ipv4_mapped().is_some() {
            return Err(OriginError::Host);
        }
        Ok(Self::Address(format!("[{address}]")))
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Domain(text) | Self::Address(text) => text,
        }
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Domain(domain) => domain == "localhost" || domain.ends_with(".localhost"),
            Self::Address(address) => address.starts_with("127.") || address == "[::1]",
        }
    }
}

/// Whether a label is a number to a URL parser: decimal digits, or hexadecimal ones after `0x`.
fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
        || label.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_domain(text: &str) -> bool {
    let byte_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let label_allowed = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(byte_allowed);
    text.len() <= 253 && text.split('.').all(label_allowed)
}

/// Whether an origin may claim an RP ID: it is the origin's host, or a parent domain of it of at least two labels.
/// Bytes are compared as they are: upper case, a dot at the end, U-labels and look-alikes match nothing. An IP address
/// has no RP ID.
///
/// There is no public suffix list yet: a parent of two labels such as `co.uk` is not told from a site's own.
pub fn rp_id_allowed(origin: &Origin, rp_id: &str) -> bool {
    let Some(domain) = origin.effective_domain() else {
        return false;
    };
    if rp_id == domain {
        return true;
    }
    rp_id.contains('.') && domain.strip_suffix(rp_id).is_some_and(|left| left.ends_with('.'))
}

/// Who called, as the host of the client knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    origin: Origin,
    top_origin: Option<Origin>,
    cross_origin: bool,
}

impl Caller {
    /// A caller that is same-origin with all its ancestors, such as a page that is no frame.
    pub fn same_origin(origin: Origin) -> Self {
        Self { origin, top_origin: None, cross_origin: false }
    }

    /// A frame inside a page of another origin, with the origin of the topmost page where the host knows it.
    pub fn cross_origin(origin: Origin, top_origin: Option<Origin>) -> Self {
        Self { origin, top_origin, cross_origin: true }
    }

    /// The caller's own origin.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The topmost page's origin, for a caller of another origin.
    pub fn top_origin(&self) -> Option<&Origin> {
        self.top_origin.as_ref()
    }

    /// Whether the caller is a frame inside a page of another origin.
    pub fn is_cross_origin(&self) -> bool {
        self.cross_origin
    }

    /// WebAuthn sections "Create a New Credential" and "Use an Existing Credential", the steps that determine the RP ID.
    pub(super) fn rp_id(&self, claimed: Option<&str>) -> Option<String> {
        match claimed {
            Some(claimed) => rp_id_allowed(&self.origin, claimed).then(|| claimed.to_owned()),
            None => self.origin.effective_domain().map(ToOwned::to_owned),
        }
    }
}
