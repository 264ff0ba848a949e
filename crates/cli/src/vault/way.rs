//! What opens the vault: which way the arguments say, and the secret that goes with it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use countersign::{
    vault::{
        Envelope, JoinedShares, RecoveryCode, Share, ShareError, ShareSet, SlotId, SlotKind, SlotSecret,
        SlotStatus,
    },
    webauthn::UvPrfOutput,
};
use countersign_host::{SecretSource, SecretText};

use super::DEFAULT_RP_ID;
use crate::{
    failure::Failure,
    outcome::Printer,
    person::PersonArgs,
    secrets,
    text::{count, hex},
};

/// What opens the vault.
#[derive(Args)]
pub(crate) struct WayArgs {
    /// Open by this; its secret is asked for at a prompt
    #[arg(long, group = "way", value_enum, value_name = "WAY")]
    by: Option<Way>,
    /// The same as --by code
    #[arg(long, group = "way")]
    code: bool,
    /// Open by the recovery code, or a contact's code, in a file that only you can read
    #[arg(long, group = "way", value_name = "FILE")]
    code_file: Option<PathBuf>,
    /// The same from an open descriptor, one line
    #[arg(long, group = "way", value_name = "N")]
    code_fd: Option<u32>,
    /// Open by a passphrase in a file that only you can read
    #[arg(long, group = "way", value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The same from an open descriptor, one line
    #[arg(long, group = "way", value_name = "N")]
    passphrase_fd: Option<u32>,
    /// Open by shares, one in each file that only you can read; give as many as are needed
    #[arg(long, group = "way", value_name = "FILE")]
    share_file: Vec<PathBuf>,
    /// Read the extra PIN of a passkey's slot from a file that only you can read
    #[arg(long, value_name = "FILE", conflicts_with = "extra_pin_fd")]
    extra_pin_file: Option<PathBuf>,
    /// Read the extra PIN of a passkey's slot from an open descriptor, one line
    #[arg(long, value_name = "N")]
    extra_pin_fd: Option<u32>,
    /// The RP ID of the passkeys that may open the vault
    #[arg(long, value_name = "RP_ID", default_value = DEFAULT_RP_ID)]
    pub(crate) rp_id: String,
    #[command(flatten)]
    pub(crate) person: PersonArgs,
}

/// A way into the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    /// A passkey of DIR/key
    Passkey,
    /// A recovery code, or a contact's code
    Code,
    /// A passphrase
    Passphrase,
    /// Shares, one after the other
    Shares,
}

impl Way {
    /// The kinds of slots that it opens, and what they are called together.
    fn kinds(self) -> (&'static [SlotKind], &'static str) {
        match self {
            Self::Passkey => (&[SlotKind::Passkey], "passkey"),
            Self::Code => (&[SlotKind::RecoveryCode, SlotKind::ContactCode], "code"),
            Self::Passphrase => (&[SlotKind::Passphrase], "passphrase"),
            Self::Shares => (&[SlotKind::Shares], "set of shares"),
        }
    }
}

/// What was brought to open it.
pub(crate) enum Brought {
    Code(RecoveryCode),
    Passphrase(SecretText),
    Shares(ShareSet, JoinedShares),
    /// Of this slot; with its extra PIN, where it has one.
    Passkey(SlotId, UvPrfOutput, Option<SecretText>),
}

impl Brought {
    pub(super) fn secret(&self) -> SlotSecret<'_> {
        match self {
            Self::Code(code) => SlotSecret::Code(code),
            Self::Passphrase(text) => SlotSecret::Passphrase(text.expose()),
            Self::Shares(_, joined) => SlotSecret::Shares(joined),
            Self::Passkey(_, output, None) => SlotSecret::Passkey(output),
            Self::Passkey(_, output, Some(pin)) => SlotSecret::PasskeyWithPin(output, pin.expose()),
        }
    }

    /// The slots that it may be of: no secret but a passkey's says whose it is.
    pub(super) fn slots(&self, envelope: &Envelope) -> Vec<SlotId> {
        match self {
            Self::Code(_) => slots_of(envelope, Way::Code),
            Self::Passphrase(_) => slots_of(envelope, Way::Passphrase),
            Self::Shares(set, _) => {
                let of_set = envelope.slots().filter(|slot| slot.share_set() == Some(*set));
                of_set.map(|slot| slot.slot_id()).collect()
            }
            Self::Passkey(slot, ..) => vec![*slot],
        }
    }

    pub(super) fn is_slow(&self) -> bool {
        matches!(self, Self::Passphrase(_) | Self::Passkey(_, _, Some(_)))
    }

    /// What it is called where it turns out to be wrong.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Code(_) => "code",
            Self::Passphrase(_) => "passphrase",
            Self::Shares(..) => "set of shares",
            Self::Passkey(_, _, None) => "passkey's secret",
            Self::Passkey(_, _, Some(_)) => "extra PIN or the passkey's secret",
        }
    }
}

const SECRET_NEEDED: &str = "what opens the vault is needed, and there is no terminal to ask on; pass --code-file, \
                             --passphrase-file, --share-file or the same with -fd, or --pin-file for a passkey";
const EXTRA_PIN_NEEDED: &str = "the slot's extra PIN is needed, and there is no terminal to ask on; pass \
                                --extra-pin-file or --extra-pin-fd";

