//! What the integration tests share: vectors, and randomness that was written down beforehand.
#![allow(dead_code, reason = "every test program takes a part of it")]

use std::{convert::Infallible, path::Path};

use countersign::rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

/// One of the files in `vectors/`.
pub(crate) fn vectors(set: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{set}.json"));
    let json = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&json).unwrap()
}

/// The entries of a list in a vector file. An empty list would make a test that cannot fail.
pub(crate) fn list<'a>(set: &'a Value, name: &str) -> &'a [Value] {
    let list = set[name].as_array().unwrap_or_else(|| panic!("no list {name}"));
    assert!(!list.is_empty());
    list
}

/// A text member.
pub(crate) fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("no text {name} in {vector}"))
}

/// A member of hexadecimal digits.
pub(crate) fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(vector, name)).unwrap()
}

/// As [`bytes`], of a fixed length.
pub(crate) fn array<const N: usize>(vector: &Value, name: &str) -> [u8; N] {
    bytes(vector, name).try_into().unwrap_or_else(|_| panic!("{name} is not {N} bytes"))
}

/// Draws what it was given, in that order. Panics when more is drawn, or less by the time it is dropped.
pub(crate) struct ScriptedRng(std::collections::VecDeque<u8>);

impl ScriptedRng {
    pub(crate) fn new(draws: &[&[u8]]) -> Self {
        Self(draws.concat().into())
    }
}

impl Drop for ScriptedRng {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.0.is_empty(), "{} scripted bytes were never drawn", self.0.len());
        }
    }
}

impl TryRng for ScriptedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        assert!(target.len() <= self.0.len(), "{} bytes drawn, {} scripted", target.len(), self.0.len());
        let drawn = self.0.drain(..target.len());
        target.iter_mut().zip(drawn).for_each(|(target, byte)| *target = byte);
        Ok(())
    }
}

impl TryCryptoRng for ScriptedRng {}
