//! authenticatorMakeCredential (CTAP 2.3 section 6.1.2). The step numbers are the standard's.

use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};
use core::mem;

use rand_core::CryptoRng;

use super::{
    machine::{Authenticator, Door},
    question::Purpose,
    state::State,
    step::{Approval, Job as AnyJob, Outcome, Refusal, Step},
    token::protocol_of,
};
use crate::{
    attestation::{AttestationStatement, CannotAttest, EnterpriseRefusal, Voucher},
    cose::CoseAlgorithm,
    credential::{
        ChangeSet, CredProtect, Credential, CredentialRecord, CredentialSecret, Query, Records, WrappedFacts,
    },
    crypto::CryptoError,
    ctap2::{MakeCredential, MakeCredentialResponse, PinUvAuth, Response, Status},
    extension::{self, Registration},
    few::Few,
    pin_uv::Permissions,
    secret::Secret,
    time::Moment,
    user::{UserPresent, UserVerified},
    webauthn::{
        AttestedCredential, AuthenticatorData, CredentialId, PrfInputs, PrfOutputs, RpEntity, truncate_name,
    },
};

/// The longest name that the provider door keeps, in bytes: a budget, not a display limit.
const PROVIDER_NAME_LIMIT: usize = 1024;

/// One registration under way.
pub(super) struct Job {
    door: Door,
    request: MakeCredential,
    prf: Option<PrfInputs>,
    algorithm: CoseAlgorithm,
    extensions: Registration,
    discoverable: bool,
    /// Whether an enterprise attestation may be returned.
    enterprise: bool,
    phase: Phase,
    present: Option<UserPresent>,
    verified: Option<UserVerified>,
}

/// Where a registration stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Step 11: user verification is asked for.
    Verify,
    /// Step 12: the excludeList is looked up.
    Exclude,
    /// Step 12.1.4: user presence is asked for, and then the answer is "excluded".
    Excluded,
    /// Step 14: user presence is asked for.
    Present,
    /// The excludeList is looked up again after the person's answer.
    ExcludeAgain,
    /// The account's old credential is looked up.
    Account,
}

impl Authenticator {
    pub(super) fn make_credential(
        &mut self,
        door: Door,
        mut request: MakeCredential,
        prf: Option<PrfInputs>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        // Step 1: the zero-length pinUvAuthParam asks for a touch, and for nothing else.
        // Step 2: pinUvAuthProtocol is supported and present.
        if let Some(step) = self.check_pin_uv_auth(request.pin_uv_auth.as_ref(), now) {
            return Ok(step);
        }
        // Step 3: the first supported element of pubKeyCredParams, in the relying party's order, is chosen.
        let algorithm = self.choose_algorithm(&request.algorithms)?;
        // Step 5: options.
        let discoverable = request.options.rk.unwrap_or(false);
        let token = request.pin_uv_auth.is_some();
        let mut uv = self.uv_option(request.options.uv, token)?;
        if request.options.up == Some(false) {
            return Err(Status::InvalidOption);
        }
        // Step 6: alwaysUv.
        if self.always_uv() {
            uv = self.always_verified(uv, token)?;
        }
        // Steps 7 and 8: without user verification only what makeCredUvNotRqd allows.
        let not_required = self.settings.make_cred_uv_not_required && !self.always_uv();
        let may_skip_uv = door == Door::Provider || (not_required && !discoverable);
        if self.is_protected() && !uv && !token && !may_skip_uv {
            // "If ClientPin option ID is true and the noMcGaPermissionsWithClientPin option ID is absent or false"
            return Err(self.unverified(self.has_pin()));
        }
        // Step 9: enterprise attestation.
        let enterprise = self.may_attest_in_enterprise(&request)?;
        // Step 11.1. Where nothing protects the authenticator there is no token, and none verifies.
        let mut proof = None;
        if let Some(auth) = &request.pin_uv_auth {
            let (hash, rp_id) = (&request.client_data_hash, &request.rp.id);
            proof = Some(self.prove_by_token(auth, hash, Permissions::MAKE_CREDENTIAL, rp_id, now)?);
        }
        // Provider door: PRF is evaluated with the user-verified secret only.
        let wants_prf = prf.as_ref().is_some_and(|prf| prf.eval.is_some());
        uv = uv || (wants_prf && self.verifies_users());
        let inputs = mem::take(&mut request.extensions);
        let extensions = Registration::judge(inputs, self.extensions(), discoverable)?;
        self.cut_names(door, &mut request);
        let job = Box::new(Job {
            door,
            request,
            prf,
            algorithm,
            extensions,
            discoverable,
            enterprise,
            phase: Phase::Verify,
            present: proof.as_ref().and_then(|proof| proof.present),
            verified: proof.map(|proof| proof.verified),
        });
        // Step 11: user verification, before anything is looked up.
        if uv {
            let purpose = purpose(&job);
            return Ok(self.ask(AnyJob::MakeCredential(job), purpose, true, now));
        }
        self.look_up_excluded(job, Phase::Exclude, now, rng)
    }

