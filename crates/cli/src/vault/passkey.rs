//! A passkey of the key as a way into the vault: its registration, its two assertions, its slot.

use std::path::PathBuf;

use clap::Args;
use countersign::{
    client::Origin,
    credential::{CredentialStore, Query},
    vault::{
        EncryptionSetup, ExtraPin, PasskeyEnrolment, PassphraseCost, PrfAbility, PrfSaltMode, SlotId,
        SlotKind, SlotPrivate, SlotStatus, Vault, VaultError, prf_input,
    },
    webauthn::{CredentialId, RpId, UvPrfOutput},
};
use countersign_host::SecretText;
use serde_json::{Value, json};

use super::{
    new_slot::{Enrolled, Shown, private},
    open::{OpenVault, passkey_origin, passkey_request},
    slots::SlotLine,
};
use crate::{
    failure::Failure,
    key::Key,
    outcome::Printer,
    person::{Operator, credential_id},
    places::{Places, VaultStore, random, today},
    relying_party::{Registered, read_assertion, verify_registration},
    secrets,
    text::base64url,
};

const EXTRA_PIN_NEEDED: &str = "the new extra PIN is needed, and there is no terminal to ask on; pass \
                                --new-extra-pin-file or --new-extra-pin-fd";

/// Which passkey is enrolled, and how.
#[derive(Args)]
pub(super) struct PasskeyArgs {
    /// Enrol this passkey of the key, by its credential ID, instead of a new one
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    existing: Option<String>,
    /// Only note the passkey in the vault; it does not open it
    #[arg(long, conflicts_with_all = ["extra_pin", "new_extra_pin_file", "new_extra_pin_fd"])]
    sign_in_only: bool,
    /// Ask for an extra PIN of the slot's own, whenever the passkey opens the vault; it is asked for twice
    #[arg(long)]
    extra_pin: bool,
    /// Read the new extra PIN from a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "new_extra_pin_fd")]
    new_extra_pin_file: Option<PathBuf>,
    /// Read the new extra PIN from an open descriptor, one line
    #[arg(long, value_name = "N")]
    new_extra_pin_fd: Option<u32>,
}

impl PasskeyArgs {
    /// A new passkey that opens the vault.
    pub(super) const NEW: Self = Self {
        existing: None,
        sign_in_only: false,
        extra_pin: false,
        new_extra_pin_file: None,
        new_extra_pin_fd: None,
    };

    /// Whether they say anything.
    pub(super) fn is_given(&self) -> bool {
        self.existing.is_some() || self.sign_in_only || self.wants_pin()
    }

    fn wants_pin(&self) -> bool {
        self.extra_pin || self.new_extra_pin_file.is_some() || self.new_extra_pin_fd.is_some()
    }

    fn new_pin(self) -> Result<Option<SecretText>, Failure> {
        if !self.wants_pin() {
            return Ok(None);
        }
        let source = secrets::source(self.new_extra_pin_file, self.new_extra_pin_fd);
        secrets::read_new(source, "New extra PIN for this passkey", EXTRA_PIN_NEEDED).map(Some)
    }
}

const DEFAULT_LABEL: &str = "passkey of this machine's key";

/// The RP ID of passkeys for the vault, if it can be one.
pub(super) fn checked_rp_id(rp_id: &str) -> Result<RpId, Failure> {
    passkey_origin(rp_id)?;
    RpId::new(rp_id).map_err(|_| Failure::usage("bad-rp-id", "an RP ID has 1 to 253 bytes"))
}

/// A passkey on its way into an open vault.
struct Candidate<'a> {
    rp_id: &'a RpId,
    credential_id: CredentialId,
    private: SlotPrivate,
    /// What it said of its PRF when it was registered; none of a passkey that was there.
    prf: Option<PrfAbility>,
    /// The slot of a passkey that signs in only so far.
    idle: Option<SlotId>,
}

