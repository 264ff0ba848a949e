//! Independent eyes: Python libraries that others wrote, and our reference reader, judge what the programs make.

use std::{path::Path, process::Command};

use crate::run as command;

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
    command(Command::new("cargo").args(["build", "--release", "-p", "countersign-cli"]).current_dir(root))?;
    command(Command::new(&python).arg(root.join("tests/reference/test_vault.py")).current_dir(root))?;
    let program = root.join("target/release/countersign");
    command(Command::new(&python).arg(root.join("tests/interop/check.py")).arg(program).current_dir(root))
}
