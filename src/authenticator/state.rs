//! The authenticator's own record: what outlives power-down.
//!
//! Encoded form, version 2, a canonical CBOR map. Version 1 ended with member 3, and with `tries` in it.
//!
//! ```text
//! { 1: 2, 2: next order,
//!   ? 3: { 1: memory, 2: passes, 3: lanes, 4: salt (bstr 16), 5: verifier (bstr 32), 6: tries, 7: code points },
//!   ? 4: minimum PIN length, ? 5: [* RP ID that may learn it], ? 6: true (the PIN has to be changed),
//!   ? 7: alwaysUv as toggled, ? 8: true (enterprise attestation), ? 9: true (long touch for reset),
//!   ? 10: tries of the host's verifier, ? 11: signature counter of wrapped credentials, ? 12: wrap key (bstr 32),
//!   ? 13: persistent token (bstr 32), ? 14: seed of identifiers (bstr 32), ? 15: changes of stored credentials,
//!   ? 16: serialized large-blob array (bstr), ? 17: true (PINs have to fit the complexity policy), ? 18: epoch }
//! ```
//!
//! A member that is absent has its value of a new authenticator.

use alloc::{sync::Arc, vec::Vec};

use rand_core::CryptoRng;

use super::pin::{Argon2Cost, MAX_TRIES, PinVerifier};
use crate::{
    cbor::{Entries, Item, Profile, Writer},
    credential::StateRecord,
    secret::{Secret, SecretBytes},
    webauthn::RpId,
};

const VERSION: u64 = 2;

/// The stored state cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidState;

impl core::fmt::Display for InvalidState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the authenticator's stored state was altered or is of an unknown form")
    }
}

impl core::error::Error for InvalidState {}

/// The number of a stored state, which every later one exceeds. A host that can remember one number out of the reach of
/// whoever may put back an old store keeps the latest one here, after its commit, and hands it to
/// [`super::Authenticator::not_before`].
pub fn epoch_of(record: &StateRecord) -> Result<u64, InvalidState> {
    State::decode(record).map(|state| state.epoch)
}

/// What outlives power-down.
#[derive(Default)]
pub(super) struct State {
    /// The place of the next credential in the order of creation.
    pub(super) next_order: u64,
    pub(super) pin: Option<PinVerifier>,
    /// In code points, where authenticatorConfig raised it.
    pub(super) min_pin_length: Option<u8>,
    /// Who may learn the minimum PIN length by extension.
    pub(super) min_pin_length_rp_ids: Vec<RpId>,
    pub(super) force_pin_change: bool,
    /// Option alwaysUv, where authenticatorConfig toggled it.
    pub(super) always_uv: Option<bool>,
    pub(super) enterprise_attestation: bool,
    pub(super) long_touch_for_reset: bool,
    /// How often the host's verifier failed in a row.
    pub(super) uv_failures: u8,
    /// The signature counter that all wrapped credentials share.
    pub(super) sign_count: u32,
    /// What non-discoverable credentials are wrapped under.
    pub(super) wrap_key: Option<Secret<32>>,
    /// The persistentPinUvAuthToken.
    pub(super) persistent_token: Option<Secret<32>>,
    /// What the device identifier and the state of stored credentials are derived from.
    pub(super) identity: Option<Secret<32>>,
    /// How often stored credentials changed.
    pub(super) store_changes: u64,
    /// The serialized large-blob array; `None` is the initial one. Shared, since it can be the longest of all members.
    pub(super) large_blobs: Option<Arc<[u8]>>,
    /// New PINs have to fit the host's policy, by authenticatorConfig.
    pub(super) pin_complexity: bool,
    /// Counts the states, for a host that can remember the latest.
    pub(super) epoch: u64,
}