/// Enrols a passkey of the key, a new one unless the arguments name one.
pub(super) fn enrol(
    places: &Places,
    open: &mut OpenVault,
    (rp_id, arguments): (&RpId, PasskeyArgs),
    (label, note): (Option<&str>, Option<&str>),
    operator: &mut Operator,
) -> Result<Enrolled, Failure> {
    let existing = arguments.existing.as_deref().map(credential_id).transpose()?;
    let mut ceremonies = Ceremonies::new(places, rp_id, operator)?;
    let private = private(label.unwrap_or(DEFAULT_LABEL), note);
    let steps = usize::from(existing.is_none()) + if arguments.sign_in_only { 0 } else { 2 };
    let mut steps = Steps::begin(places.printer, steps);
    let candidate = match existing {
        Some(credential_id) => {
            refuse_circle(&open.store, rp_id, &credential_id)?;
            let idle = idle_slot(open.store.vault(), rp_id, &credential_id)?;
            Candidate { rp_id, credential_id, private, prf: None, idle }
        }
        None => {
            steps.next("register a passkey with the key");
            let registered = ceremonies.register(open.store.vault())?;
            let prf = Some(PrfAbility::of_registration(registered.prf_enabled));
            let private = seen_at_registration(&registered, private);
            Candidate { rp_id, credential_id: registered.credential_id, private, prf, idle: None }
        }
    };
    if arguments.sign_in_only || candidate.prf == Some(PrfAbility::NotObserved) {
        return note_only(open, candidate, &mut ceremonies);
    }
    let pin = arguments.new_pin()?;
    let salt = PrfSaltMode::PerSlot(random());
    let input = prf_input(&open.store.vault().vault_id(), &salt);
    steps.next("sign in with it, which gives the secret for the vault");
    let first = ceremonies.evaluate(&candidate.credential_id, &input)?;
    steps.next("sign in once more: the secret must be the same");
    let second = ceremonies.evaluate(&candidate.credential_id, &input)?;
    let transports = ceremonies.key.transports();
    let pin = pin.as_ref().map(|pin| ExtraPin { pin: pin.expose(), cost: PassphraseCost::default() });
    if pin.is_some() {
        places.printer.working("Sealing to the extra PIN (Argon2id) ...");
    }
    let setup = EncryptionSetup { salt, transports: &transports, pin };
    enable(open, candidate, setup, (&first, &second))
}

/// The slot of a passkey that the vault knows, and that does not open it.
fn idle_slot(vault: &Vault, rp_id: &RpId, credential: &CredentialId) -> Result<Option<SlotId>, Failure> {
    let wanted = base64url(credential.as_bytes());
    let mut idle = SlotLine::all(vault)?.into_iter().filter(|slot| {
        matches!(slot.status, SlotStatus::Idle | SlotStatus::SignInOnly)
            && slot.rp_id.as_deref() == Some(rp_id.as_str())
            && slot.credential_id.as_ref() == Some(&wanted)
    });
    Ok(idle.next().map(|slot| slot.id))
}

/// Lets it open the vault. One that gave two outputs is noted as what it is: it signs in.
fn enable(
    open: &mut OpenVault,
    candidate: Candidate<'_>,
    setup: EncryptionSetup<'_>,
    (first, second): (&UvPrfOutput, &UvPrfOutput),
) -> Result<Enrolled, Failure> {
    let (proof, now) = open.proof();
    let verified = Some(today().0);
    let Candidate { rp_id, credential_id, private, idle, .. } = candidate;
    let slot = match idle {
        Some(slot) => open.store.administer(&proof, now, |administration, _, rng| {
            administration.enable_encryption(&slot, setup, first, second, rng)?;
            administration.edit_slot_private(&slot, |private| private.last_verified = verified)?;
            Ok(slot)
        }),
        None => {
            let EncryptionSetup { salt, transports, pin } = setup;
            let noted = private.clone();
            let private = SlotPrivate { last_verified: verified, ..private };
            let enrolment =
                PasskeyEnrolment { rp_id, credential_id: &credential_id, salt, transports, pin, private };
            let enrolled = open.store.enrol_passkey((&proof, now), enrolment, first, second);
            if enrolled == Err(VaultError::UnstablePrf) {
                let passkey = (rp_id, &credential_id);
                open.store.add_passkey((&proof, now), passkey, PrfAbility::Observed, noted)?;
            }
            enrolled
        }
    }?;
    enrolled(open.store.vault(), slot, (rp_id, &credential_id))
}

