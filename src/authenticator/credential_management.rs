//! authenticatorCredentialManagement (CTAP 2.3 section 6.8), and its preview (section 6.14), command 0x41.
//!
//! Only discoverable credentials are listed, changed and deleted: the others are their relying parties' to name. An
//! enumeration remembers identifiers and not records, so that no secret outlives the response that needed it. It ends with
//! any other command, 30 seconds after its last step, and with the token that it was begun with.

use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};

use super::{
    machine::{Authenticator, Stateful},
    step::{Channel, Job, Outcome, Step},
    token::Reader,
};
use crate::{
    credential::{ChangeSet, CredentialRecord, Overview, Query, Records},
    ctap2::{
        CredentialManagement, CredentialManagementResponse, LargeBlobKey, ManageCredentials,
        ManagedCredential, PinUvAuth, Response, Status,
    },
    pin_uv::Permissions,
    time::Moment,
    webauthn::{CredentialId, RpEntity, RpId, UserEntity, truncate_name},
};

/// For how long the next step of an enumeration may be asked for, in milliseconds (section 6: "the time between such
/// commands exceeds 30 seconds").
const STEP_TIMEOUT: u64 = 30_000;

/// What a verified token allows.
struct Mandate {
    /// The relying party that the token is bound to.
    rp_id: Option<RpId>,
    /// The first tick at which the token is over.
    ends: u64,
}

/// What is left of an enumeration.
pub(super) struct Walk<T> {
    from: Channel,
    /// The tick after which it is over if it is not gone on with.
    deadline: u64,
    /// The first tick at which the token is over: "the state [...] MUST be discarded if the pinUvAuthToken that
    /// authenticated the state initializing command expires".
    ends: u64,
    /// The next one last.
    remaining: Vec<T>,
}

impl<T> Walk<T> {
    fn new(from: Channel, mandate: &Mandate) -> Self {
        Self { from, deadline: 0, ends: mandate.ends, remaining: Vec::new() }
    }

    /// The first tick at which it is over.
    pub(super) fn over_at(&self) -> u64 {
        self.deadline.saturating_add(1).min(self.ends)
    }

    fn is_open(&self, from: Channel, now: Moment) -> bool {
        self.from == from && now.ticks < self.over_at()
    }

    /// How many there were, the one that is being told included.
    fn total(&self) -> Option<u64> {
        Some(u64::try_from(self.remaining.len()).unwrap_or(u64::MAX).saturating_add(1))
    }

    /// Goes on from this moment; `None` when nothing is left.
    fn remember(mut self, now: Moment) -> Option<Self> {
        self.deadline = now.after(STEP_TIMEOUT);
        (!self.remaining.is_empty()).then_some(self)
    }
}

/// What is left of the credentials of one relying party.
pub(super) struct CredentialWalk {
    rp_id: RpId,
    walk: Walk<CredentialId>,
}

impl CredentialWalk {
    /// The first tick at which it is over.
    pub(super) fn over_at(&self) -> u64 {
        self.walk.over_at()
    }
}

/// What the store's overview is for.
pub(super) enum Survey {
    Metadata,
    RelyingParties(Walk<RpId>),
}

/// What a record is looked up for.
pub(super) enum Task {
    Begin(Walk<CredentialId>),
    Next(CredentialWalk),
    /// Of a token that is bound to the relying party, if to any.
    Delete(Option<RpId>),
    Update(Option<RpId>, UserEntity),
}

