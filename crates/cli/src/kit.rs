//! `countersign kit`: the sheet of paper for an emergency.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use countersign::{
    crypto::OsRng,
    kit::Kit,
    upkeep::UpkeepRecord,
    vault::{RecoveryCode, SlotId, SlotPrivate},
};
use countersign_host::secret_file::NewText;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    outcome::Outcome,
    person::consent_to,
    places::{Places, VaultStore, today},
    vault::{OpenVault, WayArgs, open},
};

const NOUN_HELP: &str = "\
Examples:
  countersign kit print                                     what opens the vault, as text
  countersign kit print --new-code --html kit.html          with a new recovery code, to be printed";

const PRINT_HELP: &str = "\
Examples:
  countersign kit print
  countersign kit print --html kit.html --place \"desk drawer; Anna knows\"
  countersign kit print --new-code --html kit.html --svg code.svg --code-file code.txt
  countersign kit print --new-code --text - --yes | lp

The kit says what opens the vault, where the format is documented and what to do in an emergency;
it has a number and a date, and the vault notes what it tells of, so that countersign check can
say when a new one is to be printed. The page needs no network and runs no scripts; it prints on A4
and Letter.

A recovery code is shown once and stored nowhere, so no program can print the one that you have:
there is a line to write it on by hand. --new-code makes a new one, which opens the vault beside
the old ones; all that is printed is then a secret. Files are new, and yours alone (0600): print
them, and delete them. FILE can be - for standard output.";

/// The sheet of paper for an emergency
#[derive(Args)]
#[command(after_help = NOUN_HELP, arg_required_else_help = true)]
pub(crate) struct KitNoun {
    #[command(subcommand)]
    pub(crate) verb: KitVerb,
}

/// What can be done with the kit.
#[derive(Subcommand)]
pub(crate) enum KitVerb {
    Print(PrintArgs),
}

/// Print the recovery kit: what opens the vault, and how
#[derive(Args)]
#[command(after_help = PRINT_HELP)]
pub(crate) struct PrintArgs {
    /// Write a page that can be printed
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write text [default: to standard output, if no other form is named]
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Write a QR code
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Make a new recovery code for the vault, and print it
    #[arg(long)]
    new_code: bool,
    /// Where the kit will be kept and who knows of it, to be noted in the vault, encrypted
    #[arg(long, value_name = "TEXT")]
    place: Option<String>,
    /// Go on although this machine has not seen the vault before
    #[arg(long)]
    accept_as_is: bool,
    #[command(flatten)]
    way: WayArgs,
}

/// Carries one out.
pub(crate) fn run(places: &Places, verb: KitVerb) -> Result<Outcome, Failure> {
    match verb {
        KitVerb::Print(arguments) => print(places, arguments),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Text,
    Svg,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Text => "text",
            Self::Svg => "svg",
        }
    }

    fn of(self, kit: &Kit) -> Zeroizing<String> {
        match self {
            Self::Html => kit.to_html(),
            Self::Text => kit.to_text(),
            Self::Svg => kit.to_svg(),
        }
    }
}

/// Where a kit goes to. Files are made before there is a code: one that cannot be written costs nothing then.
struct Targets {
    files: Vec<(Form, PathBuf, NewText)>,
    output: Option<Form>,
}

impl Targets {
    fn make(arguments: &PrintArgs) -> Result<Self, Failure> {
        let named =
            [(Form::Html, &arguments.html), (Form::Text, &arguments.text), (Form::Svg, &arguments.svg)];
        let mut targets = Self { files: Vec::new(), output: None };
        for (form, path) in named.into_iter().filter_map(|(form, path)| Some((form, path.as_deref()?))) {
            if path != Path::new("-") {
                targets.files.push((form, path.to_owned(), NewText::make(path)?));
            } else if targets.output.replace(form).is_some() {
                return Err(Failure::usage("usage", "one form at a time goes to standard output"));
            }
        }
        if targets.files.is_empty() && targets.output.is_none() {
            targets.output = Some(Form::Text);
        }
        Ok(targets)
    }
}

