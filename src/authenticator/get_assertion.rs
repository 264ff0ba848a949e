//! authenticatorGetAssertion and authenticatorGetNextAssertion (CTAP 2.3 sections 6.2.2 and 6.3). The step numbers are
//! the standard's.

use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};

use rand_core::CryptoRng;

use super::{
    machine::{Authenticator, Door, Stateful},
    question::{Account, Purpose},
    settings::CounterPolicy,
    step::{Approval, Channel, Job as AnyJob, Outcome, Refusal, Step},
};
use crate::{
    credential::{Backup, ChangeSet, CredProtect, Credential, CredentialRecord, Query, Records},
    ctap2::{GetAssertion, GetAssertionExtensions, GetAssertionResponse, LargeBlobOutput, Response, Status},
    extension,
    few::Few,
    pin_uv::Permissions,
    time::Moment,
    user::{UserPresent, UserVerified},
    webauthn::{
        AuthenticatorData, ClientDataHash, CredentialDescriptor, CredentialId, PrfInputs, PrfOutputs,
        PrfSalts, RpId, UserEntity,
    },
};

/// How long getNextAssertion may take (CTAP 2.3 section 6.3: "30 seconds").
const NEXT_ASSERTION_TIMEOUT: u64 = 30_000;

/// One sign-in under way. It travels by value through every step, hence what is rare is boxed, and what was judged is not
/// kept: a plain sign-in allocates nothing here.
pub(super) struct Job {
    from: Channel,
    door: Door,
    terms: Terms,
    /// Only where there are salts.
    prf: Option<Box<PrfInputs>>,
    /// Whether there was a pinUvAuthParam, which was verified.
    token: bool,
    /// Whether user verification is asked for.
    uv: bool,
    /// The credentials that fit, newest first, as they were before the question.
    accounts: Few<Account>,
    /// Whether a person has answered.
    answered: bool,
    proofs: Proofs,
}

/// What is asserted, and what about: the part of the request that signing needs.
struct Terms {
    rp_id: RpId,
    client_data_hash: ClientDataHash,
    /// Whether there was an allowList, whose identifiers went into the query.
    named: bool,
    /// Option "up", which is true when absent.
    up: bool,
    /// Only where there are inputs.
    extensions: Option<Box<GetAssertionExtensions>>,
}

/// What most requests come with.
static NO_INPUTS: GetAssertionExtensions = GetAssertionExtensions {
    cred_blob: None,
    large_blob: None,
    hmac_secret: None,
    large_blob_key: None,
    third_party_payment: None,
};

impl Terms {
    fn inputs(&self) -> &GetAssertionExtensions {
        self.extensions.as_deref().unwrap_or(&NO_INPUTS)
    }
}

/// What a person's answer proved.
#[derive(Debug, Clone, Copy, Default)]
struct Proofs {
    present: Option<UserPresent>,
    verified: Option<UserVerified>,
    /// The person chose the account on the authenticator.
    selected: bool,
}

/// What is remembered for getNextAssertion: bound to its channel, and over after 30 seconds or with any other command.
/// Any command means any: OpenSK's list of harmless ones was considered and left out, since no platform needs it.
pub(super) struct Cursor {
    from: Channel,
    terms: Terms,
    proofs: Proofs,
    /// The next one last.
    remaining: Few<CredentialId>,
    deadline: u64,
}

impl Cursor {
    pub(super) fn is_over(&self, now: Moment) -> bool {
        now.ticks >= self.over_at()
    }

    /// The first tick at which it is over.
    pub(super) fn over_at(&self) -> u64 {
        self.deadline.saturating_add(1)
    }
}

