//! `countersign check`.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use common::Home;
use serde_json::Value;

/// Exit code, and each finding's severity by its reason.
fn check(home: &Home, more: &[&str]) -> (i32, Vec<(String, String)>, Value) {
    let run = home.by_code(&[&["check"], more].concat());
    assert_eq!(run.stderr, "");
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let findings = findings.map(|finding| (text(finding, "reason"), text(finding, "severity"))).collect();
    (run.code, findings, report)
}

fn has(findings: &[(String, String)], reason: &str, severity: &str) -> bool {
    findings.iter().any(|(found, how)| found == reason && how == severity)
}

fn with_passkey() -> Home {
    let home = Home::with_key();
    home.make_vault();
    let code = home.code_file();
    home.as_person(&["vault", "enroll", "--code-file", &code]).json();
    home
}

#[test]
fn a_vault_that_hangs_on_one_code_is_critical() {
    let (home, _) = Home::with_vault();
    let (code, findings, report) = check(&home, &[]);
    assert_eq!((code, &report["worst"]), (10, &"critical".into()));
    assert!(has(&findings, "single-point-of-failure", "critical"), "{findings:?}");
    assert!(has(&findings, "no-authenticator", "advice"));
    let first = &report["findings"][0];
    assert_eq!(first["about"][0]["type"], "slot");
    assert!(first["command"].as_str().unwrap().starts_with("countersign "));
}

#[test]
fn a_second_way_in_leaves_a_warning() {
    let home = with_passkey();
    let (code, findings, report) = check(&home, &[]);
    assert_eq!((code, &report["worst"]), (9, &"warning".into()), "{findings:?}");
    assert!(has(&findings, "single-authenticator", "warning"));
    assert!(!findings.iter().any(|(reason, _)| reason == "single-point-of-failure"));
}

#[test]
fn a_code_that_is_kept_in_its_own_vault_is_found_however_it_is_written() {
    let (home, code) = Home::with_vault();
    let contents = format!("my notes\nthe code: {}, and more", code.to_lowercase().replace('-', " "));
    home.by_code(&["vault", "put", "notes.txt", &home.write("notes.txt", contents.as_bytes())]).json();
    let (exit, findings, _) = check(&home, &[]);
    assert_eq!(exit, 10);
    assert!(has(&findings, "code-in-own-vault", "warning"), "{findings:?}");
    assert!(has(&findings, "no-way-in", "critical"), "nothing else opens the vault: {findings:?}");
    assert!(has(&findings, "backup-missing", "warning"));
}

#[test]
fn the_code_of_another_vault_may_be_kept() {
    let (other, code) = Home::with_vault();
    drop(other);
    let (home, _) = Home::with_vault();
    home.by_code(&["vault", "put", "code.txt", &home.write("other.txt", code.as_bytes())]).json();
    let (_, findings, _) = check(&home, &[]);
    assert!(!findings.iter().any(|(reason, _)| reason == "code-in-own-vault"), "{findings:?}");
}

#[test]
fn backups_kits_and_reviews_are_taken_note_of() {
    let (home, _) = Home::with_vault();
    home.by_code(&["vault", "put", "a.txt", &home.write("a.txt", b"kept")]).json();
    let reasons = |home: &Home, more: &[&str]| -> Vec<String> {
        check(home, more).1.into_iter().map(|(reason, _)| reason).collect()
    };
    let before = reasons(&home, &[]);
    assert!(["backup-missing", "kit-missing"].iter().all(|reason| before.contains(&(*reason).into())));

    let file = home.path("vault.backup").to_str().unwrap().to_owned();
    home.by_code(&["backup", "create", &file, "--backup-recovery-code"]).json();
    let after = reasons(&home, &[]);
    assert!(
        !after.contains(&"backup-missing".into()) && after.contains(&"backup-untested".into()),
        "{after:?}"
    );

    home.by_code(&["kit", "print", "--place", "desk"]).json();
    let report = check(&home, &[]).2;
    assert!(!report.to_string().contains("kit-missing"));
    assert_eq!(report["kept"][0]["place"], "desk");

    assert_eq!(report["reviewed"], Value::Null);
    let reviewed = check(&home, &["--reviewed"]).2;
    assert_ne!(reviewed["reviewed"], Value::Null);
    assert_eq!(check(&home, &[]).2["reviewed"], reviewed["reviewed"], "it stays");
}

#[test]
fn for_people_there_are_sentences_and_commands() {
    let (home, _) = Home::with_vault();
    let run = home.run(&["check", "--code-file", &home.code_file()]);
    assert_eq!((run.code, run.stderr.as_str()), (10, ""));
    let text = run.text();
    assert!(
        text.contains("\ncritical: single-point-of-failure\n  Everything that opens this vault hangs on"),
        "{text}"
    );
    assert!(
        text.contains("\n    countersign kit print --new-code") && text.contains("\nNext review: 20"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn names_from_the_vault_cannot_write_on_the_terminal() {
    let home = Home::with_key();
    home.make_vault();
    let code = home.code_file();
    home.as_person(&["vault", "enroll", "--code-file", &code, "--label", "a\u{1b}[31mb\ncritical: forged"])
        .json();
    let text = home.run(&["check", "--code-file", &code]).text();
    assert!(!text.contains('\u{1b}') && !text.contains("\ncritical: forged"), "{text}");
    assert!(text.contains("\u{fffd}[31mb\u{fffd}critical:"), "{text}");
}

#[test]
fn a_vault_that_does_not_open_is_no_report() {
    let (home, _) = Home::with_vault();
    let (other, _) = Home::with_vault();
    home.json(&["check", "--code-file", &other.code_file()]).fails(4, "wrong-code");
    Home::new().json(&["check"]).fails(5, "no-vault");
}
