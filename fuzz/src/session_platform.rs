//! The platform's half of a session: PINs and tokens, and everything that they manage. What a platform knows is compared with
//! what the authenticator does.

use countersign::{
    authenticator::{Channel, Outcome, Step, UserVerification},
    cbor::{Item, Profile},
    credential::StateStore,
    crypto::sha256,
    ctap2::{
        ClientPin, ClientPinResponse, Config, Configure, CredentialManagement, LargeBlobs, ManageCredentials,
        PinUvAuth, PlatformKey, Request, Response, SetMinPinLength,
    },
    pin_uv::{PinUvAuthProtocol, SharedSecret, encapsulate},
    secret::Secret,
    webauthn::{CredentialId, RpId},
};

use super::{Command, Given, PINS, Session, rp_id, user};

/// What is known of a command beside its bytes.
#[derive(Default)]
pub(super) struct About {
    /// Its first byte.
    pub(super) command: Option<u8>,
    pub(super) given: Given,
    /// The PIN that goes with it is the right one, or is not.
    pub(super) entry: Option<bool>,
    /// It is sent and not typed.
    pub(super) sent: bool,
    /// Which of the PINs it sets.
    pub(super) new_pin: Option<usize>,
    /// It may remove passkeys; all of them.
    pub(super) may_delete: bool,
    pub(super) may_clear: bool,
    /// The token that authorizes it: which, and whether it may be used.
    pub(super) token: Option<(usize, bool)>,
    /// What the token that comes back is encrypted with; whether it is the persistent one; whether user verification
    /// gives it, and so proves presence.
    pub(super) asks_token: Option<Asked>,
}

pub(super) struct Asked {
    shared: SharedSecret,
    persistent: bool,
    by_uv: bool,
}

/// A token that was given out.
pub(super) struct Held {
    protocol: PinUvAuthProtocol,
    value: Secret<32>,
    persistent: bool,
    by_uv: bool,
    begun: u64,
    /// Some command carried it.
    presented: bool,
}

/// Members of the stored state, each with its encoding, which only a command changes that succeeds. Missing are the order of
/// creation, the tries, the failures and what is counted: those are written down as they come.
const CONFIGURATION: [u64; 9] = [4, 5, 6, 7, 8, 9, 13, 16, 17];
const PIN: u64 = 3;
const TRIES: u64 = 6;
const FORCE_PIN_CHANGE: u64 = 6;
const PERSISTENT_TOKEN: u64 = 13;

const MAX_USAGE: u64 = 600_000;
const USAGE_LIMIT: u64 = 30_000;
const PCMR: u64 = 0x40;

