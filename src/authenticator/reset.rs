//! authenticatorReset (CTAP 2.3 section 6.6).

use super::{
    machine::Authenticator,
    question::Purpose,
    settings::ResetPolicy,
    state::State,
    step::{After, Job, Step},
};
use crate::{ctap2::Status, time::Moment};

impl Authenticator {
    pub(super) fn reset(&mut self, now: Moment) -> Result<Step, Status> {
        match self.settings.reset {
            ResetPolicy::Off => Err(Status::NotAllowed),
            // "the request MUST come to the authenticator within 10 seconds of powering up"
            ResetPolicy::Window(milliseconds) if now.ticks > milliseconds => Err(Status::NotAllowed),
            ResetPolicy::Window(_) => Ok(self.ask(Job::Reset, Purpose::Reset, false, now)),
        }
    }

    /// Everything goes in one transaction.
    pub(super) fn reset_approved(&mut self) -> Step {
        self.replace_state(State::default(), After::Reset)
    }
}
