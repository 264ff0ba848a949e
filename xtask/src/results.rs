//! What `bench-peers` measured, as tables and as targets reached or missed.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Everything that is kept of a run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Results {
    /// The day, in UTC.
    pub date: String,
    pub cpu: String,
    pub rustc: String,
    /// Cargo's, with what differs from its own.
    pub profile: String,
    #[serde(flatten)]
    pub measured: Measured,
    /// Who could not be measured.
    pub absent: Vec<Absent>,
}

/// What the bench itself says.
#[derive(Serialize, Deserialize)]
pub(crate) struct Measured {
    pub runs: usize,
    /// In each run.
    pub rounds: usize,
    pub groups: Vec<Group>,
}

/// Candidates that took turns.
#[derive(Serialize, Deserialize)]
pub(crate) struct Group {
    pub title: String,
    pub rows: Vec<Row>,
}

/// One candidate's figure: the median of the runs' medians, in microseconds, and the lowest and highest of these.
#[derive(Serialize, Deserialize)]
pub(crate) struct Row {
    pub candidate: String,
    pub kind: Kind,
    /// The library whose raw operations the candidate stands on, where it is measured, too.
    pub floor: Option<String>,
    pub microseconds: f64,
    pub lowest: f64,
    pub highest: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// countersign.
    Own,
    /// Another authenticator.
    Peer,
    /// Raw cryptography with loaded keys.
    Floor,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Absent {
    pub candidate: String,
    pub reason: String,
}

/// A ratio that is promised.
struct Target {
    promise: String,
    /// `None` where one of the two was not measured.
    ratio: Option<f64>,
    limit: f64,
}

const PORTABLE: &str = "countersign, portable";
const PASSKEY: &str = "passkey 0.6, RustCrypto (its default)";
const PASSKEY_AWS: &str = "passkey 0.6, aws-lc-rs";
const OPENSK: &str = "opensk 0.1";

/// The groups as the bench calls them.
pub(crate) const TYPED: &str = "getAssertion ES256, typed";
pub(crate) const BYTES: &str = "getAssertion ES256, CTAP bytes";
pub(crate) const HMAC_SECRET: &str = "getAssertion ES256 with hmac-secret, CTAP bytes";
pub(crate) const MADE_TYPED: &str = "makeCredential ES256, attestation none, typed";
pub(crate) const MADE_BYTES: &str = "makeCredential ES256, self attestation, CTAP bytes";
pub(crate) const ED25519: &str = "getAssertion Ed25519, typed";
const DISTINCT: &str = "getAssertion by passkeys of distinct relying parties";
const SAME: &str = "getAssertion by passkeys of one relying party, allowList";

const BEGIN: &str = "<!-- Written by `cargo xtask bench-peers`: begin -->\n";
const END: &str = "<!-- Written by `cargo xtask bench-peers`: end -->\n";

const CONDITIONS: &str = "\
Everybody has a store in memory and somebody who consents at once; users are not verified, credentials are discoverable, an
allowList names one. Nobody counts signatures but `fido-authenticator`, where that cannot be switched off; it stores on
littlefs in memory, opensk in a map, `passkey` in the map that it comes with. Platform keys for hmac-secret are new in each
request and made outside the measured time. Floors are the libraries' raw operations with loaded keys: for getAssertion a
signature, with hmac-secret also a key agreement and the symmetric rest, for makeCredential a key pair, and a signature
where it attests by itself. `passkey` has no door for CTAP bytes, and no attestation but none. The same p256 code
takes up to 15 % longer where a crate of several codegen units uses it, by what happens to be inlined, so that the portable floor
can lie above what stands on it. All of countersign's providers have the host's key cache before them. In each turn a candidate works five
times, of which the first does not count.
";

impl Results {
    /// The tables, as they stand in the paper.
    pub(crate) fn markdown(&self) -> String {
        let Measured { runs, rounds, .. } = &self.measured;
        let mut text = format!(
            "{}; {}; {}; profile {}.\nCPU time of the thread; each figure the median of {runs} runs of {rounds} rounds in \
             which the candidates of an operation take\nturns in one process; what reading the clock takes is taken \
             off.\n\n",
            self.date, self.cpu, self.rustc, self.profile
        );
        text.push_str(CONDITIONS);
        text.push_str(
            "\n| operation | candidate | µs | lowest to highest run | × its floor |\n|---|---|---|---|---|\n",
        );
        for group in &self.measured.groups {
            group.write(&mut text);
        }
        text.push_str("\n| to reach | limit | measured | |\n|---|---|---|---|\n");
        for target in self.targets() {
            target.write(&mut text);
        }
        for Absent { candidate, reason } in &self.absent {
            let _ = write!(text, "\nNot measured: {candidate}, which did not build: {reason}\n");
        }
        text
    }

