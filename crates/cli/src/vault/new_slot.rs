//! New ways into the vault: what the arguments ask for, the slots that need no authenticator, and what is shown of them.

use std::path::PathBuf;

use clap::Args;
use countersign::{
    crypto::OsRng,
    vault::{PassphraseCost, RecoveryCode, SlotId, SlotKind, SlotPrivate, SlotStatus},
};
use countersign_host::SecretText;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::open::OpenVault;
use crate::{failure::Failure, outcome::Printer, places::today, secrets, text::printable};

const PASSPHRASE_NEEDED: &str = "the new passphrase is needed, and there is no terminal to ask on; pass \
                                 --new-passphrase-file or --new-passphrase-fd";

/// What is to open the vault from now on.
#[derive(Args)]
pub(super) struct NewArgs {
    /// Enrol a passkey of DIR/key
    #[arg(long)]
    pub(super) passkey: bool,
    /// Enrol a new recovery code; it is shown once
    #[arg(long)]
    recovery_code: bool,
    /// Enrol a code for a contact, which opens the vault, too; it is shown once
    #[arg(long)]
    contact_code: bool,
    /// Enrol a passphrase; it is asked for twice
    #[arg(long)]
    passphrase: bool,
    /// Enrol N shares, any K of which open the vault together; they are shown once
    #[arg(long, value_name = "K/N", value_parser = split)]
    shares: Option<Split>,
    /// Read the new passphrase from a file that only you can read
    #[arg(long, value_name = "FILE", requires = "passphrase", conflicts_with = "new_passphrase_fd")]
    new_passphrase_file: Option<PathBuf>,
    /// Read the new passphrase from an open descriptor, one line
    #[arg(long, value_name = "N", requires = "passphrase")]
    new_passphrase_fd: Option<u32>,
}

/// How many shares, and how many of them are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Split {
    needed: u8,
    made: u8,
}

fn split(text: &str) -> Result<Split, String> {
    let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match numbers {
        Some((needed, made)) if (2..=made).contains(&needed) && made <= 16 => Ok(Split { needed, made }),
        _ => Err("wants K/N, such as 2/3: N is at most 16, and K from 2 to N".to_owned()),
    }
}

/// A way into the vault that needs no authenticator.
pub(super) enum NewSecret {
    RecoveryCode,
    ContactCode,
    Passphrase(SecretText),
    Shares { needed: u8, made: u8 },
}

impl NewArgs {
    /// How many ways are asked for.
    pub(super) fn count(&self) -> usize {
        let flags = [self.passkey, self.recovery_code, self.contact_code, self.passphrase];
        flags.into_iter().filter(|given| *given).count() + usize::from(self.shares.is_some())
    }

    /// Those that need no authenticator. A passphrase is asked for here.
    pub(super) fn secrets(self) -> Result<Vec<NewSecret>, Failure> {
        let mut new = Vec::new();
        if self.passphrase {
            let source = secrets::source(self.new_passphrase_file, self.new_passphrase_fd);
            new.push(NewSecret::Passphrase(secrets::read_new(source, "New passphrase", PASSPHRASE_NEEDED)?));
        }
        if self.recovery_code {
            new.push(NewSecret::RecoveryCode);
        }
        if self.contact_code {
            new.push(NewSecret::ContactCode);
        }
        if let Some(Split { needed, made }) = self.shares {
            new.push(NewSecret::Shares { needed, made });
        }
        Ok(new)
    }
}

/// A slot that was enrolled.
pub(super) struct Enrolled {
    pub(super) slot: SlotId,
    pub(super) kind: SlotKind,
    pub(super) label: String,
    pub(super) shown: Shown,
}

/// What is told of it, this once.
pub(super) enum Shown {
    Nothing,
    Code(Zeroizing<String>),
    Shares { needed: u8, shares: Vec<Zeroizing<String>> },
    Passkey { rp_id: String, credential_id: String, status: SlotStatus },
}

/// What the owner is to know about a new slot, as of now.
pub(super) fn private(label: &str, note: Option<&str>) -> SlotPrivate {
    SlotPrivate {
        label: label.to_owned(),
        created: today().0,
        note: note.map(str::to_owned),
        ..SlotPrivate::default()
    }
}