impl State {
    pub(super) fn decode(record: &StateRecord) -> Result<Self, InvalidState> {
        let item = Item::parse(record.encoded().expose(), Profile::CTAP2).map_err(|_| InvalidState)?;
        let fields = Fields(item.map().ok_or(InvalidState)?);
        if !matches!(fields.unsigned(1)?, Some(1 | VERSION)) {
            return Err(InvalidState);
        }
        Ok(Self {
            next_order: fields.unsigned(2)?.ok_or(InvalidState)?,
            pin: fields.at(3, |item| decode_pin(&item.map()?))?,
            min_pin_length: fields.at(4, |item| item.unsigned()?.try_into().ok())?,
            min_pin_length_rp_ids: fields.at(5, decode_rp_ids)?.unwrap_or_default(),
            force_pin_change: fields.flag(6)?,
            always_uv: fields.at(7, |item| item.boolean())?,
            enterprise_attestation: fields.flag(8)?,
            long_touch_for_reset: fields.flag(9)?,
            uv_failures: fields.at(10, |item| item.unsigned()?.try_into().ok())?.unwrap_or_default(),
            sign_count: fields.at(11, |item| item.unsigned()?.try_into().ok())?.unwrap_or_default(),
            wrap_key: fields.secret(12)?,
            persistent_token: fields.secret(13)?,
            identity: fields.secret(14)?,
            store_changes: fields.unsigned(15)?.unwrap_or_default(),
            large_blobs: fields.at(16, |item| item.bytes().map(Arc::from))?,
            pin_complexity: fields.flag(17)?,
            epoch: fields.unsigned(18)?.unwrap_or_default(),
        })
    }

    fn encode(&self) -> StateRecord {
        // Large enough that the buffer never moves and leaves a copy of a secret behind.
        let rp_ids: usize =
            self.min_pin_length_rp_ids.iter().map(|id| id.as_str().len().saturating_add(9)).sum();
        let blobs = self.large_blobs.as_ref().map_or(0, |blobs| blobs.len());
        let mut writer = Writer::with_capacity(512usize.saturating_add(rp_ids).saturating_add(blobs));
        writer.map(self.encoded_length());
        writer.unsigned(1).unsigned(VERSION);
        writer.unsigned(2).unsigned(self.next_order);
        if let Some(pin) = &self.pin {
            encode_pin(pin, writer.unsigned(3));
        }
        self.encode_configuration(&mut writer);
        for (key, secret) in [(12, &self.wrap_key), (13, &self.persistent_token), (14, &self.identity)] {
            if let Some(secret) = secret {
                writer.unsigned(key).bytes(secret.expose());
            }
        }
        if self.store_changes != 0 {
            writer.unsigned(15).unsigned(self.store_changes);
        }
        if let Some(blobs) = &self.large_blobs {
            writer.unsigned(16).bytes(blobs);
        }
        if self.pin_complexity {
            writer.unsigned(17).boolean(true);
        }
        if self.epoch != 0 {
            writer.unsigned(18).unsigned(self.epoch);
        }
        StateRecord::new(SecretBytes::new(writer.finish()))
    }

    /// Members 4 to 11.
    fn encode_configuration(&self, writer: &mut Writer) {
        if let Some(length) = self.min_pin_length {
            writer.unsigned(4).unsigned(length.into());
        }
        if !self.min_pin_length_rp_ids.is_empty() {
            writer.unsigned(5).array(self.min_pin_length_rp_ids.len());
            self.min_pin_length_rp_ids.iter().for_each(|id| _ = writer.text(id.as_str()));
        }
        if self.force_pin_change {
            writer.unsigned(6).boolean(true);
        }
        if let Some(always_uv) = self.always_uv {
            writer.unsigned(7).boolean(always_uv);
        }
        for (key, on) in [(8, self.enterprise_attestation), (9, self.long_touch_for_reset)] {
            if on {
                writer.unsigned(key).boolean(true);
            }
        }
        if self.uv_failures != 0 {
            writer.unsigned(10).unsigned(self.uv_failures.into());
        }
        if self.sign_count != 0 {
            writer.unsigned(11).unsigned(self.sign_count.into());
        }
    }

    fn encoded_length(&self) -> usize {
        let optional = [
            self.pin.is_some(),
            self.min_pin_length.is_some(),
            !self.min_pin_length_rp_ids.is_empty(),
            self.force_pin_change,
            self.always_uv.is_some(),
            self.enterprise_attestation,
            self.long_touch_for_reset,
            self.uv_failures != 0,
            self.sign_count != 0,
            self.wrap_key.is_some(),
            self.persistent_token.is_some(),
            self.identity.is_some(),
            self.store_changes != 0,
            self.large_blobs.is_some(),
            self.pin_complexity,
            self.epoch != 0,
        ];
        optional.iter().filter(|present| **present).count().saturating_add(2)
    }

