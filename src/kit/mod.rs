//! The recovery kit: a sheet of paper that says, to the owner or to somebody whom the owner trusts, how a vault is opened
//! when devices are lost. As text, as one printable page of HTML, and as a QR code (SVG).
//!
//! It carries its revision, its date, what opens the vault, where the format is documented, and the recovery code, if the
//! caller has that at hand: a code is made once and stored nowhere, so as a rule it is a new one. Whatever is made with a code
//! is a secret: it comes back in a buffer that is wiped, and belongs on paper or in a file for its owner alone.
//!
//! ```
//! use countersign::{
//!     kit::Kit,
//!     time::UnixTime,
//!     upkeep::UpkeepRecord,
//!     vault::{RecoveryCode, Vault, VaultError},
//! };
//!
//! fn sheet(vault: &Vault, upkeep: &mut UpkeepRecord, code: &RecoveryCode) -> Result<(), VaultError> {
//!     let kit = Kit::of(vault, upkeep, UnixTime(1_795_219_200))?.with_code(code).with_place("in the desk");
//!     let page = kit.to_html(); // One page, without scripts and without anything that is loaded.
//!     assert!(page.starts_with("<!DOCTYPE html>"));
//!     upkeep.kit = Some(kit.note()); // Saved, it lets the readiness report say when the sheet is stale.
//!     Ok(())
//! }
//! ```

mod html;
#[allow(clippy::module_inception, reason = "the kit is the main value of this room")]
mod kit;
mod page;
mod qr;
mod sheet;
mod text;

pub use kit::{Kit, is_stale};
