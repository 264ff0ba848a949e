//! `countersign vault enroll`.

use clap::Args;
use countersign::{
    client::Origin,
    credential::{CredentialStore, Query},
    vault::{
        PasskeyEnrolment, PrfSaltMode, SlotId, SlotKind, SlotPrivate, SlotStatus, Vault, VaultError,
        prf_input,
    },
    webauthn::{CredentialId, RpId, UvPrfOutput},
};
use serde_json::{Value, json};

use super::open::{WayArgs, open, passkey_origin, passkey_request};
use crate::{
    failure::Failure,
    key::Key,
    outcome::{Outcome, Printer},
    person::{Operator, credential_id},
    places::{Places, VaultStore, random, today},
    relying_party::{Registered, read_assertion, verify_registration},
    text::base64url,
};

const AFTER_HELP: &str = "\
Examples:
  countersign vault enroll --code-file code.txt
  countersign vault enroll --code-file code.txt --yes --pin-file pin.txt --label laptop
  countersign vault enroll --existing ID           a passkey that the key has already for the RP ID

Registers a passkey with PRF for --rp-id in DIR/key, evaluates it in two separate assertions
with user verification, and enables it only if both give the same result. The vault is opened
first: by the recovery code, or by another passkey. The PIN is asked for at each ceremony. A
passkey that is kept in the vault itself is refused.";

/// Let a passkey of the key open the vault
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct EnrollArgs {
    /// Enrol this passkey of the key, by its credential ID, instead of a new one
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    existing: Option<String>,
    /// What to call the slot
    #[arg(long, default_value = "passkey of this machine's key")]
    label: String,
    /// Go on although this machine has not seen the vault before
    #[arg(long)]
    accept_as_is: bool,
    #[command(flatten)]
    way: WayArgs,
}

pub(super) fn run(places: &Places, arguments: EnrollArgs) -> Result<Outcome, Failure> {
    let rp_id = arguments.way.rp_id.clone();
    let origin = passkey_origin(&rp_id)?;
    let existing = arguments.existing.as_deref().map(credential_id).transpose()?;
    drop(Key::open(places)?);
    let (mut open, mut operator) = open(places, arguments.way)?;
    if arguments.accept_as_is {
        open.store.accept_as_is();
    }
    let mut key = Key::open(places)?;
    let rp = RpId::new(&rp_id).map_err(|_| Failure::usage("bad-rp-id", "an RP ID has 1 to 253 bytes"))?;
    let mut steps = Steps::begin(places.printer, if existing.is_some() { 2 } else { 3 });
    let (credential, private) = match existing {
        Some(credential) => {
            refuse_circle(&open.store, &rp, &credential)?;
            (credential, plain_private(&arguments.label))
        }
        None => {
            steps.next("register a passkey with the key");
            let registered = register(&mut key, &origin, &rp_id, open.store.vault(), &mut operator)?;
            (registered.credential_id.clone(), passkey_private(&registered, &arguments.label))
        }
    };
    let salt = PrfSaltMode::PerSlot(random());
    let input = prf_input(&open.store.vault().vault_id(), &salt);
    let mut evaluate = || evaluate(&mut key, &origin, &rp_id, (&credential, &input), &mut operator);
    steps.next("sign in with it, which gives the secret for the vault");
    let first = evaluate()?;
    steps.next("sign in once more: the secret must be the same");
    let second = evaluate()?;
    let enrolment = PasskeyEnrolment {
        rp_id: &rp,
        credential_id: &credential,
        salt,
        transports: &key.transports(),
        pin: None,
        private,
    };
    let proof = open.store.vault().opening_proof();
    let slot = open.store.enrol_passkey((&proof, places.now()), enrolment, &first, &second)?;
    Ok(report(open.store.vault(), &slot, &rp_id, &credential))
}

/// Says which of an enrolment's ceremonies comes next. Each has a user verification of its own: two secrets from one
/// verification would not show that a later unlocking gives the same.
struct Steps {
    printer: Printer,
    number: usize,
    all: usize,
}

impl Steps {
    fn begin(printer: Printer, all: usize) -> Self {
        let asked =
            "The PIN is needed for each, since each is a ceremony of its own, as every later unlocking is.";
        printer.progress(&format!("Enrolment has {all} steps. {asked}"));
        Self { printer, number: 0, all }
    }

