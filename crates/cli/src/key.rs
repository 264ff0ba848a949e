//! `countersign key`: the software authenticator in DIR/key.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use countersign::{
    authenticator::{self, Authenticator, Outcome as Done, PinEntry, Settings, Turn, UserVerification},
    client::{Origin, ResponseJson},
    credential::{ChangeSet, Credential, CredentialRecord, CredentialStore, StateStore},
    crypto::OsRng,
    ctap2::{Response, Status},
    provider::{CeremonyError, Provider},
    vault::{VaultError, item_type},
    webauthn::CredentialId,
};
use countersign_host::{Clock, HostError, KeyDirectory, KeyParts, KeyStore, provider};
use serde_json::{Value, json};

use crate::{
    ceremony::{self, Kind},
    date::rfc3339,
    failure::{Exit, Failure},
    outcome::Outcome,
    person::{Person, PinArgs, consent_to, credential_id, new_pin},
    places::{Places, today},
    text::{aaguid, base64url, count, printable},
};

const AFTER_HELP: &str = "\
Examples:
  countersign key init                       make it, with a PIN typed at the terminal
  countersign key set-pin                    set it later, where countersign device made the key
  countersign key list                       the passkeys in it
  countersign key show ID                    all about one of them
  countersign key delete ID --yes

DIR/key/vault.redb holds passkeys and PIN verifier, encrypted; DIR/key/device.secret (0600)
opens it. Who can read both has the passkeys: the PIN guards their use through this program.";

const INIT_HELP: &str = "\
Examples:
  countersign key init
  countersign key init --pin-file pin.txt
  countersign key init --role security-key

The PIN has 4 characters to 63 bytes. Eight wrong entries in all, over all runs, block it for
good.";

const SET_PIN_HELP: &str = "\
Examples:
  countersign key set-pin
  countersign key set-pin --pin-file pin.txt

For a key that countersign device has made, or that was reset. A PIN that is set is left alone:
platforms change it through countersign device, with the old one.";

/// The item type of the role in the key's own vault: UTF-8, the role's name.
const ROLE: u64 = item_type::FIRST_OF_HOST;

/// How long a person may take to answer, in milliseconds.
const QUESTION_TIMEOUT: u64 = 300_000;

/// The software authenticator
#[derive(Args)]
#[command(after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct KeyNoun {
    #[command(subcommand)]
    pub(crate) verb: KeyVerb,
}

/// What can be done with it.
#[derive(Subcommand)]
pub(crate) enum KeyVerb {
    /// Make the authenticator and set its PIN
    #[command(after_help = INIT_HELP)]
    Init(InitArgs),
    /// Set the first PIN of a key that has none
    #[command(after_help = SET_PIN_HELP)]
    SetPin(SetPinArgs),
    /// Show what it is: model, options, who computes its signatures, PIN tries left
    #[command(after_help = "Examples:\n  countersign key info\n  countersign key info --json")]
    Info,
    /// List its passkeys
    #[command(after_help = "Examples:\n  countersign key list\n  countersign key list --json")]
    List,
    /// Show one passkey
    #[command(
        after_help = "Examples:\n  countersign key show ID\n\nID is a credential ID in base64url, as in key list."
    )]
    Show(ShowArgs),
    /// Delete a passkey for good
    #[command(
        after_help = "Examples:\n  countersign key delete ID\n  countersign key delete ID --yes --json"
    )]
    Delete(DeleteArgs),
}

/// How a key is made.
#[derive(Args)]
pub(crate) struct InitArgs {
    /// What it is to relying parties
    #[arg(long, value_enum, default_value_t = Role::CredentialManager)]
    role: Role,
    #[command(flatten)]
    pin: PinArgs,
}

/// The first PIN.
#[derive(Args)]
pub(crate) struct SetPinArgs {
    #[command(flatten)]
    pin: PinArgs,
}

/// Which passkey.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The credential ID (base64url; one in 64 begins with a hyphen)
    #[arg(allow_hyphen_values = true)]
    id: String,
}

/// Which passkey goes.
#[derive(Args)]
pub(crate) struct DeleteArgs {
    /// The credential ID (base64url; one in 64 begins with a hyphen)
    #[arg(allow_hyphen_values = true)]
    id: String,
    /// Consent without being asked
    #[arg(long)]
    yes: bool,
}

/// What a key is to relying parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Platform attachment, passkeys that may be backed up, no attestation
    CredentialManager,
    /// Cross-platform attachment, device-bound passkeys that count their uses, self attestation
    SecurityKey,
}

