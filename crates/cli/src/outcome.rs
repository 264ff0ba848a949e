//! What a command came to, and how it is printed.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use countersign::client::ResponseJson;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// What a command came to.
pub(crate) enum Outcome {
    /// A report, for people and for programs.
    Report { text: String, json: Value },
    /// The contents of an item, as they are.
    Contents(Zeroizing<Vec<u8>>),
    /// A WebAuthn response, which is JSON either way.
    Response(ResponseJson),
    /// A report on something else, which passed or did not.
    Verdict { text: String, json: Value, passed: bool },
    /// A report with an exit code of its own.
    Graded { text: String, json: Value, exit: u8 },
    /// All was said while it ran.
    Said,
}

impl Outcome {
    fn exit(&self) -> ExitCode {
        match self {
            Self::Verdict { passed: false, .. } => ExitCode::FAILURE,
            Self::Graded { exit, .. } => ExitCode::from(*exit),
            _ => ExitCode::SUCCESS,
        }
    }
}

/// Prints outcomes, failures and progress.
#[derive(Clone, Copy)]
pub(crate) struct Printer {
    json: bool,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read along.
    pub(crate) fn json(self) -> bool {
        self.json
    }

    /// One line about work that takes a moment. Standard error stays empty for programs.
    pub(crate) fn progress(self, line: &str) {
        if !self.json {
            // Whoever closed standard error does not want to know.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// One line about work that whoever is there waits for. Nobody waits where standard error is no terminal.
    pub(crate) fn working(self, line: &str) {
        if io::stderr().is_terminal() {
            self.progress(line);
        }
    }

    /// Says at once that a command that goes on is ready: one line on standard output, which programs wait for.
    pub(crate) fn ready(self, line: &str, json: &Value) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = if self.json { writeln!(out, "{json}") } else { writeln!(out, "{line}") };
        let written = written.and_then(|()| out.flush());
        written.map_err(|error| Failure::file("standard output".as_ref(), &error))
    }

    /// Prints the end of a command.
    pub(crate) fn finish(self, result: Result<Outcome, Failure>) -> ExitCode {
        let failure = match result {
            Ok(outcome) => match self.print(&outcome) {
                Ok(()) => return outcome.exit(),
                // The reader has gone (`countersign ... | head`), which is no failure of ours.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return outcome.exit(),
                Err(error) => Failure::file("standard output".as_ref(), &error),
            },
            Err(failure) => failure,
        };
        self.print_failure(&failure);
        ExitCode::from(failure.exit as u8)
    }

    fn print(self, outcome: &Outcome) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match outcome {
            Outcome::Report { json, .. } | Outcome::Verdict { json, .. } | Outcome::Graded { json, .. }
                if self.json =>
            {
                write_json(&mut out, json)?;
            }
            Outcome::Report { text, .. } | Outcome::Verdict { text, .. } | Outcome::Graded { text, .. } => {
                writeln!(out, "{}", text.trim_end())?
            }
            Outcome::Contents(contents) => out.write_all(contents)?,
            Outcome::Response(response) => writeln!(out, "{}", response.expose())?,
            Outcome::Said => {}
        }
        out.flush()
    }

    /// An error, as people or programs read it.
    pub(crate) fn print_failure(self, failure: &Failure) {
        let mut out = io::stderr().lock();
        // Nobody is left to be told if standard error is closed.
        let _ = if self.json {
            write_json(&mut out, &json!({ "error": { "code": failure.code, "message": failure.message } }))
        } else {
            writeln!(out, "countersign: {failure}")
        };
    }
}

fn write_json(out: &mut impl Write, json: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, json)?;
    writeln!(out)
}
