//! CTAPHID (CTAP 2.3 section 11.2): messages over 64-byte reports, shared by many clients. It knows nothing of CBOR.
//!
//! [`Link`] is the authenticator's end: reports and the time go in; whole messages, cancellations and reports come out. It
//! arbitrates: one transaction at a time, everybody else is busy; it allocates channels, keeps locks, times stalled
//! senders out and echoes pings. [`Fragments`] and [`Assembler`] are one message on its way, for either end.
//!
//! Nothing that a stranger sends makes it hold more than one message of [`MAX_MESSAGE`] bytes and a few short replies.

mod assembler;
mod channels;
mod command;
mod fragments;
mod link;
mod report;

pub use assembler::{Assembler, Progress};
pub use command::{Capabilities, Command, ErrorCode, KeepaliveStatus};
pub use fragments::{Fragments, TooLong};
pub use link::{Identity, Link, Received};
pub use report::{BROADCAST, MAX_MESSAGE, Packet, REPORT_LENGTH, Report};
