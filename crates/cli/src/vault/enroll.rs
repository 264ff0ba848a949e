//! `countersign vault enroll`.

use clap::Args;
use countersign::vault::SlotKind;
use serde_json::Value;

use super::{
    new_slot::{self, Enrolled, NewArgs},
    open::{Passkeys, open_with},
    passkey::{self, PasskeyArgs},
    way::WayArgs,
};
use crate::{failure::Failure, key::Key, outcome::Outcome, places::Places};

const AFTER_HELP: &str = "\
Examples:
  countersign vault enroll --code-file code.txt            a passkey of the key, at the terminal
  countersign vault enroll --code-file code.txt --yes --pin-file pin.txt --label laptop
  countersign vault enroll --existing ID                   a passkey that the key has already
  countersign vault enroll --passphrase                    asks for it twice
  countersign vault enroll --recovery-code --note \"in the safe\"
  countersign vault enroll --contact-code --label Ada --json
  countersign vault enroll --shares 2/3                    any two of three people open the vault

The vault is opened first, by what opens it already. A passkey is what is enrolled where nothing
else is named: it is registered with PRF for --rp-id in DIR/key, evaluated in two separate
assertions with user verification, and enabled only if both give the same result. The PIN is
asked for at each ceremony. A passkey that is kept in the vault itself is refused.

Codes and shares are shown once and stored nowhere; with --json they are the members recoveryCode,
contactCode and shares. --passphrase-file, --code-file and --share-file open the vault; the
passphrase that is enrolled comes from --new-passphrase-file.";

/// Let a passkey, a passphrase, a code or shares open the vault
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct EnrollArgs {
    #[command(flatten)]
    new: NewArgs,
    #[command(flatten)]
    passkey: PasskeyArgs,
    /// What to call the slot
    #[arg(long)]
    label: Option<String>,
    /// Where it is kept and who knows of it, or anything else
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Go on although this machine has not seen the vault before
    #[arg(long)]
    accept_as_is: bool,
    #[command(flatten)]
    way: WayArgs,
}

pub(super) fn run(places: &Places, arguments: EnrollArgs) -> Result<Outcome, Failure> {
    let EnrollArgs { new, passkey, label, note, accept_as_is, way } = arguments;
    if new.count() > 1 {
        return Err(Failure::usage("usage", "one slot at a time: name one kind"));
    }
    let with_passkey = new.passkey || new.count() == 0;
    if with_passkey {
        drop(Key::open(places)?);
    } else if passkey.is_given() {
        return Err(Failure::usage("usage", "--existing, --sign-in-only and extra PINs are of passkeys"));
    }
    let rp_id = passkey::checked_rp_id(&way.rp_id)?;
    let (mut open, _, mut operator) = open_with(places, way, Passkeys::Allowed)?;
    if accept_as_is {
        open.store.accept_as_is();
    }
    let words = (label.as_deref(), note.as_deref());
    let enrolled = if with_passkey {
        passkey::enrol(places, &mut open, (&rp_id, passkey), words, &mut operator)?
    } else {
        let secrets = new.secrets()?;
        let secret = secrets.first().ok_or_else(|| Failure::usage("usage", "nothing to enrol"))?;
        new_slot::enrol(&mut open, secret, words, places.printer)?
    };
    Ok(report(&enrolled, (&open.store.vault().vault_id().to_string(), open.store.vault().epoch())))
}

fn report(enrolled: &Enrolled, (vault_id, epoch): (&str, u64)) -> Outcome {
    let way = match enrolled.kind {
        SlotKind::Passkey | SlotKind::Device => "passkey",
        SlotKind::RecoveryCode | SlotKind::ContactCode => "code",
        SlotKind::Passphrase => "passphrase",
        SlotKind::Shares => "shares",
    };
    let text =
        format!("{}\nVault:      {vault_id}\nTry it out: countersign vault test --by {way}", enrolled.text());
    let mut json = enrolled.json();
    json["vaultId"] = vault_id.into();
    json["epoch"] = Value::from(epoch);
    Outcome::Report { text, json }
}
