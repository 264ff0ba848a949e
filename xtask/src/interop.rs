//! Independent eyes: Python libraries that others wrote, and our reference reader, judge what the programs make.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{attestation_cert, run as command};

pub(crate) fn run(root: &Path) -> Result<(), String> {
    let venv = root.join("target/interop-venv");
    let python = venv.join("bin/python");
    if !python.exists() {
        command(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    command(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(root.join("tests/interop/requirements.txt"))
            .arg("-r")
            .arg(root.join("tests/reference/requirements.txt")),
    )?;
    command(
        Command::new("cargo")
            .args(["build", "--release", "--locked", "-p", "countersign-cli"])
            .current_dir(root),
    )?;
    let example = ["build", "--release", "--locked", "-p", "countersign-host", "--example", "envelope"];
    command(Command::new("cargo").args(example).current_dir(root))?;
    command(Command::new(&python).arg(root.join("tests/reference/test_vault.py")).current_dir(root))?;
    let release = root.join("target/release");
    command(
        Command::new(&python)
            .arg(root.join("tests/interop/check.py"))
            .arg(release.join("countersign"))
            .arg(release.join("examples/envelope"))
            .current_dir(root),
    )?;
    command(
        Command::new(&python)
            .arg(root.join("tests/interop/security_key.py"))
            .arg(release.join("countersign"))
            .arg(attestation(root)?)
            .current_dir(root),
    )
}

/// A new attestation key and its certificate, with a serial number as enterprise attestation may have it.
fn attestation(root: &Path) -> Result<PathBuf, String> {
    let directory = root.join("target/interop-attestation");
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let name = directory.to_str().ok_or("the path of the repository is not UTF-8")?;
    attestation_cert::run(&[name, "--serial", "01020304"])?;
    Ok(directory)
}
