//! `countersign vault`: the ways into a vault.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking; clippy knows test functions only")]

mod common;

use common::{Home, PIN, Run, contains, files_below, repository, terminal::Terminal};
use serde_json::Value;

const WORDS: &str = "seven green umbrellas";

/// The slots, as the recovery code shows them.
fn slots(home: &Home) -> Vec<Value> {
    home.by_code(&["vault", "slots"]).json()["slots"].as_array().unwrap().clone()
}

fn slot(home: &Home, id: &Value) -> Value {
    slots(home).into_iter().find(|slot| slot["slotId"] == *id).unwrap()
}

fn id(made: &Value) -> &str {
    made["slotId"].as_str().unwrap()
}

fn words(home: &Home) -> String {
    home.write("words.txt", WORDS.as_bytes())
}

fn enrol_passphrase(home: &Home) -> Value {
    let file = words(home);
    home.by_code(&["vault", "enroll", "--passphrase", "--new-passphrase-file", &file]).json()
}

fn by_passphrase(home: &Home, arguments: &[&str]) -> Run {
    let file = words(home);
    home.json(&[arguments, &["--passphrase-file", &file]].concat())
}

fn enrol_passkey(home: &Home, more: &[&str]) -> Value {
    let pin = home.pin_file();
    home.by_code(&[&["vault", "enroll", "--yes", "--pin-file", &pin][..], more].concat()).json()
}

/// Files with shares that were made, any two of which open the vault.
fn shares(home: &Home) -> (Value, Vec<String>) {
    let made = home.by_code(&["vault", "enroll", "--shares", "2/3"]).json();
    let texts = made["shares"].as_array().unwrap().iter().zip(1..);
    let files = texts
        .map(|(text, number)| home.write(&format!("share-{number}.txt"), text.as_str().unwrap().as_bytes()));
    let files = files.collect();
    (made, files)
}

fn by_shares(home: &Home, files: &[&str]) -> Run {
    let options = files.iter().flat_map(|file| ["--share-file", file]);
    home.json(&["vault", "unlock"].into_iter().chain(options).collect::<Vec<_>>())
}

#[test]
fn a_short_passphrase_is_not_enrolled() {
    let (home, _) = Home::with_vault();
    let file = home.write("short.txt", b"umbrella");
    let enrol = ["vault", "enroll", "--passphrase", "--new-passphrase-file", &file, "--code-file"];
    let message = home.json(&[&enrol[..], &[&home.code_file()]].concat()).fails(1, "policy");
    assert!(message.contains("10 characters") && !message.contains("umbrella;"), "{message}");
}

#[test]
fn a_passphrase_opens_the_vault_and_another_one_does_not() {
    let (home, _) = Home::with_vault();
    let file = words(&home);
    let unlock = ["vault", "unlock", "--passphrase-file", &file];
    home.json(&unlock).fails(5, "no-slot");
    let made = enrol_passphrase(&home);
    assert_eq!(made["kind"], "passphrase");
    let opened = home.json(&unlock).json();
    assert_eq!((&opened["openedBy"], &opened["slotId"]), (&"passphrase".into(), &made["slotId"]));
    home.write("words.txt", b"seven green umbrella");
    let message = home.json(&unlock).fails(4, "wrong-secret");
    assert!(!message.contains("umbrella") && !message.contains("passkey"), "{message}");
    // What Argon2id takes time for is said to people at a terminal only.
    words(&home);
    assert_eq!(home.run(&unlock).stderr, "");
}

#[test]
fn codes_are_shown_once_and_open_the_vault() {
    let (home, first) = Home::with_vault();
    for (option, member, kind) in [
        ("--recovery-code", "recoveryCode", "recovery code"),
        ("--contact-code", "contactCode", "contact's code"),
    ] {
        let made = home.by_code(&["vault", "enroll", option, "--label", "Ada", "--note", "at home"]).json();
        let code = made[member].as_str().unwrap();
        assert_ne!(code, first);
        let file = home.write("new.txt", code.as_bytes());
        let opened = home.json(&["vault", "unlock", "--code-file", &file]).json();
        assert_eq!((&opened["openedBy"], &opened["slotId"]), (&kind.into(), &made["slotId"]));
        let shown = slot(&home, &made["slotId"]);
        assert_eq!((&shown["label"], &shown["note"]), (&"Ada".into(), &"at home".into()));
        assert!(
            files_below(&home.base())
                .iter()
                .all(|file| { !contains(&std::fs::read(file).unwrap(), code.as_bytes()) })
        );
    }
    let code = home.code_file();
    let shown = home.run(&["vault", "enroll", "--contact-code", "--code-file", &code]).text();
    assert!(shown.contains("Contact's code: CS1-") && shown.contains("shown this once"), "{shown}");
}

