//! A credential manager in one struct: what a website learns of a ceremony, and under which name it fails.

mod common;

use std::sync::Arc;

use common::{
    client::{caller, create_options, get_options},
    seeded_rng::SeededRng,
    world::{CHEAP, PIN, Person, TODAY, answer},
};
use countersign::{
    authenticator::{Authenticator, PinEntry, Purpose, Settings, Turn, UserVerification, run},
    client::ResponseJson,
    credential::MemoryStore,
    crypto::RustCrypto,
    provider::{CeremonyError, Provider, ProviderStep, ProviderTurn},
    time::Moment,
};
use serde_json::{Value, json};

const NOW: Moment = Moment { ticks: 1_000, date: Some(TODAY) };

struct Manager {
    provider: Provider,
    store: MemoryStore,
    rng: SeededRng,
    asked: Vec<Purpose>,
}

impl Manager {
    fn new(user_verification: UserVerification, capacity: usize) -> Self {
        let settings = Settings { user_verification, pin_cost: CHEAP, ..Settings::credential_manager() };
        let authenticator = Authenticator::new(settings, None, Arc::new(RustCrypto)).unwrap();
        Self {
            provider: Provider::new(authenticator),
            store: MemoryStore::with_capacity(capacity),
            rng: SeededRng(1),
            asked: Vec::new(),
        }
    }

    fn set_pin(&mut self) {
        let step = self.provider.authenticator_mut().set_pin(&PinEntry::new(PIN).unwrap(), &mut self.rng);
        let turn = run(self.provider.authenticator_mut(), &mut self.store, step, NOW, &mut self.rng);
        assert!(matches!(turn, Turn::Done(_)));
    }

    fn create(&mut self, options: &Value, person: Person) -> Result<Value, CeremonyError> {
        let options = options.to_string();
        let step = self.provider.create(&caller(), options.as_bytes(), NOW, &mut self.rng);
        self.finish(step, person)
    }

    fn get(&mut self, options: &Value, person: Person) -> Result<Value, CeremonyError> {
        let options = options.to_string();
        let step = self.provider.get(&caller(), options.as_bytes(), NOW, &mut self.rng);
        self.finish(step, person)
    }

    fn finish(&mut self, mut step: ProviderStep, person: Person) -> Result<Value, CeremonyError> {
        let read = |json: ResponseJson| serde_json::from_str(json.expose()).unwrap();
        loop {
            match self.provider.run(&mut self.store, step, NOW, &mut self.rng) {
                ProviderTurn::Done(result) => return result.map(read),
                ProviderTurn::Ask(question, ceremony) => {
                    let answer = answer(&question, person);
                    self.asked.push(question.purpose);
                    step = self.provider.answer(ceremony, answer, NOW, &mut self.rng);
                }
            }
        }
    }
}

fn with(mut options: Value, name: &str, value: Value) -> Value {
    options[name] = value;
    options
}

fn with_prf(options: Value) -> Value {
    with(options, "extensions", json!({ "prf": { "eval": { "first": "AAEC" } } }))
}

#[test]
fn website_learns_of_an_excluded_passkey_only_from_who_consents() {
    let mut manager = Manager::new(UserVerification::None, 10);
    let made = manager.create(&create_options(), Person::Willing).unwrap();
    let options =
        with(create_options(), "excludeCredentials", json!([{ "type": "public-key", "id": made["id"] }]));
    for (person, exception) in [
        (Person::Willing, "InvalidStateError"),
        (Person::Declines, "NotAllowedError"),
        (Person::Absent, "NotAllowedError"),
    ] {
        let error = manager.create(&options, person).unwrap_err();
        assert_eq!(error.exception_name(), exception);
        assert!(matches!(manager.asked.last(), Some(Purpose::AlreadyRegistered { .. })));
    }
    // As for a passkey that is not there.
    let absent = with(options, "excludeCredentials", json!([{ "type": "public-key", "id": "AAAA" }]));
    let declined = manager.create(&absent, Person::Declines).unwrap_err();
    assert_eq!(declined.exception_name(), "NotAllowedError");
    assert_eq!(manager.store.records().count(), 1);
}

#[test]
fn prf_is_enabled_where_the_user_can_be_verified_and_has_results_where_the_user_was() {
    let mut options = with_prf(create_options());
    options["authenticatorSelection"] = json!({ "userVerification": "discouraged" });
    let named = |made: &Value| {
        let list = json!([{ "type": "public-key", "id": made["id"] }]);
        with(with_prf(get_options()), "allowCredentials", list)
    };
    let mut without = Manager::new(UserVerification::Pin, 10);
    let made = without.create(&options, Person::Willing).unwrap();
    assert_eq!(made["clientExtensionResults"]["prf"], json!({ "enabled": false }));
    let signed = without.get(&named(&made), Person::Willing).unwrap();
    assert_eq!(signed["clientExtensionResults"]["prf"], json!({}));

    let mut with_pin = Manager::new(UserVerification::Pin, 10);
    with_pin.set_pin();
    // Salts ask for verification though the relying party does not.
    let made = with_pin.create(&options, Person::Willing).unwrap();
    assert_eq!(made["clientExtensionResults"]["prf"]["enabled"], true);
    let named = named(&made);
    let signed = with_pin.get(&named, Person::Willing).unwrap();
    let results = |response: &Value| response["clientExtensionResults"]["prf"]["results"]["first"].clone();
    assert!(results(&made).is_string());
    assert_eq!(results(&made), results(&signed));
    for person in [Person::OnlyTouches, Person::Forgetful] {
        assert_eq!(with_pin.get(&named, person).unwrap_err().exception_name(), "NotAllowedError");
    }
    // Asked whether there is one: yes, and nothing is evaluated.
    options["extensions"] = json!({ "prf": {} });
    let made = with_pin.create(&options, Person::Willing);
    assert_eq!(made.unwrap()["clientExtensionResults"]["prf"], json!({ "enabled": true }));
}

#[test]
fn failed_creation_has_its_exception_and_keeps_nothing() {
    let rsa_only = json!([{ "type": "public-key", "alg": -257 }]);
    let cross_platform = json!({ "authenticatorAttachment": "cross-platform" });
    let verified = json!({ "userVerification": "required" });
    for (options, exception, message) in [
        (create_options(), "NotAllowedError", "there is no room for another passkey"),
        (
            with(create_options(), "pubKeyCredParams", rsa_only),
            "NotSupportedError",
            "the site asks for algorithms that are not supported",
        ),
        (
            with(create_options(), "authenticatorSelection", cross_platform),
            "NotAllowedError",
            "the site asks for an authenticator of another attachment",
        ),
        (
            with(create_options(), "authenticatorSelection", verified),
            "NotAllowedError",
            "the site asks for user verification, and no PIN is set",
        ),
        (
            with(create_options(), "rp", json!({ "id": "example.com", "name": "" })),
            "SecurityError",
            "rp.id: is not the origin's host or a parent domain of it",
        ),
    ] {
        let mut manager = Manager::new(UserVerification::Pin, 0);
        let error = manager.create(&options, Person::Willing).unwrap_err();
        assert_eq!((error.exception_name(), error.to_string().as_str()), (exception, message));
        assert_eq!(manager.store.records().count(), 0);
    }
}
