//! Command APDUs.

use super::status_word::StatusWord;

/// A command APDU, its lengths checked. Le, the length that is expected of the response, is not kept: a response has the
/// length that it has.
pub(super) struct Apdu<'a> {
    pub(super) class: u8,
    pub(super) instruction: u8,
    pub(super) p1: u8,
    pub(super) data: &'a [u8],
}

impl<'a> Apdu<'a> {
    /// Reads exactly one command APDU.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, StatusWord> {
        let (&[class, instruction, p1, _p2], body) =
            bytes.split_first_chunk::<4>().ok_or(StatusWord::WRONG_LENGTH)?;
        let data = data(body).ok_or(StatusWord::WRONG_LENGTH)?;
        Ok(Self { class, instruction, p1, data })
    }
}

/// What stands between the header and Le.
fn data(body: &[u8]) -> Option<&[u8]> {
    match body {
        // Nothing, or Le alone: one byte, or three of which the first is zero.
        [] | [_] | [0, _, _] => Some(&[]),
        // Lc of three bytes, then Le of two or none.
        [0, high, low, rest @ ..] => {
            let (data, le) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
            matches!(le.len(), 0 | 2).then_some(data)
        }
        // Lc of one byte, then Le of one or none.
        [length, rest @ ..] => {
            let (data, le) = rest.split_at_checked(usize::from(*length))?;
            (*length != 0 && le.len() <= 1).then_some(data)
        }
    }
}
