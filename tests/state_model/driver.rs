//! The authenticator, driven by the same commands as the reference: messages out, responses in, told in the reference's
//! terms.

use countersign::{
    authenticator::{
        Answer, LargeBlobs as LargeBlobSetting, NonDiscoverable, PinEntry, Question, Settings, Turn,
    },
    authenticator::{UserVerification, Verification},
    credential::MemoryStore,
    crypto::sha256,
    ctap2::{
        ClientPin, ClientPinResponse, Config, Configure, CredentialManagement, CredentialManagementResponse,
        GetAssertion, GetAssertionExtensions, GetAssertionResponse, GetInfoResponse, LargeBlobs,
        MakeCredential, MakeCredentialExtensions, ManageCredentials, ManagedCredential, Options, PinUvAuth,
        Request, Response, SetMinPinLength,
    },
    pin_uv::PinUvAuthProtocol,
    webauthn::{
        AuthenticatorDataView, ClientDataHash, CredentialDescriptor, CredentialId, RpEntity, RpId,
        UserEntity, UserHandle,
    },
};

use super::{
    common::{
        platform::{Platform, Token},
        seeded_rng::SeededRng,
        world::{CHANNEL, World, assert_canonical},
    },
    reference::{
        Array, Auth, BLOB_CAPACITY, BuiltInUv, CAPACITY, Command, Flaw, Info, Kind, PINS, Person, PinFlaw,
        RPS, Seen, Shown, Stored,
    },
};

pub(crate) struct Driver {
    world: World,
    /// Everything that was given out, in order.
    tokens: Vec<Token>,
    /// Everything that was made, in order.
    credentials: Vec<CredentialId>,
    /// The PIN, for a person who knows it.
    pin: Option<u8>,
}

/// What a pinUvAuthParam is made over, and what it is made over by somebody who is wrong.
const CLIENT_DATA_HASH: [u8; 32] = [7; 32];
const NOT_A_CREDENTIAL: [u8; 32] = [0xEE; 32];

impl Driver {
    pub(crate) fn new(kind: Kind) -> Self {
        let settings = Settings {
            always_uv: kind.always_uv,
            make_cred_uv_not_required: kind.make_cred_uv_not_required,
            user_verification: match kind.built_in_uv {
                BuiltInUv::None => UserVerification::None,
                BuiltInUv::Verifier => UserVerification::Host,
                BuiltInUv::Pin => UserVerification::Pin,
            },
            client_pin: true,
            no_mc_ga_permissions_with_client_pin: kind.no_mc_ga_with_pin,
            rolling_token_timer: kind.rolling,
            credential_management: true,
            persistent_read_only: kind.persistent,
            authenticator_config: true,
            large_blobs: LargeBlobSetting::Array { max_bytes: BLOB_CAPACITY },
            non_discoverable: NonDiscoverable::Wrapped,
            no_credentials_before_touch: kind.early_no_credentials,
            ..Settings::security_key()
        };
        let mut world = World::exactly(settings, SeededRng(0));
        world.store = MemoryStore::with_capacity(CAPACITY);
        Self { world, tokens: vec![], credentials: vec![], pin: None }
    }

    pub(crate) fn now(&self) -> u64 {
        self.world.now.ticks
    }

    /// Carries a command out: what is seen of its success, or its status.
    pub(crate) fn run(&mut self, command: &Command, pin: Option<u8>) -> Result<Seen, u8> {
        self.pin = pin;
        let person = person(command);
        match command {
            Command::Wait(time) => {
                self.world.now.ticks += time;
                // A host calls it when it likes, or not: nobody sees a difference.
                if *time > 5_000 {
                    let _ = self.world.authenticator.tick(self.world.now);
                }
                Ok(Seen::Done)
            }
            Command::PowerCycle => {
                self.world.power_cycle();
                Ok(Seen::Done)
            }
            Command::PinToken { two, .. }
            | Command::TokenByPin { two, .. }
            | Command::TokenByUv { two, .. } => {
                let platform = Platform::connect(&mut self.world, protocol(*two));
                let request = token_request(&platform, command);
                let response = self.call(&Request::ClientPin(request), person);
                let token = platform.token_of(response).map_err(|status| status.byte())?;
                self.tokens.push(token);
                Ok(Seen::Token)
            }
            _ => {
                let request = self.request(command);
                match self.call(&request, person) {
                    Response::Failed(status) => Err(status.byte()),
                    response => Ok(self.seen(response)),
                }
            }
        }
    }

