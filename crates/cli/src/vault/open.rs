//! Opening the vault, and `countersign vault unlock`.

use clap::Args;
use countersign::{
    client::Origin,
    crypto::OsRng,
    time::Moment,
    vault::{
        Envelope, Freshness, Opening, PasskeyStore, Reauth, SlotId, SlotKind, SlotView, Vault, VaultError,
    },
    webauthn::{CredentialId, RpId},
};
use countersign_host::VaultFile;
use serde_json::{Map, Value, json};

use super::way::{Brought, ExtraPinSource, Way, WayArgs};
use crate::{
    failure::{Exit, Failure},
    key::Key,
    outcome::Outcome,
    person::{Operator, Person},
    places::{Places, VaultStore, random, today},
    relying_party::read_assertion,
    text::{base64url, count},
};

const AFTER_HELP: &str = "\
Examples:
  countersign vault unlock                                   by a passkey of DIR/key, at the terminal
  countersign vault unlock --yes --pin-file pin.txt          the same in a script
  countersign vault unlock --code-file code.txt --json       by a recovery code, or a contact's code
  countersign vault unlock --by shares                       by shares, one prompt for each
  countersign vault unlock --passphrase-file words.txt

Nothing stays open: every command opens the vault for itself. This one checks that it can be
opened, and says by what, and how fresh the vault is known to be:
  checked      the state last seen on this machine, or one that follows from it
  first use    seen here for the first time; from now on an old copy will be noticed
  checked gap  by the same line of keys, but so much newer that the states between are not listed
A vault that is older than what was last seen, or another one of the same name, is refused with
exit code 6. Put the newest copy back. If you mean to go on with the old one, move the memory
away (countersign --help: Files) and open it again: that is a first use.";

/// Check that the vault opens, and say by what
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    way: WayArgs,
}

/// An open vault and how it was opened.
pub(crate) struct OpenVault {
    pub(crate) store: VaultStore,
    pub(crate) kind: SlotKind,
    pub(crate) slot: SlotId,
    /// Whether the slot's keys were older than the vault key and were renewed.
    pub(crate) refreshed: bool,
    opened_at: Moment,
}

impl OpenVault {
    /// The proof of who is there, as of the opening: the vault was opened for this very command, so that the wait at its
    /// prompts does not count.
    pub(super) fn proof(&self) -> (Reauth, Moment) {
        (self.store.vault().opening_proof(), self.opened_at)
    }
}

/// Opens the vault as the arguments say. The operator may be asked again by what follows.
pub(crate) fn open(places: &Places, way: WayArgs) -> Result<(OpenVault, Operator), Failure> {
    let (open, _, operator) = open_with(places, way, Passkeys::Allowed)?;
    Ok((open, operator))
}

/// Whether an authenticator may be asked to open the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passkeys {
    Allowed,
    Refused,
}

/// The same, and what it was opened by, for who needs that once more.
pub(super) fn open_with(
    places: &Places,
    arguments: WayArgs,
    passkeys: Passkeys,
) -> Result<(OpenVault, Brought, Operator), Failure> {
    let file = places.open_vault_file()?;
    let envelope = envelope(&file, places)?;
    let rp_id = arguments.rp_id.clone();
    let has_passkey = passkey_slots(&envelope, &rp_id).next().is_some() && places.has_key();
    let way = arguments.way(&envelope, has_passkey && passkeys == Passkeys::Allowed)?;
    let mut arguments = arguments;
    let mut operator = Operator::new(std::mem::take(&mut arguments.person), places.printer);
    let brought = match way {
        Way::Passkey if passkeys == Passkeys::Refused => {
            return Err(Failure::usage("bad-way", "this opens the vault without an authenticator"));
        }
        Way::Passkey => {
            let mut key = Key::open(places)?;
            evaluate(&envelope, &rp_id, (&mut key, &mut operator), arguments.extra_pin())?
        }
        way => arguments.bring(way, &envelope, places.printer)?,
    };
    Ok((finish(places, file, &envelope, &brought)?, brought, operator))
}

