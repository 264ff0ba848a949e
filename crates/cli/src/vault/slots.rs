//! `countersign vault slots` and `label`: the ways into the vault, and what their owner says of them.

use clap::Args;
use countersign::{
    time::UnixTime,
    vault::{EncryptionStatus, ShareSet, SlotId, SlotPrivate, SlotStatus, SlotView, Suite, Vault},
};
use serde_json::{Value, json};

use super::{open::open, way::WayArgs};
use crate::{
    date::rfc3339,
    failure::Failure,
    outcome::Outcome,
    places::Places,
    text::{aaguid, base64url, printable},
};

const SLOTS_HELP: &str = "\
Examples:
  countersign vault slots
  countersign vault slots --code-file code.txt --json

A slot is one way into the vault. Passkeys are
  used for encryption     it opens the vault
  supported, not active   it signs in, and could open the vault (vault enroll --existing ID)
  not supported           it signs in only: no PRF was observed of it
Last used: it opened the vault, noted once a day. Last verified: it was used, or tried out
(vault test). Refresh due: its keys are older than the vault's, and are renewed when it next
opens the vault.";

const LABEL_HELP: &str = "\
Examples:
  countersign vault label 3f2a \"key in the drawer\" --code-file code.txt
  countersign vault label \"recovery code\" \"code of 2026\" --note \"in the safe; Ada knows\"
  countersign vault label 3f2a --note \"\"                       takes the note away

SLOT is the slot's identifier, the beginning of it, or its label (vault slots). Both texts are
encrypted in the vault.";

/// Show the ways into the vault, and when each was last used and verified
#[derive(Args)]
#[command(after_help = SLOTS_HELP)]
pub(crate) struct SlotsArgs {
    #[command(flatten)]
    way: WayArgs,
}

/// Give a slot another label, or a note
#[derive(Args)]
#[command(after_help = LABEL_HELP)]
pub(crate) struct LabelArgs {
    /// The slot
    slot: String,
    /// What to call it
    #[arg(required_unless_present = "note")]
    text: Option<String>,
    /// Where it is and who knows of it, or anything else; empty for none
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    way: WayArgs,
}

/// What is shown of a slot; without its private part if the vault is not open.
#[derive(Clone)]
pub(super) struct SlotLine {
    pub(super) id: SlotId,
    pub(super) kind: &'static str,
    pub(super) status: SlotStatus,
    encryption: Option<EncryptionStatus>,
    pub(super) refresh_due: bool,
    pub(super) rp_id: Option<String>,
    pub(super) credential_id: Option<String>,
    transports: Vec<&'static str>,
    extra_pin: bool,
    shares: Option<ShareSet>,
    suite: Option<Suite>,
    pub(super) private: Option<SlotPrivate>,
}

impl SlotLine {
    pub(super) fn of(slot: &SlotView<'_>, key_gen: u64, private: Option<SlotPrivate>) -> Self {
        let of_idle = private.as_ref();
        let rp_id = slot.rp_id().or(of_idle.and_then(|private| private.rp_id.as_deref()));
        let credential_id = slot.credential_id().or(of_idle.and_then(|idle| idle.credential_id.as_deref()));
        Self {
            id: slot.slot_id(),
            kind: slot.kind().name(),
            status: slot.status(),
            encryption: slot.encryption_status(),
            refresh_due: slot.born().is_some_and(|born| born < key_gen),
            rp_id: rp_id.map(str::to_owned),
            credential_id: credential_id.map(base64url),
            transports: slot.transports(),
            extra_pin: slot.wants_pin(),
            shares: slot.share_set(),
            suite: slot.suite(),
            private,
        }
    }

    /// All slots of an open vault.
    pub(super) fn all(vault: &Vault) -> Result<Vec<Self>, Failure> {
        let one =
            |slot: SlotView<'_>| Ok(Self::of(&slot, vault.key_gen(), vault.slot_private(&slot.slot_id())?));
        vault.slots().map(one).collect()
    }