impl WayArgs {
    /// Whether the arguments say what is to open the vault.
    pub(super) fn is_named(&self) -> bool {
        self.named().is_some()
    }

    fn named(&self) -> Option<Way> {
        let code = self.code || self.code_file.is_some() || self.code_fd.is_some();
        let passphrase = self.passphrase_file.is_some() || self.passphrase_fd.is_some();
        let implied =
            [(code, Way::Code), (passphrase, Way::Passphrase), (!self.share_file.is_empty(), Way::Shares)];
        self.by.or(implied.into_iter().find(|(given, _)| *given).map(|(_, way)| way))
    }

    /// The way to go: the one that is named, else a passkey if there is one, else what the vault has, codes first. A way
    /// that the vault has no slot for is refused before anybody is asked for a secret.
    pub(super) fn way(&self, envelope: &Envelope, passkey: bool) -> Result<Way, Failure> {
        let has = |way: &Way| !slots_of(envelope, *way).is_empty();
        let way = self.named().or(passkey.then_some(Way::Passkey));
        let fallbacks = [Way::Code, Way::Passphrase, Way::Shares];
        let way = way.or(fallbacks.into_iter().find(has)).unwrap_or(Way::Code);
        if has(&way) {
            return Ok(way);
        }
        let message = format!("no {} opens this vault", way.kinds().1);
        Err(Failure::not_found("no-slot", message).hint("countersign vault status shows what does"))
    }

    /// Takes the secret of a way that needs no authenticator.
    pub(super) fn bring(self, way: Way, envelope: &Envelope, printer: Printer) -> Result<Brought, Failure> {
        match way {
            Way::Passphrase => {
                let source = secrets::source(self.passphrase_file, self.passphrase_fd);
                Ok(Brought::Passphrase(secrets::read(source, "Passphrase", SECRET_NEEDED)?))
            }
            Way::Shares if self.share_file.is_empty() => ask_for_shares(printer),
            Way::Shares => {
                let texts = self.share_file.into_iter().map(SecretSource::File);
                let shares = texts.map(|source| read_share(Some(source), "Share"));
                join(&shares.collect::<Result<Vec<_>, _>>()?)
            }
            Way::Code | Way::Passkey => {
                let source = secrets::source(self.code_file, self.code_fd);
                let text = secrets::read(source, "Recovery code", SECRET_NEEDED)?;
                Ok(Brought::Code(RecoveryCode::parse(text.expose(), &envelope.vault_id())?))
            }
        }
    }

    /// Where the extra PIN of a passkey's slot comes from.
    pub(super) fn extra_pin(self) -> ExtraPinSource {
        ExtraPinSource(secrets::source(self.extra_pin_file, self.extra_pin_fd))
    }
}

/// Where the extra PIN of a passkey's slot comes from; a prompt, unless the arguments say otherwise.
#[derive(Default)]
pub(super) struct ExtraPinSource(Option<SecretSource>);

impl ExtraPinSource {
    pub(super) fn read(self) -> Result<SecretText, Failure> {
        secrets::read(self.0, "Extra PIN of this passkey", EXTRA_PIN_NEEDED)
    }
}

fn slots_of(envelope: &Envelope, way: Way) -> Vec<SlotId> {
    let enabled = envelope.slots().filter(|slot| slot.status() == SlotStatus::Enabled);
    enabled.filter(|slot| way.kinds().0.contains(&slot.kind())).map(|slot| slot.slot_id()).collect()
}

fn read_share(source: Option<SecretSource>, prompt: &str) -> Result<Share, Failure> {
    Ok(Share::parse(secrets::read(source, prompt, SECRET_NEEDED)?.expose())?)
}

/// Asks for one share after the other; the first says how many it takes. One that was mistyped is asked for again: nobody
/// types the others once more for that. An empty line gives up.
fn ask_for_shares(printer: Printer) -> Result<Brought, Failure> {
    let mut shares: Vec<Share> = Vec::new();
    loop {
        let needed = shares.first().map(|share| usize::from(share.set().needed));
        if needed.is_some_and(|needed| shares.len() >= needed) {
            return join(&shares);
        }
        let of = needed.map(|needed| format!(" of {needed}")).unwrap_or_default();
        let text = secrets::read(None, &format!("Share {}{of}", shares.len() + 1), SECRET_NEEDED)?;
        let share = Share::parse(text.expose()).and_then(|share| fits(&shares, share));
        match share {
            Ok(share) => {
                printer.progress(&format!(
                    "That is share {} of set {}; any {} open the vault.",
                    share.number(),
                    hex(&share.set().set_id),
                    count(usize::from(share.set().needed), "share"),
                ));
                shares.push(share);
            }
            Err(refused) => printer.progress(&format!("{refused}; once more (an empty line gives up).")),
        }
    }
}

/// The share, if it goes with those that are there.
fn fits(shares: &[Share], share: Share) -> Result<Share, ShareError> {
    match shares.first() {
        Some(first) if first.set() != share.set() => Err(ShareError::OtherSet),
        _ if shares.iter().any(|other| other.number() == share.number()) => Err(ShareError::Repeated),
        _ => Ok(share),
    }
}

fn join(shares: &[Share]) -> Result<Brought, Failure> {
    let joined = JoinedShares::join(shares)?;
    let set = shares.first().map(Share::set).ok_or(ShareError::TooFew { needed: 2, brought: 0 })?;
    Ok(Brought::Shares(set, joined))
}
