//! What a person writes down: Crockford's base32, in groups of four behind a prefix (vault-format.md, "Recovery code",
//! "Shares").

use alloc::string::String;

use zeroize::Zeroizing;

use crate::secret::Secret;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Spells bytes as symbol values: five bits per symbol, big endian, so that 5 bytes are 8 symbols. Whatever is left over
/// of either is not touched.
pub(super) fn spell(bytes: &[u8], symbols: &mut [u8]) {
    let (bytes, _) = bytes.as_chunks::<5>();
    let (groups, _) = symbols.as_chunks_mut::<8>();
    for (five, eight) in bytes.iter().zip(groups) {
        let mut bits = five.iter().fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
        for symbol in eight.iter_mut().rev() {
            *symbol = low_symbol(bits);
            bits >>= 5;
        }
    }
}

/// The bytes that [`spell`] spelled.
pub(super) fn join(symbols: &[u8], bytes: &mut [u8]) {
    let (groups, _) = symbols.as_chunks::<8>();
    let (fives, _) = bytes.as_chunks_mut::<5>();
    for (eight, five) in groups.iter().zip(fives) {
        let bits = eight.iter().fold(0u64, |bits, value| (bits << 5) | u64::from(*value));
        let [_, _, _, rest @ ..] = bits.to_be_bytes();
        five.copy_from_slice(&rest);
    }
}

/// The lowest five bits.
pub(super) fn low_symbol(bits: u64) -> u8 {
    bits.to_le_bytes().first().copied().unwrap_or(0) & 0x1f
}

/// The text of symbol values: the prefix, then groups of four, each behind a hyphen.
pub(super) fn write<'a>(prefix: &str, values: impl Iterator<Item = &'a u8>) -> Zeroizing<String> {
    // Room for all of it, so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(128));
    text.push_str(prefix);
    for (index, value) in values.enumerate() {
        if index.is_multiple_of(4) {
            text.push('-');
        }
        text.push(char::from(ALPHABET.get(usize::from(*value)).copied().unwrap_or(b'0')));
    }
    text
}

/// The values of exactly `N` symbols after the prefix, as a person types them: case, spaces and hyphens do not matter,
/// `i` and `l` are 1, `o` is 0, in the prefix, too. None: a character that no text has, another prefix, or too few or too
/// many characters.
pub(super) fn read<const N: usize>(prefix: &str, text: &str) -> Option<Secret<N>> {
    let mut characters = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-');
    for expected in prefix.bytes() {
        if symbol(characters.next()?)? != symbol(expected)? {
            return None;
        }
    }
    let symbols = Secret::try_init_with(|symbols: &mut [u8; N]| {
        for target in symbols.iter_mut() {
            *target = characters.next().and_then(symbol).ok_or(())?;
        }
        Ok::<(), ()>(())
    });
    symbols.ok().filter(|_| characters.next().is_none())
}

/// The value of a symbol, by comparing with the whole alphabet: which one it is does not show in the time taken.
fn symbol(typed: u8) -> Option<u8> {
    let upper = match typed.to_ascii_uppercase() {
        b'I' | b'L' => b'1',
        b'O' => b'0',
        other => other,
    };
    let mut value = 0xff;
    for (candidate, index) in ALPHABET.iter().zip(0u8..) {
        if *candidate == upper {
            value = index;
        }
    }
    (value != 0xff).then_some(value)
}
