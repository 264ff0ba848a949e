//! What the benches share: an authenticator with its store, requests, and somebody who always consents. Nothing here checks
//! responses: that is the tests', and would be measured.

use std::sync::Arc;

use countersign::{
    authenticator::{
        Answer, Authenticator, Channel, CounterPolicy, Outcome, ProviderRequest, Question, Settings, Step,
        Turn, UserVerification, Verification, run,
    },
    cose::CoseAlgorithm,
    credential::{
        Backup, ChangeSet, CredProtect, Credential, CredentialRecord, CredentialSecret, CredentialStore,
        MemoryStore,
    },
    crypto::{CryptoProvider, RustCrypto},
    ctap2::{
        ClientPin, ClientPinResponse, GetAssertion, GetAssertionExtensions, HmacSecretInput, MakeCredential,
        MakeCredentialExtensions, Options, Request, Response,
    },
    ctaphid::{BROADCAST, Command, Fragments, Report},
    device::{Device, Event},
    pin_uv::{PinUvAuthProtocol, encapsulate},
    secret::Secret,
    time::Moment,
    webauthn::{
        Aaguid, ClientDataHash, CredentialDescriptor, CredentialId, RpEntity, RpId, UserEntity, UserHandle,
    },
};

use crate::seeded_rng::SeededRng;

/// An authenticator whose host verifies users, with its store.
pub struct World {
    pub authenticator: Authenticator,
    pub store: MemoryStore,
    pub rng: SeededRng,
    now: Moment,
}

impl World {
    /// No counter and no date of use: what is measured is the command, not the store.
    pub fn new() -> Self {
        let settings = Settings {
            sign_count: CounterPolicy::Zero,
            user_verification: UserVerification::Host,
            ..Settings::security_key()
        };
        Self {
            authenticator: Authenticator::new(settings, None, Arc::new(RustCrypto)).unwrap(),
            store: MemoryStore::default(),
            rng: SeededRng(0),
            now: Moment { ticks: 0, date: None },
        }
    }

    pub fn call(&mut self, request: Request) -> Response {
        let step = self.authenticator.begin(Channel(1), request, self.now, &mut self.rng);
        self.finish(step).response
    }

    pub fn ctap(&mut self, message: &[u8]) -> Vec<u8> {
        let step = self.authenticator.begin_ctap(Channel(1), message, self.now, &mut self.rng);
        self.finish(step).response.encode()
    }

    pub fn provider(&mut self, request: ProviderRequest) -> Outcome {
        let step = self.authenticator.begin_provider(Channel(1), request, self.now, &mut self.rng);
        self.finish(step)
    }

    fn finish(&mut self, mut step: Step) -> Outcome {
        loop {
            match run(&mut self.authenticator, &mut self.store, step, self.now, &mut self.rng) {
                Turn::Done(outcome) => return outcome,
                Turn::Ask(question, pending) => {
                    let answer = consent(&question);
                    step = self.authenticator.answer(pending, answer, self.now, &mut self.rng);
                }
            }
        }
    }
}

/// The same authenticator as a security key: reports in, reports out.
pub struct Plugged {
    world: World,
    device: Device,
    channel: u32,
}

impl Plugged {
    /// Plugs it in, and takes a channel.
    pub fn new(mut world: World) -> Self {
        let mut device = Device::new([0, 1, 0], &mut world.rng);
        let init = Fragments::new(BROADCAST, Command::Init, vec![0; 8]).unwrap().next().unwrap();
        device.receive(&init, world.now);
        let answer = device.next_report().unwrap();
        let channel = u32::from_be_bytes(*answer[15..].first_chunk().unwrap());
        Self { world, device, channel }
    }

    /// A CTAP2 message in reports.
    pub fn reports(&self, message: &[u8]) -> Vec<Report> {
        Fragments::new(self.channel, Command::Cbor, message.to_vec()).unwrap().collect()
    }

    /// One transaction. How many reports came back: those of the response, and a keepalive for each change of what is
    /// waited for.
    pub fn transact(&mut self, reports: &[Report]) -> usize {
        let Self { world, device, .. } = self;
        let mut sent = 0;
        for report in reports {
            device.receive(report, world.now);
        }
        while let Some(event) = device.next_event() {
            match event {
                Event::Job(job) => {
                    let finished =
                        job.run(&mut world.authenticator, &mut world.store, world.now, &mut world.rng);
                    device.finish(finished, world.now);
                }
                Event::Ask(id, question) => {
                    assert!(device.answer(id, consent(&question), world.now));
                }
                Event::Withdraw(_) | Event::Wink => panic!("nobody asked for that"),
            }
            sent += std::iter::from_fn(|| device.next_report()).map(std::hint::black_box).count();
        }
        sent
    }
}

