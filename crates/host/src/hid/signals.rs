//! SIGTERM and SIGINT, as something to wait for.

use std::os::{
    fd::{AsFd, BorrowedFd},
    unix::net::UnixStream,
};

use signal_hook::{
    SigId,
    consts::{SIGINT, SIGTERM},
    low_level::{pipe, unregister},
};

/// Becomes readable with the first of the signals. When it is dropped they do what they did before.
pub(super) struct StopSignals {
    end: UnixStream,
    ids: Vec<SigId>,
}

impl StopSignals {
    pub(super) fn install() -> std::io::Result<Self> {
        let (end, other) = UnixStream::pair()?;
        let mut signals = Self { end, ids: Vec::new() };
        for signal in [SIGTERM, SIGINT] {
            signals.ids.push(pipe::register(signal, other.try_clone()?)?);
        }
        Ok(signals)
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            unregister(id);
        }
    }
}

impl AsFd for StopSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}