#[test]
fn enough_shares_of_one_set_open_the_vault() {
    let (home, _) = Home::with_vault();
    let (made, files) = shares(&home);
    assert_eq!((made["shares"].as_array().unwrap().len(), &made["sharesNeeded"]), (3, &2.into()));
    for pair in [[&files[0], &files[1]], [&files[2], &files[0]]] {
        let opened = by_shares(&home, &[pair[0], pair[1]]).json();
        assert_eq!((&opened["openedBy"], &opened["slotId"]), (&"shares".into(), &made["slotId"]));
    }
    let shown = slot(&home, &made["slotId"]);
    assert_eq!((&shown["sharesNeeded"], &shown["sharesMade"]), (&2.into(), &3.into()));
}

#[test]
fn shares_that_do_not_go_together_are_named_for_what_they_are() {
    let (home, _) = Home::with_vault();
    let (made, files) = shares(&home);
    let says = |files: &[&str], words: &str| {
        let message = by_shares(&home, files).fails(4, "wrong-share");
        assert!(message.contains(words), "{message}");
    };
    says(&[&files[0]], "too few");
    says(&[&files[0], &files[0]], "twice");
    says(&[&files[0], &files[1], &files[2]], "too many");
    let text = made["shares"][0].as_str().unwrap();
    let last = if text.ends_with('0') { '1' } else { '0' };
    let mistyped = home.write("mistyped.txt", format!("{}{last}", &text[..text.len() - 1]).as_bytes());
    says(&[&mistyped, &files[1]], "mistyped");
    says(&[&home.code_file(), &files[1]], "not a share");
    let other = home.by_code(&["vault", "enroll", "--shares", "2/2"]).json();
    let other = home.write("other.txt", other["shares"][0].as_str().unwrap().as_bytes());
    says(&[&other, &files[1]], "different sets");
    // Of a set that opens another vault.
    let (elsewhere, _) = Home::with_vault();
    by_shares(&elsewhere, &[&files[0], &files[1]]).fails(5, "no-slot");
    shares(&elsewhere);
    by_shares(&elsewhere, &[&files[0], &files[1]]).fails(4, "wrong-secret");
}

#[test]
fn a_set_of_shares_that_cannot_be_is_a_usage_error() {
    let (home, _) = Home::with_vault();
    for split in ["1/3", "4/3", "2/17", "2", "2/", "/3", "two/3", "2/3/4", "0/0"] {
        home.by_code(&["vault", "enroll", "--shares", split]).fails(2, "usage");
    }
    home.by_code(&["vault", "enroll", "--recovery-code", "--contact-code"]).fails(2, "usage");
    home.by_code(&["vault", "enroll", "--recovery-code", "--existing", "AAAA"]).fails(2, "usage");
    assert_eq!(slots(&home).len(), 1);
}

#[test]
fn one_secret_opens_the_vault_and_two_are_a_usage_error() {
    let (home, _) = Home::with_vault();
    let (code, words) = (home.code_file(), words(&home));
    home.json(&["vault", "unlock", "--code-file", &code, "--passphrase-file", &words]).fails(2, "usage");
    home.json(&["vault", "unlock", "--by", "code", "--code-file", &code]).fails(2, "usage");
    home.json(&["vault", "unlock", "--by", "magic"]).fails(2, "usage");
    home.json(&["vault", "unlock", "--by", "shares"]).fails(5, "no-slot");
    home.json(&["vault", "unlock"]).fails(3, "no-terminal");
}