impl Authenticator {
    pub(super) fn get_assertion(
        &mut self,
        from: Channel,
        door: Door,
        mut request: GetAssertion,
        prf: Option<PrfInputs>,
        now: Moment,
    ) -> Result<Step, Status> {
        // Steps 1 and 2: the zero-length pinUvAuthParam, and pinUvAuthProtocol.
        if let Some(step) = self.check_pin_uv_auth(request.pin_uv_auth.as_ref(), now) {
            return Ok(step);
        }
        // Step 4: options. 4.4.1: "rk" is present: UNSUPPORTED_OPTION.
        let token = request.pin_uv_auth.is_some();
        let mut uv = self.uv_option(request.options.uv, token)?;
        if request.options.rk.is_some() {
            return Err(Status::UnsupportedOption);
        }
        let up = request.options.up.unwrap_or(true);
        // Step 5: alwaysUv, of which silent assertions are exempt.
        if self.always_uv() && up {
            uv = self.always_verified(uv, token)?;
        }
        // Step 6.1.
        let mut proofs = Proofs::default();
        if let Some(auth) = &request.pin_uv_auth {
            let (hash, rp_id) = (&request.client_data_hash, &request.rp_id);
            let proof = self.prove_by_token(auth, hash, Permissions::GET_ASSERTION, rp_id, now)?;
            // Silent, presence is not claimed, even if it was proven.
            proofs.present = proof.present.filter(|_| up);
            proofs.verified = Some(proof.verified);
        }
        extension::judge_assertion(&mut request.extensions, &self.extensions(), up)?;
        // Provider door: PRF is evaluated with the user-verified secret only.
        let prf = prf.filter(|prf| prf.eval.is_some() || !prf.eval_by_credential.is_empty()).map(Box::new);
        uv = uv || (prf.is_some() && up && self.verifies_users());
        let GetAssertion { rp_id, client_data_hash, allow_list, extensions, .. } = request;
        let named = allow_list.is_some();
        let query = query(rp_id.clone(), allow_list);
        let extensions = (extensions != NO_INPUTS).then(|| Box::new(extensions));
        let terms = Terms { rp_id, client_data_hash, named, up, extensions };
        let job = Job { from, door, terms, prf, token, uv, accounts: Few::new(), answered: false, proofs };
        Ok(self.load(query, AnyJob::GetAssertion(job)))
    }

    pub(super) fn get_assertion_found(
        &mut self,
        mut job: Job,
        records: Records,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        if job.answered {
            return self.sign_first(job, records, now, rng);
        }
        // Step 7: the applicable credentials. Whether the user will be verified is known: a question that asks for
        // verification is not passed without it.
        let verified = job.uv || job.proofs.verified.is_some();
        let records = applicable(job.terms.named, records, verified);
        // Steps 8 and 9: presence that built-in user verification will prove, or a token has proven, is not asked for.
        let ask_presence = job.terms.up && job.proofs.present.is_none();
        let ask_choice = records.len() > 1 && self.lets_choose(&job);
        if !(job.uv || ask_presence || ask_choice) {
            return self.sign_first(job, records, now, rng);
        }
        job.accounts = records.iter().map(|record| Account::from(&record.credential)).collect();
        if job.accounts.is_empty() && self.settings.no_credentials_before_touch && !job.uv {
            // Step 7.6.
            return Err(Status::NoCredentials);
        }
        // Steps 6 and 9 in one question: user verification where it is needed, and user presence. Nothing matches: the
        // person is asked all the same, so that what is stored cannot be found out without a touch.
        let (purpose, uv) = (self.sign_in_purpose(&job), job.uv);
        Ok(self.ask(AnyJob::GetAssertion(job), purpose, uv, now))
    }

    pub(super) fn get_assertion_approved(
        &mut self,
        mut job: Job,
        approval: Approval,
    ) -> Result<Step, Status> {
        job.answered = true;
        // "up": false with "uv": true: the user is verified, and presence is not claimed.
        job.proofs.present = job.terms.up.then_some(approval.present);
        job.proofs.verified = approval.verified.or(job.proofs.verified);
        let Some(first) = job.accounts.first() else { return Err(Status::NoCredentials) };
        let choose = self.lets_choose(&job);
        let chosen = match approval.choice {
            Some(choice) if choose => job.accounts.iter().find(|account| account.credential == choice),
            // Several accounts, and nobody chose.
            None if choose && job.accounts.len() > 1 => None,
            _ => Some(first),
        };
        let chosen = chosen.ok_or(Status::OperationDenied)?.credential.clone();
        // Step 12.2.3: "set the userSelected member to true and [...] delete the numberOfCredentials member".
        job.proofs.selected = choose && job.accounts.len() > 1;
        if choose {
            job.accounts.retain(|account| account.credential == chosen);
        }
        // What was asked is checked again after the answer: the credential may be gone by now.
        let query = Query::Named(job.terms.rp_id.clone(), chosen.into());
        Ok(self.load(query, AnyJob::GetAssertion(job)))
    }