impl Authenticator {
    pub(super) fn credential_management(
        &mut self,
        from: Channel,
        request: CredentialManagement,
        remembered: Option<Stateful>,
        now: Moment,
    ) -> Result<Step, Status> {
        let settings = &self.settings;
        let on = if request.preview {
            settings.credential_management_preview
        } else {
            settings.credential_management
        };
        if !on {
            return Err(Status::InvalidCommand);
        }
        // The next steps of an enumeration carry no pinUvAuthParam: they go on with what was authorized.
        match request.subcommand {
            ManageCredentials::EnumerateRpsNext => return self.next_relying_party(from, remembered, now),
            ManageCredentials::EnumerateCredentialsNext => {
                return self.next_credential(from, remembered, now);
            }
            _ => {}
        }
        // "If pinUvAuthParam is missing from the input map, end the operation by returning CTAP2_ERR_PUAT_REQUIRED."
        let auth = request.pin_uv_auth.as_ref().ok_or(Status::PuatRequired)?;
        let mandate = self.mandate(&request, auth, now)?;
        self.begin_managing(from, request.subcommand, mandate)
    }

    /// The pinUvAuthParam is over the sub-command and its parameters as they were received, by the token with permission cm;
    /// what only reads may be authorized by the persistent token.
    fn mandate(
        &mut self,
        request: &CredentialManagement,
        auth: &PinUvAuth,
        now: Moment,
    ) -> Result<Mandate, Status> {
        let message: &[&[u8]] = &[&request.signed];
        let reads = !matches!(
            request.subcommand,
            ManageCredentials::Delete { .. } | ManageCredentials::UpdateUser { .. }
        );
        let token = if reads {
            match self.verify_token_or_persistent(auth, message, now)? {
                Reader::Token(token) => token,
                Reader::Persistent => return Ok(Mandate { rp_id: None, ends: u64::MAX }),
            }
        } else {
            self.verify_token(auth, message, Permissions::CREDENTIAL_MANAGEMENT, now)?
        };
        Ok(Mandate { rp_id: token.rp_id().cloned(), ends: token.over_at() })
    }

    fn begin_managing(
        &mut self,
        from: Channel,
        subcommand: ManageCredentials,
        mandate: Mandate,
    ) -> Result<Step, Status> {
        match subcommand {
            // Sections 6.8.2 and 6.8.3: "the pinUvAuthToken [...] does not have a permissions RP ID".
            ManageCredentials::GetMetadata | ManageCredentials::EnumerateRpsBegin
                if mandate.rp_id.is_some() =>
            {
                Err(Status::PinAuthInvalid)
            }
            ManageCredentials::GetMetadata => Ok(self.survey(Survey::Metadata)),
            ManageCredentials::EnumerateRpsBegin => {
                Ok(self.survey(Survey::RelyingParties(Walk::new(from, &mandate))))
            }
            // Section 6.8.4: "the pinUvAuthToken has a permissions RP ID that matches the rpIDHash", or none.
            ManageCredentials::EnumerateCredentialsBegin { rp_id_hash } => {
                if mandate.rp_id.as_ref().is_some_and(|bound| bound.hash() != rp_id_hash) {
                    return Err(Status::PinAuthInvalid);
                }
                let task = Task::Begin(Walk::new(from, &mandate));
                Ok(self.load(Query::OfHash(rp_id_hash), manage(task)))
            }
            ManageCredentials::Delete { credential } => {
                self.load_identified(credential, Task::Delete(mandate.rp_id))
            }
            ManageCredentials::UpdateUser { credential, user } => {
                self.load_identified(credential, Task::Update(mandate.rp_id, user))
            }
            // Gone on with above.
            ManageCredentials::EnumerateRpsNext | ManageCredentials::EnumerateCredentialsNext => {
                Err(Status::NotAllowed)
            }
        }
    }

    fn load_identified(&mut self, credential: Option<CredentialId>, task: Task) -> Result<Step, Status> {
        let id = credential.ok_or(Status::NoCredentials)?;
        Ok(self.load(Query::Identified(id), manage(task)))
    }