    fn next(&mut self, what: &str) {
        self.number += 1;
        self.printer.progress(&format!("Step {} of {}: {what}.", self.number, self.all));
    }
}

/// Refuses, before the person is asked, a passkey that is kept in the very vault that it would open.
fn refuse_circle(store: &VaultStore, rp: &RpId, credential: &CredentialId) -> Result<(), Failure> {
    let within = store.load(&Query::Named(rp.clone(), credential.clone().into()))?;
    if within.is_empty() { Ok(()) } else { Err(VaultError::Circular.into()) }
}

/// A new discoverable passkey with PRF for the vault; not where the key has one that opens it already.
fn register(
    key: &mut Key,
    origin: &Origin,
    rp_id: &str,
    vault: &Vault,
    operator: &mut Operator,
) -> Result<Registered, Failure> {
    let options = creation_options(rp_id, vault);
    let response = key.create(origin, options.to_string().as_bytes(), operator).map_err(|failure| {
        if failure.code == "already-registered" {
            Failure::failed("already-enrolled", "a passkey of this key opens the vault already")
        } else {
            failure
        }
    })?;
    let registered = verify_registration(&options, origin, &response)?;
    if registered.prf_enabled { Ok(registered) } else { Err(Failure::failed("no-prf", "the key has no PRF")) }
}

fn creation_options(rp_id: &str, vault: &Vault) -> Value {
    let enrolled = vault.slots().filter(|slot| {
        slot.rp_id() == Some(rp_id)
            && slot.kind() == SlotKind::Passkey
            && slot.status() == SlotStatus::Enabled
    });
    let exclude: Vec<Value> = enrolled
        .filter_map(|slot| slot.credential_id())
        .map(|id| json!({ "type": "public-key", "id": base64url(id) }))
        .collect();
    let name = format!("vault {}", vault.vault_id());
    json!({
        "rp": { "id": rp_id, "name": "countersign vault" },
        // A new handle each time: a passkey of the same account would take the place of the earlier one.
        "user": { "id": base64url(&random::<16>()), "name": name, "displayName": name },
        "challenge": base64url(&random::<32>()),
        "pubKeyCredParams": [
            { "type": "public-key", "alg": -7 },
            { "type": "public-key", "alg": -8 },
        ],
        "excludeCredentials": exclude,
        "authenticatorSelection": { "residentKey": "required", "userVerification": "required" },
        "extensions": { "prf": {} },
    })
}

/// One assertion of its own, with user verification.
fn evaluate(
    key: &mut Key,
    origin: &Origin,
    rp_id: &str,
    (credential, input): (&CredentialId, &[u8]),
    operator: &mut Operator,
) -> Result<UvPrfOutput, Failure> {
    let request = passkey_request(rp_id, &[(credential.clone(), input.to_vec())]);
    let response = key.get(origin, request.to_string().as_bytes(), operator)?;
    read_assertion(&response)?.prf()
}

fn plain_private(label: &str) -> SlotPrivate {
    let now = today().0;
    SlotPrivate { label: label.to_owned(), created: now, last_verified: Some(now), ..SlotPrivate::default() }
}

/// What the owner is to know about a passkey's slot.
pub(crate) fn passkey_private(registered: &Registered, label: &str) -> SlotPrivate {
    SlotPrivate {
        public_key: Some(registered.public_key.to_cose(registered.algorithm)),
        aaguid: Some(registered.aaguid.0),
        backup_eligible: Some(registered.flags.backup_eligible()),
        backed_up: Some(registered.flags.backup_state()),
        ..plain_private(label)
    }
}

fn report(vault: &Vault, slot: &SlotId, rp_id: &str, credential: &CredentialId) -> Outcome {
    let credential = base64url(credential.as_bytes());
    let text = format!(
        "A passkey for {rp_id} opens the vault {}: two assertions gave one PRF result.\n\
         Slot:       {slot}\nCredential: {credential}\nTry: countersign vault unlock",
        vault.vault_id(),
    );
    let json = json!({
        "vaultId": vault.vault_id().to_string(),
        "slotId": slot.to_string(),
        "rpId": rp_id,
        "credentialId": credential,
        "epoch": vault.epoch(),
    });
    Outcome::Report { text, json }
}