#[test]
fn a_new_secret_needs_a_terminal_or_a_file() {
    let (home, _) = Home::with_vault();
    let message = home.by_code(&["vault", "enroll", "--passphrase"]).fails(3, "no-terminal");
    assert!(message.contains("--new-passphrase-file"), "{message}");
    let empty = home.write("empty.txt", b"\n");
    let enrol = ["vault", "enroll", "--passphrase", "--new-passphrase-file", &empty];
    home.by_code(&enrol).fails(2, "bad-secret");
    assert_eq!(slots(&home).len(), 1);
}

#[test]
fn a_passkey_with_an_extra_pin_wants_both() {
    let home = Home::with_key();
    home.make_vault();
    let extra = home.write("extra.txt", b"4711");
    let made = enrol_passkey(&home, &["--new-extra-pin-file", &extra]);
    assert_eq!(slot(&home, &made["slotId"])["extraPin"], true);
    let message = home.as_person(&["vault", "unlock"]).fails(3, "no-terminal");
    assert!(message.contains("--extra-pin-file"), "{message}");
    let unlock = ["vault", "unlock", "--extra-pin-file", &extra];
    assert_eq!(home.as_person(&unlock).json()["openedBy"], "passkey");
    home.by_code(&["vault", "rotate"]).json();
    assert_eq!(home.as_person(&unlock).json()["slotRefreshed"], true);
    home.write("extra.txt", b"4712");
    home.as_person(&unlock).fails(4, "wrong-secret");
}

#[test]
fn a_passkey_is_used_for_encryption_or_could_be() {
    let home = Home::with_key();
    home.make_vault();
    let idle = enrol_passkey(&home, &["--sign-in-only", "--label", "phone"]);
    assert_eq!(idle["usedForEncryption"], false);
    let shown = slot(&home, &idle["slotId"]);
    assert_eq!(
        (&shown["encryption"], &shown["status"]),
        (&"supported, not active".into(), &"supported".into())
    );
    assert_eq!((&shown["rpId"], &shown["credentialId"]), (&"vault.example".into(), &idle["credentialId"]));
    home.as_person(&["vault", "unlock", "--by", "passkey"]).fails(5, "no-slot");

    // Set up later, for the passkey that is there.
    let credential = idle["credentialId"].as_str().unwrap();
    let used = enrol_passkey(&home, &["--existing", credential]);
    assert_eq!((&used["slotId"], &used["label"]), (&idle["slotId"], &"phone".into()));
    assert_eq!(slot(&home, &used["slotId"])["encryption"], "used for encryption");
    home.as_person(&["vault", "unlock"]).json();
    let pin = home.pin_file();
    let again = ["vault", "enroll", "--existing", credential, "--yes", "--pin-file", &pin];
    home.by_code(&again).fails(1, "already-enrolled");

    // And taken away again, by which the passkey stays.
    let kept = home.by_code(&["vault", "remove", "phone", "--sign-in-only", "--yes"]).json();
    assert_eq!(kept["removed"], used["slotId"]);
    assert_eq!(slot(&home, &used["slotId"])["encryption"], "supported, not active");
    let codes = home.by_code(&["vault", "remove", "recovery code", "--sign-in-only", "--yes"]);
    codes.fails(2, "usage");
    home.by_code(&["vault", "remove", "phone", "--yes"]).json();
    assert!(slots(&home).iter().all(|slot| slot["label"] != "phone"));
    assert_eq!(home.json(&["key", "info"]).json()["passkeys"], 1);
}

#[test]
fn slots_show_when_they_were_made_used_and_verified() {
    let home = Home::with_key();
    home.make_vault();
    let passkey = enrol_passkey(&home, &["--label", "laptop"]);
    let passphrase = enrol_passphrase(&home);
    let never = slot(&home, &passphrase["slotId"]);
    assert!(never["created"].is_string() && never["lastUsed"].is_null() && never["lastVerified"].is_null());
    let verified = slot(&home, &passkey["slotId"]);
    assert!(
        verified["lastVerified"].is_string() && verified["lastUsed"].is_null(),
        "two assertions verify it"
    );
    by_passphrase(&home, &["vault", "unlock"]).json();
    let used = slot(&home, &passphrase["slotId"]);
    assert!(used["lastUsed"].is_string() && used["lastVerified"].is_string());
    // Once a day is enough: nothing is written the second time.
    let epoch = || by_passphrase(&home, &["vault", "unlock"]).json()["epoch"].clone();
    assert_eq!(epoch(), epoch());

    let text = home.run(&["vault", "slots", "--code-file", &home.code_file()]).text();
    for words in ["passkey, used for encryption", "laptop; created", "recovery code, opens the vault"] {
        assert!(text.contains(words), "{text}");
    }
    home.by_code(&["vault", "rotate"]).json();
    assert_eq!(slot(&home, &passkey["slotId"])["refreshDue"], true);
}