    /// From message to response.
    fn call(&mut self, request: &Request, person: Person) -> Response {
        let pin = self.pin;
        let world = &mut self.world;
        let mut step = world.authenticator.begin_ctap(CHANNEL, &request.encode(), world.now, &mut world.rng);
        loop {
            step = match world.turn(step) {
                Turn::Done(outcome) => {
                    assert_canonical(&outcome.response.encode());
                    return outcome.response;
                }
                Turn::Ask(question, pending) => {
                    let answer = answer(&question, person, pin);
                    world.authenticator.answer(pending, answer, world.now, &mut world.rng)
                }
            };
        }
    }

    // --- commands to messages ----------------------------------------------------------------------------------------

    fn request(&mut self, command: &Command) -> Request {
        match command {
            Command::GetInfo => Request::GetInfo,
            Command::Selection(_) => Request::Selection,
            Command::Reset(_) => Request::Reset,
            Command::PinRetries => Request::ClientPin(ClientPin::GetPinRetries),
            Command::UvRetries => Request::ClientPin(ClientPin::GetUvRetries),
            Command::SetPin { pin, flaw } => Request::ClientPin(self.set_pin(*pin, *flaw)),
            Command::ChangePin { pin, new, flaw } => Request::ClientPin(self.change_pin(*pin, *new, *flaw)),
            Command::Make { .. } => self.make(command),
            Command::Get { .. } => self.get(command),
            Command::Next => Request::GetNextAssertion,
            Command::Metadata(auth) => self.manage(ManageCredentials::GetMetadata, *auth),
            Command::Rps(auth) => self.manage(ManageCredentials::EnumerateRpsBegin, *auth),
            Command::NextRp => self.manage(ManageCredentials::EnumerateRpsNext, Auth::Absent),
            Command::Credentials { rp, auth } => {
                let rp_id_hash = rp_id(*rp).hash();
                self.manage(ManageCredentials::EnumerateCredentialsBegin { rp_id_hash }, *auth)
            }
            Command::NextCredential => self.manage(ManageCredentials::EnumerateCredentialsNext, Auth::Absent),
            Command::Delete { credential, auth } => {
                let credential = Some(self.credential(*credential));
                self.manage(ManageCredentials::Delete { credential }, *auth)
            }
            Command::Update { .. } => self.update(command),
            Command::BlobGet { .. } | Command::BlobSet { .. } => Request::LargeBlobs(self.blobs(command)),
            Command::MinPinLength { length, force, auth } => {
                let parameters = SetMinPinLength {
                    new_min_pin_length: length.map(u64::from),
                    force_change_pin: *force,
                    ..SetMinPinLength::default()
                };
                self.configure(Configure::SetMinPinLength(parameters), *auth)
            }
            Command::ToggleAlwaysUv(auth) => self.configure(Configure::ToggleAlwaysUv, *auth),
            Command::EnterpriseAttestation(auth) => {
                self.configure(Configure::EnableEnterpriseAttestation, *auth)
            }
            Command::LongTouch(auth) => self.configure(Configure::EnableLongTouchForReset, *auth),
            Command::PinToken { .. }
            | Command::TokenByPin { .. }
            | Command::TokenByUv { .. }
            | Command::Wait(_)
            | Command::PowerCycle => unreachable!("no request by itself"),
        }
    }

    fn set_pin(&mut self, pin: u8, flaw: PinFlaw) -> ClientPin {
        let platform = Platform::connect(&mut self.world, PinUvAuthProtocol::Two);
        let pin = PINS[usize::from(pin)];
        let mut request = match flaw {
            PinFlaw::Short => platform.set_padded(&[b'1'; 48]),
            _ => platform.set_pin(pin),
        };
        if let (PinFlaw::Auth, ClientPin::SetPin { pin_uv_auth_param, .. }) = (flaw, &mut request) {
            pin_uv_auth_param[0] ^= 1;
        }
        request
    }