/// Opens the vault by a passkey of an open key.
pub(crate) fn open_by_passkey(
    places: &Places,
    rp_id: &str,
    key: &mut Key,
    person: &mut dyn Person,
) -> Result<OpenVault, Failure> {
    let file = places.open_vault_file()?;
    let envelope = envelope(&file, places)?;
    let brought = evaluate(&envelope, rp_id, (key, person), ExtraPinSource::default())?;
    finish(places, file, &envelope, &brought)
}

/// The vault as the storage presents it; nobody has vouched for it.
pub(super) fn envelope(file: &VaultFile, places: &Places) -> Result<Envelope, Failure> {
    let missing =
        || Failure::not_found("no-vault", format!("{}: holds no vault", places.vault_file().display()));
    file.envelope()?.ok_or_else(missing)
}

/// The slots whose passkeys an assertion may be asked for. The RP ID in a slot is the storage's word; the one that
/// counts is the host's own.
fn passkey_slots<'a>(envelope: &'a Envelope, rp_id: &'a str) -> impl Iterator<Item = SlotView<'a>> {
    envelope.slots().filter(move |slot| slot.rp_id() == Some(rp_id))
}

/// An assertion of one of the vault's passkeys, with the PRF evaluated on the slot's input.
fn evaluate(
    envelope: &Envelope,
    rp_id: &str,
    (key, person): (&mut Key, &mut dyn Person),
    extra_pin: ExtraPinSource,
) -> Result<Brought, Failure> {
    let inputs: Vec<_> = passkey_slots(envelope, rp_id)
        .filter_map(|slot| Some((CredentialId::new(slot.credential_id()?).ok()?, slot.prf_input()?)))
        .collect();
    if inputs.is_empty() {
        let message = format!("no passkey of {rp_id} opens this vault");
        return Err(Failure::not_found("no-passkey", message).hint("countersign vault enroll adds one"));
    }
    let request = passkey_request(rp_id, &inputs);
    let response = key.get(&passkey_origin(rp_id)?, request.to_string().as_bytes(), person);
    let response = response.map_err(|failure| match failure.code {
        "no-passkey" => failure.hint("pass --by code, or another of its ways, to open the vault without it"),
        _ => failure,
    })?;
    let asserted = read_assertion(&response)?;
    let slot = envelope.slot_of_credential(asserted.credential_id.as_bytes());
    let slot = slot.ok_or_else(|| Failure::not_found("no-passkey", "another passkey answered"))?;
    let output = asserted.prf()?;
    let pin = if slot.wants_pin() { Some(extra_pin.read()?) } else { None };
    Ok(Brought::Passkey(slot.slot_id(), output, pin))
}

/// The origin of the page that asks for a vault's passkeys: this program, in the name of their RP ID.
pub(crate) fn passkey_origin(rp_id: &str) -> Result<Origin, Failure> {
    let named = RpId::new(rp_id).ok().and_then(|_| Origin::parse(&format!("https://{rp_id}")).ok());
    let named = named.filter(|origin| origin.effective_domain() == Some(rp_id));
    named.ok_or_else(|| Failure::usage("bad-rp-id", "an RP ID is a domain name in lower case"))
}

/// The options that ask for an assertion of one of the named passkeys, each with a PRF input of its own.
pub(crate) fn passkey_request(rp_id: &str, inputs: &[(CredentialId, Vec<u8>)]) -> Value {
    let id = |id: &CredentialId| base64url(id.as_bytes());
    let allowed: Vec<Value> =
        inputs.iter().map(|(credential, _)| json!({ "type": "public-key", "id": id(credential) })).collect();
    let evaluations: Map<String, Value> = inputs
        .iter()
        .map(|(credential, input)| (id(credential), json!({ "first": base64url(input) })))
        .collect();
    json!({
        "challenge": base64url(&random::<32>()),
        "rpId": rp_id,
        "allowCredentials": allowed,
        "userVerification": "required",
        "extensions": { "prf": { "evalByCredential": evaluations } },
    })
}

/// The options that ask for an assertion of one passkey with the PRF outputs of two inputs.
pub(super) fn passkey_request_for_two(
    rp_id: &str,
    credential: &CredentialId,
    (first, second): (&[u8], &[u8]),
) -> Value {
    let mut request = passkey_request(rp_id, &[(credential.clone(), first.to_vec())]);
    request["extensions"]["prf"]["evalByCredential"][base64url(credential.as_bytes())]["second"] =
        base64url(second).into();
    request
}