#[test]
fn a_way_that_was_tried_out_is_noted() {
    let (home, _) = Home::with_vault();
    enrol_passphrase(&home);
    let tested = by_passphrase(&home, &["vault", "test"]).json();
    assert_eq!(tested["kind"], "passphrase");
    assert!(tested["lastVerified"].is_string());
    // On a machine that has not seen the vault, nothing is written unasked; this is asked for.
    let (home, _) = Home::with_vault();
    enrol_passphrase(&home);
    let machine = new_machine(&home);
    let tested = by_passphrase(&machine, &["vault", "test"]).json();
    assert!(tested["lastVerified"].is_string() && tested["lastUsed"].is_null());
    home.write("words.txt", b"wrong words");
    let file = home.path("words.txt").display().to_string();
    home.json(&["vault", "test", "--passphrase-file", &file]).fails(4, "wrong-secret");
}

#[test]
fn labels_and_notes_are_changed_and_hidden() {
    let (home, _) = Home::with_vault();
    let made = enrol_passphrase(&home);
    let labelled = home.by_code(&["vault", "label", id(&made), "umbrellas of 2026", "--note", "in the safe"]);
    assert_eq!(labelled.json()["label"], "umbrellas of 2026");
    home.by_code(&["vault", "label", "umbrellas of 2026", "words"]).json();
    let shown = slot(&home, &made["slotId"]);
    assert_eq!((&shown["label"], &shown["note"]), (&"words".into(), &"in the safe".into()));
    home.by_code(&["vault", "label", "words", "--note", ""]).json();
    assert!(slot(&home, &made["slotId"])["note"].is_null());
    home.by_code(&["vault", "label", "words"]).fails(2, "usage");
    home.by_code(&["vault", "label", "words", &"x".repeat(5000)]).fails(1, "too-large");
    home.by_code(&["vault", "label", "nothing", "x"]).fails(5, "no-slot");
    home.by_code(&["vault", "label", &id(&made)[..3], "x"]).fails(5, "no-slot");
    home.by_code(&["vault", "enroll", "--contact-code", "--label", "words"]).json();
    home.by_code(&["vault", "label", "words", "x"]).fails(2, "ambiguous-slot");
    let unverified = home.json(&["vault", "status"]).json();
    assert!(unverified["slots"].as_array().unwrap().iter().all(|slot| slot["label"].is_null()));
    for file in files_below(&home.base()) {
        assert!(!contains(&std::fs::read(file).unwrap(), b"in the safe"));
    }
}

#[test]
fn a_removed_slot_opens_the_vault_no_longer() {
    let (home, _) = Home::with_vault();
    let code = home.code_file();
    home.run_with_input(&["vault", "put", "note", "--code-file", &code], b"kept");
    let made = enrol_passphrase(&home);
    home.by_code(&["vault", "remove", "feedfeed", "--yes"]).fails(5, "no-slot");
    home.by_code(&["vault", "remove", id(&made)]).fails(3, "no-terminal");
    by_passphrase(&home, &["vault", "unlock"]).json();
    let removed = home.by_code(&["vault", "remove", id(&made), "--yes"]).json();
    assert_eq!((&removed["removed"], &removed["keyGeneration"]), (&made["slotId"], &2.into()));
    assert_eq!(removed["renew"].as_array().unwrap().len(), 1, "the recovery code may have been seen");
    by_passphrase(&home, &["vault", "unlock"]).fails(5, "no-slot");
    assert_eq!(slot(&home, &made["slotId"])["status"], "removed");
    home.by_code(&["vault", "remove", id(&made), "--yes"]).fails(5, "no-slot");
    assert_eq!(home.run(&["vault", "get", "note", "--code-file", &code]).text(), "kept");
}

