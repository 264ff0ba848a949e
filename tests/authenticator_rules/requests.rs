//! Requests to start from, and what is read out of responses.

use countersign::{
    authenticator::{Pending, Question, Settings, Step, Turn, UserVerification},
    cose::{CoseAlgorithm, PublicKey},
    credential::{ChangeSet, CredProtect, CredentialRecord, CredentialStore, Query, StoreError},
    crypto::{CryptoProvider, RustCrypto},
    ctap2::{
        GetAssertion, GetAssertionExtensions, GetAssertionResponse, MakeCredential, MakeCredentialExtensions,
        MakeCredentialResponse, Options, PinUvAuth, Request, Response, Status,
    },
    webauthn::{
        AuthenticatorDataView, ClientDataHash, CredentialDescriptor, CredentialId, Flags, RpEntity, RpId,
        UserEntity, UserHandle,
    },
};

use crate::common::world::{Person, World, answer};

pub const RP: &str = "example.com";
pub const HASH: ClientDataHash = ClientDataHash([0xcd; 32]);
pub const ES256: i64 = -7;
pub const EDDSA: i64 = -8;

/// A non-discoverable ES256 credential for user 1 of [`RP`].
pub fn create() -> MakeCredential {
    MakeCredential {
        client_data_hash: HASH,
        rp: RpEntity { id: rp_id(RP), name: None },
        user: user(1),
        algorithms: vec![ES256],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions::default(),
        options: Options::default(),
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    }
}

/// A discoverable credential of user `number`.
pub fn create_discoverable(number: u8) -> MakeCredential {
    let options = Options { rk: Some(true), ..Options::default() };
    MakeCredential { user: user(number), options, ..create() }
}

/// As [`create_discoverable`], with user verification.
pub fn create_verified(number: u8) -> MakeCredential {
    let mut request = create_discoverable(number);
    request.options.uv = Some(true);
    request
}

pub fn protected(mut request: MakeCredential, level: u64) -> MakeCredential {
    request.extensions.cred_protect = Some(level);
    request
}

/// A sign-in that names no credential.
pub fn get() -> GetAssertion {
    GetAssertion {
        rp_id: rp_id(RP),
        client_data_hash: HASH,
        allow_list: None,
        extensions: GetAssertionExtensions::default(),
        options: Options::default(),
        pin_uv_auth: None,
    }
}

pub fn get_named(ids: &[&CredentialId]) -> GetAssertion {
    GetAssertion { allow_list: Some(descriptors(ids)), ..get() }
}

pub fn get_verified() -> GetAssertion {
    GetAssertion { options: Options { uv: Some(true), ..Default::default() }, ..get() }
}

pub fn get_silently() -> GetAssertion {
    GetAssertion { options: Options { up: Some(false), ..Default::default() }, ..get() }
}

pub fn descriptors(ids: &[&CredentialId]) -> Vec<CredentialDescriptor> {
    ids.iter().map(|id| CredentialDescriptor { id: (*id).clone() }).collect()
}

pub fn user(number: u8) -> UserEntity {
    UserEntity {
        id: UserHandle::new(&[number; 8]).unwrap(),
        name: Some(format!("user{number}@example.com").into()),
        display_name: Some(format!("User {number}").into()),
    }
}

pub fn rp_id(text: &str) -> RpId {
    RpId::new(text).unwrap()
}

pub fn param(length: usize, protocol: Option<u64>) -> Option<PinUvAuth> {
    Some(PinUvAuth { param: vec![0; length], protocol })
}

pub fn host_verified(settings: Settings) -> Settings {
    Settings { user_verification: UserVerification::Host, ..settings }
}

/// What a test does to a world, beyond what [`World`] has.
impl World {
    pub fn make(&mut self, request: MakeCredential, person: Person) -> Response {
        self.call(Request::MakeCredential(request), person)
    }

    pub fn get(&mut self, request: GetAssertion, person: Person) -> Response {
        self.call(Request::GetAssertion(request), person)
    }

    pub fn next(&mut self) -> Response {
        self.call(Request::GetNextAssertion, Person::Willing)
    }

    /// Registers, and returns what was stored.
    pub fn register(&mut self, request: MakeCredential) -> CredentialRecord {
        let made = made(self.make(request, Person::Willing));
        let id = view(&made.auth_data).attested.unwrap().1;
        self.record(&id).expect("the new credential is stored")
    }

    pub fn record(&self, id: &CredentialId) -> Option<CredentialRecord> {
        self.records().into_iter().find(|record| record.credential.id == *id)
    }

    pub fn delete(&mut self, id: &CredentialId) {
        self.store.commit(ChangeSet { delete: vec![id.clone()], ..ChangeSet::default() }).unwrap();
    }

    pub fn put(&mut self, record: CredentialRecord) {
        self.store.commit(ChangeSet { put: vec![record], ..ChangeSet::default() }).unwrap();
    }

    pub fn update(&mut self, record: CredentialRecord) -> Result<(), StoreError> {
        self.store.commit(ChangeSet { update: vec![record], ..ChangeSet::default() })
    }

