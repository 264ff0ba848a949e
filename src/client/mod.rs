//! The WebAuthn client: a relying party's JSON in, credential JSON out (Web Authentication Level 3, sections "Create a
//! New Credential", "Use an Existing Credential", "parseCreationOptionsFromJSON", "parseRequestOptionsFromJSON",
//! "RegistrationResponseJSON", "AuthenticationResponseJSON", "Pseudo-random function extension (prf)",
//! "Credential Properties Extension (credProps)"; CTAP 2.3 section 12.1 for `credentialProtectionPolicy`).
//!
//! It comes in two halves, with the authenticator in between, and both are pure functions:
//!
//! - before: [`CreationOptions::from_json`] and [`RequestOptions::from_json`] read shapes and judge nothing;
//!   `prepare` judges them against the [`Caller`] and yields the CTAP2 command, the PRF inputs and what the second half
//!   needs to know.
//! - after: [`Registration::finish`] and [`Authentication::finish`] make the [`ResponseJson`] out of what the
//!   authenticator answered.
//!
//! It promises that the RP ID of a command is the caller's own host or a parent domain of it, that client data name the
//! caller's origin and the challenge as it was given, that PRF inputs went through the WebAuthn salt hashing, and that
//! PRF results are wiped with the answer that holds them. It opens no window and asks nobody: whether a frame may use
//! WebAuthn at all (permissions policy, user activation) is the host's to know.
//!
//! How strict: text of at most 256 KiB, lists of at most 256 elements, at most 16 levels; every member that is used
//! has the type that Web IDL gives it, without conversion; `null` counts as absent; a name that appears twice in one
//! object is refused; base64url is unpadded and canonical. Unknown members, extensions, credential types, hints and
//! enumeration values are passed over as the standard says.
//!
//! Not here yet: the public suffix list (until then a parent domain needs two labels, so `com` is refused and `co.uk`
//! is not), related origins, `appid`, `appidExclude`, `largeBlob`, `remoteClientDataJSON`, conditional mediation, the
//! signal methods, and origins that are no web origins (`android:apk-key-hash:`, browser extensions).

mod authentication;
mod error;
mod extensions;
mod json;
mod options;
mod origin;
mod public_key;
mod registration;
mod response;

pub use authentication::{AssertionResult, Authentication, PreparedGet};
pub use error::{ErrorKind, OptionsError, ResultError};
pub use options::{AttestationConveyance, CreationOptions, Hint, RequestOptions, Requirement};
pub use origin::{Caller, Origin, OriginError, rp_id_allowed};
pub use registration::{PreparedCreation, Registration, RegistrationResult};
pub use response::ResponseJson;