    /// What it does, in a word.
    pub(super) fn status_name(&self) -> &'static str {
        match self.status {
            SlotStatus::Enabled => "used",
            SlotStatus::Idle => "supported",
            SlotStatus::SignInOnly => "not supported",
            SlotStatus::Tombstone => "removed",
        }
    }

    fn encryption_name(&self) -> Option<&'static str> {
        self.encryption.map(|encryption| match encryption {
            EncryptionStatus::UsedForEncryption => "used for encryption",
            EncryptionStatus::SupportedNotActive => "supported, not active",
            EncryptionStatus::NotSupported => "not supported",
        })
    }

    pub(super) fn label(&self) -> String {
        self.private.as_ref().map(|private| printable(&private.label)).unwrap_or_default()
    }

    /// Kind and label: how it is spoken of.
    pub(super) fn name(&self) -> String {
        match self.label() {
            label if label.is_empty() || label == self.kind => self.kind.to_owned(),
            label => format!("{} \"{label}\"", self.kind),
        }
    }

    fn time(&self, of: impl Fn(&SlotPrivate) -> Option<u64>) -> Option<String> {
        self.private.as_ref().and_then(of).map(|time| rfc3339(UnixTime(time)))
    }

    fn text(&self) -> String {
        let does = self.encryption_name().unwrap_or(match self.status {
            SlotStatus::Tombstone => "removed",
            _ => "opens the vault",
        });
        let due = if self.refresh_due { ", refresh due" } else { "" };
        let mut text = format!("\n  {}  {}, {does}{due}", self.id, self.kind);
        if let Some(set) = self.shares {
            text.push_str(&format!("\n    any {} of {} shares", set.needed, set.made));
        }
        if let (Some(rp_id), Some(credential)) = (&self.rp_id, &self.credential_id) {
            let pin = if self.extra_pin { ", with an extra PIN" } else { "" };
            text.push_str(&format!("\n    {}, credential {credential}{pin}", printable(rp_id)));
        }
        if let Some(private) = &self.private {
            let never = || "never".to_owned();
            text.push_str(&format!(
                "\n    {}; created {}, last used {}, last verified {}",
                self.label(),
                rfc3339(UnixTime(private.created)),
                self.time(|private| private.last_used).unwrap_or_else(never),
                self.time(|private| private.last_verified).unwrap_or_else(never),
            ));
            if let Some(note) = &private.note {
                text.push_str(&format!("\n    note: {}", printable(note)));
            }
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let private = self.private.as_ref();
        json!({
            "slotId": self.id.to_string(),
            "kind": self.kind,
            "status": self.status_name(),
            "encryption": self.encryption_name(),
            "refreshDue": self.refresh_due,
            "rpId": self.rp_id,
            "credentialId": self.credential_id,
            "transports": self.transports,
            "extraPin": self.extra_pin,
            "sharesNeeded": self.shares.map(|set| set.needed),
            "sharesMade": self.shares.map(|set| set.made),
            "suite": self.suite.map(Suite::number),
            "label": private.map(|private| &private.label),
            "created": self.time(|private| Some(private.created)),
            "lastUsed": self.time(|private| private.last_used),
            "lastVerified": self.time(|private| private.last_verified),
            "backupEligible": private.and_then(|private| private.backup_eligible),
            "backedUp": private.and_then(|private| private.backed_up),
            "aaguid": private.and_then(|private| private.aaguid).map(|bytes| aaguid(&bytes)),
            "note": private.and_then(|private| private.note.as_deref()),
        })
    }
}

/// The fewest characters that a slot is found by.
const LEAST_DIGITS: usize = 4;

/// The slot that somebody means: by its identifier, the beginning of that, or its label. Removed ones are not found.
pub(super) fn find(vault: &Vault, wanted: &str) -> Result<SlotLine, Failure> {
    let mut slots = SlotLine::all(vault)?;
    slots.retain(|slot| slot.status != SlotStatus::Tombstone);
    let digits = wanted.to_ascii_lowercase();
    let labelled = |slot: &SlotLine| slot.private.as_ref().is_some_and(|private| private.label == wanted);
    slots.retain(|slot| {
        let named = wanted.len() >= LEAST_DIGITS && slot.id.to_string().starts_with(&digits);
        named || labelled(slot)
    });
    let shown = printable(wanted);
    match (slots.pop(), slots.is_empty()) {
        (Some(slot), true) => Ok(slot),
        (None, _) => Err(Failure::not_found("no-slot", format!("the vault has no slot {shown}"))
            .hint("countersign vault slots names them")),
        (Some(_), false) => {
            let message = format!("{shown} may be several slots; give more of the identifier");
            Err(Failure::usage("ambiguous-slot", message))
        }
    }
}

pub(super) fn run(places: &Places, arguments: SlotsArgs) -> Result<Outcome, Failure> {
    let (open, _) = open(places, arguments.way)?;
    let vault = open.store.vault();
    let slots = SlotLine::all(vault)?;
    let text: String = slots.iter().map(SlotLine::text).collect();
    let text = format!("Vault {}, opened by slot {}{text}", vault.vault_id(), open.slot);
    let json = json!({
        "vaultId": vault.vault_id().to_string(),
        "openedBy": open.slot.to_string(),
        "keyGeneration": vault.key_gen(),
        "slots": slots.iter().map(SlotLine::json).collect::<Vec<_>>(),
    });
    Ok(Outcome::Report { text, json })
}

pub(super) fn label(places: &Places, arguments: LabelArgs) -> Result<Outcome, Failure> {
    let (mut open, _) = open(places, arguments.way)?;
    let slot = find(open.store.vault(), &arguments.slot)?;
    let (text, note) = (arguments.text, arguments.note);
    open.store.change(|draft, _, _| {
        draft.edit_slot_private(&slot.id, |private| {
            if let Some(text) = text {
                private.label = text;
            }
            if let Some(note) = note {
                private.note = Some(note).filter(|note| !note.is_empty());
            }
        })
    })?;
    let slot = find(open.store.vault(), &slot.id.to_string())?;
    let text = format!("Changed:{}", slot.text());
    Ok(Outcome::Report { text, json: slot.json() })
}
