//! The options of makeCredential and getAssertion (CTAP 2.3 sections 6.1 and 6.2): the same names, judged by each command
//! in its own way.

use super::{
    read::{self, optional},
    status::Status,
    write::Members,
};
use crate::cbor::Item;

/// The options that exist; unknown ones were passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// `rk`: makeCredential makes it discoverable; getAssertion does not allow it, and it is kept for saying so.
    pub rk: Option<bool>,
    /// `up`: makeCredential allows only `true`; `false` asks getAssertion for a silent assertion.
    pub up: Option<bool>,
    /// `uv`: built-in user verification.
    pub uv: Option<bool>,
}

impl Options {
    pub(super) fn read(item: Item<'_>) -> Result<Self, Status> {
        let options = read::map(item)?;
        let option = |name| optional(options.named(name), read::boolean);
        Ok(Self { rk: option("rk")?, up: option("up")?, uv: option("uv")? })
    }

    /// In canonical order, each with its value if it has one.
    pub(super) fn write(self, members: &mut Members<'_>) {
        for (name, value) in [("rk", self.rk), ("up", self.up), ("uv", self.uv)] {
            members.named_some(name, value, |writer, on| _ = writer.boolean(on));
        }
    }
}
