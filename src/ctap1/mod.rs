//! U2F messages: command APDUs read strictly, in both length encodings, responses and status words written (FIDO U2F Raw
//! Message Formats v1.2; CTAP 2.3 section 7; ISO 7816-4 section 5.1 for the lengths). No policy here.

mod apdu;
mod message;
mod response;
mod status_word;

pub use message::{Authenticate, ControlByte, Register, Request};
pub use response::{Authenticated, Registered, VERSION, encode, failure, success};
pub use status_word::StatusWord;