    fn change_pin(&mut self, pin: u8, new: u8, flaw: PinFlaw) -> ClientPin {
        let platform = Platform::connect(&mut self.world, PinUvAuthProtocol::One);
        let (pin, new) = (PINS[usize::from(pin)], PINS[usize::from(new)]);
        let mut request = match flaw {
            PinFlaw::Short => platform.change_padded(pin, &[b'1'; 48]),
            _ => platform.change_pin(pin, new),
        };
        if let (PinFlaw::Auth, ClientPin::ChangePin { pin_uv_auth_param, .. }) = (flaw, &mut request) {
            pin_uv_auth_param[0] ^= 1;
        }
        request
    }

    fn make(&mut self, command: &Command) -> Request {
        let Command::Make { rp, user, rk, uv, protect, exclude, auth, .. } = command else { unreachable!() };
        Request::MakeCredential(MakeCredential {
            client_data_hash: ClientDataHash(CLIENT_DATA_HASH),
            rp: RpEntity { id: rp_id(*rp), name: None },
            user: user_entity(*user, 0),
            algorithms: vec![-7],
            exclude_list: self.descriptors(exclude),
            extensions: MakeCredentialExtensions {
                cred_protect: Some((*protect).into()),
                ..MakeCredentialExtensions::default()
            },
            options: Options { rk: Some(*rk), up: None, uv: Some(*uv) },
            pin_uv_auth: self.auth(*auth, &[&CLIENT_DATA_HASH]),
            enterprise_attestation: None,
            attestation_formats_preference: vec![],
        })
    }

    fn get(&mut self, command: &Command) -> Request {
        let Command::Get { rp, allow, up, uv, auth, .. } = command else { unreachable!() };
        Request::GetAssertion(GetAssertion {
            rp_id: rp_id(*rp),
            client_data_hash: ClientDataHash(CLIENT_DATA_HASH),
            allow_list: allow.as_ref().map(|allow| self.descriptors(allow)),
            extensions: GetAssertionExtensions::default(),
            options: Options { rk: None, up: Some(*up), uv: Some(*uv) },
            pin_uv_auth: self.auth(*auth, &[&CLIENT_DATA_HASH]),
        })
    }

    fn manage(&self, subcommand: ManageCredentials, auth: Auth) -> Request {
        let mut request = CredentialManagement::new(subcommand);
        request.pin_uv_auth = self.auth(auth, &[&request.signed]);
        Request::CredentialManagement(request)
    }

    fn update(&self, command: &Command) -> Request {
        let Command::Update { credential, other_user, name, auth } = command else { unreachable!() };
        let id = self.credential(*credential);
        let record = self.world.records().into_iter().find(|record| record.credential.id == id);
        let handle = match record {
            Some(record) if !other_user => record.credential.user.id,
            _ => UserHandle::new(&[0xEE]).unwrap(),
        };
        let user = UserEntity { id: handle, ..user_entity(0, *name) };
        self.manage(ManageCredentials::UpdateUser { credential: Some(id), user }, *auth)
    }

    fn configure(&self, subcommand: Configure, auth: Auth) -> Request {
        let mut request = Config::new(subcommand);
        request.pin_uv_auth = self.auth(auth, &[&[0xFF; 32], &[0x0D], &request.signed]);
        Request::Config(request)
    }

    fn blobs(&self, command: &Command) -> LargeBlobs {
        match *command {
            Command::BlobGet { offset, count, with_length, with_auth } => LargeBlobs {
                get: Some(count as u64),
                set: None,
                offset: Some(offset as u64),
                length: with_length.then_some(17),
                pin_uv_auth: with_auth.then(|| PinUvAuth { param: vec![0; 32], protocol: Some(2) }),
            },
            Command::BlobSet { array, offset, count, length, auth } => {
                let set = bytes_of(array)[offset..offset + count].to_vec();
                let place = u32::try_from(offset).unwrap().to_le_bytes();
                let message: [&[u8]; 4] = [&[0xFF; 32], &[0x0C, 0x00], &place, &sha256(&set)];
                let pin_uv_auth = self.auth(auth, &message);
                LargeBlobs {
                    get: None,
                    set: Some(set),
                    offset: Some(offset as u64),
                    length: length.map(|length| length as u64),
                    pin_uv_auth,
                }
            }
            _ => unreachable!(),
        }
    }