    /// Steps 1 and 2, which getAssertion has as well. `Some` ends or diverts the command.
    pub(super) fn check_pin_uv_auth(&mut self, auth: Option<&PinUvAuth>, now: Moment) -> Option<Step> {
        let auth = auth?;
        if auth.param.is_empty() {
            let status = if self.has_pin() { Status::PinInvalid } else { Status::PinNotSet };
            return Some(self.ask(AnyJob::Probe(status), Purpose::Select, false, now));
        }
        protocol_of(auth).err().map(Step::failed)
    }

    /// The `uv` option. "If the pinUvAuthParam is present, let the "uv" option be treated as being present with the value
    /// false."
    pub(super) fn uv_option(&self, uv: Option<bool>, token: bool) -> Result<bool, Status> {
        if token {
            return Ok(false);
        }
        if uv == Some(true) && !self.verifies_users() {
            // "If the authenticator does not support a built-in user verification method [or it is not enabled], end the
            // operation by returning CTAP2_ERR_INVALID_OPTION."
            return Err(Status::InvalidOption);
        }
        Ok(uv.unwrap_or(false))
    }

    /// Step 6 (5 of getAssertion): alwaysUv. Says whether built-in user verification is to be asked for.
    pub(super) fn always_verified(&self, uv: bool, token: bool) -> Result<bool, Status> {
        // 6.2: "If the authenticator is not protected by some form of user verification"
        // 6.3: "If the pinUvAuthParam is not present, and the uv option ID is true, let the "uv" option be treated as being
        // present with the value true."
        // 6.4: "If the pinUvAuthParam is not present, and the "uv" option is false or absent"
        let uv = uv || (!token && self.verifies_users());
        if self.is_protected() && (token || uv) { Ok(uv) } else { Err(self.unverified(true)) }
    }

    /// What a command ends in that needed user verification and had none: a token helps where a platform can get one.
    fn unverified(&self, client_pin: bool) -> Status {
        if client_pin && self.client_pin_for_mc_and_ga() {
            Status::PuatRequired
        } else {
            Status::OperationDenied
        }
    }

    fn choose_algorithm(&self, requested: &[i64]) -> Result<CoseAlgorithm, Status> {
        let supported = |algorithm: &CoseAlgorithm| self.settings.algorithms.contains(algorithm);
        let mut known = requested.iter().filter_map(|identifier| CoseAlgorithm::from_identifier(*identifier));
        known.find(supported).ok_or(Status::UnsupportedAlgorithm)
    }

    /// Step 9. False also where the relying party prefers a format that identifies nobody.
    fn may_attest_in_enterprise(&self, request: &MakeCredential) -> Result<bool, Status> {
        let enabled = self.state.enterprise_attestation;
        let permitted =
            self.attesters.may_vouch_in_enterprise(request.enterprise_attestation, enabled, &request.rp.id);
        let permitted = permitted.map_err(|refusal| match refusal {
            EnterpriseRefusal::NotEnabled => Status::InvalidParameter,
            EnterpriseRefusal::UnknownKind => Status::InvalidOption,
        })?;
        Ok(self.voucher(request, permitted).is_enterprise())
    }

