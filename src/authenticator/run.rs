//! The driver for hosts with a synchronous store.

use rand_core::CryptoRng;

use super::{
    machine::Authenticator,
    question::Question,
    step::{Outcome, Pending, Step},
};
use crate::{credential::CredentialStore, time::Moment};

/// Where [`run`] stops: at the end, or at a person.
pub enum Turn {
    /// The command is done.
    Done(Outcome),
    /// A person must answer; the step that [`Authenticator::answer`] returns is given to [`run`] again.
    Ask(Question, Pending),
}

/// Carries out every look-up and commit that `step` and its successors ask for.
pub fn run(
    authenticator: &mut Authenticator,
    store: &mut dyn CredentialStore,
    mut step: Step,
    now: Moment,
    rng: &mut dyn CryptoRng,
) -> Turn {
    loop {
        step = match step {
            Step::Done(outcome) => return Turn::Done(outcome),
            Step::Ask(question, pending) => return Turn::Ask(question, pending),
            Step::Load(query, pending) => authenticator.loaded(pending, store.load(&query), now, rng),
            Step::Survey(pending) => authenticator.surveyed(pending, store.survey(), now),
            Step::Commit(changes, pending) => {
                authenticator.committed(pending, store.commit(changes), now, rng)
            }
        };
    }
}
