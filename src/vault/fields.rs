//! Reading maps of the vault's schema: every key known, every value in its range.

use alloc::string::String;
use core::ops::RangeInclusive;

use super::error::VaultError;
use crate::cbor::{Entries, Item, Profile};

/// The largest number that the format has.
pub(super) const MAX_NUMBER: u64 = i64::MAX.unsigned_abs();
/// `pos` of the schema.
pub(super) const POSITIVE: RangeInclusive<u64> = 1..=MAX_NUMBER;
/// `u63` of the schema.
pub(super) const ANY: RangeInclusive<u64> = 0..=MAX_NUMBER;

/// Parses bytes that are exactly one dCBOR item.
pub(super) fn parse(bytes: &[u8]) -> Result<Item<'_>, VaultError> {
    Item::parse(bytes, Profile::VAULT).map_err(|_| VaultError::Malformed("not canonical CBOR"))
}

/// A map whose keys are all known.
pub(super) struct Fields<'a> {
    entries: Entries<'a>,
    what: &'static str,
}

impl<'a> Fields<'a> {
    /// Takes a map that has no keys but the `known` ones; `what` names it in errors.
    pub(super) fn of(item: Item<'a>, known: &[u64], what: &'static str) -> Result<Self, VaultError> {
        let entries = item.map().ok_or(VaultError::Malformed(what))?;
        if entries.clone().all(|(key, _)| key.unsigned().is_some_and(|key| known.contains(&key))) {
            Ok(Self { entries, what })
        } else {
            Err(VaultError::Malformed(what))
        }
    }

    pub(super) fn expect<T>(&self, value: Option<T>) -> Result<T, VaultError> {
        value.ok_or(VaultError::Malformed(self.what))
    }

    pub(super) fn optional(&self, key: u64) -> Option<Item<'a>> {
        self.entries.at(key)
    }

    pub(super) fn item(&self, key: u64) -> Result<Item<'a>, VaultError> {
        self.expect(self.entries.at(key))
    }

    pub(super) fn number(&self, key: u64, range: RangeInclusive<u64>) -> Result<u64, VaultError> {
        self.expect(self.item(key)?.unsigned().filter(|number| range.contains(number)))
    }

    pub(super) fn optional_number(
        &self,
        key: u64,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, VaultError> {
        self.optional(key).map(|_| self.number(key, range)).transpose()
    }

    pub(super) fn bytes(&self, key: u64, lengths: RangeInclusive<usize>) -> Result<&'a [u8], VaultError> {
        self.expect(self.item(key)?.bytes().filter(|bytes| lengths.contains(&bytes.len())))
    }

    pub(super) fn array<const N: usize>(&self, key: u64) -> Result<[u8; N], VaultError> {
        self.expect(self.item(key)?.bytes().and_then(|bytes| bytes.try_into().ok()))
    }

    pub(super) fn text(&self, key: u64) -> Result<&'a str, VaultError> {
        self.expect(self.item(key)?.text())
    }

    pub(super) fn optional_text(&self, key: u64) -> Result<Option<String>, VaultError> {
        self.optional(key).map(|_| self.text(key).map(String::from)).transpose()
    }

    pub(super) fn optional_flag(&self, key: u64) -> Result<Option<bool>, VaultError> {
        self.optional(key).map(|item| self.expect(item.boolean())).transpose()
    }
}
