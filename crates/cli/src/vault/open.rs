//! Opening the vault, and `countersign vault unlock`.

use std::path::PathBuf;

use clap::Args;
use countersign::{
    client::Origin,
    crypto::OsRng,
    vault::{
        Envelope, Freshness, Opening, PasskeyStore, RecoveryCode, SlotId, SlotKind, SlotSecret, SlotStatus,
        SlotView, Vault, VaultError,
    },
    webauthn::{CredentialId, RpId, UvPrfOutput},
};
use countersign_host::{HostError, SecretSource, VaultFile};
use serde_json::{Map, Value, json};

use super::DEFAULT_RP_ID;
use crate::{
    failure::Failure,
    key::Key,
    outcome::Outcome,
    person::{Operator, Person, PersonArgs},
    places::{Places, VaultStore, random, today},
    relying_party::read_assertion,
    secrets,
    text::{base64url, count},
};

const AFTER_HELP: &str = "\
Examples:
  countersign vault unlock                                   by a passkey of DIR/key, at the terminal
  countersign vault unlock --yes --pin-file pin.txt          the same in a script
  countersign vault unlock --code-file code.txt --json       by the recovery code

Nothing stays open: every command opens the vault for itself. This one checks that it can be
opened, and says by what, and how fresh the vault is known to be:
  checked      the state last seen on this machine, or one that follows from it
  first use    seen here for the first time; from now on an old copy will be noticed
  checked gap  by the same line of keys, but so much newer that the states between are not listed
A vault that is older than what was last seen, or another one of the same name, is refused with
exit code 6. Put the newest copy back. If you mean to go on with the old one, move the memory
away (countersign --help: Files) and open it again: that is a first use.";

/// What opens the vault.
#[derive(Args)]
pub(crate) struct WayArgs {
    /// Open by the recovery code, at a prompt
    #[arg(long, conflicts_with_all = ["code_file", "code_fd"])]
    pub(crate) code: bool,
    /// Open by the recovery code in a file
    #[arg(long, value_name = "FILE", conflicts_with = "code_fd")]
    pub(crate) code_file: Option<PathBuf>,
    /// Open by the recovery code from an open descriptor
    #[arg(long, value_name = "N")]
    pub(crate) code_fd: Option<u32>,
    /// The RP ID of the passkeys that may open the vault
    #[arg(long, value_name = "RP_ID", default_value = DEFAULT_RP_ID)]
    pub(crate) rp_id: String,
    #[command(flatten)]
    pub(crate) person: PersonArgs,
}

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
}

/// What was brought to open it.
enum Brought {
    Code(RecoveryCode),
    Passkey(SlotId, UvPrfOutput),
}

/// Opens the vault as the arguments say. The operator may be asked again by what follows.
pub(crate) fn open(places: &Places, way: WayArgs) -> Result<(OpenVault, Operator), Failure> {
    let file = places.open_vault_file()?;
    let envelope = envelope(&file, places)?;
    let mut operator = Operator::new(way.person, places.printer);
    let source = secrets::source(way.code_file, way.code_fd);
    let has_passkey = passkey_slots(&envelope, &way.rp_id).next().is_some();
    let brought = if way.code || source.is_some() || !has_passkey || !places.has_key() {
        let text = source.unwrap_or(SecretSource::Prompt).read("Recovery code").map_err(code_needed)?;
        Brought::Code(RecoveryCode::parse(text.expose(), &envelope.vault_id())?)
    } else {
        let mut key = Key::open(places)?;
        evaluate(&envelope, &way.rp_id, &mut key, &mut operator)?
    };
    Ok((finish(places, file, &envelope, &brought)?, operator))
}

fn code_needed(error: HostError) -> Failure {
    match error {
        HostError::NoTerminal => Failure::no_terminal(
            "the recovery code is needed, and there is no terminal to ask on; pass --code-file or --code-fd",
        ),
        other => other.into(),
    }
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
    let brought = evaluate(&envelope, rp_id, key, person)?;
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
    key: &mut Key,
    person: &mut dyn Person,
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
        "no-passkey" => failure.hint("pass --code to open the vault by its recovery code"),
        _ => failure,
    })?;
    let asserted = read_assertion(&response)?;
    let slot = envelope.slot_of_credential(asserted.credential_id.as_bytes());
    let slot = slot.ok_or_else(|| Failure::not_found("no-passkey", "another passkey answered"))?;
    Ok(Brought::Passkey(slot.slot_id(), asserted.prf()?))
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

/// Opens the envelope with what was brought, and renews the slot's keys where a rotation has left them behind.
fn finish(
    places: &Places,
    file: VaultFile,
    envelope: &Envelope,
    brought: &Brought,
) -> Result<OpenVault, Failure> {
    let (slot, vault) = match brought {
        Brought::Passkey(slot, output) => {
            (*slot, unseal(places, envelope, slot, &SlotSecret::Passkey(output))?)
        }
        Brought::Code(code) => open_by_code(places, envelope, code)?,
    };
    let mut store = PasskeyStore::new(vault, file, Some(Box::new(places.memory())), OsRng::default())?;
    store.set_time(today());
    let refreshed = store.vault().refresh_due().any(|due| due == slot);
    if refreshed {
        let secret = match brought {
            Brought::Code(code) => SlotSecret::Code(code),
            Brought::Passkey(_, output) => SlotSecret::Passkey(output),
        };
        store.change(|draft, _, rng| draft.refresh(&slot, &secret, rng))?;
    }
    let kind = match brought {
        Brought::Code(_) => SlotKind::RecoveryCode,
        Brought::Passkey(..) => SlotKind::Passkey,
    };
    Ok(OpenVault { store, kind, slot, refreshed })
}

fn unseal(
    places: &Places,
    envelope: &Envelope,
    slot: &SlotId,
    secret: &SlotSecret<'_>,
) -> Result<Vault, Failure> {
    let mut memory = places.memory();
    let opening = Opening { memory: Some(&mut memory), now: places.now(), ..Opening::default() };
    Ok(envelope.open(slot, secret, opening)?.0)
}

/// Tries each recovery code slot: a code does not say whose it is.
fn open_by_code(
    places: &Places,
    envelope: &Envelope,
    code: &RecoveryCode,
) -> Result<(SlotId, Vault), Failure> {
    let slots = envelope
        .slots()
        .filter(|slot| slot.kind() == SlotKind::RecoveryCode && slot.status() == SlotStatus::Enabled);
    for slot in slots {
        match unseal(places, envelope, &slot.slot_id(), &SlotSecret::Code(code)) {
            Err(failure) if failure.code == "wrong-secret" => {}
            other => return Ok((slot.slot_id(), other?)),
        }
    }
    Err(VaultError::WrongSecret.into())
}

/// The name of a kind of slot.
pub(crate) fn kind_name(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Passkey => "passkey",
        SlotKind::RecoveryCode => "recovery code",
        SlotKind::Passphrase => "passphrase",
        SlotKind::Shares => "shares",
        SlotKind::ContactCode => "contact's code",
        SlotKind::Device => "device",
    }
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
        kind_name(open.kind),
        open.slot,
        vault.epoch(),
        vault.key_gen(),
        count(vault.item_count(), "item"),
    );
    let json = json!({
        "vaultId": vault.vault_id().to_string(),
        "openedBy": kind_name(open.kind),
        "slotId": open.slot.to_string(),
        "freshness": freshness,
        "epoch": vault.epoch(),
        "keyGeneration": vault.key_gen(),
        "items": vault.item_count(),
        "slotRefreshed": open.refreshed,
    });
    Ok(Outcome::Report { text, json })
}