impl Role {
    /// Its name on the command line and in the store.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CredentialManager => "credential-manager",
            Self::SecurityKey => "security-key",
        }
    }

    /// The core's settings for the role; users are verified by PIN in either.
    pub(crate) fn settings(self) -> Settings {
        let settings = match self {
            Self::CredentialManager => Settings::credential_manager(),
            Self::SecurityKey => Settings::security_key(),
        };
        let user_verification = UserVerification::Pin;
        Settings { user_verification, question_timeout: QUESTION_TIMEOUT, ..settings }
    }
}

/// An authenticator that is powered up, with a WebAuthn client on top.
pub(crate) struct Key {
    provider: Provider,
    store: KeyStore,
    clock: Clock,
    role: Role,
}

impl Key {
    /// Makes the authenticator of DIR/key.
    pub(crate) fn init(places: &Places, role: Role, pin: &PinEntry) -> Result<Self, Failure> {
        let directory = places.key_directory();
        places.check_memory()?;
        let made = KeyDirectory::init(&directory, role.settings(), pin, places.memory());
        let made = made.map_err(|error| match error {
            HostError::AlreadyExists(path) => exists(&path),
            other => other.into(),
        })?;
        let KeyParts { authenticator, mut store, clock } = made.into_parts();
        store.put(ROLE, role.name().as_bytes())?;
        Ok(Self { provider: Provider::new(authenticator), store, clock, role })
    }

    /// Powers it up.
    pub(crate) fn open(places: &Places) -> Result<Self, Failure> {
        let (KeyParts { authenticator, store, clock }, role) = open_parts(places, Role::settings)?;
        Ok(Self { provider: Provider::new(authenticator), store, clock, role })
    }

    /// Registers a passkey.
    pub(crate) fn create(
        &mut self,
        origin: &Origin,
        options: &[u8],
        person: &mut dyn Person,
    ) -> Result<ResponseJson, Failure> {
        self.run((Kind::Create, origin, options), person)
    }

    /// Signs in.
    pub(crate) fn get(
        &mut self,
        origin: &Origin,
        options: &[u8],
        person: &mut dyn Person,
    ) -> Result<ResponseJson, Failure> {
        self.run((Kind::Get, origin, options), person)
    }

    fn run(
        &mut self,
        ceremony: (Kind, &Origin, &[u8]),
        person: &mut dyn Person,
    ) -> Result<ResponseJson, Failure> {
        ceremony::run(&mut self.provider, &mut self.store, ceremony, person, self.clock)
    }

    /// Its transports, by their WebAuthn names.
    pub(crate) fn transports(&self) -> Vec<&'static str> {
        let settings = self.provider.authenticator().settings();
        settings.transports.iter().map(|transport| transport.name()).collect()
    }

    fn records(&self) -> Result<Vec<CredentialRecord>, Failure> {
        let records = self.store.list(item_type::PASSKEY)?.into_iter().map(|id| {
            let item = self.store.get(&id)?;
            let record = CredentialRecord::decode(item.plaintext.expose());
            Ok(record.map_err(|_| VaultError::Malformed("passkey record"))?)
        });
        let mut records = records.collect::<Result<Vec<_>, Failure>>()?;
        records.sort_by_key(|record| record.credential.age());
        Ok(records)
    }

    fn record(&self, id: &CredentialId) -> Result<CredentialRecord, Failure> {
        let found = self.records()?.into_iter().find(|record| record.credential.id == *id);
        found.ok_or_else(|| {
            Failure::not_found("no-passkey", "the key has no such passkey")
                .hint("countersign key list names them")
        })
    }
}

/// Powers the authenticator of DIR/key up, with the settings of its role.
pub(crate) fn open_parts(
    places: &Places,
    settings: impl Fn(Role) -> Settings,
) -> Result<(KeyParts, Role), Failure> {
    let first = Role::CredentialManager;
    let opened = KeyDirectory::open(&places.key_directory(), settings(first), places.memory());
    let opened = opened.map_err(|error| match error {
        HostError::NotFound(path) if !places.has_key() => no_key(&path),
        HostError::NotFound(path) => {
            let message = format!("{}: is missing, and nothing else opens the key", path.display());
            Failure::not_found("no-secret", message).hint("put it back from a copy")
        }
        HostError::Vault(VaultError::WrongSecret) => {
            let message = "device.secret is not the one of this key, or the key was altered";
            Failure::new(Exit::WrongSecret, "wrong-secret", message)
                .hint("put back the copy that belongs to it")
        }
        other => Failure::from(other),
    })?;
    let mut parts = opened.into_parts();
    let role = stored_role(&parts.store)?;
    if role != first {
        let state = parts.store.load_state()?;
        let made = Authenticator::new(settings(role), state.as_ref(), provider());
        parts.authenticator = made.map_err(HostError::CannotStart)?;
    }
    parts.store.set_time(today());
    Ok((parts, role))
}

