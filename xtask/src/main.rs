//! Developer commands: `cargo xtask COMMAND`.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod arrows;
mod attestation_cert;
mod bench_peers;
mod fuzz;
mod interop;
mod metadata;
mod plot;
mod results;
mod size;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const HELP: &str = "\
Developer commands of countersign.

Usage: cargo xtask COMMAND

Commands:
  arrows               Check that imports in src/ point down, and never through the crate root
  attestation-cert DIR [--root DIR] [--aaguid UUID] [--country CC] [--organization NAME]
                   [--name NAME] [--serial HEX]
                       Make an attestation key and its certificate, under a new root or that of --root; a serial
                       number makes it one for enterprise attestation
  bench-peers          Measure countersign beside other software authenticators and raw cryptography; print the tables, write
                       the figures to benches/peers/results.json, and do as plot does
  fuzz [--seconds N]   Run every fuzz target for N seconds (10 by default); needs nightly and cargo-fuzz
  interop              Have PyPI `fido2`, `webauthn` and the Python reference reader check what the CLI makes, and
                       `fido2` use `countersign device` as a security key
  metadata [ROLE] [--attestation-root FILE]
                       Print the FIDO metadata statement of an authenticator of that role: security-key (the one if none
                       is given), device (what countersign device serves without more options), platform or
                       credential-manager. With the root of its attestation certificates, DER, it attests by
                       certificate
  plot                 Draw docs/speed.svg, and write the section of benches/RESULTS.md, from benches/peers/results.json
  size [--run]         Build the bare-metal image in size/ and say what it takes of flash, by crate; with --run, run it
                       in qemu-system-arm
  help                 Print this
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words.first() == Some(&"help") || words.iter().any(|word| ["--help", "-h"].contains(word)) {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let result = match words.as_slice() {
        ["arrows"] => arrows::check(&root()),
        ["attestation-cert", rest @ ..] => attestation_cert::run(rest),
        ["bench-peers"] => bench_peers::run(&root()),
        ["fuzz"] => fuzz::run(&root(), 10),
        ["fuzz", "--seconds", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run(&root(), seconds),
            Err(_) => Err(format!("--seconds takes a number, not {seconds:?}")),
        },
        ["interop"] => interop::run(&root()),
        ["metadata", rest @ ..] => metadata::run(rest),
        ["plot"] => bench_peers::plot(&root()),
        ["size"] => size::measure(&root()),
        ["size", "--run"] => size::measure(&root()).and_then(|()| size::run(&root())),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Runs a command to its end; anything but success is an error that names it.
fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}
