//! Panics of the database, contained.
//!
//! `redb` checks its own book-keeping by assertions: over a file that was altered or has rotted it may panic. That is the
//! file's fault and has to end as an error of this program, which is why every call of it runs in [`contain`].

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
};

thread_local! {
    /// How many calls of [`contain`] this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs `action`; none: it panicked. What it was working on is not to be relied on then.
pub(crate) fn contain<T>(action: impl FnOnce() -> T) -> Option<T> {
    DEPTH.set(DEPTH.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(action));
    DEPTH.set(DEPTH.get() - 1);
    outcome.ok()
}

/// For the beginning of a program: keeps the messages of contained panics from its standard error, where they would stand
/// beside the error that they end in ([`HostError::Damaged`](crate::HostError::Damaged),
/// [`StorageError::Io`](countersign::vault::StorageError::Io)). Every other panic goes to the hook that is set already.
///
/// The hook belongs to the whole process, so this library never touches it by itself.
pub fn silence_contained_panics() {
    let others = take_hook();
    set_hook(Box::new(move |panic| {
        if DEPTH.get() == 0 {
            others(panic);
        }
    }));
}
