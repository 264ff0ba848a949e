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
            ResetPolicy::Window(_) => Ok(self.ask(Job::Reset, self.reset_purpose(), false, now)),
        }
    }

    /// Section 6.11.5: "the authenticator requires a long touch" once authenticatorConfig enabled it.
    pub(super) fn reset_purpose(&self) -> Purpose {
        Purpose::Reset { long_touch: self.state.long_touch_for_reset }
    }

    /// Everything goes in one transaction: passkeys, PIN, what authenticatorConfig changed, large blobs, the wrap key (and with
    /// it every wrapped credential), the persistent token and the identity. Tokens and memory go after it.
    pub(super) fn reset_approved(&mut self) -> Step {
        self.replace_state(State::default(), After::Reset)
    }
}