    /// Sections 6.8.2 and 6.8.3, with what the store holds.
    pub(super) fn surveyed_for(
        &mut self,
        survey: Survey,
        overview: Overview,
        now: Moment,
    ) -> Result<Step, Status> {
        match survey {
            Survey::Metadata => Ok(respond(CredentialManagementResponse::Metadata {
                existing: overview.discoverable,
                // An estimate; a store without a limit must not burst the integers of small platforms.
                remaining: overview.remaining.min(u32::MAX.into()),
            })),
            Survey::RelyingParties(mut walk) => {
                walk.remaining = overview.relying_parties.into_iter().map(|rp| rp.id).collect();
                walk.remaining.sort_unstable_by(|left, right| right.cmp(left));
                walk.remaining.dedup();
                let rp_id = walk.remaining.pop().ok_or(Status::NoCredentials)?;
                let total = walk.total();
                Ok(self.tell_relying_party(rp_id, total, walk, now))
            }
        }
    }

    /// Section 6.8.3, enumerateRPsGetNextRP.
    fn next_relying_party(
        &mut self,
        from: Channel,
        remembered: Option<Stateful>,
        now: Moment,
    ) -> Result<Step, Status> {
        let Some(Stateful::RelyingParties(walk)) = remembered else { return Err(Status::NotAllowed) };
        let mut walk = *walk;
        if !walk.is_open(from, now) {
            return Err(Status::NotAllowed);
        }
        let rp_id = walk.remaining.pop().ok_or(Status::NotAllowed)?;
        Ok(self.tell_relying_party(rp_id, None, walk, now))
    }

    /// Of the entity, the identifier is enough: it is what names are looked up by.
    fn tell_relying_party(&mut self, rp_id: RpId, total: Option<u64>, walk: Walk<RpId>, now: Moment) -> Step {
        let rp_id_hash = rp_id.hash();
        let rp = RpEntity { id: rp_id, name: None };
        let response = CredentialManagementResponse::RelyingParty { rp, rp_id_hash, total };
        let remember = walk.remember(now).map(|walk| Stateful::RelyingParties(Box::new(walk)));
        self.finish(outcome(response), remember)
    }

    /// Section 6.8.4, enumerateCredentialsGetNextCredential.
    fn next_credential(
        &mut self,
        from: Channel,
        remembered: Option<Stateful>,
        now: Moment,
    ) -> Result<Step, Status> {
        match remembered {
            Some(Stateful::Credentials(next)) if next.walk.is_open(from, now) => {
                self.load_next_managed(*next)
            }
            _ => Err(Status::NotAllowed),
        }
    }

    fn load_next_managed(&mut self, mut next: CredentialWalk) -> Result<Step, Status> {
        let id = next.walk.remaining.pop().ok_or(Status::NotAllowed)?;
        let query = Query::Named(next.rp_id.clone(), id.into());
        Ok(self.load(query, manage(Task::Next(next))))
    }

    /// Goes on with the records that a sub-command needs.
    pub(super) fn managed_found(
        &mut self,
        task: Task,
        mut records: Records,
        now: Moment,
    ) -> Result<Step, Status> {
        records.retain(|record| record.credential.discoverable);
        match task {
            Task::Begin(walk) => self.first_credential(walk, records, now),
            Task::Next(next) => match records.pop() {
                Some(record) => Ok(self.tell_credential(&record, None, next, now)),
                // Deleted meanwhile by the host: passed over.
                None => self.load_next_managed(next),
            },
            Task::Delete(bound) => {
                let record = the_one(records, bound.as_ref())?;
                Ok(self.delete_credential(record.credential.id.clone()))
            }
            Task::Update(bound, user) => {
                let record = the_one(records, bound.as_ref())?;
                self.update_user(record, user)
            }
        }
    }

