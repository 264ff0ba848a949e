//! Questions to a person, and what their answers prove: presence, verification, PIN tries (CTAP 2.3 sections 6.5.2, 6.5.5.4
//! and 7.4, "performBuiltInUv").

use rand_core::CryptoRng;

use super::{
    machine::{Authenticator, stale},
    make_credential,
    pin::{MAX_CONSECUTIVE_FAILURES, MAX_TRIES, PinEntry},
    question::{Answer, Purpose, Question, Verification},
    settings::UserVerification,
    step::{Approval, Job, Refusal, Step, Work},
};
use crate::{
    credential::ChangeSet,
    ctap2::Status,
    time::Moment,
    user::{UserPresent, UserVerified},
    webauthn::CredentialId,
};

impl Authenticator {
    /// Asks a person. `verify` demands user verification.
    pub(super) fn ask(&mut self, job: Job, purpose: Purpose, verify: bool, now: Moment) -> Step {
        let deadline = now.after(self.settings.question_timeout);
        self.ask_until(job, purpose, verify, false, deadline)
    }

    fn ask_until(&mut self, job: Job, purpose: Purpose, verify: bool, wrong: bool, deadline: u64) -> Step {
        let verification = match (verify, self.settings.user_verification, &self.state.pin) {
            (false, ..) => Verification::None,
            (true, UserVerification::Host, _) => Verification::Host,
            (true, UserVerification::Pin, Some(pin)) => Verification::Pin { tries_left: pin.tries, wrong },
            (true, ..) => return Step::failed(Status::OperationDenied),
        };
        if let Verification::Pin { tries_left: 0, .. } = verification {
            return Step::failed(Status::PinBlocked);
        }
        if matches!(verification, Verification::Pin { .. })
            && self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES
        {
            return Step::failed(Status::PinAuthBlocked);
        }
        let question = Question { purpose, verification, deadline };
        Step::Ask(question, self.pending(Work::Approve { job, verify, deadline }))
    }

    pub(super) fn take_answer(
        &mut self,
        job: Job,
        verify: bool,
        answer: Answer,
        deadline: u64,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Step {
        let present = || UserPresent::from_accepted_answer();
        match (answer, verify, self.settings.user_verification) {
            (Answer::Approved { choice }, false, _)
            | (Answer::Verified { choice } | Answer::Pin { choice, .. }, false, _) => {
                self.approved(job, Approval { present: present(), verified: None, choice }, now, rng)
            }
            (Answer::Verified { choice }, true, UserVerification::Host) => {
                let verified = Some(UserVerified::from_verified_answer());
                self.approved(job, Approval { present: present(), verified, choice }, now, rng)
            }
            (Answer::Pin { pin, choice }, true, UserVerification::Pin) => {
                self.count_try(pin, choice, job, deadline)
            }
            (Answer::TimedOut, ..) => self.refused(job, verify, Refusal::TimedOut),
            // Consent without the verification that was asked for is none.
            _ => self.refused(job, verify, Refusal::Declined),
        }
    }

    /// The try is counted and committed before the PIN is compared (CTAP 2.3 section 6.5.5.4: "decrement the pinRetries
    /// counter by 1 [...] before the comparison").
    fn count_try(&mut self, pin: PinEntry, choice: Option<CredentialId>, job: Job, deadline: u64) -> Step {
        let Some(tries) = self.state.pin.as_ref().and_then(|pin| pin.tries.checked_sub(1)) else {
            return self.refused(job, true, Refusal::Blocked);
        };
        let changes = self.change_tries(tries);
        Step::Commit(changes, self.pending(Work::CountTry { pin, choice, job, deadline }))
    }

    fn change_tries(&mut self, tries: u8) -> ChangeSet {
        if let Some(pin) = &mut self.state.pin {
            pin.tries = tries;
        }
        self.change_state()
    }

    pub(super) fn change_state(&self) -> ChangeSet {
        ChangeSet { state: Some(self.state.encode()), ..ChangeSet::default() }
    }

    pub(super) fn compare_pin(
        &mut self,
        pin: PinEntry,
        choice: Option<CredentialId>,
        job: Job,
        deadline: u64,
        now: Moment,
    ) -> Step {
        let Some(verifier) = &self.state.pin else { return stale() };
        if verifier.accepts(&pin) {
            self.consecutive_failures = 0;
            let changes = self.change_tries(MAX_TRIES);
            return Step::Commit(changes, self.pending(Work::RestoreTries { choice, job }));
        }
        let tries_left = verifier.tries;
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        if tries_left == 0 {
            self.refused(job, true, Refusal::Blocked)
        } else if self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES || now.ticks > deadline {
            self.refused(job, true, Refusal::Declined)
        } else {
            let purpose = self.purpose_of(&job);
            self.ask_until(job, purpose, true, true, deadline)
        }
    }

    /// The question that a command with user verification asked, to be asked again after a wrong PIN.
    fn purpose_of(&self, job: &Job) -> Purpose {
        match job {
            Job::MakeCredential(job) => make_credential::purpose(job),
            Job::GetAssertion(job) => self.sign_in_purpose(job),
            Job::Reset => Purpose::Reset,
            Job::GetNextAssertion(_) | Job::Select | Job::Probe(_) => Purpose::Select,
        }
    }
}