    /// A second copy, on which a command builds what it commits.
    pub(super) fn clone_secret(&self) -> Self {
        let copy = |secret: &Option<Secret<32>>| secret.as_ref().map(Secret::clone_secret);
        Self {
            pin: self.pin.as_ref().map(PinVerifier::clone_secret),
            min_pin_length_rp_ids: self.min_pin_length_rp_ids.clone(),
            wrap_key: copy(&self.wrap_key),
            persistent_token: copy(&self.persistent_token),
            identity: copy(&self.identity),
            large_blobs: self.large_blobs.clone(),
            ..*self
        }
    }

    /// The state after one more credential was made.
    pub(super) fn with_next_order(&self) -> Self {
        let mut state = self.with_changed_store();
        state.next_order = state.next_order.saturating_add(1);
        state
    }

    /// The state after stored credentials changed, other than by being used. It differs only where there is a device
    /// identifier, and so somebody to tell.
    pub(super) fn with_changed_store(&self) -> Self {
        let mut state = self.clone_secret();
        if state.identity.is_some() {
            state.store_changes = state.store_changes.saturating_add(1);
        }
        state
    }

    /// The state with this PIN. Where it takes the place of another, "the authenticator calls
    /// resetPersistentPinUvAuthToken()", and a PIN that had to be changed is.
    pub(super) fn with_pin(&self, pin: PinVerifier) -> Self {
        let mut state = self.clone_secret();
        if state.pin.replace(pin).is_some() {
            state.persistent_token = None;
            state.force_pin_change = false;
        }
        state
    }

    /// The state with a persistent token. Draws 32 bytes for it and, the first time since a reset, 32 bytes that identifiers
    /// are derived from.
    pub(super) fn with_persistent_token(&self, rng: &mut dyn CryptoRng) -> Self {
        let mut state = self.clone_secret();
        state.persistent_token = Some(Secret::make_random(rng));
        state.identity.get_or_insert_with(|| Secret::make_random(rng));
        state
    }

    /// The record to commit. It is the next one: its epoch is one more.
    pub(super) fn next_record(&mut self) -> StateRecord {
        self.epoch = self.epoch.saturating_add(1);
        self.encode()
    }
}

fn encode_pin(pin: &PinVerifier, writer: &mut Writer) {
    writer.map(7);
    writer.unsigned(1).unsigned(pin.cost.memory.into());
    writer.unsigned(2).unsigned(pin.cost.passes.into());
    writer.unsigned(3).unsigned(pin.cost.lanes.into());
    writer.unsigned(4).bytes(&pin.salt);
    writer.unsigned(5).bytes(pin.verifier.expose());
    writer.unsigned(6).unsigned(pin.tries.into());
    writer.unsigned(7).unsigned(pin.code_points.into());
}

fn decode_pin(fields: &Entries<'_>) -> Option<PinVerifier> {
    let number = |key| fields.at(key)?.unsigned();
    let cost = Argon2Cost {
        memory: number(1)?.try_into().ok()?,
        passes: number(2)?.try_into().ok()?,
        lanes: number(3)?.try_into().ok()?,
    };
    let tries = u8::try_from(number(6)?).ok().filter(|tries| *tries <= MAX_TRIES)?;
    let salt = fields.at(4)?.bytes()?.try_into().ok()?;
    let verifier = Secret::from_slice(fields.at(5)?.bytes()?)?;
    // Version 1 did not keep the length: nothing longer than the least can be taken for granted.
    let code_points = match fields.at(7) {
        Some(item) => item.unsigned()?.try_into().ok()?,
        None => 0,
    };
    cost.is_valid().then_some(PinVerifier { cost, salt, verifier, tries, code_points })
}

fn decode_rp_ids(item: Item<'_>) -> Option<Vec<RpId>> {
    item.array()?.map(|id| RpId::new(id.text()?).ok()).collect()
}

/// The members, each read with its type; what is not as it should be is InvalidState.
struct Fields<'a>(Entries<'a>);

impl<'a> Fields<'a> {
    fn at<T>(&self, key: u64, read: impl FnOnce(Item<'a>) -> Option<T>) -> Result<Option<T>, InvalidState> {
        self.0.at(key).map(|item| read(item).ok_or(InvalidState)).transpose()
    }

    fn unsigned(&self, key: u64) -> Result<Option<u64>, InvalidState> {
        self.at(key, |item| item.unsigned())
    }

    fn flag(&self, key: u64) -> Result<bool, InvalidState> {
        self.at(key, |item| item.boolean()).map(Option::unwrap_or_default)
    }

    fn secret(&self, key: u64) -> Result<Option<Secret<32>>, InvalidState> {
        self.at(key, |item| Secret::from_slice(item.bytes()?))
    }
}