    fn voucher(&self, request: &MakeCredential, enterprise: bool) -> Voucher<'_> {
        let preference = &request.attestation_formats_preference;
        self.attesters.choose(self.settings.attestation, preference, enterprise)
    }

    pub(super) fn make_credential_approved(
        &mut self,
        mut job: Box<Job>,
        approval: &Approval,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        job.present = Some(approval.present);
        job.verified = approval.verified.or(job.verified);
        match job.phase {
            Phase::Verify => self.look_up_excluded(job, Phase::Exclude, now, rng),
            // Step 12.1.4.2: "regardless of whether user presence is obtained".
            Phase::Excluded => Err(Status::CredentialExcluded),
            Phase::Present => self.look_up_excluded(job, Phase::ExcludeAgain, now, rng),
            Phase::Exclude | Phase::ExcludeAgain | Phase::Account => Err(Status::Other),
        }
    }

    /// Step 12: looks up the excludeList, if there is one. Where nothing else would be looked up before the commit, the
    /// empty list is, too: a locked store asks to be unlocked then, instead of failing at the commit.
    fn look_up_excluded(
        &mut self,
        mut job: Box<Job>,
        phase: Phase,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        job.phase = phase;
        let ids: Few<CredentialId> = job.request.exclude_list.iter().map(|named| named.id.clone()).collect();
        if ids.is_empty() && (job.discoverable || phase == Phase::ExcludeAgain) {
            return self.not_excluded(job, now, rng);
        }
        let query = Query::Named(job.request.rp.id.clone(), ids);
        Ok(self.load(query, AnyJob::MakeCredential(job)))
    }

    pub(super) fn make_credential_found(
        &mut self,
        mut job: Box<Job>,
        records: Records,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        if job.phase == Phase::Account {
            return self.create(&job, &records, now, rng);
        }
        // Step 12.1: a credential of level 3 counts only after user verification.
        let counts = |record: &Arc<CredentialRecord>| {
            record.credential.cred_protect != CredProtect::UserVerificationRequired || job.verified.is_some()
        };
        if !records.iter().any(counts) {
            return self.not_excluded(job, now, rng);
        }
        if job.present.is_some() {
            return Err(Status::CredentialExcluded);
        }
        job.phase = Phase::Excluded;
        let purpose = Purpose::AlreadyRegistered { rp: job.request.rp.clone() };
        Ok(self.ask(AnyJob::MakeCredential(job), purpose, false, now))
    }

    /// After step 12: user presence, unless an answer gave it already; then the account is looked up, whose old
    /// credential a new discoverable one replaces.
    fn not_excluded(
        &mut self,
        mut job: Box<Job>,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        // Step 14: user presence.
        if job.present.is_none() {
            job.phase = Phase::Present;
            let purpose = purpose(&job);
            return Ok(self.ask(AnyJob::MakeCredential(job), purpose, false, now));
        }
        if !job.discoverable {
            return self.create(&job, &[], now, rng);
        }
        job.phase = Phase::Account;
        let query = Query::Account(job.request.rp.id.clone(), job.request.user.id.clone());
        Ok(self.load(query, AnyJob::MakeCredential(job)))
    }

    /// Steps 15 to 18: makes the credential, and commits it in place of the account's old one.
    fn create(
        &mut self,
        job: &Job,
        old: &[Arc<CredentialRecord>],
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        // Step 14.4, which step 13 leaves out: whoever proved presence, but by built-in user verification.
        let built_in = job.request.pin_uv_auth.is_none() && job.verified.is_some();
        if job.door == Door::Ctap && !built_in {
            self.spend_token();
        }
        let (record, state) = if job.discoverable || !self.wraps() {
            (self.make_record(job, now, rng)?, self.state.with_next_order())
        } else {
            self.make_wrapped(job, rng)?
        };
        let response = self.attest(job, &record, rng)?;
        // What a message cannot tell (certificates, or a public key, too long for `max_msg_size`) is not made either.
        let response = Response::MakeCredential(response);
        if job.door == Door::Ctap && response.encode().len() > self.settings.max_msg_size {
            return Err(Status::Other);
        }
        // "If a credential for the same rp.id and account ID already exists on the authenticator: overwrite that
        // credential."
        let replaced = old.iter().map(|old| old.credential.id.clone()).collect();
        let outcome = Outcome { response, prf: evaluate_prf(job, &record) };
        let put = if record.is_wrapped() { Vec::new() } else { vec![record] };
        let changes = ChangeSet { delete: replaced, put, ..ChangeSet::default() };
        Ok(self.commit(changes, Some(state), outcome, None))
    }

    fn make_record(
        &self,
        job: &Job,
        now: Moment,
        rng: &mut dyn CryptoRng,
    ) -> Result<CredentialRecord, Status> {
        let key = self.provider.make_key_pair(job.algorithm, rng);
        let id = make_credential_id(self.settings.credential_id_length, rng)?;
        let secret = CredentialSecret {
            key,
            cred_random_with_uv: Secret::make_random(rng),
            cred_random_without_uv: Secret::make_random(rng),
        };
        let credential = Credential {
            id,
            rp: job.request.rp.clone(),
            user: job.request.user.clone(),
            discoverable: job.discoverable,
            cred_protect: job.extensions.cred_protect(),
            backup: self.settings.new_backup(),
            sign_count: 0,
            aaguid: self.settings.aaguid,
            order: self.state.next_order,
            created: now.date,
            last_used: None,
        };
        let mut record = CredentialRecord::new(credential, secret);
        record.extensions = job.extensions.make_data(rng).into();
        Ok(record)
    }

    /// A credential that is in no store, and the state that has the key it is wrapped under. That state is committed each
    /// time: the commit of the key's first use may have failed, and what cannot be opened again must not leave.
    fn make_wrapped(&self, job: &Job, rng: &mut dyn CryptoRng) -> Result<(CredentialRecord, State), Status> {
        let key = self.provider.make_key_pair(job.algorithm, rng);
        let facts = WrappedFacts {
            cred_protect: job.extensions.cred_protect(),
            backup: self.settings.new_backup(),
            // Nothing else is kept with a credential that is not discoverable.
            third_party_payment: job.extensions.make_data(rng).third_party_payment,
        };
        let rp = RpEntity { id: job.request.rp.id.clone(), name: None };
        let (wrapped, state) =
            self.wrap(&rp.id.hash(), key, facts, rng).map_err(|CryptoError| Status::Other)?;
        let record = wrapped.into_record(rp, self.settings.aaguid).map_err(|CryptoError| Status::Other)?;
        Ok((record, state))
    }

    fn attest(
        &mut self,
        job: &Job,
        record: &CredentialRecord,
        rng: &mut dyn CryptoRng,
    ) -> Result<MakeCredentialResponse, Status> {
        let credential = &record.credential;
        let hmac_secret_mc = match job.extensions.hmac_secret_mc() {
            Some(input) => {
                let agreement = self.key_agreement(rng);
                Some(extension::evaluate_encrypted(&record.secret, input, job.verified, agreement, rng)?)
            }
            None => None,
        };
        let rules = self.pin_rules(&credential.rp.id);
        let outputs = job.extensions.outputs(&record.extensions, &rules, hmac_secret_mc.as_deref());
        let auth_data = AuthenticatorData {
            rp_id_hash: credential.rp.id.hash(),
            user_present: job.present,
            user_verified: job.verified,
            backup_eligible: credential.backup.eligible(),
            backup_state: credential.backup.backed_up(),
            sign_count: credential.sign_count,
            attested: Some(AttestedCredential {
                aaguid: credential.aaguid,
                id: &credential.id,
                algorithm: job.algorithm,
                public_key: record.secret.key.public(),
            }),
            extensions: &outputs,
        }
        .encode();
        let hash = &job.request.client_data_hash;
        // Step 19: the attestation statement.
        let voucher = self.voucher(&job.request, job.enterprise);
        let sign = |message: &[&[u8]]| self.provider.sign(&record.secret.key, message);
        let statement = voucher.attest(job.algorithm, sign, &auth_data, hash);
        let AttestationStatement { fmt, att_stmt } = statement.map_err(|CannotAttest| Status::Other)?;
        Ok(MakeCredentialResponse {
            fmt,
            auth_data,
            att_stmt,
            ep_att: voucher.is_enterprise(),
            large_blob_key: job.extensions.large_blob_key(&record.extensions),
            large_blob_supported: job.extensions.large_blob_supported(),
        })
    }

    /// Names are cut, never refused; people are shown what is kept.
    fn cut_names(&self, door: Door, request: &mut MakeCredential) {
        let limit = match door {
            Door::Ctap => self.settings.name_limit,
            Door::Provider => PROVIDER_NAME_LIMIT,
        };
        let names = [&mut request.rp.name, &mut request.user.name, &mut request.user.display_name];
        for name in names.into_iter().flatten() {
            if name.len() > limit {
                *name = truncate_name(name, limit).into();
            }
        }
    }
}

