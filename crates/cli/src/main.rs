//! `countersign`: a software security key and a reference credential manager on the command line.
//!
//! One file or folder per noun of the command line; each command makes an [`outcome::Outcome`] or a
//! [`failure::Failure`], and only the [`outcome::Printer`] writes them. With `--json`, standard output is one JSON
//! document and an error is `{"error": {"code", "message"}}` on standard error. Exit codes:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | the operation failed or was refused |
//! | 2 | usage: arguments or input that cannot be used |
//! | 3 | declined, or nobody there to consent |
//! | 4 | wrong PIN, code or other secret |
//! | 5 | not found |
//! | 6 | altered, rolled back or forked |
//! | 7 | in use by another process |
//! | 8 | the disk failed or is full |
//! | 9 | `check`: a warning |
//! | 10 | `check`: critical |
//!
//! Secrets never come from arguments and never reach an error text.

#![forbid(unsafe_code)]

mod backup;
mod ceremony;
mod check;
mod command_line;
mod date;
mod device;
mod failure;
mod input;
mod item;
mod key;
mod kit;
mod outcome;
mod person;
mod places;
mod quickstart;
mod relying_party;
mod secrets;
mod text;
mod vault;
mod vectors;
mod webauthn;

use std::process::ExitCode;

use crate::{
    command_line::{Command, parse},
    outcome::Printer,
};

fn main() -> ExitCode {
    countersign_host::silence_contained_panics();
    let command_line = match parse() {
        Ok(command_line) => command_line,
        Err(code) => return code,
    };
    let printer = Printer::new(command_line.common.json);
    let places = places::Places::new(command_line.common, printer);
    let result = places.and_then(|places| {
        let result = match command_line.command {
            Command::Quickstart(arguments) => quickstart::run(&places, arguments),
            Command::Key(noun) => key::run(&places, noun.verb),
            Command::Webauthn(noun) => webauthn::run(&places, noun.verb),
            Command::Vault(noun) => vault::run(&places, noun.verb),
            Command::Backup(noun) => backup::run(&places, noun.verb),
            Command::Kit(noun) => kit::run(&places, noun.verb),
            Command::Check(arguments) => check::run(&places, arguments),
            Command::Device(arguments) => device::run(&places, &arguments),
            Command::Vectors(noun) => vectors::run(&noun.verb),
        };
        result.map_err(|failure| places.explain(failure))
    });
    printer.finish(result)
}
