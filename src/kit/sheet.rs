//! Text in the making that may hold a code.

use alloc::string::String;
use core::fmt;

use zeroize::Zeroizing;

/// A string that leaves no copy behind where it grows.
pub(super) struct Sheet(Zeroizing<String>);

impl Sheet {
    pub(super) fn new() -> Self {
        Self(Zeroizing::new(String::with_capacity(16 * 1024)))
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        let needed = self.0.len().saturating_add(text.len());
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(String::with_capacity(needed.saturating_mul(2)));
            larger.push_str(&self.0);
            self.0 = larger;
        }
        self.0.push_str(text);
        self
    }

    /// Text from elsewhere, on one line: control characters and those that reorder text are replaced, lest a name forges
    /// lines of the sheet.
    pub(super) fn push_plain(&mut self, text: &str) -> &mut Self {
        text.chars().for_each(|character| self.push_char(visible(character)));
        self
    }

    /// The same, for HTML and XML.
    pub(super) fn push_escaped(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => _ = self.push("&amp;"),
                '<' => _ = self.push("&lt;"),
                '>' => _ = self.push("&gt;"),
                '"' => _ = self.push("&quot;"),
                '\'' => _ = self.push("&#39;"),
                other => self.push_char(visible(other)),
            }
        }
        self
    }

    fn push_char(&mut self, character: char) {
        let mut bytes = Zeroizing::new([0; 4]);
        self.push(character.encode_utf8(&mut *bytes));
    }

    pub(super) fn finish(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Write for Sheet {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

fn visible(character: char) -> char {
    let reorders = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    if character.is_control() || reorders { '\u{fffd}' } else { character }
}