    /// The paper with these tables between its marks.
    pub(crate) fn within(&self, paper: &str) -> Result<String, String> {
        let (before, rest) =
            paper.split_once(BEGIN).ok_or("RESULTS.md has no mark where the section begins")?;
        let (_, after) = rest.split_once(END).ok_or("RESULTS.md has no mark where the section ends")?;
        Ok(format!("{before}{BEGIN}{}{END}{after}", self.markdown()))
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = vec![
            self.target(format!("{TYPED}: portable to {PASSKEY}"), TYPED, PORTABLE, Some(PASSKEY), 0.55),
            self.target(
                format!("{HMAC_SECRET}: portable to {OPENSK}"),
                HMAC_SECRET,
                PORTABLE,
                Some(OPENSK),
                0.60,
            ),
        ];
        let accelerated = self.accelerated();
        if accelerated.is_empty() {
            targets.push(Target { promise: "accelerated, everything".to_owned(), ratio: None, limit: 1.25 });
        }
        for name in &accelerated {
            targets.push(self.target(
                format!("{TYPED}: {name} to {PASSKEY_AWS}"),
                TYPED,
                name,
                Some(PASSKEY_AWS),
                0.55,
            ));
            for group in [TYPED, HMAC_SECRET] {
                targets.push(self.to_floor(group, name));
            }
        }
        targets.push(self.target(
            format!("{MADE_TYPED}: portable to {PASSKEY}"),
            MADE_TYPED,
            PORTABLE,
            Some(PASSKEY),
            1.0,
        ));
        targets.push(self.to_peers(MADE_BYTES, PORTABLE));
        for name in &accelerated {
            for group in [MADE_TYPED, MADE_BYTES] {
                targets.push(self.to_peers(group, name));
            }
        }
        for name in [PORTABLE].into_iter().chain(accelerated.iter().copied()) {
            targets.push(self.to_floor(ED25519, name));
            targets.push(self.to_one(DISTINCT, name, 1_000_000));
            targets.push(self.to_one(SAME, name, 10_000));
        }
        targets
    }

    /// countersign's candidates that have a provider other than the portable one.
    fn accelerated(&self) -> Vec<&str> {
        let rows = self.rows(TYPED).iter();
        rows.filter(|row| row.kind == Kind::Own && row.candidate != PORTABLE)
            .map(|row| &*row.candidate)
            .collect()
    }

    fn to_floor(&self, group: &str, name: &str) -> Target {
        let floor = self.row(group, name).and_then(|row| row.floor.as_deref());
        self.target(format!("{group}: {name} to its floor"), group, name, floor, 1.25)
    }

    fn to_peers(&self, group: &str, name: &str) -> Target {
        let peers = self.rows(group).iter().filter(|row| row.kind == Kind::Peer);
        let fastest = peers.min_by(|one, other| one.microseconds.total_cmp(&other.microseconds));
        let fastest = fastest.map(|row| &*row.candidate);
        self.target(format!("{group}: {name} to the fastest peer"), group, name, fastest, 1.0)
    }

    fn to_one(&self, group: &str, name: &str, count: u32) -> Target {
        let one = format!("{name}: 1");
        self.target(
            format!("{group}: {name}, {count} to 1"),
            group,
            &format!("{name}: {count}"),
            Some(&one),
            1.05,
        )
    }

    fn target(&self, promise: String, group: &str, name: &str, to: Option<&str>, limit: f64) -> Target {
        let time = |name: &str| self.row(group, name).map(|row| row.microseconds);
        let ratio = time(name).zip(to.and_then(time)).map(|(time, to)| time / to);
        Target { promise, ratio, limit }
    }

    /// The rows of a group, if it was measured.
    pub(crate) fn rows(&self, group: &str) -> &[Row] {
        self.measured.groups.iter().find(|found| found.title == group).map_or(&[], |found| &found.rows)
    }

