//! A security key for programs on this machine: raw CTAPHID reports over UDP on the loopback interface, as test suites for
//! security keys speak it. One datagram is one report of 64 bytes; the answer goes to whoever sent the channel's last one.
//!
//! [`UdpDevice::serve`] waits for reports, for the machine, for people, for its control socket and for signals in one
//! place; the machine works on a thread of its own, so that keepalives go out meanwhile.

mod control;
mod machine;
mod person_thread;
mod reports;
mod serve;
mod signals;
mod withdrawal;

pub use machine::PowerUp;
pub use person_thread::AskPerson;
pub use serve::{Presence, UdpDevice};
pub use withdrawal::Withdrawal;