fn print(places: &Places, arguments: PrintArgs) -> Result<Outcome, Failure> {
    let mut targets = Targets::make(&arguments)?;
    let PrintArgs { new_code, place, accept_as_is, way, .. } = arguments;
    if new_code && targets.output.is_some() && io::stdout().is_terminal() {
        consent_to("Show a new recovery code on this screen?", way.person.yes)?;
    }
    let (mut open, _) = open(places, way)?;
    if accept_as_is {
        open.store.accept_as_is();
    }
    let mut upkeep = UpkeepRecord::load(&open.store)?;
    let revision = Kit::of(open.store.vault(), &upkeep, today())?.revision();
    let label = format!("recovery code of kit {revision}");
    let code = new_code.then(|| enrol(places, &mut open, label, place.clone())).transpose()?;
    let mut kit = Kit::of(open.store.vault(), &upkeep, today())?.with_steps(steps());
    if let Some((_, code)) = &code {
        kit = kit.with_code(code);
    }
    if let Some(place) = &place {
        kit = kit.with_place(place);
    }
    let slot = code.as_ref().map(|(slot, _)| *slot);
    for (form, _, file) in &mut targets.files {
        file.write(&form.of(&kit)).map_err(|error| unprinted(error.into(), slot))?;
    }
    // Dated and numbered in the vault first: a paper that the vault does not know of would never be called stale.
    upkeep.kit = Some(kit.note());
    upkeep.save(&mut open.store).map_err(|error| unprinted(error.into(), slot))?;
    let mut paths = Vec::new();
    for (form, path, file) in targets.files {
        file.publish().map_err(|error| unprinted(error.into(), slot))?;
        paths.push((form, path));
    }
    Ok(report(places, &open.store, &kit, (targets.output, &paths), slot))
}

/// A new recovery code of the vault.
fn enrol(
    places: &Places,
    open: &mut OpenVault,
    label: String,
    place: Option<String>,
) -> Result<(SlotId, RecoveryCode), Failure> {
    let code = RecoveryCode::make(&mut OsRng::default());
    let private = SlotPrivate { label, created: today().0, note: place, ..SlotPrivate::default() };
    let proof = open.store.vault().opening_proof();
    let slot = open.store.administer(&proof, places.now(), |admin, _, rng| {
        admin.enrol_recovery_code(&code, private.clone(), rng)
    })?;
    Ok((slot, code))
}

/// The kit could not be finished; a code that was made is on no paper.
fn unprinted(failure: Failure, slot: Option<SlotId>) -> Failure {
    match slot {
        Some(slot) => {
            failure.hint(&format!("nobody has the new recovery code: remove its slot, {slot}, and try again"))
        }
        None => failure,
    }
}

/// What to do in an emergency with this program; docs/recovery.md has more.
fn steps() -> Vec<String> {
    [
        "Install countersign on any computer that you trust, and get the file of the vault, or of its backup.",
        "With the vault: countersign vault import FILE, then countersign check --code, and type the recovery code.",
        "If the vault is lost: countersign backup restore FILE, and type the secret of the backup.",
        "Let a new device open the vault: countersign key init, then countersign vault recover.",
    ]
    .map(str::to_owned)
    .into()
}

fn report(
    places: &Places,
    store: &VaultStore,
    kit: &Kit,
    (output, paths): (Option<Form>, &[(Form, PathBuf)]),
    slot: Option<SlotId>,
) -> Outcome {
    let files: Vec<String> = paths.iter().map(|(_, path)| path.display().to_string()).collect();
    let mut text = format!("Recovery kit, revision {}", kit.revision());
    if !files.is_empty() {
        text.push_str(&format!(": {}", files.join(", ")));
    }
    if kit.has_code() {
        text.push_str(
            "\nIt has a new recovery code, which opens everything. Print it, delete the files, and try the code from the \
             paper:\n  countersign vault unlock --code",
        );
    } else {
        text.push_str("\nThere is no code on it: write yours on its line by hand.");
    }
    match output {
        Some(form) if !places.printer.json() => {
            places.printer.progress(&text);
            Outcome::Contents(Zeroizing::new(form.of(kit).as_bytes().to_vec()))
        }
        _ => {
            let json = json(store, kit, (output, paths), slot);
            Outcome::Report { text, json }
        }
    }
}

fn json(
    store: &VaultStore,
    kit: &Kit,
    (output, paths): (Option<Form>, &[(Form, PathBuf)]),
    slot: Option<SlotId>,
) -> Value {
    let path =
        |form| paths.iter().find(|(other, _)| *other == form).map(|(_, path)| path.display().to_string());
    json!({
        "vaultId": store.vault().vault_id().to_string(),
        "revision": kit.revision(),
        "newSlotId": slot.map(|slot| slot.to_string()),
        "html": path(Form::Html),
        "text": path(Form::Text),
        "svg": path(Form::Svg),
        "output": output.map(|form| json!({ "form": form.name(), "kit": form.of(kit).as_str() })),
    })
}
