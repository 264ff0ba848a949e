//! Questions to a person, and what their answers prove: presence, verification, PIN tries (CTAP 2.3 sections 6.5.2, 6.5.5.4
//! and 7.4, "performBuiltInUv").

use rand_core::CryptoRng;

use super::{
    machine::{Authenticator, stale},
    make_credential,
    pin::MAX_TRIES,
    question::{Answer, Purpose, Question, Verification},
    settings::UserVerification,
    step::{Approval, Job, Refusal, Step, Work},
};
use crate::{
    credential::ChangeSet,
    ctap2::Status,
    secret::Secret,
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
            (true, ..) if self.uv_retries() == 0 => return self.blocked(job),
            (true, UserVerification::Host, _) => Verification::Host,
            (true, UserVerification::Pin, Some(pin)) => Verification::Pin { tries_left: pin.tries, wrong },
            (true, ..) => return Step::failed(Status::OperationDenied),
        };
        let question = Question { purpose, verification, deadline };
        Step::Ask(question, self.pending(Work::Approve { job, verify, deadline }))
    }

    /// Built-in user verification is needed, and there is no try left of it.
    fn blocked(&mut self, job: Job) -> Step {
        if self.check_tries() == Err(Status::PinAuthBlocked)
            && self.settings.user_verification == UserVerification::Pin
        {
            // The PIN that is entered here, wrong three times in a row: whoever sends it is told the same.
            return Step::failed(Status::PinAuthBlocked);
        }
        self.refused(job, true, Refusal::Blocked)
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
                self.recognised(job, choice, now, rng)
            }
            (Answer::NotRecognised, true, UserVerification::Host) => self.count_uv_failure(job),
            (Answer::Pin { pin, choice }, true, UserVerification::Pin) => {
                self.count_try(pin.into_hash(), choice, job, deadline)
            }
            (Answer::TimedOut, ..) => self.refused(job, verify, Refusal::TimedOut),
            // Consent without the verification that was asked for is none.
            _ => self.refused(job, verify, Refusal::Declined),
        }
    }

    /// The host's verifier recognised the user. Failures before are forgotten, and that is committed first.
    fn recognised(
        &mut self,
        job: Job,
        choice: Option<CredentialId>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Step {
        if self.state.uv_failures != 0 {
            self.state.uv_failures = 0;
            let changes = self.change_state();
            return Step::Commit(changes, self.pending(Work::RestoreTries { choice, job }));
        }
        let verified = Some(UserVerified::from_verified_answer());
        self.approved(
            job,
            Approval { present: UserPresent::from_accepted_answer(), verified, choice },
            now,
            rng,
        )
    }

    /// The host's verifier did not recognise the user; that is committed before the command ends.
    fn count_uv_failure(&mut self, job: Job) -> Step {
        self.state.uv_failures = self.state.uv_failures.saturating_add(1);
        let changes = self.change_state();
        Step::Commit(changes, self.pending(Work::CountUvFailure(job)))
    }

    /// After that commit.
    pub(super) fn not_recognised(&mut self, job: Job) -> Step {
        let refusal = if self.uv_retries() == 0 { Refusal::Blocked } else { Refusal::Unverified };
        self.refused(job, true, refusal)
    }

    /// The try is counted and committed before the PIN is compared (CTAP 2.3 section 6.5.5.4: "decrement the pinRetries
    /// counter by 1 [...] before the comparison").
    fn count_try(&mut self, pin: Secret<16>, choice: Option<CredentialId>, job: Job, deadline: u64) -> Step {
        if self.check_tries().is_err() {
            return self.refused(job, true, Refusal::Blocked);
        }
        let changes = self.take_try();
        Step::Commit(changes, self.pending(Work::CountTry { pin, choice, job, deadline }))
    }

    /// One try less, and one more in a row that did not come to the right PIN: also if it is never compared, because another
    /// command overtakes it or nobody unlocks the store. Whoever may send PINs could use up all tries in one go otherwise.
    pub(super) fn take_try(&mut self) -> ChangeSet {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        if let Some(pin) = &mut self.state.pin {
            pin.tries = pin.tries.saturating_sub(1);
        }
        self.change_state()
    }

    /// After the right PIN: all tries, of the PIN and of the host's verifier.
    pub(super) fn restore_tries(&mut self) -> ChangeSet {
        self.consecutive_failures = 0;
        self.state.uv_failures = 0;
        if let Some(pin) = &mut self.state.pin {
            pin.tries = MAX_TRIES;
        }
        self.change_state()
    }

    pub(super) fn change_state(&mut self) -> ChangeSet {
        ChangeSet { state: Some(self.state.next_record()), ..ChangeSet::default() }
    }

    pub(super) fn compare_pin(
        &mut self,
        pin: Secret<16>,
        choice: Option<CredentialId>,
        job: Job,
        deadline: u64,
        now: Moment,
    ) -> Step {
        let Some(verifier) = &self.state.pin else { return stale() };
        if verifier.accepts(&pin) {
            let changes = self.restore_tries();
            return Step::Commit(changes, self.pending(Work::RestoreTries { choice, job }));
        }
        let tries_left = verifier.tries;
        if tries_left == 0 {
            self.refused(job, true, Refusal::Blocked)
        } else if self.needs_power_cycle() || now.ticks > deadline {
            self.refused(job, true, Refusal::Unverified)
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
            Job::ClientPin(job) => Self::authorization_purpose(job),
            #[cfg(feature = "u2f")]
            Job::U2f(job) => super::u2f::purpose(job),
            Job::Reset => self.reset_purpose(),
            Job::GetNextAssertion(_) | Job::Manage(_) | Job::Select | Job::Probe(_) => Purpose::Select,
        }
    }
}