    fn auth(&self, auth: Auth, message: &[&[u8]]) -> Option<PinUvAuth> {
        let (from_the_latest, flaw) = match auth {
            Auth::Absent => return None,
            Auth::Empty => return Some(PinUvAuth { param: vec![], protocol: Some(2) }),
            Auth::Token(from_the_latest, flaw) => (usize::from(from_the_latest), flaw),
        };
        let count = self.tokens.len();
        let mut made = match count {
            0 => PinUvAuth { param: vec![1; 32], protocol: Some(2) },
            _ => {
                let token = &self.tokens[count - 1 - from_the_latest % count];
                let other = protocol(token.protocol == PinUvAuthProtocol::One);
                match flaw {
                    Flaw::OtherProtocol => PinUvAuth {
                        param: other.authenticate_with(&token.value, message),
                        protocol: Some(other.number()),
                    },
                    Flaw::OtherMessage => token.auth(&[b"another message"]).unwrap(),
                    _ => token.auth(message).unwrap(),
                }
            }
        };
        match flaw {
            Flaw::NoProtocol => made.protocol = None,
            Flaw::UnknownProtocol => made.protocol = Some(3),
            _ => {}
        }
        Some(made)
    }

    fn credential(&self, from_the_latest: u8) -> CredentialId {
        let index = self.credentials.len().checked_sub(1 + usize::from(from_the_latest));
        match index {
            Some(index) => self.credentials[index].clone(),
            None => CredentialId::new(&NOT_A_CREDENTIAL).unwrap(),
        }
    }

    fn descriptors(&self, listed: &[u8]) -> Vec<CredentialDescriptor> {
        listed.iter().map(|index| CredentialDescriptor { id: self.credential(*index) }).collect()
    }

    // --- responses to what is seen -----------------------------------------------------------------------------------

    fn seen(&mut self, response: Response) -> Seen {
        match response {
            Response::Empty => Seen::Done,
            Response::MakeCredential(response) => self.made(&response.auth_data),
            Response::GetAssertion(response) => self.assertion(&response),
            Response::GetInfo(info) => Seen::Info(told(&info)),
            Response::ClientPin(ClientPinResponse::PinRetries { retries, power_cycle }) => {
                Seen::Retries { left: retries, power_cycle }
            }
            Response::ClientPin(ClientPinResponse::UvRetries(left)) => Seen::UvRetries(left),
            Response::CredentialManagement(response) => self.managed(&response),
            Response::LargeBlobs(response) => Seen::Bytes(response.config),
            other => panic!("{other:?}"),
        }
    }

    fn made(&mut self, auth_data: &[u8]) -> Seen {
        let flags = AuthenticatorDataView::parse(auth_data).unwrap().flags;
        assert!(flags.user_present(), "a credential that nobody consented to");
        let length = usize::from(u16::from_be_bytes([auth_data[53], auth_data[54]]));
        self.credentials.push(CredentialId::new(&auth_data[55..55 + length]).unwrap());
        Seen::Made { uv: flags.user_verified() }
    }

    fn assertion(&self, response: &GetAssertionResponse) -> Seen {
        let flags = AuthenticatorDataView::parse(&response.auth_data).unwrap().flags;
        let shown = Shown {
            credential: self.index(&response.credential),
            user: response.user.as_ref().map(|user| user.id.as_bytes()[0]),
            name: response.user.as_ref().and_then(name),
            protect: None,
        };
        Seen::Assertion {
            any_of: vec![shown],
            up: flags.user_present(),
            uv: flags.user_verified(),
            count: response.number_of_credentials,
        }
    }

    fn managed(&self, response: &CredentialManagementResponse) -> Seen {
        match response {
            CredentialManagementResponse::Metadata { existing, remaining } => {
                Seen::Metadata { existing: *existing, remaining: *remaining }
            }
            CredentialManagementResponse::RelyingParty { rp, rp_id_hash, total } => {
                assert_eq!(rp.id.hash(), *rp_id_hash);
                let index = RPS.iter().position(|id| *id == rp.id.as_str()).expect("one of ours");
                Seen::Rp { any_of: vec![index as u8], total: *total }
            }
            CredentialManagementResponse::Credential(credential) => {
                Seen::Credential { any_of: vec![self.shown(credential)], total: credential.total }
            }
        }
    }

    fn shown(&self, credential: &ManagedCredential) -> Shown {
        Shown {
            credential: self.index(&credential.credential),
            user: Some(credential.user.id.as_bytes()[0]),
            name: name(&credential.user),
            protect: Some(credential.cred_protect),
        }
    }

