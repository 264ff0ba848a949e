//! The authenticator: a state machine that turns requests into responses and asks for everything else (CTAP 2.3
//! sections 6.1 to 6.6 and 6.8 to 6.11).
//!
//! A command is begun with [`Authenticator::begin`] (typed), [`Authenticator::begin_ctap`] (bytes) or
//! [`Authenticator::begin_provider`] (a credential manager's own client). Each [`Step`] that is not [`Step::Done`] says what
//! is needed and carries a [`Pending`] that the answer eats. [`run()`] drives the store for hosts that have a synchronous
//! one. A response exists only after its commit; a failed command leaves no trace, but for a PIN try that is counted
//! before the PIN is compared.

mod client_pin;
mod config;
mod credential_management;
mod extensions;
mod get_assertion;
mod get_info;
mod large_blobs;
mod machine;
mod make_credential;
mod pin;
mod question;
mod reset;
mod run;
mod settings;
mod state;
mod step;
mod token;
#[cfg(feature = "u2f")]
mod u2f;
mod verification;
mod wrapped;

pub use machine::{Authenticator, CannotStart};
pub use pin::{Argon2Cost, PinEntry, PinPolicy, PinRefused};
pub use question::{Account, Answer, Purpose, Question, Verification};
pub use run::{Turn, run};
pub use settings::{
    CounterPolicy, InvalidSettings, LargeBlobs, NewCredentialBackup, NonDiscoverable, ResetPolicy, Settings,
    UserVerification,
};
pub use state::{InvalidState, epoch_of};
pub use step::{Channel, Outcome, Pending, ProviderRequest, Step};