pub(super) fn purpose(job: &Job) -> Purpose {
    Purpose::Register {
        rp: job.request.rp.clone(),
        user: job.request.user.clone(),
        identified: job.enterprise,
    }
}

/// Steps 11.2.3 and 14: what a registration without approval ends in.
pub(super) fn refusal_status(job: &Job, verify: bool, refusal: Refusal) -> Status {
    match (job.phase, refusal) {
        // Step 12.1.4.2: "regardless of whether user presence is obtained or the authenticator times out". Not so where
        // the peer is a website: it learns of the passkey from whom consents only (WebAuthn section "The
        // authenticatorMakeCredential Operation", step 3).
        (Phase::Excluded, _) if job.door == Door::Ctap => Status::CredentialExcluded,
        (_, Refusal::Blocked) => Status::PinBlocked,
        (_, Refusal::TimedOut) if verify => Status::UserActionTimeout,
        _ => Status::OperationDenied,
    }
}

/// PRF at creation, on the provider door: only if the user was verified.
fn evaluate_prf(job: &Job, record: &CredentialRecord) -> Option<PrfOutputs> {
    let salts = job.prf.as_ref()?.eval.as_ref()?;
    Some(extension::evaluate(&record.secret, salts, job.verified?))
}

/// Random bytes; the settings' invariant keeps the length between 16 and 1023.
fn make_credential_id(length: usize, rng: &mut dyn CryptoRng) -> Result<CredentialId, Status> {
    let mut id = [0; CredentialId::MAX_LENGTH];
    let id = id.get_mut(..length).ok_or(Status::Other)?;
    rng.fill_bytes(id);
    CredentialId::new(id).map_err(|_| Status::Other)
}