    /// Whether the person chooses among several accounts: on the provider door always; on the CTAP door on an authenticator
    /// with a display, where no allowList picks one, and unless nobody is to be asked (step 12.2.3).
    fn lets_choose(&self, job: &Job) -> bool {
        let asked = job.uv || job.terms.up;
        asked
            && match job.door {
                Door::Provider => true,
                Door::Ctap => self.settings.display && !job.terms.named,
            }
    }

    /// The question of a sign-in.
    pub(super) fn sign_in_purpose(&self, job: &Job) -> Purpose {
        let rp_id = job.terms.rp_id.clone();
        if job.accounts.is_empty() {
            return Purpose::NotRegistered { rp_id };
        }
        let choose = self.lets_choose(job) && job.accounts.len() > 1;
        Purpose::SignIn { rp_id, accounts: job.accounts.clone(), choose }
    }

    /// Steps 10 to 13: signs with the first applicable credential, and remembers the others for getNextAssertion.
    fn sign_first(
        &mut self,
        job: Job,
        records: Records,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        let verified = job.proofs.verified.is_some();
        let mut records = applicable(job.terms.named, records, verified);
        // The oldest first, so that the next one is the last.
        let others: Few<CredentialId> = if job.answered {
            job.accounts.iter().skip(1).rev().map(|account| account.credential.clone()).collect()
        } else {
            records.iter().skip(1).rev().map(|record| record.credential.id.clone()).collect()
        };
        let record = records.swap_pop_first().ok_or(Status::NoCredentials)?;
        // Step 9.4, which step 8 leaves out: whoever proved presence, but by built-in user verification.
        let built_in = !job.token && job.proofs.verified.is_some();
        if job.door == Door::Ctap && job.terms.up && !built_in {
            self.spend_token();
        }
        // Step 11: numberOfCredentials only where no allowList picked one, and more than one fits.
        let several = job.door == Door::Ctap && !job.terms.named && !others.is_empty();
        let count = u64::try_from(others.len()).unwrap_or(u64::MAX).saturating_add(1);
        let prf = evaluate_prf(&job, &record);
        let mut response = self.sign(&job.terms, &job.proofs, &record, rng)?;
        response.number_of_credentials = several.then_some(count);
        let record = self.process_large_blob(&job.terms, &job.proofs, record, &mut response);
        let outcome = Outcome { response: Response::GetAssertion(response), prf };
        let cursor = several.then(|| {
            let deadline = now.after(NEXT_ASSERTION_TIMEOUT);
            Stateful::Assertions(Box::new(Cursor {
                from: job.from,
                terms: job.terms,
                proofs: job.proofs,
                remaining: others,
                deadline,
            }))
        });
        Ok(self.deliver(record, outcome, cursor, now))
    }

    /// Section 6.3, steps 1 to 3: there is something to go on with, on this channel, in time.
    pub(super) fn get_next_assertion(
        &mut self,
        from: Channel,
        remembered: Option<Stateful>,
        now: Moment,
    ) -> Result<Step, Status> {
        let cursor = match remembered {
            Some(Stateful::Assertions(cursor)) if cursor.from == from && !cursor.is_over(now) => Some(cursor),
            _ => None,
        };
        self.load_next(cursor.ok_or(Status::NotAllowed)?)
    }

    fn load_next(&mut self, mut cursor: Box<Cursor>) -> Result<Step, Status> {
        let next = cursor.remaining.pop().ok_or(Status::NotAllowed)?;
        let query = Query::Named(cursor.terms.rp_id.clone(), next.into());
        Ok(self.load(query, AnyJob::GetNextAssertion(cursor)))
    }