/// Makes the authenticator of DIR/key without a PIN, for platforms to set one.
pub(crate) fn make_parts(places: &Places, role: Role, settings: Settings) -> Result<KeyParts, Failure> {
    places.check_memory()?;
    let made = KeyDirectory::init_without_pin(&places.key_directory(), settings, places.memory())?;
    let mut parts = made.into_parts();
    parts.store.put(ROLE, role.name().as_bytes())?;
    Ok(parts)
}

/// There is no key, or a part of it is missing.
fn no_key(path: &Path) -> Failure {
    let message = format!("{}: no key there", path.display());
    Failure::not_found("no-key", message).hint("make one with countersign key init, or pass --dir")
}

fn exists(path: &Path) -> Failure {
    let message = format!("{}: there is a key already, and it was left alone", path.display());
    Failure::failed("exists", message).hint("pass another --dir")
}

fn stored_role(store: &KeyStore) -> Result<Role, Failure> {
    let Some(id) = store.list(ROLE)?.first().copied() else { return Ok(Role::CredentialManager) };
    let item = store.get(&id)?;
    let roles = Role::value_variants().iter().copied();
    let role = roles.into_iter().find(|role| role.name().as_bytes() == item.plaintext.expose());
    Ok(role.ok_or(VaultError::Unsupported("a key of an unknown role"))?)
}

/// Carries a verb out.
pub(crate) fn run(places: &Places, verb: KeyVerb) -> Result<Outcome, Failure> {
    match verb {
        KeyVerb::Init(arguments) => init(places, arguments),
        KeyVerb::SetPin(arguments) => set_pin(places, arguments),
        KeyVerb::Info => info(places),
        KeyVerb::List => list(places),
        KeyVerb::Show(arguments) => show(places, &arguments),
        KeyVerb::Delete(arguments) => delete(places, arguments),
    }
}

fn init(places: &Places, arguments: InitArgs) -> Result<Outcome, Failure> {
    if places.has_key() {
        // Said before a PIN is asked for.
        return Err(exists(&places.key_directory()));
    }
    let pin = new_pin(arguments.pin.source())?;
    places.printer.working("Setting the PIN (Argon2id) ...");
    let key = Key::init(places, arguments.role, &pin)?;
    let text = format!(
        "Made a key ({}) in {} with a PIN.\nNext: countersign webauthn create --origin ORIGIN OPTIONS.json",
        key.role.name(),
        places.key_directory().display(),
    );
    Ok(Outcome::Report { text, json: info_json(places, &key)? })
}

fn set_pin(places: &Places, arguments: SetPinArgs) -> Result<Outcome, Failure> {
    let (mut parts, role) = open_parts(places, Role::settings)?;
    if parts.authenticator.has_pin() {
        // Said before a PIN is asked for.
        let message = "the key has a PIN already, and it was left alone";
        return Err(Failure::failed("pin-set", message)
            .hint("platforms change it through countersign device, with the old one"));
    }
    let pin = new_pin(arguments.pin.source())?;
    places.printer.working("Setting the PIN (Argon2id) ...");
    keep_pin(&mut parts, &pin)?;
    let KeyParts { authenticator, store, clock } = parts;
    let key = Key { provider: Provider::new(authenticator), store, clock, role };
    let text = format!("Set the PIN of the key in {}.", places.key_directory().display());
    Ok(Outcome::Report { text, json: info_json(places, &key)? })
}

fn keep_pin(parts: &mut KeyParts, pin: &PinEntry) -> Result<(), Failure> {
    let KeyParts { authenticator, store, clock } = parts;
    let mut rng = OsRng::default();
    let step = authenticator.set_pin(pin, &mut rng);
    let refused = match authenticator::run(authenticator, store, step, clock.now(), &mut rng) {
        Turn::Done(Done { response: Response::Failed(status), .. }) => status,
        Turn::Done(_) => return Ok(()),
        // Nobody is asked: the PIN was typed here.
        Turn::Ask(_, pending) => {
            drop(authenticator.cancel(pending));
            Status::Other
        }
    };
    Err(match (refused, authenticator.info().min_pin_length) {
        // A platform has raised it.
        (Status::PinPolicyViolation, Some(length)) => {
            Failure::usage("bad-pin", format!("this key takes PINs of {length} characters or more"))
        }
        _ => CeremonyError::Authenticator(refused).into(),
    })
}