/// Somebody who always consents, and can be verified where that is asked for.
fn consent(question: &Question) -> Answer {
    match question.verification {
        Verification::Host => Answer::Verified { choice: None },
        _ => Answer::Approved { choice: None },
    }
}

const RP: &str = "example.org";

pub fn make_credential(algorithm: CoseAlgorithm) -> MakeCredential {
    MakeCredential {
        client_data_hash: ClientDataHash([7; 32]),
        rp: RpEntity { id: RpId::new(RP).unwrap(), name: None },
        user: user(0),
        algorithms: vec![algorithm.identifier()],
        exclude_list: Vec::new(),
        extensions: MakeCredentialExtensions { hmac_secret: Some(true), ..Default::default() },
        options: Options { rk: Some(true), up: None, uv: Some(true) },
        pin_uv_auth: None,
        enterprise_attestation: None,
        attestation_formats_preference: Vec::new(),
    }
}

fn user(number: u64) -> UserEntity {
    let id = UserHandle::new(&number.to_be_bytes()).unwrap();
    UserEntity { id, name: Some("alice".into()), display_name: Some("Alice".into()) }
}

pub fn get_assertion(id: Option<&CredentialId>, hmac_secret: Option<HmacSecretInput>) -> GetAssertion {
    GetAssertion {
        rp_id: RpId::new(RP).unwrap(),
        client_data_hash: ClientDataHash([8; 32]),
        allow_list: id.map(|id| vec![CredentialDescriptor { id: id.clone() }]),
        extensions: GetAssertionExtensions { hmac_secret, ..Default::default() },
        options: Options { rk: None, up: None, uv: None },
        pin_uv_auth: None,
    }
}

pub fn registered(world: &mut World, algorithm: CoseAlgorithm) -> CredentialId {
    let response = world.call(Request::MakeCredential(make_credential(algorithm)));
    assert!(matches!(response, Response::MakeCredential(_)), "{response:?}");
    world.store.records().next().unwrap().credential.id.clone()
}

pub fn hmac_secret_input(world: &mut World, protocol: PinUvAuthProtocol) -> HmacSecretInput {
    let request = Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: protocol.number() });
    let Response::ClientPin(ClientPinResponse::KeyAgreement(peer)) = world.call(request) else {
        panic!("getKeyAgreement answers a key");
    };
    let (key_agreement, shared) = encapsulate(&RustCrypto, protocol, &peer, &mut world.rng).unwrap();
    let salt_enc = shared.encrypt(&[5; 32], &mut world.rng).unwrap();
    let salt_auth = shared.authenticate(&[&salt_enc]);
    HmacSecretInput { key_agreement, salt_enc, salt_auth, pin_uv_auth_protocol: Some(protocol.number()) }
}

/// Passkeys of as many other relying parties.
pub fn fill(store: &mut MemoryStore, count: u64) {
    fill_with(store, count, |number| RpId::new(&format!("{number}.example")).unwrap());
}

/// Passkeys of as many other users of the same relying party.
pub fn fill_party(store: &mut MemoryStore, count: u64) {
    fill_with(store, count, |_| RpId::new(RP).unwrap());
}

/// One key pair serves them all: it is never used.
fn fill_with(store: &mut MemoryStore, count: u64, rp: impl Fn(u64) -> RpId) {
    let pair = RustCrypto.make_key_pair(CoseAlgorithm::Es256, &mut SeededRng(0));
    for number in 1..=count {
        let credential = Credential {
            id: CredentialId::new(&[&number.to_be_bytes()[..], &[0; 24]].concat()).unwrap(),
            rp: RpEntity { id: rp(number), name: None },
            user: user(number),
            discoverable: true,
            cred_protect: CredProtect::UserVerificationOptional,
            backup: Backup::DeviceBound,
            sign_count: 0,
            aaguid: Aaguid::ZERO,
            order: number,
            created: None,
            last_used: None,
        };
        let secret = CredentialSecret {
            key: pair.clone_secret(),
            cred_random_with_uv: Secret::init_with(|_| ()),
            cred_random_without_uv: Secret::init_with(|_| ()),
        };
        let put = vec![CredentialRecord::new(credential, secret)];
        store.commit(ChangeSet { put, ..ChangeSet::default() }).unwrap();
    }
}
