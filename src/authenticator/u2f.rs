//! U2F (CTAP 2.3 section 7; FIDO U2F Raw Message Formats v1.2), on the credentials of the other commands: what is made here
//! is a wrapped credential that signs over CTAP2, too, for the RP ID whose hash the application parameter is, and the other
//! way round. U2F knows no user verification: it is off under alwaysUv, and serves no credential that is protected.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use rand_core::CryptoRng;

use super::{
    machine::Authenticator,
    question::Purpose,
    settings::NewCredentialBackup,
    step::{Approval, Job as AnyJob, Outcome, Step},
};
use crate::{
    attestation::{Attester, CannotAttest},
    cose::{CoseAlgorithm, P256Point, PublicKey},
    credential::{
        ChangeSet, CredProtect, Credential, CredentialRecord, Query, Records, WrappedCredential, WrappedFacts,
    },
    crypto::{CryptoError, KeyPair},
    ctap1::{
        Authenticate, Authenticated, ControlByte, Register, Registered, Request, VERSION, failure, success,
    },
    ctap2::{Response, Status},
    time::Moment,
    user::UserPresent,
    webauthn::CredentialId,
};

/// One U2F command that asks a person.
pub(super) enum Job {
    Register(Register),
    Authenticate { request: Authenticate, key_handle: CredentialId, present: Option<UserPresent> },
}

/// A credential that a key handle names.
enum Found {
    Stored(Arc<CredentialRecord>),
    Wrapped(Box<WrappedCredential>),
}

impl Authenticator {
    /// Begins one U2F command, given as a command APDU. [`crate::ctap1::encode`] gives the bytes of the answer. While it
    /// asks for user presence the transport keeps the client waiting, or answers SW_CONDITIONS_NOT_SATISFIED by itself
    /// and begins the command again when the client does. Ends what stateful commands remember, as any command does.
    ///
    /// Without an [`Attester`] for ES256, or where new credentials are backup eligible, there is no U2F:
    /// SW_INS_NOT_SUPPORTED. Under alwaysUv: SW_COMMAND_NOT_ALLOWED.
    ///
    /// Nothing is drawn here. [`Authenticator::answer`] to U2F_REGISTER draws as makeCredential does for a wrapped
    /// credential.
    pub fn begin_u2f(&mut self, apdu: &[u8], now: Moment) -> Step {
        self.tick(now);
        if let Err(status) = self.claim_floor() {
            return Step::failed(status);
        }
        match Request::decode(apdu) {
            Ok(request) => self.u2f(request, now).into(),
            Err(status) => Step::respond(Response::U2f(failure(status))),
        }
    }

    fn u2f(&mut self, request: Request, now: Moment) -> Result<Step, Status> {
        if self.u2f_attester().is_none() {
            return Err(Status::InvalidCommand);
        }
        // CTAP 2.3 section 7.1.1, "alwaysUv": "U2F_REGISTER and U2F_AUTHENTICATE [...] immediately fail and return
        // SW_COMMAND_NOT_ALLOWED". U2F_VERSION would promise what is not there.
        if self.always_uv() {
            return Err(Status::NotAllowed);
        }
        match request {
            Request::Version => Ok(respond(VERSION.as_bytes().to_vec())),
            Request::Register(request) => Ok(self.ask_u2f(Job::Register(request), now)),
            Request::Authenticate(request) => {
                // "If the key handle was not created by this U2F token": one that is no credential ID is not.
                let key_handle = CredentialId::new(&request.key_handle).map_err(|_| Status::NoCredentials)?;
                self.look_up_u2f(Job::Authenticate { request, key_handle, present: None })
            }
        }
    }

    /// Whether it speaks U2F at all (it is silent under alwaysUv, which may change): for transports that say so when
    /// they are plugged in.
    pub fn has_u2f(&self) -> bool {
        self.u2f_attester().is_some()
    }

    /// Whether getInfo may list `U2F_V2`.
    pub(super) fn offers_u2f(&self) -> bool {
        self.u2f_attester().is_some() && !self.always_uv()
    }

    /// U2F has no other attestation than by a P-256 certificate, and no other credentials than ES256's that are bound to
    /// their device: the byte that it signs has no bit for BE, and relying parties refuse one that flips.
    fn u2f_attester(&self) -> Option<Arc<dyn Attester>> {
        let attester = self.attesters.batch().filter(|attester| signs_es256(attester.algorithm()));
        let makes = self.settings.algorithms.contains(&CoseAlgorithm::Es256)
            && self.settings.backup == NewCredentialBackup::DeviceBound;
        attester.filter(|_| makes).map(Arc::clone)
    }

    fn ask_u2f(&mut self, job: Job, now: Moment) -> Step {
        let purpose = purpose(&job);
        self.ask(AnyJob::U2f(Box::new(job)), purpose, false, now)
    }

    pub(super) fn u2f_approved(
        &mut self,
        job: Job,
        approval: &Approval,
        rng: &mut dyn CryptoRng,
    ) -> Result<Step, Status> {
        match job {
            Job::Register(request) => self.u2f_register(&request, rng),
            // What was asked is checked again after the answer: the credential may be gone by now.
            Job::Authenticate { request, key_handle, .. } => {
                let present = Some(approval.present);
                self.look_up_u2f(Job::Authenticate { request, key_handle, present })
            }
        }
    }