fn info(places: &Places) -> Result<Outcome, Failure> {
    let key = Key::open(places)?;
    let info = key.provider.authenticator().info();
    let tries = match key.provider.authenticator().pin_tries_left() {
        Some(0) => "set, blocked".to_owned(),
        Some(1) => "set, one try left".to_owned(),
        Some(tries) => format!("set, {tries} tries left"),
        None => "not set".to_owned(),
    };
    let options: Vec<String> = info.options.iter().map(|(name, on)| format!("{name}={on}")).collect();
    let text = format!(
        "Key in {}\n  role        {}\n  AAGUID      {}\n  versions    {}\n  extensions  {}\n  options     {}\n  \
         algorithms  {:?}\n  transports  {}\n  crypto      {}\n  PIN         {tries}\n  passkeys    {}",
        places.key_directory().display(),
        key.role.name(),
        aaguid(&info.aaguid.0),
        info.versions.join(", "),
        info.extensions.join(", "),
        options.join(", "),
        info.algorithms,
        info.transports.join(", "),
        key.provider.authenticator().provider().name(),
        key.records()?.len(),
    );
    Ok(Outcome::Report { text, json: info_json(places, &key)? })
}

fn info_json(places: &Places, key: &Key) -> Result<Value, Failure> {
    let authenticator = key.provider.authenticator();
    let info = authenticator.info();
    let options: serde_json::Map<String, Value> =
        info.options.iter().map(|(name, on)| ((*name).to_owned(), json!(on))).collect();
    Ok(json!({
        "path": places.key_directory().display().to_string(),
        "role": key.role.name(),
        "aaguid": aaguid(&info.aaguid.0),
        "versions": info.versions,
        "extensions": info.extensions,
        "options": options,
        "algorithms": info.algorithms,
        "transports": info.transports,
        "cryptoProvider": authenticator.provider().name(),
        "pinSet": authenticator.has_pin(),
        "pinTriesLeft": authenticator.pin_tries_left(),
        "passkeys": key.records()?.len(),
    }))
}

fn list(places: &Places) -> Result<Outcome, Failure> {
    let records = Key::open(places)?.records()?;
    let mut text = match records.len() {
        0 => "No passkeys. countersign webauthn create makes one.".to_owned(),
        number => format!("{}:", count(number, "passkey")),
    };
    for record in &records {
        let Credential { id, rp, user, .. } = &record.credential;
        let name = printable(user.name.as_deref().unwrap_or("an account without a name"));
        let (rp, id) = (printable(rp.id.as_str()), base64url(id.as_bytes()));
        text.push_str(&format!("\n  {rp}  {name}\n    {id}"));
    }
    let passkeys: Vec<Value> = records.iter().map(passkey_json).collect();
    Ok(Outcome::Report { text, json: json!({ "passkeys": passkeys }) })
}

fn show(places: &Places, arguments: &ShowArgs) -> Result<Outcome, Failure> {
    let id = credential_id(&arguments.id)?;
    let record = Key::open(places)?.record(&id)?;
    let json = passkey_json(&record);
    let mut text = String::new();
    for (name, value) in json.as_object().into_iter().flatten() {
        let value = match value {
            Value::String(value) => printable(value),
            Value::Null => continue,
            other => other.to_string(),
        };
        text.push_str(&format!("{name:<16}{value}\n"));
    }
    Ok(Outcome::Report { text, json })
}

/// What may be shown of a passkey: everything but its secrets.
fn passkey_json(record: &CredentialRecord) -> Value {
    let Credential { id, rp, user, .. } = &record.credential;
    let credential = &record.credential;
    let key = &record.secret.key;
    json!({
        "id": base64url(id.as_bytes()),
        "rpId": rp.id.as_str(),
        "rpName": rp.name.as_deref(),
        "userHandle": base64url(user.id.as_bytes()),
        "userName": user.name.as_deref(),
        "displayName": user.display_name.as_deref(),
        "algorithm": key.algorithm().identifier(),
        "publicKey": base64url(&key.public().to_cose(key.algorithm())),
        "discoverable": credential.discoverable,
        "credProtect": credential.cred_protect.level(),
        "backupEligible": credential.backup.eligible(),
        "backedUp": credential.backup.backed_up(),
        "signCount": credential.sign_count,
        "aaguid": aaguid(&credential.aaguid.0),
        "created": credential.created.map(rfc3339),
        "lastUsed": credential.last_used.map(rfc3339),
    })
}

fn delete(places: &Places, arguments: DeleteArgs) -> Result<Outcome, Failure> {
    let id = credential_id(&arguments.id)?;
    let mut key = Key::open(places)?;
    let record = key.record(&id)?;
    let Credential { rp, user, .. } = &record.credential;
    let (rp, name) = (printable(rp.id.as_str()), printable(user.name.as_deref().unwrap_or("no name")));
    consent_to(&format!("Delete the passkey of {name} on {rp} for good?"), arguments.yes)?;
    key.store.commit(ChangeSet { delete: vec![id], ..ChangeSet::default() })?;
    let text =
        format!("Deleted the passkey of {name} on {rp}. The site still lists it: remove it there, too.");
    Ok(Outcome::Report { text, json: json!({ "deleted": arguments.id, "rpId": rp }) })
}
