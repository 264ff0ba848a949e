//! Random sequences of commands against a plain model of what is kept: each command has the status that the model says,
//! and leaves the store as the model says; a failed one leaves it byte-identical.

mod common;

use common::world::{Person, World, answer};
use countersign::{
    authenticator::{Settings, Step, UserVerification},
    credential::{CredentialStore, MemoryStore, StoreError},
    ctap2::{GetAssertion, MakeCredential, MakeCredentialExtensions, Options, Request, Response, Status},
    webauthn::{
        AuthenticatorDataView, ClientDataHash, CredentialDescriptor, CredentialId, RpEntity, RpId,
        UserEntity, UserHandle,
    },
};
use proptest::prelude::*;

/// One operation. Indices pick one of the credentials that there are, if there is any.
#[derive(Debug, Clone)]
enum Operation {
    Create {
        rp: u8,
        user: u8,
        rk: bool,
        level: u8,
        uv: bool,
        exclude: Option<usize>,
        person: Person,
        fails: bool,
    },
    Get {
        rp: u8,
        named: Option<usize>,
        uv: bool,
        up: bool,
        person: Person,
        fails: bool,
    },
    Next,
    Delete(usize),
    Reset {
        person: Person,
        fails: bool,
    },
    PowerCycle,
}

/// A credential as the model sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    id: CredentialId,
    rp: u8,
    user: u8,
    rk: bool,
    level: u8,
    count: u32,
}

/// Credentials in the order of their creation, the places that are left over for getNextAssertion, and the room.
struct Model {
    kept: Vec<Kept>,
    next: Vec<CredentialId>,
    capacity: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Made { replaces: Vec<CredentialId> },
    Signed { id: CredentialId, count: u32, number: Option<u64> },
    Done,
    Failed(Status),
}

/// What a person's refusal comes to; `None` is consent.
fn refusal(person: Person, verifies: bool) -> Option<Status> {
    match (person, verifies) {
        (Person::Absent, true) => Some(Status::UserActionTimeout),
        (Person::Willing, _) | (Person::OnlyTouches, false) => None,
        _ => Some(Status::OperationDenied),
    }
}

impl Model {
    fn create(&self, operation: &Operation, excluded: Option<&CredentialId>) -> Expected {
        let Operation::Create { rp, user, rk, uv, person, fails, .. } = operation else { unreachable!() };
        if *rk && !uv {
            return Expected::Failed(Status::OperationDenied);
        }
        if let (true, Some(status)) = (*uv, refusal(*person, true)) {
            return Expected::Failed(status);
        }
        let is_excluded =
            |kept: &Kept| Some(&kept.id) == excluded && kept.rp == *rp && (kept.level != 3 || *uv);
        if self.kept.iter().any(is_excluded) {
            return Expected::Failed(Status::CredentialExcluded);
        }
        if let (false, Some(status)) = (*uv, refusal(*person, false)) {
            return Expected::Failed(status);
        }
        let same = |kept: &&Kept| *rk && kept.rk && kept.rp == *rp && kept.user == *user;
        let replaces: Vec<_> = self.kept.iter().filter(same).map(|kept| kept.id.clone()).collect();
        if *fails {
            Expected::Failed(Status::Other)
        } else if self.kept.len() - replaces.len() >= self.capacity {
            Expected::Failed(Status::KeyStoreFull)
        } else {
            Expected::Made { replaces }
        }
    }

    fn get(&mut self, operation: &Operation, named: Option<&CredentialId>) -> Expected {
        let Operation::Get { rp, uv, up, person, fails, .. } = operation else { unreachable!() };
        self.next.clear();
        let applies = |kept: &&Kept| {
            let level = if named.is_some() { 3 } else { 2 };
            kept.rp == *rp && named.map_or(kept.rk, |id| kept.id == *id) && (kept.level < level || *uv)
        };
        let found: Vec<_> = self.kept.iter().rev().filter(applies).map(|kept| kept.id.clone()).collect();
        if let (true, Some(status)) = (*up || *uv, refusal(*person, *uv)) {
            return Expected::Failed(status);
        }
        let Some((first, others)) = found.split_first() else {
            return Expected::Failed(Status::NoCredentials);
        };
        if *fails {
            return Expected::Failed(Status::Other);
        }
        let several = named.is_none() && !others.is_empty();
        self.next = if several { others.to_vec() } else { Vec::new() };
        self.sign(first, several.then_some(found.len() as u64))
    }

    fn next(&mut self) -> Expected {
        while !self.next.is_empty() {
            let id = self.next.remove(0);
            if self.kept.iter().any(|kept| kept.id == id) {
                return self.sign(&id, None);
            }
        }
        Expected::Failed(Status::NotAllowed)
    }

