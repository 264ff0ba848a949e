//! `countersign vault put`, `get` and `list`.

use std::path::PathBuf;

use clap::Args;
use countersign::vault::item_type;
use serde_json::json;

use super::{open::open, way::WayArgs};
use crate::{
    failure::Failure,
    input::read_input,
    item,
    outcome::Outcome,
    places::Places,
    text::{base64url, count, printable},
};

const PUT_HELP: &str = "\
Examples:
  countersign vault put passwords.txt passwords.txt --code-file code.txt
  pass show bank | countersign vault put bank --yes --pin-file pin.txt

An item of that name gets a new version. Contents come from a file or from standard input, never
from arguments. Where standard input is no terminal nobody can be asked: name a file, or give
consent, PIN or code by options. Names are encrypted with the contents, so every item is
decrypted, in memory, to find the one of that name.";

const GET_HELP: &str = "\
Examples:
  countersign vault get passwords.txt --code-file code.txt
  countersign vault get bank --json

Prints the contents as they are; with --json as the base64url member contents. Names are
encrypted with the contents, so every item is decrypted, in memory, to find the one.";

const LIST_HELP: &str = "\
Examples:
  countersign vault list
  countersign vault list --code-file code.txt --json";

/// Store a file or standard input under a name
#[derive(Args)]
#[command(after_help = PUT_HELP)]
pub(crate) struct PutArgs {
    /// The item's name
    name: String,
    /// The contents; - or nothing is standard input
    file: Option<PathBuf>,
    #[command(flatten)]
    way: WayArgs,
}

/// Print an item
#[derive(Args)]
#[command(after_help = GET_HELP)]
pub(crate) struct GetArgs {
    /// The item's name or identifier
    name: String,
    #[command(flatten)]
    way: WayArgs,
}

/// List the items
#[derive(Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    way: WayArgs,
}

pub(super) fn put(places: &Places, arguments: PutArgs) -> Result<Outcome, Failure> {
    item::check_name(&arguments.name)?;
    let contents = read_input(arguments.file.as_deref(), item::MAX_CONTENTS)?;
    let (mut open, _) = open(places, arguments.way)?;
    let (id, version) = item::put(&mut open.store, &arguments.name, &contents)?;
    let (name, length) = (&arguments.name, contents.len());
    let size = count(length, "byte");
    let text = format!("Stored {name} ({size}) as item {id}, version {version}.");
    let json = json!({ "id": id.to_string(), "name": name, "version": version, "size": length });
    Ok(Outcome::Report { text, json })
}

pub(super) fn get(places: &Places, arguments: GetArgs) -> Result<Outcome, Failure> {
    let (open, _) = open(places, arguments.way)?;
    let stored = item::find(&open.store, &arguments.name)?.ok_or_else(|| {
        let message = format!("the vault has no item {}", printable(&arguments.name));
        Failure::not_found("no-item", message).hint("countersign vault list names them")
    })?;
    if !places.printer.json() {
        return Ok(Outcome::Contents(stored.file.contents));
    }
    let json = json!({
        "id": stored.id.to_string(),
        "name": stored.file.name,
        "version": stored.version,
        "contents": base64url(&stored.file.contents),
    });
    Ok(Outcome::Report { text: String::new(), json })
}

pub(super) fn list(places: &Places, arguments: ListArgs) -> Result<Outcome, Failure> {
    let (open, _) = open(places, arguments.way)?;
    let files = item::list(&open.store)?;
    let passkeys = open.store.list(item_type::PASSKEY)?.len();
    let mut text = match files.len() {
        0 => "No items. countersign vault put stores one.".to_owned(),
        number => format!("{}:", count(number, "item")),
    };
    for stored in &files {
        let (name, size) = (printable(&stored.file.name), stored.file.contents.len());
        text.push_str(&format!("\n  {}  version {:<3} {size:>9} bytes  {name}", stored.id, stored.version));
    }
    let items: Vec<_> = files
        .iter()
        .map(|stored| {
            let (name, size) = (&stored.file.name, stored.file.contents.len());
            json!({ "id": stored.id.to_string(), "name": name, "version": stored.version, "size": size })
        })
        .collect();
    Ok(Outcome::Report { text, json: json!({ "items": items, "passkeys": passkeys }) })
}