/// Notes a passkey that signs in only: its owner said so, or it has no PRF.
fn note_only(
    open: &mut OpenVault,
    candidate: Candidate<'_>,
    ceremonies: &mut Ceremonies<'_>,
) -> Result<Enrolled, Failure> {
    let Candidate { rp_id, credential_id, private, prf, .. } = candidate;
    let prf = match prf {
        Some(seen) => seen,
        None => match ceremonies.evaluate(&credential_id, &random::<32>()) {
            Ok(_) => PrfAbility::Observed,
            Err(failure) if failure.code == "no-prf" => PrfAbility::NotObserved,
            Err(failure) => return Err(failure),
        },
    };
    let (proof, now) = open.proof();
    let slot = open.store.add_passkey((&proof, now), (rp_id, &credential_id), prf, private)?;
    enrolled(open.store.vault(), slot, (rp_id, &credential_id))
}

fn enrolled(vault: &Vault, slot: SlotId, (rp_id, id): (&RpId, &CredentialId)) -> Result<Enrolled, Failure> {
    let status = vault.slots().find(|view| view.slot_id() == slot).map(|view| view.status());
    let shown = Shown::Passkey {
        rp_id: rp_id.as_str().to_owned(),
        credential_id: base64url(id.as_bytes()),
        status: status.ok_or(VaultError::NotFound)?,
    };
    let label = vault.slot_private(&slot)?.map(|private| private.label).unwrap_or_default();
    Ok(Enrolled { slot, kind: SlotKind::Passkey, label, shown })
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
        if all < 2 {
            return Self { printer, number: 0, all };
        }
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

/// The ceremonies of one passkey with the key.
struct Ceremonies<'a> {
    key: Key,
    origin: Origin,
    rp_id: &'a RpId,
    operator: &'a mut Operator,
}

impl<'a> Ceremonies<'a> {
    fn new(places: &Places, rp_id: &'a RpId, operator: &'a mut Operator) -> Result<Self, Failure> {
        Ok(Self { key: Key::open(places)?, origin: passkey_origin(rp_id.as_str())?, rp_id, operator })
    }

    /// A new discoverable passkey with PRF for the vault; not where the key has one that opens it already.
    fn register(&mut self, vault: &Vault) -> Result<Registered, Failure> {
        let options = creation_options(self.rp_id.as_str(), vault);
        let response = self.key.create(&self.origin, options.to_string().as_bytes(), self.operator);
        let response = response.map_err(|failure| match failure.code {
            "already-registered" => {
                Failure::failed("already-enrolled", "a passkey of this key opens the vault already")
            }
            _ => failure,
        })?;
        verify_registration(&options, &self.origin, &response)
    }

    /// One assertion of its own, with user verification.
    fn evaluate(&mut self, credential: &CredentialId, input: &[u8]) -> Result<UvPrfOutput, Failure> {
        let request = passkey_request(self.rp_id.as_str(), &[(credential.clone(), input.to_vec())]);
        let response = self.key.get(&self.origin, request.to_string().as_bytes(), self.operator)?;
        read_assertion(&response)?.prf()
    }
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

/// What its registration says of a passkey, beside what its owner says.
fn seen_at_registration(registered: &Registered, private: SlotPrivate) -> SlotPrivate {
    SlotPrivate {
        public_key: Some(registered.public_key.to_cose(registered.algorithm)),
        aaguid: Some(registered.aaguid.0),
        backup_eligible: Some(registered.flags.backup_eligible()),
        backed_up: Some(registered.flags.backup_state()),
        ..private
    }
}

/// What the owner is to know about a passkey's slot that was just verified.
pub(crate) fn passkey_private(registered: &Registered, label: &str) -> SlotPrivate {
    SlotPrivate { last_verified: Some(today().0), ..seen_at_registration(registered, private(label, None)) }
}
