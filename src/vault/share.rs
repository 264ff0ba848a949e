//! Shares: a random secret split so that k of n people open the vault together (vault-format.md, "Shares"), each byte by
//! itself over GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.

use alloc::{string::String, vec::Vec};
use core::fmt;

use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{keys::label, symbols};
use crate::{crypto::sha256_parts, secret::Secret};

const PREFIX: &str = "CSS1";
const SYMBOLS: usize = 72;
/// What the symbols spell: a share (43), a zero bit, 15 bits of check.
const SPELLED: usize = 45;
const LEAST: u8 = 2;
const MOST: u8 = 16;

/// Which set a share is of: `needed` of the `made` shares of one set open its slot. Nothing of it is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareSet {
    /// A random name; a new one each time that shares are made.
    pub set_id: [u8; 8],
    /// How many shares it takes, 2 to `made`.
    pub needed: u8,
    /// How many there are, up to 16.
    pub made: u8,
}

impl ShareSet {
    /// Whether the format has such a set.
    pub(super) fn is_valid(&self) -> bool {
        (LEAST..=self.made).contains(&self.needed) && self.made <= MOST
    }
}

/// One share of a set. Fewer than the set needs tell nothing of the secret.
pub struct Share {
    set: ShareSet,
    number: u8,
    value: Secret<32>,
}

/// The secret that enough shares of one set gave. Whether it is the slot's shows when it is opened.
pub struct JoinedShares(Secret<32>);

/// Why a text is no share, or why shares do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareError {
    /// A character that no share has, a missing `CSS1`, too few or too many characters, or numbers that no share has.
    NotAShare,
    /// The check symbols do not fit. It cannot be told where.
    Mistyped,
    /// Two of the shares are of different sets.
    OtherSet,
    /// One share was brought twice.
    Repeated,
    /// The set needs more.
    TooFew {
        /// How many it takes; 2, the least of any set, where none was brought.
        needed: u8,
        /// How many were brought.
        brought: usize,
    },
    /// The set needs fewer: a share too many is left out, lest a wrong one goes unnoticed.
    TooMany {
        /// How many it takes.
        needed: u8,
        /// How many were brought.
        brought: usize,
    },
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAShare => f.write_str("this is not a share (CSS1-, then 72 letters and digits)"),
            Self::Mistyped => f.write_str("the share was mistyped"),
            Self::OtherSet => f.write_str("these shares are of different sets and do not go together"),
            Self::Repeated => f.write_str("the same share was given twice"),
            Self::TooFew { needed, brought } => {
                write!(f, "too few shares: {needed} are needed, {brought} were given")
            }
            Self::TooMany { needed, brought } => {
                write!(f, "too many shares: {needed} are needed, {brought} were given")
            }
        }
    }
}

impl core::error::Error for ShareError {}

impl Share {
    /// Reads a share as a person types it: case, spaces and hyphens do not matter, `i` and `l` are 1, `o` is 0.
    ///
    /// Errors: [`ShareError::NotAShare`], [`ShareError::Mistyped`].
    pub fn parse(text: &str) -> Result<Self, ShareError> {
        let symbols = symbols::read::<SYMBOLS>(PREFIX, text).ok_or(ShareError::NotAShare)?;
        let spelled: Secret<SPELLED> = Secret::init_with(|bytes| symbols::join(symbols.expose(), bytes));
        let (share, check) = Self::read(spelled.expose()).ok_or(ShareError::NotAShare)?;
        // The zero bit is compared with them.
        if !bool::from(share.check().as_slice().ct_eq(check)) {
            return Err(ShareError::Mistyped);
        }
        let known = share.set.is_valid() && (1..=share.set.made).contains(&share.number);
        if known { Ok(share) } else { Err(ShareError::NotAShare) }
    }

    /// The text to hand out: `CSS1-`, then 72 symbols in groups of 4.
    pub fn to_text(&self) -> Zeroizing<String> {
        let check = self.check();
        let share = self.head().into_iter().chain(self.value.expose().iter().copied()).chain(check);
        let spelled: Secret<SPELLED> =
            Secret::init_with(|bytes| bytes.iter_mut().zip(share).for_each(|(target, byte)| *target = byte));
        let symbols: Secret<SYMBOLS> = Secret::init_with(|symbols| symbols::spell(spelled.expose(), symbols));
        symbols::write(PREFIX, symbols.expose().iter())
    }

    /// The set it is of.
    pub fn set(&self) -> ShareSet {
        self.set
    }

    /// Its number in the set, from 1.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// What the 45 bytes of the symbols hold: a share and its check.
    fn read(spelled: &[u8; SPELLED]) -> Option<(Self, &[u8])> {
        let (head, rest) = spelled.split_first_chunk::<11>()?;
        let (value, check) = rest.split_at_checked(32)?;
        let [set_id @ .., needed, made, number] = *head;
        let set = ShareSet { set_id, needed, made };
        Some((Self { set, number, value: Secret::from_slice(value)? }, check))
    }

