//! The program as people and scripts run it: the real binary, without a terminal.
#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

pub(crate) mod hid;
pub(crate) mod terminal;

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PIN: &str = "correct-horse-7351";
pub(crate) const WRONG_PIN: &str = "wrong-horse-9964";

/// What a run came to.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// The one JSON document on standard output, of a run that succeeded.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_slice(&self.stdout).unwrap()
    }

    /// Checks exit code and error code of a run with `--json` that failed.
    pub(crate) fn fails(&self, code: i32, name: &str) -> String {
        let error: Value = serde_json::from_str(&self.stderr)
            .unwrap_or_else(|_| panic!("stderr is not one JSON document: {:?}", self.stderr));
        assert_eq!((self.code, error["error"]["code"].as_str()), (code, Some(name)), "{}", self.stderr);
        assert!(self.stdout.is_empty());
        error["error"]["message"].as_str().unwrap().to_owned()
    }
}

/// A directory of its own, and files with secrets in it.
pub(crate) struct Home {
    pub(crate) directory: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A home with a key.
    pub(crate) fn with_key() -> Self {
        let home = Self::new();
        home.pin_file();
        home.json(&["key", "init", "--pin-file", &home.pin_file()]).json();
        home
    }

    /// A home with a vault and its recovery code in a file; the code comes back.
    pub(crate) fn with_vault() -> (Self, String) {
        let home = Self::new();
        let code = home.make_vault();
        (home, code)
    }

    pub(crate) fn make_vault(&self) -> String {
        let made = self.json(&["vault", "init"]).json();
        let code = made["recoveryCode"].as_str().unwrap().to_owned();
        self.write("code.txt", code.as_bytes());
        code
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.path("base")
    }

    /// Writes a file for its owner alone, and names it.
    pub(crate) fn write(&self, name: &str, contents: &[u8]) -> String {
        let path = self.path(name);
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        file.write_all(contents).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn pin_file(&self) -> String {
        self.write("pin.txt", format!("{PIN}\n").as_bytes())
    }

    pub(crate) fn code_file(&self) -> String {
        self.path("code.txt").to_str().unwrap().to_owned()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with_input(arguments, b"")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = program();
        command.arg("--dir").arg(self.base()).args(arguments);
        finish(command, input)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Run {
        self.run(&[arguments, &["--json"]].concat())
    }

    /// With consent, and the PIN from a file.
    pub(crate) fn as_person(&self, arguments: &[&str]) -> Run {
        let pin = self.pin_file();
        self.json(&[arguments, &["--yes", "--pin-file", &pin]].concat())
    }

    /// With the recovery code from a file.
    pub(crate) fn by_code(&self, arguments: &[&str]) -> Run {
        let code = self.code_file();
        self.json(&[arguments, &["--code-file", &code]].concat())
    }
}

/// The program, with nothing of this machine's in its environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.env_clear().env("HOME", "/nonexistent");
    command
}

pub(crate) fn finish(mut command: Command, input: &[u8]) -> Run {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that wants no input may have gone before it is written.
    _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    Run { code: output.status.code().unwrap(), stdout: output.stdout, stderr }
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).to_str().unwrap().to_owned()
}

/// Every file below a directory.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    entries.flat_map(below).collect()
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
