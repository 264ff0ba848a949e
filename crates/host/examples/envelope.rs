//! Copies an authenticator's own vault out of its file as one envelope: `envelope DATABASE ENVELOPE`. No secret is needed:
//! an envelope is as encrypted as the file that it comes from. (Vaults that people keep have `countersign vault export`.)

use std::{env, path::Path, process::ExitCode};

use countersign_host::{HostError, VaultFile, envelope_file};

#[expect(clippy::print_stderr, reason = "a program for the command line")]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [database, envelope] = arguments.as_slice() else {
        eprintln!("usage: envelope DATABASE ENVELOPE");
        return ExitCode::from(2);
    };
    match export(Path::new(database), Path::new(envelope)) {
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
