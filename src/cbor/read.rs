//! The strict reader: one pass over the whole message, then a borrowed view.

use core::cmp::Ordering;

/// Which CBOR is accepted. Both profiles demand shortest heads, definite lengths, sorted map keys without repeats,
/// valid UTF-8, no tags and no trailing bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// How many arrays and maps may stand inside one another, the outermost counted.
    max_depth: u8,
    /// Whether only unsigned integers below 2^63, strings, arrays, maps with unsigned keys and booleans exist.
    minimal: bool,
}

impl Profile {
    /// CTAP2 canonical CBOR (CTAP 2.3 section 8): at most 4 levels of nesting.
    pub const CTAP2: Self = Self { max_depth: 4, minimal: false };
    /// The vault's dCBOR: at most 8 containers inside one another; only uint below 2^63, bstr, tstr, array, map with
    /// uint keys, true and false.
    pub const VAULT: Self = Self { max_depth: 8, minimal: true };
}

/// The bytes are not one canonical item of the profile. Deliberately without detail: a peer gets one status for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

impl core::fmt::Display for Invalid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not canonical CBOR")
    }
}

impl core::error::Error for Invalid {}

/// What an [`Item`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An unsigned integer (major type 0).
    Unsigned,
    /// A negative integer (major type 1).
    Negative,
    /// A byte string (major type 2).
    Bytes,
    /// A text string (major type 3).
    Text,
    /// An array (major type 4).
    Array,
    /// A map (major type 5).
    Map,
    /// True or false.
    Bool,
    /// Null, undefined, an unassigned simple value or a floating-point number: canonical, but of no use in CTAP2.
    Other,
}

/// One canonical CBOR item inside a checked message.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    raw: &'a [u8],
}

/// A decoded head: major type, argument, and what follows the head.
struct Head<'a> {
    major: u8,
    info: u8,
    argument: u64,
    rest: &'a [u8],
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;
const FALSE: u8 = 20;
const TRUE: u8 = 21;

impl<'a> Item<'a> {
    /// Checks that `bytes` is exactly one canonical item of `profile` and returns the view of it.
    pub fn parse(bytes: &'a [u8], profile: Profile) -> Result<Self, Invalid> {
        match check(bytes, profile, profile.max_depth)? {
            [] => Ok(Self { raw: bytes }),
            _trailing => Err(Invalid),
        }
    }

    /// As [`Item::parse`], but bytes may follow the item; they are handed back.
    pub fn parse_prefix(bytes: &'a [u8], profile: Profile) -> Result<(Self, &'a [u8]), Invalid> {
        let rest = check(bytes, profile, profile.max_depth)?;
        let length = bytes.len().checked_sub(rest.len()).ok_or(Invalid)?;
        Ok((Self { raw: bytes.get(..length).ok_or(Invalid)? }, rest))
    }

    /// The item's own bytes, as received.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// What the item is.
    pub fn kind(&self) -> Kind {
        match self.raw.first().map(|first| (first >> 5, first & 0x1f)) {
            Some((UNSIGNED, _)) => Kind::Unsigned,
            Some((NEGATIVE, _)) => Kind::Negative,
            Some((BYTES, _)) => Kind::Bytes,
            Some((TEXT, _)) => Kind::Text,
            Some((ARRAY, _)) => Kind::Array,
            Some((MAP, _)) => Kind::Map,
            Some((SIMPLE, FALSE | TRUE)) => Kind::Bool,
            _ => Kind::Other,
        }
    }

    /// The value of an unsigned integer.
    pub fn unsigned(&self) -> Option<u64> {
        let head = self.head()?;
        (head.major == UNSIGNED).then_some(head.argument)
    }

    /// The value of an integer of either sign, if it fits.
    pub fn integer(&self) -> Option<i64> {
        let head = self.head()?;
        let argument = i64::try_from(head.argument).ok()?;
        match head.major {
            UNSIGNED => Some(argument),
            NEGATIVE => (-1i64).checked_sub(argument),
            _ => None,
        }
    }

    /// The contents of a byte string.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        let head = self.head()?;
        (head.major == BYTES).then_some(head.rest)
    }

    /// The contents of a text string.
    pub fn text(&self) -> Option<&'a str> {
        let head = self.head()?;
        if head.major != TEXT {
            return None;
        }
        core::str::from_utf8(head.rest).ok()
    }

    /// The value of a boolean.
    pub fn boolean(&self) -> Option<bool> {
        let head = self.head()?;
        match (head.major, head.info) {
            (SIMPLE, FALSE) => Some(false),
            (SIMPLE, TRUE) => Some(true),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn array(&self) -> Option<Items<'a>> {
        let head = self.head()?;
        (head.major == ARRAY).then_some(Items { left: head.argument, rest: head.rest })
    }

    /// The entries of a map, in canonical order.
    pub fn map(&self) -> Option<Entries<'a>> {
        let head = self.head()?;
        (head.major == MAP).then_some(Entries { left: head.argument, rest: head.rest })
    }

    fn head(&self) -> Option<Head<'a>> {
        read_head(self.raw).ok()
    }
}

/// The elements of an array. Its length is [`Items::announced`]; each was checked with the whole message.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    left: u64,
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    /// How many elements are left.
    pub fn announced(&self) -> u64 {
        self.left
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.left = self.left.checked_sub(1)?;
        take_item(&mut self.rest)
    }
}

