//! PIN/UV auth protocols 1 and 2 (CTAP 2.3 sections 6.5.2.1, 6.5.4, 6.5.6 and 6.5.7): key agreement, encryption and
//! authentication between platform and authenticator, and the pinUvAuthToken with its timers. Both halves are here and are tested against each other; who may
//! use them, and for what, is decided on higher floors.

mod agreement;
mod protocol;
mod token;

pub use agreement::{KeyAgreement, encapsulate};
pub use protocol::{PinUvAuthProtocol, SharedSecret};
pub use token::{Grant, Permissions, PinUvAuthToken};