#[test]
fn the_old_seal_is_kept_by_an_explicit_word_only() {
    let (home, _) = Home::with_vault();
    let made = enrol_passphrase(&home);
    let code = home.code_file();
    let remove = ["vault", "remove", id(&made), "--keep-old-seal", "--yes", "--code-file", &code];
    let said = home.run(&remove).text();
    assert!(said.contains("Key generation 1") && said.contains("reads on"), "{said}");
}

#[test]
fn the_last_ways_into_the_vault_are_guarded() {
    let home = Home::with_key();
    home.make_vault();
    let remove = ["vault", "remove", "recovery code", "--yes"];
    home.by_code(&[&remove[..], &["--give-up-last-fallback"]].concat()).fails(1, "last-slot");
    enrol_passkey(&home, &[]);
    let message = home.by_code(&remove).fails(1, "last-fallback");
    assert!(message.contains("--give-up-last-fallback") && message.contains("vault test"), "{message}");
    // Another one that was never tried out does not count.
    enrol_passphrase(&home);
    home.by_code(&remove).fails(1, "last-fallback");
    by_passphrase(&home, &["vault", "test"]).json();
    home.by_code(&remove).json();
    let passphrase = ["vault", "remove", "passphrase", "--give-up-last-fallback"];
    home.as_person(&passphrase).json();
    let left = home.as_person(&["vault", "slots"]).json();
    let used = |slot: &&Value| slot["status"] == "used";
    assert_eq!(left["slots"].as_array().unwrap().iter().filter(used).count(), 1);
}

#[test]
fn a_slot_is_refreshed_and_resalted_by_its_own_secret() {
    let home = Home::with_key();
    home.make_vault();
    let passkey = enrol_passkey(&home, &[]);
    let refreshed = home.by_code(&["vault", "refresh"]).json();
    assert_eq!((&refreshed["kind"], &refreshed["resalted"]), (&"recovery code".into(), &false.into()));
    home.by_code(&["vault", "unlock"]).json();
    home.by_code(&["vault", "refresh", "--resalt"]).fails(2, "usage");
    let resalted = home.as_person(&["vault", "refresh", "--resalt"]).json();
    assert_eq!((&resalted["slotId"], &resalted["resalted"]), (&passkey["slotId"], &true.into()));
    assert_eq!(home.as_person(&["vault", "unlock"]).json()["openedBy"], "passkey");
}

#[test]
fn a_rotation_encrypts_items_anew_where_that_is_asked_for() {
    let (home, _) = Home::with_vault();
    let code = home.code_file();
    home.run_with_input(&["vault", "put", "note", "--code-file", &code], b"kept");
    let version = || home.by_code(&["vault", "list"]).json()["items"][0]["version"].clone();
    assert_eq!(home.by_code(&["vault", "rotate"]).json()["reencrypted"], false);
    assert_eq!(version(), 1);
    assert_eq!(home.by_code(&["vault", "rotate", "--reencrypt"]).json()["reencrypted"], true);
    assert_eq!(version(), 2);
    assert_eq!(home.run(&["vault", "get", "note", "--code-file", &code]).text(), "kept");
}

/// The vault of a home on a machine that has not seen it, with a key of its own.
fn new_machine(home: &Home) -> Home {
    let file = home.path("vault.envelope").display().to_string();
    home.json(&["vault", "export", &file]).json();
    let machine = Home::with_key();
    machine.json(&["vault", "import", &file]).json();
    machine
}

