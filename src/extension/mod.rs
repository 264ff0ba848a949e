//! Extensions, authenticator side: one file per extension, each input -> policy -> output (CTAP 2.3 section 12). An
//! output is made only for an input, and what is unknown was passed over when the request was read.

mod cred_protect;
mod hmac_secret;
mod outputs;

pub use cred_protect::cred_protect_policy;
pub use hmac_secret::{evaluate, evaluate_encrypted};
pub use outputs::{get_assertion_outputs, make_credential_outputs};