/// Enrols one that needs no authenticator.
pub(super) fn enrol(
    open: &mut OpenVault,
    new: &NewSecret,
    (label, note): (Option<&str>, Option<&str>),
    printer: Printer,
) -> Result<Enrolled, Failure> {
    let kind = match new {
        NewSecret::RecoveryCode => SlotKind::RecoveryCode,
        NewSecret::ContactCode => SlotKind::ContactCode,
        NewSecret::Passphrase(_) => SlotKind::Passphrase,
        NewSecret::Shares { .. } => SlotKind::Shares,
    };
    let label = label.unwrap_or(kind.name()).to_owned();
    let private = private(&label, note);
    let (vault_id, (proof, now)) = (open.store.vault().vault_id(), open.proof());
    let code = RecoveryCode::make(&mut OsRng::default());
    if let NewSecret::Passphrase(_) = new {
        printer.working("Sealing to the passphrase (Argon2id) ...");
    }
    let (slot, shown) = open.store.administer(&proof, now, |administration, _, rng| match new {
        NewSecret::RecoveryCode => {
            let slot = administration.enrol_recovery_code(&code, private, rng)?;
            Ok((slot, Shown::Code(code.to_text(&vault_id))))
        }
        NewSecret::ContactCode => {
            let slot = administration.enrol_contact_code(&code, private, rng)?;
            Ok((slot, Shown::Code(code.to_text(&vault_id))))
        }
        NewSecret::Passphrase(text) => {
            let cost = PassphraseCost::default();
            administration.set_passphrase_policy(&secrets::LongEnough);
            Ok((administration.enrol_passphrase(text.expose(), cost, private, rng)?, Shown::Nothing))
        }
        NewSecret::Shares { needed, made } => {
            let (slot, shares) = administration.enrol_shares(*needed, *made, private, rng)?;
            let shares = shares.iter().map(|share| share.to_text()).collect();
            Ok((slot, Shown::Shares { needed: *needed, shares }))
        }
    })?;
    Ok(Enrolled { slot, kind, label, shown })
}

impl Enrolled {
    /// For people: what it is, and what is shown once.
    pub(super) fn text(&self) -> String {
        let Self { slot, kind, shown, .. } = self;
        let label = printable(&self.label);
        match shown {
            Shown::Nothing => {
                format!("The new {} opens the vault (slot {slot}, {label}).", kind.name())
            }
            Shown::Code(code) => {
                let (name, keep) = match kind {
                    SlotKind::ContactCode => (
                        "Contact's code",
                        "Hand it to your contact. Whoever has it and a copy of the vault opens everything.",
                    ),
                    _ => (
                        "Recovery code",
                        "It opens everything: write it down, and keep it apart from this machine.",
                    ),
                };
                format!("  {name}: {}\n\nIt is shown this once. {keep}\nSlot: {slot} ({label})", **code)
            }
            Shown::Shares { needed, shares } => {
                let lines = shares
                    .iter()
                    .zip(1..)
                    .map(|(share, number)| format!("  Share {number} of {}: {}\n", shares.len(), **share));
                let lines: Zeroizing<String> = Zeroizing::new(lines.collect());
                format!(
                    "{}\nThey are shown this once. Each is for one holder; any {needed} of them open \
                     everything together.\nSlot: {slot} ({label})",
                    *lines
                )
            }
            Shown::Passkey { rp_id, credential_id, status } => {
                let does = match status {
                    SlotStatus::Enabled => "opens the vault: two assertions gave one PRF result",
                    SlotStatus::Idle => "signs in, and could open the vault (supported, not active)",
                    _ => "signs in only: no PRF was observed of it (not supported)",
                };
                format!("A passkey for {rp_id} {does}.\nSlot:       {slot}\nCredential: {credential_id}")
            }
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let mut json = json!({
            "slotId": self.slot.to_string(),
            "kind": self.kind.name(),
            "label": self.label,
        });
        match &self.shown {
            Shown::Nothing => {}
            Shown::Code(code) if self.kind == SlotKind::ContactCode => {
                json["contactCode"] = (**code).as_str().into()
            }
            Shown::Code(code) => json["recoveryCode"] = (**code).as_str().into(),
            Shown::Shares { needed, shares } => {
                json["sharesNeeded"] = (*needed).into();
                json["shares"] = shares.iter().map(|share| share.as_str()).collect();
            }
            Shown::Passkey { rp_id, credential_id, status } => {
                json["rpId"] = rp_id.as_str().into();
                json["credentialId"] = credential_id.as_str().into();
                json["usedForEncryption"] = (*status == SlotStatus::Enabled).into();
            }
        }
        json
    }
}
