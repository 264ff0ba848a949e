//! Extensions, authenticator side: one file per extension, each input -> policy -> output (CTAP 2.3 section 12). An
//! output is made only for an input, and what is unknown was passed over when the request was read. Which extensions
//! there are is said once, by [`Supported`]: it makes the list in getInfo, and takes out of requests what is not on it.

mod assertion;
mod cred_blob;
mod cred_protect;
mod hmac_secret;
mod hmac_secret_mc;
mod large_blob;
mod large_blob_key;
mod min_pin_length;
mod outputs;
mod pin_complexity_policy;
mod pin_rules;
mod registration;
mod supported;
mod third_party_payment;

pub use assertion::{assertion_large_blob_key, assertion_outputs, judge_assertion};
pub use hmac_secret::{evaluate, evaluate_encrypted};
pub use large_blob::{LargeBlobTerms, process_large_blob};
pub use pin_rules::PinRules;
pub use registration::Registration;
pub use supported::Supported;