    fn sign(&mut self, id: &CredentialId, number: Option<u64>) -> Expected {
        let kept = self.kept.iter_mut().find(|kept| kept.id == *id).unwrap();
        kept.count += 1;
        Expected::Signed { id: id.clone(), count: kept.count, number }
    }
}

/// A store's commits fail while `fails` says so.
fn drive(world: &mut World, request: Request, person: Person, fails: bool) -> Response {
    let mut step = world.begin(request);
    loop {
        step = match step {
            Step::Done(outcome) => {
                common::world::assert_canonical(&outcome.response.encode());
                return outcome.response;
            }
            Step::Ask(question, pending) => {
                let answer = answer(&question, person);
                world.authenticator.answer(pending, answer, world.now, &mut world.rng)
            }
            Step::Load(query, pending) => {
                let found = world.store.load(&query);
                world.authenticator.loaded(pending, found, world.now, &mut world.rng)
            }
            Step::Survey(pending) => {
                let found = world.store.survey();
                world.authenticator.surveyed(pending, found, world.now)
            }
            Step::Commit(changes, pending) => {
                let result = if fails { Err(StoreError::Unavailable) } else { world.store.commit(changes) };
                world.authenticator.committed(pending, result, world.now, &mut world.rng)
            }
        };
    }
}

fn rp_id(rp: u8) -> RpId {
    RpId::new(["example.com", "example.org"][usize::from(rp)]).unwrap()
}

fn descriptors(id: Option<&CredentialId>) -> Vec<CredentialDescriptor> {
    id.into_iter().map(|id| CredentialDescriptor { id: id.clone() }).collect()
}

fn carry_out(world: &mut World, model: &mut Model, operation: &Operation) {
    let pick = |index: Option<usize>| -> Option<CredentialId> {
        let kept = &model.kept;
        index.filter(|_| !kept.is_empty()).map(|index| kept[index % kept.len()].id.clone())
    };
    let before = world.kept();
    let (expected, response) = match operation {
        Operation::Create { rp, user, rk, level, uv, exclude, person, fails } => {
            let excluded = pick(*exclude);
            let expected = model.create(operation, excluded.as_ref());
            model.next.clear();
            let request = MakeCredential {
                client_data_hash: ClientDataHash([1; 32]),
                rp: RpEntity { id: rp_id(*rp), name: None },
                user: UserEntity { id: UserHandle::new(&[*user]).unwrap(), name: None, display_name: None },
                algorithms: vec![-8],
                exclude_list: descriptors(excluded.as_ref()),
                extensions: MakeCredentialExtensions {
                    cred_protect: Some((*level).into()),
                    ..Default::default()
                },
                options: Options { rk: Some(*rk), up: None, uv: Some(*uv) },
                pin_uv_auth: None,
                enterprise_attestation: None,
                attestation_formats_preference: Vec::new(),
            };
            (expected, drive(world, Request::MakeCredential(request), *person, *fails))
        }
        Operation::Get { rp, named, uv, up, person, fails } => {
            let named = pick(*named);
            let expected = model.get(operation, named.as_ref());
            let request = GetAssertion {
                rp_id: rp_id(*rp),
                client_data_hash: ClientDataHash([1; 32]),
                allow_list: named.is_some().then(|| descriptors(named.as_ref())),
                extensions: Default::default(),
                options: Options { rk: None, up: Some(*up), uv: Some(*uv) },
                pin_uv_auth: None,
            };
            (expected, drive(world, Request::GetAssertion(request), *person, *fails))
        }
        Operation::Next => (model.next(), drive(world, Request::GetNextAssertion, Person::Absent, false)),
        Operation::Delete(index) => {
            let Some(id) = pick(Some(*index)) else { return };
            model.kept.retain(|kept| kept.id != id);
            let changes = countersign::credential::ChangeSet { delete: vec![id], ..Default::default() };
            world.store.commit(changes).unwrap();
            return;
        }
        Operation::Reset { person, fails } => {
            model.next.clear();
            // A time-out is told apart here, though nobody is verified.
            let refused = match person {
                Person::Absent => Some(Status::UserActionTimeout),
                _ => refusal(*person, false),
            };
            let expected = match (refused, fails) {
                (Some(status), _) => Expected::Failed(status),
                (None, true) => Expected::Failed(Status::Other),
                (None, false) => {
                    model.kept.clear();
                    Expected::Done
                }
            };
            (expected, drive(world, Request::Reset, *person, *fails))
        }
        Operation::PowerCycle => {
            world.power_cycle();
            model.next.clear();
            return;
        }
    };
    if matches!(response, Response::Failed(_)) {
        assert!(world.kept() == before, "a failed command left a trace");
    }
    assert_eq!(outcome(&response, model, operation, &expected), expected);
}