    fn u2f_register(&mut self, request: &Register, rng: &mut dyn CryptoRng) -> Result<Step, Status> {
        let attester = self.u2f_attester().ok_or(Status::InvalidCommand)?;
        let certificate = attester.certificates().first().ok_or(Status::Other)?;
        let key = self.provider.make_key_pair(CoseAlgorithm::Es256, rng);
        let public_key = *point(&key).ok_or(Status::Other)?;
        let facts = WrappedFacts {
            cred_protect: CredProtect::UserVerificationOptional,
            backup: self.settings.new_backup(),
            third_party_payment: false,
        };
        let (wrapped, state) =
            self.wrap(&request.application, key, facts, rng).map_err(|CryptoError| Status::Other)?;
        let registered = Registered { public_key: &public_key, key_handle: &wrapped.id };
        let signature = attester.sign(&[&registered.message(request)]);
        let signature = signature.map_err(|CannotAttest| Status::Other)?;
        let response = registered.encode(certificate, &signature).ok_or(Status::Other)?;
        let outcome = Outcome { response: Response::U2f(success(response)), prf: None };
        Ok(self.commit(ChangeSet::default(), Some(state), outcome, None))
    }

    /// The store is asked for a wrapped credential as well, which it does not have: a locked one serves none.
    fn look_up_u2f(&mut self, job: Job) -> Result<Step, Status> {
        let Job::Authenticate { key_handle, .. } = &job else { return Err(Status::Other) };
        Ok(self.load(Query::Identified(key_handle.clone()), AnyJob::U2f(Box::new(job))))
    }

    pub(super) fn u2f_found(&mut self, job: Job, mut records: Records, now: Moment) -> Result<Step, Status> {
        let stored = records.pop().map(Found::Stored);
        let found = stored.or_else(|| self.unwrap_u2f(&job));
        self.u2f_authenticate(job, found, now)
    }

    fn unwrap_u2f(&self, job: &Job) -> Option<Found> {
        let Job::Authenticate { request, key_handle, .. } = job else { return None };
        let wrapped = self.wrapper()?.unwrap(&request.application, key_handle, &*self.provider)?;
        Some(Found::Wrapped(Box::new(wrapped)))
    }

    fn u2f_authenticate(&mut self, job: Job, found: Option<Found>, now: Moment) -> Result<Step, Status> {
        let Job::Authenticate { request, present, .. } = &job else { return Err(Status::Other) };
        let found = found.filter(|found| found.is_usable(request)).ok_or(Status::NoCredentials)?;
        match (request.control, present) {
            // "the control byte is set to 0x07 [...]: if the key handle was created by this token [...] respond with
            // SW_CONDITIONS_NOT_SATISFIED"
            (ControlByte::CheckOnly, _) => Err(Status::OperationDenied),
            (ControlByte::EnforceUserPresenceAndSign, None) => Ok(self.ask_u2f(job, now)),
            (ControlByte::EnforceUserPresenceAndSign, Some(present)) => {
                self.u2f_sign(request, found, Some(*present), now)
            }
            (ControlByte::DontEnforceUserPresenceAndSign, _) => self.u2f_sign(request, found, None, now),
        }
    }

    fn u2f_sign(
        &mut self,
        request: &Authenticate,
        found: Found,
        present: Option<UserPresent>,
        now: Moment,
    ) -> Result<Step, Status> {
        let counter = match &found {
            Found::Stored(record) => self.next_sign_count(record),
            Found::Wrapped(wrapped) => self.next_shared_count(wrapped.facts.backup),
        };
        let authenticated = Authenticated { user_present: present.is_some(), counter };
        let message = authenticated.message(request);
        let signature = self.provider.sign(found.key(), &[&message]).map_err(|_| Status::Other)?;
        let response = Response::U2f(success(authenticated.encode(&signature)));
        let outcome = Outcome { response, prf: None };
        Ok(match found {
            Found::Stored(record) => self.deliver(record, outcome, None, now),
            Found::Wrapped(wrapped) => self.deliver_wrapped(wrapped.facts.backup, outcome, None),
        })
    }
}

impl Found {
    /// Whether U2F may use it: it is the application's, ES256's, needs no user verification ("credProtect level > 1"), and is
    /// bound to its device.
    fn is_usable(&self, request: &Authenticate) -> bool {
        let (of_application, cred_protect, backup) = match self {
            Self::Stored(record) => {
                let Credential { rp, cred_protect, backup, .. } = &record.credential;
                (rp.id.hash() == request.application, *cred_protect, *backup)
            }
            // It would not have opened otherwise.
            Self::Wrapped(wrapped) => (true, wrapped.facts.cred_protect, wrapped.facts.backup),
        };
        of_application
            && !backup.eligible()
            && cred_protect == CredProtect::UserVerificationOptional
            && signs_es256(self.key().algorithm())
    }

    fn key(&self) -> &KeyPair {
        match self {
            Self::Stored(record) => &record.secret.key,
            Self::Wrapped(wrapped) => &wrapped.secret.key,
        }
    }
}

pub(super) fn purpose(job: &Job) -> Purpose {
    match job {
        Job::Register(request) => Purpose::U2f { application: request.application, registers: true },
        Job::Authenticate { request, .. } => {
            Purpose::U2f { application: request.application, registers: false }
        }
    }
}

fn respond(data: Vec<u8>) -> Step {
    Step::respond(Response::U2f(success(data)))
}

/// ECDSA on P-256 with SHA-256, under either of its identifiers.
fn signs_es256(algorithm: CoseAlgorithm) -> bool {
    matches!(algorithm, CoseAlgorithm::Es256 | CoseAlgorithm::Esp256)
}

fn point(key: &KeyPair) -> Option<&P256Point> {
    match key.public() {
        PublicKey::P256(point) => Some(point),
        _ => None,
    }
}