/// Opens the envelope with what was brought. The slot's keys are renewed where a rotation has left them behind, and once a
/// day it is noted that the slot was used: which of the ways into a vault work is known by that.
fn finish(
    places: &Places,
    file: VaultFile,
    envelope: &Envelope,
    brought: &Brought,
) -> Result<OpenVault, Failure> {
    let (slot, vault) = unseal(places, envelope, brought)?;
    let opened_at = places.now();
    let mut store = PasskeyStore::new(vault, file, Some(Box::new(places.memory())), OsRng::default())?;
    store.set_time(today());
    let vault = store.vault();
    let refreshed = vault.refresh_due().any(|due| due == slot);
    let noted = vault.freshness() == Freshness::Checked && !is_noted_today(vault, &slot)?;
    if refreshed || noted {
        let proof = vault.opening_proof();
        store.change(|draft, _, rng| {
            if refreshed {
                draft.refresh(&slot, &brought.secret(), rng)?;
            }
            if noted { draft.mark_used(&proof, today()) } else { Ok(()) }
        })?;
    }
    let kind = envelope.slots().find(|view| view.slot_id() == slot).map(|view| view.kind());
    let kind = kind.ok_or(VaultError::NotFound)?;
    Ok(OpenVault { store, kind, slot, refreshed, opened_at })
}

/// Whether the slot's last use is of today.
fn is_noted_today(vault: &Vault, slot: &SlotId) -> Result<bool, Failure> {
    const DAY: u64 = 86_400;
    let used = vault.slot_private(slot)?.and_then(|private| private.last_used);
    Ok(used.is_some_and(|used| used / DAY == today().0 / DAY))
}

/// Tries each slot that the secret may be of.
fn unseal(places: &Places, envelope: &Envelope, brought: &Brought) -> Result<(SlotId, Vault), Failure> {
    if brought.is_slow() {
        places.printer.working(&format!("Checking the {} (Argon2id) ...", brought.name()));
    }
    for slot in brought.slots(envelope) {
        let mut memory = places.memory();
        let opening = Opening { memory: Some(&mut memory), now: places.now(), ..Opening::default() };
        match envelope.open(&slot, &brought.secret(), opening) {
            Err(VaultError::WrongSecret) => {}
            other => return Ok((slot, other?.0)),
        }
    }
    Err(match brought {
        Brought::Passkey(_, _, None) => VaultError::WrongSecret.into(),
        other => {
            let message = format!("the {} is wrong, or the vault's slot was altered", other.name());
            Failure::new(Exit::WrongSecret, "wrong-secret", message)
        }
    })
}

/// The name of a freshness.
pub(crate) fn freshness_name(freshness: Freshness) -> &'static str {
    match freshness {
        Freshness::Unchecked => "unchecked",
        Freshness::FirstUse => "first use",
        Freshness::CheckedGap => "checked gap",
        Freshness::Checked => "checked",
    }
}

pub(super) fn run(places: &Places, arguments: UnlockArgs) -> Result<Outcome, Failure> {
    let (open, _) = open(places, arguments.way)?;
    let vault = open.store.vault();
    let freshness = freshness_name(vault.freshness());
    let refreshed =
        if open.refreshed { "\nThe slot's keys were older than the vault key and were renewed." } else { "" };
    let text = format!(
        "The vault {} opens.\nBy:        {} (slot {})\nFreshness: {freshness}\n\
         State:     epoch {}, key generation {}, {}{refreshed}",
        vault.vault_id(),
        open.kind.name(),
        open.slot,
        vault.epoch(),
        vault.key_gen(),
        count(vault.item_count(), "item"),
    );
    let json = json!({
        "vaultId": vault.vault_id().to_string(),
        "openedBy": open.kind.name(),
        "slotId": open.slot.to_string(),
        "freshness": freshness,
        "epoch": vault.epoch(),
        "keyGeneration": vault.key_gen(),
        "items": vault.item_count(),
        "slotRefreshed": open.refreshed,
    });
    Ok(Outcome::Report { text, json })
}