/// The response in the model's words; a new credential joins the model.
fn outcome(response: &Response, model: &mut Model, operation: &Operation, expected: &Expected) -> Expected {
    match response {
        Response::Failed(status) => Expected::Failed(*status),
        Response::Empty => Expected::Done,
        Response::GetAssertion(response) => Expected::Signed {
            id: response.credential.clone(),
            count: AuthenticatorDataView::parse(&response.auth_data).unwrap().sign_count,
            number: response.number_of_credentials,
        },
        Response::MakeCredential(response) => {
            let Operation::Create { rp, user, rk, level, .. } = operation else { panic!("not asked for") };
            let id = AuthenticatorDataView::parse(&response.auth_data).unwrap().attested.unwrap().1;
            let Expected::Made { replaces } = expected else { panic!("made, and {expected:?} expected") };
            model.kept.retain(|kept| !replaces.contains(&kept.id));
            model.kept.push(Kept { id, rp: *rp, user: *user, rk: *rk, level: *level, count: 0 });
            Expected::Made { replaces: replaces.clone() }
        }
        other => panic!("{other:?}"),
    }
}

/// The store holds what the model holds, in the model's order.
fn assert_agrees(world: &World, model: &Model) {
    let mut records = world.records();
    records.sort_by_key(|record| record.credential.order);
    let kept: Vec<_> = records
        .iter()
        .map(|record| {
            let credential = &record.credential;
            Kept {
                id: credential.id.clone(),
                rp: u8::from(credential.rp.id != rp_id(0)),
                user: credential.user.id.as_bytes()[0],
                rk: credential.discoverable,
                level: credential.cred_protect.level(),
                count: credential.sign_count,
            }
        })
        .collect();
    assert_eq!(kept, model.kept);
    assert!(kept.len() <= model.capacity);
}

fn person() -> impl Strategy<Value = Person> {
    prop_oneof![
        6 => Just(Person::Willing),
        1 => Just(Person::OnlyTouches),
        1 => Just(Person::Declines),
        1 => Just(Person::Absent),
    ]
}

fn fails() -> impl Strategy<Value = bool> {
    prop_oneof![9 => Just(false), 1 => Just(true)]
}

fn operation() -> impl Strategy<Value = Operation> {
    let index = || prop::option::weighted(0.4, 0..8usize);
    let create = (0..2u8, 0..3u8, any::<bool>(), 1..4u8, any::<bool>(), index(), person(), fails()).prop_map(
        |(rp, user, rk, level, uv, exclude, person, fails)| Operation::Create {
            rp,
            user,
            rk,
            level,
            // Mostly what can succeed: discoverable ones need verification here.
            uv: uv || rk,
            exclude,
            person,
            fails,
        },
    );
    let get = (0..2u8, index(), any::<bool>(), prop::bool::weighted(0.8), person(), fails())
        .prop_map(|(rp, named, uv, up, person, fails)| Operation::Get { rp, named, uv, up, person, fails });
    prop_oneof![
        8 => create,
        8 => get,
        4 => Just(Operation::Next),
        2 => (0..8usize).prop_map(Operation::Delete),
        1 => (person(), fails()).prop_map(|(person, fails)| Operation::Reset { person, fails }),
        1 => Just(Operation::PowerCycle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn store_is_what_the_model_says_after_any_commands(
        capacity in 0..7usize,
        operations in prop::collection::vec(operation(), 0..60),
    ) {
        let settings = Settings { user_verification: UserVerification::Host, ..Settings::security_key() };
        let mut world = World::new(settings);
        world.store = MemoryStore::with_capacity(capacity);
        let mut model = Model { kept: Vec::new(), next: Vec::new(), capacity };
        for operation in &operations {
            carry_out(&mut world, &mut model, operation);
            assert_agrees(&world, &model);
        }
    }
}

#[test]
fn discoverable_without_verification_is_denied_where_users_are_verified() {
    // The one case that the operations above leave out.
    let mut world = World::with_host_verifier();
    let mut model = Model { kept: Vec::new(), next: Vec::new(), capacity: usize::MAX };
    let operation = Operation::Create {
        rp: 0,
        user: 0,
        rk: true,
        level: 1,
        uv: false,
        exclude: None,
        person: Person::Willing,
        fails: false,
    };
    carry_out(&mut world, &mut model, &operation);
    assert_agrees(&world, &model);
}

#[test]
fn cleared_store_counts_two_records_of_one_identifier_once() {
    let mut world = World::fresh();
    let operation = Operation::Create {
        rp: 0,
        user: 0,
        rk: false,
        level: 1,
        uv: false,
        exclude: None,
        person: Person::Willing,
        fails: false,
    };
    let mut model = Model { kept: Vec::new(), next: Vec::new(), capacity: usize::MAX };
    carry_out(&mut world, &mut model, &operation);
    let record = || world.records().remove(0);
    let mut small = MemoryStore::with_capacity(1);
    let changes = countersign::credential::ChangeSet {
        clear: true,
        put: vec![record(), record()],
        ..Default::default()
    };
    assert_eq!(small.commit(changes), Ok(()));
}
