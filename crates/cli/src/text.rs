//! Bytes as text, and text that is safe to print.

use base64ct::{Base64UrlUnpadded, Encoding};

/// Unpadded base64url, as in WebAuthn JSON.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// The bytes of unpadded base64url.
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text).ok()
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An AAGUID as it is usually written: 8-4-4-4-12 digits.
pub(crate) fn aaguid(bytes: &[u8; 16]) -> String {
    let digits = hex(bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default());
    parts.join("-")
}

/// A number of things: "1 passkey", "2 passkeys".
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Lines of at most 88 columns, broken between words, with `mark` before the first and as much room before the others.
pub(crate) fn wrapped(text: &str, mark: &str) -> String {
    let (mut lines, mut line) = (String::new(), mark.to_owned());
    for word in text.split_whitespace() {
        let is_new = line.len() == mark.len();
        if !is_new && line.chars().count() + word.chars().count() >= 88 {
            lines.push_str(&line);
            lines.push('\n');
            line = " ".repeat(mark.len());
        } else if !is_new {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines + &line + "\n"
}

/// Text from elsewhere, safe on a terminal: control characters and those that reorder text are replaced.
pub(crate) fn printable(text: &str) -> String {
    let unsafe_on_terminals = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|character| if unsafe_on_terminals(character) { '\u{fffd}' } else { character })
        .collect()
}
