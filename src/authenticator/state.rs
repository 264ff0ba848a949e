//! The authenticator's own record, and what it forgets at power-down.
//!
//! Encoded form, version 1, canonical CBOR:
//! `{ 1: 1, 2: next order, ? 3: { 1: memory, 2: passes, 3: lanes, 4: salt (bstr 16), 5: verifier (bstr 32), 6: tries } }`.

use super::pin::{Argon2Cost, MAX_TRIES, PinVerifier};
use crate::{
    cbor::{Entries, Item, Profile, Writer},
    credential::StateRecord,
    secret::{Secret, SecretBytes},
};

const VERSION: u64 = 1;

/// The stored state cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidState;

impl core::fmt::Display for InvalidState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the authenticator's stored state was altered or is of an unknown form")
    }
}

impl core::error::Error for InvalidState {}

/// What outlives power-down.
#[derive(Default)]
pub(super) struct State {
    /// The place of the next credential in the order of creation.
    pub(super) next_order: u64,
    pub(super) pin: Option<PinVerifier>,
}

impl State {
    pub(super) fn decode(record: &StateRecord) -> Result<Self, InvalidState> {
        let item = Item::parse(record.encoded().expose(), Profile::CTAP2).map_err(|_| InvalidState)?;
        let fields = item.map().ok_or(InvalidState)?;
        let unsigned = |key| fields.at(key).and_then(|item| item.unsigned());
        if unsigned(1) != Some(VERSION) {
            return Err(InvalidState);
        }
        let pin = fields.at(3).map(|item| item.map().and_then(|pin| decode_pin(&pin)).ok_or(InvalidState));
        Ok(Self { next_order: unsigned(2).ok_or(InvalidState)?, pin: pin.transpose()? })
    }

    pub(super) fn encode(&self) -> StateRecord {
        let mut writer = Writer::with_capacity(256);
        writer.map(if self.pin.is_some() { 3 } else { 2 });
        writer.unsigned(1).unsigned(VERSION);
        writer.unsigned(2).unsigned(self.next_order);
        if let Some(pin) = &self.pin {
            writer.unsigned(3).map(6);
            writer.unsigned(1).unsigned(pin.cost.memory.into());
            writer.unsigned(2).unsigned(pin.cost.passes.into());
            writer.unsigned(3).unsigned(pin.cost.lanes.into());
            writer.unsigned(4).bytes(&pin.salt);
            writer.unsigned(5).bytes(pin.verifier.expose());
            writer.unsigned(6).unsigned(pin.tries.into());
        }
        StateRecord::new(SecretBytes::new(writer.finish()))
    }

    /// The state after one more credential was made.
    pub(super) fn with_next_order(&self) -> Self {
        let pin = self.pin.as_ref().map(PinVerifier::clone_secret);
        Self { next_order: self.next_order.saturating_add(1), pin }
    }

    /// The state with this PIN.
    pub(super) fn with_pin(&self, pin: PinVerifier) -> Self {
        Self { next_order: self.next_order, pin: Some(pin) }
    }
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
    cost.is_valid().then_some(PinVerifier { cost, salt, verifier, tries })
}
