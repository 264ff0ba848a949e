//! A question that is over before it was answered.

use std::{
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Says that a question was withdrawn: the peer cancelled, went away, or waited long enough. Whoever waits for a person
/// waits for this, too.
#[derive(Debug, Clone)]
pub struct Withdrawal(Arc<UnixStream>);

/// The other end: the question stands as long as this lives.
pub(super) struct Standing {
    _end: UnixStream,
}

impl Withdrawal {
    /// A question that stands.
    pub(super) fn new() -> std::io::Result<(Standing, Self)> {
        let (end, other) = UnixStream::pair()?;
        Ok((Standing { _end: end }, Self(Arc::new(other))))
    }

    /// Whether the question was withdrawn.
    pub fn is_withdrawn(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut [PollFd::new(&*self.0, PollFlags::IN)], Some(&now)), Ok(1..))
    }
}

/// Becomes readable when the question was withdrawn.
impl AsFd for Withdrawal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