    fn row(&self, group: &str, name: &str) -> Option<&Row> {
        self.rows(group).iter().find(|row| row.candidate == name)
    }
}

impl Group {
    fn write(&self, text: &mut String) {
        let mut title = &*self.title;
        let has_own = self.rows.iter().any(|row| row.kind == Kind::Own);
        for row in &self.rows {
            let floor = self.rows.iter().find(|floor| Some(&floor.candidate) == row.floor.as_ref());
            let ratio = floor
                .map(|floor| format!("{:.2}", row.microseconds / floor.microseconds))
                .unwrap_or_default();
            let name = match row.kind {
                Kind::Own => format!("**{}**", row.candidate),
                Kind::Floor if has_own => format!("floor: {}", row.candidate),
                Kind::Peer | Kind::Floor => row.candidate.clone(),
            };
            let Row { microseconds, lowest, highest, .. } = row;
            let _ = writeln!(
                text,
                "| {title} | {name} | {microseconds:.2} | {lowest:.2} to {highest:.2} | {ratio} |"
            );
            title = "";
        }
    }
}

impl Target {
    fn write(&self, text: &mut String) {
        let Self { promise, ratio, limit } = self;
        let (measured, verdict) = match ratio {
            Some(ratio) if ratio <= limit => (format!("{ratio:.3}"), "reached"),
            Some(ratio) => (format!("{ratio:.3}"), "**missed**"),
            None => (String::new(), "not measured"),
        };
        let _ = writeln!(text, "| {promise} | ≤ {limit:.2} | {measured} | {verdict} |");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two candidates at an operation, one above its limit.
    pub(crate) fn sample() -> Results {
        let row = |candidate: &str, kind, floor: Option<&str>, microseconds: f64| Row {
            candidate: candidate.to_owned(),
            kind,
            floor: floor.map(str::to_owned),
            microseconds,
            lowest: microseconds - 1.0,
            highest: microseconds + 1.0,
        };
        let rows = vec![
            row("p256", Kind::Floor, None, 50.0),
            row(PORTABLE, Kind::Own, Some("p256"), 60.0),
            row(PASSKEY, Kind::Peer, None, 100.0),
        ];
        let ed25519 =
            vec![row("p256", Kind::Floor, None, 20.0), row(PORTABLE, Kind::Own, Some("p256"), 22.0)];
        let groups =
            vec![Group { title: TYPED.to_owned(), rows }, Group { title: ED25519.to_owned(), rows: ed25519 }];
        Results {
            date: "2026-01-02".to_owned(),
            cpu: "a processor".to_owned(),
            rustc: "rustc 1".to_owned(),
            profile: "release".to_owned(),
            measured: Measured { runs: 5, rounds: 400, groups },
            absent: vec![Absent { candidate: "somebody".to_owned(), reason: "no compiler".to_owned() }],
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_candidate_and_names_the_operation_once() {
        let text = sample().markdown();
        let portable = "|  | **countersign, portable** | 60.00 | 59.00 to 61.00 | 1.20 |\n";
        assert!(
            text.contains("| getAssertion ES256, typed | floor: p256 | 50.00 | 49.00 to 51.00 |  |\n"),
            "{text}"
        );
        assert!(text.contains(portable), "{text}");
        assert!(text.contains("\nNot measured: somebody, which did not build: no compiler\n"), "{text}");
    }

    #[test]
    fn targets_are_reached_up_to_their_limit_missed_above_it_and_else_not_measured() {
        let text = sample().markdown();
        let verdict = |promise: &str| {
            text.lines()
                .find(|line| line.starts_with(&format!("| {promise} ")))
                .expect("the target stands there")
        };
        assert!(
            verdict(&format!("{TYPED}: portable to {PASSKEY}")).ends_with("| ≤ 0.55 | 0.600 | **missed** |")
        );
        let ed25519 = format!("{ED25519}: {PORTABLE} to its floor");
        assert!(verdict(&ed25519).ends_with("| ≤ 1.25 | 1.100 | reached |"));
        assert!(verdict("accelerated, everything").ends_with("| not measured |"));
        assert!(
            verdict(&format!("{HMAC_SECRET}: portable to {OPENSK}"))
                .ends_with("| ≤ 0.60 |  | not measured |")
        );
    }

    #[test]
    fn what_stands_between_the_marks_is_replaced_and_nothing_else() {
        let results = sample();
        let paper = format!("before\n{BEGIN}old\n{END}after\n");
        let expected = format!("before\n{BEGIN}{}{END}after\n", results.markdown());
        assert_eq!(results.within(&paper), Ok(expected));
        assert!(results.within("no marks").is_err());
    }
}