    /// Section 6.3, steps 4 to 7: signs with the next credential; one that is gone or no longer applicable is passed over.
    pub(super) fn get_next_assertion_found(
        &mut self,
        mut cursor: Box<Cursor>,
        records: Records,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        let verified = cursor.proofs.verified.is_some();
        let Some(record) = applicable(cursor.terms.named, records, verified).pop() else {
            return self.load_next(cursor);
        };
        let mut response = self.sign(&cursor.terms, &cursor.proofs, &record, rng)?;
        let record = self.process_large_blob(&cursor.terms, &cursor.proofs, record, &mut response);
        let outcome = Outcome { response: Response::GetAssertion(response), prf: None };
        // Step 6: "Reset the timer".
        cursor.deadline = now.after(NEXT_ASSERTION_TIMEOUT);
        let cursor = (!cursor.remaining.is_empty()).then_some(Stateful::Assertions(cursor));
        Ok(self.deliver(record, outcome, cursor, now))
    }

    /// Makes authenticator data with extension outputs, and signs them.
    fn sign(
        &mut self,
        terms: &Terms,
        proofs: &Proofs,
        record: &CredentialRecord,
        rng: &mut dyn CryptoRng,
    ) -> Result<GetAssertionResponse, Status> {
        let credential = &record.credential;
        let inputs = terms.inputs();
        let hmac_secret = match &inputs.hmac_secret {
            Some(input) => {
                let agreement = self.key_agreement(rng);
                Some(extension::evaluate_encrypted(&record.secret, input, proofs.verified, agreement, rng)?)
            }
            None => None,
        };
        let auth_data = AuthenticatorData {
            rp_id_hash: terms.rp_id.hash(),
            user_present: proofs.present,
            user_verified: proofs.verified,
            backup_eligible: credential.backup.eligible(),
            backup_state: credential.backup.backed_up(),
            sign_count: self.next_sign_count(record),
            attested: None,
            extensions: &extension::assertion_outputs(inputs, &record.extensions, hmac_secret.as_deref()),
        }
        .encode();
        let message = [auth_data.as_slice(), &terms.client_data_hash.0];
        let signature = self.provider.sign(&record.secret.key, &message).map_err(|_| Status::Other)?;
        Ok(GetAssertionResponse {
            credential: credential.id.clone(),
            signature,
            auth_data,
            user: shown_user(record, proofs.verified),
            number_of_credentials: None,
            user_selected: proofs.selected,
            large_blob_key: extension::assertion_large_blob_key(inputs, &record.extensions),
            large_blob: None,
        })
    }

    /// Reads or writes the credential's large blob. A record that was written to is stored with the delivery.
    fn process_large_blob(
        &self,
        terms: &Terms,
        proofs: &Proofs,
        record: Arc<CredentialRecord>,
        response: &mut GetAssertionResponse,
    ) -> Arc<CredentialRecord> {
        let Some(input) = &terms.inputs().large_blob else { return record };
        let mut record = CredentialRecord::unshare(record);
        let judged = self.large_blob_terms(terms.named, proofs.present, &record, response);
        response.large_blob = extension::process_large_blob(input, &mut record, judged);
        Arc::new(record)
    }

    /// Zero for ever, or one more than last time.
    pub(super) fn next_sign_count(&self, record: &CredentialRecord) -> u32 {
        let Credential { backup, sign_count, .. } = record.credential;
        match (record.is_wrapped(), self.counts(backup)) {
            (true, _) => self.next_shared_count(backup),
            (false, true) => sign_count.saturating_add(1),
            (false, false) => 0,
        }
    }

    /// The same, of a wrapped credential.
    pub(super) fn next_shared_count(&self, backup: Backup) -> u32 {
        if self.counts(backup) { self.state.sign_count.saturating_add(1) } else { 0 }
    }

    fn counts(&self, backup: Backup) -> bool {
        self.settings.sign_count == CounterPolicy::PerCredential && !backup.eligible()
    }