impl Session<'_> {
    pub(super) fn manage(&mut self, operation: u8) {
        match operation {
            16 => self.send_pin(),
            17 => self.send_change(),
            18..=20 => self.ask_token(operation),
            21 => {
                let retries = [ClientPin::GetPinRetries, ClientPin::GetUvRetries];
                let request = Request::ClientPin(retries[usize::from(self.input.byte() % 2)].clone());
                self.ctap(&request);
            }
            22..=24 => {
                let request =
                    Request::CredentialManagement(CredentialManagement::new(self.management(operation)));
                self.authorized(request);
            }
            25 => {
                let request = Request::LargeBlobs(self.blobs());
                self.authorized(request);
            }
            26 => {
                let request = Request::Config(Config::new(self.configuration()));
                self.authorized(request);
            }
            27 => {
                let request = Request::MakeCredential(self.make_credential());
                self.authorized(request);
            }
            28 => {
                let request = Request::GetAssertion(self.get_assertion());
                self.authorized(request);
            }
            29 => self.agree_with_get_info(),
            30 => self.now.ticks += u64::from(self.input.byte()) * 10_000,
            _ => self.mutated_management(),
        }
    }

    // --- PINs and tokens ---------------------------------------------------------------------------------------------

    /// A key agreement, unless nobody may be asked now.
    fn connect(&mut self) -> Option<(PlatformKey, SharedSecret)> {
        let two = self.input.byte() & 1 == 0;
        let protocol = if two { PinUvAuthProtocol::Two } else { PinUvAuthProtocol::One };
        let number = protocol.number();
        let request = Request::ClientPin(ClientPin::GetKeyAgreement { pin_uv_auth_protocol: number });
        let step = self.authenticator.begin(Channel(0), request, self.now, &mut self.rng);
        let Step::Done(Outcome { response, .. }) = step else { return None };
        let Response::ClientPin(ClientPinResponse::KeyAgreement(peer)) = response else { return None };
        let (key_agreement, shared) =
            encapsulate(&*self.crypto, protocol, &peer, &mut self.rng).expect("a point of ours");
        Some((PlatformKey { pin_uv_auth_protocol: number, key_agreement }, shared))
    }

    /// Mostly the one that is set.
    fn some_pin(&mut self) -> usize {
        match self.input.byte() {
            other @ 0..=2 => usize::from(other),
            _ => self.current,
        }
    }

    fn hash_enc(&mut self, shared: &SharedSecret, pin: usize) -> Vec<u8> {
        shared.encrypt(&sha256(PINS[pin].as_bytes())[..16], &mut self.rng).expect("whole blocks")
    }

    fn new_pin_enc(&mut self, shared: &SharedSecret, pin: usize) -> Vec<u8> {
        let mut padded = [0; 64];
        padded[..PINS[pin].len()].copy_from_slice(PINS[pin].as_bytes());
        shared.encrypt(&padded, &mut self.rng).expect("whole blocks")
    }

    fn send_pin(&mut self) {
        let Some((platform, shared)) = self.connect() else { return };
        let new = usize::from(self.input.byte()) % PINS.len();
        let new_pin_enc = self.new_pin_enc(&shared, new);
        let pin_uv_auth_param = shared.authenticate(&[&new_pin_enc]);
        self.pin_may_come = true;
        let request = ClientPin::SetPin { platform, new_pin_enc, pin_uv_auth_param };
        let about = About { new_pin: Some(new), ..About::default() };
        self.message_about(&Request::ClientPin(request).encode(), about);
    }

    fn send_change(&mut self) {
        let Some((platform, shared)) = self.connect() else { return };
        let (pin, new) = (self.some_pin(), usize::from(self.input.byte()) % PINS.len());
        let (new_pin_enc, pin_hash_enc) = (self.new_pin_enc(&shared, new), self.hash_enc(&shared, pin));
        let pin_uv_auth_param = shared.authenticate(&[&new_pin_enc, &pin_hash_enc]);
        let request = ClientPin::ChangePin { platform, new_pin_enc, pin_hash_enc, pin_uv_auth_param };
        let about = About { new_pin: Some(new), ..self.about_pin(pin) };
        self.message_about(&Request::ClientPin(request).encode(), about);
    }

    fn about_pin(&self, pin: usize) -> About {
        About { entry: Some(pin == self.current), sent: true, ..About::default() }
    }

    fn ask_token(&mut self, operation: u8) {
        let Some((platform, shared)) = self.connect() else { return };
        let permissions = match self.input.byte() {
            byte @ 0..=199 => [0x03, 0x04, 0x10, 0x20, PCMR, 0x37][usize::from(byte % 6)],
            byte => u64::from(byte),
        };
        let rp_id = Some(rp_id(self.input.byte())).filter(|_| permissions & 3 != 0);
        let (pin, by_uv) = (self.some_pin(), operation == 20);
        let pin_hash_enc = self.hash_enc(&shared, pin);
        let request = match operation {
            18 => ClientPin::GetPinToken { platform, pin_hash_enc, permissions: None, rp_id: None },
            19 => ClientPin::GetTokenUsingPin { platform, pin_hash_enc, permissions, rp_id },
            _ => ClientPin::GetTokenUsingUv { platform, permissions, rp_id },
        };
        let persistent = operation != 18 && permissions & PCMR != 0;
        let asks_token = Some(Asked { shared, persistent, by_uv });
        let about = if by_uv { About::default() } else { self.about_pin(pin) };
        self.message_about(&Request::ClientPin(request).encode(), About { asks_token, ..about });
    }

    /// Keeps the token of a response.
    pub(super) fn receive_token(&mut self, response: &Response, about: &About) {
        let Response::ClientPin(ClientPinResponse::Token(encrypted)) = response else { return };
        // Of a raw message nobody knows the shared secret.
        let Some(Asked { shared, persistent, by_uv }) = &about.asks_token else {
            self.live = None;
            return;
        };
        let plaintext = shared.decrypt(encrypted).expect("whole blocks");
        let value = Secret::from_slice(plaintext.expose()).expect("32 bytes");
        if !persistent {
            self.live = Some(self.held.len());
        }
        let (protocol, begun) = (shared.protocol(), self.now.ticks);
        let (persistent, by_uv) = (*persistent, *by_uv);
        self.held.push(Held { protocol, value, persistent, by_uv, begun, presented: false });
    }

    // --- what a token authorizes -------------------------------------------------------------------------------------

    /// Sends a request with the parameter that a token makes over it, or with one that is altered, or with none.
    fn authorized(&mut self, mut request: Request) {
        let how = self.input.byte();
        let mut about =
            About { may_delete: matches!(&request, Request::CredentialManagement(_)), ..About::default() };
        if how & 15 != 15 {
            let message = signed(&request);
            let (auth, token) = self.auth(how, &message);
            match &mut request {
                Request::MakeCredential(request) => request.pin_uv_auth = auth,
                Request::GetAssertion(request) => request.pin_uv_auth = auth,
                Request::CredentialManagement(request) => request.pin_uv_auth = auth,
                Request::Config(request) => request.pin_uv_auth = auth,
                Request::LargeBlobs(request) => request.pin_uv_auth = auth,
                _ => {}
            }
            about.token = token.map(|token| (token, self.may_use(token)));
        }
        if let Some((token, true)) = about.token {
            about.given = Given { present: self.held[token].by_uv, verified: true };
        }
        // alwaysUv can be toggled without a token while nothing verifies users (section 6.11, step 3).
        let toggles =
            matches!(&request, Request::Config(request) if request.subcommand == Configure::ToggleAlwaysUv);
        let protected = self.verifies_users() || (self.option("alwaysUv") == Some(true) && !toggles);
        self.message_about(&request.encode(), About { token: about.token.filter(|_| protected), ..about });
        if let Some((token, _)) = about.token {
            self.held[token].presented = true;
        }
    }

    fn auth(&mut self, how: u8, message: &[u8]) -> (Option<PinUvAuth>, Option<usize>) {
        let count = self.held.len();
        if count == 0 {
            return (Some(PinUvAuth { param: vec![1; 32], protocol: Some(2) }), None);
        }
        // Mostly the latest.
        let index = count - 1 - usize::from((how >> 4).saturating_sub(12)) % count;
        let held = &self.held[index];
        let mut param = held.protocol.authenticate_with(&held.value, &[message]);
        let altered = how & 15 == 14;
        if altered {
            param[0] ^= 1;
        }
        let auth = PinUvAuth { param, protocol: Some(held.protocol.number()) };
        (Some(auth), (!altered).then_some(index))
    }

    /// Whether a token may be used now, as far as its end and its timers go.
    fn may_use(&self, token: usize) -> bool {
        let held = &self.held[token];
        if held.persistent {
            return self
                .stored_member(PERSISTENT_TOKEN)
                .is_some_and(|stored| stored.ends_with(held.value.expose()));
        }
        let age = self.now.ticks.saturating_sub(held.begun);
        self.live == Some(token) && age < MAX_USAGE && (held.presented || age < USAGE_LIMIT)
    }

    /// A success that a token authorized is one of a token that may be used.
    pub(super) fn check_token(&self, command: &Command) {
        if let Some((token, may_use)) = command.about.token {
            let persistent = self.held[token].persistent;
            assert!(may_use, "token {token} was used after its end (persistent: {persistent})");
        }
    }

    /// "protected by some form of user verification"
    fn verifies_users(&self) -> bool {
        self.authenticator.has_pin()
            || self.authenticator.settings().user_verification == UserVerification::Host
    }

    fn option(&self, name: &str) -> Option<bool> {
        let info = self.authenticator.info();
        info.options.iter().find(|(other, _)| *other == name).map(|(_, on)| *on)
    }

    // --- what is managed ---------------------------------------------------------------------------------------------

    fn management(&mut self, operation: u8) -> ManageCredentials {
        let choice = self.input.byte();
        match (operation, choice % 4) {
            (22, 0) => ManageCredentials::GetMetadata,
            (22, 1) => ManageCredentials::EnumerateRpsBegin,
            (22, _) => ManageCredentials::EnumerateRpsNext,
            (23, 0 | 1) => {
                ManageCredentials::EnumerateCredentialsBegin { rp_id_hash: rp_id(choice >> 2).hash() }
            }
            (23, _) => ManageCredentials::EnumerateCredentialsNext,
            (_, 0 | 1) => ManageCredentials::Delete { credential: self.some_credential(choice) },
            _ => {
                let credential = self.some_credential(choice);
                let user = user(self.input.byte() % 3, choice);
                ManageCredentials::UpdateUser { credential, user }
            }
        }
    }

    fn some_credential(&self, choice: u8) -> Option<CredentialId> {
        let known =
            self.store.records().nth(usize::from(choice >> 5)).map(|record| record.credential.id.clone());
        known.or_else(|| CredentialId::new(&[choice; 32]).ok())
    }

    /// A fragment of an array of any length, whose hash is right where the last byte before it is even.
    fn blobs(&mut self) -> LargeBlobs {
        let (shape, length) = (self.input.byte(), 1 + usize::from(self.input.byte()) * 5);
        if shape & 3 == 0 {
            let (get, offset) = (Some(u64::from(shape) * 64), Some(u64::try_from(length).unwrap_or(0) % 64));
            return LargeBlobs { get, offset, ..LargeBlobs::default() };
        }
        let mut array = vec![shape; length];
        let hash = sha256(&array);
        array.extend_from_slice(&hash[..16]);
        if shape & 64 != 0 {
            array[0] ^= 1;
        }
        let middle = usize::from(self.input.byte()) * 5 % array.len();
        let number = |number: usize| Some(u64::try_from(number).expect("a short array"));
        let (whole, set, offset) = match shape & 3 {
            1 => (number(array.len()), array.clone(), 0),
            2 => (number(array.len()), array[..middle].to_vec(), 0),
            _ => (None, array[middle..].to_vec(), middle),
        };
        LargeBlobs { get: None, set: Some(set), offset: number(offset), length: whole, pin_uv_auth: None }
    }

    fn configuration(&mut self) -> Configure {
        match self.input.byte() {
            0..=9 => Configure::EnableEnterpriseAttestation,
            10..=69 => Configure::ToggleAlwaysUv,
            70..=89 => Configure::EnableLongTouchForReset,
            byte => Configure::SetMinPinLength(SetMinPinLength {
                new_min_pin_length: (byte & 1 != 0).then_some(u64::from(4 + (byte >> 2) % 9)),
                min_pin_length_rp_ids: (byte & 2 != 0)
                    .then(|| vec![RpId::new("example.com").expect("an RP ID")]),
                force_change_pin: (byte > 200).then_some(byte & 4 != 0),
                pin_complexity_policy: (byte > 250).then_some(true),
            }),
        }
    }

    /// A managing request of which some bytes are altered. Whatever PIN or token is left in it counts.
    fn mutated_management(&mut self) {
        let mut message = match self.input.byte() % 3 {
            0 => Request::CredentialManagement(CredentialManagement::new(self.management(24))),
            1 => Request::LargeBlobs(self.blobs()),
            _ => Request::Config(Config::new(self.configuration())),
        }
        .encode();
        for _ in 0..=self.input.byte() % 3 {
            let position =
                usize::from(u16::from_be_bytes([self.input.byte(), self.input.byte()])) % message.len();
            message[position] ^= self.input.byte();
        }
        self.message(&message);
    }

    /// A command that getInfo does not advertise is INVALID_COMMAND, and one that it does is not.
    fn agree_with_get_info(&mut self) {
        let array = self.authenticator.info().max_serialized_large_blob_array.is_some();
        assert_eq!(self.option("largeBlobs").unwrap_or(false), array);
        for (command, option, parameters) in [
            (0x0A, "credMgmt", [0xA1, 0x01, 0x01].as_slice()),
            (0x41, "credentialMgmtPreview", &[0xA1, 0x01, 0x01]),
            (0x0C, "largeBlobs", &[0xA0]),
            (0x0D, "authnrCfg", &[0xA1, 0x01, 0x01]),
        ] {
            let message = [&[command], parameters].concat();
            let on = self.option(option).unwrap_or(false);
            let step = self.authenticator.begin_ctap(Channel(0), &message, self.now, &mut self.rng);
            let Step::Done(outcome) = step else { panic!("{command:#04x} went on") };
            let status = outcome.response.encode()[0];
            assert!(status != 0, "{command:#04x} without a token succeeded");
            // While a commit is awaited, every command is NOT_ALLOWED.
            assert!(
                status == 0x30 || (status == 0x01) != on,
                "{command:#04x}: {status:#04x}, and {option} {on}"
            );
        }
        let has_pin = self.option("clientPin");
        assert!(has_pin.is_none_or(|set| set == self.authenticator.has_pin()));
    }

    // --- what is stored ----------------------------------------------------------------------------------------------

    /// The stored state, member by member, each with its encoding.
    pub(super) fn stored(&self) -> Vec<(u64, Vec<u8>)> {
        let Some(state) = self.store.load_state().expect("memory does not fail") else { return Vec::new() };
        let item = Item::parse(state.encoded().expose(), Profile::CTAP2).expect("canonical");
        let members = item.map().expect("a map");
        (1..=32).filter_map(|key| Some((key, members.at(key)?.raw().to_vec()))).collect()
    }

    fn stored_member(&self, member: u64) -> Option<Vec<u8>> {
        self.stored().into_iter().find(|(key, _)| *key == member).map(|(_, value)| value)
    }

    /// What no command changes that fails: the configuration, and of the PIN everything but its tries.
    pub(super) fn configured(&self) -> Vec<(u64, Vec<u8>)> {
        let mut members = self.stored();
        members.retain(|(key, _)| CONFIGURATION.contains(key));
        members.extend(self.stored_member(PIN).map(|pin| (PIN, verifier(&pin))));
        members
    }

    /// After a commit: which PIN is set now, and whether it ended the tokens.
    pub(super) fn take_note(&mut self, before: Vec<(u64, Vec<u8>)>, new_pin: Option<usize>) {
        let of = |members: &[(u64, Vec<u8>)], member| {
            members.iter().find(|(key, _)| *key == member).map(|(_, value)| value.clone())
        };
        let after = self.stored();
        let pin = |members| of(members, PIN).map(|pin| verifier(&pin));
        let (old, new) = (pin(&before), pin(&after));
        if old != new {
            self.current = new_pin.unwrap_or(self.current);
        }
        let forced = of(&before, FORCE_PIN_CHANGE) != of(&after, FORCE_PIN_CHANGE);
        if (old.is_some() && old != new) || forced {
            self.live = None;
        }
    }
}

/// What of a stored PIN is not its tries.
fn verifier(pin: &[u8]) -> Vec<u8> {
    let item = Item::parse(pin, Profile::CTAP2).expect("canonical");
    let members = item.map().expect("a map");
    let others = (1..=16).filter(|key| *key != TRIES);
    others.filter_map(|key| Some(members.at(key)?.raw().to_vec())).collect::<Vec<_>>().concat()
}

/// What a pinUvAuthParam is made over.
fn signed(request: &Request) -> Vec<u8> {
    match request {
        Request::MakeCredential(request) => request.client_data_hash.0.to_vec(),
        Request::GetAssertion(request) => request.client_data_hash.0.to_vec(),
        Request::CredentialManagement(request) => request.signed.clone(),
        Request::Config(request) => [&[0xFF; 32], [0x0D].as_slice(), &request.signed].concat(),
        Request::LargeBlobs(request) => {
            let offset = u32::try_from(request.offset.unwrap_or(0)).unwrap_or(u32::MAX).to_le_bytes();
            let hash = sha256(request.set.as_deref().unwrap_or(&[]));
            [[0xFF; 32].as_slice(), &[0x0C, 0x00], &offset, &hash].concat()
        }
        _ => Vec::new(),
    }
}