    fn index(&self, id: &CredentialId) -> usize {
        self.credentials.iter().position(|other| other == id).expect("one that was made")
    }
}

fn told(info: &GetInfoResponse) -> Info {
    let option = |name: &str| info.options.iter().find(|(other, _)| *other == name).map(|(_, on)| *on);
    Info {
        client_pin: option("clientPin").expect("clientPin"),
        uv: option("uv"),
        always_uv: option("alwaysUv").expect("alwaysUv"),
        make_cred_uv_not_required: option("makeCredUvNotRqd").unwrap_or(false),
        force_pin_change: info.force_pin_change.unwrap_or(false),
        min_pin_length: info.min_pin_length.expect("minPINLength") as u8,
        long_touch_for_reset: info.long_touch_for_reset.unwrap_or(false),
    }
}

fn token_request(platform: &Platform, command: &Command) -> ClientPin {
    let pin = |pin: u8| PINS[usize::from(pin)];
    let rp = |rp: Option<u8>| rp.map(|rp| RPS[usize::from(rp)]);
    match command {
        Command::PinToken { pin: number, with_permissions, with_rp, .. } => {
            let mut request = platform.get_pin_token(pin(*number));
            if let ClientPin::GetPinToken { permissions, rp_id, .. } = &mut request {
                *permissions = with_permissions.then_some(3);
                *rp_id = with_rp.then(|| self::rp_id(0));
            }
            request
        }
        Command::TokenByPin { pin: number, permissions, rp: party, .. } => {
            platform.token_using_pin(pin(*number), *permissions, rp(*party))
        }
        Command::TokenByUv { permissions, rp: party, .. } => {
            platform.token_using_uv(*permissions, rp(*party))
        }
        _ => unreachable!(),
    }
}

fn protocol(two: bool) -> PinUvAuthProtocol {
    if two { PinUvAuthProtocol::Two } else { PinUvAuthProtocol::One }
}

fn rp_id(rp: u8) -> RpId {
    RpId::new(RPS[usize::from(rp)]).unwrap()
}

fn user_entity(user: u8, name: u8) -> UserEntity {
    UserEntity {
        id: UserHandle::new(&[user]).unwrap(),
        name: Some(format!("name {name}").into()),
        display_name: None,
    }
}

fn name(user: &UserEntity) -> Option<u8> {
    user.name.as_ref().map(|name| name.strip_prefix("name ").unwrap().parse().unwrap())
}

/// A serialized large-blob array: content, and LEFT(SHA-256(content), 16).
pub(crate) fn bytes_of(array: Array) -> Vec<u8> {
    let mut bytes = vec![0x5A; array.content];
    let mut hash = sha256(&bytes);
    if !array.good {
        hash[0] ^= 1;
    }
    bytes.extend_from_slice(&hash[..16]);
    bytes
}

/// What is read of a stored array.
pub(crate) fn part_of(stored: Stored, from: usize, to: usize) -> Vec<u8> {
    let whole = match stored {
        // Section 6.10: "The initial serialized large-blob array is the byte string [...]"
        Stored::Initial => hex::decode("8076be8b528d0075f7aae98d6fa57a6d3c").unwrap(),
        Stored::Array(array) => bytes_of(array),
    };
    whole[from..to].to_vec()
}

fn person(command: &Command) -> Person {
    match command {
        Command::Selection(person)
        | Command::Reset(person)
        | Command::TokenByUv { person, .. }
        | Command::Make { person, .. }
        | Command::Get { person, .. } => *person,
        _ => Person::Absent,
    }
}

fn answer(question: &Question, person: Person, pin: Option<u8>) -> Answer {
    let choice = None;
    match (person, question.verification) {
        (Person::Declines, _) => Answer::Declined,
        (Person::Absent, _) => Answer::TimedOut,
        (_, Verification::None) => Answer::Approved { choice },
        (Person::Stranger, Verification::Host) => Answer::NotRecognised,
        (Person::Willing, Verification::Host) => Answer::Verified { choice },
        (Person::Willing, Verification::Pin { .. }) => typed(pin.expect("a PIN that is asked for is set")),
        (Person::Stranger, Verification::Pin { .. }) => typed(if pin == Some(0) { 1 } else { 0 }),
    }
}

fn typed(pin: u8) -> Answer {
    Answer::Pin { pin: PinEntry::new(PINS[usize::from(pin)]).unwrap(), choice: None }
}
