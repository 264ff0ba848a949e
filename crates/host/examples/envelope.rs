//! Takes a vault out of its file as one envelope, and back: `envelope export DATABASE ENVELOPE` and
//! `envelope import ENVELOPE DATABASE`. No secret is needed: an envelope is as encrypted as the file that it comes from.

use std::{env, path::Path, process::ExitCode};

use countersign_host::{HostError, VaultFile, envelope_file};

#[expect(clippy::print_stderr, reason = "a program for the command line")]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["export", database, envelope] => export(Path::new(database), Path::new(envelope)),
        ["import", envelope, database] => import(Path::new(envelope), Path::new(database)),
        _ => {
            eprintln!("usage: envelope export DATABASE ENVELOPE | envelope import ENVELOPE DATABASE");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn export(database: &Path, envelope: &Path) -> Result<(), HostError> {
    envelope_file::export(&VaultFile::open(database)?, envelope)
}

fn import(envelope: &Path, database: &Path) -> Result<(), HostError> {
    VaultFile::import(database, &envelope_file::read(envelope)?).map(drop)
}