/// The entries of a map, in canonical order.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    left: u64,
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    /// How many entries are left.
    pub fn announced(&self) -> u64 {
        self.left
    }

    /// The value under an unsigned key.
    pub fn at(&self, key: u64) -> Option<Item<'a>> {
        self.clone().find(|(k, _)| k.unsigned() == Some(key)).map(|(_, value)| value)
    }

    /// The value under an integer key of either sign.
    pub fn at_integer(&self, key: i64) -> Option<Item<'a>> {
        self.clone().find(|(k, _)| k.integer() == Some(key)).map(|(_, value)| value)
    }

    /// The value under a text key.
    pub fn named(&self, key: &str) -> Option<Item<'a>> {
        self.clone().find(|(k, _)| k.text() == Some(key)).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Item<'a>, Item<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = take_item(&mut self.rest)?;
        let value = take_item(&mut self.rest)?;
        Some((key, value))
    }
}

/// Splits the first item off bytes that were checked before.
fn take_item<'a>(rest: &mut &'a [u8]) -> Option<Item<'a>> {
    let whole: &'a [u8] = rest;
    let after = skip(whole)?;
    let raw = whole.get(..whole.len().checked_sub(after.len())?)?;
    *rest = after;
    Some(Item { raw })
}

/// What follows the first item, without checking it again. Iterative: a count of items still to pass over.
fn skip(mut bytes: &[u8]) -> Option<&[u8]> {
    let mut open: u64 = 1;
    while let Some(left) = open.checked_sub(1) {
        let head = read_head(bytes).ok()?;
        open = match head.major {
            ARRAY => left.checked_add(head.argument)?,
            MAP => left.checked_add(head.argument.checked_mul(2)?)?,
            _ => left,
        };
        bytes = match head.major {
            BYTES | TEXT => head.rest.get(usize::try_from(head.argument).ok()?..)?,
            _ => head.rest,
        };
    }
    Some(bytes)
}

/// Reads one head and refuses every argument that is not in its shortest form.
fn read_head(bytes: &[u8]) -> Result<Head<'_>, Invalid> {
    let (&first, rest) = bytes.split_first().ok_or(Invalid)?;
    let (major, info) = (first >> 5, first & 0x1f);
    let width = match info {
        0..=23 => 0,
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return Err(Invalid),
    };
    let (argument_bytes, rest) = rest.split_at_checked(width).ok_or(Invalid)?;
    let argument = match width {
        0 => u64::from(info),
        _ => argument_bytes.iter().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte)),
    };
    if major == SIMPLE {
        // RFC 8949 section 3.3: two-byte simple values below 32 are not well-formed.
        if info == 24 && argument < 32 {
            return Err(Invalid);
        }
    } else {
        let shortest = match width {
            0 => true,
            1 => argument >= 24,
            2 => argument > 0xff,
            4 => argument > 0xffff,
            _ => argument > 0xffff_ffff,
        };
        if !shortest {
            return Err(Invalid);
        }
    }
    Ok(Head { major, info, argument, rest })
}

/// Checks one item and returns what follows it. Recursion is bounded by `depth`; nothing is allocated.
fn check(bytes: &[u8], profile: Profile, depth: u8) -> Result<&[u8], Invalid> {
    let head = read_head(bytes)?;
    match head.major {
        UNSIGNED if profile.minimal && head.argument > i64::MAX.unsigned_abs() => Err(Invalid),
        UNSIGNED => Ok(head.rest),
        NEGATIVE if !profile.minimal => Ok(head.rest),
        BYTES => Ok(split_string(&head)?.1),
        TEXT => {
            let (text, rest) = split_string(&head)?;
            core::str::from_utf8(text).map_err(|_| Invalid)?;
            Ok(rest)
        }
        ARRAY => {
            let depth = depth.checked_sub(1).ok_or(Invalid)?;
            let mut rest = head.rest;
            for _ in 0..head.argument {
                rest = check(rest, profile, depth)?;
            }
            Ok(rest)
        }
        MAP => check_map(&head, profile, depth.checked_sub(1).ok_or(Invalid)?),
        SIMPLE if profile.minimal && !matches!(head.info, FALSE | TRUE) => Err(Invalid),
        SIMPLE => Ok(head.rest),
        _tag_or_negative => Err(Invalid),
    }
}

fn check_map<'a>(head: &Head<'a>, profile: Profile, depth: u8) -> Result<&'a [u8], Invalid> {
    let mut rest = head.rest;
    let mut previous: Option<&[u8]> = None;
    for _ in 0..head.argument {
        let after_key = check(rest, profile, depth)?;
        let key_length = rest.len().checked_sub(after_key.len()).ok_or(Invalid)?;
        let key = rest.get(..key_length).ok_or(Invalid)?;
        if profile.minimal && key.first().is_none_or(|first| first >> 5 != UNSIGNED) {
            return Err(Invalid);
        }
        if previous.is_some_and(|previous| key_order(previous, key) != Ordering::Less) {
            return Err(Invalid);
        }
        previous = Some(key);
        rest = check(after_key, profile, depth)?;
    }
    Ok(rest)
}

/// CTAP 2.3 section 8: the lower major type first, then the shorter encoding, then bytewise.
pub(super) fn key_order(left: &[u8], right: &[u8]) -> Ordering {
    let major = |key: &[u8]| key.first().map(|first| first >> 5);
    major(left).cmp(&major(right)).then(left.len().cmp(&right.len())).then(left.cmp(right))
}

fn split_string<'a>(head: &Head<'a>) -> Result<(&'a [u8], &'a [u8]), Invalid> {
    let length = usize::try_from(head.argument).map_err(|_| Invalid)?;
    head.rest.split_at_checked(length).ok_or(Invalid)
}