    /// set_id || k || n || x.
    fn head(&self) -> [u8; 11] {
        let [a, b, c, d, e, f, g, h] = self.set.set_id;
        [a, b, c, d, e, f, g, h, self.set.needed, self.set.made, self.number]
    }

    /// A zero bit, then the first 15 bits of h(L("share") || share).
    fn check(&self) -> [u8; 2] {
        let [first, second, ..] = sha256_parts(&[&label("share"), &self.head(), self.value.expose()]);
        (u16::from_be_bytes([first, second]) >> 1).to_be_bytes()
    }
}

impl JoinedShares {
    /// Joins exactly as many shares of one set as it needs, in any order.
    ///
    /// Errors: [`ShareError::OtherSet`], [`ShareError::Repeated`], [`ShareError::TooFew`], [`ShareError::TooMany`].
    pub fn join(shares: &[Share]) -> Result<Self, ShareError> {
        let brought = shares.len();
        let set = shares.first().ok_or(ShareError::TooFew { needed: LEAST, brought })?.set;
        if shares.iter().any(|share| share.set != set) {
            return Err(ShareError::OtherSet);
        }
        let repeated = |share: &Share| shares.iter().filter(|other| other.number == share.number).count() > 1;
        if shares.iter().any(repeated) {
            return Err(ShareError::Repeated);
        }
        match brought.cmp(&usize::from(set.needed)) {
            core::cmp::Ordering::Less => Err(ShareError::TooFew { needed: set.needed, brought }),
            core::cmp::Ordering::Greater => Err(ShareError::TooMany { needed: set.needed, brought }),
            core::cmp::Ordering::Equal => Ok(Self(at_zero(shares))),
        }
    }

    /// The 32 bytes.
    pub(super) fn secret(&self) -> &Secret<32> {
        &self.0
    }
}

/// Makes a secret and its shares, `needed` of `made`, which the format must have ([`ShareSet::is_valid`]). Draws set_id
/// (8), the secret (32), then the coefficients of x, x^2 and so on (32 each: one for each byte).
pub(super) fn make(needed: u8, made: u8, rng: &mut dyn CryptoRng) -> (ShareSet, JoinedShares, Vec<Share>) {
    let mut set = ShareSet { set_id: [0; 8], needed, made };
    rng.fill_bytes(&mut set.set_id);
    // From the constant term up.
    let polynomial: Vec<Secret<32>> = (0..needed).map(|_| Secret::make_random(rng)).collect();
    let share = |number| Share { set, number, value: evaluate(&polynomial, number) };
    let shares = (1..=made).map(share).collect();
    (set, JoinedShares(evaluate(&polynomial, 0)), shares)
}

/// The value of a polynomial, byte by byte (Horner).
fn evaluate(polynomial: &[Secret<32>], x: u8) -> Secret<32> {
    Secret::init_with(|value| {
        for coefficients in polynomial.iter().rev() {
            for (byte, coefficient) in value.iter_mut().zip(coefficients.expose()) {
                *byte = multiply(*byte, x) ^ coefficient;
            }
        }
    })
}

/// The value at zero of the polynomial through the shares (Lagrange); their numbers are distinct and not zero.
fn at_zero(shares: &[Share]) -> Secret<32> {
    Secret::init_with(|secret| {
        for share in shares {
            let others = shares.iter().map(|other| other.number).filter(|number| *number != share.number);
            // x_j / (x_j - x_i), and subtraction is addition.
            let weight = others
                .fold(1, |weight, number| multiply(weight, multiply(number, invert(number ^ share.number))));
            for (byte, value) in secret.iter_mut().zip(share.value.expose()) {
                *byte ^= multiply(*value, weight);
            }
        }
    })
}

/// The product in GF(2^8), in the same time for all values: no tables, no branches.
fn multiply(a: u8, b: u8) -> u8 {
    let (mut product, mut shifted) = (0, a);
    for bit in 0..8u8 {
        product ^= u8::conditional_select(&0, &shifted, Choice::from((b >> bit) & 1));
        let reduction = u8::conditional_select(&0, &0x1b, Choice::from(shifted >> 7));
        shifted = (shifted << 1) ^ reduction;
    }
    product
}

/// The inverse, a^254; of zero, zero.
fn invert(a: u8) -> u8 {
    let square = |a| multiply(a, a);
    // 127 = 0b111_1111: six times squared and multiplied. Then 254 = 2 x 127.
    square((0..6).fold(a, |power, _| multiply(square(power), a)))
}