    /// Runs a command up to its next question.
    pub fn until_asked(&mut self, step: Step) -> (Question, Pending) {
        match self.turn(step) {
            Turn::Ask(question, pending) => (question, pending),
            Turn::Done(outcome) => panic!("done without a question: {:?}", outcome.response),
        }
    }

    /// Runs a command up to its next commit, which is not carried out; `person` answers what is asked until then.
    pub fn until_commit(&mut self, mut step: Step, person: Person) -> (ChangeSet, Pending) {
        loop {
            step = match step {
                Step::Commit(changes, pending) => return (changes, pending),
                Step::Load(query, pending) => self.loaded(&query, pending),
                Step::Survey(pending) => {
                    let found = self.store.survey();
                    self.authenticator.surveyed(pending, found, self.now)
                }
                Step::Ask(question, pending) => {
                    let answer = answer(&question, person);
                    self.authenticator.answer(pending, answer, self.now, &mut self.rng)
                }
                Step::Done(outcome) => panic!("done without a commit: {:?}", outcome.response),
            };
        }
    }

    pub fn loaded(&mut self, query: &Query, pending: Pending) -> Step {
        let found = self.store.load(query);
        self.authenticator.loaded(pending, found, self.now, &mut self.rng)
    }

    /// Carries a commit out and goes on, to the next step.
    pub fn commit(&mut self, changes: ChangeSet, pending: Pending) -> Step {
        let result = self.store.commit(changes);
        self.authenticator.committed(pending, result, self.now, &mut self.rng)
    }

    /// Forgets the questions so far and says how many the closure leads to.
    pub fn questions_of<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> (T, Vec<Question>) {
        self.asked.clear();
        let result = act(self);
        (result, std::mem::take(&mut self.asked))
    }
}

pub fn done(step: Step) -> Response {
    match step {
        Step::Done(outcome) => outcome.response,
        Step::Ask(question, _) => panic!("asks {question:?}"),
        Step::Load(query, _) => panic!("loads {query:?}"),
        Step::Survey(_) => panic!("surveys"),
        Step::Commit(..) => panic!("commits"),
    }
}

#[track_caller]
pub fn assert_failed(response: &Response, status: Status) {
    assert_eq!(*response, Response::Failed(status));
}

#[track_caller]
pub fn made(response: Response) -> MakeCredentialResponse {
    match response {
        Response::MakeCredential(response) => response,
        other => panic!("no registration: {other:?}"),
    }
}

#[track_caller]
pub fn asserted(response: Response) -> GetAssertionResponse {
    match response {
        Response::GetAssertion(response) => response,
        other => panic!("no assertion: {other:?}"),
    }
}

pub fn view(auth_data: &[u8]) -> AuthenticatorDataView<'_> {
    AuthenticatorDataView::parse(auth_data).expect("authenticator data")
}

pub fn flags(auth_data: &[u8]) -> Flags {
    view(auth_data).flags
}

pub fn level(record: &CredentialRecord) -> CredProtect {
    record.credential.cred_protect
}

/// Verifies a signature twice: with our provider, and with the curve's own crate.
pub fn assert_signed(key: &PublicKey, message: &[&[u8]], signature: &[u8]) {
    let bytes = message.concat();
    let ours = CoseAlgorithm::ALL.iter().copied().find(|algorithm| key.is_for(*algorithm));
    RustCrypto.verify(ours.unwrap(), key, message, signature).unwrap();
    match key {
        PublicKey::P256(point) => {
            use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
            let sec1 = [&[4][..], &point.x, &point.y].concat();
            let verifying = VerifyingKey::from_sec1_bytes(&sec1).expect("a point on P-256");
            verifying.verify(&bytes, &Signature::from_der(signature).expect("DER")).expect("p256 agrees");
        }
        PublicKey::P384(point) => {
            use p384::ecdsa::{Signature, VerifyingKey, signature::Verifier};
            let sec1 = [&[4][..], &point.x, &point.y].concat();
            let verifying = VerifyingKey::from_sec1_bytes(&sec1).expect("a point on P-384");
            verifying.verify(&bytes, &Signature::from_der(signature).expect("DER")).expect("p384 agrees");
        }
        PublicKey::Ed25519(public) => {
            let verifying = ed25519_dalek::VerifyingKey::from_bytes(public).expect("a point on Ed25519");
            let signature_bytes = ed25519_dalek::Signature::from_slice(signature).expect("64 bytes");
            verifying.verify_strict(&bytes, &signature_bytes).expect("ed25519-dalek agrees");
        }
        // ML-DSA has tests of its own.
        _ => {}
    }
}

/// The assertion of `record`, signed by its key over authenticatorData || clientDataHash.
pub fn assert_assertion_signed(record: &CredentialRecord, assertion: &GetAssertionResponse) {
    assert_eq!(assertion.credential, record.credential.id);
    assert_signed(record.secret.key.public(), &[&assertion.auth_data, &HASH.0], &assertion.signature);
}