#[test]
fn everything_lost_but_shares_is_recovered_on_a_new_machine() {
    let home = Home::with_key();
    home.make_vault();
    enrol_passkey(&home, &["--label", "lost laptop"]);
    let code = home.code_file();
    home.run_with_input(&["vault", "put", "note", "--code-file", &code], b"kept");
    let (_, files) = shares(&home);
    let machine = new_machine(&home);
    let pin = machine.pin_file();
    let recover = [
        "vault",
        "recover",
        "--share-file",
        &files[0],
        "--share-file",
        &files[2],
        "--passkey",
        "--recovery-code",
        "--lost",
        "lost laptop",
        "--lost",
        "recovery code",
        "--yes",
        "--pin-file",
        &pin,
    ];
    let message = machine.json(&recover).fails(1, "unchecked");
    assert!(message.contains("--accept-as-is"), "{message}");
    let recovered = machine.json(&[&recover[..], &["--accept-as-is"]].concat()).json();
    assert_eq!((&recovered["openedBy"], &recovered["failed"]), (&"shares".into(), &Value::Null));
    assert_eq!(recovered["removed"].as_array().unwrap().len(), 2);
    let new = recovered["enrolled"][1]["recoveryCode"].as_str().unwrap();
    machine.write("code.txt", new.as_bytes());
    let get = ["vault", "get", "note", "--code-file", &machine.code_file()];
    assert_eq!(machine.run(&get).text(), "kept");
    assert_eq!(machine.as_person(&["vault", "unlock"]).json()["openedBy"], "passkey");
    let steps = recovered["nextSteps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step.as_str().unwrap().contains("vault enroll --shares")), "{steps:?}");
    // The old code and the lost passkey are out.
    machine.json(&["vault", "unlock", "--code-file", &code]).fails(4, "wrong-secret");
}

#[test]
fn a_recovery_says_what_is_next_and_changes_nothing_unasked() {
    let home = Home::with_key();
    home.make_vault();
    enrol_passkey(&home, &["--label", "laptop"]);
    let before = slots(&home);
    let report = home.by_code(&["vault", "recover"]).json();
    let steps = report["nextSteps"].to_string();
    for words in ["vault enroll", "laptop", "backup create"] {
        assert!(steps.contains(words), "{steps}");
    }
    assert_eq!(slots(&home), before);
    home.json(&["vault", "recover", "--by", "passkey"]).fails(2, "bad-way");
    // Without a secret named: the passkey is no way here.
    home.as_person(&["vault", "recover"]).fails(3, "no-terminal");
    home.by_code(&["vault", "recover", "--lost", "nothing"]).fails(5, "no-slot");
    std::fs::remove_dir_all(home.base().join("key")).unwrap();
    home.by_code(&["vault", "recover", "--passkey"]).fails(5, "no-key");
}

#[test]
fn a_recovery_that_stops_half_way_still_shows_the_code_it_made() {
    let home = Home::with_key();
    home.make_vault();
    enrol_passkey(&home, &[]);
    let lost = ["vault", "recover", "--recovery-code", "--lost", "recovery code", "--yes"];
    let run = home.by_code(&lost);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["failed"]["code"], "last-fallback");
    let code = home.write("code.txt", report["enrolled"][0]["recoveryCode"].as_str().unwrap().as_bytes());
    home.json(&["vault", "test", "--code-file", &code]).json();
}