    /// Lets the response leave; before it does, the counter, the date of use and a large blob are committed, if there are
    /// any to keep.
    pub(super) fn deliver(
        &mut self,
        record: Arc<CredentialRecord>,
        outcome: Outcome,
        remember: Option<Stateful>,
        now: Moment,
    ) -> Step {
        if record.is_wrapped() {
            return self.deliver_wrapped(record.credential.backup, outcome, remember);
        }
        let dated = self.settings.record_last_use && now.date.is_some();
        if !self.counts(record.credential.backup) && !dated && !wrote_large_blob(&outcome) {
            return self.finish(outcome, remember);
        }
        let sign_count = self.next_sign_count(&record);
        let mut record = CredentialRecord::unshare(record);
        record.credential.sign_count = sign_count;
        if dated {
            record.credential.last_used = now.date;
        }
        // Deleted since it was looked up, it stays deleted: an update that finds nothing fails the command.
        let changes = ChangeSet { update: vec![record], ..ChangeSet::default() };
        self.commit(changes, None, outcome, remember)
    }

    /// Of a wrapped credential nothing is kept but the counter that it shares with the others.
    pub(super) fn deliver_wrapped(
        &mut self,
        backup: Backup,
        outcome: Outcome,
        remember: Option<Stateful>,
    ) -> Step {
        if !self.counts(backup) {
            return self.finish(outcome, remember);
        }
        let mut state = self.state.clone_secret();
        state.sign_count = self.next_shared_count(backup);
        self.commit(ChangeSet::default(), Some(state), outcome, remember)
    }
}

/// Whether the response says so, which may leave after the commit only.
fn wrote_large_blob(outcome: &Outcome) -> bool {
    let Response::GetAssertion(response) = &outcome.response else { return false };
    response.large_blob == Some(LargeBlobOutput::Written(true))
}

/// What to look up.
fn query(rp_id: RpId, allow_list: Option<Vec<CredentialDescriptor>>) -> Query {
    match allow_list {
        Some(named) => {
            let mut ids: Few<CredentialId> = named.into_iter().map(|descriptor| descriptor.id).collect();
            ids.sort_unstable();
            ids.dedup_by(|later, earlier| later == earlier);
            Query::Named(rp_id, ids)
        }
        None => Query::Discoverable(rp_id),
    }
}

/// Step 7: what credProtect lets through and, where nothing is named, can be discovered; newest first.
fn applicable(named: bool, mut records: Records, verified: bool) -> Records {
    records.retain(|record| named || record.credential.discoverable);
    records.retain(|record| match record.credential.cred_protect {
        CredProtect::UserVerificationOptional => true,
        CredProtect::UserVerificationOptionalWithCredentialIdList => verified || named,
        CredProtect::UserVerificationRequired => verified,
    });
    // In place: a stable sort would take as much memory again.
    records.sort_unstable_by(|left, right| {
        let (left, right) = (&left.credential, &right.credential);
        right.age().cmp(&left.age()).then_with(|| left.id.cmp(&right.id))
    });
    records
}

/// Steps 6.2.3 and 9.1.2.2: what a sign-in without approval ends in. `another_way`: a platform can get a token by PIN.
pub(super) fn refusal_status(job: &Job, verify: bool, another_way: bool, refusal: Refusal) -> Status {
    match refusal {
        // 6.2.3.1: of built-in user verification; a time-out of user presence is OPERATION_DENIED.
        Refusal::TimedOut if verify => Status::UserActionTimeout,
        // 6.2.3.2
        _ if verify && another_way && job.door == Door::Ctap => Status::PuatRequired,
        // 6.2.3.3
        Refusal::Blocked => Status::PinBlocked,
        _ => Status::OperationDenied,
    }
}

/// The account, for discoverable credentials, however they were found; its names only after user verification.
fn shown_user(record: &CredentialRecord, verified: Option<UserVerified>) -> Option<UserEntity> {
    let user = &record.credential.user;
    match (record.credential.discoverable, verified) {
        (false, _) => None,
        (true, Some(_)) => Some(user.clone()),
        (true, None) => Some(UserEntity { id: user.id.clone(), name: None, display_name: None }),
    }
}

/// PRF on the provider door: only if the user was verified.
fn evaluate_prf(job: &Job, record: &CredentialRecord) -> Option<PrfOutputs> {
    let salts: &PrfSalts = job.prf.as_ref()?.for_credential(&record.credential.id)?;
    Some(extension::evaluate(&record.secret, salts, job.proofs.verified?))
}
