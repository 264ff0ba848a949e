//! What happened, step by step, for people and for programs.

use std::time::Instant;

use countersign::webauthn::Flags;
use serde_json::{Value, json};

use crate::{outcome::Outcome, places::Places, vault::DEFAULT_RP_ID};

/// A story in the making.
pub(super) struct Story {
    start: Instant,
    text: String,
    steps: Vec<Value>,
}

impl Story {
    pub(super) fn new(places: &Places) -> Self {
        let text = format!("countersign quickstart, in {}\n", places.base().display());
        Self { start: Instant::now(), text, steps: Vec::new() }
    }

    /// One more step.
    pub(super) fn tell(&mut self, name: &str, start: Instant, text: String, values: Value) {
        let milliseconds = start.elapsed().as_millis() as u64;
        let number = self.steps.len() + 1;
        let text = text.replace('\n', "\n    ");
        self.text.push_str(&format!("\n {number}. {text} [{milliseconds} ms]\n"));
        let mut step = json!({ "step": name, "milliseconds": milliseconds });
        if let (Some(step), Value::Object(values)) = (step.as_object_mut(), values) {
            step.extend(values);
        }
        self.steps.push(step);
    }

    /// The end: where things are, and what to try next.
    pub(super) fn finish(mut self, places: &Places, rp_id: &str) -> Outcome {
        let milliseconds = self.start.elapsed().as_millis() as u64;
        let directory = shell_word(&places.base().display().to_string());
        let rp_option =
            if rp_id == DEFAULT_RP_ID { String::new() } else { format!(" --rp-id {}", shell_word(rp_id)) };
        let next = [
            format!("countersign key list --dir {directory}"),
            format!("countersign vault status --dir {directory}"),
            format!("countersign vault unlock --dir {directory}{rp_option}"),
            format!("countersign vault get note.txt --code --dir {directory}"),
        ];
        self.text.push_str(&format!(
            "\nDone in {milliseconds} ms. {directory} has key/ (authenticator), vault/, memory/ (last seen).\n\
             Try next, with the PIN or the recovery code from above:\n  {}",
            next.join("\n  "),
        ));
        let json = json!({
            "directory": places.base().display().to_string(),
            "milliseconds": milliseconds,
            "steps": self.steps,
            "next": next,
        });
        Outcome::Report { text: self.text, json }
    }
}

/// The flag bits of authenticator data that are set, by their names.
pub(super) fn flag_names(flags: Flags) -> String {
    let bits = [
        (flags.user_present(), "UP"),
        (flags.user_verified(), "UV"),
        (flags.backup_eligible(), "BE"),
        (flags.backup_state(), "BS"),
    ];
    bits.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell takes it.
fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
