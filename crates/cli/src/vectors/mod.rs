//! `countersign vectors`: our conformance vectors against any authenticator.

mod bench;
mod client;
mod set;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    outcome::Outcome,
    text::{count, printable},
};
use bench::Bench;
use set::{Vector, VectorSet, code};

const AFTER_HELP: &str = "\
Examples:
  countersign vectors run --udp 127.0.0.1:8111 --control /tmp/control";

const RUN_HELP: &str = "\
Examples:
  countersign vectors run --udp 127.0.0.1:8111
  countersign vectors run --udp 127.0.0.1:8111 --control /tmp/control
  countersign vectors run --udp 127.0.0.1:8111 --control /tmp/control --json

The authenticator is RESET, more than once: passkeys and PIN go. It has to speak CTAPHID over
UDP, one report of 64 bytes a datagram, and to grant user presence.

A vector is a command and the status codes that are right for it. It is run on an authenticator
that was reset, then given a passkey or a PIN where the vector wants that. Authenticators let
themselves be reset shortly after power-up only: with --control, a Unix socket, the line
power-cycle is sent before each reset, and answered with ok (countersign device --control).

The exit code is 0 if every vector was run and answered with one of its codes, else 1.";

/// Our conformance vectors, for any authenticator
#[derive(Args)]
#[command(after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct VectorsNoun {
    #[command(subcommand)]
    pub(crate) verb: VectorsVerb,
}

/// What can be done with them.
#[derive(Subcommand)]
pub(crate) enum VectorsVerb {
    /// Send malformed and forbidden commands, and compare the status codes. Resets the authenticator
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
}

/// Against whom.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// Where the authenticator listens
    #[arg(long, value_name = "HOST:PORT")]
    udp: String,
    /// The Unix socket at which it can be told to power-cycle
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Other vectors, in a file of the form of ctap2_wire_negative.json [default: those that are built in]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What became of a vector.
enum Verdict {
    /// The code that we recommend.
    Recommended(u8),
    /// Another one that is right.
    Acceptable(u8),
    Failed(u8),
    /// Its precondition could not be met: why.
    NotRun(String),
}

pub(crate) fn run(verb: &VectorsVerb) -> Result<Outcome, Failure> {
    let VectorsVerb::Run(arguments) = verb;
    let set = VectorSet::load(arguments.file.as_deref())?;
    let mut bench = Bench::connect(&arguments.udp, arguments.control.as_deref())?;
    // Those that change nothing come first, so that few resets are needed.
    let mut order: Vec<&Vector> = set.vectors.iter().collect();
    order.sort_by_key(|vector| (vector.precondition, vector.changes_something()));
    let mut verdicts = Vec::with_capacity(order.len());
    for vector in order {
        verdicts.push((vector, judge(&mut bench, vector)?));
    }
    Ok(report(&set.name, &arguments.udp, &verdicts))
}

fn judge(bench: &mut Bench, vector: &Vector) -> Result<Verdict, Failure> {
    if let Err(reason) = bench.establish(vector.precondition)? {
        return Ok(Verdict::NotRun(reason));
    }
    let status = bench.send(&vector.command)?;
    let verdict = match vector.expected.iter().position(|expected| *expected == status) {
        Some(0) => Verdict::Recommended(status),
        Some(_) => Verdict::Acceptable(status),
        None => Verdict::Failed(status),
    };
    // After a surprise nobody knows what the command did.
    if vector.changes_something() || matches!(verdict, Verdict::Failed(_)) {
        bench.spoil();
    }
    Ok(verdict)
}

impl Verdict {
    fn name(&self) -> &'static str {
        match self {
            Self::Recommended(_) => "ok",
            Self::Acceptable(_) => "acceptable",
            Self::Failed(_) => "FAIL",
            Self::NotRun(_) => "NOT RUN",
        }
    }

    fn status(&self) -> Option<u8> {
        match self {
            Self::Recommended(status) | Self::Acceptable(status) | Self::Failed(status) => Some(*status),
            Self::NotRun(_) => None,
        }
    }

    /// One line, and one more where something is to be said.
    fn line(&self, vector: &Vector) -> String {
        let name = printable(&vector.name);
        let status = self.status().map(code).unwrap_or_default();
        let mut line = format!("{:<10}  {name:<44}  {status}", self.name());
        let expected: Vec<String> = vector.expected.iter().map(|status| code(*status)).collect();
        match self {
            Self::Recommended(_) => {}
            Self::Acceptable(_) => line += &format!("  recommended: {}", expected[0]),
            Self::Failed(_) => {
                line +=
                    &format!("  expected: {}\n            {}", expected.join(" or "), printable(&vector.why));
            }
            Self::NotRun(reason) => line += reason,
        }
        line.trim_end().to_owned()
    }
}

fn report(set: &str, address: &str, verdicts: &[(&Vector, Verdict)]) -> Outcome {
    let number = |name| verdicts.iter().filter(|(_, verdict)| verdict.name() == name).count();
    let (ok, acceptable) = (number("ok"), number("acceptable"));
    let (failed, not_run) = (number("FAIL"), number("NOT RUN"));
    let passed = failed == 0 && not_run == 0;
    let mut text: String =
        verdicts.iter().map(|(vector, verdict)| format!("{}\n", verdict.line(vector))).collect();
    text += &format!(
        "\n{}: {ok} ok, {acceptable} acceptable, {failed} failed, {not_run} not run",
        count(verdicts.len(), "vector")
    );
    if not_run > 0 {
        text +=
            &format!("\n{not_run} NOT RUN: reset it right after power-up, or pass --control, and run again");
    }
    let vectors: Vec<Value> = verdicts.iter().map(|(vector, verdict)| vector_json(vector, verdict)).collect();
    let json = json!({
        "set": set,
        "address": address,
        "passed": passed,
        "ok": ok,
        "acceptable": acceptable,
        "failed": failed,
        "notRun": not_run,
        "vectors": vectors,
    });
    Outcome::Verdict { text, json, passed }
}

fn vector_json(vector: &Vector, verdict: &Verdict) -> Value {
    let reason = match verdict {
        Verdict::NotRun(reason) => Some(reason),
        _ => None,
    };
    json!({
        "name": vector.name,
        "verdict": verdict.name(),
        "status": verdict.status().map(code),
        "expected": vector.expected.iter().map(|status| code(*status)).collect::<Vec<_>>(),
        "reason": reason,
    })
}