#[test]
fn a_new_passphrase_is_typed_twice_and_unseen() {
    let (home, _) = Home::with_vault();
    let code = home.code_file();
    for (again, exit) in [("seven green umbrellbs", 2), (WORDS, 0)] {
        let mut terminal = Terminal::start(&home, &["vault", "enroll", "--passphrase", "--code-file", &code]);
        terminal.at("New passphrase: ", &format!("{WORDS}\n"));
        terminal.at("New passphrase again: ", &format!("{again}\n"));
        let (ended, _, screen) = terminal.end();
        assert_eq!(ended, exit, "{screen}");
        assert!(!screen.contains("umbrell"), "{screen}");
    }
    let mut terminal = Terminal::start(&home, &["vault", "unlock", "--by", "passphrase"]);
    terminal.at("Passphrase: ", &format!("{WORDS}\n")).at("Argon2id", "");
    let (code, output, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(output.contains("passphrase"), "{output}");
}

#[test]
fn an_extra_pin_is_typed_twice_and_then_asked_for() {
    let home = Home::with_key();
    home.make_vault();
    let (code, pin) = (home.code_file(), home.pin_file());
    let enrol = ["vault", "enroll", "--extra-pin", "--yes", "--pin-file", &pin, "--code-file", &code];
    let mut terminal = Terminal::start(&home, &enrol);
    terminal.at("New extra PIN for this passkey: ", "4711\n").at("this passkey again: ", "4711\n");
    let (ended, _, screen) = terminal.end();
    assert_eq!(ended, 0, "{screen}");
    for (typed, exit) in [("4712", 4), ("4711", 0)] {
        let mut terminal = Terminal::start(&home, &["vault", "unlock", "--yes", "--pin-file", &pin]);
        terminal.at("Extra PIN of this passkey: ", &format!("{typed}\n"));
        let (ended, _, screen) = terminal.end();
        assert_eq!(ended, exit, "{screen}");
        assert!(!screen.contains("471"), "{screen}");
    }
}

#[test]
fn shares_are_asked_for_one_by_one_and_a_mistyped_one_again() {
    let (home, _) = Home::with_vault();
    let (made, _) = shares(&home);
    let text = |number: usize| made["shares"][number].as_str().unwrap().to_owned();
    let mut terminal = Terminal::start(&home, &["vault", "unlock", "--by", "shares"]);
    terminal.at("Share 1: ", &format!("{}\n", text(2).to_lowercase()));
    terminal.at("Share 2 of 2: ", &format!("{}\n", &text(0)[1..])).at("not a share", "");
    terminal.at("Share 2 of 2: ", &format!("{}\n", text(2))).at("twice", "");
    terminal.at("Share 2 of 2: ", &format!("{}\n", text(0)));
    let (code, output, screen) = terminal.end();
    assert_eq!(code, 0, "{screen}");
    assert!(output.contains("shares") && !screen.contains(&text(0)), "{screen}");
    let mut terminal = Terminal::start(&home, &["vault", "unlock", "--by", "shares"]);
    terminal.at("Share 1: ", "\n");
    assert_eq!(terminal.end().0, 2);
}

#[test]
fn a_slot_is_removed_after_a_yes_and_it_is_said_what_is_lost() {
    let (home, _) = Home::with_vault();
    enrol_passphrase(&home);
    let remove = ["vault", "remove", "passphrase", "--code-file", &home.code_file()];
    for (keys, code) in [("n\n", 3), ("\n", 3), ("\x04", 3), ("y\n", 0)] {
        let mut terminal = Terminal::start(&home, &remove);
        terminal.at("will not open the vault any more", "").at("recovery code", "").at("[y/N] ", keys);
        let (ended, _, screen) = terminal.end();
        assert_eq!(ended, code, "{screen}");
    }
    assert_eq!(slots(&home).iter().filter(|slot| slot["status"] == "used").count(), 1);
}

#[test]
fn a_recovery_at_the_terminal_asks_what_to_do() {
    let home = Home::with_key();
    let code = home.make_vault();
    let mut terminal = Terminal::start(&home, &["vault", "recover"]);
    terminal.at("Recovery code: ", &format!("{code}\n"));
    terminal.at("passkey of this machine's key open it? [y/N] ", "y\n").at("recovery code? [y/N] ", "y\n");
    for _ in 0..3 {
        terminal.enter_pin(PIN);
    }
    let (ended, output, screen) = terminal.end();
    assert_eq!(ended, 0, "{screen}");
    assert!(output.contains("Recovery code: CS1-") && output.contains("vault test"), "{output}");
    assert!(!screen.contains(&code));
    assert_eq!(home.as_person(&["vault", "unlock"]).json()["openedBy"], "passkey");
}

#[test]
fn a_passkey_that_has_no_slot_is_no_way_in() {
    let home = Home::with_key();
    home.make_vault();
    let options = repository("crates/cli/data/quickstart-create.json");
    home.as_person(&["webauthn", "create", "--origin", "https://vault.example", &options]).json();
    home.as_person(&["vault", "unlock", "--by", "passkey"]).fails(5, "no-slot");
    let pin = home.pin_file();
    let enrol = ["vault", "enroll", "--passkey", "--rp-id", "Not A Domain", "--yes", "--pin-file", &pin];
    home.by_code(&enrol).fails(2, "bad-rp-id");
}