    /// Section 6.8.4: the newest first, as in getAssertion.
    fn first_credential(
        &mut self,
        mut walk: Walk<CredentialId>,
        mut records: Records,
        now: Moment,
    ) -> Result<Step, Status> {
        records.sort_unstable_by(|left, right| {
            let (left, right) = (&left.credential, &right.credential);
            left.age().cmp(&right.age()).then_with(|| right.id.cmp(&left.id))
        });
        let newest = records.pop().ok_or(Status::NoCredentials)?;
        walk.remaining = records.iter().map(|record| record.credential.id.clone()).collect();
        let total = walk.total();
        let next = CredentialWalk { rp_id: newest.credential.rp.id.clone(), walk };
        Ok(self.tell_credential(&newest, total, next, now))
    }

    fn tell_credential(
        &mut self,
        record: &CredentialRecord,
        total: Option<u64>,
        next: CredentialWalk,
        now: Moment,
    ) -> Step {
        let response = CredentialManagementResponse::Credential(Box::new(shown(record, total)));
        let CredentialWalk { rp_id, walk } = next;
        let remember =
            walk.remember(now).map(|walk| Stateful::Credentials(Box::new(CredentialWalk { rp_id, walk })));
        self.finish(outcome(response), remember)
    }

    /// Section 6.8.5.
    fn delete_credential(&mut self, id: CredentialId) -> Step {
        let changes = ChangeSet { delete: vec![id], ..ChangeSet::default() };
        let state = self.state.with_changed_store();
        self.commit(changes, Some(state), done(), None)
    }

    /// Section 6.8.6.
    fn update_user(&mut self, record: Arc<CredentialRecord>, user: UserEntity) -> Result<Step, Status> {
        // "If the user.id [...] does not match: CTAP1_ERR_INVALID_PARAMETER."
        if record.credential.user.id != user.id {
            return Err(Status::InvalidParameter);
        }
        let mut record = CredentialRecord::unshare(record);
        // "If a field is not present in the passed-in user details, or it is present and empty, remove it".
        let limit = self.settings.name_limit;
        let kept = |name: Option<Arc<str>>| {
            name.filter(|name| !name.is_empty()).map(|name| truncate_name(&name, limit).into())
        };
        record.credential.user.name = kept(user.name);
        record.credential.user.display_name = kept(user.display_name);
        // Deleted since it was looked up, it stays deleted: an update that finds nothing fails the command.
        let changes = ChangeSet { update: vec![record], ..ChangeSet::default() };
        let state = self.state.with_changed_store();
        Ok(self.commit(changes, Some(state), done(), None))
    }
}

/// "If there is no matching credential: CTAP2_ERR_NO_CREDENTIALS", and the token's relying party is the credential's: "If
/// the permissions RP ID does not match the RP ID of this credential: CTAP2_ERR_PIN_AUTH_INVALID".
fn the_one(mut records: Records, bound: Option<&RpId>) -> Result<Arc<CredentialRecord>, Status> {
    let record = records.pop().ok_or(Status::NoCredentials)?;
    match bound {
        Some(rp_id) if *rp_id != record.credential.rp.id => Err(Status::PinAuthInvalid),
        _ => Ok(record),
    }
}

fn shown(record: &CredentialRecord, total: Option<u64>) -> ManagedCredential {
    let key = &record.secret.key;
    ManagedCredential {
        public_key: (key.algorithm(), key.public().clone()),
        user: record.credential.user.clone(),
        credential: record.credential.id.clone(),
        total,
        cred_protect: record.credential.cred_protect.level(),
        large_blob_key: record.extensions.large_blob_key.as_ref().map(|key| LargeBlobKey(key.clone_secret())),
        third_party_payment: Some(record.extensions.third_party_payment),
    }
}

fn manage(task: Task) -> Job {
    Job::Manage(Box::new(task))
}

fn outcome(response: CredentialManagementResponse) -> Outcome {
    Outcome { response: Response::CredentialManagement(response), prf: None }
}

fn respond(response: CredentialManagementResponse) -> Step {
    Step::Done(outcome(response))
}

/// Sub-commands that change something answer nothing but success.
fn done() -> Outcome {
    Outcome { response: Response::Empty, prf: None }
}
